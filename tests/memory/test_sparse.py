"""Texts to weighed words."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.sparse import sparse, sparse_query, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("parseHTTPReply", ["parsehttpreply", "pars", "http", "repli"]),
        ("get_user_id", ["get_user_id", "get", "user", "id"]),
        ("self._items[2]", ["self", "item", "2"]),
        ("utf8 v2", ["utf8", "utf", "8", "v2", "v", "2"]),
        ("class classes", ["class", "class"]),
        ("Größe ﬁle", ["gröss", "fil"]),
        ("", []),
        ("\x00\x1b[31m ... ---", ["31m", "31", "m"]),
        ("a" * 65, []),
    ],
)
def test_text_falls_into_words_and_their_parts(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    "family",
    [
        "parse parses parsed parsing",
        "reply replies replied",
        "run runs running",
        "index indexed indexing",
        "call calls called calling",
        "file files",
    ],
)
def test_forms_of_a_word_are_one_word(family: str) -> None:
    assert len({words(word)[0] for word in family.split()}) == 1


def test_different_words_stay_apart() -> None:
    kept = ["string", "sting", "this", "thing", "red", "read", "need", "process", "status", "bus"]
    assert len({words(word)[0] for word in kept}) == len(kept)


def test_repeats_weigh_more_but_ever_less() -> None:
    weight = [sparse(" ".join(["cat"] * n)).values[0] for n in (1, 2, 4)]
    assert weight[0] < weight[1] < weight[2] < 2 * weight[0]


def test_the_same_word_weighs_less_in_a_longer_text() -> None:
    long = sparse("cat " + " ".join(f"w{n}" for n in range(50)))
    assert long.values[0] < sparse("cat").values[0]


def test_a_query_counts_each_word_once() -> None:
    assert sparse_query("cat CAT cats") == sparse_query("cat")
    assert sparse_query("cat").indices == (zlib.crc32(b"cat"),)


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        ("Return the size of a file", "return size file"),
        ("is_valid for you", "is_valid"),  # a name keeps its parts
        ("what is it?", None),
    ],
)
def test_function_words_are_asked_for_only_when_there_is_nothing_else(
    asked: str, same: str | None
) -> None:
    meant = set(sparse(same or asked).indices)
    assert set(sparse_query(asked).indices) == meant != set()


@given(st.text())
def test_any_text_has_weights_that_an_engine_takes(text: str) -> None:
    for weighed in (sparse(text), sparse_query(text)):
        assert len(set(weighed.indices)) == len(weighed.indices) == len(weighed.values)
        assert all(0 <= index < 2**32 for index in weighed.indices)
        assert all(value > 0 for value in weighed.values)


def test_lone_surrogates_and_a_megabyte_are_no_trouble() -> None:
    assert sparse("\ud800cat").indices
    assert len(sparse("word other " * 90_000).indices) == 2
