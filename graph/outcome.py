"""From a run's state to its result: one place for the final, the waiting and the broken run."""

from __future__ import annotations

from graph.runs import Phase, RunResult
from graph.state import RunState, Story, TestState


def result_of(
    state: RunState, model: str, *, status: Phase = "running", reason: str = "", waiting: str = ""
) -> RunResult:
    """Return how the run of ``state`` stands; its outcome, once there, wins over ``status``."""
    outcome = state.get("outcome")
    story = state.get("story", Story())
    return RunResult(
        run_id=state["run_id"],
        status=outcome.status if outcome else status,
        reason=outcome.reason if outcome else reason,
        task=state["task"],
        workspace=state["workspace"],
        branch=outcome.branch if outcome else "",
        diff=outcome.diff if outcome else "",
        plan=state.get("plan"),
        tests=state.get("tests", TestState()),
        steps=story.steps,
        notes=story.notes,
        recalled=state["brief"].rules if "brief" in state else (),
        corrections=story.corrections,
        elapsed_s=story.elapsed_s,
        model=model,
        waiting_for=waiting,
    )
