"""A gate whose models have answered already: only the crew works, and once for each task."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agents.profiles import ModelConfig
from mcp_local_llm import ModelUnavailable
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import CrewRun, RunTask, TaskOutcome, evaluation_tasks
from training.gate.decide import decide
from training.gate.gate import Plan, _Gate, run_gate
from training.gate.kept import Kept
from training.gate.records import Evidence, Judged, Latency, Limits, Loaded
from training.gate.shape import shrink
from training.gate.side import Subject, _question, _work, side_of
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


async def test_the_crew_ends_when_too_much_is_lost_whatever_came_of_the_rest(
    subject: Callable[..., Subject],
) -> None:
    begun: list[str] = []
    mine = subject(counting(begun, most=99))
    answered(mine)
    base = side_of(mine, None).kept
    for index, task in enumerate(evaluation_tasks(PLAN.seed, 8)):
        won = index != 5
        base.keep(
            TaskOutcome(
                index=index, kind=task.kind, composition="", composition_held_out=False,
                wish=task.wish, status="delivered", test_red_before=won, test_green_after=won,
                hidden_passed=won,
            ),
            _work(index, task),
        )  # fmt: skip
    smaller = shrink(mine.candidate, 0.75, mine.folder / "candidate-x0_75")
    side_of(mine, smaller).kept.keep(
        Loaded(problem="it was pulled away", finite=False, difference=0, base_bits=1, bits=1,
        tokens=9, base_memory_gb=1, memory_gb=1, untrained_memory_gb=1), "",
    )  # fmt: skip
    plan = replace(PLAN, tasks=8)
    report = await run_gate(mine, plan)
    assert report.tries[0].failed == ("kept_tasks",)
    assert len(begun) in {1 + 3, 1 + 4}  # the base failed one: three are too many; two at once
    stages: list[str] = []
    told: list[tuple[int, int]] = []
    roles = await _Gate(
        plan,
        side_of(mine, None),
        (),
        before={},
        known=Evidence(),
        on_stage=stages.append,
        on_answer=lambda *_: None,
        on_task=lambda done, of: told.append((done, of)),
    )._roles(side_of(mine, mine.candidate), lost=(7,))
    assert [one.index for one in roles.candidate] == [0, 5, 7], "what is likely to fail is first"
    assert [one.index for one in roles.baseline] == [0, 5, 7]
    assert (roles.left, roles.net_loss) == (5, 2)
    assert len(stages) == 2 and told[:8] == [(done, 8) for done in range(1, 9)]
    assert told[8:] in ([(1, 8), (2, 8), (3, 8)], [(1, 8), (2, 8), (3, 8), (4, 8)])
    kept_tasks = {check.name: check for check in decide(Evidence(roles=roles), plan.limits)}
    assert "5 more could not" in kept_tasks["kept_tasks"].measured
