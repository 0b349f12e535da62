"""HTTP/2 of a gateway: clients that know that it is spoken, over connections without TLS."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final

from bedplate.verify.probe.gateway import LISTENERS, started
from bedplate.verify.probe.grpc import Channel
from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Trials, expect_same
from bedplate.verify.probe.upstream import Upstream
from bedplate.verify.probe.wire import Address

_BODY: Final = b"hello"
_CALLS: Final = 20


def try_http2(trials: Trials, platform: Platform, config: str) -> None:
    """Requests and a drain over HTTP/2. `config` is the path of the image's configuration file."""
    if not platform.direct:
        trials.skip("http2: upstreams of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with ExitStack() as stack, trials.part("http2: it serves"):
        upstream = stack.enter_context(Upstream(platform.gateway))
        instance = stack.enter_context(started(platform, {config: settings(upstream.address)}))
        try_requests(trials, instance.http, upstream)
        with trials.check("http2: a drain completes what is under way, and says that it is the end"):
            with Channel(instance.http) as channel:
                stream = channel.begin("/web", "text/plain")
                instance.signal("SIGTERM")
                reply = channel.complete(stream, _BODY)
                expect_same("status", "200", reply.headers.get(":status"))
                expect_same("whether it was told", True, channel.told_to_go)
            expect_same("exit code", 0, instance.exit_code(10))


def settings(upstream: Address) -> bytes:
    """A configuration with one upstream for everything, and a drain that does not wait."""
    endpoint = f"{upstream[0]}:{upstream[1]}"
    route = f'[[route]]\npath_prefix = "/"\ncluster = "web"\n[cluster.web]\nendpoints = ["{endpoint}"]\n'
    return LISTENERS + b'drain = { delay = "0s", timeout = "5s" }\n' + route.encode()


def try_requests(trials: Trials, address: Address, upstream: Upstream) -> None:
    """One request after the other on one connection, which reach the upstream as HTTP/1.1."""
    with trials.check("http2: requests go on as those of HTTP/1.1"):
        with Channel(address, (("cookie", "a=1"), ("cookie", "b=2"))) as channel:
            replies = [channel.call("/web", _BODY, "text/plain") for _ in range(_CALLS)]
        expect_same("statuses", {"200"}, {reply.headers.get(":status") for reply in replies})
        expect_same("bodies", {b"ok"}, {bytes(reply.body) for reply in replies})
        expect_same("requests at the upstream", _CALLS, len(upstream.received))
        got = upstream.received[-1]
        expect_same("what reached it", ("POST", "/web", _BODY), (got.method, got.target, got.body))
        expect_same("crumbs of a cookie", "a=1; b=2", got.header("cookie"))
        expect_same("host", "probe", got.header("host"))
        expect_same("field for one hop", None, got.header("te"))
        expect_same("protocol in Via", "2.0", (got.header("via") or "").partition(" ")[0])
        expect_same("what is malformed", [], upstream.malformed)
