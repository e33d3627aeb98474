"""The journal's other half: stages of what was learnt, signals, and events taken in once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from mcp_local_llm import UsageError
from memory.ledger import Ledger
from memory.lifecycle import (
    Stage,
    Transition,
    all_steps,
    append_step,
    graduated_by,
    latest_steps,
    may_follow,
    next_stages,
    stage_counts,
)
from memory.records import Item
from memory.replay import dumped
from memory.rewards import Weights, mean_rewards, replay_weights
from memory.secrets import holds_secret
from memory.signals import Signal, find_signals, keep_signals, keys_seen, note_seen


class LearningLedger(Ledger):
    """A ledger that also keeps how far each item has come, and how well answers were taken."""

    def advance(self, id: str, stage: Stage, **evidence: JsonValue) -> None:
        """Say that ``id`` has reached ``stage``, and what speaks for it.

        The same stage with other evidence is kept too; ``UsageError`` when ``stage`` cannot follow.
        """
        with self.write() as connection:
            if self.known(id).state == "deleted" and stage is not Stage.WITHDRAWN:
                raise UsageError(f"{id[:8]} was forgotten and cannot be {stage}")
            self._advance(id, stage, evidence, latest_steps(connection, [id]).get(id))

    def signal(self, *signals: Signal) -> int:
        """Keep ``signals``; return how many were new, by their keys."""
        with self.write() as connection:
            return keep_signals(connection, signals)

    def take(
        self,
        key: str,
        items: Sequence[Item] = (),
        signals: Sequence[Signal] = (),
        replaced: Sequence[tuple[str, str, str]] = (),
    ) -> tuple[str, ...]:
        """Take in what came of the event ``key``, once and in one transaction; return item ids.

        ``items`` become captured; one that has come further stays there, and the event is noted.
        ``replaced`` holds what was superseded: the old id, the new one and the reason. Nothing is
        done, and nothing returned, when ``key`` was taken in before.

        Raises:
            UsageError: something in it looks like a secret.
        """
        for one in (*items, *signals):
            if holds_secret(one.model_dump(mode="json")):
                raise UsageError(
                    "what was said holds what looks like a secret and is not kept; say where the "
                    "secret is found instead of what it is"
                )
        with self.write() as connection:
            if not note_seen(connection, key, int(self._clock() * 1e6)):
                return ()
            keep_signals(connection, signals)
            ids = tuple(dict.fromkeys(item.id for item in items))
            for item in items:
                self.put_item(item)
            steps = latest_steps(connection, ids)
            for id in ids:
                now = steps.get(id)
                stays = now is not None and now.stage is not Stage.WITHDRAWN
                stage = now.stage if now and stays else Stage.CAPTURED
                self._advance(id, stage, {"key": key}, now)
            for old, new, reason in replaced:
                if self.known(old).state == "live" and old != new:
                    self.append("supersede", old, new, dumped(reason=reason))
            return ids

    def stages(self, ids: Iterable[str]) -> dict[str, Transition]:
        """Return the last step of each of ``ids`` that took any."""
        with self.read() as connection:
            return latest_steps(connection, ids)

    def graduated_by(self, adapter: str) -> frozenset[str]:
        """Return the ids of what ``adapter`` answers without being told."""
        with self.read() as connection:
            return graduated_by(connection, adapter)

    def stage_counts(self, project: str, kinds: Iterable[str]) -> dict[Stage, int]:
        """Return how many live items of ``kinds`` that hold in ``project`` are at each stage."""
        with self.read() as connection:
            return stage_counts(connection, project, kinds)

    def stage_history(self, id: str) -> tuple[Transition, ...]:
        """Return every step of ``id``, oldest first."""
        with self.read() as connection:
            return all_steps(connection, id)

    def signals(
        self,
        *,
        project: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
    ) -> tuple[Signal, ...]:
        """Return the signals that meet all that is given, oldest first."""
        with self.read() as connection:
            return find_signals(connection, project, target, since)

    def seen(self, keys: Iterable[str]) -> set[str]:
        """Return those of ``keys`` that ``take`` was called with."""
        with self.read() as connection:
            return keys_seen(connection, keys)

    def mean_rewards(self, ids: Iterable[str], weights: Weights) -> dict[str, float]:
        """Return the mean reward of the runs that recalled each item; see memory/rewards.py."""
        with self.read() as connection:
            return mean_rewards(connection, ids, weights)

    def replay_weights(self, items: Mapping[str, Item], weights: Weights) -> dict[str, float]:
        """Return how often each item (by id) should be replayed; see memory/rewards.py."""
        with self.read() as connection:
            return replay_weights(connection, items, weights)

    def _advance(
        self, id: str, stage: Stage, evidence: Mapping[str, JsonValue], now: Transition | None
    ) -> None:
        """Append a step that follows ``now`` within ``write``; the same again is not repeated."""
        before = now.stage if now else Stage.CAPTURED
        if not may_follow(before, stage):
            raise UsageError(
                f"{id[:8]} is {before} and cannot be {stage} next; it can be: "
                f"{', '.join(next_stages(before))}"
            )
        if now is None or (now.stage, now.evidence) != (stage, evidence):
            append_step(self._connection, int(self._clock() * 1e6), id, stage, evidence)
