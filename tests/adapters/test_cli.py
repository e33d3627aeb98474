"""The command ``adapters`` as people and programs use it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import prompts
from agents import model_cli
from agents.adapters.records import Manifest
from agents.adapters.registry import Registry
from agents.home import HOME_VARIABLE
from graph.adapters_cli import main
from memory.journal import Journal
from memory.layout import journal_path, memory_folder
from memory.lifecycle import Stage
from memory.records import Item, Kind, Provenance

Keep = Callable[..., Manifest]
GATE = {"passed": True, "checks": [
    {"name": "drift", "passed": True, "measured": "+0.01", "limit": "+0.08"},
    {"name": "latency", "passed": False, "measured": "12 %", "limit": "10 %"},
]}  # fmt: skip


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Registry:
    """The registry of the state folder that commands use."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return Registry(tmp_path / "home")


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command, expect the exit code 0, and return what it printed."""

    def run(*argv: str, code: int = 0) -> str:
        assert main(argv) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def taught(registry: Registry, *texts: str) -> list[str]:
    path = journal_path(memory_folder(registry.home))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    items = [
        Item(kind=Kind.PREFERENCE, text=text, provenance=Provenance(source="user"))
        for text in texts
    ]
    with Journal(path) as journal:
        journal.put(*items)
        for item in items:
            for stage in (Stage.QUEUED, Stage.TRAINED, Stage.PROVEN, Stage.GRADUATED):
                journal.advance(item.id, stage)
    return [item.id for item in items]


def test_nights_are_listed_shown_promoted_and_rolled_back(
    registry: Registry, keep: Keep, say: Callable[..., str]
) -> None:
    assert "no adapters yet" in say("list")
    known, fresh = taught(registry, "raise DomainError", "name tests after behaviour")
    one = keep(items=(known,), prompts=prompts.digest("compact"))
    two = keep("rivers", items=(known, fresh), prompts="others", gate=GATE, journal=12)
    assert "served: the base alone" in say("list")
    assert f"served: {one.id} (everywhere" in say("promote", one.id[:6], "--no-check")
    assert model_cli.main(["status"]) == 0
    said = say("promote", two.id, "--no-check", "--why", "the night of the 3rd")
    assert f"adapter {one.id} for every context" in said
    assert "other prompts than today's" in said
    rows = say("list").splitlines()
    assert rows[0].split()[0] == one.id
    assert rows[1].split()[:2] == ["*", two.id]
    shown = say("show", two.id)
    assert "latency     12 % (limit 10 %) FAILED" in shown
    assert "journal       up to position 12, 2 items" in shown
    assert "none: trained from the base" in shown

    said = say("rollback", "--why", "worse")
    assert f"not served any more: {two.id}" in said
    assert f"{fresh[:8]} graduated -> demoted: name tests after behaviour" in said
    assert "1 item recalled again" in said
    assert "learning checkpoint: journal position 7" in said
    assert "no item had to move" not in said
    facts = json.loads(say("list", "--json"))
    assert (facts["served"], facts["damaged"]) == ([one.id], [])
    assert registry.history()[1].why == "the night of the 3rd"


def test_two_adapters_stand_side_by_side_with_the_words_they_were_taught(
    registry: Registry, keep: Keep, say: Callable[..., str]
) -> None:
    one = keep(items=("x1", "x2"), recipe={"rank": 4, "seed": 1})
    apart = say("compare", one.id, keep("rivers", items=("x2",)).id)
    assert "(not in this journal)" in apart
    assert not journal_path(memory_folder(registry.home)).exists()
    known, fresh = taught(registry, "raise DomainError", "never use print")
    old = keep(items=(known,), recipe={"rank": 4, "seed": 1})
    new = keep("rivers", items=(fresh,), recipe={"rank": 8, "seed": 1}, gate=GATE)
    said = say("compare", old.id, new.id)
    assert f"only {new.id} learnt:\n  {fresh[:8]}  never use print" in said
    assert f"only {old.id} learnt:\n  {known[:8]}  raise DomainError" in said
    rows = {line[:24].strip(): line.split() for line in said.splitlines()}
    assert [row for name, row in rows.items() if name.startswith("recipe rank")]
    assert "recipe seed" not in said
    assert "+0.01 (limit +0.08)" in said
    facts: dict[str, Any] = json.loads(say("compare", old.id, new.id, "--json"))
    assert facts["learnt"] == {fresh: "never use print"}
    assert facts["one"]["gate"] == {"verdict": "not asked"}


def test_old_ones_are_pruned_and_all_are_carried_to_another_machine(
    registry: Registry, keep: Keep, say: Callable[..., str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    one, two, three = keep(), keep("rivers"), keep(items=())
    registry.promote(two.id, why="")
    assert "removed nothing" in say("prune")
    assert f"removed {one.id}; 2 are left" in say("prune", "--keep", "1")
    assert "2 adapters" in say("backup", str(tmp_path / "all.tar"))
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "new"))
    said = say("restore", str(tmp_path / "all.tar"))
    assert said.startswith(f"restored 2 adapters\nserved: {two.id}")
    assert Registry(tmp_path / "new").get(three.id) == three


def test_errors_say_what_to_do_next(
    registry: Registry, keep: Keep, say: Callable[..., str], tmp_path: Path
) -> None:
    assert "`mcp-local-llm adapters list`" in say("show", "f00", code=2)
    assert "nothing to roll back to" in say("rollback", code=2)
    assert "give a number from 0" in say("prune", "--keep", "-1", code=2)
    assert "no back-up" in say("restore", str(tmp_path / "no"), code=2)
    foreign = keep(base="another")
    assert "not trained for the model 'embedded'" in say("promote", foreign.id, code=2)
    assert registry.current() is None
    one = keep()
    os.truncate(registry.folder(one.id) / "adapters.safetensors", 9)
    assert "is damaged" in say("promote", one.id, "--no-check", code=3)
    (registry.folder(one.id) / "manifest.json").unlink()
    assert f"{one.id}  damaged: restore a back-up" in say("list")
    assert json.loads(say("list", "--json"))["damaged"] == [one.id]
