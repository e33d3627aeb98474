"""The command ``mcp-local-llm why``: the whole chain behind one thing that is known.

Exit codes as in ``graph.teach_cli``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.capture.aftermath import Aftermath
from graph.console import here, run_command, short, told
from graph.insights_cli import next_step, stage_of
from graph.memory_cli import one_item
from graph.teach_cli import check_line
from mcp_local_llm import StoreUnavailable
from memory.entries import PURGED
from memory.signals import Signal, reward

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.entries import Stored
    from memory.lifecycle import Transition


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm why``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm why",
        description="Show where a piece of knowledge comes from and what became of it.",
    )
    parser.add_argument("id", metavar="ID", help="an id, or its first characters")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _why)


def _why(options: argparse.Namespace) -> int:
    with here() as memory:
        lines, facts = chain(memory, options.id)
    return told(options, "\n".join(lines), **facts)


def chain(memory: SharedMemory, start: str) -> tuple[list[str], dict[str, Any]]:
    """Return the whole chain behind the item whose id begins with ``start``: lines, and facts.

    Raises:
        UsageError: there is no such item, or more than one.
    """
    stored = one_item(memory, start)
    steps = memory.journal.stage_history(stored.id)
    runs = _runs(memory.home, stored.item.text) if stored.state != "deleted" else []
    signals = _signals(memory, stored, steps, runs)
    conflicts = _conflicts(memory, stored)
    lines = [*_origin(stored), *_held(stored, steps), *(_conflict(one) for one in conflicts)]
    lines += [_step(step) for step in steps]
    lines += [_row("recalled", f"in the run {run}") for run in runs]
    lines += [line for one in signals for line in _signal(one)]
    return lines, {
        **stored.model_dump(mode="json", exclude={"seq"}),
        "trainable": stored.item.trainable,
        "stages": [step.model_dump(mode="json", exclude={"item"}) for step in steps],
        "conflicts": conflicts,
        "runs": runs,
        "signals": [signal.model_dump(mode="json") for signal in signals],
    }


def _row(name: str, text: str) -> str:
    return f"  {name:<12} {text}"


def _origin(stored: Stored) -> list[str]:
    """Return what was said, by whom, where and when."""
    item = stored.item
    if item.text == PURGED:
        return [f"{stored.id[:8]} ({item.kind}) was erased; nothing tells any more what it said"]
    words = str(item.data.get("words", ""))
    by = f"{item.provenance.source} {item.provenance.where}".strip()
    lines = [f"{stored.id[:8]} ({item.kind}): {short(item.text)}"]
    if words and words.strip() != item.text:
        lines.append(_row("your words", short(words)))
    lines.append(_row("said by", f"{short(by)}, {stored.created:%Y-%m-%d %H:%M} UTC"))
    if "said" in item.data:
        lines.append(_row("said at", short(str(item.data["said"]))))
    if "corrects" in item.data:
        lines.append(_row("corrects", str(item.data["corrects"])[:8]))
    return lines


def _held(stored: Stored, steps: Sequence[Transition]) -> list[str]:
    """Return how far it has come, where it holds and how it is checked."""
    item = stored.item
    if item.text == PURGED:
        return [_row("reason", short(stored.reason))] if stored.reason else []
    place = item.scope or ("this project" if item.project else "every project")
    lines = [
        _row("holds for", short(place)),
        _row("confidence", f"{item.confidence:g}, {item.status}"),
        _row("trainable", "yes" if item.trainable else "no"),
        _row("check", check_line(item.check)),
    ]
    if stored.state == "live":
        stage = stage_of(steps[-1] if steps else None)
        lines.append(_row("next step", next_step(item, stage)))
    else:
        lines.append(_row("state", f"{stored.state} {short(stored.reason)}".rstrip()))
    return lines


def _conflicts(memory: SharedMemory, stored: Stored) -> list[dict[str, Any]]:
    """Return what it took the place of, and what took its place, with the reasons."""
    steps = memory.journal.history(stored.id)
    lost = [
        (step.other, "lost", str(step.payload.get("reason", "")))
        for step in steps
        if step.op == "supersede"
    ]
    won = [(id, "won", reason) for id, reason in memory.journal.replaced_by(stored.id)]
    known = memory.journal.get(id for id, _, _ in (*won, *lost))
    return [
        {
            "result": result,
            "other": id,
            "text": known[id].item.text if id in known else None,
            "reason": reason,
        }
        for id, result, reason in (*won, *lost)
    ]


def _conflict(one: dict[str, Any]) -> str:
    against = f"{one['other'][:8]} {short(one['text'] or '(erased)')}"
    reason = f": {short(one['reason'])}" if one["reason"] else ""
    return _row(f"{one['result']} over" if one["result"] == "won" else "lost to", against + reason)


def _step(step: Transition) -> str:
    evidence = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in step.evidence.items()
        if value != "" and name != "key"
    )
    return _row(step.stage, f"{step.at:%Y-%m-%d %H:%M}  {short(evidence)}".rstrip())


def _signals(
    memory: SharedMemory, stored: Stored, steps: Sequence[Transition], runs: Sequence[str]
) -> list[Signal]:
    """Return how the answers were taken that it was learnt from or that it was recalled for."""
    targets = {str(step.evidence["key"]) for step in steps if "key" in step.evidence}
    targets |= {stored.item.provenance.where, *runs} - {""}
    found = [one for target in sorted(targets) for one in memory.journal.signals(target=target)]
    return sorted(found, key=lambda signal: signal.at)


def _signal(signal: Signal) -> list[str]:
    felt = "" if signal.feeling is None else f", felt {signal.feeling:+.2f}"
    when = f"{signal.at:%Y-%m-%d %H:%M}"
    about = short(f"{signal.source} {signal.target}")
    row = _row("signal", f"{when}  {reward(signal):+.2f} ({about}{felt})")
    seen = Aftermath.model_validate(signal.evidence)
    return [row, *(_row("", short(line)) for line in seen.told())]


def _runs(home: Path, text: str) -> list[str]:
    """Return the runs that ``text`` was recalled for, oldest first; without unreadable ones."""
    from graph.runs import RunStore

    store = RunStore(home)
    found = []
    for run_id in reversed(store.run_ids()):
        with contextlib.suppress(StoreUnavailable):
            result = store.result(run_id)
            if result is not None and any(rule.text == text for rule in result.recalled):
                found.append(run_id)
    return found
