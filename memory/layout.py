"""Where the folder of a memory keeps what."""

from __future__ import annotations

from pathlib import Path


def memory_folder(home: Path) -> Path:
    """Return the folder of the memory in the state folder ``home``."""
    return home / "memory"


def journal_path(folder: Path) -> Path:
    """Return where the journal of the memory in ``folder`` is."""
    return folder / "journal.sqlite"


def index_folder(folder: Path) -> Path:
    """Return where the index of the memory in ``folder`` is; it may be removed at any time."""
    return folder / "index"


def server_path(folder: Path) -> Path:
    """Return the file that names the Qdrant server of the memory in ``folder``, if it uses one."""
    return folder / "server.json"
