"""Says what a developer's turn is: a correction, a teaching, an approval, anger, or none of them.

A linear classifier over named features, hashed words and, where an embedding model is at hand, the
turn's vector. Which weights it has is learnt by ``training/reactions`` from turns written for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.capture.cues import TURN
from agents.capture.features import FINGERPRINT, read_by_model, words_and_cues
from agents.capture.linear import read_weights
from agents.capture.parts import Parts, take_apart
from agents.capture.rule import find_rule
from agents.capture.second_opinion import SecondOpinion
from memory.embedder import Embedder
from memory.records import Record

WEIGHTS: Final = Path(__file__).parent / "weights" / "reactions.safetensors"
HEADS: Final = (
    "fix", "teach", "approve", "anger",
    "rejection", "accepts", "directive_fix", "defect_report", "preference", "go_ahead", "question",
)  # fmt: skip
_FEW_WORDS: Final = 12


class Label(StrEnum):
    """What a turn is, judged with the answer before it."""

    TEACHING = "teaching"
    CORRECTION = "correction"
    REJECTION = "rejection"
    APPROVAL = "approval"
    FRUSTRATION_ONLY = "frustration_only"
    NEUTRAL_REQUEST = "neutral_request"


class Detection(Record):
    """What was found in one turn.

    ``confidence`` is the classifier's probability of what decided the label (0.5 to 1), and
    ``scores`` holds the probabilities of its four questions: is the answer refused (``fix``), is
    something taught, is it approved of, is there anger. ``rule`` is one imperative sentence in the
    user's words, and None with a rejection. ``embedded`` says whether an embedding model was used.
    """

    label: Label
    flags: tuple[str, ...] = ()
    confidence: float = Field(ge=0, le=1)
    rule: str | None = None
    polarity: Literal["positive", "neutral", "negative"] = "neutral"
    emotion: Literal["frustration", "satisfaction", "confidence", "neutral"] = "neutral"
    scores: dict[str, float] = Field(default_factory=dict)
    embedded: bool = False


class Detector:
    """Judges turns; opening it costs milliseconds, a turn without embeddings about one."""

    def __init__(
        self,
        embedder: Embedder | None = None,
        weights: Path = WEIGHTS,
        *,
        second: SecondOpinion | None = None,
    ) -> None:
        """Read the ``weights``; with an ``embedder`` those that were trained with MiniLM.

        ``second`` is asked where the classifier is in doubt.

        Raises:
            ModelUnavailable: the weights are missing, damaged, or belong to other features.
        """
        self._embedder = embedder
        self._second = second
        part = "embedded" if embedder else "plain"
        self._weight, self._bias = read_weights(
            weights, part, features=FINGERPRINT, heads=HEADS, trainer="training.reactions.train"
        )

    @cached_property
    def embedded(self) -> bool:
        """Whether an embedding model takes part."""
        return self._embedder is not None

    def detect(self, previous: str, text: str) -> Detection:
        """Return what ``text`` says about ``previous``, the answer before it (may be empty)."""
        return self.detect_all([(previous, text)])[0]

    def detect_all(self, turns: Sequence[tuple[str, str]]) -> list[Detection]:
        """Return one detection per pair of previous answer and turn."""
        if not turns:
            return []
        parts = [take_apart(text) for _, text in turns]
        rows = [words_and_cues(p, previous) for p, (previous, _) in zip(parts, turns, strict=True)]
        inputs = np.stack(rows)
        if self._embedder is not None:
            vectors = self._embedder.embed([read_by_model(p) for p in parts])
            inputs = np.hstack([inputs, vectors])
        chances = 1 / (1 + np.exp(-(inputs @ self._weight.T + self._bias)))
        answers = (previous for previous, _ in turns)
        judged = zip(parts, answers, chances, strict=True)
        return [self._judge(part, before, row) for part, before, row in judged]

    def _judge(self, parts: Parts, previous: str, chances: NDArray[np.float32]) -> Detection:
        p = dict(zip(HEADS, chances.tolist(), strict=True))
        if self._second is not None:
            p = self._second.settled(p, previous, parts.typed)
        if not parts.typed.strip():
            p |= {"fix": 0.0, "teach": 0.0, "approve": 0.0, "anger": 0.0}
        label = _label(p, parts.typed)
        flags = _flags(p, label, parts)
        wanted = label in {Label.TEACHING, Label.CORRECTION} or "teaching" in flags
        return Detection(
            label=label,
            flags=flags,
            confidence=round(_confidence(p, label), 3),
            rule=find_rule(parts.typed) if wanted else None,
            polarity=_polarity(p),
            emotion=_emotion(p, parts.typed),
            scores={name: round(p[name], 3) for name in HEADS[:4]},
            embedded=self.embedded,
        )


def _label(p: dict[str, float], typed: str) -> Label:
    if p["teach"] > 0.5 and p["teach"] >= p["fix"]:
        return Label.TEACHING
    if p["fix"] > 0.5:
        return Label.REJECTION if p["rejection"] > 0.5 else Label.CORRECTION
    if p["teach"] > 0.5:
        return Label.TEACHING
    if p["anger"] > 0.5 and p["anger"] > p["approve"]:
        few = len(typed.split()) <= _FEW_WORDS
        asks = TURN["begins_task"].search(typed) or TURN["ends_question"].search(typed)
        return Label.FRUSTRATION_ONLY if few and not asks else Label.NEUTRAL_REQUEST
    if p["approve"] > 0.5 and p["accepts"] > 0.5:
        return Label.APPROVAL
    return Label.NEUTRAL_REQUEST


def _flags(p: dict[str, float], label: Label, parts: Parts) -> tuple[str, ...]:
    said = {
        "correction": p["fix"] > 0.5 and label not in {Label.CORRECTION, Label.REJECTION},
        "teaching": p["teach"] > 0.5 and label is not Label.TEACHING,
        "approval": p["approve"] > 0.5 and label is not Label.APPROVAL,
        "frustration": p["anger"] > 0.5 and label is not Label.FRUSTRATION_ONLY,
        "error_paste": parts.errors,
        "noise": parts.machine and not parts.typed.strip(),
        "go_ahead": p["go_ahead"] > 0.5 and p["approve"] > 0.5,
        "question": p["question"] > 0.5 and label is Label.NEUTRAL_REQUEST,
    }
    if label in {Label.CORRECTION, Label.REJECTION} or said["correction"]:
        said |= {name: p[name] > 0.5 for name in ("directive_fix", "defect_report", "preference")}
    return tuple(sorted(name for name, holds in said.items() if holds))


def _confidence(p: dict[str, float], label: Label) -> float:
    decides = {
        Label.TEACHING: "teach",
        Label.CORRECTION: "fix",
        Label.REJECTION: "fix",
        Label.APPROVAL: "approve",
        Label.FRUSTRATION_ONLY: "anger",
    }
    if label in decides:
        return p[decides[label]]
    return 1 - max(p["fix"], p["teach"])


def _polarity(p: dict[str, float]) -> Literal["positive", "neutral", "negative"]:
    against = max(p["fix"], p["anger"])
    if against > 0.5 and against >= p["approve"]:
        return "negative"
    return "positive" if p["approve"] > 0.5 else "neutral"


def _emotion(
    p: dict[str, float], typed: str
) -> Literal["frustration", "satisfaction", "confidence", "neutral"]:
    if p["anger"] > 0.5:
        return "frustration"
    if p["approve"] <= 0.5:
        return "neutral"
    pleased = TURN["praise"].search(typed) or TURN["thanks"].search(typed)
    return "satisfaction" if pleased else "confidence"
