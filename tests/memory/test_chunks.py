"""Cutting files into pieces: nothing lost, nothing twice, whatever the text."""

from __future__ import annotations

import random
import sysconfig
from collections import Counter
from pathlib import Path

import pytest

from memory.chunks import MAX_CHARS, Chunk, chunks

STDLIB = Path(sysconfig.get_path("stdlib"))
PYTHON = '''"""A module."""

import os

LIMIT = 3


# Adds.
@cached
def total(values):
    """Add up."""
    def inner(x):
        return x
    return sum(values)

class Cart:
    """Holds items."""

    size = 0

    @property
    def name(self): return "a"

    @name.setter
    def name(self, value): ...

    class Inner:
        def deep(self): ...

if os.name == "posix":
    async def send(): ...
else:
    try:
        def send(): ...
    except ImportError:
        send = None
'''
TYPESCRIPT = """import x from "y";
/** Adds
 * up. */
export function total(a: number): number { return a }
@Component({
  a: 1,
})
export class Cart<T> extends Base {
  size = 1; // how many
  send = async () => { const inner = () => 1 };
  // about name
  get name(): string { return "" }
}
namespace Shop { export const price = () => 1 }
interface Item { name: string }
type Id = string;
enum Color { Red }
const Old = class { m() {} };
module.exports.run = function () {};
"""
GO = """package shop

// Cart holds items.
type Cart struct { n int }

type (
\tID int
\tName = string
)

// Total adds up.
func (c *Cart) Total() int { return c.n }
func (l List[T]) Len() int { return 0 }
func main() {}
"""
MARKDOWN = """---
title: x
---
intro

# One
text
```
# no heading
```
## Two
more

Three
=====
- # in a list
"""


def names(path: str, text: str) -> list[tuple[str, str, int, int]]:
    return [(c.kind, c.qualname, c.first_line, c.last_line) for c in chunks(path, text)]


def test_python_is_cut_by_functions_classes_and_what_remains() -> None:
    assert names("shop/cart.py", PYTHON) == [
        ("module", "", 1, 36),
        ("function", "total", 8, 14),
        ("class", "Cart", 16, 19),
        ("method", "Cart.name", 21, 22),
        ("method", "Cart.name", 24, 25),
        ("class", "Cart.Inner", 27, 27),
        ("method", "Cart.Inner.deep", 28, 28),
        ("function", "send", 31, 31),
        ("function", "send", 34, 34),
    ]
    found = {c.qualname: c for c in chunks("shop/cart.py", PYTHON)}
    assert found["Cart"].text.startswith("shop/cart.py Cart\nclass Cart:\n")
    assert "def inner" in found["total"].text and "# Adds." in found["total"].text


def test_typescript_is_cut_by_its_definitions_with_what_stands_above_them() -> None:
    found = {(c.kind, c.qualname): c.first_line for c in chunks("a.ts", TYPESCRIPT)}
    assert found == {
        ("module", ""): 1,
        ("function", "total"): 2,
        ("class", "Cart"): 5,
        ("method", "Cart.send"): 10,
        ("method", "Cart.name"): 11,
        ("function", "Shop.price"): 14,
        ("interface", "Item"): 15,
        ("type", "Id"): 16,
        ("enum", "Color"): 17,
        ("method", "Old.m"): 18,
        ("function", "module.exports.run"): 19,
    }


def test_javascript_and_tsx_have_their_own_grammars() -> None:
    script = "class A {\n  f = () => 1\n}\nfunction* g() {}\nconst h = <b>x</b>;\n"
    kinds = [("class", "A"), ("method", "A.f"), ("function", "g"), ("module", "")]
    assert [(c.kind, c.qualname) for c in chunks("a.jsx", script)] == kinds
    shown = "const App = () => <p>x</p>;\n"
    assert [(c.kind, c.qualname) for c in chunks("a.tsx", shown)] == [("function", "App")]


def test_go_methods_are_named_by_their_receivers() -> None:
    assert names("a.go", GO) == [
        ("module", "", 1, 9),
        ("type", "Cart", 3, 4),
        ("type", "ID", 7, 7),
        ("type", "Name", 8, 8),
        ("method", "Cart.Total", 11, 12),
        ("method", "List.Len", 13, 13),
        ("function", "main", 14, 14),
    ]


def test_markdown_is_cut_at_its_headings() -> None:
    assert names("a.md", MARKDOWN) == [
        ("section", "", 1, 4),
        ("section", "One", 6, 10),
        ("section", "One > Two", 11, 12),
        ("section", "Three", 14, 16),
    ]


def test_other_files_are_cut_by_lines_where_there_is_a_blank_one() -> None:
    text = "".join("\n" if row == 50 else f"a{row} = 1\n" for row in range(100))
    assert [(c.first_line, c.last_line) for c in chunks("a.toml", text)] == [(1, 50), (52, 100)]
    assert [c.kind for c in chunks("a.py", "def f(:\n")] == ["lines"]
    assert len(chunks("a.cfg", "x\n" * 130)) == 3


@pytest.mark.parametrize("path", ["a.py", "a.ts", "a.go", "a.md", "a.txt"])
def test_line_endings_and_marks_change_nothing(path: str) -> None:
    text = {"a.py": PYTHON, "a.ts": TYPESCRIPT, "a.go": GO}.get(path, MARKDOWN)
    for other in ("\r\n", "\r"):
        assert chunks(path, "\ufeff" + text.replace("\n", other)) == chunks(path, text)


def test_a_long_piece_is_cut_and_blank_text_gives_none() -> None:
    long = "def f():\n" + "    x = 1\n" * 5_000
    found = chunks("a.py", long)
    assert {c.qualname for c in found} == {"f"} and len(found) > 2
    assert all(len(c.text) <= MAX_CHARS + len("a.py f\n") for c in found)
    assert len(chunks("a.txt", "x" * (2 * MAX_CHARS + 1))) == 3
    assert chunks("a.py", " \n\n") == chunks("a.py", "") == []


def lines_of(found: list[Chunk]) -> Counter[str]:
    return Counter(line for c in found for line in c.text.split("\n")[1:] if line.strip())


def plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def test_the_standard_library_is_cut_with_every_line_exactly_once() -> None:
    files = sorted(path for path in STDLIB.glob("[a-h]*.py"))
    files += sorted(path for path in (STDLIB / "asyncio").rglob("*.py"))
    assert len(files) > 80
    for path in files:
        text = path.read_text("utf-8")
        found = chunks(path.name, text)
        whole = Counter(line for line in plain(text).split("\n") if line.strip())
        assert lines_of(found) == whole, path
        assert len(found) == len(set((c.first_line, c.qualname, c.kind) for c in found))


TRAPS = {
    "nested too deep to parse": ("a.py", "(" * 50_000),
    "a tree too deep": ("a.py", "-" * 50_000 + "1"),
    "a long chain": ("a.py", "if a: pass\n" + "elif a: pass\n" * 5_000),
    "a null character": ("a.py", "x = 1\0"),
    "half a character": ("a.py", 'x = "\ud800"'),
    "half a character in TypeScript": ("a.ts", 'let x = "\ud800"'),
    "open brackets": ("a.js", "(" * 100_000),
    "open braces": ("a.go", "package a\nfunc f() {" + "{" * 100_000),
    "classes in classes": ("a.js", "class A { m() {} static x = class B {\n" * 1_000),
    "namespaces in namespaces": ("a.ts", "namespace A {\n" * 2_000),
    "everything on one line": ("a.js", "".join(f"function f{i}(){{}}" for i in range(5_000))),
    "commas alone": ("a.js", "[" + ",\n" * 50_000 + "]"),
    "comments on one line": ("a.ts", "/**/" * 20_000 + "\nfunction f() {}\n"),
    "quotes in quotes": ("a.md", ">" * 100_000),
    "lists in lists": ("a.md", "".join(" " * (2 * i) + "- a\n" for i in range(300))),
    "front matter without end": ("a.md", "---\n" + "a: b\n" * 10_000),
    "a fence without end": ("a.md", "# a\n```\n" + "# b\n" * 100),
}


@pytest.mark.parametrize(("path", "text"), TRAPS.values(), ids=TRAPS.keys())
def test_no_text_is_a_trap(path: str, text: str) -> None:
    found = chunks(path, text)
    assert chunks(path, text) == found
    held = "".join("".join(c.text.split("\n")[1:]) for c in found)
    seen = text.encode("utf-8", "replace").decode("utf-8")
    assert Counter("".join(held.split())) == Counter("".join(seen.split()))


@pytest.mark.parametrize("path", ["a.py", "a.ts", "a.tsx", "a.js", "a.go", "a.md", "a.c"])
def test_random_text_keeps_all_its_lines(path: str) -> None:
    pieces = ["{", "}", "(", ")", "\n", "class A ", "func f()", "function g()", "#", '"', "`", " "]
    pieces += ["def f():\n ", "//", "/*", "*/", "=>", "namespace N ", "- ", "> ", "```", "\t", "@d"]
    for seed in range(30):
        chance = random.Random(seed)
        text = "".join(chance.choice(pieces) for _ in range(300))
        assert lines_of(chunks(path, text)) == Counter(
            line for line in text.split("\n") if line.strip()
        )
