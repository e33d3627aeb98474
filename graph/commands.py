"""What each form of ``graph-run`` does, once its arguments are known."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from agents.home import state_home
from graph import background
from graph.checkpoints import erase_run
from graph.lifting import apply_run
from graph.logs import log_to_stderr
from graph.progress import Display, open_display
from graph.review import TerminalReview, approve_all, decision_of
from graph.runner import Asker, Runner, leave_open
from graph.runs import RunRequest, RunResult, RunStore, new_run_id, now
from graph.settings import load_settings
from graph.show import print_result, print_runs
from graph.workshop import open_memory
from mcp_local_llm import LocalLLMError, StoreUnavailable, UsageError
from memory.private import private_folder
from tools import worktree
from tools.gitrepo import Repo

_TASK_LIMIT: Final = 20_000  # characters; a longer one is a document, to be put into a file


def execute(options: argparse.Namespace) -> int:
    """Do what ``options`` say and return the exit code."""
    log_to_stderr()
    # Tracing of other projects may be switched on in the environment: code must not leave here.
    os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")
    command: str = getattr(options, "command", "start")
    store = RunStore(state_home())
    actions: dict[str, Callable[[argparse.Namespace, RunStore], int]] = {
        "start": _start,
        "resume": _resume,
        "list": _list,
        "show": _show,
        "apply": _apply,
        "discard": _discard,
    }
    return actions[command](options, store)


def write_error(error: LocalLLMError) -> None:
    """Put ``error`` on stdout as the one JSON object of ``--json``."""
    _write_json({"error": str(error), "exit_code": error.exit_code})


def unexpected(error: Exception, as_json: bool) -> int:
    """Say that this program has a defect, and keep the traceback for its authors."""
    path = state_home() / "logs" / "last-error.txt"
    where = ""
    try:
        private_folder(path.parent)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f" The details are in {str(path)!r}."
    except OSError:
        where = " The details could not be written."
    sys.stderr.write(f"graph-run: unexpected {type(error).__name__}: {error}.{where}\n")
    if as_json:
        _write_json({"error": f"unexpected {type(error).__name__}: {error}", "exit_code": 1})
    return 1


async def prepared_request(
    task: str, workspace: Path, overrides: dict[str, Any], *, init_git: bool = False
) -> RunRequest:
    """Return the request for a new run of ``task`` in ``workspace``, once it makes sense.

    Raises:
        UsageError: the task is empty, too long or no text, the workspace is no git repository, or
            the settings are wrong.
    """
    task = task.strip()
    if not task:
        raise UsageError('the task is empty; say what to change, as in graph-run "add …"')
    if len(task) > _TASK_LIMIT:
        raise UsageError(
            f"the task has {len(task)} characters, the limit is {_TASK_LIMIT}; put the details "
            "into a file of the project and name it"
        )
    _require_text(task, "the task")
    workspace = _workspace(workspace)
    settings = load_settings(workspace, overrides)
    await _ensure_repository(workspace, init_git)
    return RunRequest(
        run_id=new_run_id(),
        task=task,
        workspace=str(workspace),
        review=settings.review,
        overrides=overrides,
        created=now(),
    )


def _start(options: argparse.Namespace, store: RunStore) -> int:
    request = asyncio.run(
        prepared_request(
            options.task, options.workspace, _overrides(options), init_git=options.init_git
        )
    )
    if options.detach:
        return _detached(options, store, request)
    workspace = Path(request.workspace)
    settings = load_settings(workspace, request.overrides)
    with open_display() as display, open_memory(settings, workspace, store.home) as memory:
        ask = _asker(options, display)
        runner = Runner(store, settings, watcher=display, ask=ask, memory=memory)
        try:
            result = _interruptible(runner.start(request), request.run_id)
        except UsageError:
            _forget_unbegun(store, request)
            raise
    return _told(options, result)


def _detached(options: argparse.Namespace, store: RunStore, request: RunRequest) -> int:
    background.begin(store, request)
    if options.json:
        _write_json({"run_id": request.run_id})
    else:
        run_id = request.run_id
        sys.stdout.write(f"run {run_id} has begun; `graph-run show {run_id}` says how it stands\n")
    return 0


def _resume(options: argparse.Namespace, store: RunStore) -> int:
    request = store.request(options.run_id)
    overrides = {**request.overrides, **_overrides(options)}
    settings = load_settings(_workspace(Path(request.workspace)), overrides)
    decision = decision_of(options)
    with (
        open_display() as display,
        open_memory(settings, Path(request.workspace), store.home) as memory,
    ):
        ask = _asker(options, display)
        runner = Runner(store, settings, watcher=display, ask=ask, memory=memory)
        result = _interruptible(runner.resume(options.run_id, decision), options.run_id)
    return _told(options, result)


def _told(options: argparse.Namespace, result: RunResult | None) -> int:
    if result is None:
        if options.json:
            _write_json({"error": "interrupted", "exit_code": 130})
        return 130
    if options.yes and result.status == "delivered":
        asyncio.run(apply_run(state_home(), Path(result.workspace), result.run_id))
        sys.stderr.write("the change was applied to the workspace\n")
    if options.json:
        _write_json(_for_programs(result))
    else:
        print_result(result)
        _hint_at_night(Path(result.workspace))
    return result.exit_code


def _hint_at_night(workspace: Path) -> None:
    """Say when what was taught has become enough to be trained; no run fails because of that."""
    from graph.night.hint import hint
    from graph.night.shop import local_now

    with suppress(LocalLLMError):
        if words := hint(state_home(), load_settings(workspace), local_now()):
            sys.stderr.write(f"{words}\n")


def _list(options: argparse.Namespace, store: RunStore) -> int:
    rows = [_row(store, run_id) for run_id in store.run_ids()]
    if options.json:
        _write_json({"runs": rows})
    else:
        print_runs(rows)
    return 0


def _row(store: RunStore, run_id: str) -> dict[str, Any]:
    """Return how a run stands; one whose records cannot be read hides no other."""
    try:
        return {**store.request(run_id).model_dump(mode="json"), "status": store.phase(run_id)}
    except StoreUnavailable as error:
        return {"run_id": run_id, "task": "", "status": "damaged", "problem": str(error)}


def _show(options: argparse.Namespace, store: RunStore) -> int:
    request = store.request(options.run_id)
    phase = store.phase(options.run_id)
    result = store.result(options.run_id) or RunResult(
        run_id=request.run_id, status=phase, task=request.task, workspace=request.workspace
    )
    result = result.model_copy(update={"status": phase})
    if options.json:
        _write_json(_for_programs(result))
    else:
        print_result(result)
    return 0


def _apply(options: argparse.Namespace, store: RunStore) -> int:
    request = store.request(options.run_id)
    phase = store.phase(options.run_id)
    if phase != "delivered":
        raise UsageError(
            f"the run {options.run_id!r} is {phase}, not delivered: there is nothing to apply; "
            f"see `graph-run show {options.run_id}`"
        )
    workspace = _workspace(Path(request.workspace))
    written = asyncio.run(apply_run(store.home, workspace, options.run_id))
    if options.json:
        _write_json({"run_id": options.run_id, "written": list(written)})
    else:
        text = "\n".join(f"  {path}" for path in written) or "  nothing: it was applied before"
        sys.stdout.write(f"applied run {options.run_id}:\n{text}\n")
    return 0


def _discard(options: argparse.Namespace, store: RunStore) -> int:
    run_id = options.run_id
    is_whole = _remove(store, run_id)
    if options.json:
        _write_json({"run_id": run_id, "discarded": True, "left_in_git": not is_whole})
        return 0
    sys.stdout.write(f"discarded run {run_id}\n")
    if not is_whole:
        sys.stdout.write(
            "its records could not be read, so its traces in git stay; in its workspace, `git "
            f"worktree prune` and `git branch -D local-llm/{run_id}` remove what there is of them\n"
        )
    return 0


def _forget_unbegun(store: RunStore, request: RunRequest) -> None:
    """Remove a run that wrong input ended before its first turn: going on could not help it."""
    result = store.result(request.run_id) if store.knows(request.run_id) else None
    if result is not None and not result.steps:
        _remove(store, request.run_id)


def _remove(store: RunStore, run_id: str) -> bool:
    """Remove worktree, branch, checkpoints and record; say on stderr what has to be left.

    Return whether the run's workspace was known, so that git forgets it as well.
    """
    workspace = _workspace_of(store, run_id)
    settings = load_settings(workspace or Path.cwd())
    with store.lock(run_id):
        if workspace is not None and workspace.is_dir():
            asyncio.run(worktree.discard(workspace, run_id))
        if left := asyncio.run(erase_run(store, settings, run_id)):
            sys.stderr.write(f"{left}\n")
        shutil.rmtree(store.folder(run_id))
    return workspace is not None


def _workspace_of(store: RunStore, run_id: str) -> Path | None:
    """Return where a run was asked for; None when neither of its records can be read."""
    for read in (store.request, store.result):
        with suppress(StoreUnavailable):
            if record := read(run_id):
                return Path(record.workspace)
    return None


def _require_text(text: str, what: str) -> None:
    """Refuse what the terminal gave as bytes of another encoding: no record could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{what} {text!r} holds bytes that are no UTF-8; write it in UTF-8"
        ) from error


def _workspace(path: Path) -> Path:
    folder = path.expanduser().absolute()
    if not folder.is_dir():
        raise UsageError(
            f"the workspace {str(folder)!r} is no folder; give an existing one with --workspace"
        )
    _require_text(str(folder.resolve()), "the workspace's path")
    return folder.resolve()


async def _ensure_repository(workspace: Path, init: bool) -> None:
    if init and not await Repo.is_repo(workspace):
        await Repo.init(workspace)
    await Repo.open(workspace)


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line says, in the shape of the settings."""
    said: dict[str, Any] = {}
    if options.model:
        said["model"] = {"profile": options.model}
    if getattr(options, "review", None) is not None:
        said["review"] = options.review
    return said


def _asker(options: argparse.Namespace, display: Display) -> Asker:
    if options.yes:
        return approve_all
    if sys.stdin.isatty() and sys.stderr.isatty():
        return TerminalReview(display, sys.stderr, sys.stdin)
    return leave_open


def _interruptible(work: Coroutine[Any, Any, RunResult], run_id: str) -> RunResult | None:
    """Run ``work``; on SIGINT or SIGTERM stop it in order and say how to go on."""

    async def run() -> RunResult | None:
        task = asyncio.create_task(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    try:
        result = asyncio.run(run())
    except LocalLLMError as error:
        if error.exit_code == 3:
            sys.stderr.write(f"the run can go on later: graph-run resume {run_id}\n")
        raise
    if result is None:
        sys.stderr.write(f"\ninterrupted; go on with: graph-run resume {run_id}\n")
    return result


def _for_programs(result: RunResult) -> dict[str, Any]:
    return {**result.model_dump(mode="json"), "exit_code": result.exit_code}


def _write_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
