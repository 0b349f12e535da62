"""The HTTP test vectors of the contract, against a running service whose store is empty for each case."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Trials, Unmet, expect, expect_same
from bedplate.verify.probe.wire import Answer, Caller

CONTAINERS_AT_ONCE: Final = 2
_OK: Final = 200
_PROBLEM: Final = "application/problem+json"
_ALWAYS: Final = frozenset({"type", "title", "status", "code", "request_id"})


@dataclass(frozen=True)
class Case:
    """One vector: requests that fill the store, the request that is tried, and what must come of it."""

    name: str
    given: tuple[Mapping[str, Any], ...]
    request: Mapping[str, Any]
    expect: Mapping[str, Any]

    @property
    def leaves_store_empty(self) -> bool:
        """True when nothing is stored by it: it reads from an empty store, or is refused."""
        return not self.given and (self.request["method"] != "POST" or self.expect["status"] != _OK)


def load(path: Path) -> list[Case]:
    """Read the vectors of `contract/http.json`."""
    cases = json.loads(path.read_bytes())["cases"]
    return [
        Case(case["name"], tuple(case.get("given", ())), case["request"], case["expect"]) for case in cases
    ]


def try_vectors(trials: Trials, platform: Platform, cases: Sequence[Case]) -> None:
    """Try every case. Those that store something get a container of their own, the others share one.

    Where containers have a store in common, all share one, and what was stored is removed after each.
    """
    with trials.check(f"contract: {len(cases)} vectors"):
        expect(bool(cases), "expected some, there are none")
        shared = [case for case in cases if case.leaves_store_empty]
        alone = [[case] for case in cases if not case.leaves_store_empty]
        if platform.empty:
            platform.empty()
            shared, alone = list(cases), []
        with ThreadPoolExecutor(CONTAINERS_AT_ONCE) as pool:
            batches = pool.map(lambda batch: _failures(platform, batch), [shared, *alone])
            failures = [failure for batch in batches for failure in batch]
        expect(not failures, f"expected all to hold, {len(failures)} do not:\n" + "\n".join(failures))


def _failures(platform: Platform, cases: Iterable[Case]) -> list[str]:
    """The cases of a batch that fail, with the reason; they run on one instance, which starts empty."""
    failures = []
    with platform.start() as instance:
        instance.wait_until_ready()
        for case in cases:
            try:
                _try_case(instance.caller, case)
            except Exception as error:  # A lost connection fails this case and not the others.
                failures.append(f"{case.name}: {error}")
            if platform.empty and not case.leaves_store_empty:
                platform.empty()
    return failures


def _try_case(caller: Caller, case: Case) -> None:
    for given in case.given:
        answer = _send(caller, given)
        expect(answer.status == _OK, f"expected 200 for what must be stored before, got {answer}")
    answer = _send(caller, case.request)
    check_answer(answer, case.expect)


def _send(caller: Caller, sent: Mapping[str, Any]) -> Answer:
    headers = list(sent.get("headers", {}).items())
    return caller.request(sent["method"], sent["path"], headers, payload(sent))


def payload(sent: Mapping[str, Any]) -> bytes | None:
    """The body of a request of a vector."""
    if "body" in sent:
        repeated = sent.get("repeat", {"text": "", "times": 0})
        text: str = sent["body"] + repeated["text"] * repeated["times"] + sent.get("tail", "")
        return text.encode()
    return base64.b64decode(sent["body_base64"]) if "body_base64" in sent else None


def check_answer(answer: Answer, expected: Mapping[str, Any]) -> None:
    """Hold an answer to what a vector expects; raises `Unmet` with what is different."""
    expect(answer.status == expected["status"], f"expected {expected['status']}, got {answer}")
    for name, value in expected.get("headers", {}).items():
        expect_same(name, value, answer.header(name))
    if answer.status >= 400:  # noqa: PLR2004
        check_problem(answer)
    body = answer.json() if answer.body else {}
    if "code" in expected:
        expect_same("code", expected["code"], body["code"])
    for member, named in (("pointers", "pointer"), ("parameters", "parameter")):
        if member in expected:
            seen = sorted(error[named] for error in body.get("errors", ()) if named in error)
            expect_same(member, sorted(expected[member]), seen)
    for member, value in expected.get("json", {}).items():
        expect_same(member, value, body.get(member))


def check_problem(answer: Answer) -> Mapping[str, Any]:
    """Hold an answer to RFC 9457 and to the members that every problem of ours has; returns them."""
    kind = answer.header("content-type")
    expect_same(f"type of a {answer.status}", _PROBLEM, (kind or "").partition(";")[0])
    problem = answer.json()
    if not isinstance(problem, dict):
        raise Unmet(f"expected an object as the problem, got {answer}")
    expect(problem.keys() >= _ALWAYS, f"expected {sorted(_ALWAYS)} in each problem, got {problem}")
    expect_same("status in the problem", answer.status, problem["status"])
    identity = answer.header("x-request-id")
    expect_same("request_id", identity, problem["request_id"])
    return problem
