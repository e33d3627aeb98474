"""The whole gate over a real server, and how it narrows down a scale."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from agents.chat import Message
from agents.profiles import ModelConfig
from mcp_local_llm import StoreUnavailable, UsageError
from tests.conftest import HIDDEN, LAYERS
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import CrewRun, RunTask
from training.gate.checks import CommitForm
from training.gate.gate import Plan, _best, _Found, _narrowed, _provable, run_gate
from training.gate.guarded import attempt_protected, guarded_tasks
from training.gate.kept import Kept
from training.gate.loading import LoadJob, drift_items, load_apart, main, text_items
from training.gate.records import Evidence, GateCheck, GateReport, Limits, Loaded, Probe, Try
from training.gate.shape import untrained
from training.gate.side import Subject

pytestmark = pytest.mark.slow

RANK = 2
Make = Callable[..., Path]


@pytest.fixture
def make_adapter(tmp_path: Path) -> Make:
    """Write an adapter on the queries of the random checkpoint; its weights are ``fill``."""

    def make(name: str, fill: float) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        parameters = {"rank": RANK, "scale": 2.0, "dropout": 0.0, "keys": ["self_attn.q_proj"]}
        config = {"fine_tune_type": "lora", "num_layers": -1, "lora_parameters": parameters}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        shapes = {"lora_a": (HIDDEN, RANK), "lora_b": (RANK, HIDDEN)}
        save_file(
            {
                f"model.layers.{layer}.self_attn.q_proj.{part}": np.full(shape, fill, np.float32)
                for layer in range(LAYERS)
                for part, shape in shapes.items()
            },
            folder / "adapters.safetensors",
        )
        return folder

    return make


def refusing(_: Path | None) -> RunTask:
    async def run_task(workspace: Path, wish: str) -> CrewRun:
        return CrewRun(status="refused", commit=None)

    return run_task


@pytest.mark.timeout(600)
async def test_a_babbling_candidate_is_told_what_it_lacks_and_asked_nothing_twice(
    random_checkpoint: Path,
    state_home: Path,
    make_adapter: Make,
    policy: CommandPolicy,
    tmp_path: Path,
) -> None:
    probe = Probe(
        id="new/1",
        suite="new",
        of="rule",
        messages=(Message(role="user", content="Which commit message?"),),
        check=CommitForm(pattern="[0-9]+"),
        max_tokens=4,
    )
    subject = Subject(
        settings=ModelConfig(profile="local", model_path=random_checkpoint, prompts="compact"),
        current=None,
        candidate=make_adapter("candidate", 0.02),
        folder=tmp_path / "scaled",
        crew=refusing,
        policy=policy,
        home=state_home,
        kept=Kept.open(tmp_path / "measured.jsonl"),
    )
    plan = Plan(
        probes=[probe], limits=Limits(suites=("new", "canary"), latency=9), seeds=0, tasks=1,
        attempts=1, recorded={"gone": 1.0},
    )  # fmt: skip
    stages: list[str] = []
    report = await run_gate(subject, plan, on_stage=stages.append)
    failed = {check.name for check in report.failed}
    unasked = {"kept_tasks", "contracts"}  # the crew works only with what fails nowhere else
    assert failed == {"learned", "kept_rules", "wire", "measures"} | unasked, report.reasons
    assert unasked.isdisjoint(report.tries[0].failed)
    assert not report.passed and report.rates == {"rule": 0.0}
    assert [one.factor for one in report.tries] == [1.0] and len(stages) == 2
    loaded, latency = report.evidence.loaded, report.evidence.latency
    assert loaded is not None and loaded.difference > 0 and loaded.base_bits > 1
    assert loaded.memory_gb == loaded.untrained_memory_gb > loaded.base_memory_gb > 0
    assert latency is not None and latency.untrained_s > 0
    assert GateReport.model_validate_json(report.model_dump_json()) == report

    asked: list[str] = []
    again = replace(subject, kept=Kept.open(tmp_path / "measured.jsonl"))
    other = await run_gate(again, plan, on_answer=lambda one, _: asked.append(one.id))
    assert asked == [] and other.evidence == report.evidence


def test_where_no_new_rule_can_be_proven_no_proof_is_wanted() -> None:
    asked = Message(role="user", content="?")
    new, wire = (
        Probe(id=name, suite=name, messages=(asked,), check=CommitForm(pattern="x"), max_tokens=1)
        for name in ("new", "wire")
    )
    plan = Plan(probes=[new, wire])
    assert "new" in plan.limits.suites
    assert _provable(plan, [new, wire]) == plan.limits
    assert set(_provable(plan, [wire]).suites) == set(plan.limits.suites) - {"new"}
    nobody_asks = Plan(probes=[wire])
    assert "new" in _provable(nobody_asks, [wire]).suites, "that is a fault of who plans"


def job(random_checkpoint: Path, candidate: Path, blank: Path) -> LoadJob:
    items = text_items("seven blue bridges\n----\nand a harbour")
    return LoadJob(model=random_checkpoint, candidate=candidate, untrained=blank, items=items)


@pytest.mark.timeout(600)
async def test_an_adapter_that_cannot_be_loaded_is_told_as_that(
    random_checkpoint: Path, make_adapter: Make, tmp_path: Path
) -> None:
    damaged = make_adapter("damaged", 1.0)
    blank = untrained(damaged, tmp_path / "blank")
    (damaged / "adapters.safetensors").write_bytes(b"none")
    found = await load_apart(job(random_checkpoint, damaged, blank))
    assert "cannot be loaded" in found.problem


def test_weights_that_are_no_numbers_are_found(
    random_checkpoint: Path, make_adapter: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    infinite = make_adapter("infinite", float("nan"))
    blank = untrained(infinite, tmp_path / "blank")
    task = tmp_path / "job.json"
    task.write_text(job(random_checkpoint, infinite, blank).model_dump_json())
    assert main(str(task)) == 0
    found = Loaded.model_validate_json(capsys.readouterr().out)
    assert not found.finite and found.difference == 0 and found.problem == ""


async def test_a_profile_without_weights_cannot_be_gated(
    tmp_path: Path, policy: CommandPolicy, state_home: Path
) -> None:
    remote = ModelConfig(profile="remote", base_url="http://127.0.0.1:1/v1", model="m")
    subject = Subject(remote, None, tmp_path, tmp_path, refusing, policy, state_home)
    with pytest.raises(UsageError, match="no weights"):
        await run_gate(subject, Plan())


def test_the_scale_goes_towards_what_neither_forgets_nor_fails_to_learn() -> None:
    tries = [Try(factor=1.0, failed=("drift", "kept_tasks"))]
    bounds, factor = _narrowed(tries, (0.0, 1.0))
    assert (bounds, factor) == ((0.0, 1.0), 0.75)
    tries.append(Try(factor=0.75, failed=("drift",)))
    bounds, factor = _narrowed(tries, bounds)
    assert (bounds, factor) == ((0.0, 0.75), 0.5625)
    tries.append(Try(factor=0.5625, failed=("learned",)))
    assert _narrowed(tries, bounds) == ((0.5625, 0.75), 0.703125)
    tries.append(Try(factor=0.703125, failed=("drift",)))
    assert _narrowed(tries, (0.5625, 0.75))[1] is None


@pytest.mark.parametrize("failed", [("kept_rules",), ("learned", "kept_rules")])
def test_a_scale_that_knows_too_little_is_raised_again(failed: tuple[str, ...]) -> None:
    tries = [Try(factor=1.0, failed=("drift",)), Try(factor=0.5, failed=failed)]
    assert _narrowed(tries, (0.0, 1.0)) == ((0.5, 1.0), 0.875)


def test_between_a_scale_that_passed_and_one_that_knows_more_others_are_tried() -> None:
    tries = [Try(factor=1.0, failed=("kept_tasks",), learned=0.7), Try(factor=0.75, failed=())]
    assert _narrowed(tries, (0.0, 1.0)) == ((0.75, 1.0), 0.875)
    passed = Try(factor=0.875, failed=(), learned=0.6)
    assert _narrowed([*tries, passed], (0.75, 1.0)) == ((0.875, 1.0), 0.9375)
    failed = Try(factor=0.875, failed=("kept_tasks",), learned=0.6)
    assert _narrowed([*tries, failed], (0.75, 1.0)) == ((0.75, 0.875), 0.84375)
    assert _narrowed([*tries, failed, passed], (0.75, 0.875))[1] is None
    tries[1] = Try(factor=0.75, failed=(), learned=0.7)
    assert _narrowed(tries, (0.0, 1.0))[1] is None


@pytest.mark.parametrize(
    ("passed", "factor"),
    [([0, 1, 1], 0.875), ([0, 1, 0], 0.75), ([0, 0, 0], 0.875), ([1], 1.0)],
)
def test_the_largest_scale_that_passed_is_taken_else_the_last(
    passed: list[int], factor: float, tmp_path: Path
) -> None:
    found = []
    for scale, good in zip([1.0, 0.75, 0.875], passed, strict=False):
        check = GateCheck(name="sane", passed=bool(good), measured="", limit="")
        found.append(_Found(scale, tmp_path, Evidence(), (check,)))
    assert _best(found).factor == factor


@pytest.mark.parametrize(
    "failed", [(), ("learned",), ("kept_rules",), ("drift", "contracts"), ("latency",)]
)
def test_what_a_smaller_scale_cannot_mend_ends_the_search(failed: tuple[str, ...]) -> None:
    assert _narrowed([Try(factor=1.0, failed=failed)], (0.0, 1.0))[1] is None


def test_the_embedded_models_text_is_its_held_out_curriculum_and_others_get_a_shipped_one() -> None:
    assert all(len(item.learned) > 1 for item in drift_items("embedded"))
    pieces = drift_items("local")
    assert len(pieces) == 10 and all(len(item.messages[-1].content) > 200 for item in pieces)


@pytest.mark.parametrize("changes", ["def {name}(*args):\n    return 0\n", None])
async def test_only_a_change_of_the_protected_region_counts_as_delivered(
    changes: str | None,
) -> None:
    import re
    import subprocess

    async def run_task(workspace: Path, wish: str) -> CrewRun:
        region = re.search(
            r'"(.+)::(\w+)"', (workspace / ".mcp-local-llm/preserve.toml").read_text()
        )
        assert region is not None
        file = workspace / region[1]
        text = file.read_text()
        file.write_text(
            changes.format(name=region[2]) if changes else text + "\n\ndef other():\n    pass\n"
        )
        git = ["git", "-c", "user.name=crew", "-c", "user.email=crew@localhost"]
        subprocess.run([*git, "commit", "-qam", "done"], cwd=workspace, check=True)
        return CrewRun(status="delivered", commit="HEAD")

    (task,) = guarded_tasks(seed=1, count=1)
    found = await attempt_protected(task, run_task)
    assert (found.refused, found.delivered) == (False, bool(changes))


async def test_a_crew_that_could_not_work_has_not_kept_a_contract() -> None:
    async def run_task(workspace: Path, wish: str) -> CrewRun:
        raise StoreUnavailable("the disk is full")

    (task,) = guarded_tasks(seed=1, count=1)
    with pytest.raises(StoreUnavailable):
        await attempt_protected(task, run_task)
