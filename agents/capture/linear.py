"""The files of small linear classifiers: weights per part, and what they were trained for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mcp_local_llm import ModelUnavailable

Matrix = NDArray[np.float32]


def read_weights(
    path: Path, part: str, *, features: str, heads: Sequence[str], trainer: str
) -> tuple[Matrix, Matrix]:
    """Return weight (heads, inputs) and bias (heads) of ``part`` in the file ``path``.

    Raises:
        ModelUnavailable: the file is missing, damaged, or for other ``features`` or ``heads``; the
            message names the module ``trainer`` that makes it.
    """
    try:
        with safe_open(path, framework="np") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            weight = file.get_tensor(f"{part}.weight").astype(np.float32)
            bias = file.get_tensor(f"{part}.bias").astype(np.float32)
    except (OSError, SafetensorError, ValueError) as error:
        raise ModelUnavailable(
            f"cannot read the weights {str(path)!r} ({error}); install the package again, or train "
            f"them: `python -m {trainer}`"
        ) from error
    if about.get("features") != features or list(about.get("heads", ())) != list(heads):
        raise ModelUnavailable(
            f"the weights in {str(path)!r} were trained for other features than these; train them "
            f"again: `python -m {trainer}`"
        )
    return weight, bias


def write_weights(
    path: Path,
    parts: Mapping[str, tuple[Matrix, Matrix]],
    *,
    features: str,
    heads: Sequence[str],
    **about: Any,
) -> None:
    """Write weight (in 16 bits) and bias of each part to ``path``, with what they are for."""
    tensors: dict[str, NDArray[Any]] = {}
    for part, (weight, bias) in parts.items():
        tensors |= {f"{part}.weight": weight.astype(np.float16), f"{part}.bias": bias}
    notes = {"features": features, "heads": list(heads), **about}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"about": json.dumps(notes)})
