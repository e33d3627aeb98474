"""The tokenizer: lossless, the same for a word everywhere, and equal in training and serving."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from agents.weights import EMBEDDED_WEIGHTS
from training.embedded.course import training_dialogue
from training.embedded.curriculum import Turn
from training.embedded.names import TrainingNames
from training.embedded.vocabulary import (
    VOCABULARY_SIZE,
    chat_text,
    encode,
    letter_pieces,
    save_tokenizer,
    train_tokenizer,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(seed=1, dialogues=300)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


@given(text=st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_survives_the_tokenizer(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(ids_of(tokenizer, text), skip_special_tokens=False) == text


def test_a_name_has_the_same_tokens_wherever_it_stands(tokenizer: Tokenizer) -> None:
    name = ids_of(tokenizer, "walnut")
    for text in ("(walnut)", "tests/test_walnut.py", "def walnut(", "a walnut b", "walnut_walnut"):
        ids = ids_of(tokenizer, text)
        assert any(ids[i : i + len(name)] == name for i in range(len(ids))), text


def test_encoding_by_parts_equals_encoding_the_whole(tokenizer: Tokenizer) -> None:
    names = TrainingNames(letter_pieces(tokenizer))
    for seed in range(50):
        turns = training_dialogue(names, Random(seed))
        ids, learned = encode(tokenizer, turns)
        assert ids == ids_of(tokenizer, chat_text(turns))
        assert 0 < sum(learned) < len(learned)


def test_only_learned_answers_are_learned(tokenizer: Tokenizer) -> None:
    turns = [Turn("user", "a"), Turn("assistant", "b"), Turn("assistant", "c", learn=True)]
    ids, learned = encode(tokenizer, turns)
    said = [i for i, keep in zip(ids, learned, strict=True) if keep]
    assert tokenizer.decode(said, skip_special_tokens=False) == "c<|im_end|>"


def served_ids(folder: Path, turns: Sequence[Turn]) -> list[int]:
    from transformers import AutoTokenizer

    served = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    text = served.apply_chat_template(messages, tokenize=False)
    assert isinstance(text, str)
    return list(served.encode(text, add_special_tokens=False))


def test_served_ids_equal_training_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    for seed in range(5):
        turns = training_dialogue(TrainingNames(), Random(seed))
        assert served_ids(tmp_path, turns) == encode(tokenizer, turns)[0]


def test_the_shipped_tokenizer_serves_the_ids_it_was_trained_on() -> None:
    shipped = Tokenizer.from_file(str(EMBEDDED_WEIGHTS / "tokenizer.json"))
    assert shipped.get_vocab_size() == VOCABULARY_SIZE
    for seed in range(5):
        turns = training_dialogue(TrainingNames(), Random(seed))
        assert served_ids(EMBEDDED_WEIGHTS, turns) == encode(shipped, turns)[0]
