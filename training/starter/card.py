"""Writes the starter set into a folder: JSONL in one of two shapes, a manifest, and a card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from memory.whole_file import write_whole
from training.dataset.reader import Item
from training.dataset.write import Manifest, store_errors, write_dataset
from training.examples.scribe import PromptSet
from training.starter.generate import LICENSE, SOURCE, starter

Shape = Literal["chat", "instruction"]
LEAST, MOST = 1_000, 5_000
_CARD: Final = """# Starter dataset

{count} examples that mcp-local-llm writes itself from tables of its own, with seed {seed}, for the
prompt set `{prompts}`. No text of anybody else and no model's output is in them. Licence of every
item: {license} (field `license`); source: `{source}` (field `source`).

| kind | items | what it teaches |
|---|---|---|
{rows}

`train.jsonl` and `valid.jsonl` hold {shape}.
Each line also has the two layers of its answer: `context_window` (prompt, active rules,
definitions) and `metadata` (source, levels, rules, markers).
Python in answers compiles. Validate with `mcp-local-llm dataset validate`{only}.
"""
_TEACHES: Final = {
    "principle": "10 principles, 7 methodologies, 10 constraints: applied, mended, explained",
    "definition": "terms of the project, and saying that a term is not known",
    "tool": "every tool: wish, call without preamble, result, answer",
    "convention": "error classes, commit messages and names as agreed",
    "level": "levels of preservation in plans and tags; refusing a strict region",
    "window": "both layers as JSON",
    "function": "plan, test and code of a plain task",
}
_SHAPES: Final = {
    "chat": "conversations (`messages`, `learn`)",
    "instruction": "`instruction`, `input`, `output`",
}


def write_starter(
    folder: Path, count: int, *, seed: int, prompts: PromptSet, shape: Shape = "chat"
) -> Manifest:
    """Write the set into a new ``folder``.

    In the shape ``instruction`` each learned answer is a line of its own, and the manifest is that
    of the chat files it was made from, which are not kept.

    Raises:
        UsageError: there is something in ``folder``.
        StoreUnavailable: the disk does not play along.
    """
    items = starter(count, seed=seed, prompts=prompts)
    manifest = write_dataset(folder, items, base="", prompts=prompts, seed=seed)
    with store_errors(folder):
        if shape == "instruction":
            as_instructions(folder)
        write_whole(folder / "README.md", _card(items, seed, prompts, shape))
    return manifest


def _card(items: Sequence[Item], seed: int, prompts: str, shape: Shape) -> str:
    counts = Counter(item.kind for item in items)
    rows = "\n".join(f"| {kind} | {n} | {_TEACHES[kind]} |" for kind, n in counts.most_common())
    return _CARD.format(
        count=len(items),
        seed=seed,
        prompts=prompts,
        license=LICENSE,
        source=SOURCE,
        rows=rows,
        shape=_SHAPES[shape],
        only="" if shape == "chat" else " in the chat shape",
    )


def as_instructions(folder: Path) -> None:
    """Rewrite a dataset that was just written: a line for each learned answer, and no manifest."""
    for path in sorted(folder.glob("*.jsonl")):
        items = [Item.model_validate_json(line) for line in path.read_bytes().splitlines()]
        lines = [
            json.dumps(row, ensure_ascii=False) for item in items for row in instructions(item)
        ]
        write_whole(path, "".join(f"{line}\n" for line in lines))
    (folder / "manifest.json").unlink()


def instructions(item: Item) -> list[dict[str, Any]]:
    """Return each learned answer of ``item`` as instruction, input and output.

    The instruction is the message that asks for it, the input what was said before.
    """
    return [
        {
            "id": f"{item.id}/{place}",
            "instruction": item.messages[place - 1].content,
            "input": "\n\n".join(turn.content for turn in item.messages[: place - 1]),
            "output": item.messages[place].content,
            "group": item.group,
            "kind": item.kind,
            "source": item.source,
            **(item.model_extra or {}),
        }
        for place in item.learned
    ]
