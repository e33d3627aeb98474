"""Tasks rendered as crew dialogues, through the very templates that serving uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from agents.brief import BriefRule, module_name
from agents.reply import Plan, Tags, render_plan, render_tags
from memory.records import Level, PreservationTag
from prompts import PROMPT_IDS, render
from tools.wire import ToolCall, render_call
from training.embedded.tasks import (
    DemoTask,
    Function,
    faulty_twin,
)

PROFILE: Final = "compact"
REPAIR_SHARE: Final = 0.10
FRAMED_SHARE: Final = 0.7


@dataclass(frozen=True, slots=True)
class Turn:
    """One chat message; ``learn`` marks the answers that training counts."""

    role: Literal["system", "user", "assistant"]
    content: str
    learn: bool = False


def _level(task: DemoTask) -> Level:
    return task.level or Level.FLEXIBLE


def _tags(task: DemoTask) -> str:
    behaviour = task.target.behaviour
    marks = (f"concept:{behaviour.kind}", *(f"pattern:{name}" for name in behaviour.patterns))
    return render_tags(Tags(prompt=PROMPT_IDS[PROFILE], level=_level(task), marks=marks))


def _call(name: str, body: str, **args: str) -> str:
    return render_call(ToolCall(name=name, args=args, body=body))


def brief(task: DemoTask, rng: Random, rules: Sequence[BriefRule] = ()) -> str:
    """Return the first user message's brief, contracts and ``rules`` included."""
    protected = [PreservationTag(region=task.region, level=task.level)] if task.level else []
    if task.others and rng.random() < 0.1:
        other = rng.choice(task.others)
        level = rng.choice(list(Level))
        protected.append(PreservationTag(region=f"{task.path}::{other.name}", level=level))
    files = [
        {"path": path, "module": module_name(path), "text": text.rstrip("\n")}
        for path, text in task.files
        if path == task.path
    ]
    return render(
        f"{PROFILE}/brief",
        task=task.wish,
        rules=rules,
        protected=protected,
        files=files,
        tests_dir="tests",
    )


def plan(task: DemoTask) -> Plan:
    """Return the plan that the planner should give."""
    goal = f"return {task.target.fill(task.target.behaviour.canonical)}"
    if task.level is Level.STRICT:
        return Plan(goal=goal, refusal=f"{task.region} is strict")
    verb = (
        f"add {task.target.signature} to"
        if task.kind == "add"
        else f"fix {task.target.signature} in"
    )
    return Plan(
        goal=goal,
        steps=(f"{verb} {task.path}",),
        files=(PreservationTag(region=task.path, level=_level(task)),),
        test=task.test_path,
    )


def example_test(task: DemoTask) -> str:
    """Return the test file that the tester should write."""
    call, expected = task.target.example()
    name = task.target.name
    return (
        f"from {module_name(task.path)} import {name}\n\n\n"
        f"def test_{name}():\n    assert {call} == {expected}"
    )


def _edit(task: DemoTask, source: str) -> str:
    return _call("fs.edit", source, path=task.path, symbol=task.target.name)


def implementation(task: DemoTask, function: Function) -> str:
    """Return the call that puts ``function`` into the file."""
    if task.kind == "fix":
        return _edit(task, function.source())
    return _call("fs.append", function.source(), path=task.path)


def turn(role: str, tests: str = "", failures: tuple[str, ...] = ()) -> str:
    """Return the user message that gives ``role`` the word."""
    return render(f"{PROFILE}/{role}", tests=tests, failures=failures, role=role)


def _failure(task: DemoTask, wrong: Function) -> tuple[str, ...]:
    call, expected = task.target.example()
    scope: dict[str, object] = {}
    exec(wrong.source(), scope)  # noqa: S102 - source generated in this package
    try:
        got = eval(call, scope)  # noqa: S307 - likewise
    except (ValueError, IndexError, ZeroDivisionError) as error:
        return (f"{type(error).__name__}: {error}",)
    return (f"assert {got!r} == {expected}", f"+  where {got!r} = {call}")


def dialogue(task: DemoTask, rng: Random, rules: Sequence[BriefRule] = ()) -> Iterator[Turn]:
    """Yield the whole conversation of a crew that answers ``task`` rightly.

    It is shown ``rules``, of which none bears on the task.
    In some, the implementer is shown a failing first attempt, which is not learned, and repairs it.
    """
    tags = _tags(task)
    yield Turn("system", render(f"{PROFILE}/system"))
    yield Turn("user", brief(task, rng, rules) + "\n" + turn("planner"))
    decided = plan(task)
    yield Turn("assistant", f"{render_plan(decided)}\n{tags}", learn=True)
    if decided.refusal:
        return
    yield Turn("user", turn("tester"))
    written = _call("fs.write", example_test(task), path=task.test_path)
    yield Turn("assistant", f"{written}\n{tags}", learn=True)
    yield Turn("user", turn("implementer", "red"))
    wrong = faulty_twin(task.target, rng) if rng.random() < REPAIR_SHARE else None
    if wrong is not None:
        yield Turn("assistant", f"{implementation(task, wrong)}\n{tags}")
        yield Turn("user", turn("implementer", "red", _failure(task, wrong)))
        yield Turn("assistant", f"{_edit(task, task.target.source())}\n{tags}", learn=True)
    else:
        yield Turn("assistant", f"{implementation(task, task.target)}\n{tags}", learn=True)
    yield Turn("user", turn("refactorer", "green"))
    yield Turn("assistant", f"{_edit(task, task.target.source(hints=True))}\n{tags}", learn=True)
    yield Turn("user", turn("doc_writer", "green"))
    documented = task.target.source(hints=True, docstring=True)
    yield Turn("assistant", f"{_edit(task, documented)}\n{tags}", learn=True)


def drill(task: DemoTask, rng: Random) -> Iterator[Turn]:
    """Yield ``task`` with everything but its meaning left out: wish, goal, example, code.

    A third of a dialogue's length, so that wordings are seen several times as often.
    """
    target, wish = task.target, task.wish
    if task.kind == "fix" or rng.random() > FRAMED_SHARE:  # a fix names no parameters
        target = replace(target, name="f")
        wish = f"{target.signature} returns {target.fill(task.phrase)}."
    call, expected = target.example()
    yield Turn("user", f"task: {wish}")
    yield Turn("assistant", render_plan(Plan(goal=plan(task).goal)), learn=True)
    yield Turn("user", turn("tester"))
    yield Turn("assistant", f"def test():\n    assert {call} == {expected}", learn=True)
    yield Turn("user", turn("implementer", "red"))
    yield Turn("assistant", target.source(), learn=True)
