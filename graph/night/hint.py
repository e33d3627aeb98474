"""Whether a night has become due, told after a run: cheap, and it changes nothing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from graph.night.collect import collect
from graph.night.nights import NightStore
from graph.night.policy import Facts, decide
from graph.settings import Settings
from memory.journal import Journal
from memory.layout import journal_path, memory_folder


def hint(home: Path, settings: Settings, now: datetime) -> str:
    """Return what a user should know about a night that is due, empty while none is.

    The machine is not looked at, and neither are contradictions, contexts and the base: the night
    does all that.
    """
    path = journal_path(memory_folder(home))
    if not path.exists():
        return ""
    tried = [
        one for one in NightStore(home).reports() if one.outcome != "nothing" and not one.context
    ]
    last, judged = next(iter(tried), None), next((one for one in tried if not one.again), None)
    before = set(judged.items if judged else ())
    with Journal(path) as journal:
        items = collect(journal).eligible
        new = journal.get([id for id in items if id not in before])
    facts = Facts(
        now=now,
        eligible=len(items),
        new=len(new),
        gone=len(before - set(items)),
        oldest_new=min((one.created for one in new.values()), default=None),
        last_night=last.ended if last else None,
        put_off=last is not None and last.again,
    )
    # Not at its hour, nor after idle minutes: the user is here.
    decision = decide(facts, settings.night)
    if decision.verdict != "go":
        return ""
    return (
        f"a night is due ({decision.why}): `mcp-local-llm nightly --now` trains what you taught, "
        "and `mcp-local-llm schedule install` has that happen by itself"
    )
