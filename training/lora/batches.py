"""Which items each iteration trains on: decided by lengths and a seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from training.dataset.encoding import Encoded
from training.lora.recipe import Recipe

Batch = tuple[Encoded, ...]
Update = tuple[Batch, ...]


def within(items: Sequence[Encoded], max_tokens: int) -> list[Encoded]:
    """Return the items of at most ``max_tokens`` tokens: the others are left out, never cut."""
    return [item for item in items if len(item.ids) <= max_tokens]


def in_batches(items: Sequence[Encoded], size: int) -> list[Batch]:
    """Return ``items`` in batches of about one length each, shortest first."""
    ordered = sorted(items, key=lambda item: len(item.ids))
    return [tuple(ordered[at : at + size]) for at in range(0, len(ordered), size)]


def updates(items: Sequence[Encoded], recipe: Recipe) -> Iterator[Update]:
    """Yield the batches of each iteration, epoch after epoch, each in an order of its own.

    The last iteration of an epoch may have fewer batches.
    """
    batches = in_batches(items, recipe.batch)
    for epoch in range(recipe.epochs):
        order = list(batches)
        Random(recipe.seed * 1_000_003 + epoch).shuffle(order)  # noqa: S311  # no secret
        for at in range(0, len(order), recipe.accumulate):
            yield tuple(order[at : at + recipe.accumulate])


def count_updates(items: int, recipe: Recipe) -> int:
    """Return how many iterations ``items`` take over all epochs."""
    batches = -(-items // recipe.batch)
    return recipe.epochs * -(-batches // recipe.accumulate)
