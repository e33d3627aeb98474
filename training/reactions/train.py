"""Train the classifier of reactions: ``python -m training.reactions.train``.

Logistic regressions, one per question, over the features of ``agents.capture``; one set of weights
for words alone and one with MiniLM's vectors. The same corpus gives the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from agents.capture.detector import HEADS, WEIGHTS
from agents.capture.features import FINGERPRINT, HASHED, NAMES, read_by_model, words_and_cues
from agents.capture.linear import write_weights
from agents.capture.parts import take_apart
from mcp_local_llm import LocalLLMError
from memory.embedder import Embedder
from training.reactions.corpus import CORPUS, HOLDS, Turn, joined, read_turns

Matrix = NDArray[np.float32]

SEED: Final = 7
_SETS: Final = HEADS[:4]
_WITHIN: Final[dict[str, str]] = {  # a head that is asked only where another one holds
    "rejection": "fix", "directive_fix": "fix", "defect_report": "fix", "preference": "fix",
    "accepts": "approve", "go_ahead": "approve",
}  # fmt: skip
# Inverse of the penalty on large weights; words alone say less, so less is made of each.
_STRENGTH: Final = {"plain": 0.12, "embedded": 0.25}
_JOINED_WEIGHT: Final = 0.5
# Where the line is drawn, in log-odds: what is rare is rather missed than invented.
THRESHOLDS: Final[dict[str, dict[str, float]]] = {
    "plain": {"fix": -0.3, "teach": -0.45, "approve": -0.4, "anger": -0.9},
    "embedded": {"fix": 0.3, "teach": -0.6, "approve": -0.2, "anger": -0.5},
}
# How much signs and a model's vector count beside the words. Teaching, consent and anger are told
# by how a thing is said, and less by what it is about.
_SIGNS: Final = {"plain": {"teach": 1.5, "anger": 1.5}, "embedded": {"anger": 1.5}}
_VECTOR: Final = {"teach": 1.0, "approve": 1.5, "anger": 1.5}
_VECTOR_ELSE: Final = 2.5


def rows(turns: Sequence[Turn], embedder: Embedder | None) -> Matrix:
    """Return the classifier's input for ``turns``, one row each."""
    parts = [take_apart(turn.text) for turn in turns]
    plain = np.stack([words_and_cues(p, t.previous) for p, t in zip(parts, turns, strict=True)])
    if embedder is None:
        return plain
    vectors = embedder.embed([read_by_model(p) for p in parts])
    return np.hstack([plain, vectors])


def fit(
    turns: Sequence[Turn], pairs: Sequence[Turn], inputs: Matrix, joined_inputs: Matrix, part: str
) -> tuple[Matrix, Matrix]:
    """Return weights (heads, features) and biases learnt from ``turns`` and joined ``pairs``."""
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    both = csr_matrix(np.vstack([inputs, joined_inputs]))  # of its numbers, 99 in 100 are 0
    heavy = np.r_[np.ones(len(turns)), np.full(len(pairs), _JOINED_WEIGHT)]
    weights, biases = [], []
    for head in HEADS:
        model: Any = LogisticRegression(C=_STRENGTH[part], max_iter=1000)
        scale = _scale(head, both.shape[1], part)
        scaled = both.multiply(scale).tocsr()
        if head in _SETS:
            wanted = np.array([HOLDS[head](turn) for turn in [*turns, *pairs]])
            model.fit(scaled, wanted, sample_weight=heavy)
        else:
            within = HOLDS.get(_WITHIN.get(head, ""))
            chosen = [i for i, turn in enumerate(turns) if within is None or within(turn)]
            wanted = np.array([HOLDS[head](turns[i]) for i in chosen])
            model.fit(scaled[chosen], wanted)
        weights.append(model.coef_[0] * scale)
        biases.append(model.intercept_[0] - THRESHOLDS[part].get(head, 0.0))
    return np.stack(weights).astype(np.float32), np.array(biases, np.float32)


def _scale(head: str, width: int, part: str) -> Matrix:
    scale = np.ones(width, np.float32)
    scale[: len(NAMES)] = _SIGNS[part].get(head, 1.0)
    scale[len(NAMES) + HASHED :] = _VECTOR.get(head, _VECTOR_ELSE)
    return scale


def learn(turns: Sequence[Turn], embedder: Embedder | None) -> tuple[Matrix, Matrix]:
    """Return weights and biases for ``turns``, to be used on what ``rows`` returns."""
    pairs = joined(turns, SEED)
    part = "plain" if embedder is None else "embedded"
    return fit(turns, pairs, rows(turns, embedder), rows(pairs, embedder), part)


def train(corpus: Path, target: Path, embedder: Embedder, tell: Callable[[str], object]) -> None:
    """Train both sets of weights on ``corpus`` and write them to ``target``."""
    turns = read_turns(corpus)
    learnt = {}
    for part, model in (("plain", None), ("embedded", embedder)):
        tell(f"{part}: {len(turns)} turns\n")
        learnt[part] = learn(turns, model)
    write_weights(
        target,
        learnt,
        features=FINGERPRINT,
        heads=HEADS,
        corpus=hashlib.sha256(corpus.read_bytes()).hexdigest(),
        turns=len(turns),
        embedder=embedder.name,
        seed=SEED,
    )
    tell(f"{target}: {target.stat().st_size / 1e3:.0f} kB\n")


def folds(turns: Sequence[Turn], count: int = 5) -> Iterator[tuple[list[Turn], list[Turn]]]:
    """Yield ``count`` splits into what is learnt from and what is held out, scene by scene."""
    for fold in range(count):
        held = [turn for turn in turns if turn.scene % count == fold]
        yield [turn for turn in turns if turn.scene % count != fold], held


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 the corpus is wrong, 3 MiniLM is not there."""
    parser = argparse.ArgumentParser(prog="python -m training.reactions.train")
    parser.add_argument("--corpus", type=Path, default=CORPUS)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    options = parser.parse_args(argv)
    try:
        read_turns(options.corpus)  # wrong input is said before the model is loaded
        from memory.minilm import MiniLM

        embedder = MiniLM.resolve(threads=1)
        train(options.corpus, options.out, embedder, sys.stderr.write)
    except LocalLLMError as error:
        sys.stderr.write(f"training.reactions.train: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
