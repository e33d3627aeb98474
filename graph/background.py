"""Runs in a process of their own, which outlives whoever started them, and how they stand."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from graph.runs import RunRequest, RunResult, RunStore
from graph.state import LIFT, Decision
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import Record
from tools.process import spawn_detached

LOG: Final = "background.log"
_POLL_S: Final = 0.1
_BEGINS_S: Final = 90.0  # to start an interpreter that takes the lock: a second, longer under load
_ENDS_S: Final = 30.0
_TAIL: Final = 2_000  # bytes of the log
_BOOT: Final = (
    "import sys; sys.path.insert(0, {root!r}); import mcp_local_llm; "
    "raise SystemExit(mcp_local_llm.graph_run())"
)
_ROOT: Final = Path(__file__).resolve().parent.parent


class Standing(Record):
    """How a run stands: its result so far, the node at work, and the seconds since it began.

    ``log`` is the end of what its process said, when it ended without a result.
    """

    result: RunResult
    node: str = ""
    seconds: float = 0.0
    log: str = ""


def begin(store: RunStore, request: RunRequest) -> None:
    """Write down ``request`` and start its run in a process of its own; return once it has it.

    A process that ends at once, or takes long to begin, is no error here: how the run stands says
    so.

    Raises:
        StoreUnavailable: run folder or process cannot be made.
    """
    store.create(request)
    _go_on(store, request, ())


def go_on(store: RunStore, run_id: str, decision: Decision | None = None) -> None:
    """Let a run that waits or was interrupted go on in a process of its own, with an answer.

    Raises:
        UsageError: there is no such run, it is over or at work, or a lift is to be approved: that
            is the user's, at a terminal.
        StoreUnavailable: as ``begin``.
    """
    request = store.request(run_id)
    phase = store.phase(run_id)
    if phase not in {"waiting", "interrupted"}:
        raise UsageError(f"the run {run_id!r} is {phase}: there is nothing to answer")
    result = store.result(run_id)
    waits_for = result.waiting_for if result else ""
    if decision and not waits_for:
        raise UsageError(f"the run {run_id!r} waits for no answer; let it go on without one")
    if decision and waits_for == LIFT and decision.decision != "reject":
        raise UsageError(
            "only the user can lift a contract: on a terminal, they run "
            f"`graph-run resume {run_id}` and answer there"
        )
    _go_on(store, request, _options(store, run_id, decision))


def stop(store: RunStore, run_id: str) -> bool:
    """End the process of a run in order and say whether there was one; it can go on later.

    Raises:
        UsageError: there is no such run.
        StoreUnavailable: its process does not end.
    """
    store.request(run_id)
    lock = (store.folder(run_id) / "lock").resolve()
    deadline, told = time.monotonic() + _ENDS_S, 0
    while (pid := store.holder(run_id)) is not None:
        if not told and _terminated(pid, lock):
            told = pid
        if time.monotonic() > deadline:
            advice = f"end it with `kill {told}`" if told else f"`lsof {str(lock)!r}` names it"
            raise StoreUnavailable(f"the process of the run {run_id!r} does not end; {advice}")
        time.sleep(_POLL_S)
    return told > 0


async def watch(store: RunStore, run_id: str, wait_s: float) -> Standing:
    """Return how a run stands once it is over or waits, or after ``wait_s`` seconds.

    Raises:
        UsageError: there is no such run.
        StoreUnavailable: its record cannot be read.
    """
    store.request(run_id)
    deadline = time.monotonic() + wait_s
    while True:
        # the lock is asked for, not the record, which may be large
        if store.holder(run_id) is None or time.monotonic() >= deadline:
            return await asyncio.to_thread(stands, store, run_id)
        await asyncio.sleep(_POLL_S)


def stands(store: RunStore, run_id: str) -> Standing:
    """Return how a run stands now; raises what ``watch`` raises."""
    request, phase = store.request(run_id), store.phase(run_id)
    result = store.result(run_id) or RunResult(
        run_id=run_id, status=phase, task=request.task, workspace=request.workspace
    )
    result = result.model_copy(update={"status": phase})
    begun, node = _last_node(store.folder(run_id) / "events.jsonl")
    return Standing(
        result=result,
        node=node if phase == "running" else "",
        seconds=round(time.time() - begun, 1) if begun and phase == "running" else 0.0,
        log=_tail(store.folder(run_id) / LOG) if phase == "interrupted" else "",
    )


def _go_on(store: RunStore, request: RunRequest, options: Sequence[str]) -> None:
    folder = store.folder(request.run_id)
    boot = _BOOT.format(root=str(_ROOT))  # a workspace may hold its own `graph/`: ours must win
    argv = [sys.executable, "-P", "-c", boot, "resume", request.run_id, *options, "--json"]
    try:
        (folder / LOG).unlink(missing_ok=True)
        child = spawn_detached(
            argv, cwd=Path(request.workspace), log=folder / LOG, env=dict(os.environ)
        )
    except OSError as error:
        raise StoreUnavailable(
            f"the run {request.run_id!r} cannot be started in {str(folder)!r} ({error}); free some "
            f"space there and run `graph-run resume {request.run_id}`"
        ) from error
    deadline = time.monotonic() + _BEGINS_S
    while time.monotonic() < deadline and store.holder(request.run_id) is None:
        if child.poll() is not None:
            return  # it is over already: how it stands says how
        time.sleep(_POLL_S / 2)


def _terminated(pid: int, lock: Path) -> bool:
    """Send SIGTERM to ``pid`` if it has ``lock`` open: the id may be an earlier holder's."""
    import psutil  # type: ignore[import-untyped]  # it ships no types

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if pid > 0 and any(each.path == str(lock) for each in process.open_files()):
            process.terminate()
            return True
    return False


def _options(store: RunStore, run_id: str, decision: Decision | None) -> tuple[str, ...]:
    if decision is None:
        return ()
    relayed = ("--relayed",) if decision.relayed else ()
    if decision.decision == "approve":
        return ("--approve", *relayed)
    if decision.decision == "reject":
        return (f"--reject={decision.text or 'no reason given'}", *relayed)
    return (f"--edit={store.write_text(run_id, 'edited.txt', decision.text)}", *relayed)


def _last_node(events: Path) -> tuple[float, str]:
    """Return when the run began and the node that was started last; half a line is left out."""
    try:
        lines = events.read_bytes().splitlines()
    except FileNotFoundError:
        return 0.0, ""
    first: dict[str, Any] = _parsed(lines[:1])
    started = [line for line in lines[-8:] if b'"node.started"' in line]
    return first.get("at", 0.0), _parsed(started[-1:]).get("node", "")


def _parsed(lines: Sequence[bytes]) -> dict[str, Any]:
    try:
        return dict(json.loads(lines[0])) if lines else {}
    except ValueError:
        return {}


def _tail(path: Path) -> str:
    try:
        return path.read_bytes()[-_TAIL:].decode("utf-8", "replace").strip()
    except FileNotFoundError:
        return ""
