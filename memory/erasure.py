"""Erasing what was said, for good: from the operations and from everything made of them.

What stays of an item is one operation that says that it was erased, with the item's id. The id is
a hash of the content: it tells nothing to who does not know the content already. The index is told
by that operation; it holds vectors and no text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

from mcp_local_llm import StoreUnavailable
from memory.entries import PURGED
from memory.records import Item
from memory.replay import content_hash, dumped, entries

_SHORTEST: Final = (
    8  # characters of a text that is looked for elsewhere: shorter ones stand everywhere
)
_READING_MS: Final = 5_000  # who reads for longer than this is not waited for


def is_erased(connection: sqlite3.Connection, id: str) -> bool:
    """Say whether ``id`` was erased and not said again since."""
    query = "SELECT 1 FROM item JOIN op ON op.seq = put WHERE item.id = ? AND op = 'erase'"
    return connection.execute(query, (id,)).fetchone() is not None


def erased_payload(item: Item, reason: str) -> str:
    """Return what the operation says that stays of ``item``."""
    kept = item.model_dump(include={"kind", "project"})
    return Item(text=PURGED, data={"reason": reason}, **kept).model_dump_json()


def scrub(connection: sqlite3.Connection) -> None:
    """Write the file anew, outside any transaction, so that no page and no log holds what is gone.

    Raises:
        StoreUnavailable: somebody reads all the time, so that the log could not be cut.
    """
    connection.execute("VACUUM")
    ((waiting,),) = connection.execute("PRAGMA busy_timeout").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {_READING_MS}")  # meanwhile nobody writes
    try:
        busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {waiting}")
    if busy:
        raise StoreUnavailable(
            "what is erased is in no answer any more, but another process reads the journal all "
            "the time, so that its log still holds the words; end that process, then run "
            "`mcp-local-llm memory compact`"
        )


def erase_item(connection: sqlite3.Connection, id: str) -> None:
    """Take every trace of ``id`` out of the tables, within the caller's transaction.

    The caller then appends the operation that says so. Others that ``id`` replaced or was replaced
    by stay as they are, but for the reasons, which may quote it.
    """
    versions = [
        Item.model_validate_json(entry.payload)
        for entry in entries(connection, "id = ? AND op IN ('put', 'erase')", id)
    ]
    connection.execute("DELETE FROM word WHERE rowid = (SELECT n FROM item WHERE id = ?)", (id,))
    connection.execute("DELETE FROM item WHERE id = ?", (id,))
    connection.execute("DELETE FROM link WHERE one = ?1 OR other = ?1", (id,))
    connection.execute("DELETE FROM op WHERE id = ?1 OR (op = 'link' AND other = ?1)", (id,))
    silent = dumped(reason="")
    connection.execute("UPDATE op SET payload = ? WHERE other = ?", (silent, id))
    connection.execute("UPDATE item SET reason = '' WHERE superseded_by = ?", (id,))
    connection.execute(
        "UPDATE signal SET evidence = '{}' WHERE EXISTS (SELECT 1 FROM stage WHERE item = ? "
        "AND json_extract(stage.evidence, '$.key') IN (signal.key, signal.target))",
        (id,),
    )  # what was felt about the turn that the item was learnt from stays, without its words
    connection.execute("DELETE FROM stage WHERE item = ?", (id,))
    for hash in {content_hash(item.text) for item in versions}:
        connection.execute("DELETE FROM vector WHERE hash = ?", (hash,))
    for text in {text for item in versions for text in _texts([item.text, item.data])}:
        _silence(connection, text)


def _texts(value: JsonValue) -> Iterator[str]:
    """Yield the texts in ``value`` that are long enough to be told from others."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str) and len(value.strip()) >= _SHORTEST:
        yield value.strip()


def _silence(connection: sqlite3.Connection, text: str) -> None:
    """Empty the evidence and the reasons that quote ``text``."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    for table in ("signal", "stage"):
        connection.execute(
            f"UPDATE {table} SET evidence = '{{}}' WHERE instr(evidence, ?)",  # noqa: S608
            (quoted,),
        )
    connection.execute(
        "UPDATE op SET payload = json_set(payload, '$.reason', '') "
        "WHERE op IN ('supersede', 'forget', 'status') "
        "AND instr(json_extract(payload, '$.reason'), ?)",
        (text,),
    )
    connection.execute("UPDATE item SET reason = '' WHERE instr(reason, ?)", (text,))
