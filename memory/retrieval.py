"""From a question to the items that answer it: by meaning and by words, fused and explained.

Two rankings of the index are fused by reciprocal ranks (Cormack, Clarke and Büttcher 2009: an
item's score is the sum of ``weight / (k + rank)``). Rankings compare where scores do not: cosines
and word weights have different scales.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from memory.index import Dense, Hit, Index
from memory.records import Item, Kind, Record, Status, Where
from memory.rewards import Weights
from memory.router import (
    PROFILES,
    QueryClass,
    RetrievalProfile,
    RuntimeContext,
    route,
)
from memory.sparse import sparse_query

if TYPE_CHECKING:
    from memory.entries import Stored

RANK_CONSTANT: Final = 4.0
"""The ``k`` of the fusion: small, so that what one ranking puts first stays near the top."""

NEAR: Final = 0.92
"""The cosine from which two texts of one kind say nearly the same."""

_ALIKE: Final = 2
"""How many items of nearly one meaning may stand before others do. Not one: to the model "use X"
and "never use X" are nearer than two wordings of the same rule, and neither may hide the other."""

_DEPTH: Final = 32  # hits of either ranking, at least
_PER_RESULT: Final = 4  # and this many for each item of the answer
_READ: Final = 3  # items read for each of the answer: with all of them, answers were the same
_SIFTED: Final = 8  # times as many where texts are left out for what they are about
_WEIGHTS: Final[Mapping[Kind, tuple[float, float]]] = {
    kind: (1.0, 0.7) if kind in {Kind.CODE, Kind.DOCUMENT} else (1.0, 1.2) for kind in Kind
}
"""Weights of meaning and words. A question about code seldom holds the code's own words; notes are
short, and what they name is what is asked for."""

_RECENT: Final = 0.05  # added for an item of this moment, half as much after a month
_HALF_LIFE_DAYS: Final = 30.0
_DOUBTED: Final = 0.1  # taken off an item of no confidence
_CONFIRMED: Final = 0.05
REWARDED: Final = 0.01
"""Added when the runs that recalled an item went well, taken off when they went badly. A rank more
in one ranking is worth more as deep as it is read, so that this decides between equals alone."""

_NEAR_FILE: Final = 0.1  # added when the item is of the file at hand
_MENTIONS: Final = 0.05  # added when it names the function, an error or a dependency at hand
_SEEN: Final = 0.001  # a smaller boost is none
_DATED: Final = frozenset(Kind) - {Kind.CODE, Kind.DOCUMENT}
_NAME: Final = re.compile(r"\w+")


class Query(Record):
    """A question, what it is about, and how many items to answer with.

    ``profile`` names the class of the question (see :mod:`memory.router`); left out, it is found
    by the question's words and ``context``. Rejected items are found only when ``where`` asks for
    that status. ``weights`` are those of the rewards of the runs that recalled an item.
    """

    text: str
    where: Where = Where()
    limit: int = Field(default=8, ge=1, le=1000)
    profile: QueryClass | None = None
    context: RuntimeContext = RuntimeContext()
    weights: Weights = Weights()


class Ranked(Record):
    """An item's place in one ranking (from 1), its score there, and the ranking's weight."""

    rank: int
    score: float
    weight: float


class Explanation(Record):
    """Why an item was found. A ranking that does not hold it is None.

    ``kind`` is the profile's weight of the item's kind, ``boosts`` what was added or taken off, as
    parts of the score; ``copies`` are the ids of items left out because they hold the same words.
    """

    profile: QueryClass
    meaning: Ranked | None = None
    words: Ranked | None = None
    kind: float = 1.0
    boosts: dict[str, float] = Field(default_factory=dict)
    copies: tuple[str, ...] = ()

    def line(self) -> str:
        """Return the explanation in one line, for people."""
        parts = [
            f"{name} #{ranked.rank} ({ranked.score:.2f})"
            for name, ranked in (("meaning", self.meaning), ("words", self.words))
            if ranked
        ]
        parts += [f"{name} {value:+.0%}" for name, value in self.boosts.items()]
        if self.kind != 1:
            parts.append(f"kind x{self.kind:g} for {self.profile}")
        if self.copies:
            parts.append(f"{len(self.copies)} with the same words left out")
        return ", ".join(parts)


class Found(Record):
    """An item that answers; a higher ``score`` is better (0..1)."""

    id: str
    score: float
    why: Explanation


_VectorsOf = Callable[[Sequence[str]], Mapping[str, Dense]]
_Place = tuple[int, float]  # rank and score in one ranking
_Places = dict[str, _Place]


@dataclass(slots=True)
class _Candidate:
    stored: Stored
    meaning: _Place | None
    words: _Place | None
    boosts: dict[str, float]
    score: float
    copies: list[str] = field(default_factory=list)


def _order(one: _Candidate) -> tuple[float, str]:
    return -one.score, one.stored.id


def _no_rewards(ids: Sequence[str], weights: Weights) -> Mapping[str, float]:
    """Return nothing: no run is known."""
    return {}


def retrieve(
    query: Query,
    *,
    index: Index,
    vector: Dense,
    vectors_of: _VectorsOf,
    info: Callable[[Sequence[str]], Mapping[str, Stored]],
    rewards: Callable[[Sequence[str], Weights], Mapping[str, float]] = _no_rewards,
    now: datetime | None = None,
) -> tuple[Found, ...]:
    """Return up to ``query.limit`` items, best first, none with the words of another.

    ``vector`` is the question's; ``vectors_of`` and ``info`` give vectors and records of items,
    and may leave some out: without a vector an item is like no other, without a live record it is
    not found. ``rewards`` gives mean rewards (-1..1), which decide between equals. Raises
    StoreUnavailable when the index fails.
    """
    profile_name = query.profile or route(query.text, query.context).to
    where = query.where
    wider = _SIFTED if where.about else 1
    depth = max(_DEPTH, _PER_RESULT * query.limit) * wider
    meaning = _ranks(index.by_meaning(vector, where, depth))
    asked = sparse_query(query.text)
    named = _ranks(index.by_words(asked, where, depth)) if asked.indices else {}
    known = info(_likeliest(meaning, named, _READ * query.limit * wider))
    earned = rewards(list(known), query.weights)
    scorer = _Scorer(profile_name, query.context, now or datetime.now(UTC), earned)
    candidates = [
        scorer.candidate(stored, meaning.get(item), named.get(item))
        for item, stored in known.items()
        # Here, not in the index: a filter that nearly all pass makes a search twice as long.
        if stored.may_answer(where)
    ]
    candidates.sort(key=_order)
    distinct = _distinct(candidates)
    crowd = _Crowd(distinct, vectors_of, query.limit)
    chosen = _shared_out(distinct, crowd, scorer.profile, query.limit)
    return tuple(scorer.found(one) for one in chosen)


def fuse(rankings: Sequence[tuple[float, int | None]]) -> float:
    """Return the fused score of one item from ``(weight, rank)`` per ranking, in 0..1.

    1 is the first place everywhere; a rank of None is a ranking without the item.
    """
    score = best = 0.0
    for weight, rank in rankings:
        best += weight / (RANK_CONSTANT + 1)
        if rank is not None:
            score += weight / (RANK_CONSTANT + rank)
    return score / best


def _likeliest(meaning: _Places, named: _Places, limit: int) -> list[str]:
    """Return the items worth reading: reading is what takes longest beside the search itself."""

    fused: defaultdict[str, float] = defaultdict(float)
    for places in (meaning, named):
        for item, (rank, _) in places.items():
            fused[item] -= 1 / (RANK_CONSTANT + rank)
    return sorted(fused, key=lambda item: (fused[item], item))[:limit]


def _ranks(hits: Sequence[Hit]) -> _Places:
    return {hit.item: (rank, hit.score) for rank, hit in enumerate(hits, 1)}


class _Scorer:
    """Scores candidates of one question."""

    def __init__(
        self,
        name: QueryClass,
        context: RuntimeContext,
        now: datetime,
        rewards: Mapping[str, float],
    ) -> None:
        self.profile = PROFILES[name]
        self._name = name
        self._context = context
        self._now = now
        self._rewards = rewards
        mentions = {
            "function": _names(context.function),
            "error": _names(*(_last_line(error) for error in context.errors)),
            "slow": _names(*context.slow),
            "dependency": _names(*context.dependencies),
        }
        self._mentions = {name: asked for name, asked in mentions.items() if asked}

    def candidate(self, stored: Stored, meaning: _Place | None, named: _Place | None) -> _Candidate:
        item = stored.item
        by_meaning, by_words = _WEIGHTS[item.kind]
        fused = fuse(((by_meaning, meaning and meaning[0]), (by_words, named and named[0])))
        boosts = self._boosts(item, stored.updated)
        score = fused * self._factor(item.kind) * (1 + sum(boosts.values()))
        return _Candidate(stored, meaning, named, boosts, min(1.0, score))

    def found(self, one: _Candidate) -> Found:
        weights = _WEIGHTS[one.stored.item.kind]
        why = Explanation(
            profile=self._name,
            meaning=_ranked(one.meaning, weights[0]),
            words=_ranked(one.words, weights[1]),
            kind=self._factor(one.stored.item.kind),
            boosts=one.boosts,
            copies=tuple(one.copies),
        )
        return Found(id=one.stored.id, score=one.score, why=why)

    def _factor(self, kind: Kind) -> float:
        return self.profile.kinds.get(kind, 1.0)

    def _boosts(self, item: Item, updated: datetime) -> dict[str, float]:
        boosts: dict[str, float] = {}
        if item.confidence < 1:
            boosts["doubt"] = round(_DOUBTED * (item.confidence - 1), 4)
        if item.kind in _DATED:
            days = max(0.0, (self._now - updated).total_seconds() / 86_400)
            boosts["recent"] = round(_RECENT * 0.5 ** (days / _HALF_LIFE_DAYS), 4)
        if item.status is Status.VALIDATED:
            boosts["confirmed"] = _CONFIRMED
        if self._rewards and (reward := self._rewards.get(item.id)):
            boosts["reward"] = round(REWARDED * reward, 4)
        if self._context.file and f"/{_path(item)}".endswith(f"/{self._context.file}"):
            boosts["file"] = _NEAR_FILE
        if self._mentions:
            held = _names(item.text)
            boosts |= {name: _MENTIONS for name, asked in self._mentions.items() if asked & held}
        return {name: value for name, value in boosts.items() if abs(value) >= _SEEN}


def _ranked(place: _Place | None, weight: float) -> Ranked | None:
    return Ranked(rank=place[0], score=place[1], weight=weight) if place else None


def _last_line(error: str) -> str:
    """Return what a traceback ends with: the error's type and message."""
    lines = error.strip().splitlines()
    return lines[-1] if lines else ""


def _names(*texts: str) -> set[str]:
    """Return the words that can name something: whole identifiers, without everyday words."""
    return {word.casefold() for text in texts for word in _NAME.findall(text) if len(word) > 3}


def _path(item: Item) -> str:
    """Return the file that an item is about, or nothing."""
    path = item.data.get("path")
    return path if isinstance(path, str) else item.provenance.where.partition(":")[0]


def _distinct(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Leave out copies of what stands before, and name them there."""
    kept: dict[tuple[str, ...], _Candidate] = {}
    for one in candidates:
        first = kept.setdefault(_said(one.stored.item), one)
        if first is not one:
            first.copies.append(one.stored.id)
    return list(kept.values())


class _Crowd:
    """Says of candidates in their order whether two of a kind mean nearly the same as a later one.

    Vectors are read ``page`` at a time, from the first candidate on that is asked about.
    """

    def __init__(self, candidates: Sequence[_Candidate], vectors_of: _VectorsOf, page: int) -> None:
        self._ids = [one.stored.id for one in candidates]
        self._kinds = np.array([one.stored.item.kind for one in candidates])
        self._vectors_of = vectors_of
        self._page = page
        self._read = 0
        self._vectors: Mapping[str, Dense] = {}
        self._rows: NDArray[np.float32] | None = None

    def hides(self, at: int) -> bool:
        """Say whether the candidate ``at`` is crowded out by those that were asked about before."""
        if at >= self._read:
            self._read = at + self._page
            self._vectors = self._vectors_of(self._ids[at : self._read])
        vector = self._vectors.get(self._ids[at])
        if vector is None:
            return False
        if self._rows is None:
            self._rows = np.zeros((len(self._ids), vector.size), np.float32)
        self._rows[at] = vector
        # Row by row: one product of matrices would start threads, which on a busy machine costs
        # more than all the rest of a search.
        near = np.flatnonzero(self._rows[:at] @ vector >= NEAR)
        return near.size >= _ALIKE and int((self._kinds[near] == self._kinds[at]).sum()) >= _ALIKE


def _said(item: Item) -> tuple[str, ...]:
    """Return kind and words of an item, in order; of code without the path at its beginning."""
    text = item.text.partition(" ")[2] if item.kind is Kind.CODE else item.text
    return (item.kind, *_NAME.findall(text.casefold()))


def _shared_out(
    candidates: Sequence[_Candidate], crowd: _Crowd, profile: RetrievalProfile, limit: int
) -> list[_Candidate]:
    """Return ``limit`` of them: neither one thing nor one kind fills an answer that has others."""
    taken: list[_Candidate] = []
    waiting: list[_Candidate] = []
    counts = Counter[Kind]()
    for at, one in enumerate(candidates):
        kind = one.stored.item.kind
        is_full = counts[kind] >= max(1.0, profile.shares.get(kind, 1.0) * limit)
        if is_full or crowd.hides(at):  # a kind that is full needs no vectors
            waiting.append(one)
        else:
            counts[kind] += 1
            taken.append(one)
        if len(taken) == limit:
            break
    return sorted((taken + waiting)[:limit], key=_order)
