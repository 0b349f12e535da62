"""What an API must not answer: each answer breaks one promise of the contract, and the probe says which."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from bedplate.verify.probe.api import try_identity, try_problems
from bedplate.verify.probe.metrics import parse, total
from bedplate.verify.probe.trial import Unmet
from bedplate.verify.probe.vectors import check_answer
from bedplate.verify.probe.wire import Address, Answer, Caller
from frail_images import told

PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "code": "validation_failed",
    "request_id": "abc",
    "errors": [{"pointer": "#/readings/0/value", "detail": "must be finite"}],
}
EXPECTED = {"status": 422, "code": "validation_failed", "pointers": ["#/readings/0/value"]}


def answer(
    problem: Mapping[str, Any] = PROBLEM,
    status: int = 422,
    kind: str = "application/problem+json",
    request_id: str = "abc",
) -> Answer:
    headers = (("content-type", kind), ("x-request-id", request_id))
    return Answer(status, headers, json.dumps(problem).encode())


def without(member: str) -> dict[str, Any]:
    return {name: value for name, value in PROBLEM.items() if name != member}


def test_an_answer_that_is_as_expected_passes() -> None:
    check_answer(answer(), EXPECTED)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (answer(status=400), "expected 422"),
        (answer(kind="application/json"), "type of a 422"),
        (answer(without("code")), "in each problem"),
        (answer(without("request_id")), "in each problem"),
        (answer(PROBLEM | {"status": 400}), "status in the problem"),
        (answer(PROBLEM | {"code": "bad_request"}), "code: expected"),
        (answer(PROBLEM | {"errors": []}), "pointers: expected"),
        (answer(PROBLEM | {"errors": [{"pointer": "#/readings"}]}), "pointers: expected"),
        (answer(request_id="other"), "request_id: expected other, got abc"),
        (Answer(422, (("content-type", "application/problem+json"),), b"[]"), "expected an object"),
    ],
)
def test_a_wrong_answer_is_told(wrong: Answer, reason: str) -> None:
    with pytest.raises(Unmet, match=reason):
        check_answer(wrong, EXPECTED)


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"accepted": 2}, {"accepted": 1}), ({}, {"accepted": 1}), ({"accepted": "1"}, {"accepted": 1})],
)
def test_members_must_be_equal(body: dict[str, Any], expected: dict[str, Any]) -> None:
    with pytest.raises(Unmet, match="accepted: expected"):
        check_answer(Answer(200, (), json.dumps(body).encode()), {"status": 200, "json": expected})


class Careless(BaseHTTPRequestHandler):
    """Answers everything alike, and echoes every request id."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(404)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", "0")
        self.send_header("X-Request-ID", self.headers.get("X-Request-ID", ""))
        self.end_headers()

    do_POST = do_DELETE = do_OPTIONS = do_GET  # noqa: N815 (the names that http.server looks for)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def careless() -> Iterator[Address]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Careless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        yield str(host), int(port)
        server.shutdown()


@pytest.mark.parametrize("part", [try_problems, try_identity])
def test_probe_names_what_is_wrong_with_a_careless_server(part, careless: Address) -> None:
    assert len(told(lambda trials: part(trials, Caller(careless)))) == 1


def test_metrics_are_read_by_name_and_labels() -> None:
    samples = parse('# HELP a b\nhits_total{path="/a\\"b",code="200"} 3\nhits_total{code="404"} 2\nup 1\n')
    assert total(samples, "hits_total") == 5
    assert total(samples, "hits_total", code="200") == 3
    assert total(samples, "up") == 1


def test_what_is_no_exposition_is_refused() -> None:
    with pytest.raises(Unmet, match="text format"):
        parse("<html></html>\n")
