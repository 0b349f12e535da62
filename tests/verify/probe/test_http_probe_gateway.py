"""What a gateway must not do: one that passes everything on breaks all promises, and the probe names them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from bedplate.verify.probe import endpoints
from bedplate.verify.probe.endpoints import try_account, try_checks, try_loss
from bedplate.verify.probe.gateway import try_cut_off, try_forwarding, try_refusals, try_trust
from bedplate.verify.probe.smuggling import TRICKS, try_smuggling
from bedplate.verify.probe.trial import Trials
from bedplate.verify.probe.upstream import Upstream
from bedplate.verify.probe.wire import Address, Line, render, request
from frail_images import told

PEER = "127.0.0.1"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream(PEER) as upstream:
        yield upstream


@pytest.fixture
def pipe(upstream: Upstream) -> Iterator[Address]:
    """Copies bytes between each client and the upstream, whatever they are."""
    with socket.create_server((PEER, 0)) as listener:
        threading.Thread(target=accept, args=(listener, upstream.address), daemon=True).start()
        yield listener.getsockname()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, target: Address) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(target, 5)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()


def copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def forwarding(trials: Trials, address: Address, upstream: Upstream) -> None:
    try_forwarding(trials, address, [upstream, upstream], PEER)


def trust(trials: Trials, address: Address, upstream: Upstream) -> None:
    try_trust(trials, address, [upstream], PEER)


def refusals(trials: Trials, address: Address, upstream: Upstream) -> None:
    try_refusals(trials, address)


def checks(trials: Trials, address: Address, upstream: Upstream) -> None:
    try_checks(trials, address, [upstream, upstream])


def loss(trials: Trials, address: Address, upstream: Upstream) -> None:
    with Upstream(PEER) as other:
        try_loss(trials, address, [upstream, other])


def account(trials: Trials, address: Address, upstream: Upstream) -> None:
    try_account(trials, address, [upstream])


def smuggling(trials: Trials, address: Address, upstream: Upstream) -> None:
    try_smuggling(trials, address, [upstream])


@pytest.mark.parametrize(
    ("part", "claims"),
    [
        (forwarding, ["drops what is for one hop", "refuses to drop", "does not believe a peer"]),
        (trust, ["believes a peer that is trusted"]),
        (refusals, ["errors are answered as documented", "was here before"]),
        (checks, ["one whose checks fail", "with none left"]),
        (loss, ["one that is gone"]),
        (account, ["/upstreams says which", "endpoints are counted"]),
        (smuggling, ["ambiguous requests", "nothing that is malformed"]),
    ],
)
def test_probe_names_what_is_wrong_with_a_pipe(
    part, claims, pipe: Address, upstream: Upstream, monkeypatch
) -> None:
    monkeypatch.setattr(endpoints, "_PATIENCE", 0.5)
    wrong = told(lambda trials: part(trials, pipe, upstream))
    unnoticed = [claim for claim in claims if not any(claim in check for check in wrong)]
    assert not unnoticed, wrong


def test_an_end_that_is_too_early_is_not_taken_for_a_clean_one(pipe: Address) -> None:
    """A pipe passes on that an answer was cut off, which is all that is asked for."""
    assert told(lambda trials: try_cut_off(trials, pipe)) == {}


def test_upstream_records_requests_as_they_were_sent(upstream: Upstream) -> None:
    answer = request(upstream.address, "POST", "/some", [("X-Name", "value")], b"body")
    (received,) = upstream.received
    assert (answer.status, answer.header("x-upstream")) == (200, str(upstream.address[1]))
    assert (received.method, received.target, received.body) == ("POST", "/some", b"body")
    assert received.header("x-name") == "value"


def test_upstream_says_whether_it_is_well(upstream: Upstream) -> None:
    statuses = []
    for well in (True, False):
        upstream.well = well
        statuses.append([request(upstream.address, "GET", path).status for path in ("/health", "/web")])
    assert statuses == [[200, 200], [503, 200]]


def test_upstream_that_is_closed_answers_nothing_any_more(upstream: Upstream) -> None:
    with Line(upstream.address) as line:
        line.send(render("GET", "/web"))
        assert line.answer().status == 200
        upstream.close()
        line.send(render("GET", "/web"))
        assert line.first(5) == b""
    with pytest.raises(ConnectionRefusedError):
        request(upstream.address, "GET", "/web")


def test_upstream_tells_malformed_requests_from_those_that_were_given_up(upstream: Upstream) -> None:
    whole = render("POST", "/some", body=b"body")
    for raw in (whole[:-2], b"GET / HTTP/1.1\r\nA : b\r\n\r\n"):
        with socket.create_connection(upstream.address, 5) as client:
            client.sendall(raw)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65_536):
                pass
    assert upstream.received == []
    assert len(upstream.malformed) == 1


def test_tricks_have_names_of_their_own() -> None:
    assert len({trick.name for trick in TRICKS}) == len(TRICKS)
