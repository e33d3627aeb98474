"""Git's hooks and settings around a command that no sandbox keeps away from them.

Whatever is written there makes git run programs later, outside of any sandbox.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from mcp_local_llm import StoreUnavailable, ToolDenied, UsageError
from tools.repository import Repo

ASIDE: Final = ".from-command"
"""What the name of a file that was put back gets at its end, where it is kept for the user."""

# What names programs or other settings.
_FILES: Final = ("config", "config.worktree", "commondir", "gitdir", "info/attributes", "hooks")
_State = tuple[int, bytes]  # mode, and content or target


@dataclass(frozen=True, slots=True)
class GitSettings:
    """The hooks and settings of one repository and worktree as they were.

    Not covered: a folder of hooks outside of git's own, and files that a setting includes.
    """

    folders: tuple[Path, ...]
    states: dict[Path, _State]

    @classmethod
    def seen(cls, repo: Repo) -> Self:
        """Return how they are now. Blocking."""
        places = dict.fromkeys((repo.common_dir, repo.git_dir))
        if repo.linked:
            places[repo.root / ".git"] = None  # a file that names the folder
        return cls(tuple(places), _states(tuple(places)))

    def put_back(self) -> tuple[str, ...]:
        """Make them as they were and return what had changed; that is kept with ``ASIDE``.

        Blocking. Raises StoreUnavailable when that cannot be done.
        """
        now = _states(self.folders)
        fresh = [path for path, state in now.items() if self.states.get(path) != state]
        lost = [path for path in self.states if now.get(path) != self.states[path]]
        try:
            for path in fresh:
                path.replace(path.with_name(path.name + ASIDE))
            for path in lost:
                _write(path, self.states[path])
        except OSError as error:
            raise StoreUnavailable(
                f"a command changed git's settings in {str(self.folders[0])!r} and they cannot be "
                f"put back ({error}); look at its hooks and config before git is used again"
            ) from error
        return tuple(sorted(str(path) for path in {*fresh, *lost}))


@asynccontextmanager
async def kept(workspace: Path) -> AsyncIterator[None]:
    """Put back what is changed of the git settings that ``workspace`` has meanwhile.

    Raises:
        ToolDenied: something was; the message names it.
        StoreUnavailable: it cannot be put back.
    """
    try:
        repo = await Repo.open(workspace)
    except UsageError:  # no repository, nothing to keep
        yield
        return
    before = await asyncio.to_thread(GitSettings.seen, repo)
    try:
        yield
    finally:
        changed = before.put_back()  # in place even when the command is cancelled
    if changed:
        raise ToolDenied(
            f"The command changed git's own files, {', '.join(map(repr, changed))}: they were put "
            f"back, and what it wrote lies beside them with {ASIDE!r} at the end of its name. "
            "Leave git's folder alone."
        )


def _states(folders: tuple[Path, ...]) -> dict[Path, _State]:
    files = [folder / name for folder in folders for name in _FILES if folder.is_dir()]
    files += [folder for folder in folders if not folder.is_dir()]
    found = {}
    for file in files:
        for path in (file, *_below(file)):
            if (state := _state(path)) is not None and not path.name.endswith(ASIDE):
                found[path] = state
    return found


def _below(folder: Path) -> list[Path]:
    """Return the files in ``folder``, however deep; none when it is a file or a link."""
    if folder.is_symlink():
        return []
    return [Path(root, name) for root, _, names in os.walk(folder) for name in names]


def _state(path: Path) -> _State | None:
    """Return what ``path`` is, without following it; None for a folder or what is not there."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return mode, os.fsencode(path.readlink())
        return None if stat.S_ISDIR(mode) else (mode, path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        return 0, str(error).encode()


def _write(path: Path, state: _State) -> None:
    mode, content = state
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if stat.S_ISLNK(mode):
        path.symlink_to(os.fsdecode(content))
        return
    path.write_bytes(content)
    path.chmod(stat.S_IMODE(mode))
