"""Checks that a rule's wording allows: they find what breaks it, and nothing else."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec
from tree_sitter import Language, Parser, Query

from agents.capture.checker import check_of
from agents.capture.scope import place_of
from memory.languages import grammar_of
from memory.records import Check
from tools.query_child import _hits as hits
from tools.rule_checks import ChangedFile, Finding, checked, require_valid
from tools.sandbox import CommandPolicy

DOCUMENTED = 'def area(side):\n    """Return it."""\n    return side\n'
# Rule, file, what breaks it, what keeps it.
CASES = [
    ("Never call print.", "a.py", "print(1)\n", "# print(1)\nlog.print(1)\n"),
    ("Never use `time.sleep` here.", "a.py", "time.sleep(1)\n", "asyncio.sleep(1)\n"),
    ("avoid datetime.utcnow()", "a.py", "x = datetime.utcnow()\n", "x = datetime.now(UTC)\n"),
    ("no console.log", "src/a.tsx", "console.log(1)\n", "myconsole.log(1)\nlogger.log(1)\n"),
    ("Don't import pandas.", "a.py", "import pandas as pd\n", "import pandas_like\n"),
    ("Use pathlib instead of os.path.", "a.py", "os.path.join(a)\n", "import os\nos.environ\n"),
    ("Use httpx instead of requests.", "a.py", "from requests import get\n", "requests = 1\n"),
    ("Use pytest, not unittest.", "a.py", "import unittest\n", "import pytest\n"),
    (
        "Use date-fns, never import moment.",
        "a.js",
        "import m from 'moment'\n",
        "const moment = 1\n",
    ),
    ("Use uv instead of pip.", "Dockerfile", "RUN pip install x\n", "RUN uv pip install x\n"),
    ("No wildcard imports.", "a.py", "from x import *\n", "from x import y\nz = a * b\n"),
    ("Never write a bare except.", "a.py", "except:\n", "except ValueError:\n"),
    ("Raise UsageError, not ValueError.", "a.py", "raise ValueError('x')\n", "raise UsageError\n"),
    ("Keep lines under 80 characters.", "a.py", "x" * 81 + "\n", "x" * 80 + "\n"),
    ("Every public function needs a docstring.", "a.py", "def f():\n    return 1\n", DOCUMENTED),
    (
        "All functions must have type hints.",
        "a.py",
        "def f(a) -> int:\n    return 1\n",
        "class A:\n    def f(self, a: int) -> int:\n        return 1\n",
    ),
    (
        "All classes have docstrings.",
        "a.py",
        "class A:\n    x = 1\n",
        'class A:\n    """It is."""\n',
    ),
    ("Function names are snake_case.", "a.py", "def getIt(): ...\n", "def get_it(): ...\n"),
    ("No lambdas.", "a.py", "f = lambda x: x\n", "lambda_ = 1\n"),
    ("Never add type: ignore.", "a.py", "x = y  # type: ignore[misc]\n", "type = ignore\n"),
    ("Use f-strings, not format().", "a.py", "x = '{}'.format(1)\n", "x = format(1)\n"),
    ("Never use tabs.", "a.py", "\tx = 1\n", "x = 1\t# y\n"),
    ("no emojis please", "README.md", "Done \U0001f389\n", "Done → fine\n"),
    ("Don't leave TODOs in the code.", "a.go", "// TODO later\n", "// todos are listed\n"),
    ("No any in TypeScript.", "a.ts", "let a: any\n", "let any = 1\n"),
    ("Use const, never var.", "a.js", "var a = 1\n", "const a = 1\n"),
    ("Use === instead of ==.", "a.js", "if (a == b) {}\n", "if (a === b) {}\n"),
    ("In src/api never call print.", "src/api/b/a.py", "print(1)\n", "log(1)\n"),
    ("In Python, don't use the global statement.", "a.py", "def f():\n    global x\n", "x = 1\n"),
]


async def told(check: Check, path: str, text: str, folder: Path) -> Finding:
    policy = CommandPolicy(python=Path(sys.executable), allow_unsandboxed=True, timeout_s=60)
    return await checked(check, [ChangedFile(path, "", text)], folder, policy)


def found_by(check: Check, path: str, text: str) -> list[int]:
    """Return the lines that ``check`` finds in ``text``, without a process of its own."""
    assert GitIgnoreSpec.from_lines([check.paths]).match_file(path)
    if check.regex:
        lines = enumerate(text.splitlines(), 1)
        return [row for row, line in lines if re.search(check.regex, line)]
    grammar = grammar_of(check.paths)
    assert grammar is not None
    language = Language(getattr(importlib.import_module(grammar[0]), grammar[1])())
    return [row for row, _ in hits(Query(language, check.query), Parser(language), text)]


@pytest.mark.parametrize(("rule", "path", "broken", "kept"), CASES, ids=[c[0] for c in CASES])
def test_a_check_tells_what_breaks_the_rule_from_what_keeps_it(
    rule: str, path: str, broken: str, kept: str
) -> None:
    check = check_of(rule, place_of(rule))
    assert check is not None
    rows = found_by(check, path, kept + broken)
    assert rows and min(rows) > kept.count("\n")


@pytest.mark.parametrize("case", CASES[:1] + CASES[3:4], ids=["query", "expression"])
async def test_a_change_that_breaks_the_rule_is_found(
    case: tuple[str, str, str, str], tmp_path: Path
) -> None:
    rule, path, broken, kept = case
    check = check_of(rule, place_of(rule))
    assert check is not None
    finding = await told(check, path, kept + broken, tmp_path)
    assert finding.verdict == "violated"
    assert finding.why.startswith(f"{path}:3:")


async def test_a_check_may_ask_for_something_in_every_file(tmp_path: Path) -> None:
    rule = "Every module has a docstring."
    check = check_of(rule, place_of(rule))
    assert check is not None
    await require_valid(check)
    kept = await told(check, "a.py", '# licence\n"""What it is."""\nimport a\n', tmp_path)
    broken = await told(check, "a.py", 'import a\n"""What it is."""\n', tmp_path)
    assert (kept.verdict, broken.verdict) == ("verified", "violated")


@pytest.mark.parametrize(
    ("rule", "same"),
    [
        ("No print statements, use the logger.", "Never call print."),
        ("Use the logger instead of print().", "Never call print."),
        ("stop using print", "Never call print."),
        ("Use pathlib, never os.path.", "Use pathlib instead of os.path."),
        ("Max line length is 100.", "Keep lines under 100 characters."),
        ("No naked except please.", "Never write a bare except."),
        ("Don't import `requests`.", "Use httpx instead of requests."),
    ],
)
def test_other_words_have_the_same_check(rule: str, same: str) -> None:
    assert check_of(rule, place_of(rule)) == check_of(same, place_of(same)) is not None


@pytest.mark.parametrize(
    ("rule", "broken", "kept"),
    [
        ("Don't catch Exception.", "except Exception as e:", "except OSError as e:"),
        ("Use pnpm, not npm.", "- run: npm ci", "- run: pnpm ci"),
        ("No default exports.", "export default App", "export { App }"),
        ("In TypeScript never import lodash.", "import x from 'lodash/map'", "const lodash = 1"),
        ("In JavaScript, don't use alert.", "alert('x')", "this.alert('x')"),
        ("no FIXME", "# FIXME later", "# fixmeup"),
    ],
)
def test_an_expression_finds_what_breaks_the_rule(rule: str, broken: str, kept: str) -> None:
    check = check_of(rule, place_of(rule))
    assert check is not None
    assert re.search(check.regex, broken)
    assert not re.search(check.regex, kept)


@pytest.mark.parametrize(
    "rule",
    [
        "Never call print except in scripts.",
        "Don't use eval unless I say so.",
        "No TODO without a ticket number.",
        "Never delete files without asking.",
        "Use the right words instead of code.",
        "Use simple types instead of strings.",
        "Use events instead of requests.",
        "Don't use input from the user.",
        "Never open a socket.",
        "In the API never call print.",
        "In tests, don't use print.",
        "Commit messages must not contain emojis.",
        "In Go never call print.",
        "In JavaScript use x instead of os.path.",
        "Functions are shorter than 40 lines.",
        "Keep diffs under 100 lines.",
        "Show 25 lines.",
        "Type line 88 properly.",
        "We don't have a rule about tabs.",
        "make test, never call pytest directly",
        "Don't use requests, everything goes through our wrapper.",
        "Write short docstrings.",
        "Prices are in cents.",
        "Don't copy files.",
        "Do not test the parser.",
        "In a.go no print statements.",
        "no",
        "",
    ],
)
def test_a_wording_that_leaves_doubt_has_no_check(rule: str) -> None:
    assert check_of(rule, place_of(rule, path="a.go")) is None


def test_a_check_looks_where_the_rule_holds_and_nowhere_else() -> None:
    def paths(rule: str, path: str = "") -> str:
        check = check_of(rule, place_of(rule, path=path))
        assert check is not None
        return check.paths

    assert paths("Never call print.") == "**/*.py"
    assert paths("In lib/ never call print.") == "lib/**/*.py"
    assert paths("In this file never call print.", "lib/a.py") == "/lib/a.py"
    assert paths("Keep lines under 80 characters in TypeScript.") == "**/*.ts"
