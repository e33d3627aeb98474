"""Asking the local model: real memory, scripted replies, and one real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph.ask import main
from memory.project import project_id
from memory.records import Item, Kind

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Script


def put(home: Path, project: Path, *items: Item) -> None:
    from agents.shared_memory import SharedMemory

    with SharedMemory(home, project_id(project)) as memory:
        memory.put(*(item.model_copy(update={"project": memory.project}) for item in items))


@pytest.fixture
def answers(script: Script, project: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.chdir(project)
    return script


def test_the_answer_carries_both_layers(
    answers: Script,
    searched_home: Path,
    project: Path,
    demo: Demo,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rule = Item(kind=Kind.PREFERENCE, text="Always say totals in cents.")
    put(searched_home, project, rule)
    answers(answer=['In cents.\n<tags prompt="old" rules="r1 r9" level="flexible" marks="money"/>'])
    assert main(["what", "is", "a", "total?", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["answer"] == "In cents."
    assert said["window"]["active_rules"] == [{"id": "r1", "text": rule.text}]
    assert said["tags"]["rules"] == ["r1"]
    assert said["tags"]["markers"] == ["concept:money"]
    assert said["tags"]["source"] == "local_trained_model"


def test_wrong_questions_are_told_what_to_do(
    answers: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    answers()
    for words, told in ((" ", "ask in 1 to"), ("x" * 9_000, "into a file")):
        assert main([words]) == 2
        assert told in capsys.readouterr().err
