"""Pages of the reference that say what the data says, made while the site is built. A hook of MkDocs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bedplate import errors
from bedplate.catalogue import Catalogue
from bedplate.cli import app
from bedplate.effects import Option, Reach
from bedplate.questionnaire import Question, Questionnaire, read_config, written
from typer.main import get_command

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT: Final = Path(__file__).resolve().parents[2]
REPORT: Final = ROOT / "generator/bedplate/verify/report.schema.json"
OUTPUT: Final = sorted((ROOT / "generator/bedplate/commands").glob("*.schema.json"))
OUTSIDE: Final = re.compile(r"\]\(((?:\.\./)*)\.\./generator/bedplate/\w+/(\w+\.schema\.json)\)")
"""How pages link to a schema, all of which are published in `schemas/`."""
OPTION: Final = re.compile(r"(?<![\w`-])(--[a-z][a-z-]*)")
AT_A_TERMINAL: Final = """\
## At a terminal

`bedplate --install-completion` has bash, zsh, fish or PowerShell complete commands, options and their values
from the next terminal on; `--show-completion` prints what that writes.

Text keeps within the width of the terminal, up to 96 columns. What takes longer shows on standard error what
is done, and `bedplate verify` a table that fills up; both are gone at the end. Where `TERM` is `dumb`, as in
editors and for readers of the screen, there are lines instead; in a file or a pipe, `bedplate verify` and
`bedplate lock` print them. With `NO_COLOR` there are no colours. Ctrl-C ends a command, which cleans up.
"""
CODE_OR_BAR: Final = re.compile(r"(``.*?``|`[^`]*`)|\|", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that nobody writes, and the schemas."""
    from mkdocs.structure.files import File

    questionnaire, catalogue = Questionnaire.load(ROOT), Catalogue.load(ROOT)
    pages = {
        "command-line": command_line(),
        "exit-codes": exit_codes(),
        "domains": domains(questionnaire, catalogue),
        "questions": questions(questionnaire, catalogue),
        "boards": boards(catalogue),
        "versions": versions(catalogue),
        "report-schema": report_schema(),
        "output-schemas": output_schemas(),
    }
    for name, lines in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content="\n".join(lines) + "\n"))
    for path in (REPORT, *OUTPUT):
        files.append(File.generated(config, f"schemas/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Have links to a schema lead to where it is published."""
    return OUTSIDE.sub(r"](\1schemas/\2)", markdown)


def command_line() -> Iterable[str]:
    """Each command with its arguments and options, as `--help` has them."""
    yield "# Command line\n"
    yield f"{app.info.epilog} [Exit codes](exit-codes.md) says more.\n"
    yield "`--help` after any command says the same.\n"
    yield AT_A_TERMINAL
    program: Any = get_command(app)
    for name, command in {"": program, **program.commands}.items():
        yield f"## bedplate {name}".rstrip() + f"\n\n{_marked(command.help)}\n"
        yield from _head("option", "what it is")
        yield from (_row(_spelled(parameter), _told(parameter)) for parameter in command.params)
        yield ""


def _spelled(parameter: Any) -> str:
    """An argument or option as it is typed."""
    names = [] if parameter.param_type_name == "argument" else parameter.opts
    return _code(" ".join([*names, parameter.metavar or ""]).strip())


def _told(parameter: Any) -> str:
    """What is told of an argument or option, with its choices, its default, and what takes its place."""
    told = [_marked(parameter.help or "")]
    if choices := getattr(getattr(parameter, "type", None), "choices", ()):
        told.append(f"One of {_names(choices)}.")
    if isinstance(parameter.default, str | int) and not isinstance(parameter.default, bool):
        told.append(f"Default: {_code(str(parameter.default))}.")
    if parameter.envvar:
        told.append(f"Environment: {_code(parameter.envvar)}.")
    return " ".join(told)


def _marked(text: str) -> str:
    """A help text, in which options are code as well."""
    return OPTION.sub(r"`\1`", text)


def exit_codes() -> Iterable[str]:
    """The table at the head of the module of errors."""
    yield "# Exit codes\n\nOf every command:\n"
    yield from (line for line in str(errors.__doc__).splitlines() if line.startswith("|"))


def domains(questionnaire: Questionnaire, catalogue: Catalogue) -> Iterable[str]:
    """What can be built, why in that language, and what is asked for it."""
    yield "# Domains\n\nWhat can be built: the answers to the first question.\n"
    yield "`bedplate explain DOMAIN` tells the same, and names the files that each answer changes.\n"
    for domain in catalogue.domains.values():
        asked = questionnaire.evaluate({"domain": domain.name}).asked[1:]
        yield f"## {domain.name}\n\n{domain.summary}\n"
        yield f"**{domain.title}** in {domain.language}, of the template `{domain.template}`.\n"
        yield f"**Choose it when:** {domain.choose_when}\n"
        yield f"**Why {domain.language}:** {domain.why_language}\n\n**What it emits:**\n"
        yield from (f"* {item}" for item in domain.emits)
        yield f"\n**Asked:** {', '.join(f'[`{name}`](questions.md#{name})' for name in asked)}\n"


def questions(questionnaire: Questionnaire, catalogue: Catalogue) -> Iterable[str]:
    """Every question that is asked: type, default, choices, rule, condition, and what it decides."""
    yield "# Questions\n\nIn the order in which they are asked. `--set NAME=VALUE` answers one.\n"
    reaches = {entry.template: Reach(questionnaire, entry.template) for entry in catalogue.domains.values()}
    evaluations = {name: questionnaire.evaluate({"domain": name}) for name in catalogue.domains}
    rules: Mapping[str, Any] = questionnaire.questions["rules"].default  # type: ignore[assignment]
    for question in questionnaire:
        if question.computed:
            continue
        described = {
            name: reaches[catalogue.domains[name].template].describe(question, evaluation)
            for name, evaluation in evaluations.items()
            if question.name in evaluation.asked
        }
        everywhere = len(described) == len(catalogue.domains)
        yield f"## {question.name}\n\n{question.help}\n"
        yield from _head("Asked for", "every domain" if everywhere else _names(described))
        yield from _facts(question, described, rules.get(question.name, {}))
        yield ""


def _facts(question: Question, by_domain: Mapping[str, Option], rule: Mapping[str, Any]) -> Iterable[str]:
    option = next(iter(by_domain.values()))
    if isinstance(question.when, str):
        yield _row("Condition", _code(question.when))
    yield _row("Type", {"bool": "true or false", "str": "text"}.get(question.type, question.type))
    if question.name == "domain":
        yield _row("Default", "none")
    else:
        defaults = {name: _code(written(one.default)) for name, one in by_domain.items()}
        yield _row("Default", _by_domain(defaults))
    if option.choices:
        yield _row("Choices", _by_domain({name: _names(one.choices) for name, one in by_domain.items()}))
    yield from (_row(f"Rule: `{word}`", _code(str(value))) for word, value in rule.items())
    yield _row("Decides", option.decides)
    yield _row("Dependencies", option.dependencies)
    yield _row("Image", option.image)


def boards(catalogue: Catalogue) -> Iterable[str]:
    """Chips, memory, and what an image may take."""
    yield "# Boards\n\nThe answers to [`board`](questions.md#board). [Add a board](../how-to/add-a-board.md)"
    yield "says how there can be one more. Budgets are in bytes, and in instructions where the name says so;"
    yield "tests of a project hold them.\n"
    config = read_config(ROOT)
    entries = config["boards"]["default"]
    for board in catalogue.boards.values():
        yield f"## {board.name}\n\n{board.title}\n"
        yield from _head("Core", board.core)
        yield _row("Target", f"`{board.target}`")
        for name, memory in {"Flash": board.flash, "RAM": board.ram}.items():
            yield _row(name, f"{memory.length // 1024} KiB at `{memory.origin:#010x}`")
        yield _row("Clock", f"{board.clock_hz / 1e6:g} MHz")
        yield _row("In QEMU", f"a twin, `{board.twin}`" if board.twin else f"`{board.machine}`")
        for name, budget in entries[board.name]["budgets"].items():
            yield _row(f"Budget: {name.replace('_', ' ')}", f"{budget:,}")
        yield ""
    yield "## What a runtime adds\n\nTo the budgets of each board, by the answer to"
    yield "[`runtime`](questions.md#runtime).\n"
    yield from _head("runtime", "budget", "more")
    for runtime, more in config["runtimes"]["default"].items():
        yield from (_row(runtime, name.replace("_", " "), f"{extra:,}") for name, extra in more.items())


def versions(catalogue: Catalogue) -> Iterable[str]:
    """Every version that a project, its pipeline or its verification takes."""
    yield "# Versions\n\nAll of them stand in `questions/versions.yml`."
    yield "[Bump versions](../how-to/bump-versions.md) says how they are raised.\n"
    parts = {
        "Toolchains, images, modules and crates": catalogue.versions,
        "What projects and their pipelines run": catalogue.programs,
        "What reads emitted trees on level static": catalogue.linters,
        "What tests a running service": catalogue.testers,
    }
    for title, data in parts.items():
        yield f"## {title}\n"
        yield from _head("of", "version")
        yield from (_row(name, f"`{value}`") for name, value in _leaves(data))
        yield ""


def report_schema() -> Iterable[str]:
    """The members of a report, object by object."""
    yield "# Schema of the report\n"
    yield from _schema(REPORT, "##")


def output_schemas() -> Iterable[str]:
    """What each command prints with `--json`, object by object."""
    yield "# Schemas of the output\n\nWhat commands print on standard output with `--json`. Notes and"
    yield "messages go to standard error; a command that ends with a message alone prints no JSON."
    yield "`bedplate verify --json` prints [its report](report-schema.md), and `bedplate list --json` is a"
    yield "schema itself: of the answers to the [questions](questions.md).\n"
    for path in OUTPUT:
        yield f"## {path.name.removesuffix('.schema.json')}\n"
        yield from _schema(path, "###")


def _schema(path: Path, heading: str) -> Iterable[str]:
    """What a schema is about, and a table for each of its objects; that of the whole comes first."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    yield f"{schema['description']} The schema itself is"
    yield f"[{path.name}](../schemas/{path.name}), with the id `{schema['$id']}`.\n"
    for name, part in {"": schema, **schema.get("$defs", {})}.items():
        if part.get("required"):
            if name:
                yield f"{heading} {name}\n"
            yield from _head("member", "type", "what it is")
            yield from _members(part)
            yield ""


def _members(part: Mapping[str, Any], above: str = "") -> Iterable[str]:
    for name, entry in part["properties"].items():
        yield _row(f"`{above}{name}`", _type(entry), entry.get("description", ""))
        for within, mark in ((entry, "."), (entry.get("items", {}), "[].")):
            if "properties" in within:
                yield from _members(within, f"{above}{name}{mark}")


def _type(entry: Mapping[str, Any]) -> str:
    if "$ref" in entry:
        return f"{entry['$ref'].rpartition('/')[2]}"
    if "enum" in entry or "const" in entry:
        return _names(entry.get("enum", [entry.get("const")]))
    if "items" in entry and "$ref" in entry["items"]:
        return f"list of {_type(entry['items'])}"
    kind = entry.get("type", "")
    return " or ".join(kind) if isinstance(kind, list) else kind


def _leaves(data: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, object]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}{name} ")
        else:
            yield f"{above}{name}", ", ".join(map(str, value)) if isinstance(value, list) else value


def _by_domain(values: Mapping[str, str]) -> str:
    """One value where it is the same for all domains, else each with the domains that have it."""
    by_value: dict[str, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(value, []).append(name)
    if len(by_value) == 1:
        return next(iter(by_value))
    return "<br>".join(f"{value} for {_names(names)}" for value, names in by_value.items())


def _names(values: Iterable[object]) -> str:
    return ", ".join(_code(written(value)) for value in values)


def _code(text: str) -> str:
    """A span of code; between two marks where the text has one."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _head(*titles: str) -> Iterable[str]:
    yield _row(*titles)
    yield f"|{'---|' * len(titles)}"


def _row(*cells: str) -> str:
    """A row of a table. A bar within code is no border there, and a backslash before it would be shown."""
    escaped = (CODE_OR_BAR.sub(lambda found: found[1] or "\\|", cell) for cell in cells)
    return " ".join(f"| {' | '.join(escaped)} |".splitlines())
