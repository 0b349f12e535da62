"""Dependency keys, and lock files as they are kept."""

from __future__ import annotations

import hashlib
import tomllib
from itertools import product
from pathlib import Path

import pytest
import yaml
from bedplate.errors import BadInput
from bedplate.locks import KEY, Store, keys
from bedplate.questionnaire import Questionnaire
from shell import ROOT

LOCK_FILES = {
    "go-service": {"go.mod", "go.sum", "tools/go.mod", "tools/go.sum"},
    "rust-service": {"Cargo.lock", "bench/Cargo.lock", "fuzz/Cargo.lock"},
    "rust-embedded": {"Cargo.lock"},
}
LOCKS = {
    "api": {"go.mod": "go 1.26.0\n", "go.sum": "one\n"},
    "api,database=postgres": {"go.mod": "go 1.26.0\n", "go.sum": "two\n"},
}


@pytest.fixture(scope="module")
def bedplate() -> Questionnaire:
    return Questionnaire.load(ROOT)


def test_every_dependency_key_has_its_lock_files(bedplate: Questionnaire) -> None:
    locks = Store(ROOT / "locks").read()
    found = keys(bedplate)
    assert set(found) == set(locks)
    for key, given in found.items():
        values = bedplate.evaluate(given).values
        assert set(locks[key]) == LOCK_FILES[values["template"]]


def test_the_last_key_of_a_service_has_every_crate_of_the_others() -> None:
    crates: dict[str, list[set[str]]] = {}
    for key, files in Store(ROOT / "locks").read().items():
        if "bench/Cargo.lock" in files:
            packages = tomllib.loads(files["Cargo.lock"])["package"]
            crates.setdefault(key.partition(",")[0], []).append({package["name"] for package in packages})
    assert set(crates) == {"http-gateway", "tcp-proxy", "stream-ingest"}
    for domain, found in crates.items():
        assert set().union(*found) == found[-1], domain


def test_no_lock_file_is_kept_that_no_key_needs() -> None:
    assert Store(ROOT / "locks").unused() == []


def test_a_lock_file_is_named_by_the_digest_of_its_content() -> None:
    files = [path for path in (ROOT / "locks").iterdir() if path.name != "index.yml"]
    assert files
    for path in files:
        assert path.name.partition(".")[0] == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


QUESTIONS = {
    "domain": {"type": "str", "choices": ["api", "worker", "node"]},
    "database": {
        "type": "str",
        "choices": ["memory", "postgres"],
        "default": "{{ '-' if domain == 'node' else 'memory' }}",
        "when": "{{ domain != 'node' }}",
    },
    "broker": {
        "type": "str",
        "choices": ["none", "nats", "kafka"],
        "default": "{{ 'none' if domain == 'worker' else '-' }}",
        "validator": "{% if broker == 'kafka' and database == 'memory' %}needs a database{% endif %}",
        "when": "{{ domain == 'worker' }}",
    },
    "tracing": {"type": "bool", "default": True},
    "owner": {"type": "str", "default": "Ada"},
    "traced": {"type": "bool", "when": False, "default": "{{ tracing }}"},
    KEY: {
        "type": "str",
        "when": False,
        "default": "{{ domain }},{{ database | default('-') }},{{ broker | default('-') }},{{ traced }}",
    },
}


def questionnaire(directory: Path, questions: dict[str, object]) -> Questionnaire:
    (directory / "copier.yml").write_text(yaml.safe_dump(questions, sort_keys=False))
    return Questionnaire.load(directory)


def test_a_key_is_found_for_everything_that_can_be_answered(tmp_path: Path) -> None:
    expected = {f"node,-,-,{traced}" for traced in (True, False)}
    for database, traced in product(("memory", "postgres"), (True, False)):
        expected.add(f"api,{database},-,{traced}")
        expected |= {f"worker,{database},{broker},{traced}" for broker in ("none", "nats")}
    expected |= {f"worker,postgres,kafka,{traced}" for traced in (True, False)}
    assert set(keys(questionnaire(tmp_path, QUESTIONS))) == expected


def test_answers_that_do_not_join_the_key_are_left_open(tmp_path: Path) -> None:
    found = keys(questionnaire(tmp_path, {**QUESTIONS, KEY: {"when": False, "default": "{{ domain }}"}}))
    assert found == {name: {"domain": name} for name in ("api", "worker", "node")}


def test_a_key_can_not_hang_on_free_text(tmp_path: Path) -> None:
    broken = {**QUESTIONS, KEY: {"when": False, "default": "{{ domain }}{{ owner }}"}}
    with pytest.raises(BadInput, match="hangs on owner, whose answers can't be listed"):
        keys(questionnaire(tmp_path, broken))


def test_what_is_stored_is_read_again_and_equal_contents_are_kept_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "locks")
    store.write(LOCKS)
    assert store.read() == LOCKS
    assert len(list(store.directory.iterdir())) == 3 + len(["index.yml"])


def test_files_that_nothing_needs_any_more_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path / "locks")
    store.write(LOCKS)
    store.write({"api": LOCKS["api"]})
    assert store.read() == {"api": LOCKS["api"]}
    assert len(list(store.directory.iterdir())) == 2 + len(["index.yml"])


def test_a_file_that_was_edited_is_told(tmp_path: Path) -> None:
    store = Store(tmp_path / "locks")
    store.write(LOCKS)
    edited = next(store.directory.glob("*.go.mod"))
    edited.write_text("go 1.27.0\n")
    with pytest.raises(BadInput, match=f"{edited.name}: edited by hand; run bedplate lock"):
        store.read()


@pytest.mark.parametrize(
    "index", ["", "locks: 1", "locks:\n  default:\n    api: {go.sum: no-such-file}", "{"]
)
def test_an_index_that_can_not_be_read_is_told(tmp_path: Path, index: str) -> None:
    (tmp_path / "index.yml").write_text(index)
    with pytest.raises(BadInput, match=r"index\.yml: not an index of lock files"):
        Store(tmp_path).read()
