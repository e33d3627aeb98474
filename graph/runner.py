"""Runs and resumes one run in this process: lock, checkpoints, reviews, and an orderly stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot

from agents.shared_memory import SharedMemory
from graph.checkpoints import open_checkpoints
from graph.crew import CrewGraph, build_graph
from graph.follow import look_after
from graph.outcome import result_of
from graph.runs import Phase, RunRequest, RunResult, RunStore
from graph.settings import Settings
from graph.state import LIFT, Decision, RunInput, RunState
from graph.workshop import NoWatcher, Watcher, Workshop
from mcp_local_llm import LocalLLMError, StoreUnavailable, UsageError
from memory.session import Memory, SessionMemory
from tools.gitrepo import Repo

_RECURSION_LIMIT: Final = 500  # the crew's own limits end a run long before

# Asks a person about a review: (kind, text, problem) -> decision, or None to leave it open.
Asker = Callable[[str, str, str], Decision | None]


def leave_open(kind: str, text: str, problem: str) -> Decision | None:
    """Answer no review: the run stops as waiting."""
    return None


@dataclass(slots=True)
class Runner:
    """Starts and resumes runs of one store."""

    store: RunStore
    settings: Settings
    watcher: Watcher = field(default_factory=NoWatcher)
    ask: Asker = leave_open
    memory: Memory = field(default_factory=SessionMemory)

    async def start(self, request: RunRequest) -> RunResult:
        """Begin a run; see ``resume`` for what may be raised."""
        await asyncio.to_thread(self.store.create, request)
        return await self.resume(request.run_id)

    async def resume(self, run_id: str, decision: Decision | None = None) -> RunResult:
        """Go on with a run from its last checkpoint until it ends or waits for a person.

        Raises ``UsageError`` when the run is over, held by another process, or waits for another
        kind of answer; ``Unavailable`` when model or store fail: the run can be resumed then.
        """
        request = await asyncio.to_thread(self.store.request, run_id)
        await self._look_back()
        with self.store.lock(run_id):
            shop = Workshop(self.settings, self.store, memory=self.memory, watcher=self.watcher)
            try:
                async with open_checkpoints(self.store, self.settings) as saver:
                    result = await self._drive(build_graph(shop, saver), request, shop, decision)
            finally:
                await shop.aclose()
            if result.status == "delivered":
                await self._clear_tree(request)
            return result

    async def _look_back(self) -> None:
        """Learn what became of earlier runs; no run fails because that failed."""
        if isinstance(self.memory, SharedMemory):
            await look_after(self.memory, self.settings.learning.follow_days)

    async def _drive(
        self, graph: CrewGraph, request: RunRequest, shop: Workshop, decision: Decision | None
    ) -> RunResult:
        config: RunnableConfig = {
            "configurable": {"thread_id": request.run_id},
            "recursion_limit": _RECURSION_LIMIT,
        }
        given = await self._first_input(graph, config, request, decision)
        before = self.store.result(request.run_id)
        if before is None or before.status in {"waiting", "interrupted"}:  # not one that has ended
            self._note(request, "running", "", await graph.aget_state(config))
        try:
            while True:
                await graph.ainvoke(given, config, durability="sync")
                snapshot = await graph.aget_state(config)
                if not snapshot.interrupts:
                    return self._finished(request)
                question = snapshot.interrupts[0].value
                answer = await self._asked(question)
                if answer is None:
                    return await self._waiting(snapshot, request, shop, question)
                given = Command(resume=answer.model_dump())
        except (asyncio.CancelledError, LocalLLMError) as stopped:
            reason = str(stopped) or "interrupted"
            self._note(request, "interrupted", reason, await graph.aget_state(config))
            raise

    async def _asked(self, question: dict[str, str]) -> Decision | None:
        """Ask in a thread that nobody joins: a person may never answer, and the run be stopped."""
        answer = Future[Decision | None]()
        answer.set_running_or_notify_cancel()  # what is said after a stop is not an error

        def wait() -> None:
            try:
                answer.set_result(
                    self.ask(question["review"], question["text"], question["problem"])
                )
            except BaseException as error:  # noqa: BLE001 - it is told to whoever waits
                answer.set_exception(error)

        threading.Thread(target=wait, name="review", daemon=True).start()
        return await asyncio.wrap_future(answer)

    async def _first_input(
        self,
        graph: CrewGraph,
        config: RunnableConfig,
        request: RunRequest,
        decision: Decision | None,
    ) -> Any:
        snapshot = await graph.aget_state(config)
        run_id = request.run_id
        if not snapshot.values and not snapshot.tasks:
            start: RunInput = {
                "run_id": run_id,
                "task": request.task,
                "workspace": request.workspace,
                "review": list(request.review),
            }
            return start
        # Not `next`: it leaves out a node whose result was kept before a kill, but not merged.
        if not snapshot.tasks:
            raise UsageError(f"the run {run_id!r} is over; see `graph-run show {run_id}`")
        if decision is None:
            return None
        _require_person(snapshot, decision, run_id)
        if not snapshot.interrupts:
            raise UsageError(
                f"the run {run_id!r} waits for no answer; `graph-run resume {run_id}` goes on"
            )
        return Command(resume=decision.model_dump())

    async def _clear_tree(self, request: RunRequest) -> None:
        """Remove a delivered run's worktree: its branch, refs and records are all it needs now."""
        tree = self.store.folder(request.run_id).resolve() / "tree"
        with suppress(LocalLLMError):  # it is delivered all the same; `discard` tries again
            repo = await Repo.open(Path(request.workspace))
            await repo.out("worktree", "remove", "--force", "--force", str(tree))

    def _finished(self, request: RunRequest) -> RunResult:
        result = self.store.result(request.run_id)
        if result is None:
            raise StoreUnavailable(
                f"the run {request.run_id!r} ended but its result was not kept; look at "
                f"{str(self.store.folder(request.run_id))!r}"
            )
        return result

    async def _waiting(
        self, snapshot: StateSnapshot, request: RunRequest, shop: Workshop, question: dict[str, str]
    ) -> RunResult:
        kind = question["review"]
        state = _state(request, snapshot)
        model = (await shop.model(state)).chat.model_id
        reason = question["problem"] or f"the {kind} waits for your review"
        result = result_of(state, model, status="waiting", reason=reason, waiting=kind)
        if kind == LIFT:  # a refusal, unless the user does something about it
            result = result.model_copy(update={"reason": question["text"]})
        if kind == "patch":
            result = result.model_copy(update={"diff": question["text"]})
        await asyncio.to_thread(self.store.write_result, result)
        return result

    def _note(
        self, request: RunRequest, status: Phase, reason: str, snapshot: StateSnapshot
    ) -> None:
        state = _state(request, snapshot)
        self.store.write_result(result_of(state, "", status=status, reason=reason))


def _require_person(snapshot: StateSnapshot, decision: Decision, run_id: str) -> None:
    """Refuse an option as the approval of a lift: whoever runs commands could give it."""
    kinds = {each.value["review"] for each in snapshot.interrupts}
    if LIFT in kinds and decision.decision != "reject":
        raise UsageError(
            "contracts are not lifted by an option; run `graph-run resume "
            f"{run_id}` on a terminal, or the commands that `graph-run show {run_id}` names"
        )


def _state(request: RunRequest, snapshot: StateSnapshot) -> RunState:
    """Return the state kept so far; before the first checkpoint, what was asked."""
    asked = {"run_id": request.run_id, "task": request.task, "workspace": request.workspace}
    return cast(RunState, asked | snapshot.values)
