"""The labelled texts, and longer ones made of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from pydantic import ConfigDict

from agents.capture.feeling import Polarity
from memory.records import Record
from training.reactions.corpus import read_labelled

CORPUS: Final = Path(__file__).parent / "corpus.jsonl"
_JOINTS: Final = (" ", "\n", "\n\n")
_ADDED: Final = (1, 1, 2, 3)  # plain texts beside one with a feeling
_SHUFFLED: Final = 0.35  # share in which the feeling does not come first


class Text(Record):
    """One labelled text; other fields are not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: str
    polarity: Polarity
    feelings: tuple[Literal["frustration", "satisfaction", "confidence"], ...] = ()
    emotions: tuple[str, ...] = ()


def read_texts(path: Path = CORPUS) -> list[Text]:
    """Return the labelled texts in ``path``, one JSON object per line.

    Raises:
        UsageError: the file cannot be read, or a line is no labelled text; the line is named.
    """
    return read_labelled(path, Text)


def joined(texts: Sequence[Text], seed: int) -> list[Text]:
    """Return each text among plain ones, with its own labels: in long texts feelings are sparse."""
    chance = random.Random(seed)  # noqa: S311  # a seeded choice is the point
    plain = [text.text for text in texts if text.polarity is Polarity.NEUTRAL]
    longer = []
    for text in texts:
        pieces = [text.text, *chance.choices(plain, k=chance.choice(_ADDED))]
        if chance.random() < _SHUFFLED:
            chance.shuffle(pieces)
        longer.append(text.model_copy(update={"text": chance.choice(_JOINTS).join(pieces)}))
    return longer
