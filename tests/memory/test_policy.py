"""Policies: what a sound file is, what a rulebook keeps, and what a document does against it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mcp_local_llm import StoreUnavailable, UsageError
from memory.policy import Finding, Severity, check_document, parse_policy, rulebook
from memory.policy_store import FOLDER, PolicyStore

GOOD = """---
policy: shop
version: 1
---
# Shop

## Purpose
Money is counted right.

## Rules

### SHOP-1 · Prices are never floats
- severity: error
- forbids: price as float
- forbids: float(price)
- files: docs/*.md

Use cents.

- a list in its words stays

### SHOP-2 Decisions say why
- severity: warning
- requires: Context
- files: adr/*.md

### SHOP-3 No secrets
- severity: error
- finds: secrets
"""
TOKEN = "ghp_" + "a1B2" * 9


@pytest.fixture
def store(tmp_path: Path) -> PolicyStore:
    (tmp_path / "project" / FOLDER).mkdir(parents=True)
    return PolicyStore(tmp_path / "home", "0" * 16, tmp_path / "project")


def write(store: PolicyStore, text: str, name: str = "shop.md") -> None:
    (store.root / FOLDER / name).write_text(text)


def test_a_policy_is_read_with_all_its_fields() -> None:
    policy, wrong = parse_policy(GOOD)
    assert policy is not None and not wrong
    assert (policy.name, policy.version, policy.purpose) == ("shop", 1, "Money is counted right.")
    first = policy.rules[0]
    assert (first.id, first.title) == ("SHOP-1", "Prices are never floats")
    assert first.forbids == ("price as float", "float(price)")
    assert first.text == "Use cents.\n\n- a list in its words stays"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("policy: shop", "policy: My Shop", "must begin with"),
        ("version: 1", "version: one", "must begin with"),
        ("version: 1", "version: 0", "must begin with"),
        ("---\npolicy", "policy", "must begin with"),
        ("## Purpose", "## Aim", "'Purpose' is missing"),
        ("## Rules", "## Laws", "'Rules' is missing"),
        ("SHOP-2", "SHOP-1", "given 2 times"),
        ("### SHOP-2 D", "### d", "is no rule's heading"),
        ("severity: warning", "severity: bad", "SHOP-2: severity"),
        ("- requires: Context", "- wants: Context", "SHOP-2: wants"),
        ("- requires: Context", "- requires:", "SHOP-2: requires"),
        ("- forbids: price as float", "- forbids:", "SHOP-1: forbids"),
        ("finds: secrets", "finds: bugs", "SHOP-3: finds"),
    ],
)
def test_what_is_no_sound_policy_is_told(was: str, becomes: str, said: str) -> None:
    policy, wrong = parse_policy(GOOD.replace(was, becomes, 1))
    assert policy is None
    assert any(said in each.why for each in wrong), wrong


def test_layout_does_not_change_the_hash_and_content_does() -> None:
    book = rulebook({"a": GOOD})
    assert rulebook({"z": GOOD.replace("\n", "\r\n")}).hash == book.hash
    assert rulebook({"a": GOOD.replace("\n## Rules\n", "\n\n## Rules\n\n")}).hash == book.hash
    assert rulebook({"a": GOOD.replace("Use cents.", "Use euros.")}).hash != book.hash


def test_names_and_ids_are_given_once_in_a_rulebook() -> None:
    other = GOOD.replace("policy: shop", "policy: other")
    with pytest.raises(UsageError, match="the id SHOP-1 is taken by a"):
        rulebook({"a": GOOD, "b": other})
    with pytest.raises(UsageError, match="'shop' is there already"):
        rulebook({"a": GOOD, "b": GOOD})


def test_a_document_is_held_against_the_rules_for_its_files() -> None:
    book = rulebook({"a": GOOD})

    def found(text: str, path: str) -> list[tuple[str, int]]:
        return [(each.rule, each.line) for each in check_document(text, path, book)]

    assert found("# A\nthe Price  as\nFloat\n", "docs/a.md") == [("SHOP-1", 2)]
    assert found("# A\nprice as float\n", "notes/a.md") == []
    assert found("# A\n", "adr/1.md") == [("SHOP-2", 0)]
    assert found("# A\n## context\n", "adr/1.md") == []
    assert found(f"# A\n\nuse {TOKEN}\n", "x.md") == [("SHOP-3", 3)]
    with pytest.raises(UsageError, match="in parts"):
        check_document("x" * 200_001, "x.md", book)


def test_a_candidate_policy_is_checked_as_one() -> None:
    book = rulebook({"a": GOOD})
    assert check_document(GOOD, "new.md", book) == ()
    taken = check_document(GOOD.replace("policy: shop", "policy: new"), "new.md", book)
    assert "taken by the policy 'shop'" in taken[0].why
    broken = check_document(GOOD.replace("## Purpose", "## Aim"), "new.md", book)
    assert [each.rule for each in broken] == ["POLICY"]


def test_the_default_rulebook_is_sound_and_in_force_at_once(store: PolicyStore) -> None:
    assert {"CREW-1", "KNOW-1", "PROT-1"} <= {rule.id for rule in store.current().rules()}
    assert not store.is_stale()


def test_a_rulebook_is_built_whole_or_not_at_all(store: PolicyStore) -> None:
    write(store, GOOD)
    assert store.is_stale() and "SHOP-1" not in str(store.current())
    built = store.build()
    assert store.current() == built and not store.is_stale()
    write(store, "nothing", "other.md")
    with pytest.raises(UsageError, match=r"other\.md"):
        store.build()
    assert store.current() == built and store.is_stale()


def test_rules_change_with_a_higher_version_alone(store: PolicyStore) -> None:
    write(store, GOOD)
    store.build()
    changed = GOOD.replace("Use cents.", "Use euros.")
    write(store, changed)
    with pytest.raises(UsageError, match="what shop says has changed"):
        store.build()
    write(store, changed.replace("version: 1", "version: 2"))
    assert store.build().policies[-1].version == 2


def test_a_rulebook_that_was_changed_by_hand_is_refused(store: PolicyStore) -> None:
    store.build()
    file = store.folder / "rulebook.json"
    content = json.loads(file.read_text())
    content["policies"][0]["rules"][0]["severity"] = "info"
    file.write_text(json.dumps(content))
    with pytest.raises(StoreUnavailable, match="changed by hand"):
        store.current()
    file.write_text("{")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        store.current()


def test_violations_are_logged_without_secrets_newest_first(store: PolicyStore) -> None:
    assert store.violations() == ()
    store.report("know-1", "a.md", f"the token {TOKEN} is in it", "test")
    store.log([Finding(rule="CREW-1", severity=Severity.ERROR, line=3, why="x")], "b.md", "test")
    found = store.violations()
    assert [(one.rule, one.where, one.line) for one in found] == [
        ("CREW-1", "b.md", 3), ("KNOW-1", "a.md", 0),
    ]  # fmt: skip
    assert TOKEN not in (store.folder / "violations.jsonl").read_text()
    assert found[0].rulebook == store.current().hash
    assert len(store.violations(1)) == 1
    with pytest.raises(UsageError, match="there is no rule 'NONE-1'"):
        store.report("NONE-1", "a", "b", "test")


def test_a_line_that_was_cut_off_harms_no_other(store: PolicyStore) -> None:
    store.report("CREW-1", "a.md", "first", "test")
    with (store.folder / "violations.jsonl").open("ab") as log:
        log.write(b'{"at": "2026-')
    store.report("CREW-1", "b.md", "second", "test")
    assert [one.why for one in store.violations()] == ["second", "first"]


def test_the_older_half_of_a_full_log_goes(store: PolicyStore) -> None:
    _report(store, "first")
    log = store.folder / "violations.jsonl"
    log.write_bytes(log.read_bytes() * 70)
    store.report("CREW-1", "last", "x", "test")
    assert 450_000 < log.stat().st_size < 550_000 and log.stat().st_mode & 0o777 == 0o600
    assert [one.where for one in store.violations(2)] == ["last", "first"]


def _report(store: PolicyStore, name: str) -> None:
    for number in range(10):
        store.report("CREW-1", name, f"{number} " + "x" * 1_500, "test")


def test_those_who_log_at_once_lose_nothing(store: PolicyStore) -> None:
    with ThreadPoolExecutor(3) as workers:
        for done in [workers.submit(_report, store, f"w{n}") for n in range(3)]:
            done.result()
    assert len(store.violations(100)) == 30


def test_files_in_the_way_are_told(store: PolicyStore) -> None:
    (store.root / FOLDER / "bad.md").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="UTF-8"):
        store.build()
    (store.root / FOLDER / "bad.md").write_text("x" * 200_001)
    with pytest.raises(UsageError, match="cut it"):
        store.build()


def test_a_log_that_cannot_be_written_is_told(store: PolicyStore) -> None:
    store.home.write_text("in the way")
    with pytest.raises(StoreUnavailable, match=r"cannot be (written|read)"):
        store.report("CREW-1", "a", "b", "test")
