"""The steps of the measurement, in their order; each is written down as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graph.bench_night.extent import KILLS, NIGHTS, STEPS
from graph.bench_night.kills import Kills
from graph.bench_night.nights import TASKS, Nights
from graph.bench_night.overhead import measure_overhead
from graph.bench_night.records import Results, read_results
from graph.bench_night.table import headline
from memory.whole_file import store_errors, write_whole
from training.embedded.evaluation import Share, share

RESULTS: Final = "results.json"


@dataclass(frozen=True)
class Steps:
    """All steps on the nights of one folder: ``count`` nights, and ``kills`` of a small one."""

    nights: Nights
    count: int = NIGHTS
    kills: int = KILLS

    def run(self, chosen: Collection[str] = STEPS) -> Results:
        """Do those of the ``chosen`` steps that are not done yet, and return all results.

        Raises:
            Unavailable: model, disk or training failed; the same call goes on.
        """
        nights, rules = self.nights, self.nights.curriculum.rules
        if "base" in chosen:
            self._once("base", f"{TASKS} role tasks with the base", self._base)
            nights.say(headline(self.results))
        if "before" in chosen:
            what = "asking what is known before"
            self._once("before", what, lambda: nights.ask(nights.shop(1), rules))
        if "nights" in chosen:
            self._nights()
        done = self.results.nights
        if "tasks" in chosen and len(done) == NIGHTS and (last := done[-1].asked.adapter):
            what = f"{TASKS} role tasks with the last adapter"
            self._once("tasks", what, lambda: nights.compared(last))
        if "rollback" in chosen and len(done) >= self.count and any(one.adapter for one in done):
            self._once("rolled_back", "rolling back", lambda: nights.rolled_back(self.results))
        if "kills" in chosen and self.kills:
            kills = Kills(nights.folder / "kills", nights.curriculum, nights.say)
            self._once("killed", "killing a small night", lambda: kills.measure(self.kills))
        if "overhead" in chosen:
            folder = nights.folder / "overhead"
            what = "a large night without its training"
            self._once("overhead", what, lambda: measure_overhead(folder, nights.watcher))
        return self.results

    @property
    def path(self) -> Path:
        """Where the results are."""
        return self.nights.folder / RESULTS

    @property
    def results(self) -> Results:
        """What is known so far."""
        with store_errors("read", self.path):
            return read_results(self.path)

    def _base(self) -> Share:
        delivered = [one.delivered for one in self.nights.tasks("").values()]
        return share(sum(delivered), len(delivered))

    def _nights(self) -> None:
        for number in range(len(self.results.nights) + 1, self.count + 1):
            kind = self.nights.curriculum.kind(number)
            with self._timed(f"night {number}", f"night {number}, {kind}"):
                done = self.nights.night(number)
                self._write(nights=(*self.results.nights, done))
            self.nights.say(f"  {done.outcome}: {done.why}")

    def _once(self, name: str, what: str, make: Callable[[], object]) -> None:
        if getattr(self.results, name) is None:
            with self._timed(name, what):
                self._write(**{name: make()})

    @contextmanager
    def _timed(self, name: str, what: str) -> Iterator[None]:
        """Say what begins, and note what it takes; one that is gone on with counts with both."""
        self.nights.say(what)
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = self.results.seconds
            spent = round(seconds.get(name, 0.0) + time.monotonic() - began, 1)
            self._write(seconds=seconds | {name: spent})

    def _write(self, **changes: Any) -> None:
        text = self.results.model_copy(update=changes).model_dump_json(indent=1)
        with store_errors("write", self.path):
            write_whole(self.path, text)
