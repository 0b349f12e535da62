"""The HTTP vectors: well formed, complete, and what a service written from the rules alone answers."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from contract_service import MEMBERS, Answer, Limits, Service
from jsonschema import Draft202012Validator
from shell import ROOT

CASES: list[dict[str, Any]] = json.loads((ROOT / "contract" / "http.json").read_bytes())["cases"]
# Every code that a request alone can bring about; the others take load, options or a fault.
STATUS = {
    "bad_request": 400,
    "bad_cursor": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "validation_failed": 422,
}
TEXT = {"type": "string"}
REQUEST = {
    "type": "object",
    "required": ["method", "path", "headers"],
    "additionalProperties": False,
    "properties": {
        "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
        "path": {"type": "string", "pattern": "^/"},
        "headers": {"type": "object", "additionalProperties": TEXT},
        "body": TEXT,
        "repeat": {
            "type": "object",
            "required": ["text", "times"],
            "additionalProperties": False,
            "properties": {"text": TEXT, "times": {"type": "integer", "minimum": 1}},
        },
        "tail": TEXT,
        "body_base64": TEXT,
    },
    "dependentRequired": {"repeat": ["body"], "tail": ["repeat"]},
    "not": {"required": ["body", "body_base64"]},
}
STRINGS = {"type": "array", "items": TEXT, "minItems": 1, "uniqueItems": True}
CASE = {
    "type": "object",
    "required": ["name", "given", "request", "expect"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 3},
        "given": {"type": "array", "items": REQUEST},
        "request": REQUEST,
        "expect": {
            "type": "object",
            "required": ["status"],
            "additionalProperties": False,
            "properties": {
                "status": {"enum": [200, *STATUS.values()]},
                "code": {"enum": list(STATUS)},
                "pointers": STRINGS,
                "parameters": STRINGS,
                "headers": {"type": "object", "additionalProperties": TEXT},
                "json": {"type": "object", "minProperties": 1},
            },
        },
    },
}


def named(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def answered(case: dict[str, Any], limits: Limits | None = None) -> Answer:
    """What the service answers at the end of a case."""
    service = Service(limits)
    for given in case["given"]:
        service.answer(given)
    return service.answer(case["request"])


def differences(answer: Answer, expected: dict[str, Any]) -> dict[str, Any]:
    """What an answer has otherwise than a vector expects."""
    seen: dict[str, Any] = {
        "status": answer.status,
        "code": answer.code,
        "pointers": sorted(answer.pointers) or None,
        "parameters": sorted(answer.parameters) or None,
        "json": {member: answer.json.get(member) for member in expected.get("json", ())} or None,
    }
    wanted = expected | {key: sorted(expected[key]) for key in ("pointers", "parameters") if key in expected}
    return {key: (value, wanted.get(key)) for key, value in seen.items() if value != wanted.get(key)}


@named(CASES)
def test_is_well_formed(case: dict[str, Any]) -> None:
    Draft202012Validator(CASE).validate(case)
    expected = case["expect"]
    assert expected["status"] == STATUS.get(expected.get("code", ""), 200)


@named(CASES)
def test_is_what_the_rules_say(case: dict[str, Any]) -> None:
    assert not differences(answered(case), case["expect"])


@named([case for case in CASES if case["given"]])
def test_what_is_given_is_stored(case: dict[str, Any]) -> None:
    service = Service()
    assert [service.answer(given).status for given in case["given"]] == [200] * len(case["given"])


@named([case for case in CASES if "headers" in case["expect"]])
def test_headers_are_those_of_the_route_or_of_the_request(case: dict[str, Any]) -> None:
    assert (
        case["expect"]["headers"].items() <= {**answered(case).headers, **case["request"]["headers"]}.items()
    )


@pytest.mark.parametrize("step", [-1, 1])
@pytest.mark.parametrize("limit", [limit.name for limit in fields(Limits)])
def test_a_limit_that_is_another_is_noticed(limit: str, step: int) -> None:
    limits = replace(Limits(), **{limit: getattr(Limits(), limit) + step})
    assert any(differences(answered(case, limits), case["expect"]) for case in CASES)


def test_names_are_unique() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names))


def test_every_code_of_a_refusal_is_there() -> None:
    assert {case["expect"].get("code") for case in CASES} == {*STATUS, None}


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_is_missing_and_broken_and_mistyped(member: str) -> None:
    def tried(status: int, body: str) -> bool:
        return any(
            case["expect"]["status"] == status and f'"{member}":{body}' in case["request"].get("body", "")
            for case in CASES
        )

    broken = [case for case in CASES if case["expect"].get("pointers") == [f"#/readings/0/{member}"]]
    assert any(f'"{member}"' not in case["request"]["body"] for case in broken)
    assert any(f'"{member}"' in case["request"]["body"] for case in broken)
    assert tried(400, "null")


@pytest.mark.parametrize("parameter", ["device", "from", "to", "limit"])
def test_every_parameter_is_used_and_broken_and_repeated(parameter: str) -> None:
    by_status = {
        status: [case["request"]["path"] for case in CASES if case["expect"]["status"] == status]
        for status in (200, 422)
    }
    assert any(f"{parameter}=" in path for path in by_status[200])
    assert any(f"{parameter}=" in path and path.count(f"{parameter}=") == 1 for path in by_status[422])
    assert any(path.count(f"{parameter}=") == 2 for path in by_status[422])
