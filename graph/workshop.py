"""What the nodes work with: settings, model, memory, run store and event log."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from agents.approvals import open_lifts
from agents.brief import Brief, fit_brief
from agents.capture.waiting import take_waiting
from agents.chat import ChatModel, Message
from agents.protection import Protection
from agents.replies import load_replies
from agents.scripted import ScriptedModel
from agents.shared_memory import SharedMemory
from graph.report import render_report
from graph.runs import RunRequest, RunResult, RunStore, now
from graph.settings import Settings
from graph.state import RunState, Step
from mcp_local_llm import StoreUnavailable, UsageError
from memory.project import project_id, project_root
from memory.session import Memory, SessionMemory
from tools import worktree
from tools.interpreter import find_python
from tools.preserve.contracts import Contract
from tools.preserve.guard import Guard
from tools.sandbox import CommandPolicy
from tools.worktree import RunTree

SCRIPTED: Final = "scripted"


class Watcher(Protocol):
    """Whoever wants to see a run as it goes."""

    def node_started(self, node: str) -> None:
        """A node of the graph begins."""
        ...

    def token(self, piece: str) -> None:
        """The model wrote a piece of text."""
        ...

    def step_ended(self, step: Step) -> None:
        """A role's turn has ended."""
        ...


class NoWatcher:
    """Watches nothing (Studio, tests)."""

    def node_started(self, node: str) -> None:
        """Do nothing."""

    def token(self, piece: str) -> None:
        """Do nothing."""

    def step_ended(self, step: Step) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model ready to answer, and the prompt set and bounds that fit it."""

    chat: ChatModel
    prompts: Literal["compact", "full"]
    context_tokens: int
    max_tokens: int

    @property
    def is_compact(self) -> bool:
        """True for a small model: asked in few words, and given up sooner."""
        return self.prompts == "compact"

    def count_text(self, text: str) -> int:
        """Return how many tokens ``text`` is as a message of its own."""
        return self.chat.count([Message(role="user", content=text)])


@contextmanager
def open_memory(settings: Settings, workspace: Path, home: Path) -> Iterator[Memory]:
    """Open the memory of the project ``workspace`` is in; an empty one where it is switched off.

    What hooks have noted is taken in first. Raises ``StoreUnavailable`` when the journal cannot
    be used.
    """
    if not settings.memory.enabled:
        yield SessionMemory()
        return
    weights = settings.learning.weights
    with SharedMemory(home, project_id(workspace), weights=weights) as memory:
        take_waiting(memory)
        yield memory


async def open_model(
    settings: Settings, leases: AsyncExitStack, workspace: Path, files: Sequence[str] = ()
) -> OpenModel:
    """Return the model of ``settings``, its server started when it is one of ours.

    It answers with the adapter that was promoted for ``files`` in the project of ``workspace``, if
    there is one. The server is held by ``leases``. Raises ``ModelUnavailable`` or ``UsageError``.
    """
    if settings.model.profile == SCRIPTED:
        return await _scripted(settings)
    from agents.adapters.serving import served
    from agents.home import state_home
    from agents.lease import acquire
    from agents.profiles import resolve_profile
    from agents.serving import LeasedModel

    profile = await asyncio.to_thread(resolve_profile, None, settings.model)
    project = await asyncio.to_thread(project_id, workspace)
    config = await asyncio.to_thread(
        served, settings.model, profile, home=state_home(), project=project, files=files
    )
    lease = await leases.enter_async_context(await acquire(profile, config))
    return OpenModel(
        chat=LeasedModel(lease),
        prompts=profile.prompts,
        context_tokens=profile.context_tokens,
        max_tokens=profile.max_tokens,
    )


async def _scripted(settings: Settings) -> OpenModel:
    if settings.replies is None:
        raise UsageError(
            "the profile 'scripted' needs a file of replies; set `replies` "
            "(MCP_LOCAL_LLM_REPLIES), or choose another profile with --model"
        )
    script = await asyncio.to_thread(load_replies, settings.replies)
    config = settings.model
    return OpenModel(
        chat=ScriptedModel(script),
        prompts=config.prompts or "compact",
        context_tokens=config.context_tokens or 100_000,
        max_tokens=config.max_tokens or 4_096,
    )


@dataclass(slots=True)
class Workshop:
    """Everything the nodes need besides the state. The model is opened on first use."""

    settings: Settings
    store: RunStore
    memory: Memory = field(default_factory=SessionMemory)
    watcher: Watcher = field(default_factory=NoWatcher)
    clock: Callable[[], float] = time.time
    _leases: AsyncExitStack = field(default_factory=AsyncExitStack)
    _model: OpenModel | None = None
    _python: Path | None = None
    _tree: RunTree | None = None
    _guard: Guard | None = None

    async def model(self, state: RunState, files: Sequence[str] = ()) -> OpenModel:
        """Return the open model; it is opened once, with what was learnt for the run's files.

        ``files`` are those of its brief, where ``state`` has none yet.
        """
        if self._model is None:
            brief = state.get("brief")
            names = [file.path for file in brief.files] if brief else files
            workspace = Path(state["workspace"])
            self._model = await open_model(self.settings, self._leases, workspace, names)
        return self._model

    async def policy(self, state: RunState) -> CommandPolicy:
        """Return how commands run; the user's interpreter is looked for once."""
        if self._python is None:
            workspace, configured = Path(state["workspace"]), self.settings.command.python
            self._python = await asyncio.to_thread(find_python, workspace, configured)
        return self.settings.command.policy(self._python)

    async def tree(self, state: RunState) -> RunTree:
        """Return the run's worktree, made when it is not there yet.

        The last one is kept: it knows which files are as they were.
        """
        run_id, workspace = state["run_id"], Path(state["workspace"])
        known = self._tree
        if known and known.run_id == run_id and await asyncio.to_thread(known.is_there):
            return known
        dest = self.store.folder(run_id) / "tree"
        try:
            self._tree = await worktree.create(workspace, run_id, dest)
            return self._tree
        except OSError as error:
            raise StoreUnavailable(
                f"cannot keep the run in the repository of {str(workspace)!r} ({error}); git needs "
                "to write its own folder there: make it writable, or work on a copy"
            ) from error

    async def guard(self, state: RunState) -> Guard:
        """Return what the run must not break, less what the user has lifted by now."""
        tree = await self.tree(state)
        if self._guard is None or self._guard.repo is not tree.tree:
            self._guard = await tree.guard()
        head = await tree.repo.head() or ""
        project = project_id(Path(state["workspace"]))
        ids = await asyncio.to_thread(
            open_lifts, self.store.home, project, state["run_id"], head=head
        )
        return replace(self._guard, lifted=ids)

    async def lift(self, state: RunState, contracts: Sequence[Contract]) -> None:
        """Let the run break ``contracts``, as the user has approved, and journal it.

        Never call it on a model's word. Raises ``UsageError`` when they have changed meanwhile and
        ``StoreUnavailable`` when it can't be kept.
        """
        workspace = Path(state["workspace"])
        with SharedMemory(self.store.home, project_id(workspace)) as memory:
            protection = await Protection.open(project_root(workspace), memory)
            held = [one for each in contracts for one in protection.held(each.id) or (each,)]
            request = protection.lifting(held, f"for {state['task']}", state["run_id"])
            await asyncio.to_thread(protection.carry_out, request, "review of the run")

    async def fitted(self, state: RunState, brief: Brief) -> Brief:
        """Return ``brief`` without what would fill more than half of the model's context."""
        model = await self.model(state)
        half = model.context_tokens // 2
        return await asyncio.to_thread(fit_brief, brief, half, model.count_text)

    def register(self, state: RunState) -> None:
        """Give a run that was started without the command line (Studio) its folder. Blocking."""
        if not self.store.knows(state["run_id"]):
            self.store.create(
                RunRequest(
                    run_id=state["run_id"],
                    task=state["task"],
                    workspace=state["workspace"],
                    created=now(),
                )
            )

    def finish(self, result: RunResult) -> None:
        """Write patch, report and result of a run that has ended. Blocking."""
        self.store.write_text(result.run_id, "patch.diff", result.diff)
        path = self.store.write_text(result.run_id, "report.html", render_report(result))
        self.store.write_result(result.model_copy(update={"report": str(path)}))

    async def aclose(self) -> None:
        """Give the model back."""
        await self._leases.aclose()

    async def event(self, run_id: str, name: str, **fields: Any) -> None:
        """Append an event to the run's log; ``name`` is ``noun.verb``."""
        line = json.dumps({"at": round(self.clock(), 4), "event": name, **fields})
        await asyncio.to_thread(self.store.event, run_id, line)
