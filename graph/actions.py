"""What the roles of the crew did of late in a workspace, from the records of their runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from memory.records import Record

if TYPE_CHECKING:
    from graph.runs import RunStore
    from graph.state import Step


class Action(Record):
    """One turn of a role: how it ended, what it called (and how often), changed, was refused."""

    run: str
    at: str
    role: str
    status: str
    calls: dict[str, int]
    changed: tuple[str, ...]
    refused: tuple[str, ...]
    seconds: float
    rules: tuple[str, ...]


def recent_actions(store: RunStore, workspace: str, limit: int = 50) -> tuple[Action, ...]:
    """Return up to ``limit`` turns of roles in ``workspace``, newest first. Blocking.

    ``at`` is when the run was asked for. Raises ``StoreUnavailable`` for a result that is damaged.
    """
    found: list[Action] = []
    for request in store.requests():
        run_id = request.run_id
        result = store.result(run_id) if request.workspace == workspace else None
        if result is not None:
            found += [_action(run_id, request.created, step) for step in reversed(result.steps)]
        if len(found) >= limit:
            break
    return tuple(found[:limit])


def _action(run_id: str, at: str, step: Step) -> Action:
    results = [result for exchange in step.exchanges for result in exchange.results]
    refused = [f"{each.call}: {each.text[:200]}" for each in results if not each.ok]
    return Action(
        run=run_id,
        at=at,
        role=step.role,
        status=step.status,
        calls=dict(Counter(each.call for each in results)),
        changed=step.changed,
        refused=tuple(refused[:10]),
        seconds=round(step.duration_s, 3),
        rules=step.tags.rules,
    )
