"""Feelings told from what developers write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agents.capture.feeling import HEADS, Feeling, Feelings, Polarity
from agents.capture.feeling_cues import SIGNS
from agents.capture.feeling_features import FINGERPRINT, prose, signs
from agents.capture.feeling_model import FeelingModel, places
from agents.capture.linear import write_weights
from mcp_local_llm import ModelUnavailable, UsageError
from memory.embedder import HashEmbedder
from training.feelings.corpus import read_texts
from training.feelings.train import learn


@pytest.fixture(scope="module")
def feelings() -> Feelings:
    return Feelings()


@pytest.mark.parametrize(
    ("text", "polarity"),
    [
        ("Thank you, this is a wonderful patch!", "positive"),
        ("🎉 so glad this is done", "positive"),
        ("Sorry, I broke the build again.", "negative"),
        ("I hate this ugly hack, it drives me crazy", "negative"),
        ("I really don't like that it fails silently.", "negative"),
        ("Moved the class to another package.", "neutral"),
        ("Could you please add a test for the second branch?", "neutral"),
    ],
)
def test_plain_cases_are_told(feelings: Feelings, text: str, polarity: str) -> None:
    (feeling,) = feelings.read([text])
    assert feeling.polarity == polarity
    sign = {"negative": -1, "neutral": 0, "positive": 1}[polarity]
    assert feeling.value * sign >= 0.3 * abs(sign)


def test_moods_differ_where_polarity_is_the_same(feelings: Feelings) -> None:
    angry, sorry = feelings.read(["ugh, I'm sick of this stupid build", "sorry, my mistake"])
    assert angry.frustration > 0.5 > sorry.frustration
    pleased, sure = feelings.read(["perfect, I love it", "I'm certain that the lock is held"])
    assert pleased.satisfaction > 0.5 > sure.satisfaction
    assert sure.confidence > pleased.confidence


def test_what_others_said_and_what_is_no_prose_is_not_read(feelings: Feelings) -> None:
    carried = [
        "> I hate this, it is terrible",
        "```\nraise Terrible('awful, horrible, sorry')\n```",
        "<!-- Thanks for your great contribution! -->",
        "- [x] I love the great tests\n- [ ] thanks",
        "",
    ]
    assert feelings.read(carried) == [Feeling()] * len(carried)
    replied = "Merged.\n\nOn Monday, Ada Example <ada@example.org> wrote:\n> awful, I hate it"
    assert prose(replied) == "Merged."
    assert prose("[great](https://e.org/a) `x()` 0123abcd @ada") == "great x @"


def test_no_texts_give_no_feelings(feelings: Feelings) -> None:
    assert feelings.read([]) == []


def test_a_long_text_is_read_in_bounded_time_and_length(feelings: Feelings) -> None:
    (feeling,) = feelings.read(["thanks a lot! " * 50_000])
    assert feeling.polarity is Polarity.POSITIVE
    assert len(prose("so " * 100_000)) <= 1_500


def test_every_sign_is_seen_somewhere_in_the_corpus() -> None:
    written = [prose(text.text) for text in read_texts()]
    assert [name for name, sign in SIGNS.items() if not any(map(sign.search, written))] == []
    assert len(signs("x")) == len(signs(""))


def test_with_an_embedder_its_own_weights_are_used(tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    embedder = HashEmbedder()
    learnt = {"embedded": learn(read_texts()[::10], embedder)}
    write_weights(weights, learnt, features=FINGERPRINT, heads=HEADS)
    found = Feelings(embedder, weights).read(["thanks, great!", "sorry, this is awful"])
    assert [each.polarity for each in found] == ["positive", "negative"]
    with pytest.raises(ModelUnavailable, match=r"plain\.weight"):
        Feelings(None, weights)


def test_missing_damaged_and_foreign_weights_are_errors(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    with pytest.raises(ModelUnavailable, match=r"cannot read the weights .*training\.feelings"):
        Feelings(weights=tmp_path / "none.safetensors")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"no tensors")
    with pytest.raises(ModelUnavailable, match=r"training\.feelings\.train"):
        Feelings(weights=damaged)
    weight, bias = learn(read_texts()[::20], None)
    other = tmp_path / "other.safetensors"
    about = json.dumps({"features": "0-0", "heads": HEADS})
    save_file({"plain.weight": weight, "plain.bias": bias}, other, {"about": about})
    with pytest.raises(ModelUnavailable, match="other features"):
        Feelings(weights=other)


def _classifier(folder: Path, labels: list[str], **settings: Any) -> Path:
    """Make a tiny BERT classifier with random weights and a word-level tokenizer."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    torch.manual_seed(3)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "thanks", "awful", "great", "x", "!"]
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, id2label=dict(enumerate(labels)),
        label2id={name: at for at, name in enumerate(labels)}, **settings,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words), "utf-8")
    BertTokenizer(vocab=dict(zip(words, range(len(words)), strict=True))).save_pretrained(folder)
    return folder


def test_a_hugging_face_classifier_decides_polarity_and_nothing_else(
    tmp_path: Path, feelings: Feelings
) -> None:
    folder = _classifier(tmp_path / "m", ["Negative", "NEUTRAL", "positive"])
    texts = ["thanks great !", "awful x"] * 10
    own, found = feelings.read(texts), Feelings(model=folder).read(texts)
    assert [f.frustration for f in found] == [f.frustration for f in own]
    judged = FeelingModel(folder).chances([prose(text) for text in texts])
    assert [f.value for f in found] == [round(j["positive"] - j["negative"], 3) for j in judged]
    assert all(sum(j.values()) == pytest.approx(1) for j in judged)


def test_a_classifier_of_several_emotions_fills_moods_too(tmp_path: Path) -> None:
    labels = ["anger", "gratitude", "optimism", "remorse"]
    folder = _classifier(tmp_path / "m", labels, problem_type="multi_label_classification")
    (judged,) = FeelingModel(folder).chances(["thanks"])
    assert set(judged) == {*HEADS}
    (feeling,) = Feelings(model=folder).read(["thanks"])
    assert feeling.satisfaction == round(judged["satisfaction"], 3)
    assert feeling.polarity is not Polarity.NEUTRAL  # no label of it


def test_labels_without_a_meaning_are_refused(tmp_path: Path) -> None:
    folder = _classifier(tmp_path / "m", ["LABEL_0", "LABEL_1"])
    with pytest.raises(UsageError, match="LABEL_1"):
        FeelingModel(folder)
    assert places({0: "Very_Negative", 1: "joy"}) == {
        "negative": [0], "positive": [1], "satisfaction": [1],
    }  # fmt: skip


def test_a_folder_without_a_classifier_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot load a classifier"):
        FeelingModel(tmp_path)
