"""The command ``mcp-local-llm memory``: look after journal and index, and take things back."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

from graph.memory_cli import here, run_command, short, write_json
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import OwnerStatus

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.entries import Stored

_POLL_S: Final = 0.2
_OPEN_S: Final = 120.0  # for the embedding model to be loaded

Action = Callable[[argparse.Namespace, "SharedMemory"], int]


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm memory``; exit codes as in ``graph.memory_cli``."""
    return run_command(_command_parser(), argv, _dispatched)


def _command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm memory", description="Look after what is remembered."
    )
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *arguments: tuple[str, dict[str, Any]]) -> None:
        one = commands.add_parser(name, help=text, description=text)
        for flag, options in arguments:
            one.add_argument(flag, **options)
        one.add_argument("--json", action="store_true", help="one JSON object on stdout")

    file = ("file", {"type": Path, "metavar": "FILE"})
    item = ("id", {"metavar": "ID", "help": "an id, or its first characters"})
    reason = ("--reason", {"default": "", "help": "kept with the history"})
    name = ("name", {"metavar": "NAME"})
    command("stats", "count what is remembered and say how the index is")
    command("verify", "check journal and index; ends with 1 when something is wrong")
    command("history", "show everything that happened to an item", item)
    command("forget", "stop recalling an item; its history stays", item, reason)
    command("mark", "give the present state a name", name)
    command("return-to", "make what is recalled be as it was at a mark; nothing is erased", name)
    command("export", "write everything as readable JSON lines", file)
    command("import", "read what export wrote", file)
    command("backup", "copy the journal, in use or not", file)
    command("restore", "put a back-up in the journal's place; the replaced one is kept", file)
    command("rebuild", "throw the index away and make it anew from the journal")
    command(
        "compact",
        "give unused space back",
        ("--purge", {"action": "store_true", "help": "erase forgotten texts from the history too"}),
    )
    command(
        "move",
        "fill a Qdrant server's collection from the journal, or go on doing so",
        ("url", {"metavar": "URL"}),
        ("--collection", {"default": "mcp-local-llm", "metavar": "NAME"}),
    )
    return parser


def _dispatched(options: argparse.Namespace) -> int:
    if options.command == "restore":
        return _restore(options)
    actions: dict[str, Action] = {
        "stats": _stats,
        "verify": _verify,
        "history": _history,
        "forget": _forget,
        "mark": _mark,
        "return-to": _return_to,
        "export": _export,
        "import": _import,
        "backup": _backup,
        "rebuild": _rebuild,
        "compact": _compact,
        "move": _move,
    }
    with here() as memory:
        return actions[options.command](options, memory)


def _told(options: argparse.Namespace, text: str, **facts: Any) -> int:
    """Say what was done, as text or as the one JSON object."""
    if options.json:
        write_json(facts)
    else:
        sys.stdout.write(f"{text}\n")
    return 0


def _stats(options: argparse.Namespace, memory: SharedMemory) -> int:
    stats = memory.journal.stats().model_dump(mode="json")
    status = asyncio.run(memory.tend())
    index = status.model_dump(mode="json") if status else None
    lines = [f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in stats.items()]
    lines.append(f"index: {_index_line(status)}")
    return _told(options, "\n".join(lines), journal=stats, index=index)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    return str(value)


def _index_line(status: OwnerStatus | None) -> str:
    if status is None:
        return "not open (the first search opens it)"
    if status.state != "ready":
        return f"{status.state} {status.problem}".strip()
    line = f"{status.points} points of {status.embedder}, {status.pending} operations pending"
    return f"{line}; {status.problem}" if status.problem else line


def _verify(options: argparse.Namespace, memory: SharedMemory) -> int:
    problems = list(memory.journal.verify())
    status = asyncio.run(memory.tend())
    if status is not None and status.problem:
        problems.append(f"the index: {status.problem}")
    _told(options, "\n".join(problems) or "the memory is sound", problems=problems)
    return 1 if problems else 0


def _one(memory: SharedMemory, start: str) -> Stored:
    """Return the item with the id ``start``, else the only live one whose id begins with that."""
    if found := memory.journal.get([start]):
        return found[start]
    begin = start.lower()
    found = {one.id: one for one in memory.journal.live() if one.id.startswith(begin)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UsageError(f"{len(found)} items begin with {start!r}; give more of the id")
    raise UsageError(
        f"no live item has the id {start!r}; `mcp-local-llm recall` shows ids, and one that was "
        "forgotten needs its whole id"
    )


def _history(options: argparse.Namespace, memory: SharedMemory) -> int:
    stored = _one(memory, options.id)
    steps = memory.journal.history(stored.id)
    lines = [
        f"{step.seq}  {step.at:%Y-%m-%d %H:%M:%S}  {step.op}  {step.other[:8]}  "
        + short(str(step.payload.get("text") or step.payload))
        for step in steps
    ]
    rows = [step.model_dump(mode="json") for step in steps]
    return _told(options, "\n".join(lines), id=stored.id, state=stored.state, history=rows)


def _forget(options: argparse.Namespace, memory: SharedMemory) -> int:
    stored = _one(memory, options.id)
    memory.journal.forget(stored.id, options.reason)
    text = f"forgotten: {short(stored.item.text)}"
    return _told(options, text, id=stored.id, state="deleted")


def _mark(options: argparse.Namespace, memory: SharedMemory) -> int:
    seq = memory.journal.mark(options.name)
    return _told(options, f"marked {options.name!r}", name=options.name, seq=seq)


def _return_to(options: argparse.Namespace, memory: SharedMemory) -> int:
    before = memory.journal.last_seq
    after = memory.journal.return_to(options.name)
    changed = after - before
    text = f"as it was at {options.name!r}: {changed} changes were made; nothing was erased"
    return _told(options, text, name=options.name, changes=changed)


def _export(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.transfer import export

    with _opened(options.file, "wb") as stream:
        count = export(memory.journal, stream)
    return _told(options, f"exported {count} lines", lines=count, file=str(options.file))


def _import(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.transfer import import_

    with _opened(options.file, "rb") as stream:
        done = import_(memory.journal, stream)
    text = f"{done.lines} lines were read, {done.added} were new"
    return _told(options, text, file=str(options.file), **done.model_dump(mode="json"))


def _opened(path: Path, mode: Literal["rb", "wb"]) -> BinaryIO:
    try:
        return path.open(mode)
    except OSError as error:
        raise UsageError(f"cannot open {str(path)!r} ({error.strerror}); name another") from error


def _backup(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.transfer import backup

    backup(memory.journal, options.file)
    return _told(options, f"backed up to {options.file}", file=str(options.file))


def _restore(options: argparse.Namespace) -> int:
    from agents.home import state_home
    from agents.shared_memory import tend_index
    from memory.layout import journal_path
    from memory.transfer import restore

    home = state_home()
    asyncio.run(tend_index(home, "release"))  # the next search opens what stands there then
    kept = restore(options.file, journal_path(home / "memory"))
    text = f"restored from {options.file}" + (f"; the old journal is {kept}" if kept else "")
    return _told(options, text, file=str(options.file), kept=str(kept) if kept else None)


def _rebuild(options: argparse.Namespace, memory: SharedMemory) -> int:
    asyncio.run(_ready(memory))
    asyncio.run(memory.tend("rebuild"))
    status = asyncio.run(_caught_up(memory))
    text = f"the index was made anew: {_index_line(status)}"
    return _told(options, text, index=status.model_dump(mode="json"))


def _compact(options: argparse.Namespace, memory: SharedMemory) -> int:
    done = memory.journal.compact(purge=options.purge)
    text = f"{done.before_bytes} bytes became {done.after_bytes}"
    return _told(options, text, **done.model_dump(mode="json"))


def _move(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.move import move, progress_path
    from memory.server_index import ServerIndex

    asyncio.run(_ready(memory))
    status = asyncio.run(_caught_up(memory))
    target = ServerIndex(options.url, options.collection, status.dimension)
    moved = move(
        memory.journal,
        status.embedder,
        target,
        progress_path(memory.home / "memory", options.url, options.collection),
        report=_progress,
    )
    problems = "; ".join(moved.problems)
    text = f"{moved.items} items are there, {moved.sampled} were searched for"
    _told(options, f"{text}; {problems}" if problems else text, **moved.model_dump(mode="json"))
    return 1 if problems else 0


def _progress(done: int, last: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {last}")


async def _ready(memory: SharedMemory) -> OwnerStatus:
    """Have the index opened, by a resident process that is started where there is none.

    Raises:
        StoreUnavailable: it cannot be opened, or not in time.
    """
    from agents.lease import start_resident

    deadline = time.monotonic() + _OPEN_S
    started = False
    while time.monotonic() < deadline:
        status = await memory.tend()
        if status is None and not started:
            start_resident(memory.home)
            started = True
        if status and status.state == "ready":
            return status
        if status and status.state == "failed":
            raise StoreUnavailable(f"the index cannot be opened: {status.problem}")
        await asyncio.sleep(_POLL_S)
    log = memory.home / "logs" / "resident.log"
    raise StoreUnavailable(f"the index was not opened in {_OPEN_S:g} s; see {str(log)!r}")


async def _caught_up(memory: SharedMemory) -> OwnerStatus:
    """Wait until the index shows the whole journal, however long that takes."""
    while (status := await _ready(memory)).pending:
        if status.problem:
            raise StoreUnavailable(status.problem)
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{status.pending} operations to index ")
        await asyncio.sleep(_POLL_S)
    return status
