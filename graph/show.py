"""Results for people on stdout: with colour on a terminal, plain elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from graph.console import short
from graph.runs import RunResult

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
    lines += _recalled(result)
    lines += _carried(result)
    lines += [f"note: {note}" for note in result.notes]
    if result.report:
        lines.append(f"report: {result.report}")
    sys.stdout.write("\n".join([*lines, *_next_steps(result)]) + "\n")
    sys.stdout.flush()


def _recalled(result: RunResult) -> list[str]:
    """Return a line for everything the memory gave to the run, with its score and why."""
    lines = []
    for rule in result.recalled:
        score = f" ({rule.score:.2f})" if rule.score else ""
        lines.append(f"recalled {rule.id}{score}: {short(rule.text)}; {rule.why}")
    for piece in result.recalled_code:
        place = short(f"{piece.path}:{piece.lines} {piece.name}".rstrip())
        lines.append(f"recalled {place} ({piece.score:.2f}): {piece.why}")
    return lines


def _carried(result: RunResult) -> list[str]:
    """Return what the answers' tags needed, and what the rules' checkers said."""
    valid = sum(not step.repairs for step in result.steps)
    lines = [f"tags: {valid} of {len(result.steps)} answers valid as written"]
    for role, kinds in result.repairs.items():
        mended = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
        lines.append(f"tags of the {role} mended: {mended}")
    for each in result.compliance:
        name = f"{each.rule} {each.marker}".rstrip()
        lines.append(f"rule {name} {each.verdict}: {short(each.why)}")
    return lines if result.steps else []


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


def print_runs(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one line per run: its ``run_id``, ``status`` and ``task``."""
    if not rows:
        sys.stdout.write('no runs yet; start one with graph-run "TASK"\n')
    for row in rows:
        task = row["task"] if len(row["task"]) <= 60 else row["task"][:59] + "…"
        if row["status"] == "damaged":
            task = f"its records cannot be read; graph-run discard {row['run_id']} removes it"
        sys.stdout.write(f"{row['run_id']}  {row['status']:<11}  {task}\n")


def _print_diff(diff: str) -> None:
    if not sys.stdout.isatty():
        sys.stdout.write(diff.rstrip("\n") + "\n\n")
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(diff, "diff", theme="ansi_dark", background_color="default"))
