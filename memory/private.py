"""Folders and files for this user alone, whatever the umask is."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def private_folder(path: Path) -> Path:
    """Create ``path`` and what is missing above it with mode 0700, and return it.

    A folder that is there keeps its mode.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if path.parent == path:  # the current folder is gone
            raise
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def private_file(path: Path) -> None:
    """Create ``path``, empty and with mode 0600, where it is missing; one that is there stays."""
    with suppress(FileExistsError):
        os.close(os.open(path, _NEW, 0o600))


def private_database(path: Path) -> None:
    """Do the same for an SQLite file, and close one that is there, and its log, to other users.

    SQLite gives the log of a file the file's mode. A file of another owner stays as it is.
    """
    private_file(path)
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))):
        with suppress(FileNotFoundError, PermissionError):
            if each.stat().st_mode & 0o077:
                each.chmod(0o600)
