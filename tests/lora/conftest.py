"""A dataset of short conversations, and how tests write one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from training.lora.recipe import Budget, Recipe

Rows = Sequence[dict[str, Any]]
WriteDataset = Callable[..., Path]


def row(number: int | str, asked: str, answer: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return {"id": f"item-{number}", "group": f"g{number}", "messages": messages} | more


@pytest.fixture
def write_dataset(tmp_path: Path) -> WriteDataset:
    def write(name: str = "data", **parts: Rows) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for part, rows in parts.items():
            text = "".join(json.dumps(one) + "\n" for one in rows)
            (folder / f"{part}.jsonl").write_text(text, "utf-8")
        return folder

    return write


@pytest.fixture
def conversation() -> Callable[..., dict[str, Any]]:
    return row


@pytest.fixture
def letters(write_dataset: WriteDataset) -> Path:
    """Twelve conversations about letters, two of them held out."""
    rows = [row(n, "abc"[: 1 + n % 3] * (3 + n // 10), "xyz"[n % 3] * (2 + n)) for n in range(12)]
    return write_dataset("letters", train=rows[:10], valid=rows[10:])


@pytest.fixture
def quick() -> Recipe:
    """Ten iterations in under a second."""
    return Recipe(
        rank=4, rate=5e-3, batch=2, accumulate=1, epochs=2, max_tokens=64, save_every=3,
        validate_every=4, dropout=0.1, grad_checkpoint=False,
    )  # fmt: skip


@pytest.fixture
def ample() -> Budget:
    return Budget(seconds=600, memory_gb=8)
