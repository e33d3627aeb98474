"""The nodes where a person decides, and the two ways a run ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from agents.chat import Message
from agents.planner import plan_problem
from agents.reply import parse_plan, render_plan
from agents.shared_memory import SharedMemory
from graph import checks
from graph.asking import ask
from graph.compliance import check_rules
from graph.follow import keep_delivery
from graph.outcome import episode_of, result_of
from graph.rewards import take_run
from graph.state import Decision, Outcome, RunState, Story, Talk
from graph.turns import commit_message
from graph.workshop import Workshop
from mcp_local_llm import StoreUnavailable, UsageError
from memory.corrections import Correction
from tools.preserve.guard import BreaksContract, told


@dataclass(frozen=True, slots=True)
class Gates:
    """Reviews and endings, bound to what they work with."""

    shop: Workshop

    async def review_plan(self, state: RunState) -> RunState:
        """Wait for the user to approve, edit or reject the plan, when that was asked for."""
        if "plan" not in state.get("review", ()):
            return {}
        original, problem = render_plan(state["plan"]), ""
        while True:
            answer = ask("plan", original, problem)
            if answer.decision == "approve":
                return {}
            if answer.decision == "reject":
                return _rejected("plan", answer, state)
            edited = parse_plan(answer.text)
            problem = plan_problem(edited)
            if edited is not None and not problem:
                return {
                    "plan": edited,
                    "talk": _replaced(state["talk"], render_plan(edited)),
                    **_corrected(state, "plan", original, render_plan(edited), answer.relayed),
                }

    async def review_patch(self, state: RunState) -> RunState:
        """Wait for the user to approve, edit or reject the change, when that was asked for."""
        if "patch" not in state.get("review", ()):
            return {}
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].sha)
        original, problem = await tree.diff(), ""
        while True:
            answer = ask("patch", original, problem)
            if answer.decision == "approve":
                return {}
            if answer.decision == "reject":
                return _rejected("patch", answer, state)
            update, problem = await self._patched(state, original, answer)
            if not problem:
                return update

    async def _patched(
        self, state: RunState, original: str, answer: Decision
    ) -> tuple[RunState, str]:
        """Replace the run's change by the user's patch; return a problem when it can't be."""
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].base)
        done = await tree.tree.run("apply", "--whitespace=nowarn", "-", stdin=answer.text.encode())
        if done.code != 0:
            return {}, f"the edited patch does not apply: {done.stderr.strip()}"
        sha = await tree.commit(f"fix: {state['plan'].goal} (edited in review)"[:72])
        if broken := await (await self.shop.guard(state)).broken_by(sha):
            return {}, f"the edited patch breaks contracts: {told(broken)}"
        moved: RunState = {**state, "tree": state["tree"].model_copy(update={"sha": sha})}
        tests, _ = await checks.green(self.shop, moved)
        if tests.verdict != "green":
            failed = "; ".join(tests.problem)
            return {}, f"with the edited patch the tests are red: {failed}"
        verdicts = await check_rules(self.shop, moved)
        moved["story"] = state["story"].model_copy(update={"compliance": verdicts})
        corrected = _corrected(moved, "patch", original, await tree.diff(), answer.relayed)
        marked = moved["tree"].model_copy(update={"green": sha})
        return {"tree": marked, "tests": tests, "story": moved["story"], **corrected}, ""

    async def deliver(self, state: RunState) -> RunState:
        """Put the change on its branch and write the result."""
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].sha)
        diff = await tree.diff()
        guard, message = await self.shop.guard(state), commit_message(state, "implementer")
        try:
            branch = await tree.deliver(message, guard)
        except BreaksContract as error:  # no branch, and no patch either
            return await self._ended(state, Outcome(status="refused", reason=str(error)))
        outcome = Outcome(
            status="delivered",
            reason="the new test failed before the change and all tests pass after it",
            branch=branch,
            diff=diff,
        )
        return await self._ended(state, outcome)

    async def close(self, state: RunState) -> RunState:
        """Keep what an unsuccessful run did as a patch file, and write the result."""
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].sha)
        broken = await (await self.shop.guard(state)).broken_by(state["tree"].sha)
        diff = "" if broken else await tree.diff()
        outcome = state["outcome"].model_copy(update={"diff": diff})
        return await self._ended(state, outcome)

    async def _ended(self, state: RunState, outcome: Outcome) -> RunState:
        model = (await self.shop.model(state)).chat.model_id
        update: RunState = {"outcome": outcome}
        if problem := await self._recorded({**state, **update}):
            story = state["story"]
            update["story"] = story.model_copy(update={"notes": (*story.notes, problem)})
        result = result_of({**state, **update}, model)
        await asyncio.to_thread(self.shop.finish, result)
        return update

    async def _recorded(self, state: RunState) -> str:
        """Keep the run in the memory; return why that failed, which does not make the run fail."""
        changed = await checks.changed_paths(self.shop, state)
        memory = self.shop.memory
        try:
            await memory.record(episode_of(state, changed))
            if isinstance(memory, SharedMemory):
                await self._taught(memory, state, changed)
        except (StoreUnavailable, UsageError) as error:
            return f"the memory did not keep this run: {error}"
        return ""

    async def _taught(
        self, memory: SharedMemory, state: RunState, changed: tuple[str, ...]
    ) -> None:
        """Learn from the run, and begin to follow what it delivered."""
        tree, reds = await self.shop.tree(state), state.get("story", Story()).reds
        fix = await tree.tree.diff(reds[-1].tree, state["tree"].sha) if reds else ""
        is_delivered = state["outcome"].status == "delivered"
        approved = is_delivered and "patch" in state.get("review", ())
        await asyncio.to_thread(take_run, memory, state, changed, fix, approved=approved)
        if is_delivered:
            await keep_delivery(memory.home, tree, state["task"], state["workspace"])


def _rejected(where: str, answer: Decision, state: RunState) -> RunState:
    reason = answer.text.strip() or "no reason given"
    outcome = Outcome(
        status="rejected", reason=f"the {where} was rejected: {reason}", relayed=answer.relayed
    )
    return {"outcome": outcome}


def _corrected(
    state: RunState, where: Any, original: str, corrected: str, relayed: bool
) -> RunState:
    if corrected == original:
        return {}
    story = state["story"]
    kept = Correction(where=where, original=original, corrected=corrected, relayed=relayed)
    corrections = (*story.corrections, kept)
    return {"story": story.model_copy(update={"corrections": corrections})}


def _replaced(talk: Talk, plan: str) -> Talk:
    """Return the transcript with the planner's plan as the user edited it."""
    last = talk.messages[-1]
    start, end = last.content.rfind("<plan>"), last.content.rfind("</plan>") + len("</plan>")
    text = last.content[:start] + plan + last.content[end:]
    return talk.model_copy(
        update={"messages": (*talk.messages[:-1], Message(role="assistant", content=text))}
    )
