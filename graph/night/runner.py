"""Begins a night, or goes on with one that was broken off, in this process."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agents.capture.waiting import take_waiting
from agents.shared_memory import SharedMemory
from graph.night import choose
from graph.night.nights import NightBusy, Said
from graph.night.policy import Decision
from graph.night.records import Chosen, Collected, Ended, NightReport, NightState, Resolved
from graph.night.shop import NightShop
from mcp_local_llm import StoreUnavailable
from memory.private import private_database
from memory.whole_file import store_errors

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.checkpoint.sqlite import SqliteSaver

_RECURSION_LIMIT: Final = 50  # of nodes; a night has thirteen


def look(shop: NightShop, *, asked: bool) -> tuple[Collected, Resolved, Chosen]:
    """Return what a night would be about if it began now; what hooks have noted is taken in."""
    with SharedMemory(shop.home, "") as memory:
        take_waiting(memory)
    with shop.journal() as journal:
        return choose.look(shop, journal, asked=asked)


def run_night(shop: NightShop, *, asked: bool = False) -> NightReport | Decision:
    """Go on with the night that was broken off, or begin one if its time has come.

    The adapters of contexts come after the one for everywhere, each in a night of its own.

    Returns the first report, or why no night was begun or gone on with. What was not finished,
    because this process or the training's was killed, the disk was full or the machine is needed
    for something else, is gone on with by the next call.

    Raises:
        NightBusy: another process works on the night.
        Unavailable: model, disk or training failed; the night can be gone on with.
    """
    # Tracing of other projects may be switched on in the environment: words must not leave here.
    os.environ.update(LANGSMITH_TRACING="false", LANGCHAIN_TRACING_V2="false")
    shop.hold()
    try:
        night = shop.store.unfinished() or _next_context(shop)
        if night is None:
            _, _, chosen = look(shop, asked=asked)
            decision = chosen.decision
            shop.store.say(Said(at=shop.clock(), decision=decision))
            if decision.verdict != "go":
                return decision
            night = shop.store.begin(shop.clock(), asked=asked, why=decision.why).night
        elif (refused := choose.refused(shop)) is not None:
            shop.store.say(Said(at=shop.clock(), decision=refused))
            return refused
        report = _finished(shop, night)
        with suppress(NightBusy):  # another process goes on with them
            shop.hold()
            while not choose.refused(shop) and (more := _next_context(shop)) is not None:
                _finished(shop, more)
                shop.hold()
        return report
    except OSError as error:  # a folder for passing things cannot be made, a program not started
        raise StoreUnavailable(
            f"the night was broken off ({error}); free some disk space and memory, and repeat the "
            "command: it goes on where it was"
        ) from error
    finally:
        shop.release()


def _next_context(shop: NightShop) -> str | None:
    """Begin the night of a context that the last one for everywhere has named; return it.

    None where each of them has had its night.
    """
    store, done = shop.store, set[str]()
    for night in store.ids():
        begun = store.begun(night)
        if begun.of:
            done.add(begun.context)
            continue
        chosen = store.read(night, "decide", Chosen)
        wanted = chosen.contexts if chosen and chosen.decision.verdict == "go" else ()
        left = next((one for one in wanted if one not in done), None)
        if left is None:
            return None
        why = f"after the night {night}"
        return store.begin(shop.clock(), asked=begun.asked, why=why, context=left, of=night).night
    return None


def _finished(shop: NightShop, night: str) -> NightReport:
    """Bring a night to its end, and return its report."""
    store, allowed = shop.store, shop.settings.night.attempts
    attempt = store.attempt(night)
    if attempt > allowed:
        _give_up(shop, night, allowed)
    from graph.night.wiring import build_night

    config: RunnableConfig = {
        "configurable": {"thread_id": night},
        "recursion_limit": _RECURSION_LIMIT,
    }
    with _checkpoints(shop) as saver:
        if attempt == 1:  # of a night of this name, whose folder was removed
            saver.delete_thread(night)
        graph = build_night(shop, saver)
        before = graph.get_state(config)
        begun = bool(before.values or before.tasks)
        given: NightState | None = None if begun else {"night": night}
        graph.invoke(given, config, durability="sync")
        saver.delete_thread(night)
    report = store.read(night, "report", NightReport)
    if report is None:
        raise StoreUnavailable(
            f"the night {night} ended without a report; remove {str(store.folder(night))!r}, and "
            "the next one starts anew"
        )
    return report


def _give_up(shop: NightShop, night: str, allowed: int) -> None:
    """End a night that was broken off again and again: what is served stays."""
    store = shop.store
    current = shop.served(store.begun(night).context)
    why = f"it was broken off {allowed} times"
    is_served = shop.registry.pointer().why == f"night {night}"
    store.clear(night)  # one of its files may be what stood in the way
    store.write(night, "decide", Chosen(decision=Decision(verdict="refused", why=why)))
    served = current.id if current else ""
    store.write(
        night,
        "ended",
        Ended(
            outcome="promoted" if is_served else "kept",
            why=why,
            advice="see the log of the last attempt; the next night starts anew",
            adapter=served if is_served else "",
            previous="" if is_served else served,
            again=True,
        ),
    )


@contextmanager
def _checkpoints(shop: NightShop) -> Iterator[SqliteSaver]:
    """Open the database of checkpoints; ``StoreUnavailable`` when it cannot be used."""
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
    from langgraph.checkpoint.sqlite import SqliteSaver

    path: Path = shop.store.checkpoints
    with store_errors("open", path):
        private_database(path)
    try:
        connection = sqlite3.connect(str(path), check_same_thread=False, timeout=30)
        try:
            saver = SqliteSaver(connection, serde=JsonPlusSerializer(allowed_msgpack_modules=[]))
            saver.setup()
            yield saver
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreUnavailable(
            f"the checkpoints {str(path)!r} cannot be used ({error}); free some space there, or "
            "remove the file: the night starts its steps anew and finds what is done"
        ) from error
