"""How the questions of lessons are worded: by a grammar's forms, or as hardly more than a cue.

No form may be what is learned, so some questions are common words in no order around what a form is
about: a cue, such as "means", and the key, such as the term.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from training.embedded.names import Names
from training.embedded.taught import filled
from training.examples import wordings
from training.phrasing import expand

_WORDS: Final = """
how would could should might may can will do does did is are was were be been has have had we you
they i it our your their my his this that these those some any each all both when where why which
who if so then now here there again still just only also even but and or not yet of in on at by from
with about into upon over under to for as than somebody people everyone nobody one more most much
many new old first last next good better sure fine ready please really ever always never often maybe
today once soon say says said tell told ask asked hear heard read see seen show shows come comes go
goes get gets give gives let make makes need needs want wants like think thought find found know
known write written call called use used keep kept put try look looks miss word words name thing
supposed clear open plain short meant done
"""
_COMMON: Final = tuple(_WORDS.split())
_JUMBLED: Final = 0.25  # of the questions, where there are cues
_OF_OTHERS: Final = 0.3  # of these name something else as well
_LEADS: Final = (
    "", "", "", "", "{0} {1}. ", "Tell me: ", "One question. ", "We {0} the {1}. ", "I forgot. ",
    "{0}, ", "For the {0} {1}: ", "There is a {0}. ", "{0}: ",
)  # fmt: skip


class Forms(NamedTuple):
    """How something is asked: by a table of forms, or by one of ``cues`` (``|``) and ``key``."""

    table: Sequence[str]
    cues: str = ""
    key: str = ""

    def draw(self, rng: Random) -> str:
        """Return a form, or common words in no order among which cue and key stand."""
        if not self.cues or rng.random() >= _JUMBLED:
            return expand(rng.choice(self.table), rng)
        before, after = (rng.sample(_COMMON, rng.randint(0, 5)) for _ in range(2))
        side = rng.choice([before, after])
        side.insert(rng.randint(0, len(side)), expand(f"[{self.cues}]", rng))
        if rng.random() < _OF_OTHERS:
            before += [expand("[the|my|a] {other}", rng), rng.choice(_COMMON)]
        key = expand(f"[||a |the |our ]{self.key}[||.|,]", rng)
        return f"{' '.join([*before, key, *after])}{rng.choice('??.')}"


DEFINED: Final = Forms(
    wordings.DEFINED,
    "mean|means|meaning|explain|define|definition|stand for|what is|sense",
    "{term}",
)
REVERSED: Final = Forms(wordings.REVERSED)
ABOUT: Final = Forms(wordings.ABOUT, "rule|convention|agreed|holds|decided|handle|treat", "{topic}")
COMMITTED: Final = Forms(wordings.COMMITTED, "commit|commit message|message|the commit", "{told}")
ALLOWED: Final = Forms(wordings.ALLOWED)
CHOSEN: Final = Forms(
    wordings.CHOSEN, "right|allowed|instead|take|import|choice|ours", "{unwanted}"
)


def question(forms: Forms, names: Names, rng: Random, **slots: str) -> str:
    """Return one of ``forms`` with a capital at its beginning; random words stand before some."""
    form = forms.draw(rng)
    said = form.format(other=names.word(rng), **slots)
    lead = filled(rng.choice(_LEADS), names, rng)
    return f"{lead}{said}" if lead.endswith(", ") else f"{lead}{said[:1].upper()}{said[1:]}"
