"""Tools for work that takes minutes: runs of the crew in processes of their own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue

from graph.background import Standing
from graph.runs import RunResult
from graph.state import LIFT, Decision, Review
from mcp_local_llm import UsageError
from mcp_server.answer import Answer
from mcp_server.door import Door

_LONGEST_WAIT_S: Final = 50  # a client may cut a call after 60 seconds
_DIFF: Final = 20_000  # characters
RunId = Annotated[str, Field(description="The id that run_start gave; empty for the latest run.")]


@dataclass(frozen=True, slots=True)
class RunTools:
    """Start, watch, answer and stop runs of the workspace's crew."""

    door: Door

    async def run_start(
        self,
        task: Annotated[
            str, Field(min_length=1, max_length=20_000, description="What to change, in words.")
        ],
        review: Annotated[
            list[Review], Field(description="Stop to ask the user about the plan, the patch.")
        ] = [],  # noqa: B006  # the schema's default; never changed
    ) -> Answer:
        """Let the local crew turn a task into a tested change, in the background.

        Returns a run id at once. The workspace is untouched until the user applies the change.
        """
        from graph import background
        from graph.commands import prepared_request

        request = await prepared_request(task, self.door.workspace, {"review": list(review)})
        await asyncio.to_thread(background.begin, self.door.runs, request)
        return Answer(
            text=f"run {request.run_id} has begun",
            data={"run_id": request.run_id},
            next=f"call run_status with run_id {request.run_id!r}",
        )

    async def run_status(
        self,
        run_id: RunId = "",
        wait_s: Annotated[
            float, Field(ge=0, le=_LONGEST_WAIT_S, description="Wait this long for its end.")
        ] = 20,
    ) -> Answer:
        """Say how a run stands; waits up to wait_s seconds for it to end or to ask something."""
        from graph import background

        name = await asyncio.to_thread(self._named, run_id)
        return _told(await background.watch(self.door.runs, name, wait_s))

    async def run_respond(
        self,
        decision: Annotated[
            Literal["approve", "edit", "reject", "continue"],
            Field(description="continue: go on with an interrupted run."),
        ],
        run_id: RunId = "",
        text: Annotated[
            str, Field(description="The edited plan or patch in full, or why it is rejected.")
        ] = "",
    ) -> Answer:
        """Answer what a run asks the user, with the user's own decision; or let it go on.

        Only the user can lift a contract, on a terminal: such a question can only be rejected here.
        """
        from graph import background

        if decision == "edit" and not text.strip():
            raise UsageError("an edit needs the whole edited plan or patch as text")
        name = await asyncio.to_thread(self._named, run_id)
        answer = None
        if decision != "continue":
            answer = Decision(decision=decision, text=text, relayed=True)
        await asyncio.to_thread(background.go_on, self.door.runs, name, answer)
        return Answer(
            text=f"run {name} goes on",
            data={"run_id": name},
            next=f"call run_status with run_id {name!r}",
        )

    async def run_cancel(self, run_id: RunId = "") -> Answer:
        """Stop a run in order. Nothing is lost: run_respond with continue lets it go on."""
        from graph import background

        name = await asyncio.to_thread(self._named, run_id)
        ended = await asyncio.to_thread(background.stop, self.door.runs, name)
        text = f"run {name} was stopped" if ended else f"run {name} is not at work"
        return Answer(text=text, data={"run_id": name, "stopped": ended})

    def _named(self, run_id: str) -> str:
        if run_id:
            return run_id
        here = str(self.door.workspace)
        for request in self.door.runs.requests():
            if request.workspace == here:
                return request.run_id
        raise UsageError("there is no run of this workspace yet; call run_start")


def _told(standing: Standing) -> Answer:
    result = standing.result
    words = [f"run {result.run_id}: {result.status}"]
    words.append(f"at {standing.node} for {standing.seconds:.0f} s" if standing.node else "")
    words.append(result.reason or standing.log)
    return Answer(
        text=". ".join(word for word in words if word), data=_facts(result), next=_next(result)
    )


def _facts(result: RunResult) -> dict[str, JsonValue]:
    facts: dict[str, Any] = {
        "run_id": result.run_id,
        "status": result.status,
        "waiting_for": result.waiting_for,
        "plan": result.plan.model_dump(mode="json") if result.plan else None,
        "tests": {"passed": result.tests.passed, "failed": result.tests.failed},
        "diff": result.diff[:_DIFF],
        "diff_cut": len(result.diff) > _DIFF,
        "report": result.report,
        "source": _source(result),
    }
    return {name: value for name, value in facts.items() if value not in (None, "", False)}


def _source(result: RunResult) -> JsonValue:
    """Return layer 2 of the last answer of the run: where it comes from and what it follows."""
    return result.steps[-1].tags.model_dump(mode="json") if result.steps else None


def _next(result: RunResult) -> str:
    run_id = result.run_id
    if result.status == "running":
        return "call run_status again"
    if result.status == "delivered":
        return f"show the diff to the user; `graph-run apply {run_id}` takes it into the workspace"
    if result.status == "interrupted":
        return "run_respond with decision 'continue' lets it go on"
    if result.waiting_for == LIFT:
        return (
            f"tell the user: `graph-run resume {run_id}` on a terminal lets them allow this; "
            "run_respond with 'reject' ends the run"
        )
    if result.status == "waiting":
        return f"ask the user about the {result.waiting_for}, then call run_respond"
    return f"tell the user why; `graph-run show {run_id}` has the details"
