"""The adapter that a training goes on from, instead of from the base."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_local_llm import UsageError
from training.lora.recipe import Recipe, lora_parameters
from training.lora.records import ADAPTER, ADAPTER_CONFIG

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.lora.learner import Arrays

_SHAPE: Final = ("rank", "keys")  # of lora_parameters: what decides which weights there are
_B: Final = ".lora_b"


def adapter_config(recipe: Recipe) -> dict[str, Any]:
    """Return what ``adapter_config.json`` says of an adapter that ``recipe`` makes."""
    return {
        "fine_tune_type": "lora",
        "num_layers": recipe.layers,
        "lora_parameters": lora_parameters(recipe),
    }


def fits(adapter: Path, recipe: Recipe) -> bool:
    """Say whether a training by ``recipe`` can go on from ``adapter``: same layers, same rank."""
    try:
        return _shape(_config(adapter)) == _shape(adapter_config(recipe))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_start(adapter: Path, recipe: Recipe) -> Arrays:
    """Return the weights of ``adapter`` for a training by ``recipe``.

    Raises:
        UsageError: it is damaged, or of other layers or another rank than ``recipe`` makes.
    """
    if not fits(adapter, recipe):
        raise UsageError(
            f"a training by this recipe cannot go on from {str(adapter)!r}: it is damaged, or has "
            "other layers or another rank"
        )
    return weights_at(adapter, recipe.scale)


def weights_at(adapter: Path, scale: float) -> dict[str, NDArray[Any]]:
    """Return the weights that at ``scale`` change what those of ``adapter`` change at its own.

    Raises:
        UsageError: it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        share = _config(adapter)["lora_parameters"]["scale"] / scale
        weights = load_file(adapter / ADAPTER)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UsageError(
            f"the weights of {str(adapter)!r} cannot be read ({error}); restore them, or train "
            "from the base"
        ) from error
    return {name: one * share if name.endswith(_B) else one for name, one in weights.items()}


def digest_of(adapter: Path) -> str:
    """Return a hash over all that a training takes over from ``adapter``.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        parts = [
            hashlib.sha256((adapter / name).read_bytes()) for name in (ADAPTER, ADAPTER_CONFIG)
        ]
    except OSError as error:
        raise UsageError(
            f"{str(adapter)!r}, which the training is to go on from, cannot be read ({error})"
        ) from error
    return hashlib.sha256(b"".join(one.digest() for one in parts)).hexdigest()


def _config(adapter: Path) -> dict[str, Any]:
    return dict(json.loads((adapter / ADAPTER_CONFIG).read_bytes()))


def _shape(config: dict[str, Any]) -> tuple[Any, ...]:
    parameters = config["lora_parameters"]
    float(parameters["scale"])  # an adapter of another tool may have none
    shape = (parameters.get(name) for name in _SHAPE)
    return (config["fine_tune_type"], config["num_layers"], *shape)
