"""The run report: one HTML file that needs nothing else, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graph.html import render_html
from graph.runs import RunResult

_WIDTH: Final = 640
_HEADS: Final = (
    "+++",
    "---",
    "diff ",
    "index ",
    "new file ",
    "deleted file ",
    "old mode",
    "new mode",
)
_SANDBOXES: Final = {
    "bubblewrap": "Commands ran in a bubblewrap sandbox.",
    "sandbox-exec": "Commands ran in a macOS sandbox.",
    "none": "Commands ran WITHOUT a sandbox, as the configuration allows.",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A role's share of the run's time, in the units of the drawing."""

    role: str
    x: float
    width: float
    model_width: float
    label: str


def time_bars(result: RunResult) -> tuple[Bar, ...]:
    """Return one bar per turn, placed after each other by duration."""
    total = sum(step.duration_s for step in result.steps) or 1.0
    bars: list[Bar] = []
    x = 0.0
    for step in result.steps:
        width = _WIDTH * step.duration_s / total
        share = min(1.0, step.model_s / step.duration_s) if step.duration_s else 0.0
        label = f"{step.role}: {step.duration_s:.1f} s, {step.model_s:.1f} s of it in the model"
        bars.append(Bar(step.role, x, width, width * share, label))
        x += width
    return tuple(bars)


def render_report(result: RunResult) -> str:
    """Return the report of ``result`` as a self-contained HTML page; all text is escaped."""
    return render_html(
        "run_report.html",
        result=result,
        bars=time_bars(result),
        width=_WIDTH,
        sandbox=_SANDBOXES.get(result.tests.sandbox, ""),
        diff_lines=[(_diff_kind(line), line) for line in result.diff.splitlines()],
    )


def _diff_kind(line: str) -> str:
    if line.startswith(_HEADS):
        return "head"
    return {"+": "add", "-": "del", "@": "hunk"}.get(line[:1], "")
