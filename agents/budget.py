"""Fitting a prompt into its token budget by priority, and saying what was left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final

from mcp_local_llm import UsageError
from memory.records import Record

_SEPARATOR: Final = "\n\n"


class Priority(IntEnum):
    """What matters more comes first and goes last; the first two are never dropped."""

    TASK = 0
    PROTECTED = 1
    TEST_OUTPUT = 2
    FILE = 3
    RULE = 4
    HISTORY = 5


_NEVER_DROPPED: Final = (Priority.TASK, Priority.PROTECTED)
_CUT_BY_LINES: Final = (Priority.TEST_OUTPUT, Priority.HISTORY)


class Part(Record):
    """One piece of a prompt; ``name`` is what the report calls it."""

    priority: Priority
    name: str
    text: str


class Dropped(Record):
    """A part that was left out, or the first lines of one that was shortened."""

    name: str
    lines: int
    whole: bool

    def __str__(self) -> str:
        """Return the line of the report."""
        return self.name if self.whole else f"the first {self.lines} lines of {self.name}"


class Assembled(Record):
    """A prompt within its budget, in the order its parts were given, and what it lacks."""

    text: str
    tokens: int
    dropped: tuple[Dropped, ...] = ()


def assemble(
    parts: Sequence[Part], *, budget_tokens: int, count: Callable[[str], int]
) -> Assembled:
    """Join as much of ``parts`` as ``budget_tokens`` holds.

    Parts are considered by priority, within one priority in the order given (of history, the
    latest first). Test output and history that do not fit whole keep their last lines, where
    the failure and the latest words stand; other parts are left out whole. A part that does not
    fit does not keep a smaller, less important one out.

    Raises:
        UsageError: task and protected regions alone pass the budget.
    """
    kept: dict[int, str] = {}
    dropped: dict[int, Dropped] = {}
    for at in _by_importance(parts):
        part = parts[at]
        if count(_joined(kept | {at: part.text})) <= budget_tokens:
            kept[at] = part.text
            continue
        if part.priority in _NEVER_DROPPED:
            raise _too_small(part, budget_tokens, count)
        tail, cut = _tail_that_fits(part, at, kept, budget_tokens, count)
        if tail:
            kept[at] = tail
        dropped[at] = Dropped(name=part.name, lines=cut, whole=not tail)
    text = _joined(kept)
    return Assembled(
        text=text, tokens=count(text), dropped=tuple(dropped[at] for at in sorted(dropped))
    )


def _by_importance(parts: Sequence[Part]) -> list[int]:
    def rank(at: int) -> tuple[int, int]:
        priority = parts[at].priority
        return priority, -at if priority is Priority.HISTORY else at

    return sorted(range(len(parts)), key=rank)


def _joined(kept: dict[int, str]) -> str:
    return _SEPARATOR.join(kept[at] for at in sorted(kept))


def _tail_that_fits(
    part: Part,
    at: int,
    kept: dict[int, str],
    budget_tokens: int,
    count: Callable[[str], int],
) -> tuple[str, int]:
    """Return the longest run of last lines that fits, marked as cut, and how many lines it lacks.

    The search halves, so ``count`` is called about ten times for a thousand lines.
    """
    lines = part.text.splitlines()
    if part.priority not in _CUT_BY_LINES:
        return "", len(lines)
    low, high = 1, len(lines)  # the number of lines cut; `high` stands for all of them
    while low < high:
        middle = (low + high) // 2
        if count(_joined(kept | {at: _marked(lines, middle)})) <= budget_tokens:
            high = middle
        else:
            low = middle + 1
    return (_marked(lines, low), low) if low < len(lines) else ("", len(lines))


def _marked(lines: Sequence[str], cut: int) -> str:
    return "\n".join([f"[... {cut} lines left out ...]", *lines[cut:]])


def _too_small(part: Part, budget_tokens: int, count: Callable[[str], int]) -> UsageError:
    return UsageError(
        f"{part.name!r} ({count(part.text)} tokens) does not fit a prompt of {budget_tokens} "
        "tokens and may not be left out; shorten the task, protect smaller regions, or use a "
        "model or profile with a larger context"
    )
