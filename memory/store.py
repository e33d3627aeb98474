"""The memory as a LangGraph store: what a node puts there, ``recall`` finds, and the other way.

A namespace is ``(kind, *scope)`` for what was remembered elsewhere; a node's own namespace may be
anything, and what it puts there is a fact that holds in all of the project. Not covered: times to
live, and ``index``: every text is searched whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final

from langgraph.store.base import (
    BaseStore,
    GetOp,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)
from langgraph.store.base import Item as StoreItem

from memory.entries import Stored
from memory.index import Hit
from memory.journal import Journal
from memory.records import Item, Kind, Provenance, Where
from memory.secrets import refuse_secrets

Finder = Callable[[str, Where, int], Awaitable[Sequence[Hit]]]
_ANY: Final = "*"
_SEARCHED: Final = 200  # hits that filter, namespace and offset choose from


class JournalStore(BaseStore):
    """The memory of one project and what holds everywhere, by namespace and key.

    ``find`` searches by meaning; without it, and in the synchronous methods, words decide.
    Every method raises ``StoreUnavailable`` when the journal fails.
    """

    __slots__ = ("_find", "_journal", "_project")

    def __init__(self, journal: Journal, project: str, find: Finder | None = None) -> None:
        """Show ``project`` of ``journal``, which stays its opener's to close."""
        self._journal = journal
        self._project = project
        self._find = find

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do ``ops`` in order and return what each gives."""
        return [self._done(op) for op in ops]

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do ``ops`` in order, searches by meaning, and return what each gives."""
        results: list[Result] = []
        for op in ops:
            hits: Sequence[Hit] | None = None
            if isinstance(op, SearchOp) and op.query and self._find is not None:
                hits = await self._find(op.query, self._everything, _SEARCHED)
            results.append(await asyncio.to_thread(self._done, op, hits))
        return results

    @property
    def _everything(self) -> Where:
        return Where(project=self._project)

    def _done(self, op: Op, hits: Sequence[Hit] | None = None) -> Result:
        if isinstance(op, GetOp):
            return self._get(op)
        if isinstance(op, SearchOp):
            return self._search(op, hits)
        if isinstance(op, PutOp):
            self._put(op)
            return None
        return self._namespaces(op)

    def _get(self, op: GetOp) -> StoreItem | None:
        found = self._stored(op.namespace, op.key)
        return None if found is None else _shown(found)

    def _stored(self, namespace: tuple[str, ...], key: str) -> Stored | None:
        """Return the live item of that place; its key may be an item's own id."""
        own = _item(self._project, namespace, key, {}).id
        found = self._journal.get([own, key])
        for stored in (found.get(own), found.get(key)):
            if stored and stored.state == "live" and _namespace(stored.item) == namespace:
                return stored
        return None

    def _put(self, op: PutOp) -> None:
        if op.value is not None:
            item = _item(self._project, op.namespace, op.key, op.value)
            refuse_secrets(json.dumps(op.value, ensure_ascii=False))
            self._journal.put(item)
        elif found := self._stored(op.namespace, op.key):
            self._journal.forget(found.id, "deleted by a graph")

    def _search(self, op: SearchOp, hits: Sequence[Hit] | None) -> list[SearchItem]:
        if op.query and hits is None:
            hits = self._journal.find(op.query, self._everything, _SEARCHED)
        ranked: list[tuple[Stored, float | None]]
        if hits is None:
            ranked = [(stored, None) for stored in self._journal.live(self._everything)]
        else:
            known = self._journal.get([hit.item for hit in hits])
            ranked = [(known[hit.item], hit.score) for hit in hits if hit.item in known]
        prefix, wanted = op.namespace_prefix, op.filter or {}
        found = [
            _shown(stored, score)
            for stored, score in ranked
            if stored.state == "live" and _namespace(stored.item)[: len(prefix)] == prefix
        ]
        fitting = [one for one in found if all(_fits(one.value, *f) for f in wanted.items())]
        return fitting[op.offset : op.offset + op.limit]

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        names = {_namespace(stored.item) for stored in self._journal.live(self._everything)}
        conditions = op.match_conditions or ()
        fitting = {name for name in names if all(_matches(name, one) for one in conditions)}
        if op.max_depth is not None:
            fitting = {name[: op.max_depth] for name in fitting}
        return sorted(fitting)[op.offset : op.offset + op.limit]


def _item(project: str, namespace: tuple[str, ...], key: str, value: Any) -> Item:
    """Return the item that a node's value is kept as."""
    said = value.get("text")
    text = said if isinstance(said, str) and said else json.dumps(value, ensure_ascii=False)
    return Item(
        kind=Kind.FACT,
        text=text,
        project=project,
        key=json.dumps([*namespace, key], ensure_ascii=False),
        provenance=Provenance(source="run", where="store"),
        data={"value": value, "namespace": list(namespace), "key": key},
    )


def _namespace(item: Item) -> tuple[str, ...]:
    own = item.data.get("namespace")
    if isinstance(own, list):
        return tuple(map(str, own))
    return (item.kind, *(part for part in item.scope.split("/") if part))


def _shown(stored: Stored, score: float | None = None) -> SearchItem:
    item = stored.item
    value = item.data.get("value")
    return SearchItem(
        namespace=_namespace(item),
        key=str(item.data.get("key", item.key)) if isinstance(value, dict) else stored.id,
        value=value if isinstance(value, dict) else item.model_dump(mode="json", exclude={"data"}),
        created_at=stored.created,
        updated_at=stored.updated,
        score=score,
    )


def _fits(value: dict[str, Any], name: str, wanted: Any) -> bool:
    """Return whether the field is what the filter says: a value, or ``$gt`` and its kin."""
    if name not in value:
        return False
    found = value[name]
    if not (isinstance(wanted, dict) and any(key.startswith("$") for key in wanted)):
        return bool(found == wanted)
    try:
        return all(_COMPARE[operator](found, other) for operator, other in wanted.items())
    except TypeError:  # of kinds that have no order among each other
        return False


_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$eq": lambda found, other: bool(found == other),
    "$ne": lambda found, other: bool(found != other),
    "$gt": lambda found, other: bool(found > other),
    "$gte": lambda found, other: bool(found >= other),
    "$lt": lambda found, other: bool(found < other),
    "$lte": lambda found, other: bool(found <= other),
}


def _matches(name: tuple[str, ...], condition: MatchCondition) -> bool:
    path = tuple(condition.path)
    part = name[: len(path)] if condition.match_type == "prefix" else name[-len(path) :]
    return len(part) == len(path) and all(
        want in (_ANY, label) for want, label in zip(path, part, strict=True)
    )
