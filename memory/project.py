"""Which project a folder belongs to."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def project_id(root: Path) -> str:
    """Return 16 hex digits that stand for the project that ``root`` lies in.

    The project is the nearest folder upwards with a ``.git``, else ``root`` itself, by its real
    path: the same through a symbolic link, another one for another clone or git worktree, and
    another one after the folder was moved.
    """
    return hashlib.blake2b(os.fsencode(project_root(root)), digest_size=8).hexdigest()


def project_root(folder: Path) -> Path:
    """Return the real path of the project that ``folder`` lies in (see ``project_id``)."""
    real = folder.resolve()
    return next((one for one in (real, *real.parents) if (one / ".git").exists()), real)


def prefix_in_project(folder: Path) -> str:
    """Return what stands before a path in ``folder`` to name it from its project's root.

    That is nothing, or ``sub/folder/``.
    """
    path = folder.resolve().relative_to(project_root(folder)).as_posix()
    return "" if path == "." else f"{path}/"
