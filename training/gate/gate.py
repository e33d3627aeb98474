"""Measures a candidate against what is served now, and decides."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agents.profiles import ModelConfig, Profile, resolve_profile
from agents.serving import open_model
from mcp_local_llm import UsageError
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import RunTask, TaskOutcome
from training.gate.asking import OnAnswer, ask_all
from training.gate.cheats import best_cheat
from training.gate.decide import SHRINKABLE, decide
from training.gate.guarded import attempt_protected, role_tasks
from training.gate.latency import measure_latency
from training.gate.loading import LoadJob, drift_items, load_apart
from training.gate.records import (
    EARLIER,
    NEW,
    WIRE,
    Compared,
    Evidence,
    GateReport,
    Limits,
    Loaded,
    Probe,
    Roles,
    SuiteReport,
    Try,
)
from training.gate.shape import shrink, untrained
from training.gate.suites import plain_probes

Crew = Callable[[Path | None], RunTask]
"""Returns the crew that works with the adapter in a folder, or with the base alone."""

_MOST_TRIES: Final = 4
_TIMED: Final = 4  # requests


@dataclass(frozen=True)
class Subject:
    """What is gated: ``candidate`` against ``current`` (None: the base), and how it is served.

    Paths are absolute. ``crew`` runs the role tasks; ``policy`` says how answers are executed.
    Smaller scales of the candidate are written below ``folder``.
    """

    settings: ModelConfig
    current: Path | None
    candidate: Path
    folder: Path
    crew: Crew
    policy: CommandPolicy
    home: Path | None = None


@dataclass(frozen=True)
class Plan:
    """What is asked. ``probes`` are those about rules; the suites that need none are added.

    ``recorded`` holds the rate each earlier rule was promoted with; ``planted`` what must never be
    said; ``kept_tasks`` outcomes of ``current`` that need not be measured again.
    """

    probes: Sequence[Probe] = ()
    recorded: Mapping[str, float] = field(default_factory=dict)
    planted: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    seeds: int = 2
    tasks: int = 50
    attempts: int = 10
    seed: int = 1
    kept_tasks: Sequence[TaskOutcome] = ()


@dataclass(frozen=True)
class _Before:
    """What does not depend on the candidate's scale, measured once."""

    probes: tuple[Probe, ...]
    suites: dict[str, SuiteReport]
    cheats: dict[str, float]
    tasks: tuple[TaskOutcome, ...]


async def run_gate(
    subject: Subject,
    plan: Plan,
    *,
    on_stage: Callable[[str], None] = lambda _: None,
    on_answer: OnAnswer = lambda *_: None,
) -> GateReport:
    """Return the verdict on the candidate; its ``adapter`` is what to promote when it ``passed``.

    When only earlier knowledge or other text suffers, smaller scales are tried, by bisection, four
    adapters in all. Blocking parts run in other processes; nothing is promoted here.

    Raises:
        UsageError: the profile has no weights here.
        ModelUnavailable: a model cannot be served or loaded, or an adapter is none.
        ToolDenied: answers have to be executed and no sandbox works here.
        StoreUnavailable: the disk refuses.
    """
    began = time.monotonic()
    profile = await asyncio.to_thread(_local, subject)
    on_stage("what is served now")
    before = await _measure_before(subject, plan, profile, on_answer)
    tries: list[Try] = []
    bounds = (0.0, 1.0)
    factor: float | None = 1.0
    while factor is not None:
        adapter = await asyncio.to_thread(_scaled, subject, factor)
        on_stage("the candidate" if factor == 1 else f"the candidate at {factor:.3g} of its scale")
        evidence = await _measure(subject, plan, profile, before, adapter, on_answer)
        checks = decide(evidence, plan.limits)
        tries.append(Try(factor=factor, failed=tuple(one.name for one in checks if not one.passed)))
        bounds, factor = _narrowed(tries, bounds)
    return GateReport(
        passed=not tries[-1].failed,
        adapter=adapter,
        current=subject.current.name if subject.current else "",
        factor=tries[-1].factor,
        checks=checks,
        rates=_rates(evidence),
        evidence=evidence,
        tries=tuple(tries),
        seconds=round(time.monotonic() - began, 1),
    )


def _narrowed(
    tries: Sequence[Try], bounds: tuple[float, float]
) -> tuple[tuple[float, float], float | None]:
    """Return what is known of the right scale, and the next to try (None: this was the last)."""
    last, (low, high) = tries[-1], bounds
    failed = set(last.failed)
    if failed and failed <= SHRINKABLE:
        high = last.factor
    elif failed == {"learned"} and last.factor < 1:
        low = last.factor
    else:
        return bounds, None
    return (low, high), (low + high) / 2 if len(tries) < _MOST_TRIES else None


def _local(subject: Subject) -> Profile:
    profile = resolve_profile(None, subject.settings, home=subject.home)
    if profile.model_path is None:
        raise UsageError(f"the profile {profile.name!r} has no weights here; an adapter needs them")
    return profile


def _scaled(subject: Subject, factor: float) -> Path:
    if factor == 1:
        return subject.candidate
    name = f"{subject.candidate.name}-x{factor:.4g}".replace(".", "_")
    return shrink(subject.candidate, factor, subject.folder / name)


async def _measure_before(
    subject: Subject, plan: Plan, profile: Profile, on_answer: OnAnswer
) -> _Before:
    probes = (*plan.probes, *plain_probes(profile.prompts, plan.seeds, plan.planted))
    return _Before(
        probes=probes,
        suites=await _ask(subject, subject.current, probes, on_answer),
        cheats=await best_cheat(probes, subject.policy),
        tasks=await role_tasks(
            subject.crew(subject.current), seed=plan.seed, count=plan.tasks, kept=plan.kept_tasks
        ),
    )


async def _measure(
    subject: Subject,
    plan: Plan,
    profile: Profile,
    before: _Before,
    adapter: Path,
    on_answer: OnAnswer,
) -> Evidence:
    """Measure ``adapter``; one that cannot be loaded is not asked anything."""
    with tempfile.TemporaryDirectory(prefix="local-llm-gate-") as name:
        blank = await asyncio.to_thread(untrained, adapter, Path(name, "untrained"))
        loaded = await _load(subject, profile, adapter, blank)
        if loaded.problem or not loaded.finite:
            return Evidence(loaded=loaded, recorded=dict(plan.recorded), cheats=before.cheats)
        timed = sorted(before.probes, key=lambda probe: probe.suite != WIRE)[:_TIMED]
        latency = await measure_latency(
            subject.settings, adapter, blank, timed, limit=plan.limits.latency, home=subject.home
        )
    answers = await _ask(subject, adapter, before.probes, on_answer)
    crew = subject.crew(adapter)
    return Evidence(
        loaded=loaded,
        suites={
            suite: Compared(baseline=before.suites[suite], candidate=report)
            for suite, report in answers.items()
        },
        recorded=dict(plan.recorded),
        roles=Roles(
            baseline=before.tasks,
            candidate=await role_tasks(crew, seed=plan.seed, count=plan.tasks),
        ),
        guarded=await attempt_protected(crew, seed=plan.seed, count=plan.attempts),
        latency=latency,
        cheats=before.cheats,
    )


async def _load(subject: Subject, profile: Profile, adapter: Path, blank: Path) -> Loaded:
    assert profile.model_path is not None  # noqa: S101 - narrows the type; see `_local`
    return await load_apart(
        LoadJob(
            model=profile.model_path,
            candidate=adapter,
            untrained=blank,
            items=drift_items(profile.name),
        )
    )


async def _ask(
    subject: Subject, adapter: Path | None, probes: Sequence[Probe], on_answer: OnAnswer
) -> dict[str, SuiteReport]:
    settings = subject.settings.model_copy(update={"adapter_path": adapter})
    async with open_model(settings, home=subject.home) as model:
        return await ask_all(probes, model, subject.policy, on_answer)


def _rates(evidence: Evidence) -> dict[str, float]:
    return {
        rule: part.rate
        for name in (EARLIER, NEW)
        if name in evidence.suites
        for rule, part in evidence.suites[name].candidate.by_rule.items()
    }
