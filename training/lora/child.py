"""The process of one training: ``python -P -c … JOB PARENT``, where JOB is JSON.

It tells its events as JSON lines on stdout, holds the folder's lock, and ends when the process that
asked for it is gone: the same command then goes on from the checkpoint.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

from mcp_local_llm import LocalLLMError, StoreUnavailable, UsageError
from training.lora.checkpoint import identify
from training.lora.denormals import flush_denormals
from training.lora.loop import run_job
from training.lora.records import Event, Failed, Job

ORPHANED: Final = 17  # exit code
LOCK: Final = "training.lock"
_POLL_S: Final = 0.2
_LOCK_WAIT_S: Final = 2.0  # an orphan that still holds it is on its way out


def main(argv: Sequence[str]) -> int:
    """Train the job in ``argv[0]`` for the process ``argv[1]`` and return the exit code."""
    job = Job.model_validate_json(argv[0])
    flush_denormals()  # most gradients of a model that is sure of itself
    try:
        with _ending_with(int(argv[1])), _held(job.out):
            run_job(job, identify(job), _tell)
    except LocalLLMError as error:
        _tell(Failed(error=type(error).__name__, exit_code=error.exit_code, message=str(error)))
        return error.exit_code
    return 0


def _tell(event: Event) -> None:
    sys.stdout.write(event.model_dump_json() + "\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _ending_with(parent: int) -> Iterator[None]:
    """End this process at once when ``parent`` is no longer its parent: files are whole anyway."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_POLL_S):
            if os.getppid() != parent:
                os._exit(ORPHANED)

    thread = threading.Thread(target=watch, name="parent-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the right to train in ``out``.

    Raises:
        UsageError: another process has it.
        StoreUnavailable: the lock's file cannot be made.
    """
    try:
        lock = (out / LOCK).open("w")
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write to {str(out)!r} ({error}); free some disk space or name another --out"
        ) from error
    with lock:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise UsageError(
                    f"another training is at work in {str(out)!r}; wait for it, or name another "
                    "--out"
                )
            time.sleep(_POLL_S)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
