"""The nodes where a person decides, and the two ways a run ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from langgraph.types import interrupt
from pydantic import TypeAdapter, ValidationError

from agents.chat import Message
from agents.planner import plan_problem
from agents.reply import parse_plan, render_plan
from graph import checks
from graph.outcome import result_of
from graph.state import Decision, Outcome, RunState, Talk
from graph.turns import commit_message
from graph.workshop import Workshop
from memory.corrections import Correction

_DECISION: Final[TypeAdapter[Decision]] = TypeAdapter(Decision)


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
            answer = _ask("plan", original, problem)
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
                    **_corrected(state, "plan", original, render_plan(edited)),
                }

    async def review_patch(self, state: RunState) -> RunState:
        """Wait for the user to approve, edit or reject the change, when that was asked for."""
        if "patch" not in state.get("review", ()):
            return {}
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].sha)
        original, problem = await tree.diff(), ""
        while True:
            answer = _ask("patch", original, problem)
            if answer.decision == "approve":
                return {}
            if answer.decision == "reject":
                return _rejected("patch", answer, state)
            update, problem = await self._patched(state, original, answer.text)
            if not problem:
                return update

    async def _patched(self, state: RunState, original: str, patch: str) -> tuple[RunState, str]:
        """Replace the run's change by the user's patch; return a problem when it can't be."""
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].base)
        done = await tree.tree.run("apply", "--whitespace=nowarn", "-", stdin=patch.encode())
        if done.code != 0:
            return {}, f"the edited patch does not apply: {done.stderr.strip()}"
        sha = await tree.commit(f"fix: {state['plan'].goal} (edited in review)"[:72])
        moved: RunState = {**state, "tree": state["tree"].model_copy(update={"sha": sha})}
        tests, _ = await checks.green(self.shop, moved)
        if tests.verdict != "green":
            failed = "; ".join(tests.problem)
            return {}, f"with the edited patch the tests are red: {failed}"
        corrected = _corrected(state, "patch", original, await tree.diff())
        marked = moved["tree"].model_copy(update={"green": sha})
        return {"tree": marked, "tests": tests, **corrected}, ""

    async def deliver(self, state: RunState) -> RunState:
        """Put the change on its branch and write the result."""
        tree = await self.shop.tree(state)
        await tree.reset_to(state["tree"].sha)
        diff = await tree.diff()
        branch = await tree.deliver(commit_message(state, "implementer"))
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
        outcome = state["outcome"].model_copy(update={"diff": await tree.diff()})
        return await self._ended(state, outcome)

    async def _ended(self, state: RunState, outcome: Outcome) -> RunState:
        model = (await self.shop.model()).chat.model_id
        update: RunState = {"outcome": outcome}
        result = result_of({**state, **update}, model)
        await asyncio.to_thread(self.shop.finish, result)
        return update


def _ask(kind: str, text: str, problem: str) -> Decision:
    """Interrupt the run until somebody decides; an answer of another shape is asked for again."""
    while True:
        answer: Any = interrupt({"review": kind, "text": text, "problem": problem})
        try:
            return _DECISION.validate_python(answer)
        except ValidationError:
            problem = 'answer with {"decision": "approve" | "edit" | "reject", "text": "…"}'


def _rejected(where: str, answer: Decision, state: RunState) -> RunState:
    reason = answer.text.strip() or "no reason given"
    outcome = Outcome(status="rejected", reason=f"the {where} was rejected: {reason}")
    return {"outcome": outcome}


def _corrected(state: RunState, where: Any, original: str, corrected: str) -> RunState:
    if corrected == original:
        return {}
    story = state["story"]
    kept = Correction(where=where, original=original, corrected=corrected)
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
