"""From the journal to a Qdrant server: what ``mcp-local-llm memory move`` does.

The journal stays the truth and stays where it is; its live items are replayed to the server.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from memory.catch_up import Position, Replay, VectorSource, cached_vectors, read_position
from memory.chunks import CHUNKER
from memory.entries import Change
from memory.index import Index
from memory.journal import Journal
from memory.records import Record, Where

_SAMPLE: Final = 50  # items that are searched for after the move
_NEAREST: Final = 10  # among these an item is found by its own vector
_SAME: Final = 0.999  # cosine of copies: with more than ten of them, any will do
_LAYOUT: Final = "server-1"
_PAGE: Final = 512


class Moved(Record):
    """How a move ended; it is good when there are no ``problems``."""

    items: int
    points: int
    sampled: int
    problems: tuple[str, ...] = ()


def progress_path(folder: Path, url: str, collection: str) -> Path:
    """Return the file below ``folder`` that says how far the move to that collection is."""
    name = hashlib.blake2b(f"{url}\0{collection}".encode(), digest_size=8).hexdigest()
    return folder / f"move-{name}.json"


def move(
    journal: Journal,
    model: str,
    target: Index,
    progress: Path,
    *,
    report: Callable[[int, int], None] = lambda done, last: None,
) -> Moved:
    """Replay ``journal`` to ``target`` with the vectors of ``model`` that it keeps, and verify.

    ``report`` is told the journal's position reached and its last one. Stopped at any moment, the
    same call goes on where it was; called again later, it brings what has changed since. A target
    that has been emptied is filled from the start.

    Verified are the number of points (more than ours are allowed: others may use the collection)
    and that a sample of items is found by their own vectors.

    Raises:
        StoreUnavailable: journal, disk or server fail, or an item has never been embedded.
    """
    source = cached_vectors(journal, model)
    start = reached(journal, model, target, progress)
    replay = Replay(journal, target, source, path=progress, start=start)
    while replay.step():
        report(replay.applied, journal.last_seq)
    report(replay.applied, journal.last_seq)
    return _verified(journal, source, target, replay.applied)


def reached(journal: Journal, model: str, target: Index, progress: Path) -> Position:
    """Return the position of ``journal`` that ``target`` shows: the start when that is in doubt."""
    start = Position(journal=journal.identity, embedder=model, chunker=CHUNKER, layout=_LAYOUT)
    before = read_position(progress)
    if before and before.is_like(start) and before.seq <= journal.last_seq and target.count():
        return before
    return start


def _verified(journal: Journal, source: VectorSource, target: Index, until: int) -> Moved:
    items = expected = 0
    sample: list[Change] = []
    chosen = random.Random(0)  # noqa: S311 - the same sample each time
    for changes in _live(journal, until):
        expected += sum(len(windows) for windows in source([change.item for change in changes]))
        for change in changes:  # each item is in the sample with the same chance
            items += 1
            if len(sample) < _SAMPLE:
                sample.append(change)
            elif (place := chosen.randrange(items)) < _SAMPLE:
                sample[place] = change
    there = target.count()
    missing = [change.id for change in sample if not _found(change, source, target)]
    problems = [f"{one} is not found by its own vector" for one in missing]
    if there < expected:
        problems.insert(0, f"{expected} points were sent and {there} are there")
    return Moved(items=items, points=there, sampled=len(sample), problems=tuple(problems))


def _live(journal: Journal, until: int) -> Iterator[list[Change]]:
    """Yield what is live, leaving out what was written after ``until``."""
    after = 0
    while changes := journal.changes(after, _PAGE):
        yield [change for change in changes if change.state == "live" and change.seq <= until]
        after = changes[-1].seq


def _found(change: Change, source: VectorSource, target: Index) -> bool:
    [windows] = source([change.item])
    where = Where(project=change.item.project, kinds=(change.item.kind,))
    hits = target.by_meaning(windows[0], where, _NEAREST)
    return any(hit.item == change.id for hit in hits) or (
        len(hits) == _NEAREST and hits[-1].score > _SAME
    )
