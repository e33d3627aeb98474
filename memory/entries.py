"""What the journal tells: items with their state, operations, and figures about itself."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import Field, JsonValue

from memory.records import Item, Record, Status, Where
from memory.router import classify

State = Literal["live", "superseded", "deleted"]
Action = Literal["put", "supersede", "forget", "status", "link", "mark", "erase"]
PURGED: Final = "[purged]"  # stands in the history for a text that was erased on request


class Stored(Record):
    """An item as the journal knows it now. ``seq`` is the last operation that changed it.

    ``created`` and ``updated`` are what the clock said; order is told by ``seq`` alone.
    """

    id: str
    item: Item
    seq: int
    created: datetime
    updated: datetime
    state: State
    superseded_by: str | None = None
    reason: str = ""

    def may_answer(self, where: Where) -> bool:
        """Say whether it may be recalled: what no index narrows by.

        What was rejected is recalled only when a status is asked for.
        """
        is_rejected = self.item.status is Status.REJECTED
        is_wanted = self.state == "live" and (bool(where.statuses) or not is_rejected)
        return is_wanted and (where.about is None or where.about is classify(self.item.text))


class Change(Record):
    """What an index has to know about one item that was touched."""

    seq: int
    id: str
    state: State
    item: Item
    at: datetime


class Operation(Record):
    """One line of the journal: ``action`` on ``id`` (and ``other``), with what it says.

    ``payload`` is an item for ``put`` and ``erase`` (which says nothing any more), else the
    operation's reason, status, relation or name.
    """

    seq: int = Field(default=0, ge=0)
    at: datetime
    op: Action
    id: str = ""
    other: str = ""
    payload: dict[str, JsonValue] = Field(default_factory=dict)


class FileState(Record):
    """A file as it was when it was indexed. All -1 and empty: its state is not known (any more)."""

    size: int = -1
    mtime_ns: int = -1
    hash: str = ""


class JournalStats(Record):
    """Figures about a journal; ``kinds`` counts live items, ``size_bytes`` includes the WAL."""

    live: int
    superseded: int
    deleted: int
    operations: int
    links: int
    marks: int
    vectors: int
    files: int
    projects: int
    kinds: dict[str, int]
    last_seq: int
    size_bytes: int


class Compacted(Record):
    """What compacting did; sizes include the WAL."""

    before_bytes: int
    after_bytes: int
    vectors_dropped: int
    purged: int
