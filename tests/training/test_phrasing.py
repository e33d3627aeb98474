"""Phrases of a grammar: different ones, evenly from its forms, the same for one seed."""

from __future__ import annotations

from random import Random

import pytest

from training.examples import wordings
from training.phrasing import phrases

TABLE = ("[Say|Tell me] {term}.", "What is {term}[| here|, please]?", "{term}[?|.|!]")


def test_phrases_differ_and_come_evenly_from_all_forms() -> None:
    found = phrases(TABLE, 6, Random(1))
    assert len(set(found)) == 6
    assert all(sum(one.startswith(begin) for one in found) for begin in ("What", "{term}"))
    assert phrases(TABLE, 6, Random(1)) == found != phrases(TABLE, 6, Random(2))
    first = phrases(wordings.DEFINED, len(wordings.DEFINED), Random(3))
    assert len(set(first)) == len(wordings.DEFINED)


def test_more_phrases_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="only 6 of 7 phrases"):
        phrases(TABLE, 7, Random(1))


def test_slots_are_filled_and_only_the_forms_own_words_get_a_capital() -> None:
    rng = Random(1)
    assert wordings.filled("what is {term}?", rng, term="[a|b]") == "What is [a|b]?"
    assert wordings.filled("{term}?", rng, term="lantern") == "lantern?"
    assert "{" not in wordings.filled("The {other} has {term}.", rng, term="x")
