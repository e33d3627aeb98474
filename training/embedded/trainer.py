"""Trains the embedded model from scratch: Muon for the matrices, AdamW for the rest.

The run is resumable and depends on its seed and the number of its processes alone (and on the
number of threads, through the order of floating-point sums).
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from random import Random
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor, distributed
from torch.multiprocessing.spawn import ProcessException, spawn

from mcp_local_llm import StoreUnavailable, UsageError
from training.embedded.course import training_dialogue
from training.embedded.gradients import narrow_gradients, plain_gradients, without_denormals
from training.embedded.muon import Muon
from training.embedded.names import TrainingNames
from training.embedded.network import Network, NetworkConfig, export
from training.embedded.taught import book
from training.embedded.vocabulary import encode, letter_pieces, save_tokenizer, train_tokenizer
from training.held import held

_SHAPE: Final = NetworkConfig()
# What torch raises for a file that is cut short, of another kind, or of another network.
_DAMAGED: Final = (
    pickle.UnpicklingError, struct.error, EOFError, RuntimeError,
    KeyError, IndexError, TypeError, ValueError, AttributeError,
)  # fmt: skip
_COMPILERS: Final = ("c++", "g++", "clang++")
_CHUNK: Final = 256  # dialogues generated and sorted by length at a time
_PAGE: Final = 2  # chunks: a fact is asked about some 65 times while it is in the book


Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """One run. ``steps`` updates, each from a batch of about ``batch_tokens`` tokens per process.

    The rate decays over the last share. ``rate`` scales both learning rates: 1 from scratch; a
    trained model wants about half of it. ``threads`` are those of one process. ``fast`` computes
    losses and gradients in bf16 with compiled code, which takes a C++ compiler and minutes at the
    start; the weights that are updated stay in fp32. ``by_heart`` asks about facts that are not
    shown, which only a high rate can learn: at a low one, guesses are learned in their place.
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
    processes: int = 1
    device: str = "cpu"
    fast: bool = False
    by_heart: bool = True


def _chunk_rng(seed: int, chunk: int) -> Random:
    return Random(seed * 1_000_003 + chunk)


def batches(
    tokenizer: Tokenizer, config: TrainConfig, start: Place
) -> Iterator[tuple[Place, Tensor, Tensor]]:
    """Yield (where the next batch is, ids (B, T), learned (B, T)) for ever, from ``start`` on.

    A place is (number of the chunk, number of the batch within it). Processes take turns with the
    chunks.
    """
    names = TrainingNames(letter_pieces(tokenizer))
    chunk, skipped = start
    while True:
        rng = _chunk_rng(config.seed, chunk)
        known = book(names, config.seed, chunk // _PAGE) if config.by_heart else ()
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
        chunk, skipped = chunk + config.processes, 0


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
    """What one run holds on to between steps, and in its checkpoint.

    ``places`` are those of all processes, of which this one is number ``rank``.
    """

    network: Network
    optimizers: list[torch.optim.Optimizer]
    places: list[Place]
    rank: int = 0
    step: int = 0
    tokens: int = 0

    def save(self, path: Path) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "counters": {"step": self.step, "tokens": self.tokens, "places": self.places},
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
        if len(counters["places"]) != len(self.places):
            raise ValueError(f"it is of {len(counters['places'])} processes")
        self.step, self.tokens = counters["step"], counters["tokens"]
        self.places = [tuple(place) for place in counters["places"]]


def _start(
    config: TrainConfig, shape: NetworkConfig, checkpoint: Path, start: Path | None, rank: int = 0
) -> _Run:
    torch.manual_seed(config.seed)
    network = Network(shape).to(config.device)
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in network.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, config.muon_rate, dtype=torch.bfloat16 if config.fast else torch.float32),
        torch.optim.AdamW(others, config.adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    run = _Run(network, optimizers, [(chunk, 0) for chunk in range(config.processes)], rank)
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
    with the weights and tokenizer of the model folder ``start`` where one is given. Several
    processes average their gradients, so that each update is from as many batches; none of them
    outlives the one that calls.

    Raises:
        UsageError: the device or a compiler is not there, ``start`` is no model of this shape, or
            another training is at work in ``folder``.
        StoreUnavailable: the checkpoint is damaged, or another network's or number of processes';
            one of several processes failed; ``folder`` cannot be written to.
    """
    _check_device(config.device)
    if config.fast and not any(map(shutil.which, _COMPILERS)):
        raise UsageError(
            f"fast training compiles, and none of {', '.join(_COMPILERS)} is on PATH; install a "
            "C++ compiler, or leave out --fast"
        )
    with held(folder):
        return _trained(folder, config, shape, start)


def _trained(folder: Path, config: TrainConfig, shape: NetworkConfig, start: Path | None) -> Path:
    model = _model_folder(folder, config, start)
    if config.processes == 1:
        _learn(folder, config, shape, start)
        return model
    _start(config, shape, folder / "checkpoint.pt", start)  # what is wrong with it is told here
    with tempfile.TemporaryDirectory() as name:
        meeting = Path(name) / "meeting"
        try:
            spawn(  # type: ignore[no-untyped-call]
                _part, (meeting, folder, config, shape, start), nprocs=config.processes
            )
        except ProcessException as error:
            why = str(error).strip().splitlines()[-1]
            raise StoreUnavailable(
                f"a process of the training ended ({why}); mend that, then repeat the command: it "
                "goes on from the last checkpoint"
            ) from error
    return model


def _part(
    rank: int,
    meeting: Path,
    folder: Path,
    config: TrainConfig,
    shape: NetworkConfig,
    start: Path | None,
) -> None:
    """Be one of several processes that train together; they meet at a file."""
    threading.Thread(target=_end_with_caller, daemon=True).start()
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    distributed.init_process_group(
        "gloo", init_method=meeting.as_uri(), rank=rank, world_size=config.processes
    )
    _learn(folder, config, shape, start, rank)
    distributed.destroy_process_group()


def _end_with_caller() -> None:
    # torch has SIGINT sent on Linux alone, which a script's background jobs ignore.
    if caller := parent_process():
        caller.join()
        os._exit(1)


@without_denormals()
def _learn(
    folder: Path, config: TrainConfig, shape: NetworkConfig, start: Path | None, rank: int = 0
) -> None:
    torch.set_num_threads(config.threads)
    model, checkpoint = folder / "model", folder / "checkpoint.pt"
    run = _start(config, shape, checkpoint, start, rank)
    gradients = narrow_gradients(run.network) if config.fast else plain_gradients(run.network)
    began, total = time.monotonic(), 0.0
    stream = batches(_tokenizer(model), config, run.places[rank])
    while run.step < config.steps:
        run.places[rank], ids, learned = next(stream)
        loss = gradients(ids.to(config.device), learned.to(config.device))
        mean, tokens = _together(run, config, loss, ids.numel())
        _update(run, config)
        run.step += 1
        run.tokens += tokens
        total += mean
        if run.step % config.save_every == 0 or run.step == config.steps:
            _gather(run, config)
            if rank == 0:
                run.save(checkpoint)
                export(run.network, model)
                _report(folder, run, total / config.save_every, time.monotonic() - began)
            total = 0.0


def _together(run: _Run, config: TrainConfig, loss: float, tokens: int) -> tuple[float, int]:
    """Give every process the mean of all gradients; return the mean loss and the sum of tokens."""
    if config.processes == 1:
        return loss, tokens
    gradients = [weight.grad for weight in run.network.parameters() if weight.grad is not None]
    own = torch.tensor([loss, float(tokens)])
    parts = [*(gradient.reshape(-1) for gradient in gradients), own]
    shared = torch.cat([part.cpu() for part in parts])
    distributed.all_reduce(shared)
    *means, sums = torch.split(shared, [part.numel() for part in parts])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_((mean / config.processes).view_as(gradient))
    return sums[0].item() / config.processes, round(sums[1].item())


def _gather(run: _Run, config: TrainConfig) -> None:
    """Tell the places of all processes to each other."""
    if config.processes > 1:
        places: list[Place] = [(0, 0)] * config.processes
        distributed.all_gather_object(places, run.places[run.rank])
        run.places = places


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
