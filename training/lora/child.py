"""The process of one training: ``python -P -c … JOB PARENT``, where JOB is JSON.

It tells its events as JSON lines on stdout, holds the folder's lock, and ends when the process that
asked for it is gone: the same command then goes on from the checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Final

from mcp_local_llm import LocalLLMError
from training.held import held
from training.lora.checkpoint import identify
from training.lora.denormals import flush_denormals
from training.lora.loop import run_job
from training.lora.records import Event, Failed, Job

ORPHANED: Final = 17  # exit code
_POLL_S: Final = 0.2


def main(argv: Sequence[str]) -> int:
    """Train the job in ``argv[0]`` for the process ``argv[1]`` and return the exit code."""
    job = Job.model_validate_json(argv[0])
    flush_denormals()  # most gradients of a model that is sure of itself
    try:
        with _ending_with(int(argv[1])), held(job.out):
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
