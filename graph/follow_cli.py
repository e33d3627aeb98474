"""The command ``mcp-local-llm follow``: what became of the code that runs have delivered.

Exit codes: 0 done, 2 wrong input, 3 git, the memory or the disk cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from graph.console import here, run_command, short, write_json


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm follow``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm follow",
        description="Look what became of the code that runs in this project have delivered, and "
        "learn from it: kept, edited, reverted or abandoned. Runs look for it as they start.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _follow)


def _follow(options: argparse.Namespace) -> int:
    from graph.follow import follow
    from graph.settings import load_settings
    from memory.project import project_root

    settings = load_settings(project_root(Path.cwd()))
    with here() as memory:
        found = asyncio.run(follow(memory, days=settings.learning.follow_days))
    if options.json:
        write_json(found.model_dump(mode="json"))
        return 0
    for one in found.settled:
        reward = "" if one.reward is None else f"{one.reward:+.2f}"
        learnt = f"learnt {one.item[:8]}" if one.item else one.refused
        line = f"{one.state:<9}  {reward:>5}  {short(one.path)}  run {one.run_id}  {learnt}"
        sys.stdout.write(f"{line.rstrip()}\n")
    counts = Counter(one.state for one in found.settled)
    said = [f"{count} {state}" for state, count in counts.items()] + [f"{found.pending} open"]
    sys.stdout.write(f"pieces of code: {', '.join(said)}\n")
    return 0
