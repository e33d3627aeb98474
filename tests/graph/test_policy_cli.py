"""The commands ``policy`` and ``validate-principles``, and how learning stands."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agents.adapters.records import Pointer, Slot
from agents.home import state_home
from agents.shared_memory import SharedMemory
from graph import policy_cli, principles_cli
from graph.learning import learning_status
from graph.night.nights import NightStore
from graph.night.records import NightReport
from memory.lifecycle import Stage
from memory.policy_store import PolicyStore
from memory.project import project_id, project_root
from memory.records import Item, Kind

POLICY = """---
policy: shop
version: 1
---
## Purpose
Money.
## Rules
### SHOP-1 Prices are never floats
- severity: error
- forbids: price as float
"""
Command = Callable[..., dict[str, Any]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Command:
    """Run a command in a project of its own and return its one JSON object, with its code."""
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(tmp_path / "home"))
    (tmp_path / "project" / ".mcp-local-llm" / "policy").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")

    def call(main: Callable[[list[str]], int], *words: str) -> dict[str, Any]:
        capsys.readouterr()
        code = main([*words, "--json"])
        return {**json.loads(capsys.readouterr().out), "code": code}

    return call


def test_a_policy_is_written_checked_built_and_shown(command: Command) -> None:
    Path("shop.md").write_text(POLICY)
    assert command(policy_cli.main, "check", "shop.md")["kept"] is True
    Path(".mcp-local-llm/policy/shop.md").write_text(POLICY)
    assert command(policy_cli.main)["stale"] is True
    built = command(policy_cli.main, "build")
    shown = command(policy_cli.main, "show")
    assert (shown["hash"], shown["stale"]) == (built["hash"], False)
    Path("note.md").write_text("the price as float")
    broken = command(policy_cli.main, "check", "note.md", "--log")
    assert (broken["code"], broken["findings"][0]["rule"]) == (1, "SHOP-1")
    logged = command(policy_cli.main, "violations")["violations"]
    assert [(one["where"], one["by"]) for one in logged] == [("note.md", "cli")]


def test_people_read_it_in_lines(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert policy_cli.main(["violations"]) == 0
    assert "no violation was logged" in capsys.readouterr().out
    here = Path.cwd()
    store = PolicyStore(state_home(), project_id(here), project_root(here))
    store.report("CREW-1", "cmd.run", "not a tool of this role", "tester, run r1")
    assert policy_cli.main(["violations"]) == 0
    said = "CREW-1   tester, run r1: cmd.run: not a tool of this role"
    assert said in capsys.readouterr().out
    assert policy_cli.main([]) == 0
    assert "CREW-1   error    A role uses its own tools alone" in capsys.readouterr().out


def test_wrong_input_is_told(command: Command) -> None:
    assert command(policy_cli.main, "check", "none.md")["code"] == 2
    assert command(policy_cli.main, "violations", "--limit", "0")["code"] == 2
    assert command(principles_cli.main, "none.py")["code"] == 2


def test_code_is_checked(command: Command) -> None:
    Path("a.py").write_text("def auth_user(username, password): return True\n")
    found = command(principles_cli.main, "a.py", "--principle", "security")
    assert (found["code"], found["principle_score"]) == (1, 0.0)
    assert command(principles_cli.main, os.devnull)["code"] == 0


def test_learning_is_told_from_the_journal_and_the_last_night(tmp_path: Path) -> None:
    with SharedMemory(tmp_path, "0" * 16) as memory:
        assert "teach" in learning_status(memory).next
        items = [Item(kind=Kind.PREFERENCE, text=f"Rule {n}.", project="0" * 16) for n in range(3)]
        memory.put(*items, Item(kind=Kind.CODE, text="x = 1", project="0" * 16))
        memory.journal.advance(items[0].id, Stage.QUEUED)
        memory.journal.advance(items[1].id, Stage.WITHDRAWN)
        found = learning_status(memory)
        assert {name: n for name, n in found.stages.items() if n} == {
            "captured": 1, "queued": 1, "withdrawn": 1,
        }  # fmt: skip
        assert "next training" in found.next
        assert "last night: none" in found.words()

        store, at = NightStore(tmp_path), datetime(2026, 1, 2, 3, tzinfo=UTC)
        night = store.begin(at, asked=True).night
        assert learning_status(memory).night["outcome"] == "has not ended"
        report = NightReport(
            night=night, started=at, ended=at, outcome="kept", why="it forgot", advice="teach more"
        )
        store.write(night, "report", report)
        (tmp_path / "adapters").mkdir()
        pointer = Pointer(slots=(Slot(adapter="abc", base="b"),))
        (tmp_path / "adapters" / "current.json").write_text(pointer.model_dump_json())
        found = learning_status(memory)
        assert (found.night["why"], found.next, found.adapter) == ("it forgot", "teach more", "abc")
        (tmp_path / "spool").mkdir()
        (tmp_path / "spool" / "cursor.jsonl").write_text("x")
        store.write_text(night, "report.json", "{")
        assert "ingest" in learning_status(memory).next
