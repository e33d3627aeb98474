"""Where knowledge holds: everywhere, in one project, or for files of one kind.

What is served in a context is an adapter of its own that was taught all that holds there, so that
it knows what the one for everywhere knows as well.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from agents.adapters.records import CONTEXT
from agents.capture.scope import SUFFIXES, language_of
from graph.night.policy import EXAMPLES_PER_ITEM
from memory.records import Item

_PROJECT: Final = "project:"


def contexts_of(item: Item) -> tuple[str, ...]:
    """Return the contexts that ``item`` is about; none for what holds everywhere."""
    language = str(item.data.get("language") or language_of(item.scope))
    named = (
        f"{_PROJECT}{item.project}" if item.project else "",
        f"ext:.{SUFFIXES[language]}" if language in SUFFIXES else "",
    )
    return tuple(one for one in named if one and re.match(CONTEXT, one))


def holds_in(item: Item, context: str) -> bool:
    """Say whether ``item`` holds in ``context``: it is about it, or about none of its kind."""
    kind = context.partition(":")[0]
    about = [one for one in contexts_of(item) if one.partition(":")[0] == kind]
    return not about or context in about


def project_of(context: str) -> str:
    """Return the project that ``context`` is, empty when it is none."""
    return context.removeprefix(_PROJECT) if context.startswith(_PROJECT) else ""


def worth_an_adapter(items: Collection[Item], context: str, examples: int) -> bool:
    """Say whether enough is known about ``context`` alone, and anything that does not hold there.

    Enough are about ``examples``. Where all that is known holds there, the adapter for everywhere
    would be taught the very same.
    """
    own = sum(context in contexts_of(item) for item in items)
    is_apart = not all(holds_in(item, context) for item in items)
    return is_apart and own * EXAMPLES_PER_ITEM >= examples


def contexts_in(items: Iterable[Item]) -> frozenset[str]:
    """Return all contexts that any of ``items`` is about."""
    return frozenset(context for item in items for context in contexts_of(item))
