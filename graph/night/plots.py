"""The pictures of the morning report: pieces of SVG that need nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from graph.night.records import NightReport

_WIDTH: Final = 640
_BAR_HEIGHT: Final = 22
_LABEL: Final = 110  # room for the names of stages
_TREND_HEIGHT: Final = 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 14, 34
_SHORT_S: Final = 0.05  # a stage that took less is not drawn


def time_bars(seconds: Mapping[str, float]) -> str:
    """Return one bar per stage, as long as its share of the longest."""
    shown = [(name, took) for name, took in seconds.items() if took >= _SHORT_S]
    longest = max((took for _, took in shown), default=1.0)
    room = _WIDTH - _LABEL - 70
    lines = []
    for row, (name, took) in enumerate(shown):
        y, width = row * _BAR_HEIGHT, room * took / longest
        lines.append(
            f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="bar" x="{_LABEL}" y="{y + 3}" width="{width:.1f}" height="15" rx="2"/>'
            f'<text x="{_LABEL + width + 6:.1f}" y="{y + 15}">{took:.1f} s</text>'
        )
    return _svg(_BAR_HEIGHT * max(1, len(shown)), "time per stage", lines)


def trend(reports: Sequence[NightReport]) -> str:
    """Return the nights from left to right: right answers before and after, and what was decided.

    ``reports`` come oldest first. A night that asked nothing has a mark without a height.
    """
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(reports))
    lines = [_level(share) for share in (0.0, 0.5, 1.0)]
    for at, report in enumerate(reports):
        x = _LEFT + step * (at + 0.5)
        lines.append(_night(report, x, min(28.0, step * 0.32)))
        if len(reports) <= 12 or at % (len(reports) // 10) == 0:
            day = escape(report.night[5:])
            lines.append(
                f'<text x="{x:.1f}" y="{_TREND_HEIGHT - 12}" text-anchor="middle">{day}</text>'
            )
    return _svg(
        _TREND_HEIGHT, "right answers without retrieval, before and after each night", lines
    )


def _night(report: NightReport, x: float, width: float) -> str:
    title = f"<title>{escape(report.night)}: {escape(report.outcome)}, {escape(report.why)}</title>"
    floor = _y(0.0)
    mark = f'<circle class="{report.outcome}" cx="{x:.1f}" cy="{floor + 6:.1f}" r="4"/>'
    rates = report.recall
    if rates is None:
        return f"<g>{title}{mark}</g>"
    bars = "".join(
        f'<rect class="{kind}" x="{left:.1f}" y="{_y(rate):.1f}" width="{width:.1f}" '
        f'height="{floor - _y(rate):.1f}"/>'
        for kind, left, rate in (("before", x - width, rates[0]), ("after", x, rates[1]))
    )
    return f"<g>{title}{bars}{mark}</g>"


def _level(share: float) -> str:
    y = _y(share)
    return (
        f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    )


def _y(share: float) -> float:
    return _TOP + (_TREND_HEIGHT - _TOP - _BOTTOM) * (1 - share)


def _svg(height: float, label: str, lines: Sequence[str]) -> str:
    inside = "\n".join(lines)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">\n{inside}\n</svg>'
    )
