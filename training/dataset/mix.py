"""Mixes what is new with what was learnt before and with replay, so that nothing is forgotten."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from training.dataset.reader import Item
from training.dataset.stats import is_direct

MAX_ITEMS: Final = 2_000
PER_RULE: Final = 0.15  # of the set
DIRECT: Final = 0.30  # of the set: what is taught as words alone; replay has some more
HELD_OUT: Final = "#"  # what follows it in a group's name is the file the group belongs to


class Shares(NamedTuple):
    """How much of a set comes from where; a share that cannot be filled goes to ``general``."""

    new: float = 0.45
    promoted: float = 0.20
    general: float = 0.25
    protocol: float = 0.10


SHARES: Final = Shares()


def rule_of(item: Item) -> str:
    """Return the group of ``item`` without the file that it belongs to."""
    return item.group.partition(HELD_OUT)[0]


def mix(
    new: Sequence[Item],
    promoted: Sequence[Item],
    general: Sequence[Item],
    protocol: Sequence[Item],
    *,
    shares: Shares = SHARES,
    seed: int,
    max_items: int = MAX_ITEMS,
) -> list[Item]:
    """Return a set of at most ``max_items`` in a random order that ``seed`` decides.

    It is as large as it has to be for the new items to be their share, for no rule to be more than
    15 % of it, and for no more than a third to be answers in words alone. Of what is ``promoted``,
    and known already, it holds a share, however much there is. Where it would be larger than
    ``max_items``, or where there is too little replay, each rule loses as few variants as the
    others.
    """
    total = min(max_items, _wanted(new, shares if promoted else shares._replace(promoted=0.0)))
    available = len(new) + len(promoted) + len(general) + len(protocol)
    total = min(total, available)
    cap = max(1, int(PER_RULE * total))
    kept = _fair(new, math.ceil(shares.new * total), cap)
    kept += _fair(promoted, math.ceil(shares.promoted * total), cap)
    kept += _fair(protocol, int(shares.protocol * total), total)
    kept += _fair(general, total - len(kept), total)
    Random(seed).shuffle(kept)  # noqa: S311 - an order, no secret
    return kept


def room_for(new: Sequence[Item], *, promoted: bool) -> int:
    """Return how many times over a set can hold ``new``, beside replay and what is ``promoted``."""
    shares = SHARES if promoted else SHARES._replace(promoted=0.0)
    return MAX_ITEMS // max(1, _wanted(new, shares))


def _wanted(new: Sequence[Item], shares: Shares) -> int:
    """Return how large a set has to be for ``new`` to be its share.

    What is promoted is taken to answer in words alone as often as what is new.
    """
    largest = max(Counter(map(rule_of, new)).values(), default=0)
    direct = sum(map(is_direct, new)) * (1 + shares.promoted / shares.new)
    needs = largest / PER_RULE, direct / DIRECT, len(new) / shares.new
    return math.ceil(round(max(needs), 6))


def _fair(items: Sequence[Item], count: int, cap: int) -> list[Item]:
    """Return ``count`` of ``items``, as evenly from their rules as may be, ``cap`` of each.

    Where there are more rules than places, the last ones have them: those are the newest.
    """
    groups: defaultdict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[rule_of(item) or item.id].append(item)
    taken: list[Item] = []
    for depth in range(cap):
        layer = [group[depth] for group in reversed(groups.values()) if depth < len(group)]
        taken += layer[: count - len(taken)]
        if not layer or len(taken) >= count:
            break
    return taken
