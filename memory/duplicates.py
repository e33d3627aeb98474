"""What the memory holds twice: the same words in several places, and linked near copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from memory.entries import Stored
from memory.journal import NEAR, Journal
from memory.records import Kind, Record, Where

_INDEXED = frozenset({Kind.CODE, Kind.DOCUMENT})
_SHORTEST = 40  # characters: a heading alone stands in many files


class Copies(Record):
    """Items that say the same (``same``) or almost the same (``near``), and where they stand."""

    relation: str
    ids: tuple[str, ...]
    places: tuple[str, ...]
    text: str


class Duplicates(Record):
    """How many items were looked at, and the first groups of copies among ``groups``."""

    looked_at: int
    groups: int
    shown: tuple[Copies, ...]


def duplicates(journal: Journal, where: Where, limit: int) -> Duplicates:
    """Return what is there more than once; words count, apart from case and white space.

    Of indexed files the pieces are compared without the line that says where they are from. Reads
    every item that ``where`` names. Items of the same kind, scope and words are one from the
    beginning; see ``Item.id``.
    """
    same: dict[str, list[Stored]] = defaultdict(list)
    looked_at, told = 0, list[Stored]()
    for stored in journal.live(where):
        looked_at += 1
        words = _words(stored)
        if len(words) >= _SHORTEST or stored.item.kind not in _INDEXED:
            same[words].append(stored)
        if stored.item.kind not in _INDEXED:
            told.append(stored)
    groups = [_copies("same", group) for group in same.values() if len(group) > 1]
    groups += _near(journal, told)
    return Duplicates(looked_at=looked_at, groups=len(groups), shown=tuple(groups[:limit]))


def _words(stored: Stored) -> str:
    text = stored.item.text
    if stored.item.kind in _INDEXED:
        _, _, text = text.partition("\n")
    return " ".join(text.split()).casefold()


def _near(journal: Journal, told: Iterable[Stored]) -> list[Copies]:
    known = {stored.id: stored for stored in told}
    pairs = {
        tuple(sorted((stored.id, other)))
        for stored in known.values()
        for other, relation in journal.links(stored.id)
        if relation == NEAR and other in known
    }
    return [_copies(NEAR, [known[id] for id in pair]) for pair in sorted(pairs)]


def _copies(relation: str, group: list[Stored]) -> Copies:
    return Copies(
        relation=relation,
        ids=tuple(stored.id[:8] for stored in group),
        places=tuple(_place(stored) for stored in group),
        text=" ".join(group[0].item.text.split())[:200],
    )


def _place(stored: Stored) -> str:
    item = stored.item
    return str(item.data.get("path") or item.scope or item.provenance.where or item.kind)
