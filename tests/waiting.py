"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(is_so: Callable[[], bool], limit_s: float = 120) -> None:
    """Look again and again whether ``is_so``, and fail after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)  # bounded by the deadline
