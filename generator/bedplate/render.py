"""From answers to files. With `newcomer` and `upkeep` the only module that calls copier.

Copier changes the working directory of its process while it works, so `render` gives it a process of
its own, and may be called from threads. `opened` works in the calling process, because the prompts need
its terminal.
"""

from __future__ import annotations

import signal
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from bedplate.errors import BadInput, BedplateError, Interrupted
from bedplate.project import BUNDLE
from bedplate.questionnaire import Questionnaire

if TYPE_CHECKING:
    from copier._main import Worker
    from jinja2 import TemplateError

# Copier commits what is uncommitted in a working tree to a clone. With the dates held still, the same
# tree gives the same commit, and so the same answers file.
_STILL: Final = {"GIT_AUTHOR_DATE": "2000-01-01T00:00:00Z", "GIT_COMMITTER_DATE": "2000-01-01T00:00:00Z"}
_URL_PREFIXES: Final = ("git@", "git+", "gh:", "gl:")


@dataclass(frozen=True)
class Source:
    """Where a template comes from, absolute, so that a project can be updated from anywhere.

    `ref` is a branch, tag or commit; `None` stands for the latest release, `HEAD` of a directory for
    its working tree with what is not committed yet.
    """

    location: str
    ref: str | None = None

    @classmethod
    def resolve(cls, location: Path | str | None = None, ref: str | None = None) -> Source:
        """Make a source from what a user names; without a location, what this package comes with.

        That is the checkout that it runs from, or the releases that were installed with it.
        """
        if location is None:
            root = checkout()
            if root is not None:
                return cls(str(root), ref or "HEAD")
            if not BUNDLE.is_file():
                raise BadInput("no template comes with this installation; name one with --source REPO")
            return cls(str(BUNDLE), ref or "HEAD")
        text = str(location)
        if text.startswith("file://") and not text.endswith(".git"):
            return cls(f"git+{text}", ref)
        if "://" in text or text.startswith(_URL_PREFIXES):
            return cls(text, ref)
        path = Path(text).expanduser()
        if not (text and path.exists()):
            raise BadInput(f"--source {text}: no such directory or git bundle, and not a URL")
        return cls(str(path.resolve()), ref)


def checkout() -> Path | None:
    """The template beside this package when it runs from its repository, else nothing."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "copier.yml").is_file() else None


def bundled_release() -> str:
    """The release of the template that was installed with this package, or `none`."""
    from bedplate.repository import git

    if not BUNDLE.is_file():
        return "none"
    listed = git(BUNDLE.parent, "bundle", "list-heads", str(BUNDLE))
    heads = [line.split(" ", 1) for line in listed.splitlines()]
    newest = next(commit for commit, ref in heads if ref == "HEAD")
    return next(
        ref.removeprefix("refs/tags/")
        for commit, ref in heads
        if commit == newest and ref.startswith("refs/tags/")
    )


@dataclass(frozen=True)
class Rendered:
    """What came out: the answers that the project records, the questions that were not asked."""

    answers: Mapping[str, Any]
    hidden: frozenset[str]


class Template:
    """A template that was fetched and can be rendered once."""

    def __init__(self, worker: Worker, source: Source, notes: tuple[str, ...]) -> None:
        self._worker = worker
        self.source = source
        self.notes = notes
        root = worker.template.local_abspath
        if not (root / "copier.yml").is_file():
            raise BadInput(f"--source {source.location}: not a template: it has no copier.yml")
        self.questionnaire = Questionnaire.load(root)
        if "domain" not in self.questionnaire.questions:
            raise BadInput(f"--source {source.location}: not a template of bedplate: it asks for no domain")

    @property
    def personal_defaults(self) -> Mapping[str, object]:
        """Defaults from the user's copier settings; they stand before those of the template."""
        return dict(self._worker.settings.defaults)

    def given_once(self, path: str) -> bool:
        """Whether a file of a project is the user's once it is there, as the template has it."""
        return bool(self._worker.match_skip(Path(path)))

    def render(
        self,
        answers: Mapping[str, object],
        *,
        suggested: Mapping[str, object] | None = None,
        defaults: bool = True,
    ) -> Rendered:
        """Write the project to the destination, asking on the terminal what `defaults=False` leaves open."""
        self._worker.data = dict(answers)
        self._worker.user_defaults = dict(suggested or {})
        self._worker.defaults = defaults
        with told_plainly(self.source):
            self._worker.run_copy()
        recorded = self._worker._answers_to_remember()
        stored = {name: value for name, value in recorded.items() if not name.startswith("_")}
        return Rendered(stored, frozenset(self._worker.answers.hidden))


@contextmanager
def questionnaire_of(source: str | None) -> Iterator[Questionnaire]:
    """The questionnaire of a template, to be read; without a source that of the checkout, at once."""
    root = checkout()
    if source is None and root is not None:
        yield Questionnaire.load(root)
        return
    with (
        TemporaryDirectory(prefix="bedplate-") as directory,
        opened(Source.resolve(source), Path(directory)) as template,
    ):
        yield template.questionnaire


@contextmanager
def opened(source: Source, destination: Path) -> Iterator[Template]:
    """Fetch a template to render it into `destination`; what was fetched is gone afterwards.

    Raises:
        BadInput: when there is no template at the source, or no such ref.
    """
    from plumbum import local

    from bedplate.newcomer import Newcomer

    with (
        told_plainly(source),
        local.env(**_STILL),
        Newcomer(src_path=source.location, dst_path=destination, vcs_ref=source.ref, quiet=True) as worker,
    ):
        with warnings.catch_warnings(record=True) as caught, redirect_stderr(StringIO()):
            warnings.simplefilter("always")
            worker.template.local_abspath  # noqa: B018 (reading it fetches the template)
        if source.ref not in {None, "HEAD"} and worker.template.vcs is None:
            raise BadInput(f"--ref {source.ref}: {source.location} is not a git repository")
        yield Template(worker, source, tuple(notes(worker, [warning.category for warning in caught])))


def render(
    answers: Mapping[str, object],
    destination: Path,
    *,
    source: Path | str | None = None,
    ref: str | None = None,
) -> None:
    """Write the project that the answers describe to `destination`; open questions take their defaults.

    `source` is the checkout of this package, with its uncommitted changes, unless named; `ref` as in
    `Source`. Runs in a process of its own. Raises `BedplateError` when the answers can't stand.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    place = Source.resolve(source, ref)
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        pool.submit(_render, dict(answers), destination.resolve(), place).result()


def _render(answers: dict[str, object], destination: Path, source: Source) -> None:
    with opened(source, destination) as template:
        evaluation = template.questionnaire.evaluate(answers, suggested=template.personal_defaults)
        problems = [f"{problem.question}: {problem.message}" for problem in evaluation.problems]
        problems += [f"{name}: not answered" for name in evaluation.missing]
        if problems:
            raise BadInput(*problems)
        template.render(answers)


def notes(worker: Worker, caught: list[type[Warning]]) -> Iterator[str]:
    """What a user should know of a template that was fetched, with what was warned of meanwhile."""
    from copier.errors import DirtyLocalWarning

    if DirtyLocalWarning in caught:
        yield (
            "the template has uncommitted changes: they are in the project, and it can be updated only "
            "when it is made again after they are committed"
        )
    if worker.template.vcs is None:
        yield "the template is not a git repository: the project can't be updated from it"


@contextmanager
def told_plainly(source: Source) -> Iterator[None]:
    """Turn what copier and git raise for a source into one line that names the option: `BedplateError`."""
    from copier.errors import CopierError, UnsafeTemplateError
    from jinja2 import TemplateError
    from plumbum import ProcessExecutionError

    named = f"--source {source.location}"
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(signal.SIGINT) from error
    except BedplateError:
        raise
    except UnsafeTemplateError as error:
        raise BadInput(f"{named}: the template wants to run code, which bedplate never does") from error
    except ProcessExecutionError as error:
        reasons = [line for line in error.stderr.splitlines() if line.startswith("fatal:")]
        raise BadInput(_git_reason(source, reasons[0] if reasons else str(error.stderr).strip())) from error
    except TemplateError as error:
        raise BadInput(f"{named}: {_place(error)}{error.message or type(error).__name__}") from error
    except (CopierError, ValueError) as error:
        if "must be a directory" in str(error):
            raise BadInput(f"{named}: neither a directory nor a git bundle") from error
        if "Unknown revision" in str(error):
            raise BadInput(_git_reason(source, "invalid reference")) from error
        raise BadInput(f"{named}: {' '.join(str(error).split())}") from error


def _place(error: TemplateError) -> str:
    """`file:line: ` of the template file that could not be rendered, as far as Jinja tells."""
    from jinja2 import TemplateSyntaxError

    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, TemplateSyntaxError):
        frames.append((error.filename or "", error.lineno))
    inside = ((name.partition("/templates/")[2], line) for name, line in reversed(frames))
    return next((f"templates/{name}:{line}: " for name, line in inside if name), "")


def _git_reason(source: Source, reason: str) -> str:
    if "invalid reference" in reason:
        return f"--ref {source.ref}: no such branch, tag or commit in {source.location}"
    return f"--source {source.location}: {reason.removeprefix('fatal: ')}"
