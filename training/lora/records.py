"""What crosses between a training, its process, and whoever asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from memory.records import Record
from training.lora.recipe import Budget, Recipe

ADAPTER: Final = "adapters.safetensors"
ADAPTER_CONFIG: Final = "adapter_config.json"
MLX_CONFIG: Final = "lora.yaml"
CURVE: Final = "curve.svg"
LOG: Final = "train.log"
RESULT: Final = "trained.json"

Stopped = Literal["done", "early", "budget_time", "budget_memory"]


class Job(Record):
    """One training: everything the process needs to know; ``start`` is the adapter it goes on from.

    Without one it begins with an adapter that changes nothing.
    """

    dataset: Path
    model: Path
    out: Path
    recipe: Recipe
    budget: Budget
    start: Path | None = None


class LossPoint(Record):
    """The mean loss per learned token (nats) at an iteration, after ``tokens`` tokens in all."""

    iteration: int
    tokens: int
    loss: float


class Trained(Record):
    """A finished training. ``tokens`` are those seen, padding aside; memory is in GiB.

    ``best_iteration`` is the last at which the loss on the held-out items was not clearly above the
    lowest, and the adapter is from there; without held-out items it is the last one. A training
    that ``stopped`` for its budget can go on.
    """

    folder: Path
    iterations: int
    epochs: float
    train_loss: tuple[LossPoint, ...]
    valid_loss: tuple[LossPoint, ...]
    best_iteration: int
    seconds: float
    peak_memory_gb: float
    tokens: int
    dropped_too_long: int
    stopped: Stopped


class Planned(Record):
    """What is about to happen; ``done`` iterations are there from an interrupted training."""

    kind: Literal["planned"] = "planned"
    items: int
    valid_items: int
    dropped_too_long: int
    longest_tokens: int
    iterations: int
    done: int
    estimate_gb: float


class Aimed(Record):
    """So many of the items were read that decide what each layer's adapter reads of its input."""

    kind: Literal["aimed"] = "aimed"
    done: int
    of: int


class Stepped(Record):
    """One iteration is over; ``seconds`` and ``tokens`` are those of the whole training so far."""

    kind: Literal["stepped"] = "stepped"
    iteration: int
    iterations: int
    loss: float
    tokens: int
    seconds: float
    peak_memory_gb: float


class Validated(Record):
    """The loss on the held-out items was measured."""

    kind: Literal["validated"] = "validated"
    iteration: int
    loss: float


class Failed(Record):
    """The training ended with an error; ``error`` is its class in the project's tree."""

    kind: Literal["failed"] = "failed"
    error: str
    exit_code: int
    message: str


Event = Planned | Aimed | Stepped | Validated | Failed
EVENT: Final[TypeAdapter[Event]] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])
