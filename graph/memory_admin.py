"""The command ``mcp-local-llm memory``: look after journal and index, and take things back."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from graph.console import here, run_command, short, told
from graph.memory_cli import one_item
from graph.memory_index import MOVE_ARGUMENTS, index_line, move, rebuild
from graph.teach_cli import FORGET_ARGUMENTS, forget_items
from mcp_local_llm import UsageError
from memory.records import Status
from memory.secrets import refuse_secrets

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.entries import Stored

_NAMED: Final = 10  # lines that are named by their numbers
_TELLING: Final = ("status", "relation", "reason", "name")  # of an operation's payload

Action = Callable[[argparse.Namespace, "SharedMemory"], int]
Argument = tuple[str, dict[str, Any]]


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm memory``; exit codes as in ``graph.memory_cli``."""
    return run_command(_command_parser(), argv, _dispatched)


def _command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm memory", description="Look after what is remembered."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (text, action, arguments) in _COMMANDS.items():
        one = commands.add_parser(name, help=text, description=text)
        for flag, options in arguments:
            one.add_argument(flag, **options)
        one.add_argument("--json", action="store_true", help="one JSON object on stdout")
        one.set_defaults(action=action)
    return parser


def _dispatched(options: argparse.Namespace) -> int:
    if options.action is None:  # restore: nobody may have the journal open, this process neither
        return _restore(options)
    with here() as memory:
        action: Action = options.action
        return action(options, memory)


def _stats(options: argparse.Namespace, memory: SharedMemory) -> int:
    stats = memory.journal.stats().model_dump(mode="json")
    status = asyncio.run(memory.tend())
    index = status.model_dump(mode="json") if status else None
    lines = [f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in stats.items()]
    place = status.index if status and status.state == "ready" else _named(memory)
    lines.append(f"index: {place or 'embedded'}: {index_line(status)}")
    return told(options, "\n".join(lines), journal=stats, server=place or None, index=index)


def _named(memory: SharedMemory) -> str:
    """Return the server that the next opening will use, empty for the embedded index."""
    from memory.layout import memory_folder
    from memory.place import read_place

    return str(read_place(memory_folder(memory.home)) or "")


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    return str(value)


def _verify(options: argparse.Namespace, memory: SharedMemory) -> int:
    problems = list(memory.journal.verify())
    status = asyncio.run(memory.tend())
    if status is not None and status.problem:
        problems.append(f"the index: {status.problem}")
    told(options, "\n".join(problems) or "the memory is sound", problems=problems)
    return 1 if problems else 0


def _history(options: argparse.Namespace, memory: SharedMemory) -> int:
    stored = one_item(memory, options.id)
    steps = memory.journal.history(stored.id)
    peers = [step.id if step.other == stored.id else step.other for step in steps]
    known = memory.journal.get(filter(None, peers))
    lines, rows = [], []
    for step, peer in zip(steps, peers, strict=True):
        row = step.model_dump(mode="json")
        said = [str(step.payload.get("text") or _said(step.payload))]
        if peer:
            row["other_text"] = _text_of(known.get(peer))
            said.append(row["other_text"] or "(forgotten)")
        told_so = short(": ".join(filter(None, said)))
        lines.append(f"{step.seq}  {step.at:%Y-%m-%d %H:%M:%S}  {step.op}  {peer[:8]}  {told_so}")
        rows.append(row)
    shown = "\n".join(line.rstrip() for line in lines)
    return told(options, shown, id=stored.id, state=stored.state, history=rows)


def _text_of(stored: Stored | None) -> str | None:
    """Return what an item says; None when it was forgotten."""
    return stored.item.text if stored and stored.state != "deleted" else None


def _said(payload: Mapping[str, object]) -> str:
    return ", ".join(str(payload[name]) for name in _TELLING if payload.get(name))


def _confirm(options: argparse.Namespace, memory: SharedMemory) -> int:
    return _judged(options, memory, Status.VALIDATED, "confirmed")


def _reject(options: argparse.Namespace, memory: SharedMemory) -> int:
    return _judged(options, memory, Status.REJECTED, "rejected")


def _judged(options: argparse.Namespace, memory: SharedMemory, status: Status, done: str) -> int:
    stored = one_item(memory, options.id)
    refuse_secrets(options.reason)
    memory.journal.set_status(stored.id, status, options.reason)
    text = f"{done} {stored.id[:8]}: {short(stored.item.text)}"
    return told(options, text, id=stored.id, status=status.value)


def _mark(options: argparse.Namespace, memory: SharedMemory) -> int:
    if not options.name:
        marks = memory.journal.marks()
        lines = [f"{seq}  {name}" for name, seq in sorted(marks.items(), key=lambda one: one[1])]
        return told(options, "\n".join(lines) or "there are no marks", marks=marks)
    refuse_secrets(options.name)
    moved = options.name in memory.journal.marks()
    seq = memory.journal.mark(options.name)
    text = f"marked {options.name!r}" + (" anew; it no longer stands for the past" if moved else "")
    return told(options, text, name=options.name, seq=seq)


def _return_to(options: argparse.Namespace, memory: SharedMemory) -> int:
    before = memory.journal.last_seq
    after = memory.journal.return_to(options.name)
    changed = after - before
    text = f"as it was at {options.name!r} (changes made: {changed}); nothing was erased"
    return told(options, text, name=options.name, changes=changed)


def _export(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.transfer import export, export_file

    if str(options.file) == "-":
        export(memory.journal, sys.stdout.buffer)
        return 0
    count = export_file(memory.journal, options.file, replace=options.force)
    return told(options, f"exported {count} lines", lines=count, file=str(options.file))


def _import(options: argparse.Namespace, memory: SharedMemory) -> int:
    from graph.index_cli import progress
    from memory.transfer import import_

    with _opened(options.file) as stream, progress("importing", sys.stderr) as tell:
        size = os.fstat(stream.fileno()).st_size
        done = import_(memory.journal, stream, lambda read: tell(read, max(read, size)))
    text = f"{done.lines} lines were read, {done.added} were new"
    told(options, text, file=str(options.file), **done.model_dump(mode="json"))
    if done.secrets:
        sys.stderr.write(
            f"left out, since they hold what looks like a secret: {_numbered(done.secrets)}; say "
            "where a secret is found instead of what it is, then import again\n"
        )
    if done.unknown:
        sys.stderr.write(f"left out, since they are about these: {_numbered(done.unknown)}\n")
    return 1 if done.secrets else 0


def _numbered(lines: Sequence[int]) -> str:
    """Return how many lines there are, and the numbers of the first."""
    named = ", ".join(map(str, lines[:_NAMED]))
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return f"{len(lines)} of the lines ({named}{more})"


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot open {str(path)!r} ({error.strerror}); name another") from error


def _backup(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.transfer import backup

    backup(memory.journal, options.file, replace=options.force)
    return told(options, f"backed up to {options.file}", file=str(options.file))


def _restore(options: argparse.Namespace) -> int:
    from agents.capture.rule_file import refresh_all
    from agents.home import state_home
    from agents.shared_memory import tend_index
    from memory.layout import journal_path, memory_folder
    from memory.transfer import restore

    home = state_home()
    if not options.file.is_file():  # known before anything is closed for it
        raise UsageError(f"there is no back-up {str(options.file)!r}")
    asyncio.run(tend_index(home, "release"))  # the next search opens what stands there then
    kept = restore(options.file, journal_path(memory_folder(home)))
    with here() as memory:
        refresh_all(Path.cwd(), memory)
    text = f"restored from {options.file}" + (f"; the old journal is {kept}" if kept else "")
    return told(options, text, file=str(options.file), kept=str(kept) if kept else None)


def _compact(options: argparse.Namespace, memory: SharedMemory) -> int:
    done = memory.journal.compact(purge=options.purge)
    purged = f", {done.purged} forgotten texts were erased" if options.purge else ""
    text = f"{done.before_bytes:,} bytes became {done.after_bytes:,}{purged}"
    return told(options, text, **done.model_dump(mode="json"))


_FILE: Final[Argument] = ("file", {"type": Path, "metavar": "FILE"})
_OUT: Final[Argument] = (
    "file",
    {"type": Path, "metavar": "FILE", "help": "- is standard output"},
)
_FORCE: Final[Argument] = (
    "--force",
    {"action": "store_true", "help": "replace the file when it exists"},
)
_ITEM: Final[Argument] = ("id", {"metavar": "ID", "help": "an id, or its first characters"})
_REASON: Final[Argument] = ("--reason", {"default": "", "help": "kept with the history"})
_MARK: Final[Argument] = ("name", {"metavar": "NAME"})
_MARK_OR_NONE: Final[Argument] = ("name", {"metavar": "NAME", "nargs": "?", "default": ""})
_PURGE: Final[Argument] = (
    "--purge",
    {"action": "store_true", "help": "erase forgotten texts from the history too"},
)
# name: (help, what is done with the open memory, arguments)
_COMMANDS: Final[dict[str, tuple[str, Action | None, Sequence[Argument]]]] = {
    "stats": ("count what is remembered and say how the index is", _stats, ()),
    "verify": ("check journal and index; ends with 1 when something is wrong", _verify, ()),
    "history": ("show everything that happened to an item", _history, (_ITEM,)),
    "forget": ("erase items for good, as `mcp-local-llm forget`", forget_items, FORGET_ARGUMENTS),
    "confirm": (
        "say that an item is right; it is preferred slightly",
        _confirm,
        (_ITEM, _REASON),
    ),
    "reject": (
        "say that an item is wrong; it is not recalled any more",
        _reject,
        (_ITEM, _REASON),
    ),
    "mark": (
        "give the present state a name; without one, list the names there are",
        _mark,
        (_MARK_OR_NONE,),
    ),
    "return-to": (
        "make what is recalled be as it was at a mark; nothing is erased",
        _return_to,
        (_MARK,),
    ),
    "export": ("write everything as readable JSON lines", _export, (_OUT, _FORCE)),
    "import": ("read what export wrote; lines that hold secrets are left out", _import, (_FILE,)),
    "backup": ("copy the journal, in use or not", _backup, (_FILE, _FORCE)),
    "restore": ("put a back-up in the journal's place; the replaced one is kept", None, (_FILE,)),
    "rebuild": ("throw the index away and make it anew from the journal", rebuild, ()),
    "compact": ("give unused space back", _compact, (_PURGE,)),
    "move": (
        "fill a Qdrant server's collection from the journal and use it from then on",
        move,
        MOVE_ARGUMENTS,
    ),
}
