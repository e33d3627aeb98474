"""How an adapter is trained: the recipe, its limits, and the same in mlx_lm's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError

from agents.profiles import EMBEDDED, QWEN
from mcp_local_llm import UsageError
from memory.records import Record


class Recipe(Record):
    """Everything that decides on an adapter beside its dataset and its base.

    ``scale`` is alpha / rank. ``layers`` counts from the last; -1 are all. ``keys`` names the
    linear layers of a block, such as ``self_attn.q_proj``; empty are all. An iteration is one
    update from ``batch`` x ``accumulate`` items. ``warmup`` is a share of all iterations, during
    which the rate rises; then it falls along a cosine. ``validate_every`` counts iterations, and
    ``patience`` validations in a row clearly above the lowest, after which training ends. A
    gradient whose norm over all weights is above ``clip`` is scaled down to it. A token whose loss
    is below ``known`` is not learned from: it would only move what is right already, and in a long
    answer outweigh the one word that a rule changes (selective backpropagation, A. Jiang and
    others, arXiv:1910.00762, by token). ``directions`` of its input that a layer's adapter reads
    are ``random`` at first and learned, or chosen once and fixed (``contrast``, see
    ``training.lora.contrast``). ``reworded`` has a night write what was taught anew for each epoch,
    in a set as large as it may be, and go over that so much less often.
    """

    rank: int = Field(default=16, ge=1, le=512)
    scale: float = Field(default=2.0, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    layers: int = Field(default=-1, ge=-1)
    directions: Literal["random", "contrast"] = "random"
    keys: tuple[str, ...] = ()
    rate: float = Field(default=1e-4, gt=0)
    clip: float = Field(default=1.0, gt=0)
    known: float = Field(default=0.0, ge=0)
    warmup: float = Field(default=0.05, ge=0, le=0.5)
    batch: int = Field(default=1, ge=1)
    accumulate: int = Field(default=8, ge=1)
    epochs: int = Field(default=2, ge=1, le=100)
    reworded: bool = False
    max_tokens: int = Field(default=2048, ge=16)
    seed: int = Field(default=7, ge=0)
    grad_checkpoint: bool = True
    validate_every: int = Field(default=25, ge=1)
    patience: int = Field(default=3, ge=1)
    save_every: int = Field(default=10, ge=1)

    @property
    def items_per_iteration(self) -> int:
        """How many items one update is made from."""
        return self.batch * self.accumulate


class Budget(Record):
    """What a training may take: wall-clock seconds over all its parts, and GiB of memory."""

    seconds: float = Field(gt=0)
    memory_gb: float = Field(gt=0)


# The embedded model is tiny and sure of itself: it learns by many small, clipped updates, and with
# random directions, or in its attention as well, forgets its trade (docs/decisions.md).
RECIPES: Final = {
    EMBEDDED: Recipe(
        directions="contrast",
        keys=("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
        rank=64,
        rate=1.5e-3,
        known=0.05,
        batch=1,
        accumulate=1,
        epochs=8,
        reworded=True,
        grad_checkpoint=False,
        dropout=0.0,
        validate_every=100,
        patience=8,
        save_every=50,
    ),
    QWEN: Recipe(),
}


def read_recipe(path: Path, base: Recipe) -> Recipe:
    """Return ``base`` with the fields that the YAML (or JSON) file ``path`` sets.

    Raises:
        UsageError: the file cannot be read, or sets something that is no field of a recipe.
    """
    import yaml  # type: ignore[import-untyped]  # it ships no types

    try:
        found = yaml.safe_load(path.read_text("utf-8")) or {}
        if not isinstance(found, dict):
            raise ValueError("it holds no table of names and values")
        return Recipe.model_validate(base.model_dump() | found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"the recipe {str(path)!r} sets {name!r} to {first['input']!r}: {first['msg']}; its "
            f"fields are {', '.join(Recipe.model_fields)}"
        ) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = " ".join(str(error).split())
        raise UsageError(f"the recipe {str(path)!r} cannot be read ({why})") from error


def lora_parameters(recipe: Recipe) -> dict[str, Any]:
    """Return mlx_lm's ``lora_parameters``; without ``keys`` it takes every linear layer."""
    parameters: dict[str, Any] = {
        "rank": recipe.rank,
        "scale": recipe.scale,
        "dropout": recipe.dropout,
    }
    return parameters | ({"keys": list(recipe.keys)} if recipe.keys else {})


def schedule(recipe: Recipe, iterations: int) -> dict[str, Any]:
    """Return mlx_lm's ``lr_schedule``: a linear rise, then a cosine down to nothing."""
    warmup = round(recipe.warmup * iterations)
    steps = max(1, iterations - warmup)
    return {"name": "cosine_decay", "arguments": [recipe.rate, steps], "warmup": warmup}


OPTIMIZER: Final = "adam"
# mlx_lm leaves the correction out, which makes the first updates three times as large.
BIAS_CORRECTION: Final = True


def mlx_config(
    recipe: Recipe, *, model: Path, dataset: Path, adapter: Path, iterations: int
) -> dict[str, Any]:
    """Return the same training as a configuration for ``mlx_lm.lora -c``.

    It counts each batch as an iteration, learns last messages alone and from known batches as well,
    clips no gradient, has random directions, and orders batches otherwise, so the adapter that it
    makes is a sister, not a twin.
    """
    return {
        "train": True,
        "model": str(model),
        "data": str(dataset),
        "adapter_path": str(adapter),
        "fine_tune_type": "lora",
        "num_layers": recipe.layers,
        "lora_parameters": lora_parameters(recipe),
        "optimizer": OPTIMIZER,
        "optimizer_config": {OPTIMIZER: {"bias_correction": BIAS_CORRECTION}},
        "learning_rate": recipe.rate,
        "lr_schedule": schedule(recipe, iterations),
        "batch_size": recipe.batch,
        "grad_accumulation_steps": recipe.accumulate,
        "iters": iterations * recipe.accumulate,
        "steps_per_eval": recipe.validate_every * recipe.accumulate,
        "save_every": recipe.save_every * recipe.accumulate,
        "val_batches": -1,
        "max_seq_length": recipe.max_tokens,
        "mask_prompt": True,
        "grad_checkpoint": recipe.grad_checkpoint,
        "seed": recipe.seed,
    }


def yaml_text(config: dict[str, Any]) -> str:
    """Return ``config`` as YAML."""
    import yaml

    return str(yaml.safe_dump(config, sort_keys=False))
