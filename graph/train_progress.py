"""How a training is shown: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from training.lora.records import Aimed, Event, Planned, Stepped, Validated

if TYPE_CHECKING:
    from rich.progress import Progress

Show = Callable[[Event], None]
_LINES: Final = 20  # about as many iterations are told in plain lines


@contextmanager
def training_display(stream: TextIO | None = None) -> Iterator[Show]:
    """Yield what shows events on ``stream``, by default stderr."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield lambda event: _plain(event, stream)
        return
    with _bar(stream) as bar:
        task = bar.add_task("training", total=None, words="loading")
        held_out = ""

        def show(event: Event) -> None:
            nonlocal held_out
            if isinstance(event, Planned):
                bar.console.print(plan_words(event))
                bar.update(task, total=event.iterations, completed=event.done)
            elif isinstance(event, Aimed):
                bar.update(task, words=aim_words(event))
            elif isinstance(event, Stepped):
                words = f"{step_words(event)}{held_out}"
                bar.update(task, completed=event.iteration, words=words)
            elif isinstance(event, Validated):
                held_out = f", held out {event.loss:.3f}"

        yield show


def plan_words(plan: Planned) -> str:
    """Return what is about to happen, in one line."""
    words = (
        f"{plan.items} items, {plan.valid_items} held out, {plan.iterations} iterations, longest "
        f"{plan.longest_tokens} tokens, about {plan.estimate_gb:.2f} GiB"
    )
    if plan.dropped_too_long:
        words += f"; {plan.dropped_too_long} are too long and left out"
    return words + (f"; going on after iteration {plan.done}" if plan.done else "")


def aim_words(aimed: Aimed) -> str:
    """Return how much was read of what decides where the adapter looks."""
    return f"choosing directions, {aimed.done} of {aimed.of} items"


def step_words(step: Stepped) -> str:
    """Return how an iteration went."""
    speed = step.tokens / step.seconds if step.seconds else 0.0
    return f"loss {step.loss:.3f}, {speed:.0f} tokens/s, {step.peak_memory_gb:.2f} GiB"


def _plain(event: Event, stream: TextIO) -> None:
    if isinstance(event, Planned):
        line = plan_words(event)
    elif isinstance(event, Aimed) and event.done == event.of:
        line = f"  {aim_words(event)}"
    elif isinstance(event, Validated):
        line = f"  held out after {event.iteration}: loss {event.loss:.3f}"
    elif isinstance(event, Stepped) and _is_told(event):
        line = f"{event.iteration}/{event.iterations}  {step_words(event)}"
    else:
        return
    stream.write(line + "\n")
    stream.flush()


def _is_told(step: Stepped) -> bool:
    every = -(-step.iterations // _LINES)
    return step.iteration % every == 0 or step.iteration in (1, step.iterations)


def _bar(stream: TextIO) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[words]}"),
        console=Console(file=stream, highlight=False),
    )
