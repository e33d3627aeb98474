"""``mcp-local-llm hooks``: let Cursor tell what you typed and what was answered."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from graph.console import here, run_command, told, write_json

_DESCRIPTION: Final = """\
Let Cursor note each prompt, answer, edited file and command in this machine's state folder, from
where `mcp-local-llm ingest` takes them in. Other hooks stay as they are. The file names paths of
this machine: don't commit it, or use --user.
"""


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm hooks`` and return the exit code: 0, 2 wrong input, 3 cannot write."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm hooks", description=_DESCRIPTION)
    parser.add_argument("action", choices=("install", "remove", "status"))
    parser.add_argument(
        "--user", action="store_true", help="for all your projects, not for the one you are in"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _hooks)


def _hooks(options: argparse.Namespace) -> int:
    from agents.capture import hooks_file
    from agents.capture.session_context import refresh_session
    from agents.home import state_home
    from memory.project import project_root

    folder = Path.home() if options.user else project_root(Path.cwd())
    file = hooks_file.hooks_file(folder)
    if options.action == "install":
        hooks_file.install(state_home(), file)
        with here() as memory:
            refresh_session(memory)
        names = hooks_file.installed(file)
        text = f"installed {', '.join(names)} in {str(file)!r}; Cursor uses them at once"
        return told(options, text, file=str(file), installed=list(names))
    if options.action == "remove":
        removed = hooks_file.remove(file)
        text = f"took our hooks out of {str(file)!r}" if removed else f"none in {str(file)!r}"
        return told(options, text, file=str(file), removed=removed)
    return _status(options, state_home())


def _status(options: argparse.Namespace, home: Path) -> int:
    from agents.capture import hooks_file
    from agents.capture.spool import spool_file
    from memory.project import project_root

    files = {
        "project": hooks_file.hooks_file(project_root(Path.cwd())),
        "user": hooks_file.hooks_file(Path.home()),
    }
    hooks = {where: list(hooks_file.installed(file)) for where, file in files.items()}
    spool = spool_file(home)
    waiting = spool.stat().st_size if spool.exists() else 0
    if options.json:
        write_json({**hooks, "script_current": hooks_file.is_current(home), "waiting": waiting})
        return 0
    for where, file in files.items():
        told(options, f"{where:<8} {', '.join(hooks[where]) or 'none'}  ({file})")
    if any(hooks.values()) and not hooks_file.is_current(home):
        told(options, "the script is missing or old: mcp-local-llm hooks install")
    if all(hooks.values()):
        told(options, "installed twice: each event is noted twice and taken in once")
    return told(options, f"waiting  {waiting:,} bytes; take them in: mcp-local-llm ingest")
