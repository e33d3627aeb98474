"""The crew's side of the shared memory: append to the journal, ask the resident process.

Writing never waits for anybody. Searching asks the process that has the index open; where none
answers in time, one is started in the background and the journal's own word search answers.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final, Literal, Self

from agents.lease import ask_resident, start_resident
from agents.protocol import Reply, Search, Tend, pack
from mcp_local_llm import ModelUnavailable, StoreUnavailable
from memory.code import CodeHit, code_hit
from memory.entries import Stored
from memory.episodes import Episode
from memory.index import Dense, Hit
from memory.journal import Journal
from memory.layout import journal_path, memory_folder
from memory.records import (
    Insight,
    Item,
    Kind,
    KnowledgeUpdate,
    OwnerStatus,
    Provenance,
    Recalled,
    Where,
)
from memory.retrieval import Found, Query
from memory.rewards import Weights
from memory.router import NOTHING_AT_HAND, RuntimeContext
from memory.secrets import refuse_secrets
from memory.sparse import words
from memory.updates import recent_updates
from tools.process import Spawned

PATIENCE_S: Final = 0.5
"""How long a search waits for the resident process before words alone decide."""

MAX_QUERY: Final = 4_000  # characters; the embedding model reads the first 256 tokens
TOLD: Final = (
    Kind.FACT,
    Kind.CONCEPT,
    Kind.PATTERN,
    Kind.DEFINITION,
    Kind.PREFERENCE,
    Kind.CORRECTION,
    Kind.PRESERVATION,
    Kind.DECISION,
    Kind.DEBUGGING,
)
"""What a role may be told as a rule. Code and documents are found by ``search_code``; how runs
ended is there for people and for learning."""

_STANDING: Final = (Kind.PREFERENCE, Kind.DEFINITION)
_LONG, _MANY = 300, 20  # characters and pieces of what is at hand
_TEND_S: Final = 60.0  # a step of indexing may be under way
_SPARE: Final = 4  # word hits per place, since those that the index knows are left out
_FLOOR: Final = 0.25  # cosine below which a text that shares no word is about something else
_COMMON: Final = frozenset(
    words(
        "a an and any are as at be but by can for from has have if in into is it its no not of on "
        "or our so that the their them then there this to use used using we when which will with "
        "you your should must always never prefer avoid do does don add new make write please "
        "function method class file code return returning value py test tests"
    )
)
"""Words, as ``sparse`` cuts them, that stand in every task and say nothing of what it is about."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """One item found, and what its place rests on; ``found`` is None when words alone decided."""

    stored: Stored
    score: float
    found: Found | None = None

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return self.found.why.line() if self.found else "shares words with the question"

    @property
    def is_near(self) -> bool:
        """Whether its meaning is near; a search answers however little anything has to do."""
        meaning = self.found.why.meaning if self.found else None
        return meaning is not None and meaning.score >= _FLOOR

    @property
    def has_to_do(self) -> bool:
        """Whether it is near or shares any word with the question."""
        return self.is_near or self.found is None or self.found.why.words is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave; ``note`` says why the index did not answer, if it did not."""

    hits: tuple[Remembered, ...]
    note: str = ""


class SharedMemory:
    """The memory in the state folder ``home``, as one project sees it; a context manager."""

    def __init__(
        self,
        home: Path,
        project: str,
        *,
        patience_s: float = PATIENCE_S,
        weights: Weights = Weights(),  # noqa: B008 - frozen
    ) -> None:
        """Open the journal, which is created where there is none.

        ``weights`` are those of the rewards that decide between equals in a search.

        Raises:
            StoreUnavailable: it cannot be opened.
        """
        self.home = home
        self.project = project
        self.journal = Journal(journal_path(memory_folder(home)))
        self._patience_s = patience_s
        self._weights = weights
        self._starting = threading.Lock()
        self._started: Spawned | None = None

    def __enter__(self) -> Self:
        """Return the open memory."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the journal."""
        self.close()

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    async def remember(self, insight: Insight) -> None:
        """Keep ``insight``; the same insight twice is kept once.

        Raises:
            UsageError: it holds what looks like a secret.
        """
        everywhere = insight.scope == "global"
        item = Item(
            kind=Kind(insight.kind),
            text=insight.text,
            project="" if everywhere else self.project,
            provenance=Provenance(source="run"),
        )
        await asyncio.to_thread(self.put, item)

    async def record(self, episode: Episode) -> None:
        """Keep how a run ended; of one run the last episode is kept. Raises what ``put`` raises."""
        await asyncio.to_thread(self.put, episode.item(self.project))

    def put(self, *items: Item) -> None:
        """Append ``items`` to the journal. Blocking.

        Raises:
            UsageError: it holds what looks like a secret.
            StoreUnavailable: the journal cannot be written.
        """
        for item in items:
            refuse_secrets(item.text)
            refuse_secrets(item.scope)
        self.journal.put(*items)

    async def recall(
        self,
        query: str,
        *,
        limit: int = 5,
        at_hand: RuntimeContext = NOTHING_AT_HAND,
        adapter: str | None = None,
    ) -> tuple[Recalled, ...]:
        """Return up to ``limit`` insights: those that bear on ``query``, then standing rules.

        Preferences hold for every task: up to half of the places are theirs, the newest first.
        What was said of a part of the project is left out when the file at hand lies elsewhere, and
        so is what has graduated into ``adapter``. Nothing asked: the newest preferences and
        definitions.
        """
        scope = _bounded(at_hand).file or None
        where = Where(project=self.project, kinds=TOLD, scope=scope)
        learnt = await asyncio.to_thread(self.journal.graduated_by, adapter) if adapter else ()
        if not query.strip():
            where = where.model_copy(update={"kinds": _STANDING})
            return tuple(await asyncio.to_thread(self._newest, where, (), limit, learnt))
        if not await asyncio.to_thread(self._has_any, where):
            return ()
        # Twice as many at most: what has graduated takes no other's place.
        wanted = limit + min(limit, len(learnt))
        answer = await self.find(Query(text=query, where=where, limit=wanted, context=at_hand))
        hits = [hit for hit in answer.hits if hit.stored.id not in learnt and _bears(query, hit)]
        bearing = [_recalled(hit) for hit in hits[:limit]]
        known = [hit.insight for hit in bearing]
        standing = where.model_copy(update={"kinds": (Kind.PREFERENCE,)})
        rules = await asyncio.to_thread(self._newest, standing, known, limit, learnt)
        kept = bearing[: limit - min(len(rules), limit // 2)]
        return (*kept, *rules)[:limit]

    async def search_code(
        self, query: str, *, limit: int, at_hand: RuntimeContext = NOTHING_AT_HAND
    ) -> tuple[CodeHit, ...]:
        """Return up to ``limit`` pieces of indexed files that fit ``query``, best first."""
        where = Where(project=self.project, kinds=(Kind.CODE, Kind.DOCUMENT))
        if not query.strip() or not await asyncio.to_thread(self._has_any, where):
            return ()
        answer = await self.find(Query(text=query, where=where, limit=limit, context=at_hand))
        found = (code_hit(hit.stored.item, hit.score, hit.why) for hit in answer.hits)
        return tuple(hit for hit in found if hit is not None)

    async def updates(self, *, limit: int = 20) -> tuple[KnowledgeUpdate, ...]:
        """Return up to ``limit`` things taught or corrected of late, newest first."""
        return await asyncio.to_thread(recent_updates, self.journal, self.project, TOLD, limit)

    async def find(self, query: Query, vector: Dense | None = None) -> Answer:
        """Return what is known about ``query``, best first; ``vector`` is the query's own, if any.

        What was written a moment ago and is not in the index yet is found by its words.

        Raises:
            StoreUnavailable: the journal cannot be read.
        """
        cut = {"text": query.text[:MAX_QUERY], "context": _bounded(query.context)}
        query = query.model_copy(update={**cut, "weights": self._weights})
        reply, note = await self._asked(query, vector)
        return await asyncio.to_thread(self._answer, query, reply, note)

    async def hits(self, text: str, where: Where, limit: int) -> Sequence[Hit]:
        """Return ids and scores of what ``find`` finds: the form that the LangGraph store asks."""
        answer = await self.find(Query(text=text, where=where, limit=limit))
        return [Hit(hit.stored.id, hit.score) for hit in answer.hits]

    async def tend(
        self, what: Literal["nothing", "rebuild", "release"] = "nothing"
    ) -> OwnerStatus | None:
        """Return how the index is after doing ``what``; None when no resident process runs."""
        return await tend_index(self.home, what)

    def _start(self) -> None:
        """Start the resident process, unless one that was started here is on its way."""
        with self._starting:
            if self._started is None or self._started.poll() is not None:
                self._started = start_resident(self.home)

    async def _asked(self, query: Query, vector: Dense | None) -> tuple[Reply | None, str]:
        request = Search(query=query, vector="" if vector is None else pack(vector))
        try:
            reply = await ask_resident(self.home, request, self._patience_s)
            if reply is None:
                await asyncio.to_thread(self._start)
                return None, "the index is being opened: found by words alone"
        except (ModelUnavailable, StoreUnavailable) as error:
            if isinstance(error.__cause__, TimeoutError):
                return None, "the index is busy, it may be catching up: found by words alone"
            return None, f"the index does not answer ({error}): found by words alone"
        if reply.memory is None or reply.memory.state == "starting":
            return None, "the index is being opened: found by words alone"
        if reply.memory.state == "failed":
            return None, f"{reply.memory.problem}: found by words alone"
        return reply, reply.memory.problem

    def _answer(self, query: Query, reply: Reply | None, note: str) -> Answer:
        found = {one.id: one for one in reply.found} if reply else {}
        ranked = [Hit(one.id, one.score) for one in found.values()]
        applied = reply.memory.applied if reply and reply.memory else 0
        if applied < self.journal.last_seq:
            by_words = self.journal.find(query.text, query.where, _SPARE * query.limit)
            ranked = _merged(ranked, [_scaled(hit) for hit in by_words if hit.item not in found])
        known = self.journal.get([hit.item for hit in ranked])
        hits = [
            Remembered(known[hit.item], hit.score, found.get(hit.item))
            for hit in ranked
            if hit.item in known and known[hit.item].may_answer(query.where)
        ]
        fresh = [hit for hit in hits if hit.found or hit.stored.seq > applied]
        return Answer(tuple(fresh[: query.limit]), note)

    def _has_any(self, where: Where) -> bool:
        return next(iter(self.journal.live(where)), None) is not None

    def _newest(
        self, where: Where, known: Iterable[Insight], limit: int, learnt: Collection[str]
    ) -> list[Recalled]:
        texts = {insight.text for insight in known}
        newest = sorted(self.journal.live(where), key=lambda stored: -stored.seq)
        return [
            Recalled(
                insight=_insight(stored),
                score=0.0,
                why="holds for every task",
                check=stored.item.check,
                item=stored.id,
            )
            for stored in newest
            if stored.item.text not in texts and stored.may_answer(where)
            if stored.id not in learnt
        ][:limit]


def _bounded(context: RuntimeContext) -> RuntimeContext:
    """Return ``context`` such that it fits a request; an error is told by its last line."""
    return RuntimeContext(
        file=context.file[:_LONG],
        function=context.function[:_LONG],
        errors=tuple(error.rstrip()[-_LONG:] for error in context.errors[-_MANY:]),
        slow=tuple(name[:_LONG] for name in context.slow[:_MANY]),
        dependencies=tuple(name[:_LONG] for name in context.dependencies[:_MANY]),
    )


def _merged(one: Sequence[Hit], other: Sequence[Hit]) -> list[Hit]:
    """Return both in turns, ``one`` first."""
    return [hit for pair in zip_longest(one, other) for hit in pair if hit is not None]


def _scaled(hit: Hit) -> Hit:
    """Return ``hit`` with a score below 1, as the index gives them: BM25 has no upper end."""
    return Hit(hit.item, hit.score / (1 + hit.score))


def _insight(stored: Stored) -> Insight:
    item = stored.item
    return Insight(text=item.text, kind=item.kind, scope="project" if item.project else "global")


def _bears(query: str, hit: Remembered) -> bool:
    """Return whether what was found has to do with the question at all: a search always answers."""
    return hit.is_near or bool(_telling(query) & _telling(hit.stored.item.text))


def _telling(text: str) -> set[str]:
    return {word for word in words(text) if len(word) > 2} - _COMMON


def _recalled(hit: Remembered) -> Recalled:
    item = hit.stored.item
    return Recalled(
        insight=_insight(hit.stored),
        score=hit.score,
        why=hit.why,
        check=item.check,
        item=hit.stored.id,
    )


async def tend_index(
    home: Path, what: Literal["nothing", "rebuild", "release"] = "nothing"
) -> OwnerStatus | None:
    """Have the resident process of ``home`` do ``what``; None when there is none.

    Raises:
        ModelUnavailable: it does not answer.
    """
    reply = await ask_resident(home, Tend(what=what), _TEND_S)
    return reply.memory if reply else None
