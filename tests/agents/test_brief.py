"""The brief: which files a task names, and what is left out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.brief import (
    MAX_FILE_BYTES,
    Brief,
    BriefFile,
    BriefRule,
    at_hand,
    fit_brief,
    folder_for_tests,
    is_test_path,
    module_name,
    relevant_files,
    render_brief,
    workspace_files,
)
from mcp_local_llm import UsageError
from memory.records import Level, PreservationTag


def fill(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return fill(
        tmp_path,
        {
            "src/shop/__init__.py": "",
            "src/shop/cart.py": "def total(values):\n    return sum(values)\n",
            "src/shop/money.py": "class Price:\n    def round_half(self):\n        return 1\n",
            "tests/test_cart.py": "from shop.cart import total\n",
            "README.md": "the shop\n",
        },
    )


def names(task: str, root: Path) -> list[str]:
    return [file.path for file in relevant_files(task, root)[0]]


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("src/shop/cart.py", "shop.cart"),
        ("shop/cart.py", "shop.cart"),
        ("cart.py", "cart"),
        ("shop/__init__.py", "shop"),
        ("src/__init__.py", ""),
        ("my-scripts/run.py", ""),
        ("README.md", ""),
    ],
)
def test_a_files_module_is_the_name_it_is_imported_by(path: str, module: str) -> None:
    assert module_name(path) == module


@pytest.mark.parametrize(
    ("path", "is_test"),
    [
        ("tests/test_cart.py", True),
        ("tests/data/prices.json", True),
        ("shop/test_cart.py", True),
        ("shop/cart_test.py", True),
        ("conftest.py", True),
        ("shop/cart.py", False),
        ("tests.py", False),
    ],
)
def test_test_files_are_known_by_their_place_or_name(path: str, is_test: bool) -> None:
    assert is_test_path(path) is is_test


@pytest.mark.parametrize("existing", ["tests", "test"])
def test_new_tests_go_where_tests_are(tmp_path: Path, existing: str) -> None:
    (tmp_path / existing).mkdir()
    assert folder_for_tests(tmp_path) == existing


def test_new_tests_go_to_tests_when_there_are_none(tmp_path: Path) -> None:
    assert folder_for_tests(tmp_path) == "tests"


@pytest.mark.parametrize(
    "task",
    [
        "add total_above to src/shop/cart.py",
        "add total_above to ./src/shop/cart.py.",
        "add total_above to shop.cart",
        "add total_above to cart.py",
        "make total(values) skip None",
        "the cart should also know an average",
    ],
)
def test_a_file_is_found_by_path_module_name_or_symbol(shop: Path, task: str) -> None:
    assert names(task, shop)[0] == "src/shop/cart.py"


def test_a_method_name_finds_its_file(shop: Path) -> None:
    assert names("round_half must round to even", shop) == ["src/shop/money.py"]


def test_a_named_path_is_not_joined_by_files_that_only_share_a_word(shop: Path) -> None:
    assert names("add money to src/shop/cart.py", shop) == ["src/shop/cart.py"]


def test_the_only_source_file_is_meant_when_nothing_is_named(tmp_path: Path) -> None:
    fill(tmp_path, {"calc.py": "def add(a, b):\n    return a + b\n", "tests/test_calc.py": "x\n"})
    assert names("subtract numbers as well", tmp_path) == ["calc.py"]


def test_nothing_is_guessed_among_several_files(shop: Path) -> None:
    assert names("make it faster", shop) == []


def test_binary_foreign_and_huge_files_are_named_but_not_shown(tmp_path: Path) -> None:
    (tmp_path / "logo.py").write_bytes(b"\x00\x01")
    (tmp_path / "latin.py").write_bytes("x = 'ä'\n".encode("latin-1"))
    (tmp_path / "huge.py").write_text("x = 1\n" * MAX_FILE_BYTES)
    files, notes = relevant_files("look at logo.py, latin.py and huge.py", tmp_path)
    assert files == ()
    assert [note.partition(":")[0] for note in notes] == ["huge.py", "latin.py", "logo.py"]


def test_hidden_files_caches_and_links_are_no_workspace_files(shop: Path) -> None:
    fill(shop, {".env": "x", ".git/config": "x", "venv/lib/a.py": "x", "__pycache__/a.pyc": "x"})
    (shop / "link.py").symlink_to("/etc/hostname")
    assert workspace_files(shop) == (
        "README.md",
        "src/shop/__init__.py",
        "src/shop/cart.py",
        "src/shop/money.py",
        "tests/test_cart.py",
    )


def test_a_shown_file_loses_only_its_last_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1  \r\ny = 2\r\n\n")
    assert relevant_files("change a.py", tmp_path)[0][0].text == "x = 1  \r\ny = 2"


def test_the_compact_brief_is_exactly_what_the_small_model_learned() -> None:
    brief = Brief(
        task="add f to a.py",
        rules=(BriefRule(id="r1", text="no globals"),),
        protected=(PreservationTag(region="a.py::g", level=Level.STRICT),),
        files=(BriefFile(path="a.py", module="a", text="x = 1"),),
    )
    assert render_brief(brief, "compact") == (
        "task: add f to a.py\nrule r1: no globals\nstrict: a.py::g\n"
        "file: a.py (module a)\nx = 1\nend of file\ntests: tests"
    )


def test_the_full_brief_says_when_no_file_was_named() -> None:
    assert "none was named by the task" in render_brief(Brief(task="t"), "full")


def test_what_does_not_fit_is_left_out_and_said() -> None:
    files = (
        BriefFile(path="a.py", module="a", text="word " * 50),
        BriefFile(path="b.py", module="b", text="word"),
    )
    rules = (BriefRule(id="r1", text="word " * 50),)
    fitted = fit_brief(
        Brief(task="t", files=files, rules=rules), 20, lambda text: len(text.split())
    )
    assert [file.path for file in fitted.files] == ["b.py"]
    assert fitted.rules == ()
    assert len(fitted.dropped) == 2
    assert "a.py: not shown" in fitted.dropped[0]


def test_a_task_that_fills_the_context_is_refused() -> None:
    with pytest.raises(UsageError, match="shorten the task"):
        fit_brief(Brief(task="word " * 50), 20, lambda text: len(text.split()))


def test_what_is_at_hand_is_the_first_file_the_imports_and_the_errors() -> None:
    files = (
        BriefFile(path="a.py", module="a", text="import json\nfrom decimal.x import y\n"),
        BriefFile(path="b.py", module="b", text="  import json\nimportant = 1\n"),
    )
    found = at_hand(files, ["ValueError: 1"])
    assert (found.file, found.dependencies) == ("a.py", ("json", "decimal"))
    assert found.errors == ("ValueError: 1",)
    assert at_hand(()).file == ""
