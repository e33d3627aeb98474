"""The right to train in a folder, which one process at a time has."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from mcp_local_llm import StoreUnavailable, UsageError

LOCK: Final = "training.lock"
_POLL_S: Final = 0.2
_LOCK_WAIT_S: Final = 2.0  # an orphan that still holds it is on its way out


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the right to train in ``folder``, which is made where it is missing.

    Raises:
        UsageError: another process has it.
        StoreUnavailable: the folder or the lock's file cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write to {str(folder)!r} ({error}); free some disk space, or name another "
            "folder"
        ) from error
    with lock:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"another training is at work in {str(folder)!r}; wait for it, or name "
                    "another folder"
                )
            time.sleep(_POLL_S)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
