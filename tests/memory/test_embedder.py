"""Vectors without a model, and the cutting of texts into windows."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.embedder import HashEmbedder, cut, normalized

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@given(st.lists(TEXTS, max_size=4))
@settings(max_examples=50, deadline=None)
def test_every_text_has_a_vector_of_length_one(texts: list[str]) -> None:
    rows = HashEmbedder(64).embed(texts)
    assert rows.shape == (len(texts), 64)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_the_same_words_are_nearer_than_others() -> None:
    asked, same, other = HashEmbedder().embed(
        ["parsing invoices", "it parses an invoice", "the sun shines"]
    )
    assert asked @ same > asked @ other + 0.2


def test_vectors_are_the_same_in_every_process() -> None:
    row = HashEmbedder(8).embed(["a stable vector"])[0]
    assert (row * 3).round(2).tolist() == [1, 1, -1, 0, 0, 1, -2, -1]


def test_the_name_tells_vectors_of_another_size_apart() -> None:
    assert HashEmbedder(8).name != HashEmbedder().name
    assert HashEmbedder().dimension == 384


def test_zeros_stay_zeros() -> None:
    assert not normalized(np.zeros((1, 3), np.float32)).any()


@given(TEXTS, st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_windows_joined_are_the_text_and_none_is_too_long(text: str, limit: int) -> None:
    starts = [found.start() for found in re.finditer(r"\w+|[^\w\s]", text)]
    pieces = cut(text, starts, limit)
    assert "".join(pieces) == text
    assert all(len(re.findall(r"\w+|[^\w\s]", piece)) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", [""]),
        ("a b c", ["a b c"]),
        ("a b c\nd e f", ["a b c\n", "d e f"]),
        ("a\nb c d e f", ["a\nb c d ", "e f"]),  # a line end too early would waste the window
    ],
)
def test_a_cut_is_at_a_line_end_when_one_is_near(text: str, pieces: list[str]) -> None:
    starts = [found.start() for found in re.finditer(r"\S", text)]
    assert cut(text, starts, 4) == pieces


def test_what_cannot_be_parted_stays_together() -> None:
    assert cut("one verylongword two", [0, 4, 4, 4, 4, 17], 2) == ["one ", "verylongword ", "two"]


def test_a_long_text_makes_several_windows() -> None:
    assert len(HashEmbedder().windows("word " * 600)) == 3
