"""The files of a workspace that a reader should see: no links, nothing ignored, nothing of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec

from tools.jail import TEMP_PREFIX, Jail, is_protected

_NEVER: Final = frozenset({"__pycache__", "node_modules", ".venv", "venv"})
_Rules = Sequence[tuple[str, GitIgnoreSpec]]


def visible_files(jail: Jail, rel: str = ".") -> Iterator[str]:
    """Yield the files below the folder (or the file) ``rel``, sorted, relative to the workspace.

    ``.gitignore`` files apply as in git, from the root down. Not covered: git's own exclude file
    and the user's global one. Raises :class:`ToolDenied` when ``rel`` leads outside.
    """
    start = jail.resolve(rel)
    if start.is_file():
        yield start.relative_to(jail.root).as_posix()
        return
    rules: list[tuple[str, GitIgnoreSpec]] = []
    above = jail.root
    for part in start.relative_to(jail.root).parts:
        rules += _rules_of(jail.root, above)
        above /= part
    yield from _below(jail.root, start, rules)


def _below(root: Path, folder: Path, rules: _Rules) -> Iterator[str]:
    rules = [*rules, *_rules_of(root, folder)]
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, PermissionError):  # gone or closed to us: there is nothing to show
        return
    for entry in found:
        if is_protected(entry.name) or entry.name in _NEVER or entry.name.startswith(TEMP_PREFIX):
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        rel = Path(entry.path).relative_to(root).as_posix()
        if _is_ignored(rel + "/" * is_folder, rules):
            continue
        if is_folder:
            yield from _below(root, Path(entry.path), rules)
        elif entry.is_file(follow_symlinks=False):
            yield rel


def _rules_of(root: Path, folder: Path) -> list[tuple[str, GitIgnoreSpec]]:
    file = folder / ".gitignore"
    try:
        if file.is_symlink() or not file.is_file():
            return []
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except PermissionError:  # closed to us
        return []
    below = folder.relative_to(root).as_posix()
    return [("" if below == "." else below + "/", GitIgnoreSpec.from_lines(lines))]


def _is_ignored(rel: str, rules: _Rules) -> bool:
    for base, spec in reversed(rules):  # the nearest .gitignore has the last word
        include = spec.check_file(rel.removeprefix(base)).include
        if include is not None:
            return bool(include)
    return False
