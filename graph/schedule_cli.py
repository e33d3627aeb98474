"""The command ``mcp-local-llm schedule``: have the night come by itself.

Exit codes: 0, 2 wrong input, 3 the file or the crontab cannot be written.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graph.console import run_command, told
from mcp_local_llm import StoreUnavailable, UsageError

if TYPE_CHECKING:
    from graph.night.schedule import Kind, Timer
    from tools.process import Finished

_DESCRIPTION: Final = """\
Have the machine ask every quarter of an hour whether a night is due: at its hour, after half an
hour without work, or when enough was taught. `show` prints what would be written, and writes
nothing; `remove` takes it away to the last line.
"""
_TIMEOUT_S: Final = 30.0


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm schedule``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm schedule", description=_DESCRIPTION)
    parser.add_argument("action", choices=("install", "remove", "show"), help="what to do")
    parser.add_argument(
        "--kind",
        choices=("launchd", "systemd", "cron"),
        help="the timer to use (default: what this machine has)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _dispatched)


def _dispatched(options: argparse.Namespace) -> int:
    from graph.night.schedule import best_kind

    kind = options.kind or best_kind()
    timer = _timer()
    if options.action == "show":
        return _show(options, kind, timer)
    change = _of_crontab if kind == "cron" else _of_files
    return change(options, kind, timer)


def _timer() -> Timer:
    from agents.home import HOME_VARIABLE, state_home
    from graph.night.schedule import Timer, command_words

    home = state_home()
    root = Path(__file__).resolve().parents[1]
    return Timer(
        command_words(Path(sys.executable), root),
        {HOME_VARIABLE: str(home)},
        home / "logs" / "nightly.log",
    )


def _show(options: argparse.Namespace, kind: Kind, timer: Timer) -> int:
    from graph.night.schedule import cron_text, files, shown

    wanted = files(kind, timer, Path.home())
    there = all(_text(path) == text for path, text in wanted.items())
    if kind == "cron":
        text = cron_text(timer)
        there = text in _crontab() if shutil.which("crontab") else False
    else:
        text = shown(wanted)
    state = "installed" if there else "not installed"
    return told(options, f"{text}\n{kind}: {state}", kind=kind, installed=there, content=text)


def _of_files(options: argparse.Namespace, kind: Kind, timer: Timer) -> int:
    from graph.night.schedule import RELOAD, commands, files, shown, words_of
    from memory.whole_file import store_errors

    install = options.action == "install"
    wanted = files(kind, timer, Path.home())
    steps = commands(kind, Path.home(), install=install)
    there = [path for path in wanted if path.exists()]
    if install:
        _log_folder(timer)
        _write(wanted)
        left = _carried_out(steps)
        text = f"{shown(wanted)}\nwritten: {', '.join(map(str, wanted))}"
    else:
        left = _carried_out(steps) if there else ()
        for path in there:
            with store_errors("remove", path):
                path.unlink()
        if there and kind == "systemd":
            _carried_out((RELOAD,))  # a unit without a file is no harm where it fails
        text = f"removed: {', '.join(map(str, there))}" if there else "nothing was installed"
    if left:
        text += f"\nnot carried out here, run it yourself:\n{words_of(left)}"
    changed = [str(path) for path in (wanted if install else there)]
    return told(options, text, kind=kind, files=changed, left=[list(one) for one in left])


def _of_crontab(options: argparse.Namespace, kind: Kind, timer: Timer) -> int:
    from graph.night.schedule import cron_text, with_block, without_block

    if not shutil.which("crontab"):
        raise UsageError(
            "there is no crontab here; have another timer run `mcp-local-llm nightly` every "
            "quarter of an hour, or name one with --kind"
        )
    before = _crontab()
    block = cron_text(timer)
    install = options.action == "install"
    after = with_block(before, block) if install else without_block(before)
    if install:
        _log_folder(timer)
    if after != before:
        _crontab_command(("crontab", "-"), after)
    done = block if install else ("removed" if after != before else "nothing was installed")
    return told(options, done.rstrip(), kind=kind, changed=after != before)


def _crontab() -> str:
    """Return the user's crontab, empty when there is none."""
    finished = _run(("crontab", "-l"))
    if finished.code == 0 and not finished.truncated:
        return finished.stdout
    if "no crontab" in finished.stderr:
        return ""
    raise StoreUnavailable(
        f"the crontab cannot be read ({finished.stderr.strip() or 'it is too long'}), so it is "
        "left alone; `mcp-local-llm schedule show --kind cron` prints the lines to enter by hand"
    )


def _crontab_command(argv: tuple[str, ...], text: str) -> None:
    finished = _run(argv, text)
    if finished.code:
        raise StoreUnavailable(
            f"the crontab cannot be written ({finished.stderr.strip()}); `mcp-local-llm schedule "
            "show --kind cron` prints the lines to enter with `crontab -e`"
        )


def _carried_out(steps: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Run ``steps``; return those that are left because one failed or its program is missing."""
    for at, argv in enumerate(steps):
        if not shutil.which(argv[0]) or _run(argv).code:
            return tuple(steps[at:])
    return ()


def _run(argv: tuple[str, ...], text: str | None = None) -> Finished:
    from tools.process import run, scrubbed_env

    given = None if text is None else text.encode()
    env = scrubbed_env({"LC_ALL": "C", **_session()})
    return asyncio.run(run(argv, cwd=Path.home(), env=env, timeout_s=_TIMEOUT_S, stdin=given))


def _session() -> dict[str, str]:
    """Return where the user's systemd is spoken to."""
    names = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
    return {name: os.environ[name] for name in names if name in os.environ}


def _log_folder(timer: Timer) -> None:
    from memory.private import private_folder
    from memory.whole_file import store_errors

    with store_errors("make the folder", timer.log.parent):
        private_folder(timer.log.parent)


def _write(wanted: dict[Path, str]) -> None:
    from memory.whole_file import store_errors, write_whole

    for path, text in wanted.items():
        with store_errors("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if _text(path) != text:
                write_whole(path, text, mode=0o644)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
