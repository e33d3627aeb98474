"""From the journal to an index: in order, resumable, and the same however often it is repeated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mcp_local_llm import StoreUnavailable
from memory.embedding import Embedding
from memory.entries import Change
from memory.index import Dense, Index, Point, Sparse
from memory.journal import Journal
from memory.records import Item, Kind, Record, Where
from memory.replay import content_hash
from memory.retrieval import NEAR
from memory.sparse import sparse
from memory.whole_file import write_whole

BATCH: Final = 64  # changes read at a time
_PORTION: Final = 64_000  # characters applied at a time, so that a search waits a moment only
_POINTS: Final = 256  # of a long text, put at a time
_FLUSH_EVERY: Final = 16  # portions
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
        try:
            write_whole(path, self.model_dump_json())
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
        embed: Embedding = lambda _: iter(()),
        links: bool = False,
    ) -> None:
        """Go on from ``start``.

        ``embed`` makes what ``vectors`` then gives; ``links`` notes near-duplicates in the journal.
        """
        self._journal = journal
        self._index = index
        self._vectors = vectors
        self._embed = embed
        self._path = path
        self._position = start
        self._links = links
        self._unsaved = 0
        self._work: Generator[None, None, bool] | None = None

    @property
    def applied(self) -> int:
        """The journal's position that the index shows."""
        return self._position.seq

    @property
    def is_amid(self) -> bool:
        """Whether the last step began what takes several, such as a long text."""
        return self._work is not None

    def pending(self) -> int:
        """Return the number of operations since then."""
        return max(0, self._journal.last_seq - self.applied)

    def step(self) -> bool:
        """Do a share of the work, some tenths of a second, and return whether there is more.

        Raises:
            StoreUnavailable: journal, index or disk fail. The next step goes on from ``applied``.
        """
        work, self._work = self._work or self._batch(), None
        try:
            next(work)
        except StopIteration as end:
            return bool(end.value)
        self._work = work
        return True

    def save(self) -> None:
        """Make everything so far durable, then the position."""
        self._index.flush()
        self._position.write(self._path)
        self._unsaved = 0

    def _batch(self) -> Generator[None, None, bool]:
        """Apply some changes, pausing between shares; return whether there are more."""
        last = self._journal.last_seq  # before the changes are read: later ones are not in them
        if last <= self.applied:
            return False
        changes = self._journal.changes(self.applied, BATCH)
        more = len(changes) == BATCH
        for number, some in enumerate(_portions(changes)):
            if number:
                yield
            yield from self._apply(some)
            self._reached(some[-1].seq)
        if not more:
            self._reached(max(last, self.applied))
            self.save()
        return more

    def _reached(self, seq: int) -> None:
        self._position = self._position.model_copy(update={"seq": seq})
        self._unsaved += 1
        if self._unsaved >= _FLUSH_EVERY:
            self.save()

    def _apply(self, changes: Sequence[Change]) -> Iterator[None]:
        live = [change for change in changes if change.state == "live"]
        items = [change.item for change in live]
        yield from self._embed(items)
        self._index.delete([change.id for change in changes])
        vectors = self._vectors(items)
        points = [
            (change, window, vector)
            for change, windows in zip(live, vectors, strict=True)
            for window, vector in enumerate(windows)
        ]
        for start in range(0, len(points), _POINTS):
            if start:
                yield
            self._index.upsert([_point(*one) for one in points[start : start + _POINTS]])
        if self._links:
            self._link(
                [
                    (change, windows[0])
                    for change, windows in zip(live, vectors, strict=True)
                    if change.item.kind in _LINKED and len(windows) == 1
                ]
            )

    def _link(self, items: Sequence[tuple[Change, Dense]]) -> None:
        groups: defaultdict[Where, list[tuple[Change, Dense]]] = defaultdict(list)
        for change, vector in items:
            groups[Where(project=change.item.project, kinds=(change.item.kind,))].append(
                (change, vector)
            )
        near = [
            (change.id, hit.item)
            for where, group in groups.items()
            for (change, _), hits in zip(
                group,
                self._index.by_meanings([vector for _, vector in group], where, _NEIGHBOURS),
                strict=True,
            )
            for hit in hits
            if hit.score >= NEAR and hit.item != change.id
        ]
        known = self._journal.get({other for _, other in near})  # a server may hold others' too
        for one, other in near:
            if other in known:
                self._journal.link(one, other)


def _portions(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Split ``changes`` so that a portion has some thousand words, or one long text."""
    start = size = 0
    for at, change in enumerate(changes):
        if at > start and size + len(change.item.text) > _PORTION:
            yield changes[start:at]
            start, size = at, 0
        size += len(change.item.text)
    if changes:
        yield changes[start:]


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
