"""What a gateway promises: how it forwards, what it answers itself, whom it believes, what it counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from docker.models.images import Image

from bedplate.verify.probe.metrics import scrape
from bedplate.verify.probe.platform import Instance, Platform
from bedplate.verify.probe.smuggling import try_smuggling
from bedplate.verify.probe.trial import Trials, expect, expect_same
from bedplate.verify.probe.upstream import Upstream
from bedplate.verify.probe.wire import Address, Answer, Line, render, request

LISTENERS: Final = b'listen = "0.0.0.0:8080"\nadmin.listen = "0.0.0.0:9090"\n'
"""With what every configuration begins: TOML's dotted keys leave room for keys without a table."""
HURRIED: Final = LISTENERS + b'[drain]\ndelay = "0s"\ntimeout = "1s"\n'
"""A drain that takes a second."""
BODY_LIMIT: Final = 1_000
_TRACE: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLOSED_PORT: Final = 1
"""tcpmux: nobody has listened there for decades."""


@dataclass(frozen=True)
class Refusal:
    """One row of the table of errors: a request, the status, the tokens of RFC 9209 that fit."""

    name: str
    raw: bytes
    status: int
    tokens: tuple[str, ...]


REFUSALS: Final = (
    Refusal("no route", render("GET", "/nothing"), 404, ("destination_not_found",)),
    Refusal(
        "a body over the limit",
        render("POST", "/web", body=bytes(BODY_LIMIT + 1)),
        413,
        ("http_request_error",),
    ),
    Refusal("TRACE", render("TRACE", "/web"), 405, ("http_request_error", "http_request_denied")),
    Refusal("nobody listens", render("GET", "/refused"), 502, ("connection_refused",)),
    Refusal("no answer in time", render("GET", "/faulty/late"), 504, ("http_response_timeout",)),
    Refusal(
        "an upstream that hangs up",
        render("GET", "/faulty/cut"),
        502,
        ("http_response_incomplete", "connection_terminated"),
    ),
    *(
        Refusal(f"an upstream with {what}", render("GET", f"/faulty/{path}"), 502, ("http_protocol_error",))
        for what, path in (
            ("no HTTP", "garbage"),
            ("a bad status line", "status"),
            ("conflicting lengths", "lengths"),
            ("an upgrade that nobody asked for", "switch"),
            ("a head that is too large", "head"),
        )
    ),
)


def configuration(web: Sequence[Address], faulty: Address, trusted: Sequence[str]) -> bytes:
    """A configuration with two clusters of ours and one where nobody listens."""
    routes = "".join(
        f'[[route]]\npath_prefix = "/{name}"\ncluster = "{name}"\n' for name in ("web", "faulty", "refused")
    )
    clusters = {"web": web, "faulty": [faulty], "refused": [(faulty[0], CLOSED_PORT)]}
    endpoints = "".join(
        f"[cluster.{name}]\nendpoints = {[f'{host}:{port}' for host, port in addresses]}\n"
        for name, addresses in clusters.items()
    )
    settings = f"""trusted_proxies = {list(trusted)}
[limits]
body_bytes = {BODY_LIMIT}
[upstream]
response = "1s"
"""
    return LISTENERS + (settings + routes + endpoints).encode()


def configuration_path(image: Image) -> str:
    """Where the image has its configuration file: what it is started with says so."""
    config = image.attrs["Config"]
    command = [*(config["Entrypoint"] or []), *(config["Cmd"] or [])]
    expect(
        "--config" in command[:-1], f"expected the image to be started with --config PATH, not as {command}"
    )
    return str(command[command.index("--config") + 1])


def try_gateway(trials: Trials, platform: Platform, config: str) -> None:
    """All that is promised of requests. `config` is the path of the image's configuration file."""
    if not platform.direct:
        trials.skip("gateway: upstreams of ours", "the engine runs elsewhere and can't reach this machine")
        return
    with ExitStack() as stack, trials.part("gateway: it serves"):
        web = [stack.enter_context(Upstream(platform.gateway)) for _ in range(2)]
        faulty = stack.enter_context(Upstream(platform.gateway))
        addresses = [upstream.address for upstream in web]
        settings = configuration(addresses, faulty.address, [])
        with started(platform, {config: settings}) as instance:
            try_forwarding(trials, instance.http, web, platform.gateway)
            try_refusals(trials, instance.http)
            try_cut_off(trials, instance.http)
            _try_metrics(trials, instance)
            try_smuggling(trials, instance.http, web)
        settings = configuration(addresses, faulty.address, [f"{platform.gateway}/32"])
        with started(platform, {config: settings}) as instance:
            try_trust(trials, instance.http, web, platform.gateway)


@contextmanager
def started(platform: Platform, files: Mapping[str, bytes]) -> Iterator[Instance]:
    """A container with these files, by their paths, that is ready."""
    with platform.start(files=files) as instance:
        instance.wait_until_ready()
        yield instance


def try_forwarding(trials: Trials, address: Address, web: Sequence[Upstream], peer: str) -> None:
    """What reaches an upstream of requests by `peer`, which is not trusted."""
    with trials.check("gateway: balances over two upstreams, and says who it is"):
        names = {request(address, "GET", "/web").header("x-upstream") for _ in range(40)}
        expect_same("upstreams that answered", {str(upstream.address[1]) for upstream in web}, names)
    with trials.check("gateway: drops what is for one hop, keeps what is for the upstream"):
        sent = {
            **{"Connection": "x-mine, close", "X-Mine": "1", "Keep-Alive": "timeout=5", "TE": "trailers"},
            **{"Proxy-Authorization": "Basic eA==", "X-Other": "kept", "traceparent": _TRACE},
        }
        got = _forwarded(address, web, list(sent.items()))
        gone = ("x-mine", "keep-alive", "te", "proxy-authorization", "transfer-encoding", "upgrade")
        left = [name for name in gone if got.get(name) is not None]
        expect_same("headers for one hop at the upstream", [], left)
        kept = {name: got.get(name) for name in ("x-other", "traceparent", "host")}
        expect_same("at the upstream", {"x-other": "kept", "traceparent": _TRACE, "host": "probe"}, kept)
        expect("via" in got and got["via"].startswith("1.1 "), f"expected a via, got {got}")
    with trials.check("gateway: refuses to drop what an upstream relies on"):
        for name in ("host", "authorization", "content-length"):
            answer = request(address, "GET", "/web", [("Connection", name)])
            expect_same(f"status with Connection: {name}", 400, answer.status)
    with trials.check("gateway: does not believe a peer that is not trusted"):
        claimed = {
            **{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "other"},
            **{"Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1", "X-Request-ID": "claimed"},
        }
        got = _forwarded(address, web, list(claimed.items()))
        told = {
            name: got.get(name) for name in ("x-forwarded-for", "x-forwarded-proto", "forwarded", "x-real-ip")
        }
        wanted = {"x-forwarded-for": peer, "x-forwarded-proto": "http", "forwarded": None, "x-real-ip": None}
        expect_same("at the upstream", wanted, told)
        expect(got.get("x-request-id") not in (None, "claimed"), f"expected an id of its own, got {got}")


def try_trust(trials: Trials, address: Address, web: Sequence[Upstream], peer: str) -> None:
    """What reaches an upstream of requests by `peer`, which is trusted."""
    with trials.check("gateway: believes a peer that is trusted"):
        claimed = {"X-Forwarded-For": "192.0.2.1", "X-Request-ID": "claimed"}
        got = _forwarded(address, web, list(claimed.items()))
        told = (got.get("x-forwarded-for"), got.get("x-request-id"))
        expect_same(
            "x-forwarded-for and x-request-id at the upstream", (f"192.0.2.1, {peer}", "claimed"), told
        )
        replaced = _forwarded(address, web, [("X-Request-ID", "not one/of ours")]).get("x-request-id")
        expect(replaced not in (None, "not one/of ours"), f"expected another id, got {replaced!r}")


def try_refusals(trials: Trials, address: Address) -> None:
    """The table of errors."""
    with trials.check(f"gateway: {len(REFUSALS) + 1} errors are answered as documented"):
        wrong = [f"{row.name}: {seen}" for row in REFUSALS if (seen := _wrong(row, address))]
        with Line(address) as line:
            line.send(b"CONNECT probe:443 HTTP/1.1\r\nHost: probe:443\r\n\r\n")
            head = line.first(5)
        if not head.startswith(b"HTTP/1.1 501"):
            wrong.append(f"CONNECT: expected 501, got {head[:40]!r}")
        expect(not wrong, f"{len(wrong)} are not:\n" + "\n".join(wrong))
    with trials.check("gateway: a request that was here before is answered 508"):
        status = request(address, "GET", "/faulty/garbage").header("proxy-status") or ""
        name = status.partition(";")[0]
        answer = request(address, "GET", "/web", [("Via", f"1.1 {name}")])
        expect_same(f"status with Via: 1.1 {name}", 508, answer.status)


def _wrong(row: Refusal, address: Address) -> str:
    """How an answer differs from what its row says, or nothing."""
    with Line(address) as line:
        line.send(row.raw)
        answer = line.answer(row.raw.split(b" ", 1)[0].decode())
    if answer.status != row.status:
        return f"expected {row.status}, got {answer}"
    status = answer.header("proxy-status") or ""
    if not any(f"error={token}" in status for token in row.tokens):
        return f"expected a proxy-status with {' or '.join(row.tokens)}, got {status!r}"
    kind = (answer.header("content-type") or "").partition(";")[0]
    if kind != "text/plain" or not answer.body.startswith(b"%d " % row.status):
        return f"expected the status as text/plain, got {kind} {answer.body[:60]!r}"
    return "" if answer.header("x-request-id") else "expected an x-request-id, got none"


def try_cut_off(trials: Trials, address: Address) -> None:
    """Answers of an upstream that end too early."""
    with trials.check("gateway: a body that an upstream cuts off never ends cleanly"):
        for path in ("/faulty/short", "/faulty/chunk"):
            try:
                answer: Answer | None = request(address, "GET", path)
            except Exception:  # Whatever keeps the client from taking it for a complete answer.
                answer = None
            complete = answer is not None and answer.status == HTTPStatus.OK
            expect(not complete, f"{path}: expected no complete answer, got {answer}")


def _try_metrics(trials: Trials, instance: Instance) -> None:
    with trials.check("metrics: requests are counted by status, errors by cause"):
        before = scrape(instance.admin)
        for path in ("/web", "/web", "/web", "/nothing"):
            request(instance.http, "GET", path)
        after = scrape(instance.admin)
        grown = {key: after[key] - before.get(key, 0.0) for key in after if after[key] != before.get(key)}
        counted = [
            (value, labels)
            for (name, labels), value in grown.items()
            if "request" in name and "_bucket" not in name
        ]
        for status, count in (("200", 3), ("404", 1)):
            seen = [value for value, labels in counted if status in {text for _, text in labels}]
            expect(
                count in seen,
                f"expected a count of requests with {status} to grow by {count}, grown is {grown}",
            )
        errors = [value for (name, _), value in grown.items() if "error" in name]
        expect(1 in errors, f"expected a count of errors to grow by 1, grown is {grown}")


def _forwarded(
    address: Address, web: Sequence[Upstream], headers: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """The headers of a request as an upstream got them."""
    before = [len(upstream.received) for upstream in web]
    answer = request(address, "GET", "/web", headers)
    expect_same("status", 200, answer.status)
    new = [got for upstream, count in zip(web, before, strict=True) for got in upstream.received[count:]]
    expect_same("requests at upstreams", 1, len(new))
    return {name: new[0].header(name) for name, _ in new[0].headers}
