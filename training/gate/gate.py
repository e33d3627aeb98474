"""Measures a candidate against what is served now, and decides."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from training.gate.asking import OnAnswer
from training.gate.cheats import best_cheat, cheated, unprovable
from training.gate.decide import SHRINKABLE, TOO_LITTLE, decide, found_wrong
from training.gate.records import (
    EARLIER,
    FORGOTTEN,
    NEW,
    WIRE,
    Compared,
    Evidence,
    GateCheck,
    GateReport,
    Limits,
    Probe,
    Roles,
    SuiteReport,
    Try,
)
from training.gate.shape import between, shrink
from training.gate.side import OnTask, Side, Subject, side_of
from training.gate.suites import plain_probes

_MOST_TRIES: Final = 4
_STEP: Final = 0.75  # of the open range: a smaller scale costs knowledge sooner than it mends
_TIMED: Final = 4  # requests


@dataclass(frozen=True)
class Plan:
    """What is asked. ``probes`` are those about rules; the suites that need none are added.

    ``recorded`` holds the rate each earlier rule was promoted with; ``planted`` what must never be
    said.
    """

    probes: Sequence[Probe] = ()
    recorded: Mapping[str, float] = field(default_factory=dict)
    planted: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    seeds: int = 2
    tasks: int = 50
    attempts: int = 10
    seed: int = 1


async def run_gate(
    subject: Subject,
    plan: Plan,
    *,
    on_stage: Callable[[str], None] = lambda _: None,
    on_answer: OnAnswer = lambda *_: None,
    on_task: OnTask = lambda *_: None,
) -> GateReport:
    """Return the verdict on the candidate; its ``adapter`` is what to promote when it ``passed``.

    When only the crew's work or other text suffers, other scales are tried, four adapters in all.
    The crew's work is the dearest part: it comes last, one in which something else has failed
    is refused without it, and it ends when no more of it could make up for what was lost.
    Blocking parts run in other processes; nothing is promoted here.

    Raises:
        UsageError: the profile has no weights here.
        ModelUnavailable: a model cannot be served or loaded, or an adapter is none.
        ToolDenied: answers have to be executed and no sandbox works here.
        StoreUnavailable: the disk refuses.
    """
    began = time.monotonic()
    current = await asyncio.to_thread(side_of, subject, subject.current)
    plain = plain_probes(current.profile.prompts, plan.seeds, plan.planted)
    tried = await cheated((*plan.probes, *plain), subject.policy)
    left_out = unprovable(tried)
    probes = (*(one for one in plan.probes if one.of not in left_out), *plain)
    plan = replace(plan, limits=_provable(plan, probes))
    on_stage("what is served now")
    gate = _Gate(
        plan,
        current,
        probes,
        before=await current.answers(probes, on_answer),
        known=Evidence(
            recorded={id: rate for id, rate in plan.recorded.items() if id not in left_out},
            cheats=best_cheat(tried),
            unprovable=tuple(sorted(left_out)),
            untaught=await _untaught(subject, probes, on_answer),
        ),
        on_stage=on_stage,
        on_answer=on_answer,
        on_task=on_task,
    )
    found: list[_Found] = []
    bounds = (0.0, 1.0)
    factor: float | None = 1.0
    while factor is not None:
        adapter = await asyncio.to_thread(_scaled, subject, factor)
        on_stage("the candidate" if factor == 1 else f"the candidate at {factor:.3g} of its scale")
        side = await asyncio.to_thread(side_of, subject, adapter)
        evidence = await gate.measured(side, _lost(found))
        found.append(_Found(factor, adapter, evidence, decide(evidence, plan.limits)))
        bounds, factor = _narrowed([one.tried for one in found], bounds)
    best = _best(found)
    return GateReport(
        passed=best.passed,
        adapter=best.adapter,
        current=subject.current.name if subject.current else "",
        factor=best.factor,
        checks=best.checks,
        rates=_rates(best.evidence),
        evidence=best.evidence,
        tries=tuple(one.tried for one in found),
        seconds=round(time.monotonic() - began, 1),
    )


@dataclass(frozen=True)
class _Found:
    """What was found of the candidate at ``factor`` of its scale, which is ``adapter``."""

    factor: float
    adapter: Path
    evidence: Evidence
    checks: tuple[GateCheck, ...]

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.checks)

    @property
    def tried(self) -> Try:
        new = self.evidence.suites.get(NEW)
        learned = new.candidate.share.rate if new else 0.0
        return Try(factor=self.factor, failed=found_wrong(self.checks), learned=learned)


def _lost(found: Sequence[_Found]) -> tuple[int, ...]:
    """Return the role tasks that were lost before, those that were most often the first."""
    works = (each.evidence.roles.candidate for each in found if each.evidence.roles)
    lost = Counter(one.index for outcomes in works for one in outcomes if not one.delivered)
    return tuple(index for index, _ in lost.most_common())


def _best(found: Sequence[_Found]) -> _Found:
    passed = (one for one in found if one.passed)
    return max(passed, key=lambda one: one.factor, default=found[-1])


@dataclass(frozen=True)
class _Gate:
    """What every scale of the candidate is compared with; ``known`` is the evidence before."""

    plan: Plan
    current: Side
    probes: tuple[Probe, ...]
    before: Mapping[str, SuiteReport]
    known: Evidence
    on_stage: Callable[[str], None]
    on_answer: OnAnswer
    on_task: OnTask

    async def measured(self, side: Side, lost: Sequence[int]) -> Evidence:
        """Return what is found of the candidate on ``side``, the cheapest first.

        One that cannot be loaded is not asked anything, and the crew works only with one of which
        nothing speaks against it so far, beginning with the tasks that were ``lost`` before.
        """
        plan = self.plan
        timed = sorted(self.probes, key=lambda probe: probe.suite != WIRE)[:_TIMED]
        loaded, latency = await side.cost(timed, plan.limits.latency)
        evidence = self.known.model_copy(update={"loaded": loaded, "latency": latency})
        if latency is None:
            return evidence
        answers = await side.answers(self.probes, self.on_answer)
        suites = {
            suite: Compared(baseline=self.before[suite], candidate=report)
            for suite, report in answers.items()
        }
        evidence = evidence.model_copy(update={"suites": suites})
        if found_wrong(decide(evidence, plan.limits)):
            return evidence
        guarded = await side.guarded(plan.seed, plan.attempts)
        roles = await self._roles(side, lost)
        return evidence.model_copy(update={"guarded": guarded, "roles": roles})

    async def _roles(self, side: Side, lost: Sequence[int]) -> Roles:
        """Return what came of the crew's work, up to where no more could make up for its losses."""
        plan = self.plan
        self.on_stage("role tasks with what is served now")
        before = await self.current.role_tasks(plan.seed, plan.tasks, self.on_task)
        failed = [one.index for one in before if not one.delivered]
        spare = len(failed) + plan.limits.net_loss - 1
        self.on_stage("role tasks with the candidate")
        after = await side.role_tasks(
            plan.seed, plan.tasks, self.on_task, spare=spare, first=(*lost, *failed)
        )
        same = tuple(before[one.index] for one in after)
        return Roles(baseline=same, candidate=after, left=len(before) - len(after))


async def _untaught(
    subject: Subject, probes: Sequence[Probe], on_answer: OnAnswer
) -> dict[str, float]:
    """Return the share of right answers about each forgotten rule by the base alone."""
    about = [one for one in probes if one.suite == FORGOTTEN]
    if not about:
        return {}
    bare = await asyncio.to_thread(side_of, subject, None)
    report = (await bare.answers(about, on_answer))[FORGOTTEN]
    return {rule: part.rate for rule, part in report.by_rule.items()}


def _narrowed(
    tries: Sequence[Try], bounds: tuple[float, float]
) -> tuple[tuple[float, float], float | None]:
    """Return what is known of the right scale, and the next to try (None: this was the last).

    After one that passed a larger one is tried, as long as one that did not pass knew more.
    """
    last, (low, high), step = tries[-1], bounds, _STEP
    failed = set(last.failed)
    if failed and failed <= SHRINKABLE:
        high = last.factor
    elif failed and failed <= TOO_LITTLE and last.factor < 1:
        low = last.factor
    elif not failed and any(one.failed and one.learned > last.learned for one in tries):
        low, step = last.factor, 0.5
    else:
        return bounds, None
    return (low, high), low + step * (high - low) if len(tries) < _MOST_TRIES else None


def _scaled(subject: Subject, factor: float) -> Path:
    if factor == 1:
        return subject.candidate
    name = f"{subject.candidate.name}-x{factor:.4g}".replace(".", "_")
    if subject.start:
        return between(subject.start, subject.candidate, factor, subject.folder / name)
    return shrink(subject.candidate, factor, subject.folder / name)


def _provable(plan: Plan, probes: Sequence[Probe]) -> Limits:
    """Return the limits of ``plan``; where no new rule can be proven, no proof is wanted."""
    if NEW not in {one.suite for one in plan.probes} - {one.suite for one in probes}:
        return plan.limits
    suites = tuple(suite for suite in plan.limits.suites if suite != NEW)
    return plan.limits.model_copy(update={"suites": suites})


def _rates(evidence: Evidence) -> dict[str, float]:
    return {
        rule: part.rate
        for name in (EARLIER, NEW)
        if name in evidence.suites
        for rule, part in evidence.suites[name].candidate.by_rule.items()
    }
