"""What a run that has ended teaches: edits, rejections, outcomes, and faults that were mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from agents.brief import Brief, BriefRule
from agents.reply import Plan
from agents.shared_memory import SharedMemory
from graph import follow_cli
from graph.edited import edit_type, told_edit
from graph.rewards import take_run
from graph.settings import load_settings
from graph.state import Outcome, Red, RunState, Story, TestState
from mcp_local_llm import UsageError
from memory.corrections import Correction
from memory.entries import Stored
from memory.lifecycle import Stage
from memory.project import project_id
from memory.records import Item, Kind, Where
from memory.rewards import Weights
from memory.signals import Signal

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script

TOKEN = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SharedMemory]:
    with SharedMemory(tmp_path / "home", "shop") as opened:
        yield opened


def ended(status: str, diff: str = "+x = 1", reason: str = "so", **more: Any) -> RunState:
    state = {
        "run_id": "r1",
        "task": "add x",
        "workspace": "/nowhere",
        "story": Story(),
        "tests": TestState(verdict="green"),
        "outcome": Outcome.model_validate({"status": status, "reason": reason, "diff": diff}),
    }
    return cast(RunState, state | more)


def take(memory: SharedMemory, state: RunState, fix: str = "", *, approved: bool = False) -> None:
    for _ in range(2):  # as after a crash: nothing may be there twice
        take_run(memory, state, ("shop/cart.py",), fix, approved=approved)


def of(memory: SharedMemory, kind: Kind) -> list[Stored]:
    return list(memory.journal.live(Where(project="shop", kinds=(kind,))))


def signals(memory: SharedMemory) -> list[Signal]:
    return list(memory.journal.signals(target="r1"))


def edited(where: str, original: str, corrected: str) -> Story:
    said = {"where": where, "original": original, "corrected": corrected}
    return Story(corrections=(Correction.model_validate(said),))


PATCH = "--- a/cart.py\n+++ b/cart.py\n@@ -0,0 +1,2 @@\n+def f(a):\n+    return {}\n"


def test_an_edited_patch_is_a_correction_in_code_and_a_modified_generation(
    memory: SharedMemory,
) -> None:
    story = edited("patch", PATCH.format("a + 1"), PATCH.format("1 + a"))
    take(memory, ended("delivered", story=story), approved=True)
    (stored,) = of(memory, Kind.CORRECTION)
    assert stored.item.text == "In cart.py, write `return 1 + a` instead of `return a + 1`"
    assert stored.item.data["original"] == "def f(a):\n    return a + 1"
    assert (stored.item.scope, stored.item.trainable) == ("cart.py", True)
    interrupt, run = signals(memory)
    assert (interrupt.source, run.source, run.reward) == ("interrupt", "run", 0.5)
    assert 0 < interrupt.reward < 1
    (generation,) = of(memory, Kind.GENERATION)
    assert generation.item.data["verdict"] == "modify"
    assert generation.item.trainable is False


def test_an_edited_plan_is_a_correction_of_the_plan(memory: SharedMemory) -> None:
    story = edited("plan", "goal: a\nstep: use unittest", "goal: a\nstep: use pytest")
    take(memory, ended("delivered", story=story))
    (stored,) = of(memory, Kind.CORRECTION)
    assert (
        stored.item.text == "In the plan, write `step: use pytest` instead of `step: use unittest`"
    )
    assert stored.item.scope == ""
    assert of(memory, Kind.GENERATION) == []  # nobody has judged the code


def test_a_rejected_patch_is_a_bad_mark_and_no_rule(memory: SharedMemory) -> None:
    take(memory, ended("rejected", reason="the patch was rejected: wrong place"))
    (signal,) = signals(memory)
    assert (signal.source, signal.reward) == ("interrupt", -1)
    assert signal.evidence["reason"] == "the patch was rejected: wrong place"
    assert of(memory, Kind.CORRECTION) == []
    (generation,) = of(memory, Kind.GENERATION)
    assert generation.item.data["verdict"] == "reject"


def test_why_it_was_rejected_may_teach_when_the_user_typed_it(memory: SharedMemory) -> None:
    why = "the plan was rejected: from now on, always use decimal for money"
    relayed = Outcome(status="rejected", reason=why, relayed=True)
    take(memory, ended("rejected", outcome=relayed, run_id="r0"))
    assert of(memory, Kind.PREFERENCE) == []
    take(memory, ended("rejected", diff="", reason=why))
    (rule,) = of(memory, Kind.PREFERENCE)
    assert "decimal for money" in rule.item.text
    assert rule.item.trainable


def test_an_edit_that_a_model_told_does_not_train(memory: SharedMemory) -> None:
    edit = Correction(where="plan", original="step: a", corrected="step: b", relayed=True)
    take(memory, ended("delivered", story=Story(corrections=(edit,))))
    (stored,) = of(memory, Kind.CORRECTION)
    assert (stored.item.provenance.source, stored.item.trainable) == ("relayed", False)


def test_an_approved_patch_is_an_accepted_generation(memory: SharedMemory) -> None:
    take(memory, ended("delivered"), approved=True)
    (generation,) = of(memory, Kind.GENERATION)
    assert (generation.item.data["verdict"], generation.item.data["tests_pass"]) == ("accept", True)


def test_a_failed_run_is_kept_with_what_surrounded_the_error(memory: SharedMemory) -> None:
    tests = TestState(verdict="red", problem=("assert 9 == 15",), output="= 1 failed =")
    take(memory, ended("failed", diff="", tests=tests))
    (stored,) = of(memory, Kind.FAILURE)
    assert stored.item.data["context"] == "assert 9 == 15\n= 1 failed ="
    (signal,) = signals(memory)
    assert (signal.reward, signal.evidence["error"]) == (-0.5, "assert 9 == 15")


def test_a_red_attempt_that_went_green_is_a_fault_with_its_fix(memory: SharedMemory) -> None:
    story = Story(reds=(Red(tree="t", said=("assert 9 == 15",)),))
    plan = Plan(goal="g", steps=("sum what is above",))
    take(memory, ended("delivered", story=story, plan=plan), "-x > 6\n+x > 5")
    (stored,) = of(memory, Kind.DEBUGGING)
    data = stored.item.data
    assert (data["symptoms"], data["fix"]) == ("assert 9 == 15", "-x > 6\n+x > 5")
    assert (data["approach"], data["effectiveness"]) == ("sum what is above", 1.0)


def test_a_refusal_says_nothing_of_the_code(memory: SharedMemory) -> None:
    take(memory, ended("refused", diff=""))
    assert signals(memory) == []


def test_secrets_are_not_stored_and_the_rewards_are(memory: SharedMemory, tmp_path: Path) -> None:
    story = edited("patch", PATCH.format("1"), PATCH.format(repr(TOKEN)))
    take(memory, ended("delivered", story=story, task=f"use {TOKEN}"), approved=True)
    take(memory, ended("rejected", reason=f"no {TOKEN}"))
    assert of(memory, Kind.CORRECTION) == []
    assert len(signals(memory)) == 3
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert files
    assert not any(TOKEN.encode() in path.read_bytes() for path in files)


def test_a_path_like_a_secret_leaves_the_reward_alone(memory: SharedMemory) -> None:
    take_run(memory, ended("failed", reason="x"), (f"a/{TOKEN}.py",), "", approved=False)
    assert [one.reward for one in signals(memory)] == [-0.5]


def test_a_rule_knows_the_runs_that_recalled_it_and_earns_their_rewards(
    memory: SharedMemory,
) -> None:
    rule, other = (Item(text=text, project="shop") for text in ("use pytest", "use tabs"))
    memory.put(rule, other)
    memory.journal.advance(other.id, Stage.WITHDRAWN)
    rules = tuple(BriefRule(id=one.text[-2:], text=one.text, item=one.id) for one in (rule, other))
    unknown = BriefRule(id="r3", text="of a session")
    brief = Brief(task="add x", rules=(*rules, unknown), tests_dir="tests")
    take(memory, ended("delivered", brief=brief))
    (step,) = memory.journal.stage_history(rule.id)
    assert (step.stage, step.evidence) == (Stage.RECALLED, {"run": "r1"})
    earned = memory.journal.mean_rewards([rule.id, other.id], Weights())
    assert earned == {rule.id: 0.5 / 4}


def test_weights_decide_how_much_a_feeling_counts(memory: SharedMemory) -> None:
    rule = Item(text="use pytest", project="shop")
    memory.put(rule)
    brief = Brief(task="x", rules=(BriefRule(id="r1", text="", item=rule.id),), tests_dir="tests")
    take(memory, ended("refused", diff="", brief=brief))
    at = memory.journal.get([rule.id])[rule.id].created
    felt = {"key": "k", "at": at, "source": "chat", "target": "r1", "reward": 1, "feeling": -1}
    memory.journal.signal(Signal.model_validate(felt))
    by = {
        weights: memory.journal.mean_rewards(
            [rule.id], Weights(implicit=weights[0], emotional=weights[1])
        )
        for weights in ((0.7, 0.3), (0, 1))
    }
    assert by[0.7, 0.3][rule.id] == pytest.approx(0.4 / 4)
    assert by[0, 1][rule.id] == pytest.approx(-1 / 4)


def test_settings_hold_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings(tmp_path).learning.weights == Weights(implicit=0.7, emotional=0.3)
    monkeypatch.setenv("MCP_LOCAL_LLM_LEARNING__EMOTIONAL", "0.5")
    assert load_settings(tmp_path).learning.weights.emotional == 0.5
    monkeypatch.setenv("MCP_LOCAL_LLM_LEARNING__EMOTIONAL", "-1")
    with pytest.raises(UsageError, match=r"learning\.emotional"):
        load_settings(tmp_path)


def test_an_edit_is_told_in_one_line() -> None:
    assert told_edit("a.py", "x\n", "x\ny\n") == "In a.py, the user added `y`"
    assert told_edit("a.py", "x\ny\n", "x\n") == "In a.py, the user took out `y`"
    long = told_edit("a.py", "a\n", "b " * 500)
    assert "\n" not in long
    assert len(long) < 300


@pytest.mark.parametrize(
    ("path", "old", "new", "kind"),
    [
        ("a.py", "f(a,b)", "f( a, b )", "style"),
        ("a.py", "total = 1", "amount = 1", "naming"),
        ("a.py", "x + 1", "x - 1", "logic"),
        ("tests/test_a.py", "assert x == 1", "assert x == 2", "tests"),
    ],
)
def test_the_kind_of_an_edit(path: str, old: str, new: str, kind: str) -> None:
    assert edit_type(path, old, new) == kind


def test_a_run_is_followed_from_its_red_attempt_to_what_the_user_made_of_it(
    run: Run,
    script: Script,
    project: Path,
    home: Path,
    demo: Demo,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = demo.code.replace("> 5", "> 6")
    script(implementer=[wrong, demo.simpler], refactorer=[demo.tags])
    ended = run(demo.task, "--yes", "--json").result
    assert ended.get("status") == "delivered", ended
    run_id = ended["run_id"]
    with SharedMemory(home, project_id(project)) as memory:
        (fault,) = memory.journal.live(Where(kinds=(Kind.DEBUGGING,)))
        assert "assert 9 == (6 + 9)" in str(fault.item.data["symptoms"])
        assert "v > 5" in str(fault.item.data["fix"])
    capsys.readouterr()
    assert follow_cli.main([]) == 0
    assert capsys.readouterr().out == "pieces of code: 2 open\n"
    cart = project / "shop" / "cart.py"
    cart.write_text(cart.read_text().replace("v > 5", "v >= 6"))
    demo.git(project, "config", "user.email", "tester@localhost")
    demo.git(project, "add", "--all")
    demo.git(project, "commit", "--quiet", "--message=mine")
    script(planner=[f"<plan>\ngoal: g\nrefuse: it is there\n</plan>\n{demo.tags}"])
    assert run(demo.task).code == 1
    with SharedMemory(home, project_id(project)) as memory:
        (learnt,) = memory.journal.live(Where(kinds=(Kind.CORRECTION,)))
        assert "v >= 6" in learnt.item.text
        assert learnt.item.trainable
        assert len(memory.journal.signals(target=run_id)) == 3
    assert follow_cli.main(["--json"]) == 0
    assert '"pending": 0' in capsys.readouterr().out


def test_an_approved_run_is_a_success_with_its_approach_and_rating(memory: SharedMemory) -> None:
    plan = Plan(goal="g", steps=("sum what is above", "test it"))
    take(memory, ended("delivered", plan=plan), approved=True)
    (stored,) = of(memory, Kind.SUCCESS)
    data = stored.item.data
    assert (data["task"], data["rating"]) == ("add x", 4)
    assert data["approach"] == "sum what is above; test it"
    assert not stored.item.trainable  # nobody typed it


def test_a_run_that_nobody_looked_at_is_no_success_yet(memory: SharedMemory) -> None:
    take(memory, ended("delivered"))
    assert of(memory, Kind.SUCCESS) == []


def test_what_went_well_is_replayed_more_often_and_what_went_badly_less(
    memory: SharedMemory,
) -> None:
    good, bad, new = (Item(text=text, project="shop") for text in ("use a", "use b", "use c"))
    kept = Item(kind=Kind.GENERATION, text="x = 1", project="shop", data={"satisfaction": 1.0})
    rated = Item(kind=Kind.SUCCESS, text="y = 1", project="shop", data={"rating": 2})
    memory.put(good, bad, new, kept, rated)
    for rule, run, status in ((good, "g", "delivered"), (bad, "b", "failed")):
        told = (BriefRule(id="R1", text=rule.text, item=rule.id),)
        brief = Brief(task="add x", rules=told, tests_dir="tests")
        take(memory, ended(status, run_id=run, brief=brief))
    items = {item.id: item for item in (good, bad, new, kept, rated)}
    found = memory.journal.replay_weights(items, Weights())
    assert 1 < found[good.id] < 2 and 0.5 < found[bad.id] < 1
    assert (found[new.id], found[kept.id]) == (1.0, 2.0)
    assert 0.5 < found[rated.id] < 1
