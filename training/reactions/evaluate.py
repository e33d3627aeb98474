"""Print how well reactions are detected: ``python -m training.reactions.evaluate FILE``.

FILE holds labelled turns (JSONL with text, label, flags, prev_assistant, repo, stratum). Without
FILE the project's own corpus is used, in five folds: what is measured was not learnt from.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from agents.capture.detector import HEADS, Detection, Detector
from mcp_local_llm import LocalLLMError, ModelUnavailable
from memory.embedder import Embedder
from memory.records import Record
from training.reactions.corpus import HOLDS, Turn, read_turns
from training.reactions.train import folds, learn, rows

SETS: Final = HEADS[:4]
_ENOUGH: Final = 5  # positives that an owner needs for a figure of its own


class Figure(Record):
    """How one question was answered over ``turns``; shares are 0..1."""

    turns: int
    positives: int
    accuracy: float
    balanced_accuracy: float
    precision: float
    recall: float
    f1: float


def figure(wanted: NDArray[np.bool_], said: NDArray[np.bool_]) -> Figure:
    """Compare what is true with what was said."""
    hit = int((wanted & said).sum())
    positives, claimed = int(wanted.sum()), int(said.sum())
    negatives = len(wanted) - positives
    refused = int((~wanted & ~said).sum())
    recall = hit / positives if positives else 0.0
    specificity = refused / negatives if negatives else 0.0
    return Figure(
        turns=len(wanted),
        positives=positives,
        accuracy=float((wanted == said).mean()) if len(wanted) else 0.0,
        balanced_accuracy=(recall + specificity) / 2,
        precision=hit / claimed if claimed else 0.0,
        recall=recall,
        f1=2 * hit / (positives + claimed) if positives + claimed else 0.0,
    )


def claims(detections: Sequence[Detection]) -> dict[str, NDArray[np.bool_]]:
    """Return per question which detections answer it with yes, by label and flags alone."""
    found = [Turn(text="", label=d.label, flags=d.flags) for d in detections]
    return {name: np.array([HOLDS[name](turn) for turn in found], bool) for name in SETS}


def truth(turns: Sequence[Turn]) -> dict[str, NDArray[np.bool_]]:
    """Return per question which turns are labelled with yes."""
    return {name: np.array([HOLDS[name](turn) for turn in turns], bool) for name in SETS}


def cross_validated(turns: Sequence[Turn], embedder: Embedder | None) -> dict[str, Figure]:
    """Return figures for turns that were held out, scene by scene."""
    wanted: dict[str, list[bool]] = defaultdict(list)
    said: dict[str, list[bool]] = defaultdict(list)
    for taught, held in folds(turns):
        weight, bias = learn(taught, embedder)
        scores = rows(held, embedder) @ weight.T + bias
        for column, name in enumerate(SETS):
            wanted[name] += truth(held)[name].tolist()
            said[name] += (scores[:, column] > 0).tolist()
    return {name: figure(np.array(wanted[name]), np.array(said[name])) for name in SETS}


def report(turns: Sequence[Turn], detector: Detector, *, head_only: bool) -> dict[str, object]:
    """Return all figures of ``detector`` on ``turns``, ready for JSON."""
    pairs = [((t.prev_assistant or "") if head_only else t.previous, t.text) for t in turns]
    detections = detector.detect_all(pairs)
    wanted, said = truth(turns), claims(detections)
    clear = np.array(["ambiguous" not in t.flags for t in turns])
    drawn = np.array([t.stratum == "random" for t in turns])
    parts = {"all": np.ones(len(turns), bool), "random stratum": drawn, "without ambiguous": clear}
    figures: dict[str, object] = {
        part: {n: figure(wanted[n][rows_], said[n][rows_]).model_dump() for n in SETS}
        for part, rows_ in parts.items()
        if rows_.any()
    }
    labels = [d.label == t.label for d, t in zip(detections, turns, strict=True)]
    figures["same label"] = round(sum(labels) / len(labels), 3)
    owners = np.array([t.repo.partition("/")[0] for t in turns])
    figures["fix by owner"] = {
        str(owner): figure(
            wanted["fix"][owners == owner], said["fix"][owners == owner]
        ).model_dump()
        for owner in sorted(set(owners.tolist()))
        if wanted["fix"][owners == owner].sum() >= _ENOUGH
    }
    return figures


def table(title: str, figures: dict[str, Figure]) -> str:
    """Return ``figures`` as lines for people."""
    lines = [f"{title:<22}{'turns':>6}{'yes':>5}{'acc':>7}{'bal':>7}{'prec':>7}{'rec':>7}{'F1':>7}"]
    lines += [
        f"  {name:<20}{f.turns:>6}{f.positives:>5}{f.accuracy:>7.3f}{f.balanced_accuracy:>7.3f}"
        f"{f.precision:>7.3f}{f.recall:>7.3f}{f.f1:>7.3f}"
        for name, f in figures.items()
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m training.reactions.evaluate")
    parser.add_argument("file", nargs="?", type=Path, help="labelled turns; default: the corpus")
    parser.add_argument("--words-only", action="store_true", help="no embedding model")
    parser.add_argument("--head-only", action="store_true", help="ignore prev_assistant_tail")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(argv)
    try:
        embedder = None if options.words_only else _embedder()
        kind = "with embeddings" if embedder else "words alone"
        if options.file is None:
            figures: dict[str, object] = {
                "corpus, five folds": {
                    name: f.model_dump()
                    for name, f in cross_validated(read_turns(), embedder).items()
                }
            }
        else:
            turns = read_turns(options.file)
            figures = report(turns, Detector(embedder), head_only=options.head_only)
    except LocalLLMError as error:
        sys.stderr.write(f"training.reactions.evaluate: {error}\n")
        return error.exit_code
    sys.stdout.write(json.dumps(figures) + "\n" if options.json else _told(figures, kind))
    return 0


def _told(figures: dict[str, object], kind: str) -> str:
    text = f"{kind}\n"
    for title, part in figures.items():
        if isinstance(part, dict):
            text += table(title, {name: Figure.model_validate(f) for name, f in part.items()})
        else:
            text += f"{title} {part}\n"
    return text


def _embedder() -> Embedder | None:
    from memory.minilm import MiniLM

    try:
        return MiniLM.resolve(threads=1)
    except ModelUnavailable as error:
        sys.stderr.write(f"no embeddings: {error}\n")
        return None


if __name__ == "__main__":
    sys.exit(main())
