"""Finds the user's Python: the one their tests must run with, which is not ours."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from mcp_local_llm import UsageError
from tools.process import probe, scrubbed_env

_PROBE_S: Final = 30.0
_QUESTION: Final = """
import json, sys
try:
    import pytest
    found = getattr(pytest, "__version__", "?")
except ImportError:
    found = None
print(json.dumps({"executable": sys.executable, "pytest": found, "version": sys.version.split()[0],
                  "prefixes": [sys.prefix, sys.base_prefix, sys.exec_prefix], "path": sys.path}))
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What an interpreter says of itself; ``folders`` is what it has to read to work."""

    executable: Path
    version: str
    pytest: str | None
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen interpreter and, in words for the user, where it comes from."""

    path: Path
    why: str


_known: dict[Path, Interpreter] = {}  # those with pytest: it may yet be installed for others


def inspect(python: Path) -> Interpreter | None:
    """Ask ``python`` about itself; None when it does not run. Blocking; the answer is kept."""
    if python not in _known:
        found = _asked(python)
        if found is None or found.pytest is None:
            return found
        _known[python] = found
    return _known[python]


def _asked(python: Path) -> Interpreter | None:
    answer = probe([str(python), "-c", _QUESTION], timeout_s=_PROBE_S)
    if not answer:
        return None
    facts = json.loads(answer.splitlines()[-1])
    # its own word for its path: a pyenv or asdf shim would not work inside a sandbox
    executable = Path(facts["executable"] or python)
    prefixes = {Path(p) for p in facts["prefixes"]} | {executable.resolve().parent.parent}
    # the path also holds what `.pth` files add: other projects installed in editable mode
    paths = {Path(entry) for entry in facts["path"] if entry}
    folders = {p for p in prefixes | paths if p.is_absolute() and p.exists()}
    if not any(executable.is_relative_to(folder) for folder in folders):
        folders.add(executable)  # a lone link or copy, for instance in ~/bin
    return Interpreter(executable, facts["version"], facts["pytest"], tuple(sorted(folders)))


def find_python(workspace: Path, configured: Path | None = None) -> Path:
    """Return the interpreter to run the tests of ``workspace`` with (see ``choose_python``)."""
    return choose_python(workspace, configured).path


def choose_python(workspace: Path, configured: Path | None = None) -> Choice:
    """Choose: configured > $VIRTUAL_ENV > .venv or venv > python3 with pytest on PATH > ours.

    ``workspace`` is the user's own folder, not a run's worktree: ignored folders such as
    ``.venv`` exist only there. Our own interpreter is the last resort, and said so. Blocking.

    Raises:
        UsageError: the configured interpreter does not run.
    """
    if configured is not None:
        path = Path(shutil.which(configured.expanduser()) or workspace / configured.expanduser())
        known = inspect(path)
        if known is None:
            raise UsageError(
                f"The configured interpreter {str(configured)!r} does not run. Set `python` in "
                "~/.config/mcp-local-llm/config.toml to a Python that does, or remove the setting."
            )
        return Choice(known.executable, "from the configuration")
    for path, why in _candidates(workspace):
        known = inspect(path)
        if known is not None:
            return Choice(known.executable, why)
    found = _on_path()
    if found is not None:
        return Choice(found, "python3 on PATH")
    log.warning("interpreter.own", python=sys.executable)
    return Choice(Path(sys.executable), "our own: no other Python with pytest was found")


def _candidates(workspace: Path) -> Iterator[tuple[Path, str]]:
    active = os.environ.get("VIRTUAL_ENV")
    if active and Path(active).resolve() != Path(sys.prefix).resolve():  # ours is not the user's
        yield Path(active, "bin", "python"), "the active virtual environment"
    for name in (".venv", "venv"):
        yield workspace / name / "bin" / "python", f"{name} of the workspace"


def _on_path() -> Path | None:
    found = shutil.which("python3", path=scrubbed_env().get("PATH"))
    known = inspect(Path(found)) if found else None
    return known.executable if known is not None and known.pytest else None
