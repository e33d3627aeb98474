"""What is written on the terminal while a night goes on."""

from __future__ import annotations

from io import StringIO

from graph.night.progress import open_watcher


def test_lines_tell_how_far_the_gate_is() -> None:
    stream = StringIO()
    with open_watcher(stream) as lines:
        lines.stage_started("evaluate")
        lines.judging("the candidate")
        for _ in range(60):
            lines.answered()
        lines.judging("role tasks with the candidate")
        for done in range(1, 13):
            lines.worked(done, 12)
    assert stream.getvalue().splitlines() == [
        "asking both, before and after",
        "  the candidate",
        "  50 answers",
        "  role tasks with the candidate",
        "  10 of 12 role tasks",
        "  12 of 12 role tasks",
    ]
