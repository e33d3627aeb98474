"""Runs the measured nights on a state folder of their own, one step after the other.

The clock is handed in: each night begins a week after the one before it, at ten past three, so that
the schedule's own policy begins it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from agents.adapters.rollback import roll_back
from agents.profiles import EMBEDDED
from agents.serving import open_model
from agents.shared_memory import SharedMemory
from graph.bench_night.extent import NIGHTS
from graph.bench_night.records import (
    Asked,
    NightResult,
    Paired,
    Results,
    RolledBack,
    paired,
)
from graph.bench_night.rules import Curriculum, Rule, probes
from graph.night import judge
from graph.night.policy import Decision
from graph.night.records import NightReport
from graph.night.runner import run_night
from graph.night.shop import NightShop, NightWatcher
from graph.settings import load_settings
from graph.teach_cli import keep, understood
from mcp_local_llm import Unavailable, UsageError
from memory.records import Item
from training.embedded.evaluation import TaskOutcome, evaluate
from training.embedded.outcomes import OutcomeFile
from training.gate.asking import ask_all
from training.gate.records import GateReport, Probe, SuiteReport

FIRST: Final = datetime(2026, 1, 5, 3, 10, tzinfo=UTC)
BETWEEN: Final = timedelta(days=7)
TASKS: Final = 200  # role tasks before the first night and after the last
_PROMPTS: Final = 50  # that are asked again after a rollback
_SUITE: Final = "held out"
_JOBS: Final = 2  # role tasks at a time
_PROJECT: Final = "bench-night"


def items_of(texts: Iterable[str]) -> list[Item]:
    """Return what ``mcp-local-llm teach`` understands of ``texts``, typed by the user."""
    return [
        item.model_copy(update={"confidence": 1.0})
        for text in texts
        for item in understood(text, _PROJECT, "teach")
    ]


def teach(home: Path, texts: Iterable[str]) -> int:
    """Teach ``texts`` as the command would, and return how many items they are."""
    with SharedMemory(home, _PROJECT) as memory:
        items = items_of(texts)
        for item in items:
            keep(memory, [item])
    return len(items)


@dataclass(frozen=True)
class Nights:
    """The nights below ``folder``; ``say`` is told how it goes."""

    folder: Path
    curriculum: Curriculum
    watcher: NightWatcher
    say: Callable[[str], None]

    @property
    def home(self) -> Path:
        """The state folder."""
        return self.folder / "home"

    def shop(self, number: int) -> NightShop:
        """Return what the night ``number`` works with; its clock stands still."""
        settings = load_settings(self.home, {"model": {"profile": EMBEDDED}})
        at = FIRST + (number - 1) * BETWEEN
        return NightShop(self.home, settings, clock=lambda: at, watcher=self.watcher)

    # -- one night -----------------------------------------------------------------------------

    def night(self, number: int) -> NightResult:
        """Teach what comes before the night ``number``, run it, and ask what is known then.

        Raises:
            Unavailable: it does not begin here now, or was broken off; the same call goes on.
        """
        shop = self.shop(number)
        taught = teach(self.home, self.curriculum.taught(number))
        forgotten = self._forget(shop, self.curriculum.forgotten(number))
        report = self._run(shop, number)
        gate = shop.store.read(report.night, "gate", GateReport)
        rules = [rule for rule in self.curriculum.rules if rule.night <= number]
        return NightResult(
            number=number,
            kind=self.curriculum.kind(number),
            night=report.night,
            taught=taught,
            forgotten=forgotten,
            outcome=report.outcome,
            why=report.why,
            adapter=report.adapter,
            previous=report.previous,
            failed=tuple(line.name for line in report.checks if not line.passed),
            examples=sum(report.examples.values()),
            tasks=(
                paired(gate.evidence.roles.baseline, gate.evidence.roles.candidate)
                if gate and gate.evidence.roles
                else None
            ),
            asked=self.ask(shop, rules),
            stages=report.seconds,
        )

    def _forget(self, shop: NightShop, texts: Sequence[str]) -> int:
        ids = [item.id for item in items_of(texts)]
        if ids:
            with shop.journal() as journal:
                journal.erase(ids, "forgotten by the user")
        return len(ids)

    def _run(self, shop: NightShop, number: int) -> NightReport:
        """Run or finish the night, unless it is over."""
        there = shop.store.read(f"{shop.clock():%Y-%m-%d}", "report", NightReport)
        done = there or run_night(shop)
        if isinstance(done, Decision):
            raise Unavailable(f"night {number} does not begin: {done.line}")
        return done

    # -- what is known without retrieval --------------------------------------------------------

    def ask(self, shop: NightShop, rules: Sequence[Rule]) -> Asked:
        """Ask the model that is served now about ``rules``, in the phrasings of the file."""
        return self._asked(shop, probes(self.curriculum, rules, shop.profile.prompts, _SUITE))

    def _asked(self, shop: NightShop, questions: Sequence[Probe]) -> Asked:
        current = shop.current
        adapter = shop.registry.folder(current.id) if current else None
        settings = shop.model.model_copy(update={"adapter_path": adapter})

        async def asked() -> dict[str, SuiteReport]:
            async with open_model(settings, home=shop.home) as model:
                return await ask_all(questions, model, judge.policy(shop))

        report = asyncio.run(asked())[_SUITE]
        return Asked(
            adapter=current.id if current else "",
            right={name: part.right for name, part in report.by_rule.items()},
            of={name: part.of for name, part in report.by_rule.items()},
            said={one.probe: one.text for one in report.answers},
            seconds=report.seconds,
        )

    # -- role tasks ------------------------------------------------------------------------------

    def tasks(
        self, adapter: str, count: int = TASKS, known: Iterable[TaskOutcome] = ()
    ) -> dict[int, TaskOutcome]:
        """Return how the crew does with ``adapter`` (empty: the base) on the first role tasks.

        Outcomes are kept as they become known. The tasks are those of the gate, and more: what it
        has ``known`` is not measured again.
        """
        shop = self.shop(1)
        file = OutcomeFile(
            self.folder / f"tasks-{adapter or 'base'}.jsonl",
            shop.settings.night.seed,
            adapter or shop.base,
        )
        kept = {one.index: one for one in known} | file.read()
        done = len(kept)

        def tell(outcome: TaskOutcome) -> None:
            nonlocal done
            file.append(outcome)
            done += 1
            if done % 20 == 0:
                self.say(f"  {done} of {count} role tasks")

        folder = shop.registry.folder(adapter) if adapter else None
        asyncio.run(
            evaluate(
                judge.crew(shop, folder),
                seed=file.seed,
                count=count,
                weights_bytes=0,
                on_outcome=tell,
                kept=kept,
                jobs=_JOBS,
            )
        )
        return {index: one for index, one in (kept | file.read()).items() if index < count}

    def compared(self, adapter: str) -> Paired:
        """Return the role tasks with ``adapter``, of the last night, against those of the base."""
        shop = self.shop(NIGHTS)
        gate = shop.store.read(f"{shop.clock():%Y-%m-%d}", "gate", GateReport)
        roles = gate.evidence.roles if gate and gate.passed else None
        before, after = self.tasks(""), self.tasks(adapter, known=roles.candidate if roles else ())
        return paired([before[at] for at in sorted(before)], [after[at] for at in sorted(after)])

    # -- the way back ----------------------------------------------------------------------------

    def rolled_back(self, results: Results) -> RolledBack:
        """Roll the last promotion back, ask again what was asked before it, and promote again.

        Raises:
            UsageError: nothing was promoted, or nobody asked what was served before it.
        """
        began, shop = time.monotonic(), self.shop(len(results.nights))
        last = next((one for one in reversed(results.nights) if one.adapter), None)
        if last is None:
            raise UsageError("no night was promoted, so there is nothing to roll back")
        earlier = [one.asked for one in results.nights if one.number < last.number]
        known = [*earlier[::-1], *([results.before] if results.before else [])]
        said = next((one.said for one in known if one.adapter == last.previous), None)
        if said is None:
            raise UsageError(
                f"nobody asked {last.previous or 'the base'}; do the step `before` first"
            )
        with shop.journal() as journal:
            if last.adapter in shop.registry.pointer().adapters:  # else: killed after it
                roll_back(shop.registry, journal, why="measured")
        every = probes(self.curriculum, self.curriculum.rules, shop.profile.prompts, _SUITE)
        again = self._asked(shop, [one for one in every if one.id in said][:_PROMPTS])
        shop.registry.promote(last.adapter, why="measured")
        return RolledBack(
            adapter=again.adapter,
            prompts=len(again.said),
            same=sum(said[id] == text for id, text in again.said.items()),
            seconds=round(time.monotonic() - began, 1),
        )
