"""What a run that has ended teaches: what the user edited or refused, and how its tests went.

Taken into the memory once, whatever is killed and done again: every event has a key of its run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import JsonValue

from agents.reply import render_plan
from agents.shared_memory import SharedMemory
from graph.accepted import success
from graph.edited import correction_item
from graph.state import Red, RunState, Story, TestState
from mcp_local_llm import UsageError
from memory.corrections import Correction
from memory.experience import Debugging, Experience, Failure, Generation
from memory.lifecycle import Stage, may_follow
from memory.records import Item
from memory.secrets import redacted
from memory.signals import Signal
from tools.hunks import similarity

_OUTCOME: Final = {"delivered": 0.5, "failed": -0.5}
"""What a run's end says by itself: tests are not yet the user's word, which comes with the hunks.
A refusal says nothing of the crew's code; a rejection is the user's own signal."""

_OUTPUT: Final = 2_000  # characters of the tests' output that surround a failure
_FILE: Final = re.compile(r"^\+\+\+ b/(.+?)\t?$", re.MULTILINE)


def take_run(
    memory: SharedMemory, state: RunState, files: Sequence[str], fix: str, *, approved: bool
) -> None:
    """Take in what the ended run of ``state`` teaches. Blocking.

    ``files`` are what it changed, ``fix`` is what came after the last red attempt. Raises what the
    journal raises.
    """
    run_id, now = state["run_id"], datetime.now(UTC)
    story = state.get("story", Story())
    for number, correction in enumerate(story.corrections, 1):
        _take(memory, *_edit(memory.project, run_id, number, correction, now))
    if state["outcome"].status == "rejected":
        _take(memory, *_rejection(memory.project, state, now))
        _heard(memory, state, now)
    else:
        _take(memory, *_ending(memory.project, state, files, now))
    experiences = [*_failure(state, files), *_debugging(state, files, fix)]
    experiences += _generation(state, files, approved=approved)
    for one in experiences:
        _take(memory, f"{one.kind}:{run_id}", [one.item(memory.project)], [])
    if approved:
        plan = state.get("plan")
        steps = "; ".join(plan.steps) if plan else ""
        accepted = success(
            memory.project, run_id, state["task"], steps, files, _OUTCOME["delivered"]
        )
        _take(memory, f"success:{run_id}", [accepted], [])
    _note_recalled(memory, state)


def _heard(memory: SharedMemory, state: RunState, now: datetime) -> None:
    """Take in what the user typed when they rejected: it may say what to do from now on."""
    from agents.capture.detector import Detector
    from agents.capture.intake import take_turn
    from agents.capture.turn import Turn, event_key

    outcome = state["outcome"]
    words = "" if outcome.relayed else outcome.reason.partition(": ")[2]
    plan = state.get("plan")
    turn = Turn(
        text=words,
        previous=outcome.diff or (render_plan(plan) if plan else ""),
        at=now,
        origin="run",
        where=f"rejection of the run {state['run_id']}",
        key=event_key("rejection", state["run_id"]),
    )
    if words.strip():
        take_turn(turn, memory, Detector())


def _take(
    memory: SharedMemory, key: str, items: Iterable[Item | None], signals: Sequence[Signal]
) -> None:
    """Take one event in; one that holds a secret leaves its reward alone."""
    try:
        memory.journal.take(key, [item for item in items if item], signals)
    except UsageError:
        bare = [one.model_copy(update={"evidence": {"refused": "a secret"}}) for one in signals]
        memory.journal.take(key, (), bare)


def _edit(
    project: str, run_id: str, number: int, said: Correction, now: datetime
) -> tuple[str, list[Item | None], list[Signal]]:
    """Return what the user made of a plan or a patch before it was approved."""
    key = f"interrupt:{run_id}:{number}"
    paths = list(dict.fromkeys(_FILE.findall(said.corrected)))
    original, corrected = said.original, said.corrected
    if said.where == "patch":
        original, corrected = _added(original), _added(corrected)
    item, refused = correction_item(
        project,
        key,
        paths[0] if len(paths) == 1 else f"the {said.where}",
        original,
        corrected,
        run_id=run_id,
        scope=paths[0] if len(paths) == 1 else "",
        source="relayed" if said.relayed else "user",
    )
    evidence: dict[str, JsonValue] = {"where": said.where, "answer": "edit"}
    evidence |= {"refused": refused} if refused else {}
    reward = 2 * similarity(original, corrected) - 1
    return key, [item], [_signal(key, project, "interrupt", run_id, reward, evidence, now)]


def _added(patch: str) -> str:
    """Return the lines that ``patch`` adds, as code."""
    lines = patch.splitlines()
    added = [line[1:] for line in lines if line.startswith("+") and not line.startswith("+++ ")]
    return "\n".join(added)


def _rejection(
    project: str, state: RunState, now: datetime
) -> tuple[str, list[Item | None], list[Signal]]:
    """Return the bad mark of a plan or patch that the user refused."""
    key = f"interrupt:{state['run_id']}:reject"
    evidence: dict[str, JsonValue] = {
        "answer": "reject",
        "reason": redacted(state["outcome"].reason),
    }
    return key, [], [_signal(key, project, "interrupt", state["run_id"], -1, evidence, now)]


def _ending(
    project: str, state: RunState, files: Sequence[str], now: datetime
) -> tuple[str, list[Item | None], list[Signal]]:
    """Return how the run ended, with what surrounded it."""
    outcome, tests = state["outcome"], state.get("tests", TestState())
    key = f"run:{state['run_id']}"
    evidence: dict[str, JsonValue] = {
        "outcome": outcome.status,
        "reason": redacted(outcome.reason),
        "files": list(map(redacted, files)),
        "attempts": tests.implemented,
    }
    if tests.verdict != "green" and tests.problem:
        evidence["error"] = redacted("\n".join(tests.problem))
    reward = _OUTCOME.get(outcome.status)
    if reward is None:
        return key, [], []
    return key, [], [_signal(key, project, "run", state["run_id"], reward, evidence, now)]


def _signal(
    key: str,
    project: str,
    source: Literal["interrupt", "run"],
    run_id: str,
    reward: float,
    evidence: dict[str, JsonValue],
    now: datetime,
) -> Signal:
    return Signal(
        key=key,
        at=now,
        project=project,
        source=source,
        target=run_id,
        reward=reward,
        evidence=evidence,
    )


def _failure(state: RunState, files: Sequence[str]) -> Iterator[Experience]:
    outcome, tests = state["outcome"], state.get("tests", TestState())
    if outcome.status == "failed":
        said = [*tests.problem, tests.output.strip()[-_OUTPUT:]]
        yield Failure(
            task=state["task"],
            error=outcome.reason,
            context="\n".join(line for line in said if line.strip()),
            where=state["run_id"],
            files=tuple(files),
        )


def _debugging(state: RunState, files: Sequence[str], fix: str) -> Iterator[Experience]:
    """Yield how a red attempt went green, if there was one."""
    reds: tuple[Red, ...] = state.get("story", Story()).reds
    plan = state.get("plan")
    if state["outcome"].status == "delivered" and reds and fix.strip():
        yield Debugging(
            symptoms="\n".join(dict.fromkeys(line for red in reds for line in red.said)) or "red",
            context=state["task"],
            approach="; ".join(plan.steps) if plan else "",
            fix=fix,
            effectiveness=1.0,
            where=state["run_id"],
            files=tuple(files),
        )


def _generation(state: RunState, files: Sequence[str], *, approved: bool) -> Iterator[Experience]:
    """Yield what was written and what the user said of it, where the user was asked."""
    outcome, corrections = state["outcome"], state.get("story", Story()).corrections
    edits = [one for one in corrections if one.where == "patch"]
    is_rejected = outcome.status == "rejected" and bool(outcome.diff.strip())
    if not outcome.diff.strip() or not (is_rejected or edits or approved):
        return
    yield Generation(
        task=state["task"],
        code=edits[0].original if edits else outcome.diff,
        verdict="reject" if is_rejected else "modify" if edits else "accept",
        final_code=edits[-1].corrected if edits else "",
        compiles=True,
        tests_pass=state.get("tests", TestState()).verdict == "green",
        where=state["run_id"],
        files=tuple(files),
    )


def _note_recalled(memory: SharedMemory, state: RunState) -> None:
    """Note for each rule of the brief that this run recalled it: its rewards are the rule's too."""
    rules = state["brief"].rules if "brief" in state else ()
    ids = [rule.item for rule in rules if rule.item]
    known = {id for id, one in memory.journal.get(ids).items() if one.state != "deleted"}
    steps = memory.journal.stages(known)
    for id in dict.fromkeys(one for one in ids if one in known):
        now = steps[id].stage if id in steps else Stage.CAPTURED
        stage = Stage.RECALLED if may_follow(now, Stage.RECALLED) else now
        if now is not Stage.WITHDRAWN:
            memory.journal.advance(id, stage, run=state["run_id"])
