"""The embedded model's tokenizer: byte-level BPE over words that are the same wherever they stand.

Letters are split from spaces, underscores, digits and punctuation before BPE, so that a name has
the same tokens in a path, in prose and in code. Fixed pieces of the wire format are single tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from training.embedded.course import training_dialogue
from training.embedded.curriculum import Turn
from training.embedded.names import TrainingNames

VOCABULARY_SIZE: Final = 1280
END: Final = "<|im_end|>"
_SPECIAL: Final = ("<|endoftext|>", "<|im_start|>", END)
# Frequent fixed text, one token each; matched before BPE in training and serving alike.
_FIXED: Final = (
    '<tool:fs.write path="', '<tool:fs.append path="', '<tool:fs.edit path="', '" symbol="',
    '">\n', "\n</tool>\n", '<tags prompt="compact-1" level="', '" marks="', '"/>',
    "<plan>\ngoal: return ", "\nstep: add ", "\nstep: fix ", "\nfile: ", "\ntest: ", "\n</plan>\n",
    "\nrefuse: ", "task: ", "file: ", " (module ", "end of file\n", "tests: ", "role: ",
    "tests: green\nrole: ", "tests: red\nrole: ",
    "\n    return ", "\n    assert ", "def test_", "def ", "from ", " import ", " for x in ", " if x ",
    '\n    """Return ', '."""', ") -> int:", ") -> str:", ") -> list[int]:", ": list[int]", ": int",
    "\n\n\n", " the ", " of ", " in ", " that are ", " which are ", " each ", " then ",
    "concept:", " pattern:", "tests/test_", ".py",
)  # fmt: skip
_SPLIT: Final = r"[A-Za-z]+|\d|_| ?[^\sA-Za-z\d_]+ ?|\n+| +|\s"

CHAT_TEMPLATE: Final = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def chat_parts(turns: Sequence[Turn]) -> Iterator[tuple[str, bool]]:
    """Yield the chat template's text in parts, with whether each part is learned."""
    for turn in turns:
        yield f"<|im_start|>{turn.role}\n", False
        yield turn.content + END, turn.learn
        yield "\n", False


def chat_text(turns: Sequence[Turn]) -> str:
    """Return a conversation as the chat template renders it."""
    return "".join(text for text, _ in chat_parts(turns))


def train_tokenizer(seed: int, dialogues: int = 4000) -> Tokenizer:
    """Train the tokenizer on dialogues of the curriculum."""
    rng = Random(seed)
    names = TrainingNames()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    fixed = [AddedToken(text, normalized=False, special=False) for text in _FIXED]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - len(fixed),
        special_tokens=list(_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Fixed text must not feed the merges: cut it out of the corpus.
    tokenizer.train_from_iterator(
        (
            part
            for _ in range(dialogues)
            for part in _without_fixed(chat_text(training_dialogue(names, rng)))
        ),
        trainer,
    )
    tokenizer.add_tokens(fixed)
    return tokenizer


def _without_fixed(text: str) -> list[str]:
    for fixed in sorted((*_FIXED, *_SPECIAL), key=len, reverse=True):
        text = text.replace(fixed, "\0")
    return [part for part in text.split("\0") if part]


def letter_pieces(tokenizer: Tokenizer) -> list[str]:
    """Return the tokens of two or more lower-case letters: the material of training names."""
    words = tokenizer.get_vocab()
    return sorted(w for w in words if w.isascii() and w.isalpha() and w.islower() and len(w) > 1)


def encode(tokenizer: Tokenizer, turns: Sequence[Turn]) -> tuple[list[int], list[bool]]:
    """Return token ids of a conversation and whether each is to be predicted.

    The parts are encoded apart so that the mask is exact; special tokens between them make the ids
    equal to those of the whole text.
    """
    ids: list[int] = []
    learned: list[bool] = []
    for text, learn in chat_parts(turns):
        part = tokenizer.encode(text, add_special_tokens=False).ids
        ids += part
        learned += [learn] * len(part)
    return ids, learned


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write ``tokenizer.json``, its config and the chat template for transformers and mlx_lm."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END,
        "pad_token": "<|endoftext|>",
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")
