"""How a night is shown: a line per stage, the training's bar below it on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from graph.train_progress import Show, training_display

if TYPE_CHECKING:
    from training.lora.records import Event

_EVERY: Final = 50  # answers of the gate that are told of
_TASKS: Final = 10  # of the crew's, likewise
_WORDS: Final = {
    "collect": "collecting what was taught",
    "resolve": "settling contradictions",
    "decide": "deciding what is trained",
    "examples": "writing examples",
    "scrub": "taking out secrets",
    "mix": "mixing with replay",
    "dataset": "writing the dataset",
    "train": "training",
    "evaluate": "asking both, before and after",
    "gate": "judging",
    "promote": "serving the new adapter",
    "settle": "noting what was shown",
    "report": "writing the morning report",
}


class StageLines:
    """Writes a line when a stage begins, and shows a training inside its own."""

    def __init__(self, stream: TextIO) -> None:
        """Write on ``stream``."""
        self._stream = stream
        self._inner = ExitStack()
        self._show: Show | None = None
        self._answered = 0

    def stage_started(self, stage: str) -> None:
        """Say which stage begins."""
        self.close()
        self._say(_WORDS[stage])

    def trained(self, event: Event) -> None:
        """Show how the training goes."""
        if self._show is None:
            self._show = self._inner.enter_context(training_display(self._stream))
        self._show(event)

    def judging(self, what: str) -> None:
        """Say what the gate measures."""
        self._answered = 0
        self._say(f"  {what}")

    def answered(self) -> None:
        """Say now and then how many answers there are."""
        self._answered += 1
        if self._answered % _EVERY == 0:
            self._say(f"  {self._answered} answers")

    def worked(self, done: int, of: int) -> None:
        """Say now and then how many role tasks are done."""
        if done % _TASKS == 0 or done == of:
            self._say(f"  {done} of {of} role tasks")

    def close(self) -> None:
        """Take the bar away."""
        self._inner.close()
        self._show = None

    def _say(self, words: str) -> None:
        self._stream.write(f"{words}\n")
        self._stream.flush()


@contextmanager
def open_watcher(stream: TextIO | None = None) -> Iterator[StageLines]:
    """Yield what shows a night on ``stream``, by default stderr."""
    lines = StageLines(stream or sys.stderr)
    try:
        yield lines
    finally:
        lines.close()
