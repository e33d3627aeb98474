"""The files of a training that outlive a kill: each appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from agents.weights import base_digest
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import Record
from training.dataset.reader import digest as dataset_digest
from training.lora.records import RESULT, Job, LossPoint, Trained
from training.lora.start import digest_of

if TYPE_CHECKING:
    from training.lora.learner import Arrays

CHECKPOINT: Final = "checkpoint.safetensors"
IDENTITY: Final = "training.json"
_PROGRESS: Final = "progress"
_BEST: Final = "best/"
_STATE: Final = "state/"


class Identity(Record):
    """What decides on a training's adapter. Two that are equal end with the same bytes."""

    base: str
    dataset: str
    recipe: str
    start: str = ""

    @property
    def key(self) -> str:
        """A short name for it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


class Progress(Record):
    """How far a training is; ``best_loss`` is the lowest, ``worse`` counts validations since those
    of ``best_iteration``.
    """

    iteration: int = 0
    tokens: int = 0
    seconds: float = 0.0
    peak_memory_gb: float = 0.0
    train_loss: tuple[LossPoint, ...] = ()
    valid_loss: tuple[LossPoint, ...] = ()
    best_iteration: int = 0
    best_loss: float | None = None
    worse: int = 0


def identify(job: Job) -> Identity:
    """Return the identity of ``job``, from the content of its files.

    Raises:
        UsageError: what it goes on from cannot be read.
    """
    return Identity(
        base=base_digest(job.model),
        dataset=dataset_digest(job.dataset),
        recipe=job.recipe.model_dump_json(),
        start=digest_of(job.start) if job.start else "",
    )


def claim(out: Path, identity: Identity) -> None:
    """Mark ``out`` as the folder of one training.

    Raises:
        UsageError: it is the folder of another one.
    """
    path = out / IDENTITY
    if path.exists():
        try:
            there = Identity.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise _foreign(out, "its training.json is damaged") from error
        differs = [name for name in Identity.model_fields if _differ(name, there, identity)]
        if differs:
            raise _foreign(out, f"it has another {' and '.join(differs)}")
    else:
        write_whole(path, identity.model_dump_json().encode())


def release(out: Path) -> None:
    """Forget a training that came to nothing, so that the folder can be used again."""
    for name in (CHECKPOINT, IDENTITY, RESULT):
        (out / name).unlink(missing_ok=True)


def read_result(out: Path) -> Trained | None:
    """Return how the training in ``out`` ended, or None while it has not."""
    path = out / RESULT
    if not path.exists():
        return None
    try:
        stored = json.loads(path.read_text("utf-8"))
        return Trained.model_validate(stored | {"folder": out})
    except (ValueError, TypeError) as error:
        raise StoreUnavailable(
            f"the result {str(path)!r} is damaged ({' '.join(str(error).split())}); remove it and "
            "train again"
        ) from error


def write_result(trained: Trained) -> None:
    """Write how a training ended; its folder may be moved afterwards."""
    text = trained.model_dump_json(exclude={"folder"}, indent=1) + "\n"
    write_whole(trained.folder / RESULT, text.encode())


def save(out: Path, progress: Progress, state: Arrays, best: Arrays) -> None:
    """Write a checkpoint in the place of the one before."""
    from safetensors.numpy import save as serialized

    tensors = {_STATE + name: one for name, one in state.items()}
    tensors |= {_BEST + name: one for name, one in best.items()}
    metadata = {_PROGRESS: progress.model_dump_json()}
    write_whole(out / CHECKPOINT, serialized(tensors, metadata))


def load(out: Path) -> tuple[Progress, Arrays, Arrays] | None:
    """Return (progress, state, best weights) of the checkpoint in ``out``, or None without one.

    Raises:
        StoreUnavailable: it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = out / CHECKPOINT
    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            progress = Progress.model_validate_json(file.metadata()[_PROGRESS])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise StoreUnavailable(
            f"the checkpoint {str(path)!r} is damaged ({' '.join(str(error).split())}); remove it "
            "to train from the start, or name another folder"
        ) from error
    return progress, _part(tensors, _STATE), _part(tensors, _BEST)


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` so that ``path`` holds all of it or what it held before."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise StoreUnavailable(
            f"cannot write {str(path)!r} ({error}); free some disk space, then repeat the command: "
            "it goes on from the last checkpoint"
        ) from error


def _part(tensors: Arrays, prefix: str) -> Arrays:
    return {
        name.removeprefix(prefix): one
        for name, one in sorted(tensors.items())
        if name.startswith(prefix)
    }


def _differ(name: str, one: Identity, other: Identity) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _foreign(out: Path, why: str) -> UsageError:
    return UsageError(
        f"the folder {str(out)!r} belongs to another training ({why}); name another --out, or "
        "remove the folder"
    )
