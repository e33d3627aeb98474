"""The node where the user may let a run break the contracts that stand in its way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from agents.approvals import lifts, open_lifts
from agents.protection import Protection
from agents.shared_memory import SharedMemory
from graph.asking import ask
from graph.console import short
from graph.deliveries import Deliveries
from graph.state import LIFT, RunState, Talk, TestState, ended
from graph.turns import opening_talk, spent_limit
from graph.workshop import Workshop
from memory.project import project_id, project_root
from tools import worktree
from tools.preserve.contracts import Contract
from tools.preserve.guard import lifting_commands


@dataclass(frozen=True, slots=True)
class Lifting:
    """The question, bound to what it works with."""

    shop: Workshop

    async def offer(self, state: RunState) -> RunState:
        """Ask whether the run may break the contracts in its way; if so, let it begin again.

        A lift that was given meanwhile on the command line counts as the answer. Nothing is asked
        when no contract stood in the way, or no limit is left to work with.
        """
        outcome = ended(state)
        may_go_on = outcome is not None and outcome.status in {"refused", "failed"}
        if outcome is None or not may_go_on or spent_limit(self.shop, state["story"]):
            return {}
        contracts = await self._in_the_way(state)
        lifted = (await self.shop.guard(state)).lifted
        closed = tuple(each for each in contracts if each.id not in lifted)
        if not contracts:
            return {}
        if closed:
            question, problem = lift_question(closed, outcome.reason, state["run_id"]), ""
            while (answer := ask(LIFT, question, problem)).decision == "edit":
                problem = "there is nothing to edit; approve or reject"
            if answer.decision == "reject":
                return {}
            await self.shop.lift(state, closed)
        return await self._anew(state, contracts)

    async def _in_the_way(self, state: RunState) -> tuple[Contract, ...]:
        """Return the contracts that refused a change, or for which the planner refused the task."""
        guard = replace(await self.shop.guard(state), lifted=frozenset())
        blocked = await guard.named(state["story"].blocked)
        outcome, brief = ended(state), state["brief"]
        if blocked or outcome is None or outcome.status != "refused":
            return blocked
        regions = {tag.region for tag in brief.protected}
        held = await guard.about(file.path for file in brief.files)
        shown = tuple(each for each in held if each.region in regions)
        named = tuple(each for each in shown if _is_named(each, outcome.reason))
        return named or shown

    async def _anew(self, state: RunState, contracts: tuple[Contract, ...]) -> RunState:
        """Return the state from which the planner starts again, with ``contracts`` lifted."""
        brief, story, tests, tree = state["brief"], state["story"], state["tests"], state["tree"]
        regions = {each.region for each in contracts}
        kept = tuple(tag for tag in brief.protected if tag.region not in regions)
        names = ", ".join(each.id for each in contracts)
        outcome, model = state["outcome"], await self.shop.model(state)
        return {
            "brief": brief.model_copy(update={"protected": kept}),
            "story": story.model_copy(
                update={"blocked": (), "notes": (*story.notes, f"the user lifted {names}")}
            ),
            "tests": TestState(
                known_failures=tests.known_failures, baseline=tests.baseline, sandbox=tests.sandbox
            ),
            "tree": tree.model_copy(update={"sha": tree.base, "green": ""}),
            "talk": Talk(messages=opening_talk(model.prompts).messages),
            "outcome": outcome.model_copy(update={"retried": True}),
        }


async def apply_run(home: Path, workspace: Path, run_id: str) -> tuple[str, ...]:
    """Bring a delivered run into the workspace, and with it what the user has lifted for it.

    Returns the paths written; raises what ``worktree.apply`` raises, and ``StoreUnavailable``.
    """
    project = project_id(workspace)
    lifted = open_lifts(home, project, run_id)
    written = await worktree.apply(workspace, run_id, lifted=lifted)
    Deliveries(home).note_arrival(run_id)
    if any(lift.run_id == run_id for lift in lifts(home, project)):
        with SharedMemory(home, project) as memory:
            protection = await Protection.open(project_root(workspace), memory)
            protection.hand_over(run_id)
    return written


def _is_named(contract: Contract, reason: str) -> bool:
    names = (contract.id, contract.region, contract.path, contract.symbol, contract.marker)
    return any(name and name in reason for name in names)


def lift_question(contracts: tuple[Contract, ...], reason: str, run_id: str) -> str:
    """Return what the user is asked: what stood in the way of the run, and how to allow it."""
    lines = [
        f"{each.level} {each.region}" + (f" ({short(each.reason)})" if each.reason else "")
        for each in contracts
    ]
    listed = "\n".join(f"  {line}" for line in lines)
    commands = "\n".join(f"  {command}" for command in lifting_commands(contracts, run_id))
    return (
        f"{reason}\nProtected, and in the way of this task:\n{listed}\n"
        f"Approving lets this run alone change them. On another terminal:\n{commands}\n"
        f"  `graph-run resume {run_id}`"
    )
