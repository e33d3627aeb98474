"""What the makers of the starter set yield, and the places that they draw from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Any, NamedTuple

from agents.brief import BriefRule
from training.examples.domain import PLACES
from training.examples.scribe import Written


class Drawn(NamedTuple):
    """One conversation: what it teaches, the region it is about, the rules it was shown."""

    topic: str
    written: Written
    place: str = ""
    rules: tuple[BriefRule, ...] = ()
    more: Mapping[str, Any] = MappingProxyType({})


def places(rng: Random) -> Iterator[tuple[str, str]]:
    """Yield places (path, thing) for ever, in a new order each round."""
    while True:
        yield from rng.sample(PLACES, len(PLACES))
