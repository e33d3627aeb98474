"""How much memory a training will take, from the model's ``config.json``, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from agents.footprint import GIB, estimate
from agents.weights import check_model_folder
from mcp_local_llm import ModelUnavailable
from memory.records import Record
from training.lora.recipe import Budget, Recipe

_FLOAT: Final = 4  # bytes; adapters are trained in 32 bits whatever the base is
_ADAPTER_COPIES: Final = 6  # weights, two moments, gradient, accumulated gradient, the best so far
_LOGIT_COPIES: Final = 3  # logits, their exponentials, their gradient
_SCORE_COPIES: Final = 2  # attention weights and their gradient
_MOMENT_BYTES: Final = 24  # of two matrices a layer, each in 32 and in 64 bits
_PROCESS_BYTES: Final = int(0.3 * GIB)  # Python and its libraries


class Memory(Record):
    """Bytes by what they are for."""

    weights_bytes: int
    adapter_bytes: int
    activation_bytes: int
    process_bytes: int = _PROCESS_BYTES

    @property
    def total_gb(self) -> float:
        """Everything, in GiB."""
        parts = (self.weights_bytes, self.adapter_bytes, self.activation_bytes, self.process_bytes)
        return sum(parts) / GIB

    def describe(self) -> str:
        """Return the sum in words, in GiB."""
        return (
            f"{self.weights_bytes / GIB:.2f} GiB weights + {self.adapter_bytes / GIB:.2f} GiB "
            f"adapter and optimizer + {self.activation_bytes / GIB:.2f} GiB activations + "
            f"{self.process_bytes / GIB:.2f} GiB process = {self.total_gb:.2f} GiB"
        )


def estimate_training(model: Path, recipe: Recipe, longest_tokens: int) -> Memory:
    """Return what training ``model`` by ``recipe`` takes when items have up to ``longest_tokens``.

    The sizes are those of a Llama-like block: four attention and three MLP matrices. All numbers of
    a forward pass count as 32-bit, which is too much for half-precision bases, rather than too
    little.

    Raises:
        ModelUnavailable: the folder or its config is not usable.
    """
    config = check_model_folder(model)
    weights = estimate(config, context_tokens=1, folder=model).weights_bytes
    shape = _Shape.of(config)
    return Memory(
        weights_bytes=weights,
        adapter_bytes=_ADAPTER_COPIES * _FLOAT * adapter_parameters(shape, recipe)
        + _moments(shape, recipe),
        activation_bytes=_activations(shape, recipe, recipe.batch * longest_tokens, longest_tokens),
    )


def require_memory(memory: Memory, budget: Budget) -> None:
    """Raise ``ModelUnavailable`` when ``memory`` passes the budget."""
    if memory.total_gb > budget.memory_gb:
        raise ModelUnavailable(
            f"training needs about {memory.describe()}, more than the limit of "
            f"{budget.memory_gb:g} GiB; lower `max_tokens` or `batch` in the recipe, set "
            "`grad_checkpoint`, or raise --memory-gb if the machine has the memory"
        )


class _Shape(Record):
    hidden: int
    layers: int
    mlp: int
    heads: int
    queries: int
    keys: int
    vocabulary: int

    @classmethod
    def of(cls, config: dict[str, Any]) -> _Shape:
        try:
            hidden, heads = config["hidden_size"], config["num_attention_heads"]
            width = config.get("head_dim") or hidden // heads
            return cls(
                hidden=hidden,
                layers=config["num_hidden_layers"],
                mlp=config["intermediate_size"],
                heads=heads,
                queries=heads * width,
                keys=(config.get("num_key_value_heads") or heads) * width,
                vocabulary=config["vocab_size"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelUnavailable(
                f"the model's config.json lacks a size ({error}), so the memory of a training "
                "cannot be estimated; train another model"
            ) from error


def adapter_parameters(shape: _Shape, recipe: Recipe) -> int:
    """Return how many numbers the adapter has."""
    return recipe.rank * sum(map(sum, _adapted(shape, recipe)))


def _moments(shape: _Shape, recipe: Recipe) -> int:
    """Return the bytes that choosing the directions of the inputs takes."""
    if recipe.directions == "random":
        return 0
    return _MOMENT_BYTES * sum(inputs**2 for inputs, _ in _adapted(shape, recipe))


def _adapted(shape: _Shape, recipe: Recipe) -> list[tuple[int, int]]:
    """Return inputs and outputs of every linear layer that gets an adapter."""
    sizes = {
        "q_proj": (shape.hidden, shape.queries),
        "k_proj": (shape.hidden, shape.keys),
        "v_proj": (shape.hidden, shape.keys),
        "o_proj": (shape.queries, shape.hidden),
        "gate_proj": (shape.hidden, shape.mlp),
        "up_proj": (shape.hidden, shape.mlp),
        "down_proj": (shape.mlp, shape.hidden),
    }
    chosen = {key.rpartition(".")[2] for key in recipe.keys} or set(sizes)
    layers = shape.layers if recipe.layers < 1 else min(recipe.layers, shape.layers)
    return [size for name, size in sizes.items() if name in chosen] * layers


def _activations(shape: _Shape, recipe: Recipe, tokens: int, longest: int) -> int:
    block = 8 * shape.hidden + 2 * shape.queries + 2 * shape.keys + 5 * shape.mlp
    scores = _SCORE_COPIES * shape.heads * longest
    if recipe.grad_checkpoint:  # each block's input is kept, and one block computed again
        kept = shape.layers * shape.hidden + block + scores
    else:
        kept = shape.layers * (block + scores)
    return _FLOAT * tokens * (kept + _LOGIT_COPIES * shape.vocabulary)
