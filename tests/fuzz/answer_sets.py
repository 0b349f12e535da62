"""Sets of answers made at random: some that a user could mean, and some that nobody should send."""

from __future__ import annotations

from typing import Any

import yaml
from bedplate.questionnaire import Questionnaire
from hypothesis import strategies as st
from shell import ROOT

QUESTIONNAIRE = Questionnaire.load(ROOT)
DOMAINS = tuple(yaml.safe_load((ROOT / "questions/domains.yml").read_text())["domains"]["default"])
RULES = yaml.safe_load((ROOT / "questions/project.yml").read_text())["rules"]["default"]

# What some reader takes for something else than text: of YAML, TOML, JSON, Jinja, shells, Make, Go, Rust,
# Markdown, XML, and what ends a comment in one of them; names that are reserved; words of other templates.
_WORDS = r"""
yes no on off null ~ true 1e3 0x1F 0o17 1_000 .inf .nan 007 2001-01-01 12:30:45 = << !!python/object:os.system
&a *a @a %a [a ] {a } ' '' " \ \n \u0041 ${HOME} $(id) `id` $$ %s %d a;b a|b a&&b */ /* // --> <!-- <script>
&amp; ]]> [a](b) *** --- ... .. ../../etc/passwd / - --help -d con nul test main serde func fn v2 gopkg.in
jinja /home/ada /Users/ada C:\Users Cargo.lock go.mod distroless thumbv7m
ÅÄÖ é 日本語 🦀 ﬀ İ ß example.com example.com/A~1 a.b/.. A.b
"""
_PHRASES = [
    "- a",
    "a: b",
    "a #b",
    "? a",
    "| a",
    "> a",
    "# a",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "{# a #}",
    "a  b",
    " a",
    "a ",
]
_UNSEEN = [
    "",
    " ",
    "\t",
    "\n",
    "a\nb",
    "a\r\nb",
    "a\n",
    "\x00",
    "\x07",
    "\x1b[31m",
    "\x7f",
    "a\x85b",
    "a\udcff",
]
_ODD = [
    "\u200b",
    "\u00a0",
    "a\u00a0",
    "\u2028",
    "\u202eabc",
    "\ufeff",
    "\ufeffa",
    "a\ufffe",
    "a\uffff",
    "\u0301",
]
_LONG = [
    "a" * 39,
    "a" * 40,
    "a" * 41,
    "a" * 80,
    "a" * 120,
    "a" * 121,
    "a-" * 20,
    "é" * 80,
    "🦀" * 120,
    "x" * 20_000,
]
TELLING = (*_WORDS.split(), *_PHRASES, *_UNSEEN, *_ODD, *_LONG)


def _texts(name: str) -> st.SearchStrategy[str]:
    """Texts for a question that are mostly accepted."""
    rule = RULES[name]
    if name in {"project_name", "module_prefix"}:
        made = st.from_regex(rule["pattern"], fullmatch=True).filter(
            lambda text: len(text) <= rule["maxLength"]
        )
        return made | st.sampled_from(TELLING)
    letters = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters='"\\$`{}')
    return st.text(letters, min_size=1, max_size=rule["maxLength"]).map(str.strip) | st.sampled_from(TELLING)


def _for(domain: str) -> st.SearchStrategy[dict[str, Any]]:
    asked = QUESTIONNAIRE.evaluate({"domain": domain}).asked
    answers: dict[str, st.SearchStrategy[Any]] = {}
    for name in asked:
        choices = QUESTIONNAIRE.questions[name].choices
        if name in RULES:
            answers[name] = _texts(name)
        elif isinstance(choices, list):
            answers[name] = st.sampled_from(choices)
        elif QUESTIONNAIRE.questions[name].type == "bool":
            answers[name] = st.booleans()
    return st.fixed_dictionaries({"domain": st.just(domain)}, optional=answers)


meant = st.one_of(*map(_for, DOMAINS))
"""Answers to the questions of one domain, which may be refused only for what a text says."""

texts = st.text(max_size=40) | st.sampled_from(TELLING)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.datetimes()
    | st.binary(max_size=9)
)
values = st.recursive(
    texts | _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([*QUESTIONNAIRE.questions, "licnce", "Domain", "project-name", "_src_path"]) | texts
sent = st.builds(
    lambda first, second: {**first, **second}, meant | st.just({}), st.dictionaries(names, values, max_size=4)
)
"""Anything: answers of every type, to questions that are asked, hidden, computed, or not there at all."""
