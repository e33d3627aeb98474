"""The command ``mcp-local-llm dataset``: make and look at what a model is to be taught from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from graph.console import run_command, short, told
from graph.dataset_making import MAKERS, making_options
from graph.dataset_sifting import SIFTERS, sifting_options
from graph.train_options import chosen_model, model_options

if TYPE_CHECKING:
    from training.dataset.stats import DatasetStats

_DESCRIPTION: Final = "Make and look at the folders that models are trained from."


def main(argv: Sequence[str]) -> int:
    """Run ``dataset …``; exit codes 0, 1 something is wrong in it, 2 wrong input, 3 no model."""
    return run_command(_parser(), argv, lambda options: _ACTIONS[options.command](options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mcp-local-llm dataset", description=_DESCRIPTION)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("validate", "say what is wrong in a dataset, line by line"),
        ("stats", "count what a dataset holds"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", type=Path, metavar="DIR")
        model_options(command)
        command.add_argument(
            "--max-tokens", type=int, metavar="N", help="of an item (default: the recipe's)"
        )
        command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    making_options(commands)
    sifting_options(commands)
    return parser


def _validate(options: argparse.Namespace) -> int:
    from training.dataset.encoding import Encoder, too_long
    from training.dataset.reader import PARTS, read_dataset

    dataset = read_dataset(options.folder)
    model, recipe = chosen_model(options)
    limit = options.max_tokens or recipe.max_tokens
    problems = [*dataset.problems, *too_long(dataset, Encoder(model), limit)]
    counts = {part: len(dataset.part(part)) for part in PARTS}
    items = ", ".join(f"{count} {part}" for part, count in counts.items())
    lines = [*(short(str(problem)) for problem in problems), f"{len(problems)} problems in {items}"]
    facts = [problem.model_dump() for problem in problems]
    told(options, "\n".join(lines), problems=facts, items=counts)
    return 1 if problems else 0


def _stats(options: argparse.Namespace) -> int:
    from training.dataset.encoding import Encoder
    from training.dataset.reader import open_dataset
    from training.dataset.stats import dataset_stats

    dataset = open_dataset(options.folder)
    model, recipe = chosen_model(options)
    stats = dataset_stats(dataset, Encoder(model), options.max_tokens or recipe.max_tokens)
    return told(options, "\n".join(_table(stats)), **stats.model_dump())


def _table(stats: DatasetStats) -> Iterator[str]:
    for name, part in stats.parts.items():
        spread = part.tokens_per_item
        yield f"{name}: {part.items} items in {part.groups} groups, {part.messages} messages"
        yield f"  direct answers, without a call or a plan: {part.direct} ({part.share:.0%})"
        yield (
            f"  tokens: {part.tokens}, {part.learned_tokens} of them learned; an item has "
            f"{spread.smallest} to {spread.largest}, median {spread.median}, p95 {spread.p95}"
        )
        if part.too_long:
            yield f"  {part.too_long} items have more than {stats.max_tokens} tokens"
        if part.same:
            yield f"  {part.same} items repeat an earlier one word for word"
        yield "  from: " + ", ".join(f"{short(name)} {n}" for name, n in part.sources.items())


_ACTIONS: Final = {"validate": _validate, "stats": _stats, **MAKERS, **SIFTERS}
