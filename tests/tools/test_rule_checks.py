"""Checks of rules: what they find in a change, and what they can say nothing about."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from mcp_local_llm import UsageError
from memory.records import Check, Item
from tools.rule_checks import ChangedFile, Finding, checked, require_valid
from tools.sandbox import CommandPolicy

PYTHON = Path(sys.base_prefix, "bin", "python3")
EVAL = '((call function: (identifier) @f) (#eq? @f "eval"))'
OLD = "x = 1\nprint(x)\n"


async def found(check: Check, *files: ChangedFile, folder: Path, limit_s: float = 60) -> Finding:
    policy = CommandPolicy(python=PYTHON, allow_unsandboxed=True, timeout_s=limit_s)
    return await checked(check, files, folder, policy)


def changed(after: str, before: str = OLD, path: str = "shop/cart.py") -> ChangedFile:
    return ChangedFile(path, before, after)


async def test_a_fresh_line_that_matches_is_named_and_an_old_one_is_not(tmp_path: Path) -> None:
    check = Check(regex=r"\bprint\(")
    kept = await found(check, changed(OLD + "y = 2\n"), folder=tmp_path)
    assert kept == Finding("verified", "holds in 1 changed file")
    broken = await found(check, changed("y = 2\n" + OLD + "  print(y)\n"), folder=tmp_path)
    assert broken == Finding("violated", "shop/cart.py:4: print(y)")


async def test_every_changed_file_has_to_match_when_that_is_asked(tmp_path: Path) -> None:
    check = Check(regex="^# licence", must="match")
    good, bad = changed("# licence\n" * 200, path="a.py"), changed("x\n", path="b.py")
    assert (await found(check, good, folder=tmp_path)).verdict == "verified"
    broken = await found(check, good, bad, folder=tmp_path)
    assert broken == Finding("violated", "b.py: nothing matches /^# licence/")


async def test_only_files_that_the_glob_names_are_looked_at(tmp_path: Path) -> None:
    check = Check(regex="print", paths="shop/**/*.py")
    other = changed("print\n", path="tools/a.py")
    elsewhere = await found(check, other, folder=tmp_path)
    assert elsewhere == Finding("unverified", "no changed file is one of 'shop/**/*.py'")
    inside = changed("print\n", path="shop/deep/a.py")
    assert (await found(check, other, inside, folder=tmp_path)).verdict == "violated"


@pytest.mark.parametrize(
    ("path", "query", "before", "after"),
    [
        ("a.py", EVAL, "eval(a)\n", "b = 1\neval(a)\neval(b)\n"),
        ("a.ts", "(any) @x", "", "let a = 1\n\nlet b: any\n"),
        ("a.ts", '((predefined_type) @t (#eq? @t "any"))', "", "let a = 1\n\nlet b: any\n"),
        ("a.go", "(go_statement) @go", "", "package a\n\nfunc f() { go g() }\n"),
    ],
)
async def test_a_query_finds_what_is_fresh_in_python_typescript_and_go(
    path: str, query: str, before: str, after: str, tmp_path: Path
) -> None:
    result = await found(
        Check(query=query, paths="**"), changed(after, before, path), folder=tmp_path
    )
    if query == "(any) @x":  # no node of this grammar: said, never guessed
        assert result.verdict == "unverified" and "could not be checked" in result.why
    else:
        assert result.verdict == "violated" and result.why.startswith(f"{path}:3: ")
        assert "and" not in result.why


async def test_a_query_may_be_required_and_skips_what_it_cannot_read(tmp_path: Path) -> None:
    check = Check(query="(module (expression_statement (string)) @doc)", must="match")
    good, bad = changed('"""Doc."""\n', path="a.py"), changed("x = 1\n", path="b.py")
    assert (await found(check, good, folder=tmp_path)).verdict == "verified"
    assert (await found(check, good, bad, folder=tmp_path)).why == "b.py: nothing matches the query"
    text = await found(check, changed("hello\n", path="a.txt"), folder=tmp_path)
    assert text == Finding("unverified", "no changed file is in a language that can be queried")


async def test_a_command_decides_by_how_it_ends(tmp_path: Path) -> None:
    (tmp_path / "ok.txt").touch()
    file = changed("")
    kept = await found(Check(command=("test", "-f", "ok.txt")), file, folder=tmp_path)
    assert kept == Finding("verified", "test -f ok.txt ends with 0")
    broken = await found(Check(command=("sh", "-c", "echo cyclic; exit 3")), file, folder=tmp_path)
    assert broken.verdict == "violated" and broken.why.endswith("ends with 3: cyclic")
    slow = await found(Check(command=("sleep", "30")), file, folder=tmp_path, limit_s=0.2)
    assert slow == Finding("unverified", "sleep 30 did not end in 0.2 s")
    absent = await found(Check(command=("no-such-program",)), file, folder=tmp_path)
    assert absent.verdict == "unverified" and "no-such-program" in absent.why


async def test_many_places_are_counted_and_many_files_are_not_looked_at(tmp_path: Path) -> None:
    many = await found(Check(regex="p"), changed("p\n" * 9, ""), folder=tmp_path)
    assert many.why.endswith("cart.py:3: p (and 6 more)")
    files = [changed("", path=f"{number}.py") for number in range(51)]
    assert (await found(Check(regex="p"), *files, folder=tmp_path)).verdict == "unverified"


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (Check(regex="("), "no regular expression"),
        (Check(query="((call)", paths="*.py"), "cannot be used"),
        (Check(query="(no_such_node) @x", paths="*.py"), "no_such_node"),
        (Check(query="(call)", paths="*.py"), "nothing is captured"),
        (Check(query="(call) @x", paths="*.cob"), "which language"),
    ],
)
async def test_a_check_that_cannot_work_is_refused_when_it_is_taught(
    check: Check, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        await require_valid(check)


async def test_usable_checks_are_accepted() -> None:
    await require_valid(Check(query=EVAL, paths="**/*.py"))
    await require_valid(Check(command=("true",)))


def test_a_check_is_exactly_one_of_three() -> None:
    for parts in ({}, {"regex": "a", "query": "b"}, {"regex": "a", "marker": "no category"}):
        with pytest.raises(ValidationError):
            Check.model_validate(parts)


def test_an_item_tells_its_check_when_it_holds_a_usable_one() -> None:
    assert Item(text="x").check is None
    assert Item(text="x", data={"check": {"regexp": "a"}}).check is None
    assert Item(text="x", data={"check": {"regex": "a"}}).check == Check(regex="a")
