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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from pydantic import ValidationError

from mcp_local_llm import StoreUnavailable, UsageError
from memory.entries import PURGED, Operation
from memory.journal import Journal
from memory.private import private_folder
from memory.records import Item, Record, Status
from memory.replay import blank, entries, microseconds, problems
from memory.schema import check_version, connect, hold, migrate, renew_identity, translated
from memory.secrets import holds_secret

_NO_BACKUP: Final = "name a file that `mcp-local-llm memory backup` wrote"
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
    "put": Item, "erase": Item, "supersede": _Reason, "forget": _Reason, "status": _Confirmed,
    "link": _Relation, "mark": _Name,
}  # fmt: skip


class _Line(NamedTuple):
    number: int
    said: Record  # an item, or an operation's payload
    operation: Operation | None  # None: a bare item
    is_secret: bool

    def ids(self) -> set[str]:
        """Return the items that the line is about."""
        if self.operation is not None:
            return {self.operation.id, self.operation.other} - {""}
        return {self.said.id} if isinstance(self.said, Item) else set()


class Imported(Record):
    """How many lines were read, and how many operations were new.

    ``secrets`` are the numbers of the lines that were left out since they hold what looks like a
    secret, ``unknown`` of those left out since they are about what only such lines say.
    """

    lines: int
    added: int
    secrets: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()


def backup(journal: Journal, target: Path, *, replace: bool = False) -> None:
    """Write all of ``journal`` to the file ``target``, and check it; writers go on meanwhile.

    The file gets its name when it is whole: one that is replaced stays until then.

    Raises:
        UsageError: ``target`` exists and ``replace`` does not say so, or its folder does not.
        StoreUnavailable: it cannot be written, or the journal is not sound.
    """
    _check_target(journal, target, replace)
    with _copied(journal.path, target) as (copy, part):
        _refuse_broken(copy, journal.path, "`mcp-local-llm memory verify` says more")
        copy.close()
        with translated(target):
            part.replace(target)


def _check_target(journal: Journal, target: Path, replace: bool) -> None:
    """Raise ``UsageError`` unless ``target`` may be written."""
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {str(target.parent)!r}; make it, or name another")
    if target.is_dir():
        raise UsageError(f"{str(target)!r} is a folder; name a file in it")
    if target.resolve().is_relative_to(journal.path.parent.resolve()):
        raise UsageError(f"{str(target)!r} lies in the memory's own folder; name another place")
    if target.exists() and not replace:
        raise UsageError(f"{str(target)!r} exists already; name a new file, or give --force")


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
        private_folder(path.parent)
    with _copied(source, path, _NO_BACKUP) as (copy, part):
        _refuse_broken(copy, source, "name another back-up")
        renew_identity(copy)
        copy.close()
        with translated(path), _nobody_else(path):
            kept = _set_aside(path)
            part.replace(path)
    return kept


@contextlib.contextmanager
def _copied(
    source: Path, target: Path, advice: str = ""
) -> Iterator[tuple[sqlite3.Connection, Path]]:
    """Copy a journal to a file beside ``target``; yield it open, with its name.

    ``advice`` is what to do when ``source`` cannot be read.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with translated(target):
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            copy = connect(part)
        with contextlib.closing(copy):
            with translated(source, advice):
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
        found: tuple[str, ...] = ("it is empty",)
        if check_version(copy, source):
            migrate(copy, source)
            found = problems(copy)
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


def export_file(journal: Journal, target: Path, *, replace: bool = False) -> int:
    """Export to the file ``target`` as ``export`` does; return how many lines there are.

    The file gets its name when it is whole. What is no file, such as a pipe, is written to.

    Raises:
        UsageError: ``target`` exists and ``replace`` does not say so, or its folder does not.
        StoreUnavailable: it cannot be written.
    """
    is_device = target.exists() and not target.is_file()
    _check_target(journal, target, replace or is_device)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if is_device:
            with target.open("wb") as stream:
                return export(journal, stream)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as stream:
            count = export(journal, stream)
        part.replace(target)
        return count
    except OSError as error:
        raise StoreUnavailable(
            f"the export to {str(target)!r} is not complete ({error.strerror}); free some space "
            "there, or name another file"
        ) from error
    finally:
        if not is_device:
            part.unlink(missing_ok=True)


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


def import_(
    journal: Journal, stream: BinaryIO, tell: Callable[[int], None] = lambda _: None
) -> Imported:
    """Append what ``stream`` says, line by line: operations as exported, or bare items.

    Lines that hold what looks like a secret are left out. What is there already is not repeated, so
    an import that was cut short is simply run again. Memory use does not grow with the stream.
    ``tell`` is called with the number of bytes read so far.

    Raises:
        UsageError: a line is bad; the message names it and says why. Lines before it may be in
            already.
    """
    importer = _Importer(journal)
    read = 0
    with journal.in_bulk():
        for number, line in enumerate(_lines(stream), start=1):
            read += len(line)
            if line.strip():
                importer.take(line, number)
            if importer.is_full:
                importer.append()
                tell(read)
        importer.append()
    return importer.done()


class _Importer:
    """Lines on their way into the journal, a batch at a time."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._batch: list[_Line] = []
        self._lines = self._added = 0
        self._secrets: list[int] = []
        self._unknown: list[int] = []
        self._refused: set[str] = set()  # ids of items that some line with a secret is about

    @property
    def is_full(self) -> bool:
        return len(self._batch) == _BATCH

    def take(self, line: bytes, number: int) -> None:
        self._lines += 1
        one = _parsed(line, number)
        if one.is_secret:
            self._secrets.append(number)
            self._refused |= one.ids()
        else:
            self._batch.append(one)

    def append(self) -> None:
        """Append what is not there yet in one transaction."""
        with self._journal.write() as connection:
            before = self._journal.last()
            for one in self._batch:
                with _blamed(one.number):
                    self._append(connection, one)
            self._added += self._journal.last() - before
        self._batch = []

    def done(self) -> Imported:
        return Imported(
            lines=self._lines,
            added=self._added,
            secrets=tuple(self._secrets),
            unknown=tuple(self._unknown),
        )

    def _append(self, connection: sqlite3.Connection, one: _Line) -> None:
        if one.operation is None:
            if isinstance(one.said, Item):
                self._journal.put_item(one.said)
        elif one.operation.op not in {"put", "erase"} and self._is_of_refused(one.ids()):
            self._unknown.append(one.number)
        else:
            _append(self._journal, connection, one.said, one.operation)

    def _is_of_refused(self, ids: set[str]) -> bool:
        """Say whether one of ``ids`` is not known since its text was left out."""
        suspect = ids & self._refused
        return bool(suspect) and len(self._journal.get(suspect)) < len(suspect)


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
            return _Line(number, Item.model_validate(fields), None, holds_secret(fields))
        operation = Operation.model_validate(fields)
        said = _PAYLOADS[operation.op].model_validate(operation.payload)
        if isinstance(said, Item) and operation.id != said.id and said.text != PURGED:
            raise ValueError(f"the id {operation.id!r} is not that of what was said ({said.id})")
        return _Line(number, said, operation, holds_secret(operation.payload))


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


def _append(
    journal: Journal, connection: sqlite3.Connection, said: Record, operation: Operation
) -> None:
    payload, at = said.model_dump_json(), microseconds(operation.at)
    known = connection.execute(
        "SELECT 1 FROM op WHERE (id = ?1 AND at = ?2 AND op = ?3 AND other = ?4 "
        "AND (op <> 'mark' OR payload = ?5)) OR (op = 'erase' AND at >= ?2 AND id IN (?1, ?4))",
        (operation.id, at, operation.op, operation.other, payload),
    ).fetchone()
    if known:  # or erased since
        return
    if operation.op not in {"put", "erase"}:
        for id in filter(None, (operation.id, operation.other)):
            journal.known(id)
    item = said if isinstance(said, Item) else None
    if item is not None and operation.op == "erase":
        journal.erase_one(operation.id, item, str(item.data.get("reason", "")), at=at)
        return
    journal.append(operation.op, operation.id, operation.other, payload, item=item, at=at)
