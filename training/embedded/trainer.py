"""Trains the embedded model from scratch: Muon for the matrices, AdamW for the rest.

Muon: K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks" (2024).
The run is resumable and depends on its seed alone (and on the number of threads, through the order
of floating-point sums).
"""

from __future__ import annotations

import json
import pickle
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from mcp_local_llm import StoreUnavailable, UsageError
from training.embedded.course import training_dialogue
from training.embedded.lessons import book
from training.embedded.names import TrainingNames
from training.embedded.network import Network, NetworkConfig, export
from training.embedded.vocabulary import encode, letter_pieces, save_tokenizer, train_tokenizer

_SHAPE: Final = NetworkConfig()
# What torch raises for a file that is cut short, of another kind, or of another network.
_DAMAGED: Final = (
    pickle.UnpicklingError, struct.error, EOFError, RuntimeError,
    KeyError, IndexError, TypeError, ValueError, AttributeError,
)  # fmt: skip
_CHUNK: Final = 256  # dialogues generated and sorted by length at a time
_PAGE: Final = 2  # chunks: a fact is asked about some 65 times while it is in the book


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run. ``steps`` batches of about ``batch_tokens`` tokens; decay over the last share.

    ``rate`` scales both learning rates: 1 from scratch; a trained model wants about half of it.
    """

    steps: int = 3600
    batch_tokens: int = 5120
    max_tokens: int = 900
    muon_rate: float = 0.02
    adam_rate: float = 3e-3
    rate: float = 1.0
    warmup_steps: int = 40
    decay_share: float = 0.5
    save_every: int = 25
    seed: int = 7
    threads: int = 2
    device: str = "cpu"


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by five Newton-Schulz steps."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        """Optimise matrices only."""
        super().__init__(params, {"lr": lr, "momentum": momentum})

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
                update = _orthogonal(weight.grad.lerp(buffer, group["momentum"]))
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


def _chunk_rng(seed: int, chunk: int) -> Random:
    return Random(seed * 1_000_003 + chunk)


def batches(
    tokenizer: Tokenizer, config: TrainConfig, start: tuple[int, int]
) -> Iterator[tuple[tuple[int, int], Tensor, Tensor]]:
    """Yield (where the next batch is, ids (B, T), learned (B, T)) for ever, from ``start`` on.

    A place is (number of the chunk, number of the batch within it).
    """
    names = TrainingNames(letter_pieces(tokenizer))
    chunk, skipped = start
    while True:
        rng = _chunk_rng(config.seed, chunk)
        known = book(names, config.seed, chunk // _PAGE)
        rows = [encode(tokenizer, training_dialogue(names, rng, known)) for _ in range(_CHUNK)]
        rows = sorted(
            (row for row in rows if len(row[0]) <= config.max_tokens), key=lambda r: len(r[0])
        )
        groups: list[list[tuple[list[int], list[bool]]]] = [[]]
        for row in rows:
            if len(row[0]) * (len(groups[-1]) + 1) > config.batch_tokens:
                groups.append([])
            groups[-1].append(row)
        rng.shuffle(groups)
        for index, group in enumerate(groups[skipped:], start=skipped + 1):
            yield (chunk, index), *_padded(group)
        chunk, skipped = chunk + 1, 0


def _padded(group: list[tuple[list[int], list[bool]]]) -> tuple[Tensor, Tensor]:
    length = max(len(ids) for ids, _ in group)
    ids = torch.zeros(len(group), length, dtype=torch.long)
    learned = torch.zeros(len(group), length, dtype=torch.bool)
    for index, (row, mask) in enumerate(group):
        ids[index, : len(row)] = torch.tensor(row)
        learned[index, : len(row)] = torch.tensor(mask)
    return ids, learned


def rate_share(step: int, config: TrainConfig) -> float:
    """Return the share of the full rate at ``step``: warm-up, plateau, linear decay to zero."""
    decay_from = config.steps * (1 - config.decay_share)
    if step < config.warmup_steps:
        return config.rate * (step + 1) / config.warmup_steps
    if step < decay_from:
        return config.rate
    return config.rate * max(0.0, (config.steps - step) / (config.steps - decay_from))


@dataclass(slots=True)
class _Run:
    """What one run holds on to between steps, and in its checkpoint."""

    network: Network
    optimizers: list[torch.optim.Optimizer]
    step: int = 0
    tokens: int = 0
    place: tuple[int, int] = (0, 0)

    def save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "counters": {"step": self.step, "tokens": self.tokens, "place": self.place},
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def load(self, path: Path) -> None:
        try:
            self._take(torch.load(path, weights_only=True))
        except _DAMAGED as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise StoreUnavailable(
                f"the checkpoint {str(path)!r} cannot be used ({why}); remove it to train from the "
                "start, or name another folder"
            ) from error

    def _take(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        counters = state["counters"]
        self.step, self.tokens, self.place = (
            counters["step"], counters["tokens"], tuple(counters["place"]),
        )  # fmt: skip


def _start(config: TrainConfig, shape: NetworkConfig, checkpoint: Path, start: Path | None) -> _Run:
    torch.manual_seed(config.seed)
    network = Network(shape).to(config.device)
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in network.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, config.muon_rate),
        torch.optim.AdamW(others, config.adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    run = _Run(network, optimizers)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    if checkpoint.exists():
        run.load(checkpoint)
    elif start is not None:
        network.take(start)
    return run


def _check_device(name: str) -> None:
    """Raise ``UsageError`` unless torch can compute on the device ``name`` and read back."""
    try:
        torch.zeros(1, device=name).item()
    except (RuntimeError, AssertionError) as error:  # the latter: torch was built without it
        why = str(error).partition("\n")[0]
        raise UsageError(
            f"torch cannot train on the device {name!r} here ({why}); use --device cpu, or install "
            "a torch that supports it"
        ) from error


def _model_folder(folder: Path, config: TrainConfig, start: Path | None) -> Path:
    """Return the folder of the model to export, with the tokenizer in it."""
    model = folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    if not (model / "tokenizer.json").exists():
        if start is None:
            save_tokenizer(train_tokenizer(config.seed), model)
        else:
            save_tokenizer(_tokenizer(start), model)
    return model


def _tokenizer(folder: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises no narrower class for a bad file
        raise UsageError(
            f"{str(folder)!r} holds no tokenizer ({error}); name the folder of a trained model"
        ) from error


def train(
    folder: Path,
    config: TrainConfig,
    shape: NetworkConfig = _SHAPE,
    start: Path | None = None,
) -> Path:
    """Train to the end of the schedule and return the folder of the exported model.

    ``folder`` holds ``checkpoint.pt``, ``log.jsonl`` and ``model/``. An interrupted run goes on
    from its last checkpoint and ends with the same weights as an undisturbed one. A new run begins
    with the weights and tokenizer of the model folder ``start`` where one is given.

    Raises:
        UsageError: the device is not there, or ``start`` is no model of this shape.
        StoreUnavailable: the checkpoint is damaged, or another network's.
    """
    _check_device(config.device)
    torch.set_num_threads(config.threads)
    model = _model_folder(folder, config, start)
    tokenizer = _tokenizer(model)
    run = _start(config, shape, folder / "checkpoint.pt", start)
    began, total = time.monotonic(), 0.0
    stream = batches(tokenizer, config, run.place)
    while run.step < config.steps:
        run.place, ids, learned = next(stream)
        loss = run.network.loss(ids.to(config.device), learned.to(config.device))
        loss.backward()  # type: ignore[no-untyped-call]
        _update(run, config)
        run.step += 1
        run.tokens += ids.numel()
        total += loss.item()
        if run.step % config.save_every == 0 or run.step == config.steps:
            run.save(folder / "checkpoint.pt")
            export(run.network, model)
            _report(folder, run, total / config.save_every, time.monotonic() - began)
            total = 0.0
    return model


def _update(run: _Run, config: TrainConfig) -> None:
    share = rate_share(run.step, config)
    for optimizer in run.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * share
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _report(folder: Path, run: _Run, loss: float, seconds: float) -> None:
    line = {
        "step": run.step,
        "loss": round(loss, 4),
        "tokens": run.tokens,
        "seconds": round(seconds, 1),
    }
    with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")
