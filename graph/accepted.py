"""What worked out: runs whose code the user accepted, and code that was accepted again and again.

Nobody typed any of it, so it is recalled and never trained.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from agents.capture.scope import language_of
from agents.shared_memory import SharedMemory
from graph.deliveries import Delivery
from memory.experience import CodePattern, Success, rating
from memory.records import Item, Kind, Status, Where
from memory.replay import content_hash
from tools.hunks import Hunk, lines_of, similarity

_TIMES: Final = 3
"""How often much the same code has to be kept before it is a pattern."""

_ALIKE: Final = 0.75  # similarity from which two pieces of code are much the same
_SHORTEST: Final = 3  # lines of code; shorter pieces are alike by chance
_LOOKED_AT: Final = 200  # pieces accepted last
_NAME: Final = re.compile(r"\b(?:def|class|function|fn|func|interface|struct)\s+(\w+)")


def success(
    project: str, run_id: str, task: str, approach: str, files: Iterable[str], reward: float
) -> Item:
    """Return the run as something that worked out; the same run is the same item."""
    record = Success(
        task=task, approach=approach, rating=rating(reward), where=run_id, files=tuple(files)
    )
    return record.item(project).model_copy(update={"key": _key(run_id)})


def settle_success(memory: SharedMemory, delivery: Delivery) -> None:
    """Rate a run whose last piece of code is settled, by what became of all of them. Blocking.

    Code that was mostly taken back is no success, whatever the review said. Raises what the journal
    raises.
    """
    signals = memory.journal.signals(target=delivery.run_id)
    rewards = [one.reward for one in signals if one.source == "hunk"]
    if not rewards:
        return
    mean = sum(rewards) / len(rewards)
    files = sorted({hunk.path for hunk in delivery.hunks})
    fresh = success(delivery.project, delivery.run_id, delivery.task, "", files, mean)
    known = memory.journal.get([fresh.id]).get(fresh.id)
    if mean > 0:
        if known is not None and known.state == "live":
            approach = str(known.item.data.get("approach", ""))
            fresh = success(delivery.project, delivery.run_id, delivery.task, approach, files, mean)
        memory.journal.take(f"settled:{delivery.run_id}", [fresh])
    elif known is not None and known.state == "live":
        memory.journal.set_status(fresh.id, Status.REJECTED, "its code was taken back")


def pattern(memory: SharedMemory, delivery: Delivery, hunk: Hunk) -> Item | None:
    """Return ``hunk``, which was kept, as a pattern where much the same was kept before. Blocking.

    Only code of the same language is compared, and the latest 200 pieces of it.
    """
    language = language_of(hunk.path)
    if not language or len(lines_of(hunk.after)) < _SHORTEST:
        return None
    alike = [code for code in _kept(memory, delivery.project, hunk) if _is_like(code, hunk.after)]
    if len(alike) + 1 < _TIMES:
        return None
    named = _NAME.search(hunk.after)
    record = CodePattern(
        name=named[1] if named else hunk.after.strip().splitlines()[0],
        use=f"kept {len(alike) + 1} times, last for: {delivery.task}",
        code=hunk.after.strip("\n"),
        language=language,
        where=delivery.run_id,
        files=(hunk.path,),
    )
    key = f"kept:{content_hash(alike[-1])}"  # the first of them: later ones are the same pattern
    return record.item(delivery.project).model_copy(update={"key": key})


def _kept(memory: SharedMemory, project: str, hunk: Hunk) -> Iterable[str]:
    """Return the code that was kept in files like the one of ``hunk``, newest first."""
    suffix = PurePosixPath(hunk.path).suffix
    where = Where(project=project, kinds=(Kind.GENERATION,))
    accepted = [
        str(stored.item.data["code"])
        for stored in memory.journal.live(where)
        if stored.item.data.get("verdict") == "accept"
        and PurePosixPath(str(stored.item.data.get("context", ""))).suffix == suffix
    ]
    return islice(reversed(accepted), _LOOKED_AT)


def _is_like(code: str, other: str) -> bool:
    short, long = sorted((len(code), len(other)))
    return short * 2 > long and similarity(code, other) >= _ALIKE


def _key(run_id: str) -> str:
    return f"success:{run_id}"
