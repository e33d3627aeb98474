"""Where the log of a command goes."""

from __future__ import annotations

import sys

import structlog


def log_to_stderr() -> None:
    """Let everything this process logs go to standard error, whatever that is by then."""
    structlog.configure(logger_factory=_stderr_logger)


def _stderr_logger(*_: object) -> structlog.WriteLogger:
    return structlog.WriteLogger(sys.stderr)
