"""The nights of a state folder: one folder each, one at a time.

``begun.json`` when and why · a file per step, written whole or not at all · ``dataset/`` and
``training/`` · ``times.jsonl`` seconds per step · ``report.json`` and ``report.html``, the last of
all: a night with a report is over. What was trained on is removed when the next night has ended;
its manifest stays.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from graph.night.policy import Decision
from graph.night.records import Begun, Ended, NightReport
from mcp_local_llm import StoreUnavailable, Unavailable, UsageError
from memory.private import private_folder
from memory.records import Record
from memory.whole_file import store_errors, write_whole

REPORT: Final = "report.json"
PAGE: Final = "report.html"
DATASET: Final = "dataset"
TRAINING: Final = "training"
SCALED: Final = "scaled"
MEASURED: Final = "measured.jsonl"
_BEGUN: Final = "begun.json"
_TIMES: Final = "times.jsonl"
_ATTEMPTS: Final = "attempts"
# What holds words of the user and is not needed once the night is over.
_PASSING: Final = ("examples.jsonl", "scrubbed.jsonl", "mixed.jsonl")
_KEPT_ONCE: Final = ("resolve.json", "scrub.json", "gate.json", MEASURED)  # of the last night

_R = TypeVar("_R", bound=Record)


class NightBusy(Unavailable):
    """Another process works on the night."""


class Said(Record):
    """The last decision of the policy, for whoever wonders why no night came."""

    at: datetime
    decision: Decision


class _Spent(Record):
    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class NightStore:
    """All nights below ``home``. Raises ``StoreUnavailable`` when the disk does not play along."""

    home: Path

    @property
    def root(self) -> Path:
        """The folder that holds them."""
        return self.home / "nights"

    @property
    def checkpoints(self) -> Path:
        """The database of the graph's checkpoints."""
        return self.root / "checkpoints.sqlite"

    def folder(self, night: str) -> Path:
        """Return the folder of a night, which need not exist."""
        return self.root / night

    def ids(self) -> tuple[str, ...]:
        """Return all nights that have begun, newest first; without a record of it, none has."""
        if not self.root.is_dir():
            return ()
        found = (path.name for path in self.root.iterdir() if _is_begun(path / _BEGUN))
        return tuple(sorted(found, key=_order, reverse=True))

    def unfinished(self) -> str | None:
        """Return the newest night if it has no report."""
        newest = next(iter(self.ids()), None)
        return newest if newest and not (self.folder(newest) / REPORT).exists() else None

    def others(self, name: str, night: str) -> tuple[Path, ...]:
        """Return the files ``name`` of all nights but ``night``, newest first."""
        paths = (self.folder(other) / name for other in self.ids() if other != night)
        return tuple(path for path in paths if path.is_file())

    def begin(
        self, at: datetime, *, asked: bool, why: str = "", context: str = "", of: str = ""
    ) -> Begun:
        """Make the folder of a new night, named by its day."""
        day = f"{at:%Y-%m-%d}"
        with store_errors("read", self.root):
            folders = [path.name for path in self.root.iterdir()] if self.root.is_dir() else []
        taken = [number for other, number in map(_order, folders) if other == day]
        number = 1 + max(taken, default=0)
        name = day if number == 1 else f"{day}.{number}"
        begun = Begun(night=name, at=at, asked=asked, why=why, context=context, of=of)
        folder = self.folder(begun.night)
        with store_errors("create the folder of the night", folder):
            private_folder(self.home)
            private_folder(self.root)
            private_folder(folder)
            write_whole(folder / _BEGUN, begun.model_dump_json())
        return begun

    def begun(self, night: str) -> Begun:
        """Return when and why a night began; ``UsageError`` for one that is not there."""
        found = self.read(night, _BEGUN.removesuffix(".json"), Begun)
        if found is None:
            raise UsageError(
                f"there is no night {night!r}; there are: {', '.join(self.ids()[:10]) or 'none'}"
            )
        return found

    # -- what a step has made --------------------------------------------------------------

    def read(self, night: str, name: str, kind: type[_R]) -> _R | None:
        """Return what the step ``name`` has written, or None."""
        path = self.folder(night) / f"{name}.json"
        try:
            return kind.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise StoreUnavailable(
                f"the record {str(path)!r} cannot be read; remove it to have this step done again"
            ) from error

    def needed(self, night: str, name: str, kind: type[_R]) -> _R:
        """Return what an earlier step has written."""
        found = self.read(night, name, kind)
        if found is None:
            path = self.folder(night) / f"{name}.json"
            raise StoreUnavailable(
                f"{str(path)!r} is gone; remove its folder, and the next night starts anew"
            )
        return found

    def write(self, night: str, name: str, record: Record) -> None:
        """Write down what the step ``name`` has made, whole or not at all."""
        self.write_text(night, f"{name}.json", record.model_dump_json(indent=1))

    def once(self, night: str, name: str, kind: type[_R], make: Callable[[], _R]) -> _R:
        """Return what the step ``name`` has written; have it made where it has not."""
        found = self.read(night, name, kind)
        if found is None:
            found = make()
            self.write(night, name, found)
        return found

    def write_text(self, night: str, name: str, text: str) -> Path:
        """Write a file of the night, whole or not at all, and return its path."""
        path = self.folder(night) / name
        with store_errors("write", path):
            write_whole(path, text)
        return path

    def clear(self, night: str) -> None:
        """Remove everything that the steps of a night have made; when it began stays."""
        folder = self.folder(night)
        with store_errors("clear", folder):
            for path in folder.iterdir():
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                elif path.name not in {_BEGUN, _ATTEMPTS, _TIMES}:
                    path.unlink()

    def ended(self, night: str) -> Ended | None:
        """Return how a night came out, None while that is open."""
        return self.read(night, "ended", Ended)

    # -- time and attempts -----------------------------------------------------------------

    def spent(self, night: str, stage: str, seconds: float) -> None:
        """Note what a step took; one that was broken off and done again counts with both."""
        path, entry = self.folder(night) / _TIMES, _Spent(stage=stage, seconds=round(seconds, 3))
        with store_errors("write", path), path.open("a", encoding="utf-8") as log:
            log.write(entry.model_dump_json() + "\n")

    def times(self, night: str) -> dict[str, float]:
        """Return the seconds of each step so far."""
        path = self.folder(night) / _TIMES
        total = defaultdict[str, float](float)
        with store_errors("read", path):
            lines = path.read_bytes().splitlines() if path.exists() else []
        for line in lines:
            with suppress(ValidationError):  # cut by a kill
                entry = _Spent.model_validate_json(line)
                total[entry.stage] += entry.seconds
        return {stage: round(seconds, 3) for stage, seconds in total.items()}

    def attempt(self, night: str) -> int:
        """Count one more attempt to bring a night to its end, and return how many there were."""
        path = self.folder(night) / _ATTEMPTS
        number = self.attempts(night) + 1
        self.write_text(night, path.name, str(number))
        return number

    def attempts(self, night: str) -> int:
        """Return how often a night was begun or gone on with."""
        try:
            return int((self.folder(night) / _ATTEMPTS).read_text("ascii"))
        except (OSError, ValueError):
            return 0

    # -- reports ---------------------------------------------------------------------------

    def reports(self) -> tuple[NightReport, ...]:
        """Return the reports of the nights that are over, newest first, less damaged ones."""
        return tuple(self._reports())

    def last(self) -> NightReport | None:
        """Return the report of the last night that is over."""
        return next(self._reports(), None)

    def _reports(self) -> Iterator[NightReport]:
        for night in self.ids():
            with suppress(OSError, ValidationError):
                path = self.folder(night) / REPORT
                yield NightReport.model_validate_json(path.read_bytes())

    def say(self, said: Said) -> None:
        """Keep the last decision."""
        path = self.root / "decision.json"
        with store_errors("write", path):
            private_folder(self.root)
            write_whole(path, said.model_dump_json(indent=1))

    def said(self) -> Said | None:
        """Return the last decision, None where there was none yet or it cannot be read."""
        try:
            return Said.model_validate_json((self.root / "decision.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def tidy(self, kept: str) -> None:
        """Remove the words that nights hold and no longer need.

        Those of ``kept`` and of the contexts that go with it keep their dataset and their answers.
        """
        mine = self._set(kept)
        for night in self.ids():
            folder = self.folder(night)
            _remove(folder / name for name in _PASSING)
            if self._set(night) != mine:
                _remove(folder / name for name in _KEPT_ONCE)
                _remove((folder / DATASET).glob("*.jsonl"))
                for name in (TRAINING, SCALED):
                    shutil.rmtree(folder / name, ignore_errors=True)

    def _set(self, night: str) -> str:
        """Return the night for everywhere that ``night`` is, or goes with."""
        return self.begun(night).of or night

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the night for this process; ``NightBusy`` while another one does."""
        path = self.root / "lock"
        with store_errors("open", path):
            private_folder(self.home)
            private_folder(self.root)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(handle, 20, 0).decode("ascii", "replace") or "?"
                raise NightBusy(
                    f"another process ({holder}) works on the night; wait for it to end"
                ) from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)


def _is_begun(path: Path) -> bool:
    """Say whether the file ``path`` holds something: a loss of power can leave it empty."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with store_errors("remove", path):
            path.unlink(missing_ok=True)


def _order(night: str) -> tuple[str, int]:
    day, _, number = night.partition(".")
    return day, int(number) if number.isdigit() else 1
