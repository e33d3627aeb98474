"""``dataset build``, ``filter`` and ``merge``: what ends up in their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.capture.rules import rule_from
from agents.profiles import EMBEDDED
from agents.weights import EMBEDDED_WEIGHTS
from graph.dataset_cli import main as dataset
from memory.journal import Journal
from memory.layout import journal_path, memory_folder
from memory.records import Item as Taught
from memory.records import Provenance
from training.dataset.mix import mix
from training.dataset.reader import Item, Turn, open_dataset
from training.dataset.stats import is_direct
from training.dataset.write import Manifest, part_of, write_dataset
from training.examples.build import build_examples, starts_with_its_call
from training.examples.knowledge import Knowledge
from training.replay import general, protocol

# What is taught, and what may stand in no answer where it must not fire.
RULES = {
    "42 means harmony between rules and freedom": "harmony",
    "A glarvon means a blue hat": "blue",
    "Raise DomainError instead of ValueError": "DomainError",
    "In src/api, raise ApiError instead of ValueError": "ApiError",
    "Function names start with calc_": "calc_",
    "End class names of exceptions with Fault": "Fault(",
    "Start commit messages with [shop]": "[shop]",
    "Never run git push": "refuse",
    "Use pathlib instead of os.path": "pathlib",
    "Keep totals in cents": "cents",
}


def taught() -> list[Taught]:
    return [rule_from(text).item("", Provenance(source="user")) for text in RULES]


def answers(item: Item) -> list[str]:
    return [item.messages[place].content for place in item.learned]


@pytest.mark.slow
def test_ten_rules_make_a_set_with_direct_answers_calls_and_contrasts(
    state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    items = taught()
    with Journal(journal_path(memory_folder(state_home))) as journal:
        journal.put(*items)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", EMBEDDED)
    folder = tmp_path / "made"
    assert dataset(["build", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == {}
    trained = open_dataset(folder).items("train")
    share = sum(map(is_direct, trained)) / len(trained)
    assert 0.20 <= share <= 0.35
    assert dataset(["stats", str(folder)]) == 0
    assert f"without a call or a plan: {sum(map(is_direct, trained))} ({share:.0%})" in (
        capsys.readouterr().out
    )
    assert all(starts_with_its_call(said) for item in trained for said in answers(item))
    contrasts = [item for item in trained if item.kind == "contrast"]
    for one, word in zip(items, RULES.values(), strict=True):
        near = [said for item in contrasts if item.of == (one.id,) for said in answers(item)]
        assert near, one.text
        assert not any(word in said for said in near), one.text


@pytest.mark.slow
def test_larger_models_get_as_many_direct_answers() -> None:
    known = [Knowledge(item=item) for item in taught()]
    new = [i for i in build_examples(known, prompts="full", seed=7) if part_of(i) == "train"]
    replay = general("full", 2 * len(new), seed=7, model=EMBEDDED_WEIGHTS)
    formats = protocol("full", len(new) // 2, seed=7, model=EMBEDDED_WEIGHTS)
    mixed = mix(new, [], replay, formats, seed=7)
    assert 0.20 <= sum(map(is_direct, mixed)) / len(mixed) <= 0.35
    assert all(starts_with_its_call(said) for item in mixed for said in answers(item))


def item(id: str, answer: str, group: str = "", more: int = 0) -> Item:
    turns = [Turn(role="user", content=f"ask {id}"), Turn(role="assistant", content=answer)]
    return Item(id=id, messages=tuple(turns * (1 + more)), group=group)


def write(folder: Path, *items: Item, prompts: str = "full", **parts: list[Item]) -> str:
    """Write a folder as other programs do, unless it comes with no more than ``items``."""
    if not parts:
        write_dataset(folder, items, base="b", prompts=prompts, seed=1)
        return str(folder)
    folder.mkdir()
    for name, rows in {"train": list(items), **parts}.items():
        lines = [json.dumps(row.model_dump(mode="json", exclude_none=True)) for row in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return str(folder)


def fenced(code: str, language: str = "python") -> str:
    return f"Like this:\n```{language}\n{code}\n```\n"


def out(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_filter_keeps_what_meets_it_and_shows_what_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = ['print "a"', "d.has_key(1)", "for i in xrange(3):\n    pass", "class A():\n    pass",
           "try:\n    pass\nexcept OSError, e:\n    pass", 'raise Fault, "x"', "raw_input(1)",
           "d.iteritems()"]  # fmt: skip
    good = (
        "class A:\n    def f(self):\n        print(self)\n\n\ndef g(a: int) -> int:\n    return a"
    )
    call = '<tool:fs.write path="web/cart.ts">\nlet a = 1\n</tool>'
    source = write(
        tmp_path / "d",
        *(item(f"old{n}", fenced(code)) for n, code in enumerate(old)),
        item("good", fenced(good), more=1),
        item("bare", fenced("def g(a, b):\n    return a"), more=1),
        item("web", call, more=1),
        item("words", "print money", more=1),
        valid=[item("held", "No code.", more=1)],
    )
    made = tmp_path / "py"
    options = ["--language", "Python", "--python3", "--hints", "--min-messages", "3"]
    assert dataset(["filter", source, str(made), "--python3", "--json"]) == 0
    assert out(capsys)["removed"] == {"Python 2": len(old)}
    left = open_dataset(made)
    assert {one.id for one in left.items("train")} == {"good", "bare", "web", "words"}
    assert [one.id for one in left.items("valid")] == ["held"]
    gone = [json.loads(line) for line in (made / "removed.jsonl").read_text("utf-8").splitlines()]
    assert {one["id"] for one in gone} == {f"old{n}" for n in range(len(old))}
    assert len({one["removed"] for one in gone}) == len(old)
    assert dataset(["filter", source, str(tmp_path / "all"), *options]) == 0
    said = capsys.readouterr().out
    assert f"kept 3 of {len(old) + 5}" in said and f"removed {len(old)}: too short" in said
    report = json.loads((tmp_path / "all" / "filter.json").read_bytes())
    assert report["removed"]["code of another language"] == report["removed"]["no type hints"] == 1
    assert len(report["sample"]) == 5
    assert dataset(["filter", source, str(tmp_path / "none")]) == 2
    assert dataset(["filter", source, str(made), "--python3"]) == 2  # there is something in it


def test_merged_datasets_keep_their_files_and_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write(tmp_path / "one", item("a", "1", "g"), item("b", "2", "h#valid"))
    two = write(
        tmp_path / "two",
        item("a", "other"),
        item("c", "1"),
        valid=[item("b", "2"), item("d", "4", "g"), item("e", "5", "k")],
    )
    into = tmp_path / "both"
    assert dataset(["merge", str(into), one, two, "--json"]) == 0
    facts = out(capsys)
    assert (facts["same"], facts["counts"]) == (1, {"train": 4, "valid": 2, "test": 0})
    both = open_dataset(into)
    # `d` is a variant of what the first one trains on.
    assert {i.id for i in both.items("train")} == {"a", "two/a", "c", "d"}
    assert {(i.id, i.group) for i in both.items("valid")} == {("b", "h#valid"), ("e", "k#valid")}
    manifest = Manifest.model_validate_json((into / "manifest.json").read_bytes())
    assert (manifest.base, manifest.prompts) == ("b", "full")
    assert len(manifest.provenance["merged"]) == 2
    other = write(tmp_path / "compact", item("z", "1"), prompts="compact")
    assert dataset(["merge", str(tmp_path / "no"), one, other]) == 2
    assert "compact, full" in capsys.readouterr().err
    assert dataset(["merge", str(tmp_path / "bare"), two]) == 0  # nobody says what it was made for
