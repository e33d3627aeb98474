"""What ``mcp-local-llm memory`` does to the index: make it anew, or have it on a Qdrant server."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import told
from mcp_local_llm import LocalLLMError, StoreUnavailable, UsageError
from memory.records import OwnerStatus

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.place import ServerPlace

MOVE_ARGUMENTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("url", {"metavar": "URL", "nargs": "?", "default": ""}),
    ("--collection", {"default": "mcp-local-llm", "metavar": "NAME"}),
    (
        "--api-key-env",
        {"default": "", "metavar": "NAME", "help": "the variable that holds the API key"},
    ),
    (
        "--api-key-file",
        {"default": "", "metavar": "FILE", "help": "or the file, of mode 0600"},
    ),
    (
        "--option",
        {
            "action": "append",
            "default": [],
            "metavar": "NAME=JSON",
            "help": "for creating the collection, such as shard_number=3; may be repeated",
        },
    ),
    ("--embedded", {"action": "store_true", "help": "use the embedded index again"}),
)
"""Names and settings of what ``move`` reads from the command line."""

_POLL_S: Final = 0.2
_OPEN_S: Final = 120.0  # for the embedding model to be loaded


def index_line(status: OwnerStatus | None) -> str:
    """Return how the index is, for people; None is one that nobody has open."""
    if status is None:
        return "not open (the first search opens it)"
    if status.state != "ready":
        return f"{status.state} {status.problem}".strip()
    line = f"{status.points} points of {status.embedder}, {status.pending} operations pending"
    return f"{line}; {status.problem}" if status.problem else line


def rebuild(options: argparse.Namespace, memory: SharedMemory) -> int:
    """Make the index anew from the journal and wait until it is."""
    asyncio.run(_ready(memory))
    asyncio.run(memory.tend("rebuild"))
    status = asyncio.run(_caught_up(memory))
    text = f"the index was made anew: {index_line(status)}"
    return told(options, text, index=status.model_dump(mode="json"))


def move(options: argparse.Namespace, memory: SharedMemory) -> int:
    """Fill a server's collection and use it once that is verified; or use the embedded one again.

    Where the server cannot be opened by the index's owner, all stays as it was.
    """
    from memory.move import move as fill
    from memory.move import progress_path
    from memory.place import write_place
    from memory.server_index import open_place

    if options.embedded:
        return _move_back(options, memory)
    place = _place(options)
    place.api_key()  # before anything is opened
    folder = memory.home / "memory"
    status = asyncio.run(_caught_up(memory))
    with closing(open_place(place, status.dimension)) as target:
        progress = progress_path(folder, place.url, place.collection)
        moved = fill(memory.journal, status.embedder, target, progress, report=_progress)
    facts = moved.model_dump(mode="json")
    text = f"{moved.items} items are there, {moved.sampled} were searched for"
    if moved.problems:
        told(options, f"{text}; not used: {'; '.join(moved.problems)}", used=False, **facts)
        return 1
    before = _read_or_none(folder)
    write_place(folder, place)
    try:
        asyncio.run(_reopened(memory, place))
    except LocalLLMError:
        write_place(folder, before)
        asyncio.run(memory.tend("release"))
        raise
    return told(options, f"{text}; it is used from now on: {place}", used=True, **facts)


def _move_back(options: argparse.Namespace, memory: SharedMemory) -> int:
    from memory.place import write_place

    if options.url:
        raise UsageError("--embedded takes no URL; give one or the other")
    write_place(memory.home / "memory", None)
    asyncio.run(memory.tend("release"))  # the next search opens the embedded one
    text = "the embedded index is used again; what is on the server stays there"
    return told(options, text, used=False)


def _place(options: argparse.Namespace) -> ServerPlace:
    """Return the server that ``options`` name; ``UsageError`` when they don't name one."""
    from memory.place import ServerPlace

    if not options.url:
        raise UsageError("give the URL of a Qdrant server, or --embedded to go back")
    if not options.collection:
        raise UsageError("--collection is empty; name one")
    place = ServerPlace(
        url=options.url,
        collection=options.collection,
        api_key_env=options.api_key_env,
        api_key_file=str(Path(options.api_key_file).resolve()) if options.api_key_file else "",
        options=dict(map(_option, options.option)),
    )
    place.check()
    return place


def _option(text: str) -> tuple[str, Any]:
    name, given, value = text.partition("=")
    try:
        if name and given:
            return name, json.loads(value)
    except ValueError:
        pass
    raise UsageError(
        f"--option {text!r} is not NAME=JSON; write it as shard_number=3 or on_disk_payload=true"
    )


def _read_or_none(folder: Path) -> ServerPlace | None:
    from memory.place import read_place

    try:
        return read_place(folder)
    except StoreUnavailable:  # it is being replaced
        return None


async def _reopened(memory: SharedMemory, place: ServerPlace) -> None:
    """Have the index opened anew, which is on ``place`` then.

    A resident process that was started without the key's variable is ended, unless it has models.
    """
    from agents.lease import resident_status, stop_resident

    await memory.tend("release")
    status = await resident_status(memory.home)
    if place.api_key_env and status and not status.servers:
        await stop_resident(memory.home)
    await _ready(memory)


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
