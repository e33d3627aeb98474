"""Takes out what must not train: items that hold a secret, and items that are too long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from memory.records import Record
from memory.secrets import holds_secret, secrets_in
from training.dataset.encoding import Encoder
from training.dataset.reader import Item


class Removed(Record):
    """An item that was left out, and why; never what it said."""

    id: str
    why: str


def scrub(items: Iterable[Item]) -> tuple[list[Item], list[Removed]]:
    """Return the items without a secret in any of their texts, and the others with the reason."""
    kept: list[Item] = []
    removed: list[Removed] = []
    for item in items:
        if why := _secret(item):
            removed.append(Removed(id=item.id, why=why))
        else:
            kept.append(item)
    return kept, removed


def _secret(item: Item) -> str:
    found = {kind for turn in item.messages for kind in _kinds(turn.content)}
    if not found and holds_secret(dict(item.model_extra or {})):
        found = {"secret in a field"}
    return f"holds a secret ({', '.join(sorted(found))})" if found else ""


@lru_cache(maxsize=4_096)  # prompts of roles stand in many items
def _kinds(text: str) -> frozenset[str]:
    return frozenset(secret.kind for secret in secrets_in(text))


def fit(
    items: Iterable[Item], encoder: Encoder, max_tokens: int
) -> tuple[list[Item], list[Removed]]:
    """Return the items of at most ``max_tokens`` tokens, and the others with their length."""
    kept: list[Item] = []
    removed: list[Removed] = []
    for item in items:
        count = len(encoder.encode(item).ids)
        if count > max_tokens:
            why = f"too long ({count} tokens of at most {max_tokens})"
            removed.append(Removed(id=item.id, why=why))
        else:
            kept.append(item)
    return kept, removed


def reasons(whys: Iterable[str]) -> dict[str, int]:
    """Return how often something was left out for each of ``whys``, details in brackets apart."""
    return dict(sorted(Counter(why.partition(" (")[0] for why in whys).items()))
