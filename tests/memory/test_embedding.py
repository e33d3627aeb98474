"""Embedding a share at a time: everything once, whatever its length and whoever is interrupted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memory.embedder import HashEmbedder
from memory.embedding import SECTION, SHARE, embedding
from memory.journal import Journal
from memory.records import MAX_TEXT, Item
from memory.replay import content_hash

LONG = "\n".join(f"line {number} of a long report" for number in range(2_500))


class Noting(HashEmbedder):
    """Keeps what it was asked to embed, call by call."""

    def __init__(self) -> None:
        super().__init__(32)
        self.calls: list[list[str]] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls.append(list(texts))
        return super().embed(texts)

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def kept(journal: Journal, text: str) -> NDArray[np.float32]:
    key = content_hash(text)
    return journal.vectors([key], HashEmbedder(32).name)[key]


def test_short_texts_are_embedded_together_and_each_once(journal: Journal) -> None:
    embedder = Noting()
    items = [Item(text=text) for text in ("bread", "cakes", "bread")]
    assert list(embedding(journal, embedder)(items)) == []  # nothing to pause for
    assert embedder.calls == [["bread", "cakes"]]
    assert list(embedding(journal, embedder)(items)) == []
    assert len(embedder.calls) == 1
    assert np.array_equal(kept(journal, "cakes"), HashEmbedder(32).embed(["cakes"]))


def test_a_long_text_is_embedded_in_shares_and_none_of_it_is_left_out(journal: Journal) -> None:
    assert len(LONG) > 2 * SECTION
    embedder = Noting()
    pauses = list(embedding(journal, embedder)([Item(text="bread"), Item(text=LONG)]))
    assert len(pauses) == len(embedder.calls) - 1
    assert all(len(call) == 1 or sum(map(len, call)) <= SHARE for call in embedder.calls)
    windows = embedder.texts[1:]
    assert "".join(windows) == LONG
    assert all(window.endswith("\n") for window in windows[:-1])
    assert np.array_equal(kept(journal, LONG), HashEmbedder(32).embed(windows))


def test_whoever_goes_on_embeds_what_is_missing_alone(journal: Journal) -> None:
    first, second = Noting(), Noting()
    begun = embedding(journal, first)([Item(text=LONG)])
    for _ in range(5):
        next(begun)
    list(embedding(journal, second)([Item(text=LONG)]))
    assert not set(first.texts) & set(second.texts)
    assert "".join(first.texts + second.texts) == LONG
    assert np.array_equal(kept(journal, LONG), HashEmbedder(32).embed(first.texts + second.texts))


def test_the_longest_text_may_be_one_word(journal: Journal) -> None:
    text = "x" * MAX_TEXT
    list(embedding(journal, HashEmbedder(32))([Item(text=text)]))
    assert len(kept(journal, text)) == -(-MAX_TEXT // SECTION)
