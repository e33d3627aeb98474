"""Appending to the journal: transactions, and the one way in which an operation gets in."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic_core import PydanticSerializationError

from mcp_local_llm import UsageError
from memory import erasure, lookup, replay
from memory.entries import PURGED, Action, Stored
from memory.private import private_folder
from memory.records import Item, Kind, Status
from memory.replay import Entry, dumped
from memory.schema import hold, prepared, translated, tune


class Ledger:
    """An open journal file and what every change to it goes through."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Open the journal at ``path``, which is created (for this user alone) or migrated.

        ``clock`` gives seconds since the epoch; order never depends on it.
        """
        self.path = path
        self._clock = clock
        self._turn = threading.RLock()
        with translated(path):
            private_folder(path.parent)
            self._held = hold(path, fcntl.LOCK_SH)  # nobody may replace the file meanwhile
            try:
                self._connection = prepared(path)
            except BaseException:
                os.close(self._held)
                raise

    def __enter__(self) -> Self:
        """Return itself; it is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let go of the file; closing again does nothing."""
        with self._turn, translated(self.path):
            self._connection.close()
            if self._held >= 0:
                os.close(self._held)
                self._held = -1

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give one caller at a time the connection."""
        with self._turn, translated(self.path), _unicode():
            yield self._connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; commit at the end, or change nothing when it raises.

        ``durable`` waits until the disk has this and everything before it.
        """
        with self.read() as connection:
            if durable:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
            finally:
                if durable:
                    connection.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def in_bulk(self) -> Iterator[None]:
        """Expect many writes: disk and cache are used for throughput, each write stays as safe."""
        with self.read() as connection:
            tune(connection, in_bulk=True)
        try:
            yield
        finally:
            with self.read() as connection:
                tune(connection, in_bulk=False)

    def append(
        self,
        op: Action,
        id: str = "",
        other: str = "",
        payload: str = "",
        *,
        item: Item | None = None,
        at: int | None = None,
    ) -> int:
        """Append one operation and carry it out, within ``write``; return its position."""
        at = int(self._clock() * 1e6) if at is None else at
        seq = (
            self._connection.execute(
                "INSERT INTO op (at, op, id, other, payload) VALUES (?, ?, ?, ?, ?)",
                (at, op, id, other, payload),
            ).lastrowid
            or 0
        )
        replay.apply(self._connection, Entry(seq, at, op, id, other, payload), item)
        return seq

    def put_item(self, item: Item) -> int:
        """Append ``item`` within ``write`` unless it is live and the same; return its position.

        What a model relays does not take the place of the same, typed by the user; nor does what
        nobody typed bring back the same words, rejected.
        """
        if not item.text.strip():
            raise UsageError("there is nothing to remember: the text is blank")
        id, payload = item.id, item.model_dump_json()
        row = self._connection.execute(
            "SELECT item.seq, payload, status FROM item JOIN op ON op.seq = put "
            "WHERE item.id = ? AND state = 'live'",
            (id,),
        ).fetchone()
        if row and (row[1] == payload or _stays(Item.model_validate_json(row[1]), row[2], item)):
            return int(row[0])
        return self.append("put", id, payload=payload, item=item)

    def erase_one(self, id: str, item: Item, reason: str, at: int | None = None) -> None:
        """Erase ``id``, which says ``item``, within ``write``; see memory/erasure.py."""
        erasure.erase_item(self._connection, id)
        self.append("erase", id, payload=erasure.erased_payload(item, reason), at=at)

    def known(self, id: str) -> Stored:
        """Return item ``id``; ``UsageError`` when it was never put."""
        found = lookup.by_id(self._connection, [id])
        if id not in found:
            raise UsageError(f"the memory holds no item {id!r}; `mcp-local-llm recall` shows ids")
        return found[id]

    def last(self) -> int:
        """Return the position of the last operation."""
        (seq,) = self._connection.execute("SELECT coalesce(max(seq), 0) FROM op").fetchone()
        return int(seq)

    def undo(self, now: Stored, past: sqlite3.Connection, reason: str) -> None:
        """Append what makes the item ``now`` what the scratch database ``past`` says it was."""
        row = past.execute(
            "SELECT put, state, superseded_by, reason, status FROM item WHERE id = ?", (now.id,)
        ).fetchone()
        put, state, successor, why, status = row or (0, "deleted", None, reason, "")
        item = None if state == "deleted" else self._said(put)
        if item is None:
            if now.state != "deleted":
                self.append("forget", now.id, payload=dumped(reason=reason))
            return
        then = item.model_copy(update={"status": Status(status)})
        if (now.item, now.state, now.superseded_by) == (then, state, successor):
            return
        self.append("put", now.id, payload=item.model_dump_json(), item=item)
        if item.status != status:
            self.append("status", now.id, payload=dumped(status=status, reason=reason))
        if successor:
            self.append("supersede", now.id, successor, dumped(reason=why))

    def _said(self, put: int) -> Item | None:
        """Return what operation ``put`` said, or None when it was purged."""
        row = self._connection.execute("SELECT payload FROM op WHERE seq = ?", (put,)).fetchone()
        item = Item.model_validate_json(row[0])
        return None if item.text == PURGED else item


def _stays(held: Item, status: str, item: Item) -> bool:
    """Say whether ``held`` is not written anew when ``item``, of the same id, is said."""
    if held == item:
        return True
    if item.is_typed or item.kind is Kind.PRESERVATION:  # of a contract the last word counts
        return False
    is_rejected = status == Status.REJECTED and not item.key  # what has a key may say other words
    return is_rejected or (held.is_typed and item.provenance.source == "relayed")


@contextmanager
def _unicode() -> Iterator[None]:
    """Turn text that UTF-8 cannot hold into UsageError."""
    try:
        yield
    except (UnicodeEncodeError, PydanticSerializationError) as error:
        raise UsageError(
            f"a text cannot be stored, because half a character is in it ({error}); decode it with "
            'errors="replace" first'
        ) from error
