"""What can be built, said once for all tests: the template that each domain is made from, in their order."""

from __future__ import annotations

DOMAINS = {
    "http-api": "go-service",
    "rpc-api": "go-service",
    "event-worker": "go-service",
    "metrics-exporter": "go-service",
    "http-gateway": "rust-service",
    "tcp-proxy": "rust-service",
    "stream-ingest": "rust-service",
    "sensor-node": "rust-embedded",
}
