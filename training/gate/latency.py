"""How long the same requests take with an adapter, with an untrained one, and with none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agents.chat import ChatModel
from agents.profiles import ModelConfig
from agents.serving import open_model
from training.gate.records import Latency, Probe

TOKENS: Final = 24
_ROUNDS: Final = 3
_MOST_ROUNDS: Final = 9


async def measure_latency(
    settings: ModelConfig,
    candidate: Path,
    untrained: Path,
    probes: Sequence[Probe],
    *,
    limit: float,
    home: Path | None = None,
) -> Latency:
    """Return the seconds of answers of 24 tokens to ``probes``, each served three ways.

    Rounds take turns, and each request counts at its best: other work on the machine only adds
    time. While the candidate seems slower than ``limit`` allows, up to nine rounds are made.

    Raises:
        ModelUnavailable: one of them cannot be served.
    """
    ways = {"base": None, "untrained": untrained, "candidate": candidate}
    best = {way: [float("inf")] * len(probes) for way in ways}
    made = 0
    while made < _ROUNDS or (made < _MOST_ROUNDS and _slow(best, limit)):
        for way, path in ways.items():
            served = settings.model_copy(update={"adapter_path": path})
            async with open_model(served, home=home) as model:  # stays, where there is room
                took = [await _seconds(model, probe) for probe in probes]
            best[way] = [min(pair) for pair in zip(best[way], took, strict=True)]
        made += 1
    return Latency(**{f"{way}_s": seconds for way, seconds in _sums(best).items()}, rounds=made)


def _sums(best: dict[str, list[float]]) -> dict[str, float]:
    """Return the sum of each way, over the requests that all of them could be timed on."""
    rows = [row for row in zip(*best.values(), strict=True) if max(row) < float("inf")]
    return {way: sum(row[place] for row in rows) for place, way in enumerate(best)}


def _slow(best: dict[str, list[float]], limit: float) -> bool:
    sums = _sums(best)
    return sums["candidate"] > (1 + limit) * sums["untrained"]


async def _seconds(model: ChatModel, probe: Probe) -> float:
    """Return the time of an answer of ``TOKENS`` tokens, whatever its length was.

    An answer of a single token tells no speed: infinity.
    """
    done = await model.complete(probe.messages, max_tokens=TOKENS)
    speed = done.tokens_per_s
    return done.first_token_s + (TOKENS - 1) / speed if speed else float("inf")
