"""Bounded loops and honest ends: what the graph demands of a model that gets things wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memory.policy_store import PolicyStore
from memory.project import project_id

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Run, Script

pytestmark = pytest.mark.slow


def test_a_test_that_passes_already_goes_back_to_the_tester(
    run: Run, script: Script, demo: Demo
) -> None:
    green = demo.new_test.replace("import total_above", "import total").replace(
        "total_above([3, 6, 9]) == 6 + 9", "total([6, 9]) == 6 + 9"
    )
    broken = demo.new_test.replace("):\n", ")\n")
    empty = demo.new_test.replace("def test_only", "def only")
    script(tester=[green, broken, empty])
    ended = run(demo.task, "--json")
    assert ended.code == 1
    result = ended.result
    assert result["status"] == "failed"
    assert "no usable failing test after 3 attempts" in result["reason"]
    assert "holds no test function" in result["reason"]
    assert [step["attempt"] for step in result["steps"]] == [1, 1, 2, 3]


def test_a_mended_test_is_accepted(run: Run, script: Script, demo: Demo) -> None:
    stray = demo.new_test.replace("shop.cart", "warehouse.cart")
    script(tester=[stray, demo.new_test], refactorer=[demo.tags], doc_writer=[demo.tags])
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered"
    assert [step["role"] for step in result["steps"]].count("tester") == 2


def test_a_wrong_implementation_is_mended_from_what_pytest_said(
    run: Run, script: Script, demo: Demo
) -> None:
    wrong = demo.code.replace("value > 5", "value > 6")
    script(implementer=[wrong, demo.simpler], refactorer=[demo.tags], doc_writer=[demo.tags])
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered"
    assert [step["role"] for step in result["steps"]].count("implementer") == 2


def test_an_implementation_that_stays_red_fails_with_the_last_output(
    run: Run, script: Script, monkeypatch: pytest.MonkeyPatch, demo: Demo
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__IMPLEMENT_ATTEMPTS", "2")
    wrong = demo.code.replace("value > 5", "value > 6")
    script(implementer=[wrong, demo.simpler.replace("v > 5", "v > 7")])
    ended = run(demo.task)
    assert ended.code == 1
    assert "still red after 2 attempts" in ended.out
    assert "assert 9 == (6 + 9)" in ended.out
    assert "+def total_above" in ended.out


def test_a_refactoring_that_turns_the_tests_red_is_undone(
    run: Run, script: Script, demo: Demo
) -> None:
    worse = demo.simpler.replace("v > 5", "v > 6")
    documented = demo.documented.replace("v for v in", "value for value in").replace(
        "if v >", "if value >"
    )
    script(refactorer=[worse], doc_writer=[documented])
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered"
    assert "> 6" not in result["diff"]
    assert "above five" in result["diff"]
    assert [step["reverted"] for step in result["steps"]] == [False, False, False, True, False]
    assert "refactorer's edits made the tests red" in result["notes"][0]


def test_tests_that_were_red_before_may_stay_red_but_no_others(
    run: Run, script: Script, project: Path, demo: Demo
) -> None:
    (project / "tests" / "test_known.py").write_text("def test_old_trouble():\n    assert 0\n")
    (project / "tests" / "test_lost.py").write_text("import nowhere\n")
    mended = demo.code.replace("fs.append", "fs.write").replace(
        "def total_above", "def total(values):\n    return sum(values)\n\n\ndef total_above"
    )
    script(
        implementer=[mended.replace("return sum(values)", "return 0"), mended],
        refactorer=[demo.tags],
        doc_writer=[demo.tags],
    )
    ended = run(demo.task, "--json")
    result = ended.result
    assert ended.code == 0, ended.err
    assert result["status"] == "delivered"
    assert "2 failed before the change" in result["tests"]["baseline"]
    assert len(result["tests"]["known_failures"]) == 2
    assert [step["role"] for step in result["steps"]].count("implementer") == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("STEPS", "1", "1 role turns"), ("TOKENS", "1", "token"), ("WALL_S", "0.001", "limit")],
)
def test_the_limits_of_a_run_end_it_with_a_reason(
    run: Run,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    demo: Demo,
    name: str,
    value: str,
    words: str,
) -> None:
    monkeypatch.setenv(f"MCP_LOCAL_LLM_LIMITS__{name}", value)
    script()
    ended = run(demo.task, "--json")
    assert ended.code == 1
    assert ended.result["status"] == "failed"
    assert words in ended.result["reason"]


@pytest.mark.parametrize(("prompts", "replies"), [("full", 5), ("compact", 2)])
def test_a_planner_that_never_plans_fails_honestly(
    run: Run,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    demo: Demo,
    prompts: str,
    replies: int,
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROMPTS", prompts)
    read = '<tool:fs.read path="shop/cart.py"/>'
    script(planner=[read] * 6)
    ended = run(demo.task, "--json")
    assert ended.code == 1
    assert "no usable plan" in ended.result["reason"]
    assert len(ended.result["steps"][0]["exchanges"]) == replies


@pytest.mark.parametrize(("prompts", "attempts"), [("full", 4), ("compact", 3)])
def test_a_small_model_that_gives_what_failed_before_gets_no_further_attempt(
    run: Run,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    demo: Demo,
    prompts: str,
    attempts: int,
) -> None:
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROMPTS", prompts)
    monkeypatch.setenv("MCP_LOCAL_LLM_LIMITS__IMPLEMENT_ATTEMPTS", "4")
    wrong = demo.code.replace("value > 5", "value > 6")
    back = demo.simpler.replace("v for v", "value for value").replace("v > 5", "value > 6")
    others = [demo.simpler.replace("v > 5", f"v > {number}") for number in (7, 8)]
    script(implementer=[wrong, others[0], back, others[1]])
    result = run(demo.task, "--json").result
    assert f"still red after {attempts} attempts" in result["reason"]
    assert "assert 9 == (6 + 9)" in result["tests"]["output"]
    assert [step["role"] for step in result["steps"]].count("implementer") == attempts


def test_a_small_model_that_writes_the_same_unusable_test_gets_no_further_attempt(
    run: Run, script: Script, demo: Demo
) -> None:
    empty = demo.new_test.replace("def test_only", "def only")
    script(tester=[empty] * 3)
    result = run(demo.task, "--json").result
    assert "no usable failing test after 2 attempts" in result["reason"]


def test_what_a_command_changes_outside_the_roles_scope_is_undone(
    run: Run, script: Script, demo: Demo, home: Path, project: Path
) -> None:
    sneaky = '<tool:cmd.run argv="touch tests/test_sneaky.py shop/fine.txt"/>\n'
    denied = [f'<tool:cmd.run argv="ls"/>\n<tool:fs.read path="../key"/>\n{demo.tags}'] * 2
    script(
        implementer=[sneaky + demo.code],
        refactorer=[*denied, demo.tags],
        doc_writer=[demo.tags],
    )
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered"
    assert "test_sneaky" not in result["diff"]
    assert "shop/fine.txt" in result["diff"]
    logged = PolicyStore(home, project_id(project), project).violations()
    assert {(one.rule, one.where, one.by.partition(",")[0]) for one in logged} == {
        ("CREW-2", "tests/test_sneaky.py", "implementer"),
        ("CREW-1", "cmd.run", "refactorer"),
        ("CREW-4", "fs.read", "refactorer"),
    }
    assert len(logged) == 3 and all(result["run_id"] in one.by for one in logged)
    assert "tests stay as they are" in logged[-1].why
