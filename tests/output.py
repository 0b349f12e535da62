"""What commands print with --json, held to its schema."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from jsonschema import Draft202012Validator
from shell import ROOT

SCHEMAS = ROOT / "generator/bedplate/commands"


def validator(command: str) -> Draft202012Validator:
    """That of a command; `update` is that of `preview` as well, `sweep` that of `verify --sweep`."""
    schema = json.loads((SCHEMAS / f"{command}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def told(finished: subprocess.CompletedProcess[str], command: str) -> Any:
    """What a command printed, which keeps to the schema."""
    content = json.loads(finished.stdout)
    validator(command).validate(content)
    return content
