"""Results for people on stdout: with colour on a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from graph.runs import Phase, RunRequest, RunResult

_SHOWN_OUTPUT_LINES: Final = 30
_STYLES: Final = {"delivered": "bold green", "waiting": "bold yellow", "running": "bold yellow"}


def print_result(result: RunResult) -> None:
    """Print how a run stands: change, tests, and what to do next."""
    if result.diff:
        _print_diff(result.diff)
    _print_status(result)
    lines = []
    if result.tests.verdict:
        lines.append(f"tests: {result.tests.passed} passed, {result.tests.failed} failed")
    if result.status == "failed" and result.tests.output:
        lines += ["", *result.tests.output.splitlines()[-_SHOWN_OUTPUT_LINES:], ""]
    if result.tests.sandbox == "none":
        lines.append("commands ran without a sandbox, as the configuration allows")
    lines += [f"note: {note}" for note in result.notes]
    if result.report:
        lines.append(f"report: {result.report}")
    sys.stdout.write("\n".join([*lines, *_next_steps(result)]) + "\n")
    sys.stdout.flush()


def _print_status(result: RunResult) -> None:
    from rich.console import Console
    from rich.text import Text

    style = _STYLES.get(result.status, "bold red")
    reason = f": {result.reason}" if result.reason else ""
    Console(highlight=False).print(Text.assemble((result.status, style), reason), soft_wrap=True)


def _next_steps(result: RunResult) -> list[str]:
    run_id = result.run_id
    if result.status == "delivered":
        return [f"take it: graph-run apply {run_id}   (or: git merge {result.branch})"]
    if result.status == "waiting":
        ways = "--approve | --reject REASON | --edit FILE"
        return [f"answer: graph-run resume {run_id} {ways}"]
    if result.status == "interrupted":
        return [f"go on: graph-run resume {run_id}"]
    return []


def print_runs(rows: Sequence[tuple[RunRequest, Phase]]) -> None:
    """Print one line per run."""
    if not rows:
        sys.stdout.write('no runs yet; start one with graph-run "TASK"\n')
    for request, phase in rows:
        task = request.task if len(request.task) <= 60 else request.task[:59] + "…"
        sys.stdout.write(f"{request.run_id}  {phase:<11}  {task}\n")


def _print_diff(diff: str) -> None:
    if not sys.stdout.isatty():
        sys.stdout.write(diff.rstrip("\n") + "\n\n")
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(diff, "diff", theme="ansi_dark", background_color="default"))
