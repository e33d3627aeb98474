"""Print how well feelings are told: ``python -m training.feelings.evaluate FILE``.

FILE holds labelled texts (JSONL with text and polarity). Without FILE the project's own corpus is
used, in five folds: what is measured was not learnt from.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from agents.capture.feeling import HEADS, MOODS, Feeling, Feelings, Polarity
from agents.capture.feeling_features import FINGERPRINT
from agents.capture.linear import write_weights
from mcp_local_llm import LocalLLMError
from memory.embedder import Embedder
from training.feelings.corpus import Text, read_texts
from training.feelings.train import learn
from training.reactions.evaluate import Figure, figure, table

_FOLDS: Final = 5


def polarity_figures(texts: Sequence[Text], found: Sequence[Feeling]) -> dict[str, Figure]:
    """Return a figure per polarity; the mean of their F1 is the macro-F1."""
    wanted = np.array([text.polarity for text in texts])
    said = np.array([feeling.polarity for feeling in found])
    return {name.value: figure(wanted == name, said == name) for name in Polarity}


def mood_figures(texts: Sequence[Text], found: Sequence[Feeling]) -> dict[str, Figure]:
    """Return a figure per mood, said where its probability is over one half."""
    return {
        mood: figure(
            np.array([mood in text.feelings for text in texts], bool),
            np.array([getattr(feeling, mood) > 0.5 for feeling in found], bool),
        )
        for mood in MOODS
    }


def cross_validated(
    texts: Sequence[Text], embedder: Embedder | None
) -> tuple[list[Text], list[Feeling]]:
    """Return ``texts`` with the feelings told by what was learnt from the other four fifths."""
    held_out: list[Text] = []
    found: list[Feeling] = []
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "fold.safetensors"
        for fold in range(_FOLDS):
            taught = [text for at, text in enumerate(texts) if at % _FOLDS != fold]
            part = "embedded" if embedder else "plain"
            learnt = {part: learn(taught, embedder)}
            write_weights(weights, learnt, features=FINGERPRINT, heads=HEADS)
            held = list(texts[fold::_FOLDS])
            held_out += held
            found += Feelings(embedder, weights).read([text.text for text in held])
    return held_out, found


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 wrong input, 3 a model is not there."""
    parser = argparse.ArgumentParser(prog="python -m training.feelings.evaluate")
    parser.add_argument("file", nargs="?", type=Path, help="labelled texts; default: the corpus")
    parser.add_argument("--words-only", action="store_true", help="no embedding model")
    parser.add_argument("--model", type=Path, help="folder of a Hugging Face classifier")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    try:
        embedder = None if options.words_only else _embedder()
        if options.file is None:
            texts, found = cross_validated(read_texts(), embedder)
        else:
            texts = read_texts(options.file)
            found = Feelings(embedder, model=options.model).read([text.text for text in texts])
    except LocalLLMError as error:
        sys.stderr.write(f"training.feelings.evaluate: {error}\n")
        return error.exit_code
    polarity = polarity_figures(texts, found)
    moods = mood_figures(texts, found) if any(text.feelings for text in texts) else {}
    macro = round(float(np.mean([each.f1 for each in polarity.values()])), 3)
    if options.json:
        figures = {name: each.model_dump() for name, each in (polarity | moods).items()}
        sys.stdout.write(json.dumps({"macro_f1": macro, **figures}) + "\n")
    else:
        sys.stdout.write(table("feeling", polarity | moods) + f"macro-F1 of polarity {macro}\n")
    return 0


def _embedder() -> Embedder:
    from memory.minilm import MiniLM

    return MiniLM.resolve(threads=1)


if __name__ == "__main__":
    sys.exit(main())
