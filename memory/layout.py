"""Where the folder of a memory keeps what."""

from __future__ import annotations

from pathlib import Path


def journal_path(folder: Path) -> Path:
    """Return where the journal of the memory in ``folder`` is."""
    return folder / "journal.sqlite"


def index_folder(folder: Path) -> Path:
    """Return where the index of the memory in ``folder`` is; it may be removed at any time."""
    return folder / "index"
