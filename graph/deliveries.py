"""What was delivered and is still being followed: one file per run, until its last hunk is settled.

They outlive the run's folder: a run may be discarded after its change was applied. What was settled
is told by the journal (the key ``hunk:<id>`` was taken in), so a kill between two files costs
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from memory.private import private_folder
from memory.records import Record
from memory.whole_file import store_errors, write_whole
from tools.hunks import Hunk

_ARRIVED: Final = ".arrived"


class Delivery(Record):
    """The change of one run. ``days`` counts the days on which it was looked for in vain.

    ``day`` is the last of them (any date: clocks jump), ``mark`` what was looked at.
    """

    run_id: str
    task: str
    workspace: str
    project: str
    commit: str
    hunks: tuple[Hunk, ...]
    days: int = 0
    day: str
    mark: str = ""

    def looked_at(self, now: datetime, mark: str) -> Delivery:
        """Return it after a look in vain; of several on one day one counts."""
        day = now.date().isoformat()
        days = self.days + (day != self.day)
        return self.model_copy(update={"days": days, "day": day, "mark": mark})


@dataclass(frozen=True, slots=True)
class Deliveries:
    """All that is followed below the state folder ``home``.

    Raises ``StoreUnavailable`` when the disk does not play along. Two processes may write at once:
    the later one wins, and the other looks again.
    """

    home: Path

    @property
    def _folder(self) -> Path:
        return self.home / "following"

    def _file(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.json"

    def keep(self, delivery: Delivery) -> None:
        """Follow ``delivery`` from now on, or keep what is known of it now."""
        path = self._file(delivery.run_id)
        with store_errors("write", path):
            private_folder(self._folder)
            write_whole(path, delivery.model_dump_json())

    def pending(self, project: str) -> tuple[Delivery, ...]:
        """Return what is followed of ``project``, oldest first; a file cut in half is left out."""
        found = []
        with store_errors("read", self._folder):
            for path in sorted(self._folder.glob("*.json")):
                try:
                    found.append(Delivery.model_validate_json(path.read_bytes()))
                except (FileNotFoundError, ValidationError):
                    continue  # settled meanwhile by another process, or not ours
        return tuple(one for one in found if one.project == project)

    def note_arrival(self, run_id: str) -> None:
        """Note that the user has the change of ``run_id`` in the files; unknown runs are fine."""
        path = self._file(run_id)
        with store_errors("write", path):
            if path.exists():
                path.with_suffix(_ARRIVED).touch(mode=0o600)

    def has_arrived(self, run_id: str) -> bool:
        """Say whether that was noted."""
        return self._file(run_id).with_suffix(_ARRIVED).exists()

    def drop(self, run_id: str) -> None:
        """Follow it no longer."""
        path = self._file(run_id)
        with store_errors("remove", path):
            path.unlink(missing_ok=True)
            path.with_suffix(_ARRIVED).unlink(missing_ok=True)
