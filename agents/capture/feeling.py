"""What a developer feels, as told by what they write: polarity and three moods.

A linear classifier over named signs and, where an embedding model is at hand, the text's vector.
Its weights are learnt by ``training/feelings`` from texts written for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from agents.capture.feeling_features import FINGERPRINT, prose, read_by_model, signs
from agents.capture.feeling_model import FeelingModel
from agents.capture.linear import read_weights
from memory.embedder import Embedder
from memory.records import Record

WEIGHTS: Final = Path(__file__).parent / "weights" / "feelings.safetensors"


class Polarity(StrEnum):
    """Whether a text sounds displeased, plain or pleased."""

    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    POSITIVE = "positive"


MOODS: Final = ("frustration", "satisfaction", "confidence")
HEADS: Final = (*Polarity, *MOODS)


class Feeling(Record):
    """What one text tells of its writer.

    ``frustration`` (annoyed, out of patience), ``satisfaction`` (pleased with what there is) and
    ``confidence`` (sure of what is said) say how likely each is shown; over one half: rather
    yes. ``value`` is the probability of a positive text less that of a negative one: -1 bad,
    0 nothing shown, 1 good.
    """

    polarity: Polarity = Polarity.NEUTRAL
    frustration: float = Field(default=0.0, ge=0, le=1)
    satisfaction: float = Field(default=0.0, ge=0, le=1)
    confidence: float = Field(default=0.0, ge=0, le=1)
    value: float = Field(default=0.0, ge=-1, le=1)


class Feelings:
    """Reads feelings; opening costs milliseconds, a text without embeddings about one."""

    def __init__(
        self,
        embedder: Embedder | None = None,
        weights: Path = WEIGHTS,
        *,
        model: Path | None = None,
    ) -> None:
        """Read the ``weights``; with an ``embedder`` those that were trained with MiniLM.

        ``model`` is a folder with a sequence classifier for transformers: it decides what its
        labels name, and the weights what they do not. Opening it takes seconds.

        Raises:
            ModelUnavailable: the weights are missing, damaged or for other features, or the model
                can't be loaded.
            UsageError: the model's labels name no polarity.
        """
        self._embedder = embedder
        part = "embedded" if embedder else "plain"
        self._weight, self._bias = read_weights(
            weights, part, features=FINGERPRINT, heads=HEADS, trainer="training.feelings.train"
        )
        self._model = FeelingModel(model) if model else None

    def read(self, texts: Sequence[str]) -> list[Feeling]:
        """Return one feeling per text; pasted code and logs, quotes and forms are not read."""
        if not texts:
            return []
        written = [prose(text) for text in texts]
        chances = self._chances(written)
        if self._model is not None:
            for chance, named in zip(chances, self._model.chances(written), strict=True):
                chance |= named
        return [_feeling(c) if w else Feeling() for w, c in zip(written, chances, strict=True)]

    def _chances(self, written: Sequence[str]) -> list[dict[str, float]]:
        inputs = np.stack([signs(text) for text in written])
        if self._embedder is not None:
            vectors = self._embedder.embed([read_by_model(text) for text in written])
            inputs = np.hstack([inputs, vectors])
        scores = inputs @ self._weight.T + self._bias
        shares = np.exp(scores[:, :3] - scores[:, :3].max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        moods = 1 / (1 + np.exp(-scores[:, 3:]))
        rows: list[list[float]] = np.hstack([shares, moods]).tolist()
        return [dict(zip(HEADS, row, strict=True)) for row in rows]


def _feeling(chances: dict[str, float]) -> Feeling:
    return Feeling(
        polarity=max(Polarity, key=lambda polarity: chances[polarity]),
        value=round(chances[Polarity.POSITIVE] - chances[Polarity.NEGATIVE], 3),
        **{mood: round(chances[mood], 3) for mood in MOODS},
    )
