"""All behaviours of the curriculum, and what their arguments may be."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from training.embedded.behaviour import LIST, NUMBER, TEXT
from training.embedded.list_operations import list_behaviours
from training.embedded.scalar_operations import number_behaviours, text_behaviours

BEHAVIOURS: Final = (*list_behaviours(), *text_behaviours(), *number_behaviours())

_TYPES: Final = {LIST: "list[int]", TEXT: "str", NUMBER: "int"}


def parameter_type(kind: str) -> str:
    """Return the annotation of a function's first parameter."""
    return _TYPES[kind]


def random_argument(kind: str, rng: Random, near: Sequence[int]) -> object:
    """Return a random argument for a hidden test; list items and numbers fall near ``near`` too."""
    if kind == TEXT:
        words = ["".join(rng.choices("abcdeXYZ", k=rng.randint(1, 5))) for _ in range(3)]
        return rng.choice(["", " "]) + " ".join(words) + rng.choice(["", "  "])
    pool = [rng.randint(-20, 20) for _ in range(8)]
    for value in near:
        pool += [value, value + 1, value - 1, value * 2, value + 7, value - 7, value * 3]
    if kind == NUMBER:
        return rng.choice(pool)
    return [rng.choice(pool) for _ in range(rng.randint(6, 12))]
