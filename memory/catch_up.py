"""From the journal to an index: in order, resumable, and the same however often it is repeated."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mcp_local_llm import StoreUnavailable
from memory.embedder import Embedder
from memory.entries import Change
from memory.index import Index, Point, Sparse
from memory.journal import Journal
from memory.records import Item, Kind, Record, Where
from memory.replay import content_hash
from memory.retrieval import NEAR
from memory.sparse import sparse

BATCH: Final = 64  # changes at a time, so that a search in between waits a moment only
_WINDOWS_AT_ONCE: Final = 32
_FLUSH_EVERY: Final = 16  # batches
_NEIGHBOURS: Final = 4  # that a new item is compared with
_NOTHING: Final = Sparse((), ())
# Code and documents repeat themselves by nature; of these, copies are worth knowing.
_LINKED: Final = frozenset(Kind) - {Kind.CODE, Kind.DOCUMENT, Kind.EPISODE}

Windows = NDArray[np.float32]  # (windows, dimension)
VectorSource = Callable[[Sequence[Item]], list[Windows]]


class Position(Record):
    """How far an index shows a journal, and what it was made with; other makes are not mixed."""

    seq: int = 0
    journal: str
    embedder: str
    chunker: str
    layout: str

    def is_like(self, other: Position) -> bool:
        """Return whether both are of one journal and make."""
        return self.model_copy(update={"seq": other.seq}) == other

    def write(self, path: Path) -> None:
        """Write to ``path`` in one piece."""
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            fresh.write_text(self.model_dump_json(), encoding="utf-8")
            fresh.replace(path)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write {str(path)!r} ({error.strerror}); free some space there"
            ) from error


def read_position(path: Path) -> Position | None:
    """Return what ``path`` says, or None when it is missing or says nothing of use."""
    try:
        return Position.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


class Replay:
    """Brings ``index`` to the journal's state, step by step.

    Killed at any moment, the next one goes on from the last position written and repeats a few
    steps, which changes nothing.
    """

    def __init__(
        self,
        journal: Journal,
        index: Index,
        vectors: VectorSource,
        *,
        path: Path,
        start: Position,
        links: bool = False,
    ) -> None:
        """Go on from ``start``; ``links`` notes near-duplicates in the journal."""
        self._journal = journal
        self._index = index
        self._vectors = vectors
        self._path = path
        self._position = start
        self._links = links
        self._unsaved = 0

    @property
    def applied(self) -> int:
        """The journal's position that the index shows."""
        return self._position.seq

    def pending(self) -> int:
        """Return the number of operations since then."""
        return max(0, self._journal.last_seq - self.applied)

    def step(self) -> bool:
        """Apply some changes and return whether there are more.

        Raises:
            StoreUnavailable: journal, index or disk fail.
        """
        last = self._journal.last_seq  # before the changes are read: later ones are not in them
        if last <= self.applied:
            return False
        changes = self._journal.changes(self.applied, BATCH)
        more = len(changes) == BATCH
        self._apply(changes)
        reached = changes[-1].seq if changes else last
        self._position = self._position.model_copy(
            update={"seq": reached if more else max(last, reached)}
        )
        self._unsaved += 1
        if not more or self._unsaved >= _FLUSH_EVERY:
            self.save()
        return more

    def save(self) -> None:
        """Make everything so far durable, then the position."""
        self._index.flush()
        self._position.write(self._path)
        self._unsaved = 0

    def _apply(self, changes: Sequence[Change]) -> None:
        self._index.delete([change.id for change in changes])
        live = [change for change in changes if change.state == "live"]
        vectors = self._vectors([change.item for change in live])
        self._index.upsert(
            [
                _point(change, window, vector)
                for change, windows in zip(live, vectors, strict=True)
                for window, vector in enumerate(windows)
            ]
        )
        if self._links:
            for change, windows in zip(live, vectors, strict=True):
                self._link(change, windows)

    def _link(self, change: Change, windows: Windows) -> None:
        item = change.item
        if item.kind not in _LINKED or len(windows) != 1:
            return
        where = Where(project=item.project, kinds=(item.kind,))
        hits = self._index.by_meaning(windows[0], where, _NEIGHBOURS)
        near = [hit.item for hit in hits if hit.score >= NEAR and hit.item != change.id]
        for other in self._journal.get(near):  # a server may hold other journals' items too
            self._journal.link(change.id, other)


def _point(change: Change, window: int, vector: NDArray[np.float32]) -> Point:
    item = change.item
    return Point(
        item=change.id,
        window=window,
        dense=vector,
        # The words of the whole item, once: in every window they would look common.
        sparse=_NOTHING if window else sparse(item.text),
        project=item.project,
        kind=item.kind,
        scope=item.scope,
        status=item.status,
        level=item.level or "",
        at=change.at.timestamp(),
    )


def cached_vectors(journal: Journal, model: str) -> VectorSource:
    """Return a source of the vectors that the journal keeps; the model itself is not needed.

    It raises ``StoreUnavailable`` for a text that has never been embedded.
    """

    def vectors(items: Sequence[Item]) -> list[Windows]:
        hashes = [content_hash(item.text) for item in items]
        known = journal.vectors(hashes, model)
        if missing := [one for one in hashes if one not in known]:
            raise StoreUnavailable(
                f"{len(missing)} texts have no vectors yet; wait until `mcp-local-llm memory "
                "stats` shows no pending operations, then repeat the command"
            )
        return [known[one] for one in hashes]

    return vectors


def embedded_vectors(journal: Journal, embedder: Embedder) -> VectorSource:
    """Return a source that embeds what the journal has no vectors for, and keeps the new ones."""

    def vectors(items: Sequence[Item]) -> list[Windows]:
        texts = {content_hash(item.text): item.text for item in items}
        known = journal.vectors(list(texts), embedder.name)
        missing = {one: embedder.windows(text) for one, text in texts.items() if one not in known}
        if missing:
            fresh = _embedded(embedder, missing)
            journal.keep_vectors(embedder.name, fresh)
            known = {**known, **fresh}
        return [known[content_hash(item.text)] for item in items]

    return vectors


def _embedded(embedder: Embedder, texts: dict[str, list[str]]) -> dict[str, Windows]:
    """Return the vectors of each text's windows, embedded together."""
    windows = [window for pieces in texts.values() for window in pieces]
    starts = range(0, len(windows), _WINDOWS_AT_ONCE)
    rows = np.concatenate([embedder.embed(windows[at : at + _WINDOWS_AT_ONCE]) for at in starts])
    vectors: dict[str, Windows] = {}
    for key, pieces in texts.items():
        vectors[key], rows = rows[: len(pieces)], rows[len(pieces) :]
    return vectors
