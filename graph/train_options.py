"""What the commands about training share: which model, which recipe, and what it may take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from training.lora.recipe import Budget, Recipe

_PROFILES: Final = ("embedded", "qwen2.5-coder-7b")


def model_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the base model."""
    base = parser.add_mutually_exclusive_group()
    base.add_argument(
        "--profile", choices=_PROFILES, help="the base model (default: the one served)"
    )
    base.add_argument("--model", type=Path, metavar="PATH", help="the folder of another base model")


def training_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the base model, the recipe and the budget."""
    model_options(parser)
    parser.add_argument(
        "--budget-minutes", type=float, default=240.0, metavar="N", help="time it may take (240)"
    )
    parser.add_argument(
        "--memory-gb", type=float, metavar="N", help="memory it may take (16, or the machine's)"
    )
    parser.add_argument(
        "--recipe", type=Path, metavar="FILE", help="YAML that sets fields of the recipe"
    )


def chosen_model(options: argparse.Namespace) -> tuple[Path, Recipe]:
    """Return the base model's folder and the recipe that goes with it, before ``--recipe``.

    Raises:
        UsageError: the model is not on this machine's disk.
        ModelUnavailable: it is missing or damaged.
    """
    from agents.profiles import ModelConfig, resolve_profile
    from training.lora.recipe import RECIPES, Recipe

    profile = resolve_profile(options.profile, ModelConfig(model_path=options.model))
    if profile.model_path is None:
        raise UsageError(f"the profile {profile.name!r} has no weights here to train")
    return profile.model_path, RECIPES.get(profile.name, Recipe())


def chosen_recipe(options: argparse.Namespace, base: Recipe) -> Recipe:
    """Return ``base`` with what the file of ``--recipe`` sets."""
    from training.lora.recipe import read_recipe

    return read_recipe(options.recipe, base) if options.recipe else base


def chosen_budget(options: argparse.Namespace) -> Budget:
    """Return the budget of the options.

    Raises:
        UsageError: a number is not above 0.
    """
    from agents.profiles import ModelConfig, memory_limit_gb
    from training.lora.recipe import Budget

    memory = memory_limit_gb(ModelConfig()) if options.memory_gb is None else options.memory_gb
    for name, value in (("--budget-minutes", options.budget_minutes), ("--memory-gb", memory)):
        if not value > 0:
            raise UsageError(f"{name} is {value:g}; give a number above 0")
    return Budget(seconds=60 * options.budget_minutes, memory_gb=memory)
