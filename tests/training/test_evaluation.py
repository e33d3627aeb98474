"""The measure itself: it counts a right crew, and neither a parrot nor a refusal."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from mcp_local_llm import (
    LocalLLMError,
    ModelUnavailable,
    StoreUnavailable,
    ToolDenied,
    UsageError,
)
from training.embedded.curriculum import example_test
from training.embedded.evaluation import (
    CrewRun,
    RunTask,
    TagCount,
    TaskOutcome,
    evaluate,
    evaluate_task,
    evaluation_tasks,
    share,
)
from training.embedded.tasks import DemoTask

TASKS = list(evaluation_tasks(seed=5, count=12))


def commit(folder: Path, files: dict[str, str]) -> CrewRun:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    identity = ["-c", "user.name=crew", "-c", "user.email=crew@localhost"]
    subprocess.run(["git", "checkout", "-q", "-b", "done"], cwd=folder, check=True)
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "done"], cwd=folder, check=True)
    return CrewRun(status="delivered", commit="done")


def solved(task: DemoTask) -> dict[str, str]:
    """The task's files with the target as it should be, and its example test."""
    before = dict(task.files)[task.path].rstrip("\n")
    if task.faulty is None:
        after = before + "\n\n\n" + task.target.source() + "\n"
    else:
        after = before.replace(task.faulty.source(), task.target.source()) + "\n"
    return {task.path: after, task.test_path: example_test(task) + "\n"}


def crew(task: DemoTask, files: dict[str, str]) -> RunTask:
    async def run_task(workspace: Path, wish: str) -> CrewRun:
        assert wish == task.wish
        return commit(workspace, files)

    return run_task


@pytest.mark.parametrize("index", range(4))
async def test_a_right_crew_counts(index: int) -> None:
    task = TASKS[index]
    outcome = await evaluate_task(index, task, crew(task, solved(task)))
    assert outcome.delivered, outcome


async def test_a_test_that_passes_before_the_change_does_not_count() -> None:
    task = TASKS[0]
    empty = "def test_nothing():\n    pass\n"
    outcome = await evaluate_task(0, task, crew(task, {**solved(task), task.test_path: empty}))
    assert not outcome.test_red_before and not outcome.delivered


async def test_hard_wiring_the_example_fails_the_hidden_tests() -> None:
    task = TASKS[1]
    call, expected = task.target.example()
    arguments = call.removeprefix(task.target.name)
    second = ", other=0" if task.target.has_second else ""
    parrot = f"\n\n\ndef {task.target.name}(value{second}):\n    return {expected}\n"
    files = solved(task)
    files[task.path] = dict(task.files)[task.path] + parrot
    outcome = await evaluate_task(1, task, crew(task, files))
    assert arguments and outcome.test_red_before and outcome.test_green_after
    assert not outcome.hidden_passed and not outcome.delivered


async def test_a_refusal_counts_for_nothing_and_the_report_says_so() -> None:
    async def refuse(workspace: Path, wish: str) -> CrewRun:
        return CrewRun(status="refused", commit=None, reason="no")

    seen: list[TaskOutcome] = []
    report = await evaluate(refuse, seed=5, count=3, weights_bytes=1, on_outcome=seen.append)
    assert (report.all.right, report.all.of, len(seen)) == (0, 3, 3)
    assert {failure.status for failure in report.failures} == {"refused"}
    assert report.held_out_compositions.of == 1


def test_evaluation_tasks_depend_on_the_seed_alone() -> None:
    assert [t.wish for t in evaluation_tasks(5, 12)] == [t.wish for t in TASKS]
    assert [t.wish for t in evaluation_tasks(6, 12)] != [t.wish for t in TASKS]


def test_the_wilson_interval_holds_the_share_and_is_never_empty() -> None:
    for right, of in ((0, 10), (10, 10), (190, 200), (1, 3)):
        part = share(right, of)
        assert 0 <= part.low <= part.rate <= part.high <= 1
        assert part.low < part.high
    # E. B. Wilson's interval for 190 of 200, computed by hand from the formula.
    assert share(190, 200).low == pytest.approx(0.9104, abs=1e-3)
    assert share(0, 0).of == 0


async def refuse(workspace: Path, wish: str) -> CrewRun:
    return CrewRun(status="refused", commit=None, reason="no")


async def test_tags_are_counted_by_role_over_all_tasks() -> None:
    async def speak(workspace: Path, wish: str) -> CrewRun:
        tags = {"planner": TagCount(replies=2, written=1, valid=2)}
        if not seen:
            tags["tester"] = TagCount(replies=1, written=1, valid=1)
        return CrewRun(status="refused", commit=None, tags=tags)

    seen: list[TaskOutcome] = []
    report = await evaluate(speak, seed=5, count=2, weights_bytes=1, on_outcome=seen.append)
    assert list(report.tags) == ["planner", "tester"]
    planner = report.tags["planner"]
    assert (planner.written.right, planner.written.of, planner.valid.rate) == (2, 4, 1.0)
    assert report.tags["tester"].written.of == 1


async def test_several_tasks_run_at_a_time_and_are_reported_in_order() -> None:
    both = asyncio.Barrier(2)

    async def meet(workspace: Path, wish: str) -> CrewRun:
        async with asyncio.timeout(30):
            await both.wait()  # nobody passes unless another task is under way
        return await refuse(workspace, wish)

    seen: list[TaskOutcome] = []
    report = await evaluate(meet, seed=5, count=4, weights_bytes=1, on_outcome=seen.append, jobs=2)
    assert [failure.index for failure in report.failures] == [0, 1, 2, 3]
    assert sorted(outcome.index for outcome in seen) == [0, 1, 2, 3]


async def test_a_run_that_fails_is_an_outcome_and_not_the_end() -> None:
    async def fail(workspace: Path, wish: str) -> CrewRun:
        raise UsageError("no such setting")

    report = await evaluate(fail, seed=5, count=2, weights_bytes=1, on_outcome=print)
    assert [one.reason for one in report.failures] == ["no such setting"] * 2
    assert {one.status for one in report.failures} == {"failed"}


@pytest.mark.parametrize("error", [StoreUnavailable("disk full"), ToolDenied("no sandbox")])
async def test_what_is_wrong_with_the_machine_is_no_outcome(error: LocalLLMError) -> None:
    async def fail(workspace: Path, wish: str) -> CrewRun:
        raise error

    with pytest.raises(type(error)):
        await evaluate(fail, seed=5, count=1, weights_bytes=1, on_outcome=print)


async def test_a_model_that_is_gone_ends_the_evaluation_and_what_was_told_stands() -> None:
    async def once(workspace: Path, wish: str) -> CrewRun:
        if seen:
            raise ModelUnavailable("gone")
        return await refuse(workspace, wish)

    seen: list[TaskOutcome] = []
    with pytest.raises(ModelUnavailable, match="gone"):
        await evaluate(once, seed=5, count=3, weights_bytes=1, on_outcome=seen.append)
    assert [outcome.index for outcome in seen] == [0]
    kept = {outcome.index: outcome for outcome in seen}
    report = await evaluate(
        refuse, seed=5, count=3, weights_bytes=1, on_outcome=seen.append, kept=kept
    )
    assert [outcome.index for outcome in seen] == [0, 1, 2]
    assert (report.all.of, report.resumed) == (3, 1)
    with pytest.raises(UsageError, match="--again"):
        await evaluate(refuse, seed=6, count=3, weights_bytes=1, on_outcome=print, kept=kept)
