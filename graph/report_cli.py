"""The command ``mcp-local-llm report``: what the last nights brought.

Exit codes: 0, 2 there is no such night.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from graph.console import run_command, told
from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from graph.night.nights import NightStore, Said
    from graph.night.records import NightReport

_DESCRIPTION: Final = """\
Say how a night went and where its report is: one HTML page with what was learned, what was refused
and why, the answers before and after, and the way back.
"""


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm report``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm report", description=_DESCRIPTION)
    parser.add_argument("night", nargs="?", metavar="NIGHT", help="a night (default: the last)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--open", action="store_true", help="open the page in the browser")
    how.add_argument("--path", action="store_true", help="print the path of the page alone")
    how.add_argument("--json", action="store_true", help="the report as one JSON object")
    return run_command(parser, argv, _report)


def _report(options: argparse.Namespace) -> int:
    from agents.home import state_home
    from graph.night.nights import PAGE, NightStore
    from graph.nightly_cli import summary

    store = NightStore(state_home())
    report = _wanted(store, options.night)
    page = store.folder(report.night) / PAGE
    if options.path:
        return told(options, str(page))
    text = summary(report, str(page))
    if (said := store.said()) is not None and said.decision.verdict == "refused":
        text += _since(report, said)
    if options.open:
        text += _opened(page)
    return told(options, text, **report.model_dump(mode="json"), page=str(page))


def _wanted(store: NightStore, night: str | None) -> NightReport:
    reports = store.reports()
    found = next((one for one in reports if night in (None, one.night)), None)
    if found is not None:
        return found
    if night is not None:
        known = ", ".join(one.night for one in reports[:10]) or "none"
        raise UsageError(f"there is no report of a night {night!r}; there are: {known}")
    why = f" ({said.decision.line})" if (said := store.said()) is not None else ""
    raise UsageError(
        f"no night has ended yet{why}; `mcp-local-llm nightly --dry-run` says what would be trained"
    )


def _since(report: NightReport, said: Said) -> str:
    if said.at <= report.ended:
        return ""
    return f"\nno night since ({said.at:%Y-%m-%d %H:%M}): {said.decision.line}"


def _opened(page: Path) -> str:
    """Open ``page`` where there is a browser, and say when there is none."""
    import webbrowser

    return (
        "" if webbrowser.open(page.as_uri()) else "\nno browser was found; open the page yourself"
    )
