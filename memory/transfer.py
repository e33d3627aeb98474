"""Carrying the journal elsewhere: back-ups of the file, and readable JSON lines.

A back-up is one SQLite file with everything in it. An export is one JSON object per operation,
without the words of forgotten items and without caches.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from pydantic import ValidationError

from mcp_local_llm import StoreUnavailable, UsageError
from memory.entries import PURGED, Operation
from memory.journal import Journal
from memory.records import Item, Record, Status
from memory.replay import blank, entries, microseconds, problems
from memory.schema import check_version, connect, hold, renew_identity, translated

_LINE_LIMIT_BYTES: Final = 16 * 2**20  # a text of the longest kind, every character escaped
_BATCH: Final = 500  # lines per transaction: other writers get their turn in between


class _Reason(Record):
    reason: str = ""


class _Confirmed(Record):
    status: Status
    reason: str = ""


class _Relation(Record):
    relation: str


class _Name(Record):
    name: str


_PAYLOADS: Final[dict[str, type[Record]]] = {
    "put": Item, "supersede": _Reason, "forget": _Reason, "status": _Confirmed,
    "link": _Relation, "mark": _Name,
}  # fmt: skip


class _Line(NamedTuple):
    number: int
    said: Record  # an item, or an operation's payload
    operation: Operation | None  # None: a bare item


class Imported(Record):
    """How many lines were read, and how many operations were new."""

    lines: int
    added: int


def backup(journal: Journal, target: Path) -> None:
    """Write all of ``journal`` to the new file ``target``, and check it; writers go on meanwhile.

    Raises:
        UsageError: ``target`` exists, or its folder does not.
        StoreUnavailable: it cannot be written, or the journal is not sound.
    """
    if target.exists():
        raise UsageError(f"{str(target)!r} exists already; name a new file for the back-up")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {str(target.parent)!r}; make it, or name another")
    with _copied(journal.path, target) as (copy, part):
        _refuse_broken(copy, journal.path, "`mcp-local-llm memory verify` says more")
        copy.close()
        with translated(target):
            part.replace(target)


def restore(source: Path, path: Path) -> Path | None:
    """Put the back-up ``source`` in the place of the journal at ``path``.

    The replaced journal is kept beside it; its new name is returned (None: there was none). The
    restored one has a new identity, so that indices know that they are stale.

    Raises:
        UsageError: there is no ``source``.
        StoreUnavailable: ``source`` is no sound journal, a process has the journal at ``path``
            open, or the disk does not play along. Then ``path`` is as it was.
    """
    if not source.is_file():
        raise UsageError(f"there is no back-up {str(source)!r}")
    with translated(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _copied(source, path) as (copy, part):
        _refuse_broken(copy, source, "name another back-up")
        renew_identity(copy)
        copy.close()
        with translated(path), _nobody_else(path):
            kept = _set_aside(path)
            part.replace(path)
    return kept


@contextlib.contextmanager
def _copied(source: Path, target: Path) -> Iterator[tuple[sqlite3.Connection, Path]]:
    """Copy a journal to a file beside ``target``; yield it open, with its name."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with translated(target):
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            copy = connect(part)
        with contextlib.closing(copy):
            with translated(source):
                original = sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)
                with contextlib.closing(original):
                    original.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, complete in itself
                copy.execute("PRAGMA synchronous = FULL")
            yield copy, part
    finally:
        part.unlink(missing_ok=True)


def _refuse_broken(copy: sqlite3.Connection, source: Path, advice: str) -> None:
    with translated(source):
        found = problems(copy) if check_version(copy, source) else ("it is empty",)
    if found:
        raise StoreUnavailable(
            f"the journal {str(source)!r} is not sound ({found[0]}; {len(found)} in all); {advice}"
        )


@contextlib.contextmanager
def _nobody_else(path: Path) -> Iterator[None]:
    try:
        lock = hold(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreUnavailable(
            f"the memory {str(path)!r} is in use; end the commands and editors that use it, then "
            "restore again"
        ) from error
    try:
        yield
    finally:
        os.close(lock)


def _set_aside(path: Path) -> Path | None:
    """Give the journal's file a second name; its WAL must not meet another file."""
    if not path.exists():
        return None
    with contextlib.suppress(sqlite3.Error), contextlib.closing(connect(path)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
    for suffix in ("-wal", "-shm"):  # left over where the file is damaged
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + suffix))
    kept.hardlink_to(path)
    return kept


def export(journal: Journal, stream: BinaryIO) -> int:
    """Write every operation to ``stream`` as one JSON line; return how many there were.

    What forgotten items said is left out. The lines are one consistent state, however long it
    takes and whoever writes meanwhile.
    """
    count = 0
    for line in _exported(journal):
        stream.write(line + b"\n")
        count += 1
    return count


def _exported(journal: Journal) -> Iterator[bytes]:
    with translated(journal.path), contextlib.closing(connect(journal.path)) as connection:
        connection.execute("BEGIN")
        forgotten = {
            id for (id,) in connection.execute("SELECT id FROM item WHERE state = 'deleted'")
        }
        for entry in entries(connection):
            if entry.op == "put" and entry.id in forgotten:
                entry = entry._replace(payload=blank(entry.payload))
            yield entry.operation().model_dump_json(exclude_defaults=True).encode()


def import_(journal: Journal, stream: BinaryIO) -> Imported:
    """Append what ``stream`` says, line by line: operations as exported, or bare items.

    What is there already is not repeated, so an import that was cut short is simply run again.
    Memory use does not grow with the stream.

    Raises:
        UsageError: a line is bad; the message names it and says why. Lines before it may be in
            already.
    """
    lines = added = 0
    batch: list[_Line] = []
    for number, line in enumerate(_lines(stream), start=1):
        if line.strip():
            batch.append(_parsed(line, number))
            lines += 1
        if len(batch) == _BATCH:
            added += _append_all(journal, batch)
            batch = []
    return Imported(lines=lines, added=added + _append_all(journal, batch))


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(_LINE_LIMIT_BYTES):
        yield line


def _parsed(line: bytes, number: int) -> _Line:
    with _blamed(number):
        if len(line) == _LINE_LIMIT_BYTES and not line.endswith(b"\n"):
            raise ValueError(f"it is longer than {_LINE_LIMIT_BYTES} bytes")
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise ValueError("it is no JSON object")
        if "op" not in fields:
            return _Line(number, Item.model_validate(fields), None)
        operation = Operation.model_validate(fields)
        said = _PAYLOADS[operation.op].model_validate(operation.payload)
        if isinstance(said, Item) and operation.id != said.id and said.text != PURGED:
            raise ValueError(f"the id {operation.id!r} is not that of what was said ({said.id})")
        return _Line(number, said, operation)


@contextlib.contextmanager
def _blamed(number: int) -> Iterator[None]:
    """Turn what is wrong with a line into UsageError."""
    try:
        yield
    except (ValueError, RecursionError, UsageError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False, include_input=False)[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        raise UsageError(
            f"line {number} cannot be imported: {reason}; mend it and import again (what is in the "
            "memory already is not repeated)"
        ) from error


def _append_all(journal: Journal, batch: list[_Line]) -> int:
    """Append what is not there yet in one transaction; return how much that was."""
    with journal.write() as connection:
        before = journal.last()
        for number, said, operation in batch:
            with _blamed(number):
                if operation is not None:
                    _append(journal, connection, said, operation)
                elif isinstance(said, Item):
                    journal.put_item(said)
        return journal.last() - before


def _append(
    journal: Journal, connection: sqlite3.Connection, said: Record, operation: Operation
) -> None:
    payload, at = said.model_dump_json(), microseconds(operation.at)
    known = connection.execute(
        "SELECT 1 FROM op WHERE id = ? AND at = ? AND op = ? AND other = ? "
        "AND (op <> 'mark' OR payload = ?)",
        (operation.id, at, operation.op, operation.other, payload),
    ).fetchone()
    if known:
        return
    for id in {operation.id, operation.other} - {""} if operation.op != "put" else ():
        journal.known(id)
    item = said if isinstance(said, Item) else None
    journal.append(operation.op, operation.id, operation.other, payload, item=item, at=at)
