"""A plugin of pytest for owners of templates: what is expected of emitted projects, in sentences.

    def test_an_api_over_postgres(emitted):
        emitted("http-api", database="postgres").has_file("sqlc.yaml").builds().serves("/v1/readings")

The template is the repository that pytest is started in, as it is there, or what `bedplate_source` of
pytest's settings names. Levels are those of `bedplate verify`; what they start is gone at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from bedplate.verify.levels import Level, LevelResult, RowResult
    from bedplate.verify.rendering import Emission
    from bedplate.verify.verification import Verification

_SHOWN = 3000
"""Characters at the end of a log that a failure shows."""


class Emitted:
    """One project that was emitted, and sentences about it. Each returns the project, or fails the test."""

    def __init__(self, verification: Verification, emission: Emission, result: RowResult) -> None:
        self._verification = verification
        self._emission = emission
        self._result = result

    @property
    def root(self) -> Path:
        """The directory of the project, for what no sentence says. It is there until the tests end."""
        return self._emission.root

    def has_file(self, path: str) -> Self:
        """There is a file of that name."""
        if not (self.root / path).is_file():
            raise AssertionError(f"{self._name}: there is no {path}")
        return self

    def has_no_file(self, path: str) -> Self:
        """There is no file of that name."""
        if (self.root / path).exists():
            raise AssertionError(f"{self._name}: there is {path}")
        return self

    def says(self, text: str, path: str) -> Self:
        """A file has that text in it."""
        if text not in self.has_file(path).root.joinpath(path).read_text(encoding="utf-8"):
            raise AssertionError(f"{self._name}: {path} does not say {text!r}")
        return self

    def passes_linters(self) -> Self:
        """Level static is green."""
        return self._reaches("static")

    def builds(self) -> Self:
        """Level build is green, and those before it: linted, tested, an image or firmware within budget."""
        return self._reaches("build")

    def runs(self) -> Self:
        """Level run is green: probed as a service under load, or booted."""
        return self._reaches("run")

    def serves(self, path: str, status: int = 200) -> Self:
        """A service is started as it was built, and answers a GET of that path with the status."""
        from bedplate.verify.engine_container import Container
        from bedplate.verify.verification import subject_of

        engine, subject = self._verification.engine, subject_of(self._emission)
        if not subject.serves:
            raise AssertionError(f"{self._name}: is no service")
        if not isinstance(engine, Container):
            pytest.skip("a service is started in a container, and no container engine answers")
        self.builds()
        with engine.serving(subject) as instance:
            answer = instance.caller.request("GET", path)
            if answer.status != status:
                raise AssertionError(
                    f"{self._name}: GET {path} was answered with {answer.status}, not {status}:\n"
                    f"{answer.body[:_SHOWN].decode(errors='replace')}\n{instance.last_words()}"
                )
        return self

    @property
    def _name(self) -> str:
        return self._emission.row.id

    def _reaches(self, name: str) -> Self:
        from bedplate.verify.levels import Level

        level = Level(name)
        if len(self._result.levels) < len(level.including):
            self._result = self._verification.deepen(self._emission, self._result.levels, level)
        _expect(self._result, level)
        return self


def pytest_addoption(parser: pytest.Parser) -> None:
    """Know where the template is."""
    parser.addini("bedplate_source", "the repository of the template; by default where pytest is started")


@pytest.fixture(scope="session")
def emitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emit]:
    """A function from a domain and answers to a project; see `Emitted` for what can be said of it.

    Raises:
        BadInput: when the answers can't stand together.
    """
    from bedplate.verify.levels import Level
    from bedplate.verify.rows import Row
    from bedplate.verify.settings import Settings
    from bedplate.verify.verification import Verification

    place = request.config.invocation_params.dir / str(request.config.getini("bedplate_source") or ".")
    settings = Settings(source=place.resolve(), logs=tmp_path_factory.mktemp("logs"))
    with Verification.open(settings) as verification:
        known: dict[str, Emitted] = {}

        def emit(domain: str, **answers: object) -> Emitted:
            row = Row(domain, answers)
            if row.digest not in known:
                emission, rendered = verification.emit(row)
                result = verification.deepen(emission, (rendered,), Level.RENDER)
                known[row.digest] = Emitted(verification, emission, result)
            return known[row.digest]._reaches("render")

        yield emit


Emit = Callable[..., Emitted]


def _expect(result: RowResult, upto: Level) -> None:
    """Fail with everything that is said of the levels, and the end of each log; skip with what is missing."""
    from bedplate.verify.findings import Status

    levels = result.levels[: len(upto.including)]
    said = [line for level in levels for line in _said(level)]
    if any(level.status is Status.FAILED for level in levels):
        raise AssertionError(
            "\n".join([f"{result.id}: not {upto} green; again with: {result.reproduce}", *said])
        )
    if levels[-1].status is Status.SKIPPED:
        reasons = [check.detail for check in levels[-1].findings.checks]
        pytest.skip(f"{result.id}: level {upto} did not run: {'; '.join(reasons)}")


def _said(level: LevelResult) -> Iterator[str]:
    from bedplate.verify.findings import Status

    for check in level.findings.checks:
        if check.status is Status.FAILED:
            log = check.log.read_text(encoding="utf-8", errors="replace") if check.log else ""
            yield f"{level.level}: {check.name}: {check.detail}\n{log[-_SHOWN:]}"
    for figure in level.findings.figures:
        if not figure.within:
            yield f"{level.level}: {figure.name}: {figure.value} {figure.unit}, of {figure.budget}"
