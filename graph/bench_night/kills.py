"""A small night that is killed again and again, and whether what it leaves fits together."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from agents.home import HOME_VARIABLE
from agents.lease import stop_resident
from agents.profiles import EMBEDDED
from graph.bench_night.nights import teach
from graph.bench_night.records import Killed
from graph.bench_night.rules import Curriculum
from graph.night.records import STAGES, NightReport
from graph.night.schedule import command_words
from graph.night.shop import NightShop
from graph.settings import load_settings
from mcp_local_llm import StoreUnavailable
from memory.journal import Journal
from memory.lifecycle import Stage
from tools.process import Spawned, scrubbed_env, spawn_detached

RULES: Final = 3
_ROOT: Final = Path(__file__).parents[2]
_LONGEST_S: Final = 600.0
_TRIES: Final = 4
# Few and short items on one layer: the night is to be over soon, not to learn much.
_RECIPE: Final = "epochs: 1\nlayers: 1\nrank: 4\nmax_tokens: 160\nbatch: 8\nsave_every: 2\n"
_SMALL: Final = {"TASKS": "1", "FORBIDDEN": "1", "PHRASINGS": "1"}
_SERVED: Final = frozenset({Stage.TRAINED, Stage.PROVEN, Stage.GRADUATED, Stage.DEMOTED})


@dataclass
class Kills:
    """Small nights in processes of their own below ``folder``, which is removed first."""

    folder: Path
    curriculum: Curriculum
    say: Callable[[str], None]
    _stages: Counter[str] = field(default_factory=Counter)

    @property
    def home(self) -> Path:
        """The state folder of the nights that are killed."""
        return self.folder / "home"

    def measure(self, count: int, seed: int = 1) -> Killed:
        """Kill small nights ``count`` times, at moments spread over the length of a whole one.

        A night that ends before its moment has come is followed by another one, up to four nights a
        kill: there may be fewer kills than ``count``.

        Raises:
            StoreUnavailable: a night that nobody kills does not end well.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        (self.folder / "recipe.yaml").write_text(_RECIPE, "utf-8")
        try:
            return self._measured(count, Random(seed))  # noqa: S311 - reproducible
        finally:
            for home in (self.folder / "whole", self.home):
                asyncio.run(stop_resident(home))

    def _measured(self, count: int, rng: Random) -> Killed:
        texts = [rule.text for rule in self.curriculum.rules if rule.group == "definition"]
        whole = self._whole(texts[:RULES])
        self.say(f"  a whole small night took {whole:.0f} s")
        began, kills = time.monotonic(), 0
        teach(self.home, texts[:RULES])
        waiting = texts[RULES:]
        for _ in range(_TRIES * count):
            if kills == count:
                break
            if self._is_killed(self._start(self.home), rng.uniform(0, whole)):
                kills += 1
            elif waiting:
                teach(self.home, [waiting.pop(0)])
        shop = self._shop()
        if shop.store.unfinished() is not None or not shop.store.ids():
            self._finish(self.home)
        return Killed(
            kills=kills,
            nights=len(shop.store.ids()),
            stages=dict(self._stages),
            wrong=tuple(inconsistencies(shop)),
            whole_s=round(whole, 1),
            seconds=round(time.monotonic() - began, 1),
        )

    def _whole(self, texts: list[str]) -> float:
        """Return the seconds of a night that nobody kills."""
        home = self.folder / "whole"
        teach(home, texts)
        began = time.monotonic()
        self._finish(home)
        return time.monotonic() - began

    def _finish(self, home: Path) -> None:
        night = self._start(home)
        try:
            code = night.wait(_LONGEST_S)
        finally:
            night.stop()
        if code != 0:
            how = f"ended with {code}" if code is not None else f"took over {_LONGEST_S:.0f} s"
            raise StoreUnavailable(
                f"a small night that nobody killed {how}; see {str(self._log)!r}"
            )

    def _is_killed(self, night: Spawned, after: float) -> bool:
        """Kill a night ``after`` so many seconds; say whether it still ran then.

        Its training and servers are not killed with it: whoever goes on has to cope with them.
        """
        try:
            if night.wait(after) is not None:
                return False
            os.kill(night.pid, signal.SIGKILL)
            was_killed = night.wait(_LONGEST_S) == -signal.SIGKILL
        except BaseException:
            night.stop()
            raise
        if was_killed:
            stage = self._stage()
            self._stages[stage] += 1
            self.say(f"  killed while at {stage!r}")
        return was_killed

    def _stage(self) -> str:
        store = self._shop().store
        night = store.unfinished()
        if night is None:
            return "start"
        done = store.times(night)
        return next((stage for stage in STAGES if stage not in done), STAGES[-1])

    @property
    def _log(self) -> Path:
        return self.folder / "nights.log"

    def _start(self, home: Path) -> Spawned:
        night = _SMALL | {"RECIPE": str(self.folder / "recipe.yaml")}
        env = {f"MCP_LOCAL_LLM_NIGHT__{name}": value for name, value in night.items()}
        env |= {
            "MCP_LOCAL_LLM_MODEL__PROFILE": EMBEDDED,
            "XDG_CONFIG_HOME": str(self.folder),
            HOME_VARIABLE: str(home),
        }
        argv = (*command_words(Path(sys.executable), _ROOT), "--now", "--json")
        return spawn_detached(argv, cwd=self.folder, log=self._log, env=scrubbed_env(env))

    def _shop(self) -> NightShop:
        return NightShop(self.home, load_settings(self.home, {"model": {"profile": EMBEDDED}}))


def inconsistencies(shop: NightShop) -> Iterator[str]:
    """Yield what does not fit together in a state folder whose nights are all over."""
    store = shop.store
    reports = {report.night: report for report in store.reports()}
    yield from (f"the night {night} has no report" for night in store.ids() if night not in reports)
    promoted = [reports[night] for night in store.ids() if _is_promoted(reports.get(night))]
    wanted = promoted[0].adapter if promoted else ""
    served = shop.current.id if shop.current else ""
    if served != wanted:
        yield f"{served or 'the base'} is served instead of {wanted or 'the base'}"
    serial, times = shop.registry.pointer().serial, len({one.adapter for one in promoted})
    if serial != times:
        yield f"{times} adapters were promoted, and the pointer was moved {serial} times"
    with shop.journal() as journal:
        for report in reports.values():
            yield from _unsettled(journal, report)


def _is_promoted(report: NightReport | None) -> bool:
    return report is not None and report.outcome == "promoted"


def _unsettled(journal: Journal, report: NightReport) -> Iterator[str]:
    """Yield the items of a night whose history does not say, once, how it came out."""
    wanted = _SERVED if report.outcome == "promoted" else frozenset({Stage.QUEUED})
    for id in report.items:
        steps = journal.stage_history(id)
        mine = [step for step in steps if step.evidence.get("night") == report.night]
        if not any(step.stage in wanted for step in mine):
            yield f"{id[:8]} does not know how the night {report.night} came out"
        told = [step.model_dump_json(exclude={"at"}) for step in mine]
        if len(set(told)) != len(told):
            yield f"{id[:8]} was told twice how the night {report.night} came out"
