"""The commands ``mcp-local-llm train`` and ``bench-train``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graph.console import run_command, told
from graph.train_options import (
    chosen_budget,
    chosen_model,
    chosen_recipe,
    training_options,
)
from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from training.lora.bench import TrainSpeed
    from training.lora.records import Trained

_TRAIN: Final = """\
Train a LoRA adapter on a dataset. The same command goes on after an interruption, and ends with the
same adapter; a finished training is shown as it is.
"""
_BENCH: Final = """\
Measure how long an iteration of training takes and how much memory, and say whether the time
suffices for a number of examples.
"""
_ENDINGS: Final = {
    "done": "to the end",
    "early": "until the held-out loss stopped falling",
    "budget_time": "until the time was over (more: --resume with a larger --budget-minutes)",
    "budget_memory": "until the memory was used up (lower `max_tokens` or `batch`)",
}


def train(argv: Sequence[str]) -> int:
    """Run ``train``; exit codes 0, 1 the loss diverged, 2 wrong input, 3 model or disk, 130."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm train", description=_TRAIN)
    parser.add_argument("dataset", type=Path, help="a folder with train.jsonl (and valid.jsonl)")
    training_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the adapter goes")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="insist on going on, also where the budget ended a training",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _train)


def bench_train(argv: Sequence[str]) -> int:
    """Run ``bench-train`` and return the exit code."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm bench-train", description=_BENCH)
    training_options(parser)
    parser.add_argument("--examples", type=int, default=1000, metavar="N", help="(default 1000)")
    parser.add_argument(
        "--tokens", type=int, default=512, metavar="N", help="tokens of an example (default 512)"
    )
    parser.add_argument(
        "--iterations", type=int, default=4, metavar="N", help="how many to measure (default 4)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _bench)


def _train(options: argparse.Namespace) -> int:
    from agents.home import state_home
    from graph.train_progress import training_display
    from training.dataset.reader import open_dataset
    from training.lora.trainer import default_out
    from training.lora.trainer import train as train_adapter

    open_dataset(options.dataset)
    model, base = chosen_model(options)
    recipe, budget = chosen_recipe(options, base), chosen_budget(options)
    out = options.out or default_out(state_home(), options.dataset, model, recipe)
    sys.stderr.write(f"adapter: {out}\n")
    try:
        with training_display() as show:
            trained = train_adapter(
                options.dataset, model, out, recipe, budget, on_event=show, resume=options.resume
            )
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on from the last checkpoint\n")
        raise
    return told(options, trained_words(trained), **trained.model_dump(mode="json"))


def trained_words(trained: Trained) -> str:
    """Return how a training went, for people."""
    first, last = trained.train_loss[0].loss, trained.train_loss[-1].loss
    lines = [
        f"trained {_ENDINGS[trained.stopped]}: {trained.iterations} iterations "
        f"({trained.epochs:g} epochs) in {trained.seconds:.0f} s, {trained.tokens} tokens, "
        f"{trained.peak_memory_gb:.2f} GiB at most",
        f"loss {first:.3f} at first, {last:.3f} at last",
    ]
    if trained.valid_loss:
        lowest = min(point.loss for point in trained.valid_loss)
        lines.append(
            f"held out: {trained.valid_loss[0].loss:.3f} at first, {lowest:.3f} at best; the "
            f"adapter is from iteration {trained.best_iteration}"
        )
    if trained.dropped_too_long:
        lines.append(f"{trained.dropped_too_long} items were too long and left out")
    return "\n".join(
        [*lines, f"adapter: {trained.folder}", f"curve: {trained.folder / 'curve.svg'}"]
    )


def _bench(options: argparse.Namespace) -> int:
    from graph.train_progress import training_display
    from training.lora.bench import measure_training

    for name, value, least in (
        ("--examples", options.examples, 1),
        ("--iterations", options.iterations, 2),
    ):
        if value < least:
            raise UsageError(f"{name} is {value}; give {least} or more")
    model, base = chosen_model(options)
    with training_display() as show:
        speed = measure_training(
            model,
            chosen_recipe(options, base),
            chosen_budget(options),
            examples=options.examples,
            tokens=options.tokens,
            iterations=options.iterations,
            on_event=show,
        )
    return told(options, speed_words(speed), **speed.model_dump(), fits=speed.fits)


def speed_words(speed: TrainSpeed) -> str:
    """Return the figures and the verdict, for people."""
    verdict = "fits into" if speed.fits else "does NOT fit into"
    return (
        f"{speed.model}: {speed.seconds_per_iteration:.2f} s per iteration of "
        f"{speed.items_per_iteration} items with {speed.tokens_per_item} tokens "
        f"({speed.tokens_per_second:.0f} tokens/s), {speed.peak_memory_gb:.2f} GiB at most\n"
        f"{speed.examples} examples x {speed.epochs} epochs are {speed.needed_iterations} "
        f"iterations: {speed.needed_seconds / 60:.1f} minutes, which {verdict} "
        f"{speed.budget_seconds / 60:g} minutes"
    )
