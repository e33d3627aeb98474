"""Writing a small file in one piece, and telling what the disk says."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_whole(path: Path, text: str, *, mode: int = 0o600, keeps_mode: bool = False) -> None:
    """Make ``text`` (UTF-8) what the file ``path`` holds: a reader sees the old file or the new.

    The new one has ``mode`` less the umask, or with ``keeps_mode`` that of the old one if there is
    one; a symbolic link is replaced, not followed. It outlives the process' death, not a loss of
    power: nothing waits for the disk.

    Raises:
        OSError: it cannot be written; ``path`` is as it was, and nothing is left beside it.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, _NEW, mode), "w", encoding="utf-8") as stream:
            if keeps_mode and path.exists():
                os.fchmod(stream.fileno(), path.stat().st_mode & 0o777)
            stream.write(text)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def store_errors(what: str, path: Path) -> Iterator[None]:
    """Turn what the disk says into ``StoreUnavailable``: it cannot ``what`` the file ``path``."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"cannot {what} {str(path)!r} ({error.strerror or error}); free some space there, or "
            "point MCP_LOCAL_LLM_HOME to a folder you can write"
        ) from error
