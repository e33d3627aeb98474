"""Several files changed together or not at all.

First every new content is written beside its file, so that a full disk shows before anything is
touched. Then each original is set aside under a second name and the new file takes its place; when
one of these steps fails, the ones before it are taken back in reverse order.

Not covered: a killed process or a power cut between two renames. Each file is then old or new as a
whole; the spare copies go with :meth:`Jail.sweep`.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mcp_local_llm import StoreUnavailable, ToolRetry
from tools.faults import translated
from tools.jail import TEMP_PREFIX, Jail, Place

Stamp = tuple[int, int, int, int]
"""What tells one version of a file from another: device, inode, size, time of change."""


def stamp(status: os.stat_result | None) -> Stamp | None:
    """Return the stamp of a status, None for a file that is not there."""
    if status is None:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(slots=True)
class _Step:
    rel: str
    place: Place
    expected: Stamp | None
    temp: str | None  # None: the file is to be deleted
    backup: str | None = None
    placed: bool = False


class Transaction:
    """Collects writes and deletions; :meth:`commit` makes them happen.

    Use it as a context manager: leaving without a commit, or with an error, removes every trace.
    """

    def __init__(self, jail: Jail) -> None:
        """Begin with no steps; all paths are those of ``jail``."""
        self._jail = jail
        self._stack = ExitStack()
        self._steps: list[_Step] = []
        self._done = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take back what was not committed, and close the folders held open."""
        try:
            if not self._done:
                self._undo()
        finally:
            self._stack.close()

    def write(self, rel: str, data: bytes, expected: Stamp | None) -> None:
        """Stage ``data`` as the content of ``rel``, which must still be as ``expected``."""
        step = self._step(rel, expected, make_parents=True)
        with translated("write", rel):
            step.temp = step.place.stage(data)

    def delete(self, rel: str, expected: Stamp | None) -> None:
        """Stage the deletion of ``rel``, which must still be as ``expected``."""
        self._step(rel, expected, make_parents=False)

    def commit(self) -> None:
        """Put everything in place, or nothing."""
        for step in self._steps:
            with translated("change", step.rel):
                self._apply(step)
        self._done = True
        for step in self._steps:
            if step.backup:
                with suppress(OSError):  # the change stands; a left-over copy must not undo it
                    step.place.drop(step.backup)

    def _step(self, rel: str, expected: Stamp | None, *, make_parents: bool) -> _Step:
        place = self._stack.enter_context(self._jail.reach(rel, make_parents=make_parents))
        step = _Step(rel, place, expected, None)
        self._steps.append(step)
        return step

    def _apply(self, step: _Step) -> None:
        if stamp(step.place.status()) != step.expected:
            raise ToolRetry(
                f"{step.rel!r} was changed by someone else meanwhile; read it again and repeat."
            )
        place = step.place
        if step.expected is not None:
            backup = TEMP_PREFIX + secrets.token_hex(8)
            place.rename(place.name, backup) if step.temp is None else _copy_name(place, backup)
            step.backup = backup
        if step.temp is not None:
            place.rename(step.temp, place.name)
            step.placed, step.temp = True, None

    def _undo(self) -> None:
        lost: list[str] = []
        for step in reversed(self._steps):
            try:
                _take_back(step)
            except OSError as error:
                lost.append(f"{step.rel!r} ({error.strerror}; kept as {step.backup!r} beside it)")
        if lost:
            raise StoreUnavailable(f"Could not restore {', '.join(lost)}: rename the copy by hand.")


def _take_back(step: _Step) -> None:
    place = step.place
    if step.backup:
        place.rename(step.backup, place.name)
        place.drop(step.backup)  # a rename between two links of one file does nothing
    elif step.placed:
        place.drop(place.name)
    if step.temp:
        place.drop(step.temp)
    for directory, name in reversed(place.made):
        with suppress(OSError):  # not empty: someone else uses it by now
            os.rmdir(name, dir_fd=directory)


def _copy_name(place: Place, backup: str) -> None:
    """Keep the original under ``backup``: a second link where possible, else by moving it away."""
    try:
        os.link(
            place.name,
            backup,
            src_dir_fd=place.directory,
            dst_dir_fd=place.directory,
            follow_symlinks=False,
        )
    except OSError:  # file systems without hard links; the rename is as good but for a moment
        place.rename(place.name, backup)
