"""The morning report as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from graph.html import render_html
from graph.night.plots import time_bars, trend
from graph.night.records import NightReport
from training.embedded.curve import draw_curve

_NIGHTS: Final = 60  # of the trend
_PAIRS: Final = 60  # answers side by side


def render_page(report: NightReport, earlier: Sequence[NightReport] = ()) -> str:
    """Return the page of ``report``; ``earlier`` nights, newest first, are its trend.

    All text is escaped, and nothing is fetched: its policy forbids it.
    """
    from markupsafe import Markup

    nights = [*reversed(earlier[:_NIGHTS]), report]
    return render_html(
        "night_report.html",
        report=report,
        headline=headline(report),
        pairs=report.pairs[:_PAIRS],
        more=max(0, len(report.pairs) - _PAIRS),
        texts={line.id: line.text for line in (*report.learned, *report.kept)},
        # Made here from numbers and escaped names.
        curve=Markup(_curve(report)),  # noqa: S704
        bars=Markup(time_bars(report.seconds)),  # noqa: S704
        trend=Markup(trend(nights)),  # noqa: S704
        nights=len(nights),
        rollback=rollback_command(report),
    )


def headline(report: NightReport) -> str:
    """Return in one sentence what the night has brought."""
    if report.outcome == "promoted":
        proven = sum(line.stage == "graduated" for line in report.learned)
        words = f"{proven} of {_count(len(report.learned), 'new rule')} learned and proven"
        if report.forgotten:
            words += f", {len(report.forgotten)} forgotten"
        where = f" in {report.context}" if report.context else ""
        if not report.adapter:
            return f"{words}; {report.why}, so no adapter{where or ' at all'} is served any more"
        return f"{words}; the adapter {report.adapter} is served{where}"
    served = report.previous or "the base"
    what = "The new adapter was refused" if report.outcome == "kept" else "Nothing was trained"
    return f"{what}: {report.why}. What was served stays: {served}"


def rollback_command(report: NightReport) -> str:
    """Return what undoes the night, empty when there is nothing to undo."""
    return "mcp-local-llm adapters rollback" if report.outcome == "promoted" else ""


def _curve(report: NightReport) -> str:
    points = [(one.tokens, one.loss) for one in report.loss if one.loss > 0]
    held_out = [(one.tokens, one.loss) for one in report.held_out if one.loss > 0]
    return draw_curve(points, held_out) if points else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
