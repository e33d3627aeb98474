"""The index's seam: points over the journal's items, searched by meaning and by words.

Whatever implements it is disposable: it can be rebuilt from the journal at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mcp_local_llm import StoreUnavailable
from memory.records import Where

Dense = NDArray[np.float32]  # (dimension,), of length 1


@dataclass(frozen=True, slots=True)
class Sparse:
    """Weights of hashed words; ``indices`` are unsigned 32-bit, without repeats."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """One window of one item. A long item has several windows, with one item id."""

    item: str
    window: int
    dense: Dense
    sparse: Sparse
    project: str
    kind: str
    scope: str
    status: str
    level: str
    at: float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class Hit:
    """An item found, by its best window; a higher ``score`` is nearer."""

    item: str
    score: float


class NoRoom(StoreUnavailable):
    """The disk is too full to write to the index; searching goes on."""


class Index(Protocol):
    """Points that can be searched. Methods block and are not safe to call from two threads.

    Every method raises StoreUnavailable when the engine fails; those that write raise NoRoom while
    the disk is too full.
    """

    @property
    def dimension(self) -> int:
        """Components of a dense vector."""
        ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Add ``points``, in place of those of the same item and window."""
        ...

    def delete(self, items: Iterable[str]) -> None:
        """Remove all points of ``items``; unknown ones are ignored."""
        ...

    def by_meaning(self, vector: Dense, where: Where, limit: int) -> list[Hit]:
        """Return the nearest items by cosine, best first, each once."""
        ...

    def by_meanings(self, vectors: Sequence[Dense], where: Where, limit: int) -> list[list[Hit]]:
        """Return what ``by_meaning`` does for each of ``vectors``, in less time than one by one.

        Where items have many windows near a vector, there may be fewer than ``limit`` for it.
        """
        ...

    def by_words(self, words: Sparse, where: Where, limit: int) -> list[Hit]:
        """Return the items that share the weightiest words (idf over the index), best first."""
        ...

    def count(self) -> int:
        """Return the number of points."""
        ...

    def flush(self) -> None:
        """Make everything so far durable."""
        ...

    def close(self) -> None:
        """Flush and let go of the engine."""
        ...
