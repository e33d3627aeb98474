"""The starter set: real content in every item, and the commands that write datasets."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from graph.dataset_cli import main
from graph.teach_cli import teach
from memory.records import ContextWindow, ReplyTags
from tools.registry import TOOLS
from tools.wire import parse_reply
from training.dataset.reader import Item, open_dataset
from training.examples.build import starts_with_its_call
from training.starter.card import instructions
from training.starter.generate import LESSONS, starter
from training.starter.lesson import KINDS

FENCE = re.compile(r"```python\n(.*?)\n```", re.DOTALL)


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return starter(1_000, seed=7)


def answers(item: Item) -> list[str]:
    return [item.messages[at].content for at in item.learned]


def test_the_lessons_are_ten_seven_and_ten_and_their_code_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Counter(lesson.group for lesson in LESSONS) == {
        "principle": 10, "methodology": 7, "constraint": 10,
    }  # fmt: skip
    for lesson in LESSONS:
        told = lesson.about("price")
        compile(told.wrong, "wrong", "exec")
        module = ModuleType("lesson")
        monkeypatch.setitem(sys.modules, "lesson", module)  # a dataclass looks for its module
        exec(told.right, vars(module))
        for name, value in [*vars(module).items()]:
            if name.startswith("test_") and callable(value):
                value()


def test_every_piece_of_python_in_it_compiles(items: list[Item]) -> None:
    compiled = 0
    for item in items:
        for said in answers(item):
            bodies = [
                call.body
                for call in parse_reply(said).calls
                if call.body and "SEARCH" not in call.body and call.args["path"].endswith(".py")
            ]
            for code in (*FENCE.findall(said), *bodies):
                ast.parse(code)
                compiled += 1
    assert compiled > 800


def test_there_is_every_tool_every_lesson_in_three_kinds_and_no_placeholder(
    items: list[Item],
) -> None:
    calls = {
        call.name for item in items for said in answers(item) for call in parse_reply(said).calls
    }
    assert calls == set(TOOLS)
    about = {
        (extra["about"], extra["type"]) for i in items if "type" in (extra := i.model_extra or {})
    }
    assert about == {(lesson.name, kind) for lesson in LESSONS for kind in KINDS}
    for item in items:
        text = "\n".join(answers(item))
        assert not re.search(r"NOUN|CLASS\b|\[(?:insert|your|[A-Z ]+\])|TODO|\.\.\.", text)


def test_prompts_differ_and_a_fifth_to_a_third_are_direct_answers(items: list[Item]) -> None:
    assert len(items) == 1_000 == len({item.id for item in items})
    assert len({item.messages[1].content for item in items}) == 1_000
    direct = [i for i in items if not any("<tool:" in s or "<plan>" in s for s in answers(i))]
    assert 0.20 <= len(direct) / len(items) <= 0.35
    assert all(starts_with_its_call(said) for item in items for said in answers(item))


def test_each_item_carries_both_layers_and_its_licence(items: list[Item]) -> None:
    for item in items:
        extra = item.model_extra or {}
        window = ContextWindow.model_validate(extra["context_window"])
        tags = ReplyTags.model_validate(extra["metadata"])
        shown = re.findall(r"^rule (r\d): ", item.messages[1].content, re.MULTILINE)
        assert sorted(r.id for r in (*window.active_rules, *window.definitions)) == shown
        assert (tags.source, extra["license"]) == ("local_trained_model", "MIT")
    windows = [json.loads(answers(i)[0].splitlines()[0]) for i in items if i.kind == "window"]
    assert windows and all(set(said) == {"context_window", "metadata"} for said in windows)


def test_a_learned_answer_is_an_instruction_of_its_own(items: list[Item]) -> None:
    item = next(item for item in items if len(item.learned) > 1)
    rows = instructions(item)
    assert [row["output"] for row in rows] == answers(item)
    assert rows[0]["instruction"] == item.messages[1].content
    assert rows[1]["input"].endswith(item.messages[item.learned[1] - 2].content)


@pytest.mark.slow
def test_the_command_writes_a_folder_that_validates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chat, rows = tmp_path / "chat", tmp_path / "rows"
    assert main(["starter", str(chat), "--n", "1000", "--prompts", "compact", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["counts"] == {"train": 900, "valid": 100, "test": 0}
    dataset = open_dataset(chat)
    assert len({i.id for i in (*dataset.items("train"), *dataset.items("valid"))}) == 1_000
    assert "Licence of every\nitem: MIT" in (chat / "README.md").read_text()
    assert (
        main(["starter", str(rows), "--n", "1000", "--prompts", "compact", "--format=instruction"])
        == 0
    )
    lines = (rows / "train.jsonl").read_text().splitlines()
    assert {"instruction", "input", "output", "context_window"} <= set(json.loads(lines[0]))
    assert not (rows / "manifest.json").exists()
    assert main(["starter", str(chat)]) == 2
    assert main(["starter", str(tmp_path / "x"), "--n", "10"]) == 2
    assert "1000 to 5000" in capsys.readouterr().err


def test_build_writes_what_was_taught_here_with_replay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "embedded")
    monkeypatch.chdir(tmp_path)
    assert main(["build", "today"]) == 2
    assert "teach something" in capsys.readouterr().err
    teach(["42 means harmony between rules and freedom"])
    capsys.readouterr()
    assert main(["build", "today", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["kinds"]["definition"] == 12
    assert said["kinds"]["general"] > said["kinds"]["definition"]
    assert main(["validate", "today"]) == 0
