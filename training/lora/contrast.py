"""Which directions of its input a layer's adapter reads, so that what is kept passes it by.

A LoRA layer adds ``scale * (x A) B`` to what a layer makes of its input x. Here A is chosen once
and only B is learned. With N the mean of x xᵀ over what is new, and K over what is replayed, the
columns of A are those v for which vᵀNv / vᵀ(K + εI)v is largest: directions in which new inputs
say much and kept ones little. These are the common spatial patterns of signal processing (the
generalised eigenvectors of Fukunaga and Koontz, 1970). Each column is as long as to hand on the
energy of new inputs that mlx_lm's random A hands on.

Not covered: what is learned is not kept from changing what is said about kept items, it is only
made unlikely; and models whose layers have thousands of inputs, for which moments take too much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EPSILON: Final = 0.01  # of the mean energy of a kept direction (docs/decisions.md)
_NOISE: Final = 1e-6  # of the largest ratio: less is rounding, and would be scaled up with the rest
_UNIFORM: Final = 3.0  # the variance of mlx_lm's A is 1 / (3 * inputs)


def directions(
    new: NDArray[np.float64], kept: NDArray[np.float64], rank: int
) -> NDArray[np.float32]:
    """Return A, (inputs, ``rank``), from the second moments, each (inputs, inputs).

    Where nothing is kept (its moments are 0), new inputs alone decide. Where they span fewer than
    ``rank`` directions, the columns left over are 0.

    Raises:
        UsageError: ``rank`` is more than there are inputs.
    """
    from scipy.linalg import eigh

    inputs = len(new)
    if rank > inputs:
        raise UsageError(
            f"the recipe's rank of {rank} is more than the {inputs} inputs of a layer; lower it, "
            "or set `directions: random`"
        )
    mean = np.trace(kept) / inputs or 1.0
    floor = kept + _EPSILON * mean * np.eye(inputs)
    ratios, found = eigh(new, floor, subset_by_index=(inputs - rank, inputs - 1))
    found = found * (ratios > _NOISE * ratios[-1])
    energy = np.einsum("ir,ij,jr->r", found, new, found)
    wanted = np.trace(new) / (_UNIFORM * inputs)
    scaled = found * np.sqrt(wanted / np.maximum(energy, np.finfo(np.float64).tiny))
    return np.asarray(scaled, np.float32)
