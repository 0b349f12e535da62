"""The HTTP vectors: well formed, complete, and in agreement with what else is known of each request."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bedplate.render import render
from jsonschema import Draft202012Validator
from shell import ROOT

SOURCE = ROOT / "contract" / "http.json"
CASES: list[dict[str, Any]] = json.loads(SOURCE.read_bytes())["cases"]
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
MOST = 1 << 20
REQUEST = {
    "type": "object",
    "required": ["method", "path", "headers"],
    "additionalProperties": False,
    "properties": {
        "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]},
        "path": {"type": "string", "pattern": "^/"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {"type": "string"},
        "body_base64": {"type": "string", "contentEncoding": "base64"},
        "pad": {"type": "integer", "minimum": 1},
    },
    "dependentRequired": {"pad": ["body"]},
    "not": {"required": ["body", "body_base64"]},
}
STRINGS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}
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
                "pointers": STRINGS | {"items": {"pattern": "^#/readings(/[0-9]+(/[a-z_]+)?)?$"}},
                "parameters": STRINGS,
                "headers": {"type": "object"},
                "json": {"type": "object", "minProperties": 1},
            },
        },
    },
}
# A reading as JSON Schema can say it; that a time exists is beyond it.
READINGS = {
    "type": "object",
    "required": ["readings"],
    "properties": {
        "readings": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1000,
            "items": {
                "type": "object",
                "required": ["device", "epoch", "sequence", "measured_at", "value"],
                "properties": {
                    "device": {"pattern": r"^[a-z0-9][a-z0-9-]{0,31}\Z"},
                    "epoch": {"type": "integer", "minimum": 1, "maximum": 2**53},
                    "sequence": {"type": "integer", "minimum": 1, "maximum": 2**32 - 1},
                    "measured_at": {
                        "pattern": r"^(20\d\d|2100)-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z\Z",
                    },
                },
            },
        }
    },
}


def named(cases: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def posts(*statuses: int) -> list[dict[str, Any]]:
    return [
        case
        for case in CASES
        if case["expect"]["status"] in statuses
        and case["request"]["path"] == "/v1/readings"
        and "body" in case["request"]
    ]


def broken(body: str) -> set[str]:
    """The pointers of the rules that a body breaks."""
    whole = json.loads(body, parse_float=lambda text: text)
    for reading in whole.get("readings", ()):
        if isinstance(reading.get("value"), str):
            reading["value"] = float(reading["value"])
    pointers = set()
    for error in Draft202012Validator(READINGS).iter_errors(whole):
        path = ["#", *map(str, error.absolute_path)]
        if error.validator == "required":
            path.append(error.message.split("'")[1])
        pointers.add("/".join(path))
    for index, reading in enumerate(whole.get("readings", ())):
        if not finite(reading.get("value", 0)):
            pointers.add(f"#/readings/{index}/value")
        if "measured_at" in reading and not exists(reading["measured_at"]):
            pointers.add(f"#/readings/{index}/measured_at")
        for member in ("epoch", "sequence"):
            if f'"{member}":-0' in body:
                pointers.add(f"#/readings/{index}/{member}")
    return pointers


def finite(value: float) -> bool:
    return abs(value) < float("inf")


def exists(time: str) -> bool:
    try:
        datetime.strptime(time[:19], "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        return False
    return time[17:19] != "60"


@named(CASES)
def test_is_well_formed(case: dict[str, Any]) -> None:
    Draft202012Validator(CASE).validate(case)
    expected = case["expect"]
    assert (expected["status"] == 200) is ("code" not in expected)
    if "code" in expected:
        assert expected["status"] == STATUS[expected["code"]]


def test_names_are_unique() -> None:
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names))


def test_every_code_of_a_refusal_is_there() -> None:
    assert {case["expect"].get("code") for case in CASES} == {*STATUS, None}


@pytest.mark.parametrize("member", ["device", "epoch", "sequence", "measured_at", "value"])
def test_every_member_is_broken_once(member: str) -> None:
    assert any(f"#/readings/0/{member}" in case["expect"].get("pointers", ()) for case in CASES)


@named(posts(200, 409, 422))
def test_the_pointers_are_those_of_a_schema(case: dict[str, Any]) -> None:
    expected = set(case["expect"].get("pointers", ())) if case["expect"]["status"] == 422 else set()
    assert broken(case["request"]["body"]) == expected


@named(posts(413))
def test_a_body_that_is_too_large_is_so_by_one_byte(case: dict[str, Any]) -> None:
    assert len(case["request"]["body"].encode()) + case["request"]["pad"] == MOST + 1


@named([case for case in CASES if case["expect"].get("json", {}).keys() == {"accepted", "duplicates"}])
def test_the_counts_are_those_of_a_set(case: dict[str, Any]) -> None:
    def keys(request: dict[str, Any]) -> list[tuple[object, ...]]:
        readings = json.loads(request["body"])["readings"]
        return [(reading["device"], reading["epoch"], reading["sequence"]) for reading in readings]

    stored = {key for given in case["given"] for key in keys(given)}
    brought = keys(case["request"])
    accepted = len(set(brought) - stored)
    assert case["expect"]["json"] == {"accepted": accepted, "duplicates": len(brought) - accepted}


def test_a_project_carries_them_unchanged(tmp_path: Path) -> None:
    render({"domain": "http-api"}, tmp_path / "project")
    assert (tmp_path / "project/testdata/contract/http.json").read_bytes() == SOURCE.read_bytes()
