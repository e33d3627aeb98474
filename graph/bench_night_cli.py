"""The command ``mcp-local-llm bench-night``: what nights teach the embedded model, measured.

Exit codes: 0 done, 2 wrong input, 3 something is not there or was broken off (the same command goes
on), 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from graph.bench_night.extent import KILLS, NIGHTS, STEPS
from graph.console import run_command, told
from graph.figures import show
from mcp_local_llm import UsageError

_DESCRIPTION: Final = """\
Teach the embedded model 30 rules in five real nights, one of them poisoned, and ask about them
without retrieval, in words that no training sees. It takes long; called again on the same folder,
it goes on.
"""
_FOLDER: Final = Path(".bench") / "night"


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm bench-night``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm bench-night", description=_DESCRIPTION)
    parser.add_argument(
        "--dir", type=Path, default=_FOLDER, help=f"for nights and results; default: {_FOLDER}"
    )
    parser.add_argument(
        "--nights", type=int, default=NIGHTS, metavar="N", help="the first N of the five nights"
    )
    parser.add_argument(
        "--kills", type=int, default=KILLS, metavar="K", help=f"default: {KILLS}; 0 for none"
    )
    parser.add_argument(
        "--only", action="append", choices=STEPS, help="this step alone (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _bench)


def _bench(options: argparse.Namespace) -> int:
    from agents.home import HOME_VARIABLE
    from graph.bench_night.nights import Nights
    from graph.bench_night.rules import read_curriculum
    from graph.bench_night.steps import Steps
    from graph.bench_night.table import figures, headline, write_page
    from graph.logs import log_to_stderr
    from graph.night.progress import open_watcher

    for name, value, most in (("--nights", options.nights, NIGHTS), ("--kills", options.kills, 25)):
        if not 0 <= value <= most:
            raise UsageError(f"{name} is {value}; give a number from 0 to {most}")
    log_to_stderr()
    folder = options.dir.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ[HOME_VARIABLE] = str(folder / "home")  # the crews of role tasks look there
    with open_watcher() as watcher:
        nights = Nights(folder, read_curriculum(), watcher, _say)
        steps = Steps(nights, options.nights, options.kills)
        try:
            results = steps.run(options.only or STEPS)
        finally:
            _stop(nights.home)
    table = figures(results, nights.curriculum)
    written = write_page(folder, results, nights.curriculum)
    if options.json:
        facts = {"headline": headline(results), "figures": [asdict(one) for one in table]}
        return told(options, "", **facts, page=str(written), results=str(steps.path))
    sys.stdout.write(f"{headline(results)}\n")
    show(table)
    sys.stdout.write(f"{written}\n")
    return 0


def _stop(home: Path) -> None:
    """End the servers of the measurement."""
    from agents.lease import stop_resident

    asyncio.run(stop_resident(home))


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()
