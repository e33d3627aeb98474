"""Reading some of a project's Markdown files into the memory: a file, several, or folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from mcp_local_llm import UsageError
from memory.chunks import MARKDOWN
from memory.project import project_root

if TYPE_CHECKING:
    from memory.journal import Journal
    from tools.indexing import Indexed


def index_markdown(workspace: Path, journal: Journal, names: Sequence[str]) -> Indexed:
    """Bring the Markdown files ``names`` (or below them; none: all) up to date in ``journal``.

    Names are those of files and folders of ``workspace``. What git ignores, and what may hold
    secrets, is left out. Blocking, and not for a thread that runs an event loop.

    Raises:
        UsageError: a name is none of a file or folder in the workspace.
        StoreUnavailable: git fails, or the journal cannot be written.
    """
    from tools.indexing import index_folder

    root = project_root(workspace)
    wanted = [_from_root(workspace, name, root) for name in names]

    def is_wanted(path: str) -> bool:
        if PurePosixPath(path).suffix.lower() not in MARKDOWN:
            return False
        return not names or any(
            each in {"", path} or path.startswith(f"{each}/") for each in wanted
        )

    return index_folder(workspace, journal, only=is_wanted)


def _from_root(workspace: Path, name: str, root: Path) -> str:
    path = (workspace / name.replace("\0", "")).resolve()
    if "\0" in name or not path.exists() or not path.is_relative_to(workspace.resolve()):
        raise UsageError(
            f"there is no file or folder {name!r} in the workspace; name it from {str(workspace)!r}"
        )
    relative = path.relative_to(root).as_posix()
    return "" if relative == "." else relative
