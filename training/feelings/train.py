"""Train the classifier of feelings: ``python -m training.feelings.train``.

One softmax for polarity and a logistic regression per mood, over the features of
``agents.capture``; one set of weights for words alone and one with MiniLM's vectors. The same
corpus gives the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.capture.feeling import HEADS, MOODS, WEIGHTS, Polarity
from agents.capture.feeling_features import FINGERPRINT, prose, read_by_model, signs
from agents.capture.linear import write_weights
from mcp_local_llm import LocalLLMError
from memory.embedder import Embedder
from training.feelings.corpus import CORPUS, Text, joined, read_texts

Matrix = NDArray[np.float32]

SEED: Final = 7
_STRENGTH: Final = 0.2  # inverse of the penalty on large weights
# In log-odds, set on labelled real turns: anger is rather missed than invented.
THRESHOLDS: Final = {"frustration": 1.0}
_EMBEDDED_SCALE: Final = 1.5  # how much a vector counts beside the signs


def rows(texts: Sequence[Text], embedder: Embedder | None) -> Matrix:
    """Return the classifier's input for ``texts``, one row each."""
    written = [prose(text.text) for text in texts]
    plain = np.stack([signs(text) for text in written])
    if embedder is None:
        return plain
    return np.hstack([plain, embedder.embed([read_by_model(text) for text in written])])


def learn(texts: Sequence[Text], embedder: Embedder | None) -> tuple[Matrix, Matrix]:
    """Return weights (heads, features) and biases for ``texts``."""
    both = [*texts, *joined(texts, SEED)]
    inputs = rows(both, embedder)
    return fit(both, inputs, 0 if embedder is None else embedder.dimension)


def fit(texts: Sequence[Text], inputs: Matrix, embedded: int) -> tuple[Matrix, Matrix]:
    """Return weights and biases for ``inputs``, of which the last ``embedded`` are a vector."""
    from sklearn.linear_model import LogisticRegression

    scale = np.ones(inputs.shape[1], np.float32)
    scale[inputs.shape[1] - embedded :] = _EMBEDDED_SCALE
    scaled = inputs * scale
    model: Any = LogisticRegression(C=_STRENGTH, max_iter=1000)
    model.fit(scaled, [list(Polarity).index(text.polarity) for text in texts])
    weights, biases = [*model.coef_], [*model.intercept_]
    for mood in MOODS:
        # Balanced, since moods are rare; where the line is drawn is said by THRESHOLDS.
        model = LogisticRegression(C=_STRENGTH, max_iter=1000, class_weight="balanced")
        model.fit(scaled, [mood in text.feelings for text in texts])
        weights.append(model.coef_[0])
        biases.append(model.intercept_[0] - THRESHOLDS.get(mood, 0.0))
    return (np.stack(weights) * scale).astype(np.float32), np.array(biases, np.float32)


def train(corpus: Path, target: Path, embedder: Embedder, tell: Callable[[str], object]) -> None:
    """Train both sets of weights on ``corpus`` and write them to ``target``."""
    texts = read_texts(corpus)
    learnt = {}
    for part, model in (("plain", None), ("embedded", embedder)):
        tell(f"{part}: {len(texts)} texts\n")
        learnt[part] = learn(texts, model)
    checksum = hashlib.sha256(corpus.read_bytes()).hexdigest()
    write_weights(
        target,
        learnt,
        features=FINGERPRINT,
        heads=HEADS,
        corpus=checksum,
        texts=len(texts),
        embedder=embedder.name,
        seed=SEED,
    )
    tell(f"{target}: {target.stat().st_size / 1e3:.0f} kB\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 the corpus is wrong, 3 MiniLM is not there."""
    parser = argparse.ArgumentParser(prog="python -m training.feelings.train")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args(argv)
    try:
        read_texts(options.corpus)  # wrong input is said before the model is loaded
        from memory.minilm import MiniLM

        train(options.corpus, options.out, MiniLM.resolve(threads=1), sys.stderr.write)
    except LocalLLMError as error:
        sys.stderr.write(f"training.feelings.train: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
