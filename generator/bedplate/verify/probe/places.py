"""Where to look in a project for what was found on its image, by the first word of a check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_GO_PLACES: Final[Mapping[str, str]] = {
    "image": "Dockerfile",
    "start": "cmd/ and internal/config",
    "version": "internal/server/admin.go and the build arguments of the Dockerfile",
    "log": "internal/telemetry",
    "log level": "internal/server/admin.go",
    "contract": "internal/reading and internal/server",
    "discovery": "internal/server/discovery.go",
    "request id": "internal/server/middleware.go",
    "metrics": "internal/server/middleware.go",
    "traces": "internal/telemetry/tracing.go",
    "auth": "internal/auth",
    "description": "api/openapi.yaml",
    "overload": "internal/server/middleware.go",
    "admin": "internal/server/server.go",
    "hostile": "internal/server/server.go",
    "database": "internal/postgres or internal/sqlite, and cmd/",
    "windows": "internal/aggregate",
    "messages": "internal/worker and internal/reading",
    "backlog": "internal/worker and internal/aggregate",
    "broker": "internal/worker, and internal/nats or internal/kafka",
    "exporter": "internal/collector and internal/server",
    "outage": "internal/postgres or internal/sqlite",
    "drain": "internal/server/drain.go",
    "stop": "internal/server/drain.go and cmd/",
}
_RUST_PLACES: Final[Mapping[str, str]] = {
    "image": "Dockerfile",
    "start": "src/main.rs and src/config",
    "version": "src/admin.rs and the build arguments of the Dockerfile",
    "log": "src/telemetry.rs",
    "log level": "src/admin.rs and src/telemetry.rs",
    "gateway": "src/gateway",
    "proxy": "src/tcp and src/service.rs",
    "demonstration": "src/demo.rs",
    "wire": "src/ingest",
    "faults": "src/delivery",
    "dead letters": "src/delivery/dead_letter.rs",
    "stall": "src/delivery/mod.rs",
    "endpoints": "src/upstream, src/health.rs and what connects: src/gateway/attempt.rs or src/tcp/mod.rs",
    "smuggling": "src/gateway/policy.rs",
    "rate limit": "src/rate_limit.rs",
    "tls": "src/tls, src/config/tls.rs and src/gateway/conversation.rs",
    "http2": "src/gateway/http2",
    "metrics": "src/stats.rs",
    "traces": "src/spans and src/gateway/trace.rs",
    "hostile": "what reads from clients: src/gateway and src/connection.rs, or src/ingest",
    "crowd": "src/listener.rs, and what passes bytes: src/gateway/body.rs or src/tcp/relay.rs",
    "drain": "src/service.rs and src/runtime.rs",
    "stop": "src/service.rs and src/main.rs",
}

PLACES: Final[Mapping[str, Mapping[str, str]]] = {"go-service": _GO_PLACES, "rust-service": _RUST_PLACES}
