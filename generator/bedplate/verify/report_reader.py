"""Reports read back from where a run has written them, to be joined with others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from bedplate import __version__
from bedplate.errors import BadInput
from bedplate.verify.bases import Base
from bedplate.verify.findings import ENGINE_STOPPED, Check, Figure, Findings, Status
from bedplate.verify.levels import Level, LevelResult, Proof, RowResult
from bedplate.verify.report import FORMAT, Report
from bedplate.verify.rows import Row
from bedplate.verify.shards import Selection, Shard


def read(directory: Path) -> Report:
    """The report in a directory; its logs are named when they are there.

    Raises:
        BadInput: when there is none, or this version of bedplate did not write it.
    """
    file = directory / "report.json"
    try:
        content = json.loads(file.read_bytes())
        if content["format"] != FORMAT or content["bedplate"] != __version__:
            raise BadInput(f"{file}: written by bedplate {content['bedplate']}, and this is {__version__}")
        return _report(content, directory.absolute())
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{file}: not a report of `bedplate verify`") from error


def _report(content: Mapping[str, Any], directory: Path) -> Report:
    rows = tuple(_row(row, directory) for row in content["rows"])
    checks = [check for row in rows for level in row.levels for check in level.findings.checks]
    return Report(
        run=content["run"],
        started=datetime.fromisoformat(content["started"]),
        seconds=content["seconds"],
        upto=Level(content["level"]),
        engine=content["engine"]["name"],
        engine_detail=content["engine"]["detail"],
        bases=tuple(Base(**base) for base in content["bases"]),
        rows=rows,
        across=_findings(content["across_rows"], directory),
        commit=content["template"]["commit"],
        modified=content["template"]["modified"],
        interrupted=content["status"] == "interrupted",
        engine_stopped=any(check.name == ENGINE_STOPPED for check in checks),
        selection=_selection(content["selection"]),
    )


def _selection(content: Mapping[str, Any] | None) -> Selection | None:
    if content is None:
        return None
    shard = Shard.parse(content["shard"]) if content["shard"] else None
    return Selection(content["rows"], tuple(content["ids"]), shard)


def _row(content: Mapping[str, Any], directory: Path) -> RowResult:
    given = {name: value for name, value in content["answers"].items() if name != "domain"}
    digits = len(content["id"].removeprefix(f"{content['domain']}:"))
    levels = tuple(_level(level, directory) for level in content["levels"])
    return RowResult(Row(content["domain"], given, digits), levels, content["reproduce"], content["emit"])


def _level(content: Mapping[str, Any], directory: Path) -> LevelResult:
    reused = content["reused"]
    proof = Proof(reused["run"], datetime.fromisoformat(reused["at"])) if reused else None
    return LevelResult(Level(content["level"]), _findings(content, directory), content["seconds"], proof)


def _findings(content: Mapping[str, Any], directory: Path) -> Findings:
    return Findings(
        tuple(_check(check, directory) for check in content["checks"]),
        tuple(
            Figure(figure["name"], figure["value"], figure["unit"], figure["budget"])
            for figure in content["figures"]
        ),
        tuple(content["notes"]),
    )


def _check(content: Mapping[str, Any], directory: Path) -> Check:
    log = directory / content["log"] if content["log"] else None
    if log is not None and not log.resolve().is_relative_to(directory.resolve()):
        raise ValueError(log)
    kept = log if log is not None and log.is_file() else None
    return Check(content["name"], Status(content["status"]), content["detail"], content["seconds"], kept)
