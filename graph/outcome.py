"""From a run's state to its result and its episode: final, waiting and broken runs alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from graph.compliance import with_compliance
from graph.runs import Phase, RunResult
from graph.state import RunState, Step, Story, TestState, ended
from memory.episodes import Episode
from tools.gitfiles import shown


def result_of(
    state: RunState, model: str, *, status: Phase = "running", reason: str = "", waiting: str = ""
) -> RunResult:
    """Return how the run of ``state`` stands; its outcome, once there, wins over ``status``."""
    outcome = ended(state)
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
        steps=tuple(with_compliance(step, story.compliance) for step in story.steps),
        notes=story.notes,
        recalled=state["brief"].rules if "brief" in state else (),
        recalled_code=state["brief"].pieces if "brief" in state else (),
        corrections=story.corrections,
        compliance=story.compliance,
        repairs=repairs_by_role(story.steps),
        elapsed_s=story.elapsed_s,
        model=model,
        waiting_for=waiting,
    )


def repairs_by_role(steps: Sequence[Step]) -> dict[str, dict[str, int]]:
    """Return how often each kind of repair was needed, by role; roles without any are left out."""
    counted: dict[str, Counter[str]] = {}
    for step in steps:
        if step.repairs:
            counted.setdefault(step.role, Counter()).update(step.repairs)
    return {role: dict(kinds) for role, kinds in counted.items()}


def episode_of(state: RunState, changed: Sequence[str]) -> Episode:
    """Return what the memory keeps of a run that has ended and changed the files ``changed``."""
    outcome, tests = state["outcome"], state.get("tests", TestState())
    failure = "\n".join(line for line in tests.problem if line not in outcome.reason)
    steps = state.get("story", Story()).steps
    return Episode(
        run_id=state["run_id"],
        task=state["task"],
        outcome=outcome.status,
        reason=outcome.reason,
        failure=failure if tests.verdict != "green" else "",
        files=tuple(map(shown, changed)),
        mended=dict(Counter(step.role for step in steps if step.repaired)),
    )
