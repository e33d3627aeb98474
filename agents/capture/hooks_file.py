"""Cursor's ``hooks.json``: our entries in it, next to whatever else is there.

An entry is ours when its command runs the script by the name that only ours has.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from agents.capture import cursor_hook
from agents.capture.spool import spool_file
from mcp_local_llm import StoreUnavailable, UsageError
from memory.private import private_folder
from memory.secrets import SHAPES
from memory.whole_file import write_whole

_SCRIPT: Final = "mcp_local_llm_cursor_hook.py"
_Entries = dict[str, list[Any]]


def hooks_file(folder: Path) -> Path:
    """Return where Cursor looks for the hooks of ``folder``: a project, or the user's home."""
    return folder / ".cursor" / "hooks.json"


def script_file(home: Path) -> Path:
    """Return where the script lies in the state folder ``home``."""
    return home / "hooks" / _SCRIPT


def is_current(home: Path) -> bool:
    """Say whether the script in ``home`` is there and is that of this version."""
    try:
        return script_file(home).read_text(encoding="utf-8") == _script()
    except OSError:
        return False


def install(home: Path, file: Path) -> None:
    """Copy the script into ``home`` and enter it in ``file``; again brings both up to date.

    Raises:
        UsageError: the file is not as Cursor wants it, and stays as it is.
        StoreUnavailable: something cannot be written.
    """
    with _told(file):
        text = with_hooks(_text(file), home, str(file))
        place_script(home)
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, text)


def remove(file: Path) -> bool:
    """Take our entries out of ``file``; return whether there were any. Raises as ``install``.

    A file with nothing else in it is removed.
    """
    with _told(file):
        before = _text(file)
        rest = without_hooks(before, str(file))
        if rest == before:
            return False
        if rest:
            _write(file, rest)
        else:
            file.unlink()
        return True


def place_script(home: Path) -> None:
    """Copy the script that the hooks run into ``home``; StoreUnavailable when that fails."""
    with _told(script_file(home)):
        private_folder(home / "hooks")
        private_folder(spool_file(home).parent)
        _write(script_file(home), _script())


def with_hooks(before: str, home: Path, name: str = "hooks.json") -> str:
    """Return the text ``before`` of a hooks file with our entries in it, once each.

    Raises:
        UsageError: it is not as Cursor describes it; ``name`` is what it is called then.
    """
    content = _parsed(before, name)
    entries = _without_ours(content["hooks"])
    for event in cursor_hook.EVENTS:
        entries.setdefault(event, []).append({"command": _command(home, event)})
    return _json({**content, "hooks": entries})


def without_hooks(before: str, name: str = "hooks.json") -> str:
    """Return the text ``before`` without our entries; empty when nothing else is in it.

    Raises what ``with_hooks`` raises.
    """
    content = _parsed(before, name)
    entries = _without_ours(content["hooks"])
    if entries == content["hooks"]:
        return before
    if not entries and content.keys() <= {"version", "hooks"}:
        return ""
    return _json({**content, "hooks": entries})


def installed(file: Path) -> tuple[str, ...]:
    """Return the hooks that are ours in ``file``. Raises as ``install``."""
    with _told(file):
        hooks = _parsed(_text(file), str(file))["hooks"]
    return tuple(name for name, entries in hooks.items() if any(map(_is_ours, entries)))


def _script() -> str:
    """Return the script with the shapes of secrets in it, which it cannot import."""
    source = Path(cursor_hook.__file__).read_text(encoding="utf-8")
    before, mark, after = source.partition("SHAPES: tuple[str, ...] = ()")
    return f"{before}{mark.removesuffix('()')}{tuple(SHAPES.values())!r}{after}"


def _command(home: Path, name: str) -> str:
    """Return what Cursor's shell runs; the interpreter itself outlives our environment."""
    python = Path(sys.executable).resolve()
    return shlex.join([str(python), "-I", "-S", str(script_file(home)), name])


def _is_ours(entry: object) -> bool:
    return isinstance(entry, dict) and _SCRIPT in str(entry.get("command", ""))


def _without_ours(hooks: _Entries) -> _Entries:
    kept = {n: [one for one in entries if not _is_ours(one)] for n, entries in hooks.items()}
    return {name: entries for name, entries in kept.items() if entries or not hooks[name]}


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _parsed(text: str, name: str) -> dict[str, Any]:
    """Return what a hooks file holds, with ``version`` and ``hooks`` in any case."""
    try:
        content = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name!r} is no plain JSON ({error}) and stays as it is; mend it, or take its "
            "comments out, then try again"
        ) from error
    hooks = content.get("hooks", {}) if isinstance(content, dict) else None
    if not isinstance(hooks, dict) or not all(isinstance(each, list) for each in hooks.values()):
        raise UsageError(
            f"{name!r} is not as Cursor describes it and stays as it is; it should look like "
            '{"version": 1, "hooks": {"stop": [{"command": "…"}]}}'
        )
    return {"version": 1, **content, "hooks": hooks}


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _write(file: Path, text: str) -> None:
    """Replace the file as a whole; a link stays one, and so does the file's mode."""
    write_whole(file.resolve(), text, mode=0o644, keeps_mode=True)


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"{str(file)!r}, or our script, cannot be read or written ({error.strerror}); make "
            f"{str(error.filename or file)!r} writable for you"
        ) from error
