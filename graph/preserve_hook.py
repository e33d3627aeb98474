"""The git hook that runs ``mcp-local-llm check --staged`` before each commit."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable, UsageError
from memory.whole_file import write_whole
from tools.repository import Repo

_KEY: Final = "core.hooksPath"
_LINE: Final = "{} check --staged || exit 1"
_OURS: Final = """#!/bin/sh
# Written by `mcp-local-llm contracts --install-hook`; --remove-hook takes it away.
{}
"""
_WHOLE: Final = re.compile(re.escape(_OURS).replace(re.escape("{}"), r"[^\n]+"))


async def place(repo: Repo) -> tuple[Path, bool]:
    """Return where ``install`` writes the hook and whether ours is there; nothing is written.

    Raises:
        UsageError: as ``install``.
    """
    file = await _hook_file(repo)
    there = file.is_symlink() or file.exists()
    if there:
        _require_ours(file, f"add this line to it: {_line()}")
    return file, there


async def install(repo: Repo) -> Path:
    """Write the hook and return its path; a hook of ours is written anew.

    Raises:
        UsageError: there is a hook of the user's, or one folder of hooks serves all repositories.
    """
    file, _ = await place(repo)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, _OURS.format(_line()), mode=0o755)
    except OSError as error:
        raise StoreUnavailable(
            f"the hook {str(file)!r} cannot be written ({error.strerror}); make its folder writable"
        ) from error
    return file


async def remove(repo: Repo) -> Path | None:
    """Take our hook away and return where it was; None when there is no hook.

    Raises:
        UsageError: the hook is the user's.
    """
    file = await _hook_file(repo)
    if not (file.is_symlink() or file.exists()):
        return None
    _require_ours(file, "take out the line with `mcp-local-llm` yourself")
    file.unlink()
    return file


def _require_ours(file: Path, else_: str) -> None:
    """Refuse what is not, byte for byte, a hook as ``install`` writes it."""
    text = "" if file.is_symlink() else file.read_bytes().decode("utf-8", "replace")
    if not _WHOLE.fullmatch(text):
        raise UsageError(f"{str(file)!r} is a hook of your own and stays as it is; {else_}")


def _line() -> str:
    """Return the command by its full path: git's own PATH may not have it."""
    command = Path(sys.executable).with_name("mcp-local-llm")
    return _LINE.format(shlex.quote(str(command)))


async def _hook_file(repo: Repo) -> Path:
    """Return where git looks for the hook.

    Our own git commands run without hooks, which is a setting too: the last one but that counts.
    """
    told = await repo.run("config", "--show-scope", "--null", "--type=path", "--get-all", _KEY)
    fields = told.stdout.split("\0")[:-1]
    set_ = [(s, p) for s, p in zip(fields[::2], fields[1::2], strict=True) if s != "command"]
    scope, folder = set_[-1] if set_ else ("", "")
    if scope in {"global", "system"}:
        raise UsageError(
            f"core.hooksPath is {folder!r} for all repositories; add this line to its pre-commit "
            f"hook: {_line()}"
        )
    return (repo.root / folder if folder else repo.common_dir / "hooks") / "pre-commit"
