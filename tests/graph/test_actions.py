"""What the roles did of late, from the records of runs."""

from __future__ import annotations

from pathlib import Path

from agents.loop import Exchange
from graph.actions import recent_actions
from graph.runs import RunRequest, RunResult, RunStore
from graph.state import Step
from memory.records import ContextWindow, ReplyTags
from tools.context import ToolResult


def step(role: str, *results: ToolResult, changed: tuple[str, ...] = ()) -> Step:
    spent = Exchange(
        prompt_tokens=1,
        cached_tokens=0,
        completion_tokens=1,
        duration_s=0.5,
        first_token_s=0.1,
        results=results,
    )
    return Step(
        role=role,
        attempt=1,
        status="done",
        duration_s=0.5,
        started_s=0.0,
        exchanges=(spent,),
        changed=changed,
        window=ContextWindow(prompt_id="full-1"),
        tags=ReplyTags(rules=("r1",)),
    )


def test_turns_of_this_workspace_are_told_newest_first(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    steps = (
        step("tester", ToolResult(call="fs.write", ok=True, text="done"), changed=("t.py",)),
        step(
            "implementer",
            ToolResult(call="fs.edit", ok=False, text="tests stay as they are"),
            ToolResult(call="fs.edit", ok=True, text="done"),
        ),
    )
    for run_id, workspace in (("1", "/w"), ("2", "/other"), ("3", "/w"), ("4", "/w")):
        store.create(RunRequest(run_id=run_id, task="t", workspace=workspace, created="now"))
        result = RunResult(run_id=run_id, status="delivered", task="t", workspace=workspace)
        if run_id != "4":  # which has only just begun
            store.write_result(result.model_copy(update={"steps": steps}))
    found = recent_actions(store, "/w")
    assert [(each.run, each.role) for each in found] == [
        ("3", "implementer"), ("3", "tester"), ("1", "implementer"), ("1", "tester"),
    ]  # fmt: skip
    assert found[0].calls == {"fs.edit": 2}
    assert found[0].refused == ("fs.edit: tests stay as they are",)
    assert (found[1].changed, found[1].rules) == (("t.py",), ("r1",))
    assert len(recent_actions(store, "/w", limit=1)) == 1
