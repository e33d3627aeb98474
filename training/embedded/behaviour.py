"""What a task's function means: its code, wordings, types and an example.

Behaviours are composed from about 40 atoms; the pair of atoms is the *composition* that is either
in training or held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

LIST, TEXT, NUMBER = "list", "text", "number"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One function's meaning, with the slots ``{p}`` (first parameter), ``{k}`` and ``{m}``.

    ``k`` and ``m`` are constants, or ``k`` a second parameter. ``phrases`` are grammars of the
    description. ``sample`` is the argument of the example test and ``expected`` its value, both as
    source text with the same slots.
    """

    kind: str
    atoms: tuple[str, ...]
    canonical: str
    phrases: tuple[str, ...]
    code: str
    returns: str
    sample: str
    expected: str
    patterns: tuple[str, ...]

    @property
    def composition(self) -> str:
        """The name by which a composition is held out; empty for a single atom."""
        return "+".join(self.atoms) if len(self.atoms) > 1 else ""

    @property
    def uses_k(self) -> bool:
        """Whether a first constant (or second parameter) occurs."""
        return "{k}" in self.code

    @property
    def uses_m(self) -> bool:
        """Whether a second constant occurs."""
        return "{m}" in self.code


def wrapped(outer: Sequence[str], inner: Sequence[str]) -> tuple[str, ...]:
    """Return every phrase of ``outer`` around every phrase of ``inner``, at its slot ``{x}``."""
    return tuple(a.replace("{x}", b) for a, b in product(outer, inner))


def followed(inner: Sequence[str], endings: Sequence[str]) -> tuple[str, ...]:
    """Return every phrase of ``inner`` before every ending."""
    return tuple(a + b for a, b in product(inner, endings))
