"""The roles and what they are told: few tools, small prompts, one form for each profile."""

from __future__ import annotations

import pytest

import prompts
from agents.brief import Brief, BriefFile, render_brief
from agents.crew import ROLES
from agents.reply import Plan, render_plan
from agents.tokens import EstimatedTokens
from tools.registry import TOOLS

PROMPT_LIMIT_TOKENS = 1_200


def test_the_crew_works_in_this_order() -> None:
    assert list(ROLES) == ["planner", "tester", "implementer", "refactorer", "doc_writer"]


@pytest.mark.parametrize("name", list(ROLES))
def test_a_role_has_few_tools_and_all_of_them_exist(name: str) -> None:
    assert 3 <= len(ROLES[name].scope.tools) <= 6
    assert set(ROLES[name].scope.tools) <= set(TOOLS)


@pytest.mark.parametrize("name", list(ROLES))
def test_system_prompt_and_tools_stay_below_their_limit(name: str) -> None:
    plan = Plan(goal="g", steps=("s",), test="tests/test_g.py")
    system = prompts.render("full/system")
    opening = ROLES[name].opening("full", plan=plan, tests="red")
    counted = EstimatedTokens().count([("system", system), ("user", opening)])
    assert counted <= PROMPT_LIMIT_TOKENS
    assert opening.endswith(f"role: {name}")


def test_the_tester_is_shown_the_plan_it_has_to_test() -> None:
    plan = Plan(goal="g", steps=("s",), test="tests/test_g.py")
    opening = ROLES["tester"].opening("full", plan=plan, failures=["it passed"])
    assert render_plan(plan) in opening
    assert "problem: it passed" in opening


@pytest.mark.parametrize("name", list(ROLES))
def test_the_compact_turn_holds_nothing_but_tests_failures_and_role(name: str) -> None:
    plan = Plan(goal="g", steps=("s",), test="tests/test_g.py")
    opening = ROLES[name].opening("compact", plan=plan, tests="red", failures=["assert 1 == 2"])
    assert opening == f"tests: red\nassert 1 == 2\nrole: {name}"
    assert ROLES[name].opening("compact", plan=None) == f"role: {name}"


@pytest.mark.parametrize("profile", list(prompts.PROMPT_IDS))
def test_both_profiles_show_results_and_files(profile: str) -> None:
    result = {"ok": False, "call": "fs.read", "text": "not there"}
    told = prompts.render(f"{profile}/results", results=[result], role="tester")
    assert told.startswith("error: fs.read: not there")
    assert told.endswith("role: tester")
    brief = Brief(task="t", files=(BriefFile(path="a.py", module="a", text="x = 1\n\n\ny = 2"),))
    assert "file: a.py (module a)\nx = 1\n\n\ny = 2\nend of file" in render_brief(brief, profile)
