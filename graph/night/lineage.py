"""Which adapter a night's training goes on from, so that what was learned is not taught anew.

An adapter's manifest names all that it and those before it were taught, and its parents, oldest
first. What was taken back is in none of them: a night goes on from the newest one that was taught
nothing of it, which may be none. Every few nights it begins with the base again, since what each
of them loses of the base's abilities, too little for its gate to see, adds up.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from agents.adapters.records import Manifest
from graph.night.shop import NightShop
from mcp_local_llm import StoreUnavailable, UsageError
from prompts import digest
from training.lora.start import fits


def start_for(shop: NightShop, context: str, items: Collection[str]) -> Manifest | None:
    """Return the adapter to go on from when ``items`` are to be trained; None is the base."""
    prompts, wanted = digest(shop.profile.prompts), frozenset(items)
    for one in _line(shop, context):
        if (
            wanted.issuperset(one.items)
            and one.prompts == prompts
            and fits(shop.registry.folder(one.id), shop.recipe)
        ):
            return one
    return None


def line_to(shop: NightShop, start: str) -> tuple[str, ...]:
    """Return the parents of what was trained from ``start``, oldest first; empty for the base."""
    return (*shop.registry.get(start).parents, start) if start else ()


def _line(shop: NightShop, context: str) -> Iterator[Manifest]:
    """Yield what is served in just that ``context`` and its parents, newest first, if sound.

    Nothing where these are as many generations as may be.
    """
    served = shop.own(context)
    if served and len(served.parents) + 1 < shop.settings.night.generations:
        yield served
        for id in reversed(served.parents):
            with contextlib.suppress(StoreUnavailable, UsageError):
                yield shop.registry.verify(id)
