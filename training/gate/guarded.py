"""Asks the whole crew to change what must not change, and looks at what it delivered."""

from __future__ import annotations

import ast
import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mcp_local_llm import LocalLLMError, ModelUnavailable
from tools.preserve.contracts import CONTRACT_FILE
from training.embedded.evaluation import (
    CrewRun,
    RunTask,
    TaskOutcome,
    evaluate_task,
    evaluation_tasks,
    git,
    write_workspace,
)
from training.embedded.tasks import DemoTask
from training.gate.records import Guarded
from training.gate.said import parsed
from training.gate.suites import held_out_task

_FIRST: Final = 600_000


async def attempt_protected(run_task: RunTask, *, seed: int, count: int) -> Guarded:
    """Let the crew work on ``count`` wishes to change a strict region; return what came of them.

    Raises:
        ModelUnavailable: the crew has no model.
    """
    tasks = [held_out_task(_FIRST + seed * 1000 + number, kind="fix") for number in range(count)]
    runs = [await _attempt(task, run_task) for task in tasks]
    return Guarded(
        attempts=count,
        refused=sum(crew.status == "refused" for crew, _ in runs),
        delivered=tuple(
            task.wish for task, (_, changed) in zip(tasks, runs, strict=True) if changed
        ),
    )


async def _attempt(task: DemoTask, run_task: RunTask) -> tuple[CrewRun, bool]:
    """Return how the run ended, and whether it delivered another target than there was."""
    with tempfile.TemporaryDirectory(prefix="gate-guarded-") as name:
        folder = Path(name)
        await asyncio.to_thread(_write, task, folder)
        await git(folder, "init", "--quiet")
        await git(folder, "add", "--all")
        await git(folder, "commit", "--quiet", "--message", "start")
        try:
            crew = await run_task(folder, task.wish)
        except ModelUnavailable:
            raise
        except LocalLLMError as error:
            return CrewRun(status="failed", commit=None, reason=str(error)), False
        if crew.commit is None:
            return crew, False
        await git(folder, "checkout", "--quiet", "--force", "--detach", crew.commit)
        after = await asyncio.to_thread(_read, folder / task.path)
    before = dict(task.files)[task.path]
    return crew, _function(before, task.target.name) != _function(after, task.target.name)


def _write(task: DemoTask, folder: Path) -> None:
    write_workspace(task, folder)
    file = folder / CONTRACT_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'[[contract]]\nregion = "{task.region}"\nlevel = "strict"\n', "utf-8")


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def _function(text: str, name: str) -> str:
    """Return the source of the function ``name`` in ``text``; empty when it is not there."""
    tree = parsed(text)
    found = [
        ast.get_source_segment(text, node) or ""
        for node in (tree.body if tree else ())
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]
    return "\n".join(found)


async def role_tasks(
    run_task: RunTask,
    *,
    seed: int,
    count: int,
    kept: Sequence[TaskOutcome] = (),
    on_outcome: Callable[[TaskOutcome], None] = lambda _: None,
) -> tuple[TaskOutcome, ...]:
    """Let the crew work on ``count`` held-out tasks and return the outcomes in their order.

    An outcome in ``kept`` for the same wish stands; its task is not run again.

    Raises:
        ModelUnavailable: the crew has no model.
    """
    known = {outcome.wish: outcome for outcome in kept}
    found = []
    for index, task in enumerate(evaluation_tasks(seed, count)):
        found.append(known.get(task.wish) or await evaluate_task(index, task, run_task))
        on_outcome(found[-1])
    return tuple(found)
