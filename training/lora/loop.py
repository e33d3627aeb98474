"""The training itself, in the process that it runs in: from a job to an adapter on disk."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Final, TypeVar

from mcp_local_llm import UsageError
from training.dataset.encoding import Encoded, Encoder
from training.dataset.reader import open_dataset
from training.embedded.curve import draw_curve
from training.lora.batches import Update, count_updates, in_batches, updates, within
from training.lora.checkpoint import (
    CHECKPOINT,
    Identity,
    Progress,
    claim,
    load,
    release,
    save,
    write_result,
    write_whole,
)
from training.lora.estimate import estimate_training, require_memory
from training.lora.learner import Learner, TrainingDiverged
from training.lora.recipe import Recipe, mlx_config, yaml_text
from training.lora.records import (
    ADAPTER,
    ADAPTER_CONFIG,
    CURVE,
    MLX_CONFIG,
    Aimed,
    Event,
    Job,
    LossPoint,
    Planned,
    Stepped,
    Stopped,
    Trained,
    Validated,
)
from training.lora.start import adapter_config, read_start

if TYPE_CHECKING:
    from training.lora.learner import Arrays

Tell = Callable[[Event], None]
_T = TypeVar("_T")
# A held-out loss that is above the lowest by less is noise, and what is learned at a lower rate is
# better by more than it shows (docs/decisions.md).
_NEAR: Final = 1.1
_VALIDATED: Final = 64  # items, at most: more would take longer than the training between them
_AIMED: Final = 256  # items of either kind, at most: some fifty thousand tokens
_TOLD: Final = 32  # of these are read between two words about it


@dataclass(frozen=True, slots=True)
class _Items:
    """What is trained on and what is held out, encoded; items that are too long are gone.

    What is trained was made from what the user taught (``new``), or is replayed. Of these two, and
    of the ``held_out`` items (``valid``), there is a sample where there is much.
    """

    train: list[Encoded]
    new: list[Encoded]
    replayed: list[Encoded]
    valid: list[Encoded]
    held_out: int
    dropped: int

    @property
    def longest(self) -> int:
        return max(len(item.ids) for item in [*self.train, *self.valid])


def run_job(job: Job, identity: Identity, tell: Tell) -> Trained:
    """Train to the end, or to the budget's, and return how it went.

    It begins where ``job.start`` ended, or with an adapter that changes nothing. A checkpoint in
    ``job.out`` is gone on from; the end is the same as without the interruption, unless the budget
    cut it off.

    Raises:
        UsageError: the dataset or ``job.start`` is wrong, ``job.out`` is another training's, a
            layer has fewer inputs than the recipe's rank, or its keys name none; then the folder is
            free again.
        ModelUnavailable: the model is damaged, or would take more memory than the budget.
        StoreUnavailable: the disk refuses, or the checkpoint is damaged.
        TrainingDiverged: the loss stopped being a number; the folder is free again.
    """
    items = _encoded(job)
    memory = estimate_training(job.model, job.recipe, items.longest)
    require_memory(memory, job.budget)
    claim(job.out, identity)
    iterations = count_updates(len(items.train), job.recipe)
    kept = load(job.out)
    tell(
        Planned(
            items=len(items.train),
            valid_items=items.held_out,
            dropped_too_long=items.dropped,
            longest_tokens=items.longest,
            iterations=iterations,
            done=kept[0].iteration if kept else 0,
            estimate_gb=memory.total_gb,
        )
    )
    try:
        run = _Run(job, Learner(job.model, job.recipe, iterations), items, iterations, tell)
        if kept:
            run.take_over(*kept)
        stopped = run.to_the_end()
        return _finish(run, stopped)
    except (TrainingDiverged, UsageError):
        release(job.out)
        raise


def _encoded(job: Job) -> _Items:
    dataset, encoder, limit = open_dataset(job.dataset), Encoder(job.model), job.recipe.max_tokens
    train: list[Encoded] = []
    new: list[Encoded] = []
    replayed: list[Encoded] = []
    for item in dataset.items("train"):
        train.append(encoder.encode(item))
        (new if item.of else replayed).append(train[-1])
    valid = [encoder.encode(item) for item in dataset.items("valid")]
    kept, held_out = within(train, limit), within(valid, limit)
    if not kept:
        raise UsageError(
            f"every item of {str(job.dataset)!r} is longer than {limit} tokens; "
            "shorten them, or raise `max_tokens` in the recipe"
        )
    seed = job.recipe.seed
    return _Items(
        train=kept,
        new=sample(within(new, limit), _AIMED, seed),
        replayed=sample(within(replayed, limit), _AIMED, seed),
        valid=sample(held_out, _VALIDATED, seed),
        held_out=len(held_out),
        dropped=len(train) + len(valid) - len(kept) - len(held_out),
    )


def sample(items: list[_T], most: int, seed: int) -> list[_T]:
    """Return ``most`` of ``items`` in their order, or all."""
    if len(items) <= most:
        return items
    places = Random(seed).sample(range(len(items)), most)  # noqa: S311 - no secret
    return [items[at] for at in sorted(places)]


@dataclass(slots=True)
class _Run:
    """A training between two iterations."""

    job: Job
    learner: Learner
    items: _Items
    iterations: int
    tell: Tell
    progress: Progress = field(default_factory=Progress)
    best: Arrays = field(default_factory=dict)
    saved: int = -1

    def take_over(self, progress: Progress, state: Arrays, best: Arrays) -> None:
        """Go on from a checkpoint."""
        self.learner.restore(state)
        self.progress, self.best, self.saved = progress, best, progress.iteration

    def to_the_end(self) -> Stopped:
        """Train until nothing is left to do, and say why it ended."""
        recipe, last_s = self.job.recipe, 0.0
        if self.progress.iteration == 0:
            self._begin()
            self._validate()
        for update in islice(updates(self.items.train, recipe), self.progress.iteration, None):
            if self.progress.worse >= recipe.patience:
                return self._end("early")
            if self.progress.iteration and self._over_time(last_s):
                return self._end("budget_time")
            last_s = self._step(update)
            at = self.progress.iteration
            if at % recipe.validate_every == 0 or at == self.iterations:
                self._validate()
            if at % recipe.save_every == 0:
                self.save()
            if self.progress.peak_memory_gb > self.job.budget.memory_gb:
                return self._end("budget_memory")
        return "done"

    def _begin(self) -> None:
        """Take over what is gone on from; its layers read what they have read before."""
        if self.job.start:
            self.learner.take(read_start(self.job.start, self.job.recipe))
        else:
            self._aim()

    def _aim(self) -> None:
        started, done = time.monotonic(), 0
        of = len(self.items.new) + len(self.items.replayed)

        def tell() -> None:
            nonlocal done
            done += 1
            if done % _TOLD == 0 or done == of:
                self.tell(Aimed(done=done, of=of))

        self.learner.aim(self.items.new, self.items.replayed, tell)
        self._advance(time.monotonic() - started)

    def save(self) -> None:
        """Write a checkpoint, unless the last one says the same."""
        if self.saved != self.progress.iteration:
            self.saved = self.progress.iteration
            save(self.job.out, self.progress, self.learner.state(self.saved), self.best)

    def _end(self, why: Stopped) -> Stopped:
        if not self.progress.valid_loss or self.progress.valid_loss[-1].iteration == 0:
            self._validate()
        self.save()
        return why

    def _over_time(self, last_s: float) -> bool:
        """Say whether another iteration like the last would pass the time."""
        return self.progress.seconds + last_s > self.job.budget.seconds

    def _step(self, update: Update) -> float:
        started, at = time.monotonic(), self.progress.iteration + 1
        loss = self.learner.learn(at, update)
        seconds = time.monotonic() - started
        tokens = self.progress.tokens + sum(len(item.ids) for batch in update for item in batch)
        point = LossPoint(iteration=at, tokens=tokens, loss=loss)
        self._advance(
            seconds,
            iteration=at,
            tokens=tokens,
            train_loss=(*self.progress.train_loss, point),
        )
        self.tell(
            Stepped(
                iteration=at,
                iterations=self.iterations,
                loss=loss,
                tokens=tokens,
                seconds=self.progress.seconds,
                peak_memory_gb=self.progress.peak_memory_gb,
            )
        )
        return seconds

    def _validate(self) -> None:
        """Measure the held-out loss, and keep the weights unless it is clearly above the lowest."""
        if not self.items.valid:
            return
        started, at = time.monotonic(), self.progress.iteration
        loss = self.learner.measure(at, in_batches(self.items.valid, self.job.recipe.batch))
        point = LossPoint(iteration=at, tokens=self.progress.tokens, loss=loss)
        seconds = time.monotonic() - started
        self._advance(seconds, valid_loss=(*self.progress.valid_loss, point))
        before = self.progress.best_loss
        lowest = loss if before is None else min(before, loss)
        if at and loss <= _NEAR * lowest:
            self.best = self.learner.adapter(at)
            self._advance(0.0, best_iteration=at, best_loss=lowest, worse=0)
        elif at:
            self._advance(0.0, worse=self.progress.worse + 1)
        self.tell(Validated(iteration=at, loss=loss))

    def _advance(self, seconds: float, **changes: object) -> None:
        always = {
            "seconds": self.progress.seconds + seconds,
            "peak_memory_gb": max(self.progress.peak_memory_gb, self.learner.peak_memory_gb),
        }
        self.progress = self.progress.model_copy(update=always | changes)


def _finish(run: _Run, stopped: Stopped) -> Trained:
    """Write the adapter and all that stands beside it; the result comes last."""
    from safetensors.numpy import save as serialized

    job, progress = run.job, run.progress
    weights = run.best or run.learner.adapter(progress.iteration)
    write_whole(job.out / ADAPTER, serialized(weights, {"format": "mlx"}))
    write_whole(job.out / ADAPTER_CONFIG, _adapter_config(job.recipe).encode())
    config = mlx_config(
        job.recipe,
        model=job.model,
        dataset=job.dataset,
        adapter=job.out / "again",
        iterations=run.iterations,
    )
    write_whole(job.out / MLX_CONFIG, yaml_text(config).encode())
    if picture := _picture(progress):
        write_whole(job.out / CURVE, picture.encode())
    trained = Trained(
        folder=job.out,
        iterations=progress.iteration,
        epochs=round(job.recipe.epochs * progress.iteration / run.iterations, 3),
        train_loss=progress.train_loss,
        valid_loss=progress.valid_loss,
        best_iteration=progress.best_iteration or progress.iteration,
        seconds=round(progress.seconds, 3),
        peak_memory_gb=round(progress.peak_memory_gb, 3),
        tokens=progress.tokens,
        dropped_too_long=run.items.dropped,
        stopped=stopped,
    )
    write_result(trained)
    if not stopped.startswith("budget"):
        (job.out / CHECKPOINT).unlink(missing_ok=True)
    return trained


def _adapter_config(recipe: Recipe) -> str:
    return json.dumps(adapter_config(recipe), indent=2) + "\n"


def _picture(progress: Progress) -> str:
    """Return the loss curve; a loss of exactly 0 has no place on its scale."""

    def places(points: Sequence[LossPoint]) -> list[tuple[float, float]]:
        return [(float(point.tokens), point.loss) for point in points if point.loss > 0]

    points = places(progress.train_loss)
    return draw_curve(points, places(progress.valid_loss)) if points else ""
