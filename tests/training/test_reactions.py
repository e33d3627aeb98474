"""The corpus of reactions, and the figures that are told of the classifier."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mcp_local_llm import UsageError
from memory.embedder import HashEmbedder
from training.reactions import evaluate
from training.reactions.corpus import HOLDS, Turn, joined, read_turns
from training.reactions.evaluate import figure
from training.reactions.train import folds, learn, train
from training.reactions.train import main as train_main

pytestmark = pytest.mark.slow

LABELS = {
    "teaching", "correction", "rejection", "approval", "frustration_only", "neutral_request",
}  # fmt: skip


@pytest.fixture(scope="module")
def turns() -> list[Turn]:
    return read_turns()


def test_the_corpus_is_large_varied_and_free_of_doubles(turns: list[Turn]) -> None:
    assert len(turns) >= 3000
    assert {turn.label for turn in turns} == LABELS
    assert len({(turn.scene, turn.text) for turn in turns}) == len(turns)
    assert all(turn.text.strip() for turn in turns)
    assert len({turn.scene for turn in turns if not turn.previous}) == 1  # how a chat begins
    assert len({turn.previous for turn in turns}) >= 150


def test_a_label_is_not_its_own_flag(turns: list[Turn]) -> None:
    assert [turn.text for turn in turns if turn.label in turn.flags] == []


def test_of_two_joined_turns_the_questions_of_both_hold(turns: list[Turn]) -> None:
    pairs = joined(turns, seed=3)
    assert pairs == joined(turns, seed=3)
    assert len(pairs) > len(turns) / 2
    angry = [turn for turn in turns if HOLDS["anger"](turn)]
    joined_angry = [pair for pair in pairs if HOLDS["anger"](pair)]
    assert len(joined_angry) >= len(angry) / 2


def test_no_scene_is_learnt_from_and_held_out_at_once(turns: list[Turn]) -> None:
    for taught, held in folds(turns):
        assert not {turn.scene for turn in taught} & {turn.scene for turn in held}


def test_learning_again_gives_the_same_weights(turns: list[Turn]) -> None:
    few = turns[::12]
    first, second = learn(few, None), learn(few, None)
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_what_was_trained_can_be_used(tmp_path: Path, turns: list[Turn]) -> None:
    from agents.capture.detector import Detector

    corpus, weights = tmp_path / "few.jsonl", tmp_path / "new" / "weights.safetensors"
    lines = [turn.model_dump_json() for turn in turns[::6]]
    corpus.write_text("\n".join(lines), "utf-8")
    train(corpus, weights, HashEmbedder(), tell=lambda _: None)
    for embedder in (None, HashEmbedder()):
        found = Detector(embedder, weights).detect(turns[0].previous, "thanks, works great!")
        assert found.label == "approval"


def test_a_figure_counts_hits_and_misses() -> None:
    wanted = np.array([True, True, False, False, False])
    said = np.array([True, False, True, False, False])
    got = figure(wanted, said)
    assert (got.precision, got.recall, got.f1, got.accuracy) == (0.5, 0.5, 0.5, 0.6)
    nothing = figure(np.array([], bool), np.array([], bool))
    assert (nothing.f1, nothing.accuracy) == (0.0, 0.0)


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "turns.jsonl"
    file.write_text('{"text": "a", "label": "approval"}\n{"text": 1}\n', "utf-8")
    with pytest.raises(UsageError, match="line 2"):
        read_turns(file)
    with pytest.raises(UsageError, match=r"none\.jsonl"):
        read_turns(tmp_path / "none.jsonl")


def test_figures_are_printed_for_people_and_programs(
    tmp_path: Path, turns: list[Turn], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "turns.jsonl"
    some = [t.model_copy(update={"repo": "a/b", "stratum": "random"}) for t in turns[:60]]
    file.write_text("\n".join(t.model_dump_json() for t in some), "utf-8")
    assert evaluate.main([str(file), "--words-only"]) == 0
    said = capsys.readouterr().out
    assert "words alone" in said and "random stratum" in said and "fix by owner" in said
    assert evaluate.main([str(file), "--words-only", "--head-only", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["all"]["fix"]["f1"] > 0.8  # these very turns were learnt from
    assert evaluate.main([str(tmp_path / "none.jsonl"), "--words-only"]) == 2


@pytest.mark.parametrize("embedder", [None, HashEmbedder()], ids=["words", "embedded"])
def test_held_out_scenes_give_figures_for_every_question(
    turns: list[Turn], embedder: HashEmbedder | None
) -> None:
    figures = evaluate.cross_validated(turns[::14], embedder)
    assert set(figures) == {"fix", "teach", "approve", "anger"}
    assert figures["fix"].turns == len(turns[::14])
    assert 0.6 < figures["fix"].accuracy < 1


def test_a_corpus_that_is_not_there_ends_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_main(["--corpus", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
