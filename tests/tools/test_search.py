"""Searching lines and definitions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mcp_local_llm import ToolDenied, ToolRetry
from memory.chunks import chunks
from memory.code import CodeHit, code_hit, items_of
from memory.router import NOTHING_AT_HAND, RuntimeContext
from memory.session import SessionMemory
from tools.context import ToolContext
from tools.jail import Jail
from tools.sandbox import CommandPolicy
from tools.search import MAX_HITS, MAX_SYMBOLS, search_code, search_text
from tools.textfile import MAX_BYTES
from tools.wire import ToolCall

CART = '''
class ShoppingCart:
    """Holds items."""

    def total_price(self, discountRate):
        """Add up the prices of all items."""

    async def send(self): ...


def parse_HTTPHeader(text): ...
'''


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    policy = CommandPolicy(python=Path("/usr/bin/python3"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "cart.py").write_text(CART)
    (tmp_path / "broken.py").write_text("def total(:\n")
    (tmp_path / "notes.txt").write_text("total (sum)\nTotal\n")
    (tmp_path / "utf16.txt").write_bytes("total\n".encode("utf-16"))
    (tmp_path / "latin.txt").write_bytes("total grün\n".encode("latin-1"))
    (tmp_path / "data.bin").write_bytes(b"total\0\n")
    (tmp_path / "huge.txt").write_bytes(b"total\n" * (MAX_BYTES // 6 + 1))
    (tmp_path / "ignored.log").write_text("total\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    return ToolContext(jail=Jail(tmp_path), workspace=tmp_path, command=policy)


def text_call(pattern: str, **args: str) -> ToolCall:
    return ToolCall(name="search.text", args={"pattern": pattern, **args})


def code_call(query: str, **args: str) -> ToolCall:
    return ToolCall(name="search.code", args={"query": query, **args})


async def test_lines_are_found_in_readable_files_only(context: ToolContext) -> None:
    assert (await search_text(text_call("total"), context)).split("\n") == [
        "broken.py:1: def total(:",
        "notes.txt:1: total (sum)",
        "src/cart.py:5: def total_price(self, discountRate):",
        "utf16.txt:1: total",
    ]


async def test_a_pattern_is_plain_text_unless_it_says_regex(context: ToolContext) -> None:
    assert await search_text(text_call("total (sum)"), context) == "notes.txt:1: total (sum)"
    assert "nothing" in await search_text(text_call("[Tt]otal$"), context)
    found = await search_text(text_call("^[Tt]otal$", regex="true"), context)
    assert found == "notes.txt:2: Total\nutf16.txt:1: total"
    assert "cart.py" in await search_text(text_call("class", path="src"), context)
    assert "nothing" in await search_text(text_call("class", path="notes.txt"), context)


@pytest.mark.parametrize("pattern", ["(", "a{1,99999999999}", "(a|aa)+$"])
async def test_a_pattern_that_is_wrong_or_does_not_end_is_refused(
    context: ToolContext, pattern: str
) -> None:
    (context.workspace / "trap.txt").write_text("a" * 200 + "b\n")
    with pytest.raises(ToolRetry, match="pattern"):
        await search_text(text_call(pattern, regex="true"), context)


async def test_many_hits_are_cut_and_say_so(context: ToolContext) -> None:
    (context.workspace / "many.txt").write_text("needle\n" * 500)
    lines = (await search_text(text_call("needle"), context)).split("\n")
    assert len(lines) == MAX_HITS + 1
    assert "there is more" in lines[-1]


async def test_searching_a_wrong_place_is_refused(context: ToolContext) -> None:
    with pytest.raises(ToolRetry, match=r"no 'missing'"):
        await search_text(text_call("x", path="missing"), context)
    with pytest.raises(ToolDenied):
        await search_code(code_call("x", path="/etc"), context)
    with pytest.raises(ToolRetry, match="query"):
        await search_code(ToolCall(name="search.code"), context)


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("total price", "src/cart.py:5: ShoppingCart.total_price"),
        ("add up all the prices", "src/cart.py:5: ShoppingCart.total_price"),
        ("discount rate", "src/cart.py:5: ShoppingCart.total_price"),
        ("shopping carts", "src/cart.py:2: ShoppingCart "),
        ("http header", "src/cart.py:11: parse_HTTPHeader"),
        ("sending", "(no definition"),
    ],
)
async def test_definitions_are_ranked_by_the_words_they_share(
    context: ToolContext, query: str, first: str
) -> None:
    assert (await search_code(code_call(query), context)).startswith(first)


async def test_at_most_ten_definitions_are_shown(context: ToolContext) -> None:
    many = "".join(f"def thing_{number}(): ...\n" for number in range(30))
    (context.workspace / "many.py").write_text(many)
    found = await search_code(code_call("thing"), context)
    assert len(found.split("\n")) == MAX_SYMBOLS


class Indexed(SessionMemory):
    """A memory that knows the pieces of one file, as it was indexed."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__()
        self.items = items_of("p", chunks(path, text))

    async def search_code(
        self, query: str, *, limit: int, at_hand: RuntimeContext = NOTHING_AT_HAND
    ) -> tuple[CodeHit, ...]:
        hits = [code_hit(item, 1.0) for item in self.items]
        return tuple(hit for hit in hits if hit)[:limit]


async def test_what_the_index_knows_comes_first_where_it_stands_now(context: ToolContext) -> None:
    source = "// Adds.\nfunc Sum() {}\n\nfunc Gone() {}\n"
    (context.workspace / "sum.go").write_text("package sum\n\n\n// Adds.\nfunc Sum() {}\n")
    knowing = replace(context, memory=Indexed("sum.go", source))
    found = (await search_code(code_call("total price"), knowing)).split("\n")
    assert found[0] == "sum.go:5: Sum  func Sum() {}"
    assert found[1].startswith("src/cart.py:5: ShoppingCart.total_price")
    assert "sum.go" not in await search_code(code_call("total", path="src"), knowing)
    deleted = replace(context, memory=Indexed("deleted.go", source))
    assert "deleted" not in await search_code(code_call("total"), deleted)
