"""The evaluation as one HTML file that needs nothing else: summary, categories, every answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from graph.html import render_html
from training.embedded.evaluation import Share
from training.gate.records import Answer, EvalReport

_WIDTH: Final = 320


@dataclass(frozen=True, slots=True)
class Bar:
    """One share to be drawn: its bar, and the interval around its end, in units of the drawing."""

    name: str
    share: Share
    other: Share | None

    @property
    def width(self) -> float:
        """How long the bar is."""
        return _WIDTH * self.share.rate

    @property
    def interval(self) -> tuple[float, float]:
        """Where the interval begins and ends."""
        return _WIDTH * self.share.low, _WIDTH * self.share.high

    @property
    def mark(self) -> float | None:
        """Where the other model's share is."""
        return _WIDTH * self.other.rate if self.other else None


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt with its answer, and that of the other model."""

    answer: Answer
    other: Answer | None

    @property
    def change(self) -> str:
        """Whether it was gained or lost against the other model."""
        if self.other is None or self.other.passed == self.answer.passed:
            return ""
        return "gained" if self.answer.passed else "lost"


def render_evaluation(report: EvalReport, other: EvalReport | None = None) -> str:
    """Return ``report``, compared with ``other`` where given, as a page; all text is escaped."""
    before = other.by_category if other else {}
    answers = {answer.probe: answer for answer in other.answers} if other else {}
    bars = [Bar(name, part, before.get(name)) for name, part in report.by_category.items()]
    suites = [
        (suite, [Row(answer, answers.get(answer.probe)) for answer in suite.answers])
        for suite in report.suites
    ]
    return render_html(
        "evaluation.html", report=report, other=other, bars=bars, suites=suites, width=_WIDTH
    )
