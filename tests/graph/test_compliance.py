"""Rules with checkers in real runs, and tags that the graph repairs: JSON, report and `show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from graph import context_cli, memory_cli
from graph.outcome import repairs_by_role
from graph.state import Step
from graph.tag_counts import tag_counts, tag_problem
from memory.records import SOURCE

if TYPE_CHECKING:
    from tests.graph.conftest import Demo, Ended, Run, Script

pytestmark = pytest.mark.slow

RULE = "Never use a generator expression"
TAGS = '<tags prompt="compact-1" rules="r1" level="flexible" marks="concept:list pattern:plain"/>'
PLAIN = f"""<tool:fs.edit path="shop/cart.py" symbol="total_above">
def total_above(values):
    above = [value for value in values if value > 5]
    return sum(above)
</tool>
{TAGS}"""
NOTHING = [TAGS]


def teach(*words: str) -> None:
    assert memory_cli.remember(list(words)) == 0


@pytest.fixture
def rule(project: Path, searched_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    query = "(generator_expression) @here"
    teach(RULE, "--check-query", query, "--check-paths", "shop/*.py", "--marker", "pattern:plain")


def roles(ended: Ended) -> list[str]:
    return [step["role"] for step in ended.result["steps"]]


@pytest.mark.usefixtures("rule")
def test_a_broken_rule_is_mended_once_and_no_later_role_may_break_it_again(
    run: Run, script: Script, demo: Demo
) -> None:
    script(implementer=[demo.code, PLAIN], doc_writer=NOTHING)  # the refactorer breaks it again
    ended = run(demo.task, "--json")
    result = ended.result
    assert result["status"] == "delivered" and "[value for" in result["diff"]
    (note,) = result["notes"]
    assert note.startswith("the refactorer's edits broke a rule and were undone (rule r1")
    assert roles(ended).count("implementer") == 2
    (verdict,) = result["compliance"]
    assert (verdict["rule"], verdict["marker"]) == ("r1", "pattern:plain")
    assert verdict["verdict"] == "verified"
    mended = [step for step in result["steps"] if step["role"] == "implementer"][1]
    worth = {
        each["rule"] or each["marker"]: each["verdict"] for each in mended["tags"]["compliance"]
    }
    assert worth == {"r1": "verified", "concept:list": "unverified"}
    assert mended["tags"]["rules"] == ["r1"]
    assert "<td>r1</td><td>pattern:plain</td>\n<td>verified</td>" in page(result)
    shown = run("show", result["run_id"]).out
    assert "rule r1 pattern:plain verified: holds in 1 changed file\n" in shown


@pytest.mark.usefixtures("rule")
def test_a_rule_that_stays_broken_is_delivered_as_violated_and_said(
    run: Run, script: Script, demo: Demo
) -> None:
    again = demo.simpler
    script(implementer=[demo.code, again], refactorer=NOTHING, doc_writer=NOTHING)
    ended = run(demo.task, "--json")
    result = ended.result
    assert result["status"] == "delivered" and roles(ended).count("implementer") == 2
    assert result["compliance"][0]["verdict"] == "violated"
    (note,) = result["notes"]
    assert note.startswith(f"rule r1 ({RULE}) is broken: shop/cart.py:")


@pytest.mark.usefixtures("rule")
def test_mending_that_breaks_the_tests_is_undone(run: Run, script: Script, demo: Demo) -> None:
    wrong = PLAIN.replace("> 5", "> 6")
    script(implementer=[demo.code, wrong], refactorer=NOTHING, doc_writer=NOTHING)
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered" and "value > 5)" in result["diff"]
    assert [step["reverted"] for step in result["steps"]].count(True) == 1
    (note,) = result["notes"]
    assert "made the tests red and were undone" in note and "is broken" in note
    assert result["tests"]["verdict"] == "green"


def page(result: dict[str, Any]) -> str:
    return Path(result["report"]).read_text("utf-8")


def test_every_reply_has_both_layers_and_repairs_are_counted(
    run: Run, script: Script, demo: Demo, project: Path, searched_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(project)
    teach("Never use globals")
    teach("A cart is a list of values that are added up", "--kind", "definition")
    bare = demo.code.removesuffix(demo.tags)
    odd = demo.simpler.replace('marks="concept:list"', 'rules="r9" marks="list"')
    script(implementer=[bare, "That is all."], refactorer=[odd])
    result = run(demo.task, "--json").result
    assert result["status"] == "delivered"
    assert result["repairs"] == {
        "implementer": {"missing": 1},
        "refactorer": {"rule": 1, "marker": 1},
    }
    steps = [Step.model_validate(step) for step in result["steps"]]
    assert [step.role for step in steps] == [
        "planner", "tester", "implementer", "refactorer", "doc_writer",
    ]  # fmt: skip
    for step in steps:
        assert tag_problem(step) == ""
        assert step.tags.source == SOURCE and step.tags.model
        assert [rule.text for rule in step.window.active_rules] == ["Never use globals"]
        assert len(step.window.definitions) == 1 and len(step.window.knowledge_updates) == 2
        assert step.window.tokens.prompt > 0
        assert "shop/cart.py" in {tag.region for tag in step.tags.levels}
    assert steps[3].tags.markers == ("concept:list",)
    counts = tag_counts(steps)
    assert (counts["implementer"].written, counts["implementer"].valid) == (0, 1)
    assert (counts["planner"].written, counts["planner"].replies) == (1, 1)
    assert "3 of 5 answers had valid tags as written" in page(result)
    shown = run("show", result["run_id"]).out
    assert "tags: 3 of 5 answers valid as written\n" in shown
    assert "tags of the refactorer mended: rule 1, marker 1\n" in shown
    assert "checked" not in shown


def test_tags_that_are_not_valid_are_found_in_the_records(demo: Demo) -> None:
    good = Step.model_validate(
        {
            "role": "tester",
            "attempt": 1,
            "status": "done",
            "duration_s": 1,
            "started_s": 0,
            "changed": ("a.py",),
            "window": {"prompt_id": "full-1", "active_rules": [{"id": "r1", "text": "x"}]},
            "tags": {"model": "m", "levels": [{"region": "a.py", "level": "strict"}]},
        }
    )
    assert tag_problem(good) == ""
    wrong: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"source": "someone"}, {}, "source"),
        ({"model": ""}, {}, "model"),
        ({"rules": ("r2",)}, {}, "not in force"),
        ({"levels": ()}, {}, "a.py has no level"),
        ({"markers": ("none",)}, {}, "out of shape"),
        ({}, {"prompt_id": "other"}, "no prompt 'other'"),
    ]
    for tags, window, words in wrong:
        bad = good.model_copy(
            update={
                "tags": good.tags.model_copy(update=tags),
                "window": good.window.model_copy(update=window),
            }
        )
        assert words in tag_problem(bad)
    assert repairs_by_role([good, good.model_copy(update={"repairs": ("level",)})]) == {
        "tester": {"level": 1}
    }


def test_the_context_window_of_a_project_needs_no_model(
    project: Path,
    searched_home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project)
    teach("Never use globals")
    teach("A cart is a list of values", "--kind", "definition")
    teach("The cart adds up values")
    capsys.readouterr()
    assert context_cli.main(["--json"]) == 0
    window = json.loads(capsys.readouterr().out)
    assert [rule["text"] for rule in window["active_rules"]] == ["Never use globals"]
    assert [each["text"] for each in window["definitions"]] == ["A cart is a list of values"]
    assert len(window["knowledge_updates"]) == 3 and window["tokens"]["rules"] > 0
    assert context_cli.main(["--task", "let the cart add up"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("prompt compact-1: ") and "The cart adds up values" in shown
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "local")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__MODEL_PATH", str(project / "no-model"))
    assert context_cli.main([]) == 0
    assert capsys.readouterr().out.startswith("prompt full-1: ")
    monkeypatch.setenv("MCP_LOCAL_LLM_MODEL__PROFILE", "nonsense")
    assert context_cli.main([]) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--check-regex", "("], "no regular expression"),
        (["--check-regex", "a", "--check-command", "b"], "exactly one"),
        (["--check-regex", ""], "exactly one"),
        (["--marker", "a:b"], "belong to a check"),
        (["--check-regex", "a", "--marker", "plain"], "no check (marker"),
        (["--check-command", "a 'b"], "cannot be split"),
        (["--check-command", "true", "--check-must-match"], "has to end with 0"),
        (["--check-query", "(call"], "cannot be used"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused(
    words: list[str], said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert memory_cli.remember(["Keep it plain", *words]) == 2
    assert said in capsys.readouterr().err


def test_what_a_check_holds_may_be_no_secret(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    assert memory_cli.remember(["Keep it plain", "--check-regex", key]) == 2
    assert "secret" in capsys.readouterr().err
