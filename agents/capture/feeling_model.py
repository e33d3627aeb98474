"""A Hugging Face sequence classifier as a judge of feelings: the one place that opens it.

Only a folder on disk is read, only safetensors weights, and no code that comes with a model runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mcp_local_llm import ModelUnavailable, UsageError

_TOKENS: Final = 256
_BATCH: Final = 16
# What the labels of published classifiers of sentiment and emotion are taken for.
_MEANS: Final[Mapping[str, frozenset[str]]] = {
    "negative": frozenset({
        "negative", "neg", "very negative", "anger", "annoyance", "disapproval", "disappointment",
        "disgust", "embarrassment", "fear", "frustration", "grief", "nervousness", "remorse",
        "sadness",
    }),
    "neutral": frozenset({"neutral", "neu", "neutrality", "none", "other"}),
    "positive": frozenset({
        "positive", "pos", "very positive", "admiration", "amusement", "approval", "excitement",
        "gratitude", "joy", "happiness", "love", "optimism", "pride", "relief", "satisfaction",
    }),
    "frustration": frozenset({"anger", "annoyance", "disgust", "frustration"}),
    "satisfaction": frozenset({
        "admiration", "gratitude", "joy", "happiness", "love", "relief", "satisfaction",
    }),
    "confidence": frozenset({"approval", "confidence", "optimism", "pride", "trust"}),
}  # fmt: skip
_POLARITY: Final = ("negative", "neutral", "positive")


class FeelingModel:
    """A classifier from a folder; what its labels mean is told from their names."""

    def __init__(self, folder: Path) -> None:
        """Load the classifier in ``folder`` onto the CPU.

        Raises:
            ModelUnavailable: the folder holds no sequence classifier, or a damaged one.
            UsageError: its labels name neither a negative nor a positive feeling.
        """
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(
                f"cannot load a classifier from {str(folder)!r} ({error}); name a folder with "
                "config.json, a tokenizer and model.safetensors of a sequence classifier"
            ) from error
        self._model.requires_grad_(False)
        config = self._model.config
        self._places = places(config.id2label)
        if not {"negative", "positive"} <= set(self._places):
            raise UsageError(
                f"the labels of {str(folder)!r}, {list(config.id2label.values())!r}, do not say "
                "which are negative and which positive; name them in id2label of its config.json"
            )
        self._several = config.problem_type == "multi_label_classification"

    def chances(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Return per text the probabilities of what the labels name; polarity adds up to 1."""
        return [
            self._named(row)
            for start in range(0, len(texts), _BATCH)
            for row in self._judge(texts[start : start + _BATCH])
        ]

    def _judge(self, texts: Sequence[str]) -> list[list[float]]:
        inputs = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt"
        )
        scores = self._model(**inputs).logits.float()
        shares = scores.sigmoid() if self._several else scores.softmax(dim=-1)
        rows: list[list[float]] = shares.tolist()
        return rows

    def _named(self, row: Sequence[float]) -> dict[str, float]:
        found = {
            name: (max if self._several else sum)(row[at] for at in at_)
            for name, at_ in self._places.items()
        }
        polarity = {name: found.pop(name, 0.0) for name in _POLARITY}
        whole = sum(polarity.values()) or 1.0
        moods = {name: min(share, 1.0) for name, share in found.items()}
        return moods | {name: share / whole for name, share in polarity.items()}


def places(labels: Mapping[int, str]) -> dict[str, list[int]]:
    """Return per feeling the numbers of the ``labels`` that stand for it, if any do."""
    plain = {number: label.lower().replace("_", " ").strip() for number, label in labels.items()}
    found = {
        name: [number for number, label in plain.items() if label in known]
        for name, known in _MEANS.items()
    }
    return {name: numbers for name, numbers in found.items() if numbers}
