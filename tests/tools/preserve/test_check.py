"""Contracts as they are checked: what is found, what is told, and every kind of bad input."""

# ruff: noqa: E501 - one program a line
from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_local_llm import UsageError
from memory.records import Level
from tools.preserve.check import Files, Violation, contracts_of, problems, violations
from tools.preserve.contracts import CONTRACT_FILE, Contract, Contracts
from tools.preserve.cover import covering_tests
from tools.preserve.file import (
    parse_contracts,
    read_contracts,
    with_contract,
    without_contract,
    write_contracts,
)
from tools.preserve.states import FolderFiles, Link, MemoryFiles, index_files, tree_files
from tools.repository import Repo

CODE = b"""import os

RATE = 0.2


class Cart:
    # preserve: moderate id=sum
    def total(self, items):
        result = sum(items)
        return result
    # preserve: end

    def tax(self):
        return RATE


def pay(cart, *, retries=1):
    return cart.total([])
"""


UNMARKED = CODE.replace(b"preserve: ", b"")


def toml(*entries: tuple[str, str]) -> bytes:
    lines = [f'[[contract]]\nregion = "{region}"\nlevel = "{level}"\n' for region, level in entries]
    return "\n".join(lines).encode()


def state(*entries: tuple[str, str], **files: bytes) -> MemoryFiles:
    named = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}
    return MemoryFiles({CONTRACT_FILE: toml(*entries), **named})


def broken(
    before: Files,
    after: Files,
    changed: list[str] | None = None,
    lifted: frozenset[str] = frozenset(),
) -> list[tuple[str, str]]:
    found = violations(contracts_of(before), before, after, changed, lifted=lifted)
    return [(each.contract.id, each.problem) for each in found]


def code_with(entry: tuple[str, str], old: bytes, new: bytes) -> list[tuple[str, str]]:
    assert old in UNMARKED
    return broken(state(entry, a_py=UNMARKED), state(entry, a_py=UNMARKED.replace(old, new)))


@pytest.mark.parametrize(
    ("region", "old", "new"),
    [
        ("a.py::Cart.tax", b"return RATE", b"return 0"),
        ("a.py::RATE", b"0.2", b"0.20"),
        ("a.py::RATE", b"class Cart", b"RATE = 1\n\n\nclass Cart"),
        ("a.py::os", b"import os", b"import sys as os"),
        ("a.py::pay", b"def pay", b"if os:\n  pay = 1\n\n\ndef pay"),
        ("a.py::pay", b"def pay", b"for pay in []: 0\ndef pay"),
        ("a.py::pay", b"import os", b"try: 0\nexcept E as pay: 0"),
        ("a.py::pay", b"import os", b"match os:\n case {**pay}: 0"),
        ("a.py::Cart.tax", b"class Cart", b"class Cart: 0\nclass Cart"),
        ("a.py::Cart.tax", b"def pay", b"class Cart: 0\ndef pay"),
        ("a.py::Cart.tax", b"def pay", b"Cart = 0\ndef pay"),
        ("a.py::Cart.tax", b"cart.total([])\n", b"cart.total([])\n\n\nclass Cart: 0\n"),
        ("a.py::Cart.tax", b"def tax", b"def tox"),
        ("a.py::Cart.tax", b"\n    def tax(", b"\n    if os:\n     def tax("),
        ("*.py", b"import os", b"import os "),
        ("a.py", b"\n", b"\r\n"),
    ],
)
def test_a_strict_region_keeps_its_bytes_and_its_place(region: str, old: bytes, new: bytes) -> None:
    assert code_with((region, "strict"), old, new) != []


@pytest.mark.parametrize(
    ("region", "level", "old", "new"),
    [
        ("a.py::Cart.tax", "strict", b"import os", b"import os, sys\n\n\n# more"),
        ("a.py::pay", "strict", b"0.2", b"0.3"),
        ("a.py::pay", "moderate", b"    return cart", b'    """Pay."""\n    return cart'),
        ("a.py::pay", "flexible", b"retries=1", b"retries=1, wait=0"),
        ("b.py", "strict", b"0.2", b"0.3"),
    ],
)
def test_everything_around_a_region_may_change(
    region: str, level: str, old: bytes, new: bytes
) -> None:
    assert code_with((region, level), old, new) == []


def test_a_violation_tells_file_lines_problem_and_difference() -> None:
    before = state(("a.py::Cart.tax", "strict"), a_py=CODE)
    after = state(
        ("a.py::Cart.tax", "strict"), a_py=b"\n" + CODE.replace(b"return RATE", b"return 0")
    )
    (found,) = violations(contracts_of(before), before, after)
    assert (found.path, found.first_line, found.last_line) == ("a.py", 13, 14)
    assert found.problem == "its bytes changed"
    assert found.diff == "@@ line 14 @@\n-        return RATE\n+        return 0"
    assert Violation.model_validate_json(found.model_dump_json()) == found


def test_only_the_changed_paths_are_looked_at() -> None:
    before = state(("*", "strict"), a_py=b"1", b_py=b"1")
    after = state(("*", "strict"), a_py=b"2", b_py=b"2")
    assert broken(before, after, ["a.py"]) == [("contract", "its bytes changed")]
    assert len(broken(before, after)) == 2


@pytest.mark.parametrize("level", list(Level))
def test_a_region_that_is_deleted_renamed_or_linked_is_changed(level: str) -> None:
    entry = ("src/**", level)
    before = state(entry, src__a_py=UNMARKED)
    linked = MemoryFiles({CONTRACT_FILE: toml(entry), "src/a.py": Link(b"b.py")})
    assert broken(before, state(entry)) == [("src", "the file is gone")]
    assert ("src", "the file is gone") in broken(before, state(entry, src__b_py=UNMARKED))
    assert broken(before, linked) == [("src", "the file became a link")]
    assert broken(linked, before) == [("src", "the link became a file")]
    other = MemoryFiles({CONTRACT_FILE: toml(entry), "src/a.py": Link(b"c.py")})
    assert broken(linked, other) == [("src", "its link leads elsewhere")]


def test_a_new_file_is_a_change_of_a_strict_glob_alone() -> None:
    assert broken(state(("src/", "strict")), state(("src/", "strict"), src__a_py=CODE)) == [
        ("src", "the file is new")
    ]
    for entry in [("src/", "moderate"), ("src/*.py::f", "strict"), ("src/a.py", "strict")]:
        assert broken(state(entry), state(entry, src__a_py=CODE)) == []


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "sub/.GIT/config", ".mcp-local-llm/x"])
def test_git_and_the_products_folder_are_strict_without_a_contract(path: str) -> None:
    one, other = MemoryFiles({path: b"1"}), MemoryFiles({path: b"2"})
    assert [found for _, found in broken(one, other)] == ["its bytes changed"]
    assert [found for _, found in broken(MemoryFiles({}), one, [path])] == ["the file is new"]


# --- the contract file


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([], "contract 'a-py' was removed"),
        ([("a.py", "flexible")], "contract 'a-py' was weakened from moderate to flexible"),
    ],
)
def test_taking_a_contract_away_is_a_violation(
    entries: list[tuple[str, str]], problem: str
) -> None:
    before, after = state(("a.py", "moderate")), state(*entries)
    assert broken(before, after) == [("product:settings", problem)]
    assert broken(before, after, lifted=frozenset({"a-py"})) == []


def test_adding_and_strengthening_contracts_is_fine() -> None:
    assert broken(state(("a.py", "moderate")), state(("a.py", "strict"), ("b.py", "strict"))) == []


def test_moving_a_contract_and_dropping_its_tests_are_violations() -> None:
    entry = '[[contract]]\nid="x"\nregion="{}"\nlevel="flexible"\ntests=[{}]\n'
    before, moved, fewer = (
        MemoryFiles({CONTRACT_FILE: entry.format(*fields).encode()})
        for fields in [("a.py", "'t.py'"), ("b.py", "'t.py'"), ("a.py", "")]
    )
    assert broken(before, moved)[0][1] == "contract 'x' was moved from 'a.py' to 'b.py'"
    assert broken(before, fewer)[0][1] == "contract 'x' lost tests"


def test_a_contract_file_that_breaks_is_a_violation_and_one_that_is_broken_stops_everything() -> (
    None
):
    good, bad = state(("a.py", "strict"), a_py=b"1"), MemoryFiles(
        {CONTRACT_FILE: b"[[", "a.py": b"1"}
    )
    assert "can't be read" in broken(good, bad)[0][1]
    assert broken(bad, good, [CONTRACT_FILE]) == []
    worse = MemoryFiles({CONTRACT_FILE: b"[[", "a.py": b"2", "n.py": b""})
    assert {name for name, _ in broken(bad, worse)} == {"product:unreadable"}
    assert "line 1" in problems(contracts_of(bad), bad)[0].problem
    linked = MemoryFiles({CONTRACT_FILE: Link(b""), "a.py": b"1"})
    assert broken(good, linked)[0][1] == "it became a link"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[contract]]\nregion = 'a'\nlevel = 'tight'", "level"),
        ("[[contract]]\nregion = '../a'\nlevel = 'strict'", "inside the workspace"),
        ("[[contract]]\nlevel = 'strict'", "region"),
        ("[[contract]]\nregion = 'a.py::#x'\nlevel = 'strict'", "marker"),
        ("contract = 1", "[[contract]]"),
        ("contract = [1]", "Entry 1"),
        ("other = 1", "'other'"),
        ("a = 1\nb = ", "line 2"),
        (2 * "[[contract]]\nregion = 'a'\nlevel = 'strict'\n", "twice"),
        ("a = " + "[" * 5000, "can't be read"),
    ],
)
def test_a_wrong_contract_file_says_what_to_mend(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=r"preserve\.toml") as caught:
        parse_contracts(text.encode())
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "region", ["/a", "~/a", "C:/a", "a\\b", "..", "a/../b", ".", "a\n", "a.py::", "a.py::b::c"]
)
def test_a_region_names_a_path_inside_the_workspace(region: str) -> None:
    with pytest.raises(ValidationError):
        Contract(id="x", region=region, level=Level.STRICT)


@given(data=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
@settings(max_examples=100, deadline=None)
def test_any_contract_file_gives_contracts(data: bytes) -> None:
    files = MemoryFiles({CONTRACT_FILE: data})
    assert len(contracts_of(files)) >= 2
    assert isinstance(problems(contracts_of(files), files), tuple)


def test_comments_stay_when_contracts_are_added_changed_and_removed(tmp_path: Path) -> None:
    rule = Contract(id="x", region="a.py::f", level=Level.STRICT, reason="audit", tests=("t.py",))
    first = with_contract(b"", rule)
    assert parse_contracts(first) == (rule,)
    commented = first.replace(b"[[", b"# why\n[[") + b"\n# the end\n"
    other = Contract(id="y", region="b/**", level=Level.MODERATE)
    both = with_contract(commented, other)
    weaker = with_contract(both, rule.model_copy(update={"level": Level.FLEXIBLE, "reason": ""}))
    assert b"# why" in weaker and b"# the end" in weaker
    assert [(each.id, each.level, each.reason) for each in parse_contracts(weaker)] == [
        ("x", Level.FLEXIBLE, ""),
        ("y", Level.MODERATE, ""),
    ]
    assert parse_contracts(without_contract(weaker, "x")) == (other,)
    assert parse_contracts(with_contract(b"contract = []", other)) == (other,)
    with pytest.raises(UsageError, match="it has: x, y"):
        without_contract(both, "z")
    write_contracts(tmp_path, both)
    assert read_contracts(tmp_path) == (rule, other)
    assert read_contracts(tmp_path / "none") == ()


def test_a_linked_settings_folder_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".mcp-local-llm").symlink_to("elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        write_contracts(tmp_path, b"")


# --- markers


def test_marked_lines_are_protected_at_their_level() -> None:
    before = MemoryFiles({"a.py": CODE})
    assert [each.region for each in contracts_of(before).tags()] == ["a.py::#sum"]
    legal = CODE.replace(b"result = sum(items)", b"result = sum(items)  # all")
    assert broken(before, MemoryFiles({"a.py": legal})) == []
    for new in (
        CODE.replace(b"sum(items)", b"0"),
        CODE.replace(b"    # preserve: end\n", b""),
        CODE.replace(b"moderate id", b"flexible id"),
        CODE.replace(b"id=sum", b"id=other"),
        CODE.replace(b"class Cart:\n", b"class Cart:\n  '''\n").replace(b"end\n", b"end\n  '''\n"),
        CODE.replace(b"import os", b"import os ("),
        b"if 0:\n " + CODE.replace(b"\n", b"\n "),
    ):
        assert [name for name, _ in broken(before, MemoryFiles({"a.py": new}))] == ["a.py#sum"]
        lifted = frozenset({"a.py#sum"})
        assert broken(before, MemoryFiles({"a.py": new}), lifted=lifted) == []


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("a.ts", "// preserve: strict id=a\nf()\n// preserve: end\n", 1),
        ("a.ts", "const a = `\n// preserve: strict id=a\nf()\n// preserve: end\n`", 0),
        ("a.ts", "/*\n// preserve: strict id=a\nf()\n// preserve: end\n*/", 0),
        ("a.tsx", "x = <b>\n{/* preserve: strict id=a */}\n<i/>\n{/* preserve: end */}\n</b>", 1),
        ("a.go", "package p\n// preserve: strict id=a\n// preserve: end\n", 1),
        ("a.html", "<!-- preserve: strict id=a -->\n<b>\n<!-- preserve: end -->", 1),
        ("a.md", "# preserve: strict id=a\n", 0),
        ("a.py", "x = '''\n# preserve: strict id=a\n'''\n", 0),
        ("a.py", "x = '# preserve: strict id=a'\n", 0),
        ("Makefile", "# preserve: strict\nall:\n# preserve: end\n", 1),
        ("a.py", "# preserve: strict id=a\n# preserve: flexible id=b\n# preserve: end\n# preserve: end", 2),
    ],
)  # fmt: skip
def test_a_marker_is_a_line_that_is_a_comment_of_its_language(
    path: str, text: str, count: int
) -> None:
    for data in (text.encode(), ("\ufeff" + text).encode("utf-16-le")):
        found = contracts_of(MemoryFiles({path: data}))
        assert sum(each.origin == "marker" for each in found) == count


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# preserve: strict id=a\nx = 1\n", "is not closed"),
        ("# preserve: strickt id=a\n# preserve: end\n", "is no level"),
        ("# preserve: strict id=a\n# preserve: end\n# preserve: end\n", "closes nothing"),
        (2 * "# preserve: strict id=a\n# preserve: end\n", "used twice"),
    ],
)
def test_a_wrong_marker_is_told_with_its_line_and_protects(text: str, said: str) -> None:
    files = MemoryFiles({"a.py": b"\n" + text.encode() + b"y = 1\n"})
    told = [each for each in problems(contracts_of(files), files) if said in each.problem]
    assert told and all(each.line >= 2 for each in told)


def test_an_unclosed_marker_protects_to_the_end_of_the_file() -> None:
    files = {"a.py": b"x = 1\n# preserve: strict id=a\ny = 1\nz = 1\n"}
    after = {"a.py": files["a.py"].replace(b"z = 1", b"z = 2")}
    assert broken(MemoryFiles(files), MemoryFiles(after)) == [("a.py#a", "its bytes changed")]


def test_marked_lines_that_are_no_statements_are_compared_as_text() -> None:
    text = b"x = [\n    # preserve: moderate id=a\n    1,\n    ]\n    # preserve: end\n"
    for new in (text.replace(b"1,", b"1, "), text.replace(b"1,", b"2,")):
        assert len(broken(MemoryFiles({"a.py": text}), MemoryFiles({"a.py": new}))) == 1


@pytest.mark.parametrize(
    "around",
    ["if (false) {{\n{}\n}}\n", "function f() {{\n{}\n}}\n", "/*\n{}\n*/\n", "const s = `\n{}\n`\n"],
)  # fmt: skip
def test_marked_typescript_can_not_be_wrapped_into_something_else(around: str) -> None:
    text = "// preserve: strict id=a\ng()\n// preserve: end"
    after = MemoryFiles({"a.ts": around.format(text).encode()})
    assert [name for name, _ in broken(MemoryFiles({"a.ts": text.encode()}), after)] == ["a.ts#a"]
    moved = MemoryFiles({"a.ts": f"h()\n{text}\nh()\n".encode()})
    assert broken(MemoryFiles({"a.ts": text.encode()}), moved) == []


def test_marked_definitions_may_be_rewritten_at_the_flexible_level() -> None:
    text = b"class A:\n    # preserve: flexible id=a\n    def f(self, a): 1\n    # preserve: end\n"
    for new, count in ((b"def f(self, a): 2", 0), (b"def f(self): 1", 1), (b"x = 1", 1)):
        after = MemoryFiles({"a.py": text.replace(b"def f(self, a): 1", new)})
        assert len(broken(MemoryFiles({"a.py": text}), after)) == count


# --- what is told about contracts


def test_missing_regions_and_overlaps_are_told() -> None:
    files = state(
        ("a.py::gone", "strict"),
        ("a.py::pay", "strict"),
        ("a.py", "flexible"),
        ("nothing/**", "strict"),
        ("b.py::f", "strict"),
        ("c.txt::f", "strict"),
        a_py=CODE,
        b_py=b"def f(:",
        c_txt=b"f",
    )
    told = {
        (each.contract.id if each.contract else "", each.severity): each.problem
        for each in problems(contracts_of(files), files)
    }
    assert "'gone' is not in the file" in told["a-py-gone", "error"]
    assert "overlap; 'a-py-pay' (strict) holds" in told["a-py-pay", "note"]
    assert "nothing lies at" in told["nothing", "error"]
    assert "does not parse" in told["b-py-f", "error"]
    assert "use markers" in told["c-txt-f", "error"]


def test_of_overlapping_contracts_each_is_checked_so_the_strictest_wins() -> None:
    entries = ("a.py", "flexible"), ("a.py::pay", "strict")
    after = state(*entries, a_py=CODE.replace(b"cart.total([])", b"0"))
    assert [name for name, _ in broken(state(*entries, a_py=CODE), after)] == ["a-py-pay"]
    gone = state(*entries, a_py=CODE.replace(b"def pay", b"def buy"))
    assert [name for name, _ in broken(state(*entries, a_py=CODE), gone)] == ["a-py-pay", "a-py"]


@pytest.mark.parametrize("level", list(Level))
def test_a_file_that_no_longer_parses_breaks_its_symbols(level: str) -> None:
    (found,) = code_with(("a.py::pay", level), b"import os", b"import os (")
    assert "no longer parses" in found[1]


def test_a_second_definition_below_is_seen_at_the_flexible_level() -> None:
    for path, text, more in (
        ("a.py", "def f(a): 1\n\n\ndef g(a): 1\n\n\nx = 1\n", "def f(): 1\n"),
        ("a.ts", "function f(a: X) {}\nfunction g(a: X) {}\nconst x = 1\n", "function f() {}\n"),
        ("a.py", "__all__ = ['f']\n\n\ndef f(a): 1\n\n\nx = 1\n", "def f(): 1\n"),
    ):
        entry = (path, "flexible")
        before, after, fine = (
            MemoryFiles({CONTRACT_FILE: toml(entry), path: data.encode()})
            for data in (text, text + more, text + more.replace(" f(", " h("))
        )
        assert len(broken(before, after)) == 1
        assert broken(before, fine) == []


def test_a_missing_symbol_may_be_written() -> None:
    assert code_with(("a.py::new", "strict"), b"import os", b"def new(): 1") == []


# --- very large files

LINES = 20_000
BIG = {
    "g.py": "".join(f"value_{i} = call({i}, 'text')\n" for i in range(LINES)),
    "h.py": "".join(f"@d\ndef f_{i}(a):\n    '''doc'''\n    return [a,\n{i}]\n\n" for i in range(4000)),
    "g.ts": "".join(f"export const value_{i} = call({i}, 'text');\n" for i in range(LINES)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "symbol", "old", "legal", "illegal"),
    [
        ("g.py", "value_15000", "call(15000,", "call( 15000,", "call(15001,"),
        ("h.py", "f_3000", "\n3000]", "\n  3000]", "\n3001]"),
        ("g.ts", "", "call(15000,", "call( 15000,", "call(15001,"),
    ],
)
def test_a_large_generated_file_is_compared_where_it_changed(
    path: str, symbol: str, old: str, legal: str, illegal: str
) -> None:
    for region in {path, f"{path}::{symbol}" if symbol else path}:
        before = MemoryFiles({CONTRACT_FILE: toml((region, "moderate")), path: BIG[path].encode()})
        for new, count in ((legal, 0), (illegal, 1)):
            text = BIG[path].replace(old, new)
            after = MemoryFiles({CONTRACT_FILE: toml((region, "moderate")), path: text.encode()})
            found = violations(contracts_of(before), before, after, [path])
            assert len(found) == count
            assert all(14_000 < each.first_line < 20_000 for each in found)


def test_a_second_binding_far_below_in_a_large_file_is_seen() -> None:
    entry = ("g.py::value_3", "strict")
    before = state(entry, g_py=BIG["g.py"].encode())
    assert broken(before, state(entry, g_py=BIG["g.py"].encode() + b"value_3 = 0\n")) != []
    assert broken(before, state(entry, g_py=BIG["g.py"].encode() + b"other = 0\n")) == []


@pytest.mark.parametrize(
    "opening", ["x = '''\n", "x = (\n", "x = '", 'x = """a" b\n', "x = [  # (\n", "y = 1 + \\\n"]
)
def test_a_large_file_is_not_cut_inside_a_string_or_brackets(opening: str) -> None:
    text = opening + BIG["g.py"]
    before, after = text.encode(), text.replace("call(9000,", "call(9000 ,").encode()
    entry = ("g.py", "moderate")
    plain = opening.startswith("y")
    assert (broken(state(entry, g_py=before), state(entry, g_py=after)) == []) is plain


# --- states


def git(folder: Path, *args: str) -> None:
    names = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *names, *args], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "src").mkdir()
    (folder / "src" / "a.py").write_bytes(CODE)
    (folder / "link").symlink_to("src/a.py")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    return folder


def test_folder_tree_and_index_show_the_same_files(repo: Path) -> None:
    async def states() -> list[Files]:
        opened = await Repo.open(repo)
        return [
            FolderFiles(repo),
            await tree_files(opened, "HEAD"),
            await index_files(opened),
            await tree_files(opened, "HEAD", ["src/a.py", "link"]),
        ]

    for files in asyncio.run(states()):
        assert sorted(files.paths()) == ["link", "src/a.py"]
        assert files.read("src/a.py") == CODE
        link = files.read("link")
        assert isinstance(link, Link) and link == b"src/a.py"
        assert files.read("none") is None


def test_the_index_shows_what_is_staged(repo: Path) -> None:
    (repo / "src" / "a.py").write_bytes(b"staged")
    git(repo, "add", ".")
    (repo / "src" / "a.py").write_bytes(b"later")

    async def both() -> tuple[Files, Files]:
        opened = await Repo.open(repo)
        return await tree_files(opened, "HEAD"), await index_files(opened)

    before, after = asyncio.run(both())
    contracts = Contracts((Contract(id="x", region="src/", level=Level.STRICT),))
    assert after.read("src/a.py") == b"staged"
    assert len(violations(contracts, before, after)) == 1


def test_an_unknown_revision_is_said(repo: Path) -> None:
    async def ask() -> None:
        await tree_files(await Repo.open(repo), "nowhere")

    with pytest.raises(UsageError, match="'nowhere'"):
        asyncio.run(ask())


def test_a_folder_swapped_for_a_link_takes_its_files_away(repo: Path) -> None:
    before = MemoryFiles({"src/a.py": CODE})
    shutil.move(repo / "src", repo / "away")
    (repo / "src").symlink_to("away")
    contracts = Contracts((Contract(id="x", region="src/**", level=Level.STRICT),))
    (found,) = violations(contracts, before, FolderFiles(repo), ["src/a.py"])
    assert found.problem == "the file is gone"
    os.mkfifo(repo / "pipe")
    assert FolderFiles(repo).read("pipe") is None
    assert FolderFiles(repo).read("a\0b") is None
    assert "src" in set(FolderFiles(repo).paths())


# --- covering tests


def test_tests_that_name_module_and_symbol_cover_a_region() -> None:
    files = MemoryFiles(
        {
            "src/shop/cart.py": CODE,
            "tests/test_cart.py": b"from shop.cart import pay\n\ndef test_it(): pay(1)\n",
            "tests/test_other.py": b"from shop.cart import Cart\n",
            "tests/test_deep.py": b"import shop.cart\nshop.cart.pay(1)\n",
            "tests/test_broken.py": b"from shop.cart import pay (",
            "tests/cart.txt": b"cart pay",
        }
    )
    pay = Contract(id="x", region="src/shop/cart.py::pay", level=Level.FLEXIBLE)
    assert covering_tests(pay, files) == ("tests/test_cart.py", "tests/test_deep.py")
    whole = Contract(id="x", region="src/shop/cart.py", level=Level.FLEXIBLE)
    assert len(covering_tests(whole, files)) == 3
    named = pay.model_copy(update={"tests": ("t.py::test_a",)})
    assert covering_tests(named, files) == ("t.py::test_a",)
    everything = Contract(id="x", region="src/**", level=Level.FLEXIBLE)
    assert covering_tests(everything, files) == ()
