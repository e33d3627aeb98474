"""The corpus of feelings, its trainer, and the figures that are told of the classifier."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from agents.capture.feeling import Feeling, Feelings, Polarity
from mcp_local_llm import UsageError
from memory.embedder import HashEmbedder
from training.feelings import evaluate
from training.feelings.corpus import Text, joined, read_texts
from training.feelings.train import learn, train
from training.feelings.train import main as train_main


@pytest.fixture(scope="module")
def texts() -> list[Text]:
    return read_texts()


def test_the_corpus_is_large_balanced_and_free_of_doubles(texts: list[Text]) -> None:
    assert len(texts) >= 1_200
    assert len({text.text.lower() for text in texts}) == len(texts)
    counts = Counter(text.polarity for text in texts)
    assert set(counts) == set(Polarity) and max(counts.values()) < 1.5 * min(counts.values())


def test_a_mood_goes_with_a_polarity_that_fits(texts: list[Text]) -> None:
    odd = {"frustration": Polarity.POSITIVE, "satisfaction": Polarity.NEGATIVE}
    assert [t.text for t in texts if any(odd.get(mood) is t.polarity for mood in t.feelings)] == []


def test_a_joined_text_holds_its_first_text_and_keeps_its_labels(texts: list[Text]) -> None:
    some = texts[::5]
    longer = joined(some, seed=3)
    assert longer == joined(some, seed=3)
    for short, long in zip(some, longer, strict=True):
        assert short.text in long.text and len(long.text) > len(short.text)
        assert (short.polarity, short.feelings) == (long.polarity, long.feelings)


def test_learning_again_gives_the_same_weights(texts: list[Text]) -> None:
    first, second = learn(texts[::10], None), learn(texts[::10], None)
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])


def test_what_was_trained_can_be_used(tmp_path: Path, texts: list[Text]) -> None:
    corpus, weights = tmp_path / "few.jsonl", tmp_path / "new" / "weights.safetensors"
    corpus.write_text("\n".join(t.model_dump_json() for t in texts[::4]), "utf-8")
    train(corpus, weights, HashEmbedder(), tell=lambda _: None)
    for embedder in (None, HashEmbedder()):
        (found,) = Feelings(embedder, weights).read(["thanks, works great!"])
        assert found.polarity is Polarity.POSITIVE


def test_figures_count_polarities_and_moods() -> None:
    texts = [
        Text(text="a", polarity=Polarity.NEGATIVE, feelings=("frustration",)),
        Text(text="b", polarity=Polarity.NEGATIVE),
        Text(text="c", polarity=Polarity.POSITIVE),
    ]
    found = [
        Feeling(polarity=Polarity.NEGATIVE, frustration=0.9),
        Feeling(polarity=Polarity.POSITIVE, frustration=0.6),
        Feeling(polarity=Polarity.POSITIVE),
    ]
    polarity = evaluate.polarity_figures(texts, found)
    assert (polarity["negative"].precision, polarity["negative"].recall) == (1.0, 0.5)
    moods = evaluate.mood_figures(texts, found)
    assert (moods["frustration"].precision, moods["frustration"].recall) == (0.5, 1.0)


def test_figures_are_printed_for_people_and_programs(
    tmp_path: Path, texts: list[Text], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "texts.jsonl"
    file.write_text("\n".join(t.model_dump_json() for t in texts[::7]), "utf-8")
    assert evaluate.main([str(file), "--words-only"]) == 0
    assert "macro-F1 of polarity 0." in capsys.readouterr().out
    assert evaluate.main([str(file), "--words-only", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["macro_f1"] > 0.7  # these very texts were learnt from
    assert evaluate.main([str(tmp_path / "none.jsonl"), "--words-only"]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_held_out_texts_are_told_well(texts: list[Text]) -> None:
    held, found = evaluate.cross_validated(texts[::2], None)
    assert sorted(t.text for t in held) == sorted(t.text for t in texts[::2])
    f1 = [each.f1 for each in evaluate.polarity_figures(held, found).values()]
    assert np.mean(f1) > 0.7


def test_wrong_input_is_said_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train_main(["--corpus", str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "a", "polarity": "positive"}\n{"text": 1}\n', "utf-8")
    with pytest.raises(UsageError, match="line 2"):
        read_texts(file)
