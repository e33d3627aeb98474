"""The night's side of the gate: what is asked about which rule, and who runs the role tasks."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import JsonValue, TypeAdapter, ValidationError

from agents.adapters.records import Manifest
from graph.night.collect import known_of
from graph.night.nights import MEASURED, SCALED, TRAINING
from graph.night.records import Chosen
from graph.night.shop import NightShop
from memory.journal import Journal
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import CrewRun, RunTask
from training.examples.knowledge import Knowledge
from training.gate.gate import Plan, run_gate
from training.gate.kept import Kept
from training.gate.probes import probes_of
from training.gate.records import EARLIER, FORGOTTEN, NEW, GateReport, Limits, Probe
from training.gate.side import Subject

_RATES: TypeAdapter[dict[str, float]] = TypeAdapter(dict[str, float])


def evaluate(shop: NightShop, night: str, chosen: Chosen) -> GateReport:
    """Measure the candidate of a night against what is served, once, and return the verdict.

    Raises:
        ModelUnavailable: a model cannot be served or loaded.
        ToolDenied: answers have to be executed and no sandbox works here.
        StoreUnavailable: the disk refuses.
    """
    return shop.store.once(night, "gate", GateReport, lambda: _judged(shop, night, chosen))


def for_manifest(report: GateReport) -> dict[str, JsonValue]:
    """Return what an adapter keeps of its gate: no words of the user."""
    return report.model_dump(mode="json", include={"format", "passed", "factor", "checks", "rates"})


def _judged(shop: NightShop, night: str, chosen: Chosen) -> GateReport:
    folder, current = shop.store.folder(night), shop.served(shop.store.begun(night).context)
    older = shop.store.others(MEASURED, night)
    subject = Subject(
        settings=shop.model,
        current=shop.registry.folder(current.id) if current else None,
        candidate=folder / TRAINING,
        folder=folder / SCALED,
        crew=lambda adapter: crew(shop, adapter),
        policy=policy(shop),
        home=shop.home,
        kept=Kept.open(folder / MEASURED, *older),
        start=shop.registry.folder(chosen.start) if chosen.start else None,
    )
    with shop.journal() as journal:
        plan = _plan(shop, journal, chosen, current)
    return asyncio.run(
        run_gate(
            subject,
            plan,
            on_stage=shop.watcher.judging,
            on_answer=lambda *_: shop.watcher.answered(),
            on_task=shop.watcher.worked,
        )
    )


def _plan(shop: NightShop, journal: Journal, chosen: Chosen, current: Manifest | None) -> Plan:
    night, earlier = shop.settings.night, set(chosen.earlier)
    asked = {
        NEW: [id for id in chosen.items if id not in earlier],
        EARLIER: list(chosen.earlier),
        FORGOTTEN: _forgotten(journal, chosen),
    }
    probes = {name: _probes(shop, journal, ids, name) for name, ids in asked.items()}
    about = {probe.of for probe in probes[EARLIER]}
    wanted = Limits().suites if probes[NEW] else tuple(s for s in Limits().suites if s != NEW)
    return Plan(
        probes=[probe for part in probes.values() for probe in part],
        recorded={id: rate for id, rate in recorded_rates(current).items() if id in about},
        limits=Limits(suites=wanted),
        seeds=night.phrasings,
        tasks=night.tasks,
        attempts=night.forbidden,
        seed=night.seed,
    )


def _forgotten(journal: Journal, chosen: Chosen) -> list[str]:
    """Return what is gone without a successor that is trained, which may be answered like it."""
    trained, left = set(chosen.items), []
    for id, stored in journal.get(chosen.gone).items():
        heir = stored.superseded_by
        while heir and heir not in trained:
            after = journal.get([heir]).get(heir)
            heir = after.superseded_by if after else None
        if not heir:
            left.append(id)
    return left


def recorded_rates(current: Manifest | None) -> Mapping[str, float]:
    """Return the share of right answers that each rule had when ``current`` was promoted."""
    try:
        return _RATES.validate_python(((current and current.gate) or {}).get("rates", {}))
    except ValidationError:
        return {}


def _probes(shop: NightShop, journal: Journal, ids: Iterable[str], suite: str) -> list[Probe]:
    stored = [one for one in journal.get(ids).values() if one.state != "deleted"]
    known: list[Knowledge] = known_of(journal, stored)
    night = shop.settings.night
    return list(probes_of(known, prompts=shop.profile.prompts, seed=night.seed, suite=suite))


def policy(shop: NightShop) -> CommandPolicy:
    """Return how answers are executed."""
    return shop.settings.command.policy(Path(sys.executable))


def crew(shop: NightShop, adapter: Path | None) -> RunTask:
    """Return the crew that works with ``adapter``, without memory, in folders of its own."""
    from graph.runner import Runner
    from graph.runs import RunRequest, RunStore, new_run_id, now
    from graph.settings import load_settings
    from graph.tag_counts import tag_counts

    model = shop.model.model_dump(mode="json", exclude_none=True)
    overrides: dict[str, Any] = {
        "model": {**model, "profile": shop.profile.name, "learnt": False}
        | ({"adapter_path": str(adapter)} if adapter else {}),
        "command": {
            "allow_unsandboxed": shop.settings.command.allow_unsandboxed,
            "python": sys.executable,
            "pytest_plugins": False,  # loading those that are installed takes seconds a start
        },
    }

    async def run_task(workspace: Path, wish: str) -> CrewRun:
        settings = load_settings(workspace, overrides)
        with tempfile.TemporaryDirectory(prefix="local-llm-night-") as home:
            request = RunRequest(
                run_id=new_run_id(), task=wish, workspace=str(workspace), created=now()
            )
            result = await Runner(RunStore(Path(home)), settings).start(request)
        return CrewRun(
            status=result.status,
            commit=result.branch or None,
            reason=" ".join(result.reason.split())[:200],
            tags=tag_counts(result.steps),
        )

    return run_task
