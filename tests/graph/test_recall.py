"""What the memory gives to a run: taught rules and indexed code, in the brief and in the report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graph import index_cli, memory_cli
from graph.checkpoints import open_checkpoints
from graph.crew import build_graph
from graph.runs import RunStore
from graph.settings import load_settings
from graph.workshop import Workshop
from memory.journal import Journal
from memory.layout import journal_path, memory_folder

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script

RULE = "Always raise DomainError"


async def _brief(project: Path, home: Path, run_id: str) -> str:
    """Return the first message that the crew read, as the run's checkpoint has it."""
    settings, store = load_settings(project), RunStore(home)
    async with open_checkpoints(store, settings) as saver:
        graph = build_graph(Workshop(settings, store), saver)
        state = await graph.aget_state({"configurable": {"thread_id": run_id}})
    text: str = state.values["talk"].messages[1].content
    return text


def brief(project: Path, home: Path, run_id: str) -> str:
    return asyncio.run(_brief(project, home, run_id))


def refusal(demo: Demo) -> list[str]:
    return [f"<plan>\ngoal: g\nrefuse: not today\n</plan>\n{demo.tags}"]


@pytest.fixture
def taught(project: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert memory_cli.remember([RULE]) == 0
    assert memory_cli.remember(["The cart", "adds up values"]) == 0


@pytest.mark.usefixtures("taught")
def test_what_was_taught_a_moment_ago_is_in_the_brief_and_in_the_report(
    run: Run, script: Script, project: Path, searched_home: Path, demo: Demo
) -> None:
    script(planner=refusal(demo))
    result = run(demo.task, "--json").result
    fact, rule = result["recalled"]
    assert (rule["text"], rule["why"], rule["score"]) == (RULE, "holds for every task", 0)
    assert 0 < fact["score"] < 1 and fact["why"] == "shares words with the question"
    read = brief(project, searched_home, result["run_id"])
    assert f"\nrule r1: The cart adds up values\nrule r2: {RULE}\n" in read
    page = Path(result["report"]).read_text("utf-8")
    assert f"<td>r2</td><td>{RULE}</td>" in page
    assert f'<td class="n">{fact["score"]:.2f}</td><td class="soft">shares words' in page
    shown = run("show", result["run_id"]).out
    assert f"recalled r2: {RULE}; holds for every task\n" in shown
    assert f"recalled r1 ({fact['score']:.2f}): The cart adds up values; shares words" in shown


@pytest.mark.usefixtures("taught")
def test_a_memory_that_is_switched_off_is_neither_asked_nor_told(
    run: Run,
    script: Script,
    project: Path,
    home: Path,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MEMORY__ENABLED", "false")
    script(planner=refusal(demo))
    result = run(demo.task, "--json").result
    assert result["recalled"] == []
    assert "rule" not in brief(project, home, result["run_id"])
    with Journal(journal_path(memory_folder(home))) as journal:
        assert journal.stats().kinds == {"fact": 1, "preference": 1}


def test_code_recalled_for_a_task_without_a_file_is_shown_with_its_place_and_why(
    run: Run, script: Script, project: Path, searched_home: Path, demo: Demo
) -> None:
    (project / "shop" / "till.py").write_text("def ring():\n    return 'bell'\n")
    assert index_cli.main([str(project)]) == 0
    script(planner=refusal(demo))
    result = run("add up twice as many values", "--json").result
    (piece,) = (one for one in result["recalled_code"] if one["name"] == "total")
    assert (piece["path"], piece["first"], piece["last"]) == ("shop/cart.py", 4, 6)
    assert 0 < piece["score"] < 1 and piece["why"] == "shares words with the question"
    assert "file: shop/cart.py (module shop.cart)" in brief(
        project, searched_home, result["run_id"]
    )
    page = Path(result["report"]).read_text("utf-8")
    assert "<td>shop/cart.py</td><td>4-6</td>\n<td>total</td>" in page
    shown = run("show", result["run_id"]).out
    assert f"recalled shop/cart.py:4-6 total ({piece['score']:.2f}): shares words" in shown


@pytest.mark.usefixtures("taught")
def test_a_rule_that_does_not_fit_the_context_is_named_in_the_report(
    run: Run, script: Script, searched_home: Path, demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__CONTEXT_TOKENS", "100")  # of which a brief gets half
    assert memory_cli.remember(["Never guess" + " a value" * 60]) == 0
    script(planner=refusal(demo))
    result = run(demo.task, "--json").result
    (note,) = result["notes"]
    assert note.startswith("rule r2 (Never guess a value a value")
    assert note.endswith("…): not shown, it does not fit the model's context")
    assert [rule["id"] for rule in result["recalled"]] == ["r1", "r3"]
    assert f"note: {note}\n" in run("show", result["run_id"]).out


def test_in_a_folder_below_the_repository_a_scope_is_named_from_the_repository(
    run: Run,
    script: Script,
    project: Path,
    searched_home: Path,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = project / "part"
    part.mkdir()
    for name in ("shop", "tests"):
        (project / name).rename(part / name)
    demo.git(project, "add", "--all")
    demo.git(project, "commit", "--quiet", "--message=below")
    monkeypatch.chdir(part)
    assert memory_cli.remember(["--scope", "./shop", "the cart here adds up values"]) == 0
    assert memory_cli.remember(["--scope", "shop", "the cart elsewhere adds up values"]) == 0
    script(planner=refusal(demo))
    result = run(demo.task, "--workspace", str(part), "--json").result
    read = brief(project, searched_home, result["run_id"])
    assert "the cart here" in read
    assert "the cart elsewhere" not in read
