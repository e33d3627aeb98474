"""How a batch becomes gradients: as the network is, or by a compiled copy of it in bf16."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor

from training.embedded.network import Network

Gradients = Callable[[Tensor, Tensor], float]
"""Leaves the gradients of a batch (ids, learned) at the weights and returns its loss."""


@contextmanager
def without_denormals() -> Iterator[None]:
    """Take numbers below about 1e-38 for 0.

    Most gradients of a network that is sure of itself are as small, and x86 takes many times as
    long for them as for others.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def plain_gradients(network: Network) -> Gradients:
    """Return what gives ``network`` its gradients."""

    def gradients(ids: Tensor, learned: Tensor) -> float:
        loss = network.loss(ids, learned)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    return gradients


def narrow_gradients(network: Network) -> Gradients:
    """Return what gives ``network`` the gradients of a compiled copy of it in bf16.

    Not covered: a compiler that is there and does not work; torch says what it had to say.
    """
    narrow = deepcopy(network).to(torch.bfloat16)
    compiled = torch.compile(narrow.loss, dynamic=True)
    pairs = list(zip(network.parameters(), narrow.parameters(), strict=True))

    def gradients(ids: Tensor, learned: Tensor) -> float:
        with torch.no_grad():
            for wide, copy in pairs:
                copy.copy_(wide)
                copy.grad = None
        loss = compiled(ids, learned)
        loss.backward()  # type: ignore[no-untyped-call]
        for wide, copy in pairs:
            wide.grad = None if copy.grad is None else copy.grad.float()
        return float(loss.item())

    return gradients
