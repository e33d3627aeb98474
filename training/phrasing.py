"""A tiny phrase grammar, and the rule that keeps some of its phrases out of training.

``[a|b|]`` chooses one alternative; brackets do not nest. ``{slot}`` is filled later. A phrase is
*held out* by a hash of its text before slots are filled, so the same phrase is never in training
with one name and in the evaluation with another.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_WORD: Final = re.compile(r"[\w{}]+")
HELD_OUT_SHARE: Final = 6  # one in this many phrases and constants


def is_held_out(text: str) -> bool:
    """Return whether ``text`` belongs to the evaluation only; stable across machines."""
    return zlib.crc32(text.encode()) % HELD_OUT_SHARE == 0


def expand(grammar: str, rng: Random) -> str:
    """Return one phrase of ``grammar``, each alternative equally likely."""
    return _CHOICE.sub(lambda match: rng.choice(match[1].split("|")), grammar)


def phrases(grammars: Sequence[str], count: int, rng: Random, *, tries: int = 400) -> list[str]:
    """Return ``count`` phrases of different words, as evenly from ``grammars`` as may be.

    Raises:
        ValueError: so many are not there, or were not found in ``tries`` rounds.
    """
    found: dict[str, str] = {}
    for _ in range(tries):
        for grammar in rng.sample(grammars, len(grammars)):
            phrase = expand(grammar, rng)
            found.setdefault(" ".join(_WORD.findall(phrase.casefold())), phrase)
            if len(found) == count:
                return list(found.values())
    raise ValueError(f"only {len(found)} of {count} phrases in {tries} rounds")


def draw(grammars: Sequence[str], rng: Random, *, held_out: bool, tries: int = 400) -> str:
    """Return a phrase of one of ``grammars`` on the wanted side of the hold-out.

    Raises:
        ValueError: the grammars are so small that ``tries`` draws found none.
    """
    return draw_from(lambda: expand(rng.choice(grammars), rng), held_out=held_out, tries=tries)


def draw_from(make: Callable[[], str], *, held_out: bool, tries: int = 400) -> str:
    """Return the first result of ``make`` on the wanted side of the hold-out."""
    for _ in range(tries):
        phrase = make()
        if is_held_out(phrase) == held_out:
            return phrase
    raise ValueError(f"no {'held-out' if held_out else 'training'} phrase in {tries} draws")
