"""The command ``mcp-local-llm nightly``: train in the night what was taught by day.

Exit codes: 0 the night is over, or none is due; 2 wrong settings; 3 a night that was asked for
cannot begin here now, or was broken off (the same command goes on); 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from graph.console import run_command, short, told

if TYPE_CHECKING:
    from graph.night.policy import Decision
    from graph.night.records import NightReport
    from graph.night.shop import NightShop
    from memory.journal import Journal

_DESCRIPTION: Final = """\
Train what you taught, if it is time, and serve the new adapter once it has proven itself. A night
that was broken off is gone on with. `mcp-local-llm schedule install` has this run by itself.
"""
_UNAVAILABLE: Final = 3


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm nightly``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm nightly", description=_DESCRIPTION)
    parser.add_argument("--now", action="store_true", help="do not wait for the moment")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be trained and why not; train nothing",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _dispatched)


def _dispatched(options: argparse.Namespace) -> int:
    with _shop(options) as shop:
        return _preview(options, shop) if options.dry_run else _night(options, shop)


@contextmanager
def _shop(options: argparse.Namespace) -> Iterator[NightShop]:
    from agents.home import state_home
    from graph.logs import log_to_stderr
    from graph.night.progress import open_watcher
    from graph.night.shop import NightShop
    from graph.settings import load_settings

    log_to_stderr()
    home = state_home()
    with open_watcher() as watcher:
        # The state folder is no project: only the user's own settings count at night.
        yield NightShop(home, load_settings(home), watcher=watcher)


def _night(options: argparse.Namespace, shop: NightShop) -> int:
    from graph.night.nights import PAGE, NightBusy
    from graph.night.policy import Decision
    from graph.night.runner import run_night

    try:
        done = run_night(shop, asked=options.now)
    except NightBusy as busy:
        if options.now:
            raise
        return told(options, f"no night: {busy}", verdict="refused", why=str(busy))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; the same command goes on where it was\n")
        raise
    if isinstance(done, Decision):
        told(options, f"no night: {done.line}", **done.model_dump())
        return _UNAVAILABLE if options.now and done.verdict == "refused" else 0
    page = shop.store.folder(done.night) / PAGE
    facts = done.model_dump(mode="json", exclude={"pairs"})
    return told(options, summary(done, str(page)), **facts, page=str(page))


def summary(report: NightReport, page: str) -> str:
    """Return how a night went, in a few lines."""
    from graph.night.page import headline, rollback_command

    rates = report.recall
    lines = [f"night {report.night}: {report.outcome}. {headline(report)}"]
    if report.advice:
        lines.append(report.advice)
    if rates:
        lines.append(f"right without retrieval: {rates[0]:.0%} before, {rates[1]:.0%} after")
    if report.left_out:
        lines.append(f"not trained: {len(report.left_out)} items, for reasons the report names")
    slow = [f"{name} {took:.1f}" for name, took in report.seconds.items() if took >= 1]
    lines.append(f"{report.total_s:.0f} s in all" + (f" ({', '.join(slow)})" if slow else ""))
    lines.append(f"report: {page}")
    if undo := rollback_command(report):
        lines.append(f"undo: {undo}")
    return "\n".join(lines)


def _preview(options: argparse.Namespace, shop: NightShop) -> int:
    """Say what would be trained; nothing is trained, but what hooks have noted is taken in."""
    from graph.night.examples import cleaned, make_examples
    from graph.night.runner import look

    found, left, chosen = look(shop, asked=options.now)
    decision: Decision = chosen.decision
    unfinished = shop.store.unfinished()
    with shop.journal() as journal:
        made = make_examples(shop, journal, chosen) if chosen.items else []
        clean, removals = cleaned(shop, journal, chosen, made)
        out = (*found.left_out, *left.left_out, *left.replaced)
        refused = [f"  {_named(journal, one.id)}: {one.why}" for one in out]
        items = [f"  {_named(journal, id)}" for id in chosen.items]
    lines = [
        f"{decision.verdict}: {decision.line}",
        *(
            [f"the night {unfinished} was broken off and would be gone on with"]
            if unfinished
            else []
        ),
        f"{len(chosen.items)} items would be trained, {len(chosen.earlier)} of them known already:",
        *items,
        f"{len(refused)} would not:",
        *refused,
        f"{len(clean)} examples, {len(removals.removed)} left out again",
        *([f"the training would begin with {chosen.start or 'the base'}"] if chosen.items else []),
    ]
    return told(
        options,
        "\n".join(lines),
        decision=decision.model_dump(),
        unfinished=unfinished,
        items=list(chosen.items),
        earlier=list(chosen.earlier),
        start=chosen.start,
        gone=list(chosen.gone),
        left_out=[{"id": one.id, "why": one.why} for one in out],
        examples=len(clean),
        removed=len(removals.removed),
    )


def _named(journal: Journal, id: str) -> str:
    stored = journal.get([id]).get(id)
    return f"{id[:8]} {short(stored.item.text)}" if stored else id[:8]
