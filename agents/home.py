"""Where this project keeps its own state, outside every workspace."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable

HOME_VARIABLE: Final = "MCP_LOCAL_LLM_HOME"
LOCK_NAME: Final = "resident.lock"  # held by the resident process, which writes its id there
_SOCKET_PATH_LIMIT: Final = 100  # bytes; sun_path holds 104 on macOS and 108 on Linux


def state_home() -> Path:
    """Return the state folder: ``$MCP_LOCAL_LLM_HOME``, else the platform's place for user data.

    The folder is not created here.
    """
    configured = os.environ.get(HOME_VARIABLE)
    if configured:
        return Path(configured).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "mcp-local-llm"
    return Path.home() / ".local" / "share" / "mcp-local-llm"


def owner_of(home: Path) -> str:
    """Return the mark that the model servers of ``home`` carry on their command lines."""
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]


def socket_path(home: Path) -> Path:
    """Return the path of the resident process's socket for the state folder ``home``.

    A Unix socket's path is limited to about a hundred bytes, so a deep ``home`` gets a short
    folder of its own in the temporary directory, named by user and by a hash of ``home``.

    Raises:
        StoreUnavailable: somebody else has made that folder first.
    """
    path = home / "resident.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"mcp-local-llm-{os.getuid()}-{digest}"
    if folder.exists() and not is_private(folder):
        raise StoreUnavailable(
            f"the folder {str(folder)!r} belongs to or is open to another user; remove it, or "
            f"set {HOME_VARIABLE} to a folder with a shorter path"
        )
    return folder / "resident.sock"


def is_private(folder: Path) -> bool:
    """Return whether ``folder`` is this user's and closed to all others."""
    status = folder.lstat()
    return status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) & 0o077 == 0
