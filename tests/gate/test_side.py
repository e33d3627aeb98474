"""A gate whose models have answered already: only the crew works, and once for each task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.profiles import ModelConfig
from mcp_local_llm import ModelUnavailable
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import CrewRun, RunTask
from training.gate.gate import Plan, run_gate
from training.gate.kept import Kept
from training.gate.records import Judged, Latency, Limits, Loaded
from training.gate.side import Subject, _question, side_of
from training.gate.suites import canary_probes

PLAN = Plan(limits=Limits(suites=("canary",)), seeds=0, tasks=1, attempts=1)


def counting(begun: list[str], most: int) -> Callable[[Path | None], RunTask]:
    """Return crews that refuse; the model goes after ``most`` tasks."""

    def crew(_: Path | None) -> RunTask:
        async def run_task(workspace: Path, wish: str) -> CrewRun:
            begun.append(wish)
            if len(begun) == most + 1:
                raise ModelUnavailable("it is gone")
            return CrewRun(status="refused", commit=None)

        return run_task

    return crew


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    folder = tmp_path / "candidate"
    folder.mkdir()
    config = {"fine_tune_type": "lora", "num_layers": -1, "lora_parameters": {"scale": 2.0}}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapters.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    return folder


def answered(subject: Subject, *, memory_gb: float = 1.0) -> None:
    """Keep what both sides of ``subject`` would be asked before their crews work."""
    probes = canary_probes("compact")
    for adapter in (None, subject.candidate):
        kept = side_of(subject, adapter).kept
        for probe in probes:
            kept.keep(Judged(text="No.", passed=True), _question(probe))
    loaded = Loaded(
        finite=True, difference=1, base_bits=1, bits=1, tokens=9, base_memory_gb=1,
        memory_gb=memory_gb, untrained_memory_gb=1,
    )  # fmt: skip
    kept.keep(loaded, "")
    timed = "".join(map(_question, probes[:4])) + f" {PLAN.limits.latency}"
    kept.keep(Latency(base_s=1, untrained_s=1, candidate_s=1, rounds=3), timed)


@pytest.fixture
def subject(
    random_checkpoint: Path,
    candidate: Path,
    state_home: Path,
    policy: CommandPolicy,
    tmp_path: Path,
) -> Callable[..., Subject]:
    def made(crew: Callable[[Path | None], RunTask]) -> Subject:
        return Subject(
            settings=ModelConfig(profile="local", model_path=random_checkpoint, prompts="compact"),
            current=None,
            candidate=candidate,
            folder=tmp_path / "scaled",
            crew=crew,
            policy=policy,
            home=state_home,
            kept=Kept.open(tmp_path / "measured.jsonl"),
        )

    return made


async def test_a_gate_that_is_broken_off_does_only_what_is_left(
    subject: Callable[..., Subject],
) -> None:
    begun: list[str] = []
    answered(subject(counting(begun, most=0)))
    with pytest.raises(ModelUnavailable):
        await run_gate(subject(counting(begun, most=1)), PLAN)
    report = await run_gate(subject(counting(begun, most=9)), PLAN)
    attempt, task, again, of_the_base = begun
    assert task == again == of_the_base != attempt  # the attempt stood, the task did not
    assert [check.name for check in report.failed] == ["wire"], report.reasons  # was not asked
    assert not report.passed and report.tries[0].failed == ()
    roles, guarded = report.evidence.roles, report.evidence.guarded
    assert roles is not None and guarded is not None
    assert (roles.net_loss, guarded.attempts, guarded.refused) == (0, 1, 1)
    assert (await run_gate(subject(counting([], most=0)), PLAN)).evidence == report.evidence


async def test_the_crew_does_not_work_for_what_has_failed_elsewhere(
    subject: Callable[..., Subject],
) -> None:
    begun: list[str] = []
    mine = subject(counting(begun, most=9))
    answered(mine, memory_gb=2.0)
    report = await run_gate(mine, PLAN)
    assert report.tries[0].failed == ("memory",) and begun == []
    unmeasured = [one.name for one in report.failed if one.measured == "not measured"]
    assert unmeasured == ["kept_tasks", "contracts", "wire"]
