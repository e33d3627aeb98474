"""The command ``mcp-local-llm approve``, and how the user is asked for what only they may allow.

Nothing that comes through a pipe is an answer: either standard input is a terminal, or the question
waits under a one-time code for somebody who types it at one.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from graph.console import run_command, short, told, write_json
from mcp_local_llm import ToolDenied

if TYPE_CHECKING:
    from agents.approvals import Request
    from agents.protection import Protection


def approve(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm approve``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm approve",
        description="Allow what a code stands for; asks on the terminal.",
    )
    parser.add_argument("code", help="as the refused command told it")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _approve)


def allowed(options: argparse.Namespace, protection: Protection, request: Request) -> bool:
    """Ask the user, at a terminal at once; else tell the code that can be approved at one."""
    from agents.approvals import VALID_S, ask

    if sys.stdin.isatty():
        if _confirmed(request, sys.stdin, sys.stderr):
            protection.carry_out(request, "terminal")
            return True
        sys.stderr.write("nothing was changed\n")
        if options.json:
            write_json({"error": "not allowed", "exit_code": 1})
        return False
    command = f"mcp-local-llm approve {ask(protection.memory.home, request)}"
    why = f"{request.words()}: only the user can allow that. In a terminal, run: {command}"
    sys.stderr.write(f"not done: {why} (within {VALID_S // 60} minutes)\n")
    if options.json:
        write_json({"error": why, "exit_code": 1, "approve": command, **facts(request)})
    return False


def _confirmed(request: Request, source: TextIO, sink: TextIO) -> bool:
    sink.write(f"project: {request.root}\n")
    for each in request.contracts:
        reason = f", {short(each.reason)}" if each.reason else ""
        sink.write(f"  {each.id}: {short(each.region)} ({each.level}{reason})\n")
    if request.reason:
        sink.write(f"reason given: {short(request.reason)}\n")
    sink.write(f"{short(request.words())}. Allow this? [y/N] ")
    sink.flush()
    return source.readline().strip().lower() in {"y", "yes"}


def _approve(options: argparse.Namespace) -> int:
    from agents.approvals import asked, use
    from agents.home import state_home
    from agents.protection import Protection
    from agents.shared_memory import SharedMemory

    home = state_home()
    with _terminal() as (source, sink):  # before anything is said of the code
        request = asked(home, options.code)
        with SharedMemory(home, request.project) as memory:
            for id, stored in memory.journal.get(request.items).items():
                sink.write(f"  {id[:8]}: {short(stored.item.text)}\n")
        yes = _confirmed(request, source, sink)
    use(home, options.code)
    if not yes:
        sys.stderr.write("nothing was changed, and the code is used up\n")
        if options.json:
            write_json({"error": "not allowed", "exit_code": 1})
        return 1
    with SharedMemory(home, request.project) as memory:
        if request.action == "erase":
            memory.journal.erase(request.items, request.reason)
        else:
            protection = asyncio.run(Protection.open(Path(request.root), memory))
            protection.carry_out(request, "terminal, by code")
    return told(options, f"done: {request.words()}", **facts(request))


@contextmanager
def _terminal() -> Iterator[tuple[TextIO, TextIO]]:
    """Give the user's terminal, whatever stdin and stdout are.

    Raises:
        ToolDenied: this process has none.
    """
    try:
        source = Path("/dev/tty").open(encoding="utf-8", errors="replace")  # noqa: SIM115
        sink = Path("/dev/tty").open("w", encoding="utf-8", errors="replace")  # noqa: SIM115
    except OSError as error:
        raise ToolDenied(
            "there is no terminal to ask on; run this yourself in a terminal window"
        ) from error
    with source, sink:
        yield source, sink


def facts(request: Request) -> dict[str, Any]:
    """Return what a program has to know of ``request``."""
    return {"action": request.action, "contracts": list(request.ids), "run": request.run_id or None}
