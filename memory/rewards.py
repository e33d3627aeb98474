"""How well the runs went that recalled an item: its mean reward, for a gentle preference in recall
and for how often it is replayed."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import Field

from memory.records import Item, Record
from memory.signals import EMOTIONAL, IMPLICIT, mixed

_PAGE: Final = 500  # bound values at once
_DOUBT: Final = 3  # runs of no reward that are added: few runs say little


class Weights(Record):
    """How much deeds and feelings count in a reward."""

    implicit: float = Field(default=IMPLICIT, ge=0)
    emotional: float = Field(default=EMOTIONAL, ge=0)


def mean_rewards(
    connection: sqlite3.Connection, ids: Iterable[str], weights: Weights
) -> dict[str, float]:
    """Return the mean reward (-1..1) of the runs that recalled each item; none without a run.

    A run's reward is the mean of its signals. The mean over runs is shrunk towards 0 as if three
    more had ended without any reward.
    """
    wanted = list(dict.fromkeys(ids))
    rewards: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for start in range(0, len(wanted), _PAGE):
        page = wanted[start : start + _PAGE]
        query = (
            "SELECT item, run, reward, feeling FROM (SELECT DISTINCT item, "  # noqa: S608
            "json_extract(evidence, '$.run') AS run FROM stage "
            f"WHERE item IN ({', '.join('?' * len(page))})) "
            "JOIN signal ON signal.target = run"
        )
        for item, run, reward, feeling in connection.execute(query, page):
            rewards[item][run].append(mixed(reward, feeling, weights.implicit, weights.emotional))
    return {
        item: sum(sum(one) / len(one) for one in runs.values()) / (len(runs) + _DOUBT)
        for item, runs in rewards.items()
    }


def replay_weights(
    connection: sqlite3.Connection, items: Mapping[str, Item], weights: Weights
) -> dict[str, float]:
    """Return how often each of ``items`` (by id) should be replayed beside the others: 0.5 to 2.

    Twice as often at a reward of 1, half as often at -1, once where nothing is known. What an item
    says of itself (``satisfaction``, ``rating``) counts as one more run. How the user felt while
    teaching says nothing here: a rule that was given in anger is no worse for it.
    """
    earned = mean_rewards(connection, items, weights)
    own = {id: _own(item) for id, item in items.items()}
    return {id: 2.0 ** max(-1.0, min(1.0, earned.get(id, 0.0) + own[id])) for id in items}


def _own(item: Item) -> float:
    """Return the reward that a record of something done holds, 0 where it holds none."""
    satisfaction, rating = item.data.get("satisfaction"), item.data.get("rating")
    if isinstance(satisfaction, int | float):
        return float(satisfaction)
    return (rating - 3) / 2 if isinstance(rating, int | float) else 0.0
