"""The outcomes of an evaluation on disk, so that an interrupted one goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from mcp_local_llm import StoreUnavailable, UsageError
from training.embedded.evaluation import TaskOutcome


@dataclass(frozen=True, slots=True)
class OutcomeFile:
    """A file of JSON lines: a heading, then one outcome each, in the order they became known."""

    path: Path
    seed: int
    weights: str

    def read(self) -> dict[int, TaskOutcome]:
        """Return the outcomes kept so far, by index. A last line that a kill cut short is removed.

        Raises:
            UsageError: the file is another evaluation's, or no file of outcomes.
            StoreUnavailable: it can't be read.
        """
        try:
            raw = self.path.read_bytes()
            whole = raw[: raw.rfind(b"\n") + 1]
            if whole != raw:
                os.truncate(self.path, len(whole))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StoreUnavailable(f"cannot read {str(self.path)!r} ({error.strerror})") from error
        return self._parsed(whole.splitlines())

    def _parsed(self, lines: Sequence[bytes]) -> dict[int, TaskOutcome]:
        if lines and lines[0] != self._heading().encode():
            raise UsageError(
                f"{str(self.path)!r} holds something other than outcomes for seed {self.seed} of "
                f"{self.weights!r}; name another file with --out"
            )
        found = {}
        for number, line in enumerate(lines[1:], start=2):
            try:
                outcome = TaskOutcome.model_validate_json(line)
            except ValidationError as error:
                raise UsageError(
                    f"line {number} of {str(self.path)!r} is no outcome; remove the line, or name "
                    "another file with --out"
                ) from error
            found[outcome.index] = outcome
        return found

    def append(self, outcome: TaskOutcome) -> None:
        """Keep one more outcome.

        Raises:
            StoreUnavailable: it can't be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                if file.tell() == 0:
                    file.write(self._heading() + "\n")
                file.write(outcome.model_dump_json() + "\n")
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write {str(self.path)!r} ({error.strerror}); name another file with "
                "--out, then repeat the command"
            ) from error

    def remove(self) -> None:
        """Forget what was kept; nothing there is fine.

        Raises:
            StoreUnavailable: it can't be removed.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot remove {str(self.path)!r} ({error.strerror})"
            ) from error

    def _heading(self) -> str:
        """Return the first line: which evaluation the file belongs to."""
        return json.dumps({"seed": self.seed, "weights": self.weights})
