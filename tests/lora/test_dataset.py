"""Dataset folders: what is wrong in them, their tokens, and their figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agents.tokens import ServedTokens
from agents.weights import EMBEDDED_WEIGHTS
from mcp_local_llm import UsageError
from training.dataset.encoding import Encoder, too_long
from training.dataset.reader import Item, digest, open_dataset, read_dataset
from training.dataset.stats import Spread, dataset_stats, spread
from training.embedded.course import training_dialogue
from training.embedded.names import TrainingNames

WriteDataset = Callable[..., Path]
Conversation = Callable[..., dict[str, Any]]


def said(folder: Path) -> list[str]:
    return [str(problem) for problem in read_dataset(folder).problems]


def test_a_sound_folder_is_read_with_fields_that_nobody_asked_for(
    write_dataset: WriteDataset, conversation: Conversation
) -> None:
    folder = write_dataset(
        train=[conversation(1, "a", "b", marker="x")], valid=[conversation(2, "c", "d")]
    )
    dataset = open_dataset(folder)
    assert [item.id for item in dataset.items("train")] == ["item-1"]
    assert dataset.items("train")[0].learned == (1,)
    assert dataset.items("valid")[0].messages[0].content == "c"
    assert dataset.items("test") == ()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"id": "a", "messages": [', "broken JSON: Expecting value in column 26"),
        ('{"id": NaN}', "NaN is no number in JSON"),
        ("[" * 200_000, "it is nested too deeply"),
        ("", "the line is empty"),
        ("[]", "Input should be"),
        ('{"messages": []}', "id: Field required"),
        ('{"id": "a", "messages": [{"role": "robot", "content": "x"}]}', "messages.0.role: Input"),
    ],
)
def test_a_line_that_is_no_conversation_is_named_with_its_number(
    write_dataset: WriteDataset, conversation: Conversation, line: str, what: str
) -> None:
    folder = write_dataset(train=[conversation(1, "a", "b")])
    with (folder / "train.jsonl").open("a") as file:
        file.write(line + "\n")
    (problem,) = said(folder)
    assert problem.startswith("train.jsonl:2: ")
    assert what in problem


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_bytes(b'{"id": "\xff"}\n')
    assert said(tmp_path) == ["train.jsonl:1: byte 8 is no UTF-8"]


@pytest.mark.parametrize(
    ("roles", "what"),
    [
        ("aua", "message 0: roles out of order, 'assistant' at the beginning"),
        ("usa", "message 1: roles out of order, 'system' after 'user'"),
        ("uua", "message 1: roles out of order, 'user' after 'user'"),
        ("uaa", "message 2: roles out of order, 'assistant' after 'assistant'"),
        ("sta", "message 1: roles out of order, 'tool' after 'system'"),
    ],
)
def test_roles_out_of_order_are_named(write_dataset: WriteDataset, roles: str, what: str) -> None:
    names = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}
    messages = [{"role": names[role], "content": "x"} for role in roles]
    assert said(write_dataset(train=[{"id": "a", "messages": messages}])) == [
        f"train.jsonl:1: {what}"
    ]


def test_tools_answer_between_two_words_of_the_assistant(write_dataset: WriteDataset) -> None:
    roles = ("system", "user", "assistant", "tool", "tool", "assistant", "user", "assistant")
    messages = [{"role": role, "content": "x"} for role in roles]
    assert said(write_dataset(train=[{"id": "a", "messages": messages, "learn": [2, 7]}])) == []


def test_what_cannot_be_learned_is_named(
    write_dataset: WriteDataset, conversation: Conversation
) -> None:
    key = "AKIA" + "Q7ZTW3MPLX9RSDVB"
    folder = write_dataset(
        train=[
            conversation(1, "a", " \n"),
            conversation(2, "a", "b", learn=[0, 7]),
            conversation(3, "a", "b", learn=[]),
            conversation(4, f"the key is {key}", "b"),
        ]
    )
    problems = said(folder)
    assert problems[0] == "train.jsonl:1: message 1: the assistant says nothing"
    assert "`learn` names message 0" in problems[1] and "`learn` names message 7" in problems[2]
    assert "`learn` is empty" in problems[3]
    assert "looks like a secret (AWS access key in line 1)" in problems[4]
    assert key not in "".join(problems)
    with pytest.raises(UsageError, match=r"has 5 problems .*dataset validate"):
        open_dataset(folder)


def test_ids_are_unique_and_a_group_stays_on_one_side(
    write_dataset: WriteDataset, conversation: Conversation
) -> None:
    folder = write_dataset(
        train=[conversation(1, "a", "b"), conversation(1, "c", "d")],
        valid=[conversation(2, "e", "b", group="g1"), conversation(3, "e", "b", group="g1")],
        test=[conversation(4, "f", "b", group=""), conversation(5, "f", "b", group="")],
    )
    assert said(folder) == [
        "train.jsonl:2: the id 'item-1' is taken by train.jsonl:1",
        "valid.jsonl:1: the group 'g1' is in train.jsonl too, so it would leak",
    ]


def test_files_are_compared_with_the_manifest(
    write_dataset: WriteDataset, conversation: Conversation
) -> None:
    folder = write_dataset(train=[conversation(1, "a", "b")])
    sha256 = hashlib.sha256((folder / "train.jsonl").read_bytes()).hexdigest()
    files = {"train.jsonl": {"sha256": sha256, "lines": 1}}
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({"format": 1, "hash": "x", "files": files}))
    assert said(folder) == []
    before = digest(folder)
    files["train.jsonl"]["sha256"] = "0" * 64
    manifest.write_text(
        json.dumps({"format": 2, "files": files | {"valid.jsonl": files["train.jsonl"]}})
    )
    assert said(folder) == [
        "manifest.json: its format is 2, and this version reads 1",
        "manifest.json: train.jsonl was changed after it was written",
        "manifest.json: valid.jsonl is missing",
    ]
    assert digest(folder) == before
    manifest.write_text("{")
    assert said(folder)[0].startswith("manifest.json: cannot be used (")


def test_a_folder_that_is_none_and_one_without_items(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no dataset folder"):
        read_dataset(tmp_path / "nowhere")
    assert said(tmp_path) == ["train.jsonl: nothing to learn from"]
    (tmp_path / "train.jsonl").mkdir()
    with pytest.raises(UsageError, match="cannot read"):
        read_dataset(tmp_path)


def test_a_prompt_in_training_has_the_ids_of_a_live_prompt() -> None:
    turns = training_dialogue(TrainingNames(), Random(5))
    places = [at for at, turn in enumerate(turns) if turn.learn]
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    item = Item.model_validate({"id": "a", "messages": messages, "learn": places})
    ids, learned = Encoder(EMBEDDED_WEIGHTS).encode(item)
    served = ServedTokens(EMBEDDED_WEIGHTS)
    assert len(places) >= 3
    for place in places:
        prompt = served.encode([(turn.role, turn.content) for turn in turns[:place]])
        assert ids[: len(prompt)] == prompt
        answer = served.encode_text(turns[place].content + served.end)
        assert ids[len(prompt) : len(prompt) + len(answer)] == answer
        assert not learned[len(prompt) - 1] and all(
            learned[len(prompt) : len(prompt) + len(answer)]
        )
    assert sum(learned) == sum(
        len(served.encode_text(turns[place].content + served.end)) for place in places
    )
    assert learned[-1]


def test_a_template_that_rewrites_earlier_turns_is_refused_for_several_answers(
    random_checkpoint: Path, tmp_path: Path
) -> None:
    for path in random_checkpoint.glob("tokenizer*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "chat_template.jinja").write_text(
        "{{ messages|length }}{% for m in messages %}{{ m.content }}{% endfor %}"
        "{% if add_generation_prompt %}>{% endif %}"
    )
    item = Item.model_validate(
        {
            "id": "twice",
            "messages": [
                {"role": role, "content": "x"}
                for role in ("user", "assistant", "user", "assistant")
            ],
            "learn": [1, 3],
        }
    )
    with pytest.raises(UsageError, match=r"'twice' anew .* message 1 cannot be learned"):
        Encoder(tmp_path).encode(item)


def test_figures_count_items_tokens_and_repetitions(
    letters: Path, random_checkpoint: Path, write_dataset: WriteDataset, conversation: Conversation
) -> None:
    rows = [conversation(n, "ab", "cd", source="rule") for n in range(3)]
    rows.append(conversation(9, "ab", "x" * 50))
    dataset, encoder = open_dataset(write_dataset(train=rows)), Encoder(random_checkpoint)
    stats = dataset_stats(dataset, encoder, max_tokens=40).parts["train"]
    short, long = (len(encoder.encode(item).ids) for item in dataset.items("train")[2:])
    assert (stats.items, stats.groups, stats.messages, stats.same) == (4, 4, 8, 2)
    assert stats.tokens == 3 * short + long
    assert stats.learned_tokens == 3 * 3 + 51
    assert stats.tokens_per_item == Spread(smallest=short, median=short, p95=long, largest=long)
    assert stats.too_long == 1
    assert stats.sources == {"rule": 3, "unnamed": 1}
    (problem,) = too_long(dataset, encoder, 40)
    assert str(problem).startswith(f"train.jsonl:4: too long: {long} tokens of at most 40")
    assert spread([]) == Spread()
