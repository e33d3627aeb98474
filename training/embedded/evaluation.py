"""Measures the embedded model by executing what the full crew delivers.

Every task has names, files, constants and phrasings that never occur in training; a third also has
a composition that never does. A task counts as delivered when, independently of the crew's own
checks, its new test fails on the code before the change and passes after it, and hidden reference
tests pass on random arguments.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import Field

from agents.brief import module_name
from mcp_local_llm import LocalLLMError, StoreUnavailable, ToolDenied, Unavailable, UsageError
from memory.records import Record
from tools.process import run, scrubbed_env
from training.embedded.names import HeldOutNames
from training.embedded.operations import random_argument
from training.embedded.tasks import (
    DemoTask,
    Split,
    generate_task,
    reference_test,
)

_HIDDEN_ARGUMENTS: Final = 25
_COMPOSED_EVERY: Final = 3
_GIT: Final = ("git", "-c", "user.name=eval", "-c", "user.email=eval@localhost")


class TagCount(Record):
    """Replies of one role: all, those whose tags were valid as written, and valid in the end."""

    replies: int = 0
    written: int = 0
    valid: int = 0


_T = TypeVar("_T")


class CrewRun(Record):
    """What a crew did with a task; ``commit`` holds the delivered tree when there is one.

    ``tags`` counts its replies by role.
    """

    status: str
    commit: str | None
    reason: str = ""
    tags: dict[str, TagCount] = Field(default_factory=dict)


# (repository, wish) -> how it went. ``ModelUnavailable`` ends the evaluation: nothing will work.
# Every other error of ours is that task's outcome.
RunTask = Callable[[Path, str], Awaitable[CrewRun]]


class TaskOutcome(Record):
    """One evaluated task: the crew's status and what independent checks found."""

    index: int
    kind: str
    composition: str
    composition_held_out: bool
    wish: str
    status: str
    test_red_before: bool = False
    test_green_after: bool = False
    hidden_passed: bool = False
    reason: str = ""
    seconds: float = 0.0
    tags: dict[str, TagCount] = Field(default_factory=dict)

    @property
    def delivered(self) -> bool:
        """Whether everything that counts is right."""
        return self.test_red_before and self.test_green_after and self.hidden_passed


class Share(Record):
    """A share with its 95 % Wilson interval (E. B. Wilson, 1927)."""

    right: int
    of: int
    rate: float
    low: float
    high: float


def share(right: int, of: int) -> Share:
    """Return ``right / of`` with its Wilson interval; an empty share is 0 with interval (0, 1)."""
    if of == 0:
        return Share(right=0, of=0, rate=0.0, low=0.0, high=1.0)
    z, p = 1.96, right / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return Share(
        right=right, of=of, rate=p, low=max(0.0, middle - half), high=min(1.0, middle + half)
    )


class TagShares(Record):
    """How many of one role's replies had valid tags: as the model wrote them, and in the end."""

    written: Share
    valid: Share


class EmbeddedReport(Record):
    """The evaluation's result, as ``--json`` prints it.

    ``resumed`` of the outcomes are from an earlier, interrupted evaluation; ``seconds`` is for the
    others. ``tags`` is by role.
    """

    seed: int
    weights_bytes: int
    all: Share
    add: Share
    fix: Share
    held_out_compositions: Share
    tags: dict[str, TagShares]
    seconds: float
    resumed: int
    failures: tuple[TaskOutcome, ...]


def evaluation_tasks(seed: int, count: int) -> Iterator[DemoTask]:
    """Yield ``count`` held-out tasks; every third has a held-out composition.

    Contracts are left out: a strict one would make refusing the right answer.
    """
    names = HeldOutNames()
    for index in range(count):
        rng = Random(f"{seed}/{index}")
        split = Split(
            names, phrasing=True, composition=index % _COMPOSED_EVERY == 0, constants=True
        )
        task = generate_task(split, rng)
        while task.level is not None:
            task = generate_task(split, rng)
        yield task


def write_workspace(task: DemoTask, folder: Path) -> None:
    """Write the task's repository files below ``folder``."""
    for name, text in task.files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


async def git(folder: Path, *words: str) -> None:
    """Run git in ``folder`` as nobody in particular; ``StoreUnavailable`` when it fails."""
    done = await run([*_GIT, *words], cwd=folder, env=scrubbed_env({}), timeout_s=60)
    if done.code != 0:
        said = done.stderr.strip()
        raise StoreUnavailable(f"git {words[0]} failed in {str(folder)!r}: {said}")


async def _tests_pass(folder: Path, path: str) -> bool:
    roots = [str(folder), str(folder / "src")]
    env = scrubbed_env(
        {
            "PYTHONPATH": ":".join(roots),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
    )
    argv = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", path]
    done = await run(argv, cwd=folder, env=env, timeout_s=60)
    return done.code == 0


async def together(works: Iterable[Awaitable[_T]], at_once: int) -> tuple[_T, ...]:
    """Return what ``works`` give, in their order, ``at_once`` of them at a time.

    They are taken one by one, as there is room; the first one that fails ends the others, and its
    error is raised.
    """
    waiting = enumerate(works)
    found: dict[int, _T] = {}

    async def work() -> None:
        for place, one in waiting:  # shared: whoever is free takes the next
            found[place] = await one

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return tuple(found[place] for place in sorted(found))


async def evaluate_task(index: int, task: DemoTask, run_task: RunTask) -> TaskOutcome:
    """Let the crew answer ``task`` in a fresh repository and check what it delivered.

    Raises:
        Unavailable: the crew has no model, or the disk refuses.
        ToolDenied: commands may not run here. All else that goes wrong is the outcome.
    """
    composed = index % _COMPOSED_EVERY == 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="embedded-eval-") as name:
        folder = Path(name)
        write_workspace(task, folder)
        await git(folder, "init", "--quiet")
        await git(folder, "add", "--all")
        await git(folder, "commit", "--quiet", "--message", "start")
        await git(folder, "tag", "start")
        checks = {}
        try:
            crew = await run_task(folder, task.wish)
            if crew.commit is not None:
                checks = await _check(task, folder, crew.commit)
        except (Unavailable, ToolDenied):
            raise  # of this machine, not of the model
        except LocalLLMError as error:
            crew = CrewRun(status="failed", commit=None, reason=str(error))
    return TaskOutcome(
        index=index,
        kind=task.kind,
        composition=task.target.behaviour.composition,
        composition_held_out=composed,
        wish=task.wish,
        status=crew.status,
        reason=crew.reason,
        seconds=round(time.monotonic() - began, 2),
        tags=crew.tags,
        **checks,
    )


async def _check(task: DemoTask, folder: Path, commit: str) -> dict[str, bool]:
    await git(folder, "checkout", "--quiet", "--force", "--detach", commit)
    if not (folder / task.test_path).exists():
        return {}
    green = await _tests_pass(folder, task.test_path)
    near = [int(value) for value in (task.target.k, task.target.m, "10") if value.isdigit()]
    rng = Random(task.wish)
    arguments = _defined_arguments(task, rng, near)
    hidden = folder / "tests" / "test_hidden_reference.py"
    hidden.write_text(reference_test(task.target, module_name(task.path), arguments), "utf-8")
    right = await _tests_pass(folder, str(hidden.relative_to(folder)))
    hidden.unlink()
    await git(folder, "checkout", "--quiet", "--force", "start")
    await git(folder, "checkout", "--quiet", commit, "--", task.test_path)
    red = not await _tests_pass(folder, task.test_path)
    return {"test_red_before": red, "test_green_after": green, "hidden_passed": right}


def _defined_arguments(task: DemoTask, rng: Random, near: list[int]) -> list[object]:
    """Return random arguments on which the wish has an answer (no maximum of nothing)."""
    scope: dict[str, object] = {}
    exec(task.target.source(), scope)  # noqa: S102 - source generated in this package
    function = scope[task.target.name]
    assert callable(function)  # noqa: S101 - narrows the type
    extra = (10,) if task.target.has_second else ()
    found: list[object] = []
    for _ in range(_HIDDEN_ARGUMENTS * 20):
        argument = random_argument(task.target.behaviour.kind, rng, near)
        try:
            function(argument, *extra)
        except (ValueError, IndexError):
            continue
        found.append(argument)
        if len(found) == _HIDDEN_ARGUMENTS:
            break
    return found


async def evaluate(
    run_task: RunTask,
    *,
    seed: int,
    count: int,
    weights_bytes: int,
    on_outcome: Callable[[TaskOutcome], None],
    kept: Mapping[int, TaskOutcome] = MappingProxyType({}),
    jobs: int = 1,
) -> EmbeddedReport:
    """Evaluate ``count`` tasks, ``jobs`` of them at a time, telling ``on_outcome`` each.

    ``kept`` are outcomes of an interrupted evaluation, by index; their tasks are not run again.

    Raises:
        ModelUnavailable: the crew has no model any more; the outcomes told so far stand.
        UsageError: ``kept`` is about other tasks.
    """
    began = time.monotonic()
    outcomes = {index: kept[index] for index in range(count) if index in kept}
    resumed = len(outcomes)
    waiting = (one for one in enumerate(evaluation_tasks(seed, count)) if _is_open(*one, outcomes))

    async def work(index: int, task: DemoTask) -> None:
        outcomes[index] = await evaluate_task(index, task, run_task)
        on_outcome(outcomes[index])

    await together((work(*one) for one in waiting), jobs)
    return EmbeddedReport(
        seed=seed,
        weights_bytes=weights_bytes,
        seconds=round(time.monotonic() - began, 1),
        resumed=resumed,
        **_figures([outcomes[index] for index in sorted(outcomes)]),
    )


def _is_open(index: int, task: DemoTask, outcomes: Mapping[int, TaskOutcome]) -> bool:
    """Say whether ``task`` has no outcome yet; one that is about another task is an error."""
    if index not in outcomes:
        return True
    if outcomes[index].wish != task.wish:
        raise UsageError(
            f"task {index} is {task.wish!r}, but its kept outcome is for "
            f"{outcomes[index].wish!r}, as another version makes it; start again with --again"
        )
    return False


def _figures(outcomes: Sequence[TaskOutcome]) -> dict[str, Any]:
    """Return the shares of a report, and what failed."""

    def part(keep: Callable[[TaskOutcome], bool]) -> Share:
        right = [outcome.delivered for outcome in outcomes if keep(outcome)]
        return share(sum(right), len(right))

    return {
        "all": part(lambda outcome: True),
        "add": part(lambda outcome: outcome.kind == "add"),
        "fix": part(lambda outcome: outcome.kind == "fix"),
        "held_out_compositions": part(lambda outcome: outcome.composition_held_out),
        "tags": _tag_shares(outcomes),
        "failures": tuple(outcome for outcome in outcomes if not outcome.delivered),
    }


def _tag_shares(outcomes: Sequence[TaskOutcome]) -> dict[str, TagShares]:
    """Return the tags' validity by role, in the order in which roles first speak."""
    shares: dict[str, TagShares] = {}
    for role in dict.fromkeys(role for outcome in outcomes for role in outcome.tags):
        counts = [outcome.tags.get(role, TagCount()) for outcome in outcomes]
        replies = sum(count.replies for count in counts)
        shares[role] = TagShares(
            written=share(sum(count.written for count in counts), replies),
            valid=share(sum(count.valid for count in counts), replies),
        )
    return shares
