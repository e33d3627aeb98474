"""Principles of code, by its syntax: what breaks them is named, what keeps them passes."""

from __future__ import annotations

import pytest

from mcp_local_llm import UsageError
from tools.principles import PRINCIPLES, check_principles


def broken(code: str, principle: str) -> list[str]:
    report = check_principles(code, [principle])
    assert bool(report.violations) == bool(report.suggestions)
    return [each.what for each in report.violations]


def test_a_guard_that_lets_everybody_pass_is_flagged_by_two_principles() -> None:
    code = "def auth_user(username, password): return True"
    report = check_principles(code, ["input_validation", "error_handling", "security"])
    assert {each.principle for each in report.violations} == {"input_validation", "security"}
    assert report.principle_score == 0.0
    assert "error_handling" not in report.scores


@pytest.mark.parametrize(
    ("principle", "code", "said"),
    [
        ("input_validation", "def f(a): return 1", "never looks at it"),
        ("input_validation", "def f(a, b): return a / b", "without a check"),
        ("error_handling", "try:\n    f()\nexcept:\n    g()", "every error"),
        ("error_handling", "try:\n    f()\nexcept Exception:\n    g()", "every error"),
        ("error_handling", "try:\n    f()\nexcept KeyError:\n    pass", "swallows"),
        ("error_handling", "def f(p):\n    return open(p)", "nobody here handles"),
        ("security", "eval(x)", "runs text as code"),
        ("security", "import os\nos.system(x)", "shell"),
        ("security", "subprocess.run(x, shell=True)", "shell"),
        ("security", "requests.get(u, verify=False)", "certificate"),
        ("security", "db.execute(f'select {x}')", "query"),
        ("security", "db.execute('select %s' % x)", "query"),
        ("security", "db.execute('select {}'.format(x))", "query"),
        ("security", "yaml.load(x)", "any object"),
        ("security", "API_KEY: str = 'abcd'", "secret in the code"),
        ("security", "def check_login(user, password):\n    return bool(user)", "password"),
        ("documentation", "class A: ...", "no docstring"),
        ("simplicity", "def f():\n" + "    x = 1\n" * 60, "lines"),
    ],
)
def test_what_breaks_a_principle_is_named(principle: str, code: str, said: str) -> None:
    assert any(said in what for what in broken(code, principle)), broken(code, principle)


@pytest.mark.parametrize(
    ("principle", "code"),
    [
        ("input_validation", "def f(a):\n    if a < 0:\n        raise ValueError(a)\n    return a"),
        ("input_validation", "def f(a):\n    validate(a)"),
        ("input_validation", "def f(a):\n    match a:\n        case 1: return 2"),
        (
            "input_validation",
            "def f(a):\n    try:\n        return g(a)\n    except KeyError: raise",
        ),
        ("input_validation", "def _f(a): return 1\ndef g(): return 2\ndef h(a): ..."),
        ("error_handling", "try:\n    f()\nexcept Exception:\n    log()\n    raise"),
        ("error_handling", "try:\n    x = open(p)\nexcept OSError:\n    x = None\nint('3')"),
        ("security", "yaml.load(x, Loader=yaml.SafeLoader)\nsubprocess.run([x], shell=False)"),
        ("security", "db.execute('select ?', (x,))\nPASSWORD = read()\ntoken = ''"),
        (
            "security",
            "def check_login(user, password):\n    return compare(user, password)",
        ),
        ("documentation", "def f():\n    '''Return 1.'''\n    return 1"),
        ("simplicity", "def f(): return 1"),
    ],
)
def test_what_keeps_a_principle_passes(principle: str, code: str) -> None:
    assert broken(code, principle) == []
    assert check_principles(code, [principle]).principle_score == 1.0


def test_none_named_means_all_and_names_may_be_worded_freely() -> None:
    assert set(check_principles("def f(a): return 1", []).scores) <= set(PRINCIPLES)
    assert check_principles("eval(x)", ["Security"]).violations
    assert check_principles("def f(a): return 1", ["input validation"]).scores == {
        "input_validation": 0.0
    }


@pytest.mark.parametrize(
    ("code", "principles", "said"),
    [
        ("def", [], "no Python"),
        ("x\0", [], "no Python"),
        ("x = 1\n" * 50_000, [], "in parts"),
        ("x = 1", ["beauty"], "there are: input_validation"),
    ],
)
def test_what_cannot_be_checked_is_told(code: str, principles: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_principles(code, principles)
