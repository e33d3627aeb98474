"""The memory seam and its simple in-process implementation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from memory.code import CodeHit
from memory.episodes import Episode
from memory.records import Insight, KnowledgeUpdate, Recalled
from memory.router import NOTHING_AT_HAND, RuntimeContext

_WORD = re.compile(r"[a-z0-9]+")


class Memory(Protocol):
    """What the crew asks of a memory."""

    async def recall(
        self,
        query: str,
        *,
        limit: int = 5,
        at_hand: RuntimeContext = NOTHING_AT_HAND,
        adapter: str | None = None,
    ) -> tuple[Recalled, ...]:
        """Return up to ``limit`` insights that bear on ``query``, best first.

        What has to do with what is ``at_hand`` is preferred slightly. What the ``adapter`` that
        answers has been proven to know is left out.
        """
        ...

    async def remember(self, insight: Insight) -> None:
        """Keep ``insight``; the same insight twice is kept once."""
        ...

    async def record(self, episode: Episode) -> None:
        """Keep how a run ended; of one run the last episode is kept. ``recall`` gives none.

        Raises ``StoreUnavailable`` when it cannot be kept, ``UsageError`` when it may not.
        """
        ...

    async def search_code(
        self, query: str, *, limit: int, at_hand: RuntimeContext = NOTHING_AT_HAND
    ) -> tuple[CodeHit, ...]:
        """Return up to ``limit`` pieces of indexed files that fit ``query``, best first."""
        ...

    async def updates(self, *, limit: int = 20) -> tuple[KnowledgeUpdate, ...]:
        """Return up to ``limit`` things taught or corrected of late, newest first."""
        ...


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


@dataclass(slots=True)
class SessionMemory:
    """Keeps insights in this process and recalls them by shared words (Jaccard index).

    Not covered: persistence, synonyms, and anything said outside this process.
    """

    insights: list[Insight] = field(default_factory=list)
    episodes: dict[str, Episode] = field(default_factory=dict)

    async def recall(
        self,
        query: str,
        *,
        limit: int = 5,
        at_hand: RuntimeContext = NOTHING_AT_HAND,
        adapter: str | None = None,
    ) -> tuple[Recalled, ...]:
        """Return up to ``limit`` insights that share a word with ``query``, best first."""
        asked = _words(query)
        hits: list[Recalled] = []
        for insight in self.insights:
            known = _words(insight.text)
            shared = asked & known
            if shared:
                score = len(shared) / len(asked | known)
                why = "shares " + ", ".join(sorted(shared))
                hits.append(Recalled(insight=insight, score=score, why=why))
        return tuple(sorted(hits, key=lambda hit: -hit.score)[:limit])

    async def remember(self, insight: Insight) -> None:
        """Keep ``insight`` once."""
        if insight not in self.insights:
            self.insights.append(insight)

    async def record(self, episode: Episode) -> None:
        """Keep ``episode`` by the id of its run."""
        self.episodes[episode.run_id] = episode

    async def search_code(
        self, query: str, *, limit: int, at_hand: RuntimeContext = NOTHING_AT_HAND
    ) -> tuple[CodeHit, ...]:
        """Return nothing: no files are indexed here."""
        return ()

    async def updates(self, *, limit: int = 20) -> tuple[KnowledgeUpdate, ...]:
        """Return nothing: what is known here ends with the process."""
        return ()
