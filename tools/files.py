"""The ``fs.*`` tools: reading, listing and the five kinds of edit."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from mcp_local_llm import ToolRetry
from tools.arguments import attributes, body_of, no_body
from tools.context import ToolContext
from tools.edits import Edit, FileChange, draft_edits
from tools.preserve.guard import BreaksContract
from tools.textfile import MAX_BYTES, decode, split_lines
from tools.tree import visible_files
from tools.wire import ToolCall

MAX_READ_CHARS: Final = 40_000
MAX_LISTED: Final = 300
_RANGE: Final = re.compile(r"(\d{1,9})(?:\s*-\s*(\d{1,9}))?$")


async def fs_read(call: ToolCall, context: ToolContext) -> str:
    """Return the text of ``path``, or of its ``lines="10-40"``, as it stands in the file.

    Raises :class:`ToolRetry` for a missing, binary, too large or unknown file or range.
    """
    no_body(call)
    args = attributes(call, ("path",), ("lines",))
    data = await asyncio.to_thread(context.jail.read_bytes, args["path"], limit=MAX_BYTES + 1)
    lines = split_lines(decode(data, args["path"]).content)
    first, last = _range(args["lines"], len(lines), args["path"])
    shown: list[str] = []
    size = 0
    for line in lines[first - 1 : last]:
        size += len(line)
        if size > MAX_READ_CHARS and shown:
            break
        shown.append(line[:MAX_READ_CHARS])
    stop = first - 1 + len(shown)
    text = "".join(shown).replace("\r\n", "\n")
    if not lines:
        return f"({args['path']} is empty)"
    if stop < last:
        text += f'(lines {first}-{stop} of {len(lines)}; go on with lines="{stop + 1}-{last}")\n'
    return text


def _range(text: str, count: int, path: str) -> tuple[int, int]:
    if not text:
        return 1, count
    found = _RANGE.match(text.strip())
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= first <= min(last, count):
        raise ToolRetry(
            f"lines={text!r} does not fit {path!r}, which has {count} lines; "
            f'write lines="1-{count}".'
        )
    return first, min(last, count)


async def fs_list(call: ToolCall, context: ToolContext) -> str:
    """Return the files below ``path`` (default: all), one a line, ignored ones left out."""
    no_body(call)
    rel = attributes(call, (), ("path",))["path"] or "."
    return await asyncio.to_thread(_listing, rel, context)


def _listing(rel: str, context: ToolContext) -> str:
    if not context.jail.exists(rel):
        raise ToolRetry(f"There is no folder {rel!r}; list the workspace with fs.list alone.")
    files = list(islice(visible_files(context.jail, rel), MAX_LISTED + 1))
    if not files:
        return f"(no files below {rel})"
    more = f"\n(more than {MAX_LISTED} files; list a folder)" if len(files) > MAX_LISTED else ""
    return "\n".join(files[:MAX_LISTED]) + more


def plan_write(call: ToolCall) -> Edit:
    """Read an ``fs.write`` call: the body becomes the whole file."""
    path = attributes(call, ("path",))["path"]
    return Edit(path=path, kind="write", text=body_of(call))


def plan_append(call: ToolCall) -> Edit:
    """Read an ``fs.append`` call: the body goes to the end of the file."""
    path = attributes(call, ("path",))["path"]
    return Edit(path=path, kind="append", text=body_of(call))


def plan_edit(call: ToolCall) -> Edit:
    """Read an ``fs.edit`` call: a symbol's new definition, or SEARCH/REPLACE blocks."""
    args = attributes(call, ("path",), ("symbol",))
    kind = "symbol" if "symbol" in call.args else "search_replace"
    if kind == "symbol" and not args["symbol"].strip():
        raise ToolRetry('symbol="" names nothing; write symbol="name" or leave it out.')
    if kind == "symbol":
        return Edit(path=args["path"], kind="symbol", text=body_of(call), symbol=args["symbol"])
    return Edit(path=args["path"], kind="search_replace", text=body_of(call))


def plan_delete(call: ToolCall) -> Edit:
    """Read an ``fs.delete`` call."""
    no_body(call)
    return Edit(path=attributes(call, ("path",))["path"], kind="delete")


async def edit_files(edits: Sequence[Edit], context: ToolContext) -> tuple[FileChange, ...]:
    """Apply ``edits`` together and return, for each edit, what became of its file.

    Works away from the event loop; raises what :func:`apply_edits` raises, and
    :class:`BreaksContract` when they would change what must not change: nothing is written then.
    """
    jail = context.jail
    drafted = await asyncio.to_thread(draft_edits, jail, tuple(edits))
    if context.guard and (broken := await context.guard.of_writes(drafted.contents)):
        raise BreaksContract(broken)
    changes = await asyncio.to_thread(drafted.write)
    by_path = {jail.root / change.path: change for change in changes}
    return tuple([by_path[await asyncio.to_thread(jail.resolve, edit.path)] for edit in edits])


def told(change: FileChange) -> str:
    """Return one line saying what became of a file."""
    notes = f" ({'; '.join(change.notes)})" if change.notes else ""
    return f"{change.kind} {change.path}{notes}"
