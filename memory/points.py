"""What both engines agree on: a point's id and payload, what a filter means, one hit per item."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np

from mcp_local_llm import StoreUnavailable
from memory.index import Hit, Point
from memory.records import Where

DENSE: Final = "dense"
WORDS: Final = "words"
ITEM: Final = "item"
PROJECT: Final = "project"
AT: Final = "at"
KEYWORDS: Final = (ITEM, PROJECT, "kind", "scope", "status", "level")
BATCH: Final = 256  # points per request to an engine
_NAMESPACE: Final = uuid.UUID("0b6c4a3e-8d50-5b7e-9c55-4c1b3f0f6a17")


def point_id(item: str, window: int) -> str:
    """Return the id of an item's window: the same everywhere, so that adding is idempotent."""
    return str(uuid.uuid5(_NAMESPACE, f"{item}\0{window}"))


def batches(points: Sequence[Point], dimension: int) -> Iterator[Sequence[Point]]:
    """Yield ``points`` in the size that an engine takes at once.

    Raises StoreUnavailable for a vector of another dimension, or with a component that is no
    number, before anything of it is written: an engine would keep the latter and never find it.
    """
    for point in points:
        if point.dense.shape != (dimension,) or not np.isfinite(point.dense).all():
            raise StoreUnavailable(
                f"the vector of item {point.item!r} has the shape {point.dense.shape} or holds no "
                f"numbers, where the index takes {dimension} of them; check the embedding model, "
                "then run `mcp-local-llm memory rebuild`"
            )
    for start in range(0, len(points), BATCH):
        yield points[start : start + BATCH]


def payload(point: Point) -> dict[str, str | float]:
    """Return what the engine keeps beside the vectors: the fields that searches filter by."""
    return {
        ITEM: point.item,
        PROJECT: point.project,
        "kind": point.kind,
        "scope": point.scope,
        "status": point.status,
        "level": point.level,
        AT: point.at,
    }


def allowed(where: Where) -> dict[str, list[str]]:
    """Return the values each field may have; a field that is not named may have any."""
    fields: dict[str, list[str]] = {
        "kind": [str(kind) for kind in where.kinds],
        "level": [str(level) for level in where.levels],
        "status": [str(status) for status in where.statuses],
        "scope": list(where.scopes),
    }
    if where.project is not None:
        fields[PROJECT] = [where.project, ""] if where.project else [""]
    return {name: values for name, values in fields.items() if values}


def period(where: Where) -> tuple[float | None, float | None]:
    """Return the first and the last moment asked for, both included, in seconds since the epoch."""
    since = where.since.timestamp() if where.since else None
    return since, where.until.timestamp() if where.until else None


def best_per_item(fetch: Callable[[int], list[Hit]], limit: int, spare: int = 2) -> list[Hit]:
    """Return the ``limit`` best items, each by its best window.

    ``fetch`` returns that many best windows: ``spare`` for each item at first, and more until there
    are enough items.
    """
    if limit < 1:
        return []
    asked = spare * limit
    while True:
        hits = fetch(asked)
        best = grouped(hits, limit)
        if len(best) >= limit or len(hits) < asked:
            return best
        asked *= 4


def grouped(windows: Sequence[Hit], limit: int) -> list[Hit]:
    """Return the ``limit`` best items of ``windows``, which come best first."""
    best: dict[str, Hit] = {}
    for hit in windows:
        best.setdefault(hit.item, hit)
    return list(best.values())[:limit]
