"""What a run looks like while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self, TextIO

from graph.state import Step

if TYPE_CHECKING:
    from rich.table import Table

_WORDS: Final = {
    "prepare": "preparing the worktree and running the existing tests",
    "plan": "planner",
    "write_test": "tester",
    "check_red": "the new test has to fail",
    "implement": "implementer",
    "check_green": "the tests have to pass",
    "refactor": "refactorer",
    "check_refactor": "the tests have to pass",
    "document": "doc writer",
    "check_document": "the tests have to pass",
    "deliver": "delivering",
    "close": "closing",
}


class Display(Protocol):
    """A watcher that is shown while a run lasts."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop showing."""
        ...

    def pause(self) -> None:
        """Leave the terminal to a question."""
        ...

    def node_started(self, node: str) -> None:
        """A node of the graph begins."""
        ...

    def token(self, piece: str) -> None:
        """The model wrote a piece of text."""
        ...

    def step_ended(self, step: Step) -> None:
        """A role's turn has ended."""
        ...


def open_display(stream: TextIO | None = None) -> Display:
    """Return the display that fits ``stream``, by default stderr."""
    stream = stream or sys.stderr
    return LiveTable(stream) if stream.isatty() else PlainLines(stream)


def role_name(step: Step) -> str:
    """Return the role's name as people read it."""
    return step.role.replace("_", " ")


def step_words(step: Step) -> str:
    """Return one line about a role's turn."""
    speed = step.completion_tokens / step.model_s if step.model_s else 0.0
    return (
        f"{role_name(step)}: {step.status} in {step.duration_s:.1f} s, {step.prompt_tokens} prompt "
        f"({step.cached_tokens} cached) + {step.completion_tokens} tokens, {speed:.0f} tokens/s"
    )


class PlainLines:
    """One line per event, for logs and pipes."""

    def __init__(self, stream: TextIO) -> None:
        """Write to ``stream``."""
        self._stream = stream

    def __enter__(self) -> Self:
        """Nothing to open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to close."""

    def pause(self) -> None:
        """Nothing to pause."""

    def node_started(self, node: str) -> None:
        """Write what begins, except reviews: those speak for themselves."""
        if node in _WORDS:
            self._write(f"… {_WORDS[node]}")

    def token(self, piece: str) -> None:
        """Write nothing: a log is no place for single tokens."""

    def step_ended(self, step: Step) -> None:
        """Write how a turn went."""
        self._write(f"  {step_words(step)}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class LiveTable:
    """A table of roles that grows as they work."""

    def __init__(self, stream: TextIO) -> None:
        """Draw on ``stream``."""
        from rich.console import Console
        from rich.live import Live

        self._steps: list[Step] = []
        self._node, self._since, self._pieces = "", time.monotonic(), 0
        self._live = Live(
            console=Console(file=stream), get_renderable=self.renderable, refresh_per_second=8
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop drawing; the last picture stays, set off from what follows."""
        self.pause()
        if self._steps:
            self._live.console.line()

    def pause(self) -> None:
        """Stop drawing until the next node."""
        self._node = ""
        self._live.stop()

    def node_started(self, node: str) -> None:
        """Show what begins."""
        self._node, self._since, self._pieces = node, time.monotonic(), 0
        if not self._live.is_started:
            self._live.start()

    def token(self, piece: str) -> None:
        """Count a piece of text."""
        self._pieces += 1

    def step_ended(self, step: Step) -> None:
        """Add a row for a turn."""
        self._steps.append(step)

    def renderable(self) -> Table:
        """Return the table as it stands."""
        from rich.table import Table

        # A run that ends before its first turn leaves nothing: not the headings either.
        table = Table(box=None, pad_edge=False, show_header=bool(self._steps))
        for heading in ("role", ""):
            table.add_column(heading)
        for heading in ("time", "prompt", "cached", "tokens", "tokens/s"):
            table.add_column(heading, justify="right")
        for step in self._steps:
            speed = step.completion_tokens / step.model_s if step.model_s else 0.0
            table.add_row(
                role_name(step),
                "[green]done[/]" if step.status == "done" else f"[yellow]{step.status}[/]",
                f"{step.duration_s:.1f} s",
                str(step.prompt_tokens),
                str(step.cached_tokens),
                str(step.completion_tokens),
                f"{speed:.0f}",
            )
        if self._node in _WORDS:
            took = time.monotonic() - self._since
            pieces = str(self._pieces) if self._pieces else ""
            table.add_row(f"[bold]{_WORDS[self._node]}[/]", "…", f"{took:.1f} s", "", "", pieces)
        return table
