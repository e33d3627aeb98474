"""What each operation means: from the journal's lines to the tables that are asked.

The same function runs when an operation is appended and when the journal is replayed, so the
tables can be rebuilt, and compared with a replay, at any time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Final, NamedTuple

from pydantic import JsonValue, ValidationError

from memory.entries import PURGED, Action, Operation
from memory.records import Item, Status
from memory.schema import DERIVED, statements
from memory.sparse import joined_parts

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MAX_PROBLEMS: Final = 20
_COLUMNS: Final = (
    "id, put, seq, created, updated, state, superseded_by, reason, project, kind, scope, status, "
    "level, path, hash"
)
_PUT: Final = f"""
INSERT INTO item ({_COLUMNS})
VALUES (?, ?, ?, ?, ?, 'live', NULL, '', ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET put = excluded.put, seq = excluded.seq, updated = excluded.updated,
  state = 'live', superseded_by = NULL, reason = '', scope = excluded.scope,
  status = excluded.status, level = excluded.level, path = excluded.path, hash = excluded.hash
RETURNING n
"""  # noqa: S608 - column names of our own


class Entry(NamedTuple):
    """An operation as the table ``op`` holds it; ``at`` in microseconds since the epoch."""

    seq: int
    at: int
    op: Action
    id: str = ""
    other: str = ""
    payload: str = ""

    def operation(self) -> Operation:
        """Return the same for readers."""
        fields = self._asdict() | {"at": moment(self.at), "payload": json.loads(self.payload)}
        return Operation.model_validate(fields)


def moment(microseconds: int) -> datetime:
    """Return the time that the journal keeps as ``microseconds`` since the epoch."""
    return _EPOCH + timedelta(microseconds=microseconds)


def microseconds(at: datetime) -> int:
    """Return how the journal keeps ``at``; without a time zone it means UTC."""
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND


def content_hash(text: str) -> str:
    """Return what a text's vectors are kept under: 32 hex digits of BLAKE2b over UTF-8."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def dumped(**fields: JsonValue) -> str:
    """Return the payload of an operation that is no ``put``."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def blank(payload: str) -> str:
    """Return the ``put`` payload without what was said; what filters look at stays."""
    item = Item.model_validate_json(payload)
    kept = item.model_dump(include={"kind", "project", "scope", "status", "level"})
    return Item(text=PURGED, **kept).model_dump_json()


def path_of(item: Item) -> str:
    """Return the file that an indexed item is a part of, else nothing."""
    path = item.data.get("path")
    return path if item.provenance.source == "index" and isinstance(path, str) else ""


def apply(connection: sqlite3.Connection, entry: Entry, item: Item | None = None) -> None:
    """Carry ``entry`` out on the derived tables; ``item`` spares parsing a ``put``'s payload."""
    if entry.op == "put":
        _put(connection, entry, item or Item.model_validate_json(entry.payload))
    elif entry.op == "link":
        relation = json.loads(entry.payload)["relation"]
        connection.execute(
            "INSERT OR IGNORE INTO link VALUES (?, ?, ?)", (entry.id, entry.other, relation)
        )
    elif entry.op == "status":
        said = json.loads(entry.payload)
        connection.execute(
            "UPDATE item SET status = ?, reason = ?, seq = ?, updated = ? WHERE id = ?",
            (Status(said["status"]), said["reason"], entry.seq, entry.at, entry.id),
        )
    elif entry.op == "erase":
        said = item or Item.model_validate_json(entry.payload)
        _put(connection, entry, said)
        _retire(connection, entry, str(said.data["reason"]))
    elif entry.op != "mark":
        _retire(connection, entry, json.loads(entry.payload)["reason"])


def _put(connection: sqlite3.Connection, entry: Entry, item: Item) -> None:
    row = (
        *(entry.id, entry.seq, entry.seq, entry.at, entry.at),
        *(item.project, item.kind, item.scope, item.status, item.level, path_of(item)),
        content_hash(item.text),
    )
    (n,) = connection.execute(_PUT, row).fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO word (rowid, text, parts) VALUES (?, ?, ?)",
        (n, item.text, joined_parts(item.text)),
    )


def _retire(connection: sqlite3.Connection, entry: Entry, reason: str) -> None:
    state = "superseded" if entry.op == "supersede" else "deleted"
    connection.execute(
        "UPDATE item SET state = ?, superseded_by = ?, reason = ?, seq = ?, updated = ? "
        "WHERE id = ?",
        (state, entry.other or None, reason, entry.seq, entry.at, entry.id),
    )
    connection.execute(
        "DELETE FROM word WHERE rowid = (SELECT n FROM item WHERE id = ?)", (entry.id,)
    )


def replayed(entries: Iterable[Entry]) -> sqlite3.Connection:
    """Return a scratch database (in a temporary file) that holds what ``entries`` lead to.

    Raises:
        ValueError: an operation cannot be read; the message names it.
    """
    scratch = sqlite3.connect("", isolation_level=None)
    try:
        scratch.execute("PRAGMA cache_size = -32000")
        for statement in statements(DERIVED):
            scratch.execute(statement)
        scratch.execute("BEGIN")
        for entry in entries:
            _replay(scratch, entry)
        scratch.execute("COMMIT")
    except BaseException:
        scratch.close()
        raise
    return scratch


def _replay(scratch: sqlite3.Connection, entry: Entry) -> None:
    try:
        apply(scratch, entry)
    except (ValidationError, ValueError, KeyError) as error:
        raise ValueError(f"operation {entry.seq} ({entry.op}) cannot be read") from error


def rebuild(connection: sqlite3.Connection) -> None:
    """Make the derived tables anew from the operations, within the caller's transaction."""
    for table in ("item", "link", "word"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - three names of our own
    for entry in entries(connection):
        _replay(connection, entry)


def entries(
    connection: sqlite3.Connection, condition: str = "1", *values: object
) -> Iterator[Entry]:
    """Yield the operations that meet ``condition`` (SQL of ours), oldest first."""
    rows = connection.execute(
        f"SELECT seq, at, op, id, other, payload FROM op WHERE {condition} "  # noqa: S608
        "ORDER BY seq",
        values,
    )
    return map(Entry._make, rows)


def problems(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Say what is wrong with an opened journal, up to twenty things; nothing when it is sound.

    Checks SQLite's own structures, the word index, and that the derived tables equal a replay of
    the operations. Takes as long as writing everything again.
    """
    try:
        found = [
            f"SQLite: {line}"
            for (line,) in connection.execute(f"PRAGMA integrity_check({_MAX_PROBLEMS})")
            if line != "ok"
        ]
        if not found:
            connection.execute("BEGIN IMMEDIATE")  # what is compared must not change meanwhile
            try:
                connection.execute("INSERT INTO word (word, rank) VALUES ('integrity-check', 1)")
                found += _differences(connection)
            finally:
                connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        raise  # busy or not readable: says nothing about the content
    except sqlite3.DatabaseError as error:
        found = [f"SQLite: {error}"]
    return tuple(found[:_MAX_PROBLEMS])


def _differences(connection: sqlite3.Connection) -> list[str]:
    try:
        scratch = replayed(entries(connection))
    except ValueError as error:
        return [str(error)]
    queries = {
        "item": f"SELECT {_COLUMNS} FROM item ORDER BY id",  # noqa: S608
        "link": "SELECT one, other, relation FROM link ORDER BY one, other, relation",
        "word": "SELECT id, text, parts FROM word LEFT JOIN item ON n = word.rowid ORDER BY id",
    }
    found: list[str] = []
    try:
        for table, query in queries.items():
            pairs = zip_longest(connection.execute(query), scratch.execute(query))
            differing = next(((held, said) for held, said in pairs if held != said), None)
            if differing:
                held, said = map(_brief, differing)
                found.append(f"table {table}: {held} is not what the operations say: {said}")
    finally:
        scratch.close()
    return found


def _brief(row: tuple[object, ...] | None) -> str:
    return "nothing" if row is None else ", ".join(str(value)[:40] for value in row)
