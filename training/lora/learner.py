"""The seam to mlx: a base model with LoRA layers that learns from batches, and its whole state.

The layers, the schedule and gradient checkpointing are mlx_lm's; the step is written here, because
mlx_lm's loop neither saves nor restores the optimizer's state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agents.footprint import GIB
from mcp_local_llm import LocalLLMError, UsageError
from training.dataset.encoding import Encoded
from training.lora.batches import Batch, Update
from training.lora.contrast import directions
from training.lora.recipe import BIAS_CORRECTION, Recipe, lora_parameters, schedule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[np.generic]]

_ADAPTER: Final = "adapter/"
_OPTIMIZER: Final = "optimizer/"
_WEIGHTS: Final = (".lora_a", ".lora_b")


class TrainingDiverged(LocalLLMError):
    """The loss or the weights are no longer numbers."""


class Learner:
    """One model in training. Not covered: more than one process or device."""

    def __init__(self, model: Path, recipe: Recipe, iterations: int) -> None:
        """Load ``model`` and put untrained LoRA layers, decided by the seed alone, into it.

        Raises:
            UsageError: the recipe's ``keys`` name a layer that is not there.
        """
        import mlx.core as mx
        from mlx import optimizers
        from mlx.nn.utils import value_and_grad
        from mlx_lm.tuner.trainer import grad_checkpoint
        from mlx_lm.tuner.utils import build_schedule, linear_to_lora_layers
        from mlx_lm.utils import load_model, maybe_set_recommended_wired_limit

        if mx.default_device() == mx.cpu:
            mx.disable_compile()  # it would run a C++ compiler
        maybe_set_recommended_wired_limit()
        mx.reset_peak_memory()
        self._recipe = recipe
        self._model, _ = load_model(model)
        self._model.freeze()
        mx.random.seed(recipe.seed)
        _check_keys(self._model, recipe)
        linear_to_lora_layers(self._model, recipe.layers, lora_parameters(recipe))
        self._adapted = [one for one in self._model.modules() if "lora_a" in one]
        if recipe.directions == "contrast":
            for layer in self._adapted:
                layer.freeze(recurse=False, keys="lora_a")
        if recipe.grad_checkpoint:
            grad_checkpoint(self._model.layers[0])  # type: ignore[no-untyped-call]
        self._rate = build_schedule(schedule(recipe, iterations))
        self._optimizer = optimizers.Adam(recipe.rate, bias_correction=BIAS_CORRECTION)
        self._optimizer.init(self._model.trainable_parameters())
        self._loss_and_gradient = value_and_grad(self._model, _open_loss)
        mx.eval(self._model.parameters(), self._optimizer.state)

    @property
    def peak_memory_gb(self) -> float:
        """The most memory that arrays have taken so far, in GiB."""
        import mlx.core as mx

        return float(mx.get_peak_memory()) / GIB

    def take(self, weights: Arrays) -> None:
        """Begin with the adapter of ``weights``, of which layers that aim learn one half alone.

        Raises:
            UsageError: they are those of an adapter for other layers.
        """
        import mlx.core as mx

        own = _as_numpy(self._model.parameters(), _WEIGHTS)
        if {name: one.shape for name, one in own.items()} != {
            name: one.shape for name, one in weights.items()
        }:
            raise UsageError(
                "the adapter that the training is to go on from is for other layers than this "
                "model's; train from the base"
            )
        self._model.load_weights(
            [(name, mx.array(one)) for name, one in weights.items()], strict=False
        )
        mx.eval(self._model.parameters())

    def aim(
        self,
        new: Sequence[Encoded],
        kept: Sequence[Encoded],
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        """Choose what each layer's adapter reads of its input, before the first update.

        See ``training.lora.contrast``; an adapter with random directions is left as it is. Where
        nothing is ``new``, everything is. ``tell`` is called after each item that was read. Not
        covered: adapters of embeddings and of mixtures of experts.

        Raises:
            UsageError: a layer has fewer inputs than the rank.
            TrainingDiverged: the inputs are no numbers.
        """
        import mlx.core as mx
        import numpy as np

        if self._recipe.directions == "contrast":
            rank = self._recipe.rank
            taught, replayed = new or kept, kept if new else ()
            pairs = zip(self._moments(taught, tell), self._moments(replayed, tell), strict=True)
            for layer, (ours, others) in zip(self._adapted, pairs, strict=True):
                if not np.isfinite(ours + others).all():
                    raise self._diverged(0)
                layer.lora_a = mx.array(directions(ours, others, rank))

    def _moments(
        self, items: Sequence[Encoded], tell: Callable[[], None]
    ) -> list[NDArray[np.float64]]:
        """Return the mean of x xᵀ over the inputs x of each adapted layer."""
        import mlx.core as mx
        import numpy as np

        self._model.eval()
        sums = [_Sum(layer.lora_a.shape[0]) for layer in self._adapted]
        dropouts = [layer.dropout for layer in self._adapted]
        for layer, watch in zip(self._adapted, sums, strict=True):
            layer.dropout = watch
        for item in items:
            mx.eval(self._model(mx.array([item.ids[:-1]])), [one.total for one in sums])
            mx.clear_cache()
            tell()
        for layer, dropout in zip(self._adapted, dropouts, strict=True):
            layer.dropout = dropout
        count = max(1, sum(len(item.ids) - 1 for item in items))
        return [np.array(one.total, np.float64) / count for one in sums]

    def learn(self, iteration: int, update: Update) -> float:
        """Make one update and return the mean loss per learned token before it.

        What is random in it, and the rate, depend on the seed and ``iteration`` alone. Nothing
        changes when all of it is known.

        Raises:
            TrainingDiverged: the loss is no number.
        """
        import mlx.core as mx
        from mlx.optimizers import clip_grad_norm
        from mlx.utils import tree_map

        mx.random.seed(self._recipe.seed * 1_000_003 + iteration)
        self._model.train()
        total, unknown, gradients = 0.0, 0, None
        for batch in update:
            (_, losses), more = self._loss_and_gradient(
                self._model, *arrays(batch), self._recipe.known
            )
            nats, count = (one.item() for one in losses)  # computes no gradient yet
            total, unknown = total + nats, unknown + int(count)
            if count:
                gradients = more if gradients is None else tree_map(mx.add, gradients, more)
                mx.eval(gradients)
        if not math.isfinite(total):
            raise self._diverged(iteration)
        if gradients is not None:
            mean = tree_map(lambda one: one / unknown, gradients)
            clipped, _ = clip_grad_norm(mean, self._recipe.clip)  # type: ignore[no-untyped-call]
            self._optimizer.learning_rate = self._rate(mx.array(iteration - 1))
            self._optimizer.update(self._model, clipped)
            mx.eval(self._model.trainable_parameters(), self._optimizer.state)
        mx.clear_cache()
        return total / learned_tokens(update)

    def measure(self, iteration: int, batches: Sequence[Batch]) -> float:
        """Return the mean loss per learned token of ``batches``, without learning from them.

        Raises:
            TrainingDiverged: the loss is no number.
        """
        import mlx.core as mx

        self._model.eval()
        total = 0.0
        for batch in batches:
            total += summed_loss(self._model, *arrays(batch)).item()
            mx.clear_cache()
        if not math.isfinite(total):
            raise self._diverged(iteration)
        return total / learned_tokens(batches)

    def adapter(self, iteration: int) -> Arrays:
        """Return copies of the adapter's weights, by the names that mlx_lm reads.

        Raises:
            TrainingDiverged: some are no numbers.
        """
        import numpy as np

        weights = _as_numpy(self._model.parameters(), _WEIGHTS)
        if not all(np.isfinite(one).all() for one in weights.values()):
            raise self._diverged(iteration)
        return weights

    def state(self, iteration: int) -> Arrays:
        """Return everything that later iterations depend on."""
        adapter = self.adapter(iteration)
        return {_ADAPTER + name: one for name, one in adapter.items()} | {
            _OPTIMIZER + name: one for name, one in _as_numpy(self._optimizer.state).items()
        }

    def restore(self, state: Arrays) -> None:
        """Take over what ``state`` returned; ``ValueError`` when it is of another model."""
        import mlx.core as mx
        from mlx.utils import tree_unflatten

        def part(prefix: str) -> list[tuple[str, Any]]:
            return [
                (name.removeprefix(prefix), mx.array(one))
                for name, one in state.items()
                if name.startswith(prefix)
            ]

        self._model.load_weights(part(_ADAPTER), strict=False)
        self._optimizer.state = tree_unflatten(part(_OPTIMIZER))
        mx.eval(self._model.parameters(), self._optimizer.state)

    def _diverged(self, iteration: int) -> TrainingDiverged:
        return TrainingDiverged(
            f"the loss stopped being a number in iteration {iteration}; nothing of this training "
            f"is used. Lower `rate` in the recipe (it is {self._recipe.rate:g}) and train again"
        )


def _check_keys(model: Any, recipe: Recipe) -> None:
    there = {
        name
        for block in model.layers
        for name, one in block.named_modules()
        if "weight" in one and one.weight.ndim > 1
    }
    if unknown := sorted(set(recipe.keys) - there):
        raise UsageError(
            f"the recipe's `keys` name {', '.join(unknown)}, which the model's blocks do not have; "
            f"they have {', '.join(sorted(there))}"
        )


class _Sum:
    """Stands where a layer's dropout does, through which its adapter reads, and sums up x xᵀ."""

    def __init__(self, inputs: int) -> None:
        import mlx.core as mx

        self.total = mx.zeros((inputs, inputs))

    def __call__(self, x: Any) -> Any:
        import mlx.core as mx

        rows = x.reshape(-1, x.shape[-1]).astype(mx.float32)
        self.total = self.total + rows.T @ rows
        return x


def learned_tokens(batches: Iterable[Batch]) -> int:
    """Return how many tokens of ``batches`` are predicted: all that are learned but a first one."""
    return sum(sum(item.learned[1:]) for batch in batches for item in batch)


def summed_loss(model: Any, ids: Any, learned: Any) -> Any:
    """Return the cross entropy (nats) summed over the learned tokens."""
    return _losses(model, ids, learned).sum()


def _losses(model: Any, ids: Any, learned: Any) -> Any:
    import mlx.core as mx
    from mlx import nn

    losses = nn.losses.cross_entropy(model(ids[:, :-1]).astype(mx.float32), ids[:, 1:])
    return losses * learned[:, 1:]


def _open_loss(model: Any, ids: Any, learned: Any, known: float) -> Any:
    """Return the sum over tokens with a loss of ``known`` or more; that over all; their number."""
    losses = _losses(model, ids, learned)
    is_open = learned[:, 1:] * (losses >= known)
    return (losses * is_open).sum(), (losses.sum(), is_open.sum())


def arrays(batch: Batch) -> tuple[Any, Any]:
    """Return the ids and which of them are learned, padded at the end to the longest item."""
    import mlx.core as mx
    import numpy as np

    shape = len(batch), max(len(item.ids) for item in batch)
    ids, learned = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for row, item in enumerate(batch):
        ids[row, : len(item.ids)] = item.ids
        learned[row, : len(item.ids)] = item.learned
    return mx.array(ids), mx.array(learned)


def _as_numpy(tree: Any, ends: tuple[str, ...] = ("",)) -> Arrays:
    """Return copies of what has such names, by rows: safetensors writes memory as it lies."""
    import numpy as np
    from mlx.utils import tree_flatten

    flat: dict[str, Any] = dict(tree_flatten(tree))
    names = sorted(name for name in flat if name.endswith(ends))
    return {name: np.array(flat[name], order="C") for name in names}
