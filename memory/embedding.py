"""Vectors for the journal's texts, made a share at a time so that searches get their turn.

A long text is embedded over many shares. Until it is whole, each of its windows is kept as a text
of its own: so a process that ends in between repeats one share at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memory.embedder import Embedder
from memory.index import Dense
from memory.journal import Journal
from memory.records import Item
from memory.replay import content_hash

SHARE: Final = 2_000
"""Characters embedded at a time: two windows, some tenths of a second on one core."""

SECTION: Final = 32_000
"""Characters that windows are cut from at a time; cutting those of a megabyte takes a second."""

Embedding = Callable[[Sequence[Item]], Iterator[None]]


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    of: str  # hash of the whole text
    is_last: bool


def embedding(journal: Journal, embedder: Embedder) -> Embedding:
    """Return what brings the vectors of items into ``journal``, pausing between two shares.

    What was embedded before is not embedded again. It raises StoreUnavailable when the journal
    cannot be written; shares before are kept.
    """

    def embed(items: Sequence[Item]) -> Iterator[None]:
        texts = {content_hash(item.text): item.text for item in items}
        known = journal.vectors(list(texts), embedder.name)
        missing = {key: text for key, text in texts.items() if key not in known}
        begun: defaultdict[str, list[Dense]] = defaultdict(list)
        for number, share in enumerate(_shares(_pieces(embedder, missing))):
            if number:
                yield
            rows = _rows(journal, embedder, [piece.text for piece in share])
            journal.keep_vectors(embedder.name, _kept(share, rows, begun))

    return embed


def _kept(
    share: Sequence[_Piece], rows: Sequence[Dense], begun: dict[str, list[Dense]]
) -> dict[str, NDArray[np.float32]]:
    """Move what is whole out of ``begun``; return it with this share's windows of what is not."""
    whole: dict[str, NDArray[np.float32]] = {}
    for piece, row in zip(share, rows, strict=True):
        begun[piece.of].append(row)
        if piece.is_last:
            whole[piece.of] = np.stack(begun.pop(piece.of))
    windows = {
        content_hash(piece.text): row[None]
        for piece, row in zip(share, rows, strict=True)
        if piece.of in begun
    }
    return windows | whole


def _rows(journal: Journal, embedder: Embedder, windows: Sequence[str]) -> list[Dense]:
    texts = {content_hash(window): window for window in windows}
    kept = journal.vectors(list(texts), embedder.name)
    known = {key: rows[0] for key, rows in kept.items() if len(rows) == 1}
    missing = [key for key in texts if key not in known]
    if missing:
        fresh = embedder.embed([texts[key] for key in missing])
        known.update(zip(missing, fresh, strict=True))
    return [known[content_hash(window)] for window in windows]


def _shares(pieces: Iterator[_Piece]) -> Iterator[list[_Piece]]:
    share: list[_Piece] = []
    size = 0
    for piece in pieces:
        if share and size + len(piece.text) > SHARE:
            yield share
            share, size = [], 0
        share.append(piece)
        size += len(piece.text)
    if share:
        yield share


def _pieces(embedder: Embedder, texts: Mapping[str, str]) -> Iterator[_Piece]:
    for key, text in texts.items():
        sections = _sections(text)
        for at, section in enumerate(sections, 1):
            windows = embedder.windows(section)
            for number, window in enumerate(windows, 1):
                is_last = at == len(sections) and number == len(windows)
                yield _Piece(window, key, is_last)


def _sections(text: str) -> list[str]:
    """Split ``text``, at line ends where there are some."""
    sections = []
    start = 0
    while len(text) - start > SECTION:
        end = start + SECTION
        end = text.rfind("\n", start + SECTION // 2, end) + 1 or end
        sections.append(text[start:end])
        start = end
    return [*sections, text[start:]]
