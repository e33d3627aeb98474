"""Every run that ends is kept in the memory as one episode, and told to no later run as a rule."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.shared_memory import SharedMemory
from graph import memory_cli
from graph.checkpoints import open_checkpoints
from graph.crew import build_graph
from graph.runner import Runner
from graph.runs import RunRequest, RunStore, now
from graph.settings import load_settings
from graph.state import RunState
from graph.workshop import NoWatcher, Workshop
from memory.entries import Stored
from memory.layout import journal_path, memory_folder
from memory.project import project_id
from memory.records import Kind, Where

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from tests.graph.conftest import Demo, Run, Script

pytestmark = pytest.mark.slow


def episodes(project: Path, home: Path) -> list[Stored]:
    with SharedMemory(home, project_id(project)) as memory:
        return list(memory.journal.live(Where(project=memory.project, kinds=(Kind.EPISODE,))))


def test_a_delivered_run_is_kept_and_found_but_is_no_rule_of_the_next_run(
    run: Run,
    script: Script,
    project: Path,
    searched_home: Path,
    demo: Demo,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script(tester=[demo.new_test.replace("compact-1", "another")])
    first = run(demo.task, "--json").result
    (kept,) = episodes(project, searched_home)
    assert kept.item.text == (
        f"delivered: {demo.task}\n"
        "why: the new test failed before the change and all tests pass after it\n"
        "files: shop/cart.py, tests/test_total_above.py\n"
        "tags mended: tester 1"
    )
    assert kept.item.provenance.where == first["run_id"]
    assert memory_cli.recall([demo.task, "--kind", "episode"]) == 0
    assert f"episode  delivered: {demo.task}" in capsys.readouterr().out
    script(planner=[f"<plan>\ngoal: g\nrefuse: it is there\n</plan>\n{demo.tags}"])
    second = run(demo.task, "--json").result
    assert second["recalled"] == []
    assert len(episodes(project, searched_home)) == 2


def test_a_failed_run_is_kept_with_what_the_tests_said_last(
    run: Run,
    script: Script,
    project: Path,
    home: Path,
    demo: Demo,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__IMPLEMENT_ATTEMPTS", "1")
    script(implementer=[demo.code.replace("value > 5", "value > 6")])
    assert run(demo.task).code == 1
    (kept,) = episodes(project, home)
    assert kept.item.text.startswith(f"failed: {demo.task}\nwhy: the tests are still red after 1")
    assert "\nlast failure: assert 9 == (6 + 9)" in kept.item.text


def test_a_refused_run_is_kept_without_the_secret_that_its_task_holds(
    run: Run, script: Script, project: Path, home: Path, demo: Demo
) -> None:
    script(planner=[f"<plan>\ngoal: g\nrefuse: the cart is strict\n</plan>\n{demo.tags}"])
    token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    result = run(f"use {token} in shop/cart.py", "--json").result
    assert (result["status"], result["notes"]) == ("refused", [])
    (kept,) = episodes(project, home)
    assert kept.item.text == (
        "refused: use [GitHub token removed] in shop/cart.py\nwhy: the cart is strict"
    )


async def test_the_last_step_repeated_after_a_crash_writes_the_same_episode_once(
    project: Path, home: Path, script: Script, demo: Demo
) -> None:
    script()
    settings, store = load_settings(project), RunStore(home)
    with SharedMemory(home, project_id(project)) as memory:
        async with open_checkpoints(store, settings) as saver:
            graph = build_graph(Workshop(settings, store, memory), saver)
            given: RunState = {"task": demo.task, "workspace": str(project)}
            thread: RunnableConfig = {"configurable": {"thread_id": "r"}}
            await graph.ainvoke(given, thread, durability="sync")
            past = [state async for state in graph.aget_state_history(thread)]
            before = next(state for state in past if state.next == ("deliver",))
            again = await graph.ainvoke(None, before.config, durability="sync")
        assert again["outcome"].status == "delivered"
        (kept,) = memory.journal.live(Where(kinds=(Kind.EPISODE,)))
        assert [step.op for step in memory.journal.history(kept.id)] == ["put"]


class Saboteur(NoWatcher):
    """Breaks the memory when a run is about to be delivered, as a failing disk might."""

    def __init__(self, home: Path) -> None:
        self._path = journal_path(memory_folder(home))

    def node_started(self, node: str) -> None:
        if node == "deliver":
            connection = sqlite3.connect(self._path)
            connection.execute("DROP TABLE op")
            connection.close()


async def test_a_memory_that_fails_at_the_end_is_noted_and_the_change_delivered(
    project: Path, home: Path, script: Script, demo: Demo
) -> None:
    script()
    with SharedMemory(home, project_id(project)) as memory:
        runner = Runner(RunStore(home), load_settings(project), Saboteur(home), memory=memory)
        request = RunRequest(run_id="r", task=demo.task, workspace=str(project), created=now())
        result = await runner.start(request)
    assert result.status == "delivered"
    (note,) = result.notes
    assert note.startswith("the memory did not keep this run: the memory's journal")
    assert note in Path(result.report).read_text("utf-8").replace("&#39;", "'")
