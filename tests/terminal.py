"""A command on a terminal of its own."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def converse(
    argv: Sequence[str], cwd: Path, answer: Callable[[bytes], bytes], limit_s: float
) -> tuple[int, str]:
    """Run ``argv`` and return its exit code and what it said.

    ``answer`` is given all that it has said so far, each time it says something, and returns what
    is typed then.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # where Ctrl-C is a signal
    )
    os.close(theirs)
    heard, deadline = b"", time.monotonic() + limit_s
    while time.monotonic() < deadline:
        ready, _, _ = select.select([ours], [], [], 1.0)
        try:
            piece = os.read(ours, 4096) if ready else b""
        except OSError:  # Linux says so when the other side is closed
            break
        if ready and not piece:
            break
        heard += piece
        if typed := answer(heard):
            os.write(ours, typed)
    os.close(ours)
    return process.wait(limit_s), heard.decode(errors="replace")
