"""How fast training is on this machine, and whether a night is long enough for a dataset."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Final

from mcp_local_llm import UsageError
from memory.records import Record
from training.dataset.encoding import Encoder
from training.dataset.reader import Item
from training.lora.batches import count_updates
from training.lora.recipe import Budget, Recipe
from training.lora.records import Event, Stepped
from training.lora.trainer import train

_LINE: Final = "    total = sum(value for value in values if value > 0)\n"


class TrainSpeed(Record):
    """What was measured, and what it means for ``examples`` items of the same length.

    ``seconds_per_iteration`` is the median without the first iteration, which also warms up.
    """

    model: str
    items_per_iteration: int
    tokens_per_item: int
    measured_iterations: int
    seconds_per_iteration: float
    tokens_per_second: float
    peak_memory_gb: float
    examples: int
    epochs: int
    needed_iterations: int
    needed_seconds: float
    budget_seconds: float

    @property
    def fits(self) -> bool:
        """Whether the budget suffices."""
        return self.needed_seconds <= self.budget_seconds


def measure_training(
    model: Path,
    recipe: Recipe,
    budget: Budget,
    *,
    examples: int,
    tokens: int,
    iterations: int,
    on_event: Callable[[Event], None] = lambda _: None,
) -> TrainSpeed:
    """Train ``iterations`` (at least 2) on made-up items of about ``tokens`` tokens, and say.

    Raises:
        UsageError: ``tokens`` is more than the recipe allows, or less than an item has at least.
        LocalLLMError: whatever training itself raises.
    """
    item, count = _item_of(model, tokens, recipe.max_tokens)
    seconds: list[float] = [0.0]

    def note(event: Event) -> None:
        if isinstance(event, Stepped):
            seconds.append(event.seconds)
        on_event(event)

    short = recipe.model_copy(update={"epochs": 1, "save_every": iterations + 1})
    with tempfile.TemporaryDirectory(prefix="local-llm-bench-") as folder:
        dataset = _write(Path(folder, "dataset"), item, iterations * recipe.items_per_iteration)
        trained = train(dataset, model, Path(folder, "out"), short, budget, on_event=note)
    each = median([after - before for before, after in pairwise(seconds)][1:])
    needed = count_updates(examples, recipe)
    return TrainSpeed(
        model=model.name,
        items_per_iteration=recipe.items_per_iteration,
        tokens_per_item=count,
        measured_iterations=trained.iterations,
        seconds_per_iteration=round(each, 4),
        tokens_per_second=round(count * recipe.items_per_iteration / each, 1),
        peak_memory_gb=trained.peak_memory_gb,
        examples=examples,
        epochs=recipe.epochs,
        needed_iterations=needed,
        needed_seconds=round(each * needed, 1),
        budget_seconds=budget.seconds,
    )


def _item_of(model: Path, tokens: int, most: int) -> tuple[dict[str, Any], int]:
    """Return a row of about ``tokens`` tokens, half of them learned, and how many it has."""
    encoder = Encoder(model)

    def row(lines: int) -> dict[str, Any]:
        asked = {"role": "user", "content": _LINE * lines}
        return {"id": "0", "messages": [asked, {"role": "assistant", "content": _LINE * lines}]}

    def length(lines: int) -> int:
        return len(encoder.encode(Item.model_validate(row(lines))).ids)

    least, per_line = length(1), length(2) - length(1)
    if not least <= tokens <= most:
        raise UsageError(f"an item of {tokens} tokens cannot be made; give {least} to {most}")
    lines = 1 + (tokens - least) // per_line
    return row(lines), length(lines)


def _write(folder: Path, item: dict[str, Any], count: int) -> Path:
    folder.mkdir()
    lines = (json.dumps(item | {"id": str(number)}) + "\n" for number in range(count))
    (folder / "train.jsonl").write_text("".join(lines), "utf-8")
    return folder
