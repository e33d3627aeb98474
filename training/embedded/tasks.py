"""Generated demo tasks: a small repository, a wish in English, and what a right answer must do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final, Literal

from memory.records import Level
from training.embedded.behaviour import Behaviour
from training.embedded.names import Namer, Names
from training.embedded.operations import BEHAVIOURS, parameter_type
from training.phrasing import draw, draw_from

_ADD_FRAMES: Final = (
    "[Please add|Add|Write|Create|Implement|Introduce|Please write|Define] [a function|the function|a new function|] {sig} [to|in|inside] {path} [that returns|which returns|returning|that gives back|to return] {desc}.",
    "In {path}, [add|write|create|implement|define|please add] [the function|a function|] {sig}[. It|, which|; it] [should return|must return|returns|has to return|gives] {desc}.",
    "{path} [needs|should have|is missing|lacks|must get|should get] [a function|a new function|the function|] {sig} [that returns|returning|which returns|to return] {desc}.",
    "[We need|I need|I want|We want|I would like|There should be] [a function|the function|] {sig} in {path}[: it returns|; it should return|. It must return|, returning|. It returns] {desc}.",
    "[Let|Have|Make] {path} [offer|provide|contain|have] {sig}, [returning|which returns|to return] {desc}.",
    "[Extend|Complete|Enrich] {path} [with|by] [a function|the function|] {sig}[: it returns| returning| that returns|; it should return] {desc}.",
)
_FIX_FRAMES: Final = (
    "[Fix|Repair|Correct|Mend|Please fix] [the function|] {name} in {path}[: it|; it|. It] [should|must|has to|is meant to|ought to] return {desc}.",
    "[The function|] {name} in {path} [is wrong|is broken|has a bug|gives the wrong result|returns the wrong value|fails][. It|; it|: it] [should|must|has to|ought to] return {desc}.",
    "[There is a bug in|Something is wrong with|We found a bug in] {name} [in|of|inside] {path}[: it should return|. It should return|; it must return|. It must return] {desc}.",
    "[Change|Correct|Fix|Repair|Rewrite] {name} in {path} so that it [returns|gives|will return] {desc}.",
    "In {path}, [fix|repair|correct|mend] {name}[: it|; it|. It] [should|must|has to] return {desc}.",
)  # fmt: skip
PARAMETER_VALUE: Final = "10"  # what a test passes for the second parameter


@dataclass(frozen=True, slots=True)
class Function:
    """A behaviour under a name; ``k`` is a number or the name of the second parameter."""

    name: str
    parameter: str
    behaviour: Behaviour
    k: str
    m: str

    @property
    def has_second(self) -> bool:
        """Whether ``k`` is a parameter."""
        return self.behaviour.uses_k and not self.k.isdigit()

    @property
    def signature(self) -> str:
        """``name(values, limit)``."""
        second = f", {self.k}" if self.has_second else ""
        return f"{self.name}({self.parameter}{second})"

    def fill(self, template: str, k: str | None = None) -> str:
        """Put this function's names and constants into a behaviour's template."""
        filled = template.replace("{p}", self.parameter).replace("{m}", self.m)
        return filled.replace("{k}", self.k if k is None else k)

    def source(self, *, hints: bool = False, docstring: bool = False) -> str:
        """Return the definition, without a final newline."""
        head = f"def {self.signature}:"
        if hints:
            second = f", {self.k}: int" if self.has_second else ""
            kind = parameter_type(self.behaviour.kind)
            head = f"def {self.name}({self.parameter}: {kind}{second}) -> {self.behaviour.returns}:"
        lines = [head]
        if docstring:
            lines.append(f'    """Return {self.fill(self.behaviour.canonical)}."""')
        return "\n".join([*lines, f"    return {self.fill(self.behaviour.code)}"])

    def example(self) -> tuple[str, str]:
        """Return the call of the example test and its expected value, as source."""
        k = PARAMETER_VALUE if self.has_second else self.k
        second = f", {PARAMETER_VALUE}" if self.has_second else ""
        call = f"{self.name}({self.fill(self.behaviour.sample, k)}{second})"
        return call, self.fill(self.behaviour.expected, k)


@dataclass(frozen=True, slots=True)
class DemoTask:
    """One wish about one small repository.

    ``files`` maps paths to texts; ``target`` is the function wanted and ``faulty`` the one that
    stands there now when the wish is a fix. ``level`` is a contract on the faulty function.
    """

    kind: Literal["add", "fix"]
    wish: str
    path: str
    files: tuple[tuple[str, str], ...]
    target: Function
    faulty: Function | None
    others: tuple[Function, ...]
    level: Level | None
    phrase: str

    @property
    def test_path(self) -> str:
        """Where the new test belongs."""
        return f"tests/test_{self.target.name}.py"

    @property
    def region(self) -> str:
        """The target as a region of a contract."""
        return f"{self.path}::{self.target.name}"


@dataclass(frozen=True, slots=True)
class Split:
    """Which side of the hold-out each aspect of a task is drawn from."""

    names: Names
    phrasing: bool = False
    composition: bool = False
    constants: bool = False


# Named, not drawn: each part of them is trained with all its other partners. A hash had left `neg`
# with two reducers out of four, and a part seen so rarely is taken for the whole it was seen in.
HELD_OUT_COMPOSITIONS: Final = frozenset({"pos+min", "neg+max"})


@cache
def _behaviours(held_out: bool) -> tuple[Behaviour, ...]:
    return tuple(b for b in BEHAVIOURS if (b.composition in HELD_OUT_COMPOSITIONS) == held_out)


def _constant(rng: Random, held_out: bool) -> str:
    # Two-digit numbers most often: that is what people ask for.
    def number() -> str:
        return str(rng.randint(2, 99) if rng.random() < 0.75 else rng.randint(100, 999))

    return draw_from(number, held_out=held_out)


def _function(behaviour: Behaviour, namer: Namer, split: Split, rng: Random) -> Function:
    name = namer.identifier(rng.choice([1, 2, 2, 2]))
    parameter = namer.identifier(1)
    second = behaviour.uses_k and rng.random() < 0.3
    k = namer.identifier(1) if second else _constant(rng, split.constants)
    m = _constant(rng, split.constants)
    while m == k:
        m = _constant(rng, split.constants)
    return Function(name, parameter, behaviour, k, m)


def _outcome(function: Function, call: str) -> object:
    scope: dict[str, object] = {}
    exec(function.source(), scope)  # noqa: S102 - source generated in this package
    try:
        return eval(call, scope)  # noqa: S307 - likewise
    except (ValueError, IndexError, ZeroDivisionError) as error:
        return repr(error)


def faulty_twin(function: Function, rng: Random) -> Function | None:
    """Return a same-named function that the example test tells apart, or None if none was found."""
    call, _ = function.example()
    right = _outcome(function, call)
    pool = [b for b in _behaviours(False) if b.kind == function.behaviour.kind]
    for _ in range(12):
        other = rng.choice(pool)
        if function.has_second and not other.uses_k:
            continue
        twin = Function(function.name, function.parameter, other, function.k, function.m)
        if function.has_second == twin.has_second and _outcome(twin, call) != right:
            return twin
    return None


def _layout(namer: Namer, rng: Random) -> tuple[str, list[str]]:
    module = namer.identifier(1)
    package = namer.identifier(1)
    roots = rng.choice([(f"{package}/{module}.py", [f"{package}/__init__.py"]),
                        (f"{package}/{module}.py", [f"{package}/__init__.py"]),
                        (f"{module}.py", []),
                        (f"src/{package}/{module}.py", [f"src/{package}/__init__.py"])])  # fmt: skip
    return roots


def _wish(target: Function, path: str, kind: str, split: Split, rng: Random) -> tuple[str, str]:
    frames = _ADD_FRAMES if kind == "add" else _FIX_FRAMES
    frame = " ".join(draw(frames, rng, held_out=split.phrasing).split())
    phrase = " ".join(draw(target.behaviour.phrases, rng, held_out=split.phrasing).split())
    slots = {"{sig}": target.signature, "{name}": target.name, "{path}": path}
    for slot, value in slots.items():
        frame = frame.replace(slot, value)
    return frame.replace("{desc}", target.fill(phrase)), phrase


def generate_task(split: Split, rng: Random) -> DemoTask:
    """Return one task; the same ``rng`` state gives the same task."""
    namer = Namer(split.names, rng)
    behaviour = rng.choice(_behaviours(bool(split.composition)))
    target = _function(behaviour, namer, split, rng)
    kind: Literal["add", "fix"] = "fix" if rng.random() < 0.35 else "add"
    faulty = faulty_twin(target, rng) if kind == "fix" else None
    if faulty is None:
        kind = "add"
    path, extra = _layout(namer, rng)
    others = tuple(
        _function(rng.choice(_behaviours(False)), namer, split, rng)
        for _ in range(rng.choice([1, 1, 1, 2] if kind == "add" else [0, 1]))
    )
    sources = [other.source(hints=h, docstring=h) for other in others for h in [rng.random() < 0.4]]
    if faulty is not None:
        sources.insert(rng.randint(0, len(sources)), faulty.source())
    files = [(path, "\n\n\n".join(sources) + "\n"), *((name, "") for name in extra)]
    wish, phrase = _wish(target, path, kind, split, rng)
    level = rng.choice(list(Level)) if kind == "fix" and rng.random() < 0.15 else None
    return DemoTask(kind, wish, path, tuple(files), target, faulty, others, level, phrase)


def reference_test(target: Function, module: str, arguments: Sequence[object]) -> str:
    """Return a hidden pytest file that compares ``target`` with its reference on ``arguments``."""
    reference = target.source().replace(f"def {target.name}(", "def reference(", 1)
    second = ", 10" if target.has_second else ""
    return (
        f"import pytest\nfrom {module} import {target.name}\n\n\n{reference}\n\n\n"
        f"@pytest.mark.parametrize('value', {list(arguments)!r})\n"
        f"def test_against_reference(value):\n"
        f"    assert {target.name}(value{second}) == reference(value{second})\n"
    )
