"""``mcp-local-llm dataset starter`` and ``build``: folders of what a model is to be taught from."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import told
from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from training.dataset.write import Manifest


def making_options(commands: Any) -> None:
    """Add the two commands to the subparsers ``commands``."""
    command = commands.add_parser("starter", help="write a first dataset, made by this project")
    command.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    command.add_argument("--n", type=int, default=2_000, metavar="N", help="1000 to 5000 (2000)")
    command.add_argument(
        "--seed", type=int, default=7, metavar="N", help="decides on the draws (7)"
    )
    command.add_argument(
        "--prompts", choices=("full", "compact"), default="full", help="the prompt set (full)"
    )
    command.add_argument(
        "--format", choices=("chat", "instruction"), default="chat", help="of a line (chat)"
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command = commands.add_parser("build", help="write what a night would train now")
    command.add_argument("folder", type=Path, metavar="DIR", help="a new folder")
    command.add_argument(
        "--format", choices=("chat", "instruction"), default="chat", help="of a line (chat)"
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _starter(options: argparse.Namespace) -> int:
    from training.starter.card import LEAST, MOST, write_starter

    if not LEAST <= options.n <= MOST:
        raise UsageError(f"--n is {options.n}; give a number from {LEAST} to {MOST}")
    manifest = write_starter(
        options.folder,
        options.n,
        seed=options.seed,
        prompts=options.prompts,
        shape=options.format,
    )
    return _told(options, manifest)


def _build(options: argparse.Namespace) -> int:
    """Do what the night does between looking and training, in one wording; change nothing."""
    from agents.home import state_home
    from graph.night.choose import look
    from graph.night.examples import cleaned, make_examples, mixed
    from graph.night.shop import NightShop
    from graph.settings import load_settings
    from training.dataset.scrub import reasons
    from training.dataset.write import write_dataset
    from training.starter.card import as_instructions

    shop = NightShop(state_home(), load_settings(Path.cwd()))
    with shop.journal() as journal:
        found, left, chosen = look(shop, journal, asked=True)
        made = make_examples(shop, journal, chosen, wordings=1)
        clean, removals = cleaned(shop, journal, chosen, made)
    if not clean:
        raise UsageError(
            "nothing here may be trained yet; teach something with `mcp-local-llm teach`"
        )
    why = reasons(one.why for one in (*found.left_out, *left.left_out))
    manifest = write_dataset(
        options.folder,
        mixed(shop, clean, chosen),
        base=shop.base,
        prompts=shop.profile.prompts,
        seed=shop.settings.night.seed,
        provenance={"journal": found.journal, "items": list(chosen.items)},
    )
    if options.format == "instruction":
        as_instructions(options.folder)
    return _told(
        options, manifest, left_out=why, removed=reasons(one.why for one in removals.removed)
    )


def _told(options: argparse.Namespace, manifest: Manifest, **more: dict[str, int]) -> int:
    counts = {name: sum(kinds.values()) for name, kinds in manifest.counts.items()}
    kinds = Counter[str]()
    for part in manifest.counts.values():
        kinds.update(part)
    lines = [
        f"wrote {', '.join(f'{n} {part}' for part, n in counts.items())} to {options.folder}",
        "  " + ", ".join(f"{kind} {n}" for kind, n in kinds.most_common()),
        *(f"  left out: {n} {why}" for part in more.values() for why, n in part.items()),
    ]
    facts = {"folder": str(options.folder), "hash": manifest.hash, "counts": counts}
    return told(options, "\n".join(lines), **facts, kinds=dict(kinds), **more)


MAKERS: Final = {"starter": _starter, "build": _build}
