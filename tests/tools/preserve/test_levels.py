"""Levels: pairs that each level lets pass, and pairs that it does not."""

# ruff: noqa: E501 - one pair of programs a line
from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.records import Level
from tools.preserve.check import Violation, violations
from tools.preserve.contracts import Contract, Contracts
from tools.preserve.levels import objection
from tools.preserve.regions import Region
from tools.preserve.source import Source
from tools.preserve.states import MemoryFiles


def whole(path: str, text: str | bytes) -> Region:
    source = Source.of(path, text.encode() if isinstance(text, str) else text)
    return Region(source, 1, len(source.lines))


def said(level: Level, path: str, old: str, new: str) -> str | None:
    return objection(level, whole(path, old), whole(path, new))


SAME_PYTHON = [
    ("def f(a):\n x=a\n return x", "def f(a):\n    y = a  # c\n    return (y)"),
    ("def f():\n 'd'\n x: int = 1\n return x", "def f() -> int:\n x=1\n return x"),
    ("def f():\n for i in r: g(i)", "def f():\n for j in r: g(j)"),
    ("x=[i for i in r]", "x=[j for j in r]"),
    (
        "def f():\n x=1\n def g():\n  nonlocal x\n  x=2\n return g",
        "def f():\n y=1\n def g():\n  nonlocal y\n  y=2\n return g",
    ),
    ("def f():\n try: g()\n except E as e: h(e)", "def f():\n try: g()\n except E as x: h(x)"),
    (
        "def f(v):\n match v:\n  case [a,*b]: return a,b\n  case {'k':c,**d}: return c,d",
        "def f(v):\n match v:\n  case [p,*q]: return p,q\n  case {'k':r,**s}: return r,s",
    ),
    ("def f():\n 'doc'", "def f(): pass"),
    ("'module'\nx = 1", "x = 1"),
    ("def f():\n import os\n os.x()", "def f():\n import os as o\n o.x()"),
    ("def f(r):\n if (n:=g(r)): return n", "def f(r):\n if (m:=g(r)): return m"),
    ("def f(r):\n return [y for x in r if (y:=x)], y", "def f(r):\n return [b for a in r if (b:=a)], b"),
    ("class A:\n x: int = 1", "class A:\n x = 1"),
    ("def f():\n with g() as h: h()", "def f():\n with g() as k: k()"),
    ("def f():\n x: int\n x = 1\n return x", "def f():\n x = 1\n return x"),
    ("x = 'a' 'b'", "x = 'ab'"),
    ("async def f():\n return {k: v async for k, v in g()}", "async def f():\n return {a: b async for a, b in g()}"),
    ("x = 1\r\ny = 2\r\n", "\ufeffx = 1\ny = 2"),
]  # fmt: skip
OTHER_PYTHON = [
    ("x=1", "x=True"),
    ("x=1", "x=1.0"),
    ("x=0.0", "x=-0.0"),
    ("x='a'", "x=b'a'"),
    ("def f(a): return a", "def f(b): return b"),
    ("def f():\n x=1\n y=2\n return x", "def f():\n x=1\n y=2\n return y"),
    ("def f():\n x=1\n return locals()", "def f():\n y=1\n return locals()"),
    ("def f():\n x=1\n def g(): return eval('x')", "def f():\n y=1\n def g(): return eval('x')"),
    ("def f():\n x=1\n return f'{x=}'", "def f():\n y=1\n return f'{y=}'"),
    ("def f():\n x=1\n return len(x)", "def f():\n len=1\n return len(len)"),
    ("def f():\n global x\n x=1", "def f():\n global y\n y=1"),
    ("def f():\n x=1\n def g(): return x\n return g", "def f():\n x=1\n def g(): return y\n return g"),
    ("class A:\n x=1", "class A:\n y=1"),
    ("class A(B):\n x: int = 1", "class A(B):\n x = 1"),
    ("@dataclass\nclass A:\n x: int = 1", "@dataclass\nclass A:\n x: str = 1"),
    ("def f(a: int): 0", "def f(a: print(1)): 0"),
    (
        "def f():\n x=1\n def g():\n  x=2\n return x",
        "def f():\n x=1\n def g():\n  nonlocal x\n  x=2\n return x",
    ),
    ("f(*a)", "f(a)"),
    ("f(**a)", "f(*a)"),
    ("f(x=1)", "f(y=1)"),
    ("def f(a,/): 0", "def f(a): 0"),
    ("def f(*,a): 0", "def f(a): 0"),
    ("def f(a=1,b=2): 0", "def f(a=1,*,b=2): 0"),
    ("f'{x!r}'", "f'{x!s}'"),
    ("f'{x:2}'", "f'{x:3}'"),
    ("x=[i for i in i]", "x=[j for j in j]"),
    ("def f():\n x: int\n return x", "def f():\n return x"),
    ("if a: b()\nelse: c()", "if a:\n b()\nc()"),
    ("x = lambda a: a", "x = lambda b: b"),
    ("def f():\n def g(): 0\n return g", "def f():\n def h(): 0\n return h"),
    ("def f():\n import a.b\n a.c()", "def f():\n import a.d\n a.c()"),
    ("def f():\n __x = 1\n return __x", "def f():\n y = 1\n return y"),
    ("x.a: int", "x.b: int"),
    ("def f():\n del x\n x = 1", "def f():\n del x\n y = 1"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), SAME_PYTHON)
def test_moderate_lets_layout_comments_docstrings_and_local_names_of_python_change(
    old: str, new: str
) -> None:
    assert said(Level.MODERATE, "a.py", old, new) is None
    assert said(Level.MODERATE, "a.py", new, old) is None
    assert said(Level.STRICT, "a.py", old, new) is not None


@pytest.mark.parametrize(("old", "new"), OTHER_PYTHON)
def test_moderate_refuses_python_that_means_something_else(old: str, new: str) -> None:
    assert said(Level.MODERATE, "a.py", old, new) is not None
    assert said(Level.MODERATE, "a.py", new, old) is not None


TOKENS = [
    ("a.ts", "const f=(a:number)=>{ return a }", "const f = (a: number) =>\n{\n  return a // x\n}\n", True),
    ("a.ts", "let x = 1; /* one */", "let x = 1;", True),
    ("a.ts", "f = () => {\n return\n x }", "f = () => {\n return x }", False),
    ("a.ts", "const a = `x ${ b } y`", "const a = `x ${b} y`", False),
    ("a.ts", "const a = 'x  y'", "const a = 'x y'", False),
    ("a.ts", "const a = /a b/", "const a = /a  b/", False),
    ("a.ts", "a\n(b)", "a;\n(b)", False),
    ("a.ts", "a\n++b", "a++\nb", False),
    ("a.ts", "const x = 1", "const y = 1", False),
    ("a.tsx", "/** @jsx h */\nx()", "/** @jsx k */\nx()", False),
    ("a.tsx", "x = <b>a  b</b>", "x = <b>a b</b>", False),
    ("a.go", "package p\nfunc f() int {\n\treturn 1\n}\n", "package p\n\n\nfunc f() int { return 1 } // c\n", True),
    ("a.go", "package p\nfunc f() {\n\ta()\n\tb()\n}\n", "package p\nfunc f() { a(); b() }", True),
    ("a.go", "package p\nfunc f() {\n\treturn\n\tg()\n}\n", "package p\nfunc f() {\n\treturn g()\n}\n", False),
    ("a.go", "package p\nvar s = `a\n`\n", "package p\nvar s = `a\n\n`\n", False),
    ("a.go", "//go:build linux\n\npackage p\n", "//go:build darwin\n\npackage p\n", False),
    ("a.go", "package p\n// #define X\nimport \"C\"\n", "package p\n// #define Y\nimport \"C\"\n", False),
    ("a.go", "package p\nfunc f() { for i := 0; i < 3; i++ { } }", "package p\nfunc f() { for i := 0; i < 3; { } }", False),
    ("a.sh", "a\r\nb\r\n", "a\nb", True),
    ("a.sh", "a\nb", "a\n b", False),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "same"), TOKENS)
def test_moderate_compares_other_languages_by_tokens(
    path: str, old: str, new: str, same: bool
) -> None:
    assert (said(Level.MODERATE, path, old, new) is None) is same


CALLABLE_AS_BEFORE = [
    ("def f(a): 1", "def f(a, b=1): 2"),
    ("def f(a): 1", "def f(a, *x, **k): 2"),
    ("def f(a,/): 1", "def f(b): 2"),
    ("def f(*,a): 1", "def f(a): 1"),
    ("def f(a): 1", "def f(a=3): 1"),
    ("def f(a=1): 1", "def f(a=1,*,k=2): 1"),
    ("class A:\n def m(self): 1", "class A:\n def m(self, x=1): 1\n def n(self): 2"),
    ("class A:\n def __init__(self): 1", "class A: pass"),
    ("class A: pass", "class A:\n def __init__(self, a=1): 0"),
    ("@dataclass\nclass A:\n x: int", "@dataclass\nclass A:\n x: str\n y: int = 1"),
    ("def _f(): 1", "1"),
    ("def f(): 1", "@cache\ndef f(): 1"),
    ("@property\ndef f(): 1", "@cached_property\ndef f(): 1"),
    ("X=1", "X=2"),
    ("import a", "import b"),
    ("__all__=['f']\ndef f():1\ndef g():1", "__all__=['f']\ndef f():1"),
    ("if x:\n def f(a): 1\nelse:\n def f(a): 2", "if x:\n def f(a): 3\nelse:\n def f(a): 4"),
    ("async def f():\n yield 1", "async def f():\n yield 2"),
]
NOT_CALLABLE_AS_BEFORE = [
    ("def f(a): 1", "def f(a, b): 2"),
    ("def f(a): 1", "def f(b): 2"),
    ("def f(a,b): 1", "def f(b,a): 2"),
    ("def f(a,b): 1", "def f(a): 2"),
    ("def f(a): 1", "def f(a,/): 2"),
    ("def f(a): 1", "def f(*,a): 2"),
    ("def f(*a): 1", "def f(a): 1"),
    ("def f(a=1): 1", "def f(a): 1"),
    ("def f(a=1): 1", "def f(a=True): 1"),
    ("def f(*,a=1): 1", "def f(*,a=2): 1"),
    ("def f(): 1", "def f(*,a): 1"),
    ("def f(*a): 1", "def f(b=1,*a): 1"),
    ("def f(**k): 1", "def f(a=1): 1"),
    ("def f(a,/,**k): 1", "def f(a,**k): 1"),
    ("def f(): 1", "async def f(): 1"),
    ("async def f(): 1", "async def f(): yield"),
    ("class A:\n @staticmethod\n def m(): 1", "class A:\n def m(): 1"),
    ("class A:\n def m(self): 1", "class A: pass"),
    ("class A(B): 1", "class A: 1"),
    ("class A: pass", "class A:\n def __init__(self, a): 0"),
    ("class A(B): pass", "class A(B):\n def __init__(self): 0"),
    ("@dataclass\nclass A:\n x: int", "@dataclass\nclass A:\n x: int\n y: int"),
    ("@dataclass\nclass A:\n x: int", "@dataclass\nclass A:\n def __init__(self): 0\n x: int"),
    ("def f(): 1", "f=1"),
    ("class f: 1", "f=1"),
    ("X=1", "1"),
    ("X=1", "del X"),
    ("class A:\n x=1", "class A: pass"),
    ("f=lambda a:a", "f=lambda a,b:a"),
    ("def f(): 1", "def f(): 1\ndef f(a): 1"),
    ("def f(*,a): 1", "def f(*,b=1): 1"),
    ("def f(): 1", "def f(: 1"),
    ("try:\n X=1\nexcept E:\n Y=2", "X=1"),
]


@pytest.mark.parametrize(("old", "new"), CALLABLE_AS_BEFORE)
def test_flexible_lets_python_change_that_can_be_called_as_before(old: str, new: str) -> None:
    assert said(Level.FLEXIBLE, "a.py", old, new) is None


@pytest.mark.parametrize(("old", "new"), NOT_CALLABLE_AS_BEFORE)
def test_flexible_refuses_python_that_can_not_be_called_as_before(old: str, new: str) -> None:
    assert said(Level.FLEXIBLE, "a.py", old, new) is not None


SCRIPTS = [
    ("a.ts", "export function f(a: number){ return 1 }", "export function f(a: number, b?: string, c = 1, ...d: any[]){ return 2 }", True),
    ("a.ts", "export function f(a: number){ return 1 }", "export function f(a: number, b: string){ return 2 }", False),
    ("a.ts", "class A {\n m(a:number){ return 1 }\n}", "class A {\n n(){}\n m( a : number ) { return 2 }\n}", True),
    ("a.ts", "class A {\n m(a:number){ return 1 }\n}", "class A {\n}", False),
    ("a.ts", "function _f(a: number){ return 1 }", "", True),
    ("a.ts", "interface I { a: number }", "interface I { a: string }", False),
    ("a.js", "const f = (a, b=1) => { return a }", "const f = (a, b=1, ...c /* x */) => { return b }", True),
    ("a.js", "const f = a => 1", "const f = a => 2 // two", True),
    ("a.js", "const f = a => 1", "const f = a => (", False),
    ("a.go", "package p\nfunc F(a int) int { return 1 }", "package p\nfunc F(a int) int { return 2 }", True),
    ("a.go", "package p\nfunc F(a int) int { return 1 }", "package p\nfunc F(a int, b int) int { return 2 }", False),
    ("a.go", "package p\nfunc (c *C) F() int { return 1 }", "package p\nfunc (c C) F() int { return 2 }", False),
    ("a.go", "package p\nfunc f(a int) int { return 1 }", "package p\n", True),
    ("a.json", "{}", "[", True),
]  # fmt: skip


@pytest.mark.parametrize(("path", "old", "new", "fits"), SCRIPTS)
def test_flexible_compares_declarations_of_other_languages(
    path: str, old: str, new: str, fits: bool
) -> None:
    assert (said(Level.FLEXIBLE, path, old, new) is None) is fits


def test_strict_tells_bytes_from_line_endings_and_encodings() -> None:
    assert said(Level.STRICT, "a.txt", "a\nb\n", "a\r\nb\r\n") == "its line endings changed"
    assert said(Level.STRICT, "a.txt", "a\n", "b\n") == "its bytes changed"
    utf16 = objection(
        Level.STRICT, whole("a.txt", "a\n"), whole("a.txt", "\ufeffa\n".encode("utf-16-le"))
    )
    assert utf16 == "its encoding changed"


def test_moderate_reads_every_encoding_that_a_file_states() -> None:
    new = "\ufeffx = 1  # one\r\n".encode("utf-16-be")
    assert objection(Level.MODERATE, whole("a.py", "x = 1\n"), whole("a.py", new)) is None
    assert objection(Level.MODERATE, whole("a.py", "x = 1\n"), whole("a.py", b"\xff\xfe\xfa"))


def test_nesting_too_deep_to_compare_is_compared_as_text() -> None:
    deep = "x = " + " + ".join(["1"] * 1500) + "\n"
    assert said(Level.MODERATE, "a.py", deep, deep + "\n") is None
    assert said(Level.MODERATE, "a.py", deep, deep.replace("x", "y")) is not None


def found(level: Level, path: str, old: bytes, new: bytes) -> tuple[Violation, ...]:
    contract = Contract(id="c", region=path, level=level)
    return violations(
        Contracts((contract,)), MemoryFiles({path: old}), MemoryFiles({path: new}), [path]
    )


@pytest.mark.parametrize("level", Level)
@settings(max_examples=60, deadline=None)
@given(
    path=st.sampled_from(["a.py", "a.ts", "a.go", "a.tsx", "a.md", "a"]),
    old=st.binary(max_size=60),
    new=st.binary(max_size=60),
)
def test_any_bytes_give_an_answer(level: Level, path: str, old: bytes, new: bytes) -> None:
    assert bool(found(level, path, old, new)) <= (old != new)
    if level is Level.STRICT:
        assert bool(found(level, path, old, new)) == (old != new)


@st.composite
def programs(draw: st.DrawFn) -> str:
    """A function of parameters, locals, a loop, a closure and constants."""
    first, second, third = draw(st.permutations(["alpha", "beta", "gamma"]))
    number = draw(st.integers(0, 9))
    operator = draw(st.sampled_from("+-*"))
    return (
        f"def work(given, *, scale=1):\n"
        f"    {first} = given {operator} {number}\n"
        f"    for {second} in range({first}):\n"
        f"        {first} = [{third} for {third} in given if {third} != {second}]\n"
        f"    inner = lambda x: x * {first}\n"
        f"    return inner({first}), scale\n"
    )


class Renamed(ast.NodeTransformer):
    """Calls one name something else wherever it stands."""

    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.new if node.id == self.old else node.id, node.ctx)


@settings(max_examples=60, deadline=None)
@given(program=programs(), name=st.sampled_from(["alpha", "beta", "gamma"]))
def test_renaming_a_local_and_a_new_layout_are_legal(program: str, name: str) -> None:
    tree = Renamed(name, "renamed").visit(ast.parse(program))
    new = "# new\n\n" + ast.unparse(tree).replace("\n", "\r\n")
    assert not found(Level.MODERATE, "a.py", program.encode(), new.encode())


@settings(max_examples=80, deadline=None)
@given(program=programs(), at=st.integers(0, 60), data=st.data())
def test_swapping_one_name_or_constant_is_caught(
    program: str, at: int, data: st.DataObject
) -> None:
    tree = ast.parse(program)
    places = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        or (isinstance(node, ast.Name) and node.id in {"given", "scale", "range", "inner"})
    ]
    node = places[at % len(places)]
    if isinstance(node, ast.Constant):
        node.value = data.draw(st.sampled_from([10, True, 1.0, "1", None]))
    else:
        node.id = data.draw(st.sampled_from(["alpha", "other"]))
    assert found(Level.MODERATE, "a.py", program.encode(), ast.unparse(tree).encode())
