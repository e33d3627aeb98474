"""Text to vectors: the seam, and an embedder that needs no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Protocol
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_HASH_WINDOW: Final = 256  # tokens


class Embedder(Protocol):
    """A model that turns texts into vectors of length 1."""

    @property
    def name(self) -> str:
        """What identifies the vectors: model and revision. Another name means other vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text, shape (texts, dimension); a text past the limit is cut."""
        ...

    def windows(self, text: str) -> list[str]:
        """Split ``text`` into pieces that ``embed`` reads whole, at line ends where possible."""
        ...


class HashEmbedder:
    """Hashes words and their trigrams: the same everywhere, at once, and without a model.

    Texts that share words or stems are near each other; synonyms are not. It stands in for a model
    in tests and where no weights are to be had.
    """

    def __init__(self, dimension: int = 384) -> None:
        """Make vectors of ``dimension`` components."""
        self._dimension = dimension

    @property
    def name(self) -> str:
        """The scheme's version and the dimension."""
        return f"hash-1-{self._dimension}"

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        return self._dimension

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return one row per text; a text without words gets the first axis."""
        rows = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for feature in _features(text):
                code = crc32(feature.encode())
                row[code % self._dimension] += 1.0 if code & 0x8000_0000 else -1.0
            if not row.any():
                row[0] = 1.0
        return normalized(rows)

    def windows(self, text: str) -> list[str]:
        """Split ``text`` into pieces of at most 256 words and signs."""
        return cut(text, [found.start() for found in _TOKEN.finditer(text)], _HASH_WINDOW)


def _features(text: str) -> list[str]:
    words = [word.lower() for word in _TOKEN.findall(text) if word[0].isalnum()]
    return [
        *words,
        *(f"#{word[at:at + 3]}" for word in words if len(word) > 3 for at in range(len(word) - 2)),
    ]


def normalized(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``rows`` scaled to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def cut(text: str, starts: Sequence[int], limit: int) -> list[str]:
    """Split ``text`` into pieces of at most ``limit`` tokens, at a line end where one is near.

    ``starts`` holds, in order, the position of every token in ``text``; a token that can't be
    parted from the one before it repeats that one's position. The pieces joined are the text.
    """
    edges = [0]
    first = 0
    while len(starts) - first > limit:
        first = _edge(text, starts, first, first + limit)
        if starts[first] > edges[-1]:
            edges.append(starts[first])
    return [text[begin:end] for begin, end in pairwise([*edges, len(text)])]


def _edge(text: str, starts: Sequence[int], first: int, last: int) -> int:
    """Return the token in (first, last] to begin the next piece with."""
    for token in range(last, (first + last) // 2, -1):
        if "\n" in text[starts[token - 1] : starts[token]]:
            return token
    while last > first + 1 and starts[last] == starts[last - 1]:
        last -= 1
    return last
