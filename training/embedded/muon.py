"""Muon, the optimizer of the embedded model's matrices.

K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks" (2024).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by five Newton-Schulz steps."""

    def __init__(
        self,
        params: list[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Optimise matrices only; updates are made orthogonal in ``dtype``."""
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix from its gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                buffer: Tensor = state["momentum"]
                buffer.lerp_(weight.grad, 1 - group["momentum"])
                update = _orthogonal(weight.grad.lerp(buffer, group["momentum"]).to(self._dtype))
                scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.add_(update, alpha=-group["lr"] * scale)


def _orthogonal(matrix: Tensor) -> Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315  # the quintic's published coefficients
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(5):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x
