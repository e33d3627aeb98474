"""One turn of one role in a run: seat it, let it answer, keep what it may change, commit that."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents import talk
from agents.brief import at_hand, workspace_files
from agents.context_window import context_window
from agents.crew import ROLES, seat
from agents.levels import contracts_from, region_levels
from agents.loop import Limits, RoleOutcome, Seat, run_turns
from agents.role import Role
from graph.refusals import Refusal, log_refusals, refusals
from graph.state import RunState, Step, Story, Talk
from graph.workshop import OpenModel, Workshop
from memory.policy_store import PolicyStore
from memory.project import project_id, project_root
from memory.records import ReplyTags
from tools.context import ToolContext
from tools.gitfiles import Change
from tools.jail import Jail
from tools.preserve.check import Violation
from tools.preserve.guard import told
from tools.worktree import RunTree

# A small model that decodes greedily mends a slip at once or not at all.
_COMPACT_TURNS: Final = 3
_COMPACT_ALIKE: Final = 2
_COMMIT_TYPES = {
    "tester": "test",
    "implementer": "feat",
    "refactorer": "refactor",
    "doc_writer": "docs",
}


async def take_turn(
    shop: Workshop,
    state: RunState,
    role_name: str,
    *,
    attempt: int,
    tests: str = "",
    failures: Sequence[str] = (),
    preface: str = "",
) -> tuple[RoleOutcome, RunState]:
    """Let a role work from the recorded state of the tree; return how it went and what changed.

    Doing it again after a crash starts from the same recorded state. ``preface`` goes before the
    role's own prompt in its message. Raises what the model raises.
    """
    role, model, tree = ROLES[role_name], await shop.model(state), await shop.tree(state)
    await tree.reset_to(state["tree"].sha)
    plan, started = state.get("plan"), shop.clock()
    asked = talk.turn(
        role, model.prompts, preface=preface, tests=tests, failures=failures, plan=plan
    )
    outcome = await run_turns(
        model.chat,
        (*state["talk"].messages, asked),
        await _seat(shop, state, role, model),
        _limits(shop, state, model),
        shop.watcher.token,
    )
    put_back = await _undo_what_no_tool_did(tree, state, role, outcome)
    guard, since = await shop.guard(state), state["tree"].sha
    sha, undone = await tree.commit_within(guard, since, commit_message(state, role_name))
    await _log(shop, state, role_name, refusals(role_name, outcome, put_back, undone))
    step = _step(state, role, outcome, model, attempt, started, shop.clock())
    shop.watcher.step_ended(step)
    story = state["story"]
    update: RunState = {
        "tree": state["tree"].model_copy(update={"sha": sha}),
        "talk": Talk(messages=outcome.talk, green=state["talk"].green),
        "story": story.model_copy(
            update={
                "steps": (*story.steps, step),
                "notes": (*story.notes, *_undone_notes(role_name, undone)),
                "blocked": _blocked(story, outcome, undone),
            }
        ),
    }
    return outcome, update


async def _log(shop: Workshop, state: RunState, role: str, refused: Sequence[Refusal]) -> None:
    workspace = Path(state["workspace"])
    store = PolicyStore(shop.store.home, project_id(workspace), project_root(workspace))
    await asyncio.to_thread(log_refusals, store, f"{role}, run {state['run_id']}", refused)


def _undone_notes(role_name: str, undone: Sequence[Violation]) -> tuple[str, ...]:
    return (f"what the {role_name} did was undone: {told(tuple(undone))}",) if undone else ()


def _blocked(story: Story, outcome: RoleOutcome, undone: Sequence[Violation]) -> tuple[str, ...]:
    """Return the ids of the contracts that have stood in the way so far, each once."""
    results = (result for each in outcome.exchanges for result in each.results)
    refused = (name for result in results for name in result.contracts)
    return tuple(dict.fromkeys((*story.blocked, *refused, *(v.contract.id for v in undone))))


def opening_talk(profile: str) -> Talk:
    """Return the transcript before anyone has spoken."""
    return Talk(messages=(talk.system(profile),))


def commit_message(state: RunState, role_name: str) -> str:
    """Return a conventional-commit message for what a role did, in the plan's words."""
    plan = state.get("plan")
    goal = " ".join((plan.goal if plan else state["task"]).split()) or "change"
    kind = _COMMIT_TYPES.get(role_name, "chore")
    if kind == "feat" and goal.lower().startswith(("fix", "repair", "correct")):
        kind = "fix"
    subject = f"{kind}: {goal}"
    return subject if len(subject) <= 72 else subject[:71].rstrip() + "…"


def spent_limit(shop: Workshop, story: Story) -> str:
    """Return which limit of the run is used up, in words, or ""."""
    limits = shop.settings.limits
    if len(story.steps) >= limits.steps:
        return f"the limit of {limits.steps} role turns is reached (limits.steps)"
    if story.tokens >= limits.tokens:
        return f"the limit of {limits.tokens} tokens is reached (limits.tokens)"
    if story.elapsed_s >= limits.wall_s:
        return f"the limit of {limits.wall_s:g} s is reached (limits.wall_s)"
    return ""


async def _seat(shop: Workshop, state: RunState, role: Role, model: OpenModel) -> Seat:
    context = await tool_context(shop, state)
    existing = await asyncio.to_thread(workspace_files, context.workspace)
    return seat(
        role,
        context,
        profile=model.prompts,
        rules=tuple(rule.id for rule in state["brief"].rules),
        plan=state.get("plan"),
        existing=frozenset(existing),
        contracts=contracts_from(state["brief"].protected),
    )


async def tool_context(shop: Workshop, state: RunState) -> ToolContext:
    """Return what the tools of this run may reach."""
    root = Path(state["tree"].path)
    policy = await shop.policy(state)
    jail = await asyncio.to_thread(Jail, root)
    files = state["brief"].files if "brief" in state else ()
    failing = state["tests"].problem if "tests" in state else ()
    guard = await shop.guard(state)
    here = at_hand(files, failing, prefix=guard.prefix)
    return ToolContext(jail, root, policy, shop.memory, here, guard)


def _limits(shop: Workshop, state: RunState, model: OpenModel) -> Limits:
    config, story = shop.settings.limits, state["story"]
    return Limits(
        turns=min(config.turns, _COMPACT_TURNS) if model.is_compact else config.turns,
        repeats=config.repeats,
        alike=_COMPACT_ALIKE if model.is_compact else None,
        max_tokens=model.max_tokens,
        context_tokens=model.context_tokens,
        tokens_left=config.tokens - story.tokens,
        deadline=time.monotonic() + config.wall_s - story.elapsed_s,
    )


async def _undo_what_no_tool_did(
    tree: RunTree, state: RunState, role: Role, outcome: RoleOutcome
) -> dict[str, str]:
    """Restore files that a command changed although the role may not change them.

    Returns their paths from the workspace, with the reasons.
    """
    repo = tree.tree
    undo: list[Change] = []
    reasons: dict[str, str] = {}
    for change in await repo.changes(await repo.snapshot(), state["tree"].sha):
        path = in_workspace(tree, change)
        if path in outcome.changed:
            continue  # the tool loop has judged it
        before = await repo.blob(change.new.sha) if change.new else None
        after = await repo.blob(change.old.sha) if change.old else None
        why = role.scope.verdict(state.get("plan"), path, before, after)
        if path.startswith(".."):
            why = f"{path}: it lies outside the workspace"
        if why:
            undo.append(change)
            reasons[path] = why
    await repo.put_on_disk(undo)
    return reasons


def in_workspace(tree: RunTree, change: Change) -> str:
    """Return a change's path relative to the workspace, which may be a folder of the repository."""
    return os.path.relpath(tree.tree.root / change.path, tree.workspace)


def _step(
    state: RunState,
    role: Role,
    outcome: RoleOutcome,
    model: OpenModel,
    attempt: int,
    started: float,
    ended: float,
) -> Step:
    return Step(
        role=outcome.role,
        attempt=attempt,
        status=outcome.status,
        started_s=started,
        duration_s=ended - started,
        exchanges=outcome.exchanges,
        changed=outcome.changed,
        window=context_window(
            model.prompts, state["brief"].rules, state["brief"].updates, model.count_text
        ),
        tags=_reply_tags(state, role, outcome, model),
        repairs=outcome.repairs,
    )


def _reply_tags(state: RunState, role: Role, outcome: RoleOutcome, model: OpenModel) -> ReplyTags:
    plan = outcome.plan or state.get("plan")
    return ReplyTags(
        model=model.chat.model_id,
        adapter=model.chat.adapter_id,
        levels=region_levels(
            role.regions(plan, outcome.changed),
            outcome.tags.level,
            plan.files if plan else (),
            contracts_from(state["brief"].protected),
        ),
        rules=outcome.tags.rules,
        markers=outcome.tags.marks,
    )
