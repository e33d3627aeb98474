"""What the embedded model's tasks compute: operations on lists, texts and numbers.

A ``Behaviour`` is one function's meaning: its code, canonical wording, paraphrases, types and an
example whose expected value is an expression. Behaviours are composed from about 40 atoms; the pair
of atoms is the *composition* that is either in training or held out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import Final

LIST, TEXT, NUMBER = "list", "text", "number"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One function's meaning, with the slots ``{p}`` (first parameter), ``{k}`` and ``{m}``.

    ``k`` and ``m`` are constants, or ``k`` a second parameter. ``phrases`` are grammars of the
    description. ``sample`` is the argument of the example test and ``expected`` its value, both as
    source text with the same slots.
    """

    kind: str
    atoms: tuple[str, ...]
    canonical: str
    phrases: tuple[str, ...]
    code: str
    returns: str
    sample: str
    expected: str
    patterns: tuple[str, ...]

    @property
    def composition(self) -> str:
        """The name by which a composition is held out; empty for a single atom."""
        return "+".join(self.atoms) if len(self.atoms) > 1 else ""

    @property
    def uses_k(self) -> bool:
        """Whether a first constant (or second parameter) occurs."""
        return "{k}" in self.code

    @property
    def uses_m(self) -> bool:
        """Whether a second constant occurs."""
        return "{m}" in self.code


@dataclass(frozen=True, slots=True)
class Predicate:
    """A filter on list items: condition, wording, and a sample with the items that pass."""

    name: str
    condition: str
    canonical: str
    phrases: tuple[str, ...]
    sample: tuple[str, ...]
    passing: tuple[str, ...]
    wide_sample: tuple[str, ...]  # four items pass: the 1st, largest, smallest and last all differ
    wide_passing: tuple[str, ...]


_THAT: Final = "[|that are |which are ]"


def _offsets(text: str) -> tuple[str, ...]:
    """Return ``"5 0 -1"`` as ``("{k} + 5", "{k}", "{k} - 1")``."""
    names = []
    for part in text.split():
        value = int(part)
        names.append("{k}" if value == 0 else f"{{k}} {'+' if value > 0 else '-'} {abs(value)}")
    return tuple(names)


def _plain(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _compared(name: str, sign: str, canonical: str, words: str, rows: Sequence[str]) -> Predicate:
    sample, passing, wide, wide_passing = (_offsets(row) for row in rows)
    phrases = (f"{{items}} {_THAT}{words}",)
    return Predicate(
        name, f"x {sign} {{k}}", canonical, phrases, sample, passing, wide, wide_passing
    )


PREDICATES: Final = (
    _compared(
        "gt",
        ">",
        "items greater than {k}",
        "[greater than|above|larger than|more than|over|bigger than] {k}",
        ("2 0 -1 5", "2 5", "5 9 0 2 -1 6", "5 9 2 6"),
    ),
    _compared(
        "lt",
        "<",
        "items less than {k}",
        "[less than|below|smaller than|under|lower than] {k}",
        ("-2 0 1 -5", "-2 -5", "-5 -2 0 -9 1 -6", "-5 -2 -9 -6"),
    ),
    _compared(
        "ge",
        ">=",
        "items at least {k}",
        "[at least {k}|not less than {k}|not below {k}|{k} or more|{k} or greater]",
        ("0 -1 3", "0 3", "3 9 0 -1 5", "3 9 0 5"),
    ),
    _compared(
        "le",
        "<=",
        "items at most {k}",
        "[at most {k}|not more than {k}|not above {k}|{k} or less|{k} or smaller]",
        ("0 1 -3", "0 -3", "-3 0 -9 1 -5", "-3 0 -9 -5"),
    ),
    _compared(
        "ne",
        "!=",
        "items not equal to {k}",
        "[not equal to|different from|other than|unequal to] {k}",
        ("0 1 -2", "1 -2", "1 7 0 -2 3", "1 7 -2 3"),
    ),
    Predicate(
        "even",
        "x % 2 == 0",
        "even items",
        (
            "even {items}",
            "{items} [that are|which are] even",
            "{items} [divisible by|that are multiples of] two",
        ),
        _plain("4 7 2 5"),
        _plain("4 2"),
        _plain("4 8 7 2 5 6"),
        _plain("4 8 2 6"),
    ),
    Predicate(
        "odd",
        "x % 2 == 1",
        "odd items",
        (
            "odd {items}",
            "{items} [that are|which are] odd",
            "{items} [that are not even|which are not even|not divisible by two]",
        ),
        _plain("3 8 5 6"),
        _plain("3 5"),
        _plain("3 9 8 1 6 5"),
        _plain("3 9 1 5"),
    ),
    Predicate(
        "pos",
        "x > 0",
        "positive items",
        (
            "positive {items}",
            "{items} [that are|which are] positive",
            "{items} [greater than|above] zero",
        ),
        _plain("3 -4 5 0"),
        _plain("3 5"),
        _plain("3 9 -4 1 0 5"),
        _plain("3 9 1 5"),
    ),
    Predicate(
        "neg",
        "x < 0",
        "negative items",
        (
            "negative {items}",
            "{items} [that are|which are] negative",
            "{items} [less than|below] zero",
        ),
        _plain("-3 4 -5 0"),
        _plain("-3 -5"),
        _plain("-5 -2 4 -9 0 -6"),
        _plain("-5 -2 -9 -6"),
    ),
    Predicate(
        "div",
        "x % {k} == 0",
        "items divisible by {k}",
        ("{items} " + _THAT + "[divisible by|multiples of|a multiple of] {k}",),
        ("2 * {k}", "{k} + 1", "5 * {k}"),
        ("2 * {k}", "5 * {k}"),
        ("3 * {k}", "9 * {k}", "{k} + 1", "2 * {k}", "5 * {k}"),
        ("3 * {k}", "9 * {k}", "2 * {k}", "5 * {k}"),
    ),
)

# name: (list code over {src} and {xs}, canonical of {w}, phrases, type, expected from the passing)
_REDUCERS: Final[dict[str, tuple[str, str, tuple[str, ...], str]]] = {
    "sum": (
        "sum({gen})",
        "sum of {w}",
        ("[the sum|the total] of {x}", "{x} [added up|summed up|added together]"),
        "int",
    ),
    "count": (
        "len({seq})",
        "number of {w}",
        ("[the number|the count] of {x}", "how many {x} there are"),
        "int",
    ),
    "max": (
        "max({gen})",
        "largest of {w}",
        ("[the largest|the biggest|the highest|the greatest|the maximum] of {x}",),
        "int",
    ),
    "min": (
        "min({gen})",
        "smallest of {w}",
        ("[the smallest|the lowest|the least|the minimum] of {x}",),
        "int",
    ),
    "first": (
        "{seq}[0]",
        "first of {w}",
        ("[the first|the first one|the earliest|the leading one] of {x}",),
        "int",
    ),
    "last": (
        "{seq}[-1]",
        "last of {w}",
        ("[the last|the last one|the final one|the latest] of {x}",),
        "int",
    ),
}
_ORDERS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "asc": (
        "sorted({gen})",
        "{w} in ascending order",
        (
            "{x}[, sorted|, sorted from small to large| in ascending order| in increasing order| from smallest to largest]",
        ),
    ),
    "desc": (
        "sorted({arg}, reverse=True)",
        "{w} in descending order",
        (
            "{x}[, sorted from large to small| in descending order| in decreasing order| from largest to smallest|, sorted backwards]",
        ),
    ),
}
_MAPS: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "square": (
        "{v} * {v}",
        "squared",
        (", each [squared|multiplied by itself|raised to the power of two]",),
    ),
    "times": ("{v} * {m}", "times {m}", (", each [times|multiplied by|scaled by] {m}",)),
    "plus": (
        "{v} + {m}",
        "plus {m}",
        (", each [plus {m}|increased by {m}|raised by {m}|with {m} added]",),
    ),
    "minus": (
        "{v} - {m}",
        "minus {m}",
        (", each [minus {m}|decreased by {m}|reduced by {m}|lowered by {m}]",),
    ),
    "negate": (
        "-{v}",
        "negated",
        (", each [negated|with its sign flipped|with the opposite sign]",),
    ),
}
_ITEMS: Final = "[items|values|numbers|elements|entries]"
_NOUNS: Final = (f"the {_ITEMS}", f"the {_ITEMS} [of|in] {{p}}", f"[|all ]{_ITEMS} [of|in] {{p}}")


def _grouped(term: str) -> str:
    return f"({term})" if " " in term else term


def _nouns(phrases: Sequence[str]) -> tuple[str, ...]:
    """Put the noun into ``{items}``: 'even values of {p}', 'the entries in {p} above 5'."""
    filled = []
    for phrase in phrases:
        head, _, tail = phrase.partition("{items}")
        filled.append(f"the {head}{_ITEMS}{tail}")
        filled.append(f"[|all |the ]{head}{_ITEMS} [of|in] {{p}}{tail}")
    return tuple(filled)


def _wrap(outer: Sequence[str], inner: Sequence[str]) -> tuple[str, ...]:
    return tuple(a.replace("{x}", b) for a, b in product(outer, inner))


def _after(inner: Sequence[str], endings: Sequence[str]) -> tuple[str, ...]:
    return tuple(a + b for a, b in product(inner, endings))


def _mapped(name: str, term: str) -> str:
    if name == "negate":
        return f"-{_grouped(term)}" if not term.startswith("-") else term[1:]
    return _MAPS[name][0].replace("{v}", _grouped(term))


def _lists(parts: Sequence[str]) -> str:
    return "[" + ", ".join(parts) + "]"


_WIDE: Final = _plain("5 9 2 6")


def _reduced(name: str, items: Sequence[str], best: tuple[int, int]) -> str:
    """Return the expected value of a reducer over ``items``; ``best`` indexes largest, smallest."""
    if name == "sum":
        return " + ".join(_grouped(item) for item in items)
    index = {"max": best[0], "min": best[1], "first": 0, "last": len(items) - 1}
    return str(len(items)) if name == "count" else items[index[name]]


def _value(term: str) -> int:
    """Evaluate a sample term with a large ``k``: only the order among terms is used."""
    filled = term.replace("{k}", "1000")
    return int(eval(filled, {"__builtins__": {}}))  # noqa: S307 - arithmetic written in this file


def _extremes(items: Sequence[str]) -> tuple[int, int]:
    values = [_value(item) for item in items]
    return values.index(max(values)), values.index(min(values))


def _ordered(name: str, items: Sequence[str]) -> str:
    return _lists(sorted(items, key=_value, reverse=name == "desc"))


def _list_behaviours() -> list[Behaviour]:
    made: list[Behaviour] = []
    plain = {"w": "items"}
    for name, (code, canonical, phrases, returns) in _REDUCERS.items():
        made.append(
            Behaviour(
                LIST, (name,), canonical.format(**plain), _wrap(phrases, _NOUNS),
                code.format(gen="{p}", seq="{p}"), returns, _lists(_WIDE),
                _reduced(name, _WIDE, _extremes(_WIDE)), ("reduce",),
            )
        )  # fmt: skip
    for name, (code, canonical, phrases) in _ORDERS.items():
        made.append(
            Behaviour(
                LIST, (name,), canonical.format(**plain), _wrap(phrases, _NOUNS),
                code.format(gen="{p}", arg="{p}"), "list[int]", _lists(_WIDE),
                _ordered(name, _WIDE), ("order",),
            )
        )  # fmt: skip
    for name, (code, canonical, phrases) in _MAPS.items():
        each = code.replace("{v}", "x")
        sample = _plain("5 2 9")
        mapped = [_mapped(name, item) for item in sample]
        inner = _after(_NOUNS, phrases)
        made.append(
            Behaviour(
                LIST, (name,), f"items, each {canonical}", inner, f"[{each} for x in {{p}}]",
                "list[int]", _lists(sample), _lists(mapped), ("map",),
            )
        )  # fmt: skip
        made.append(
            Behaviour(
                LIST, (name, "sum"), f"sum of items, each {canonical}",
                _wrap(_REDUCERS["sum"][2], inner), f"sum({each} for x in {{p}})", "int",
                _lists(sample), _reduced("sum", mapped, (0, 0)), ("map", "reduce"),
            )
        )  # fmt: skip
    for predicate in PREDICATES:
        made += _filtered(predicate)
    return made


def _filtered(predicate: Predicate) -> list[Behaviour]:
    kept = f"x for x in {{p}} if {predicate.condition}"
    nouns = _nouns(predicate.phrases)
    sample, passing = predicate.sample, predicate.passing
    wide, wide_passing = predicate.wide_sample, predicate.wide_passing
    best = _extremes(wide_passing)
    made = [
        Behaviour(
            LIST, (predicate.name,), predicate.canonical, nouns, f"[{kept}]", "list[int]",
            _lists(sample), _lists(passing), ("filter",),
        )
    ]  # fmt: skip
    for name, (code, canonical, phrases, returns) in _REDUCERS.items():
        short = name in {"sum", "count"}
        made.append(
            Behaviour(
                LIST, (predicate.name, name), canonical.format(w=predicate.canonical),
                _wrap(phrases, nouns), code.format(gen=kept, seq=f"[{kept}]"), returns,
                _lists(sample if short else wide),
                _reduced(name, passing if short else wide_passing, best), ("filter", "reduce"),
            )
        )  # fmt: skip
    for name, (code, canonical, phrases) in _ORDERS.items():
        made.append(
            Behaviour(
                LIST, (predicate.name, name), canonical.format(w=predicate.canonical),
                _wrap(phrases, nouns), code.format(gen=kept, arg=f"[{kept}]"), "list[int]",
                _lists(wide), _ordered(name, wide_passing), ("filter", "order"),
            )
        )  # fmt: skip
    for name, (code, canonical, endings) in _MAPS.items():
        mapped = [_mapped(name, item) for item in passing]
        each = code.replace("{v}", "x") + f" for x in {{p}} if {predicate.condition}"
        made.append(
            Behaviour(
                LIST, (predicate.name, name), f"{predicate.canonical}, each {canonical}",
                _after(nouns, endings), f"[{each}]", "list[int]", _lists(sample), _lists(mapped),
                ("filter", "map"),
            )
        )  # fmt: skip
    return made


# Texts: code over {v}, canonical step, phrases of the step, type, python of the expected value.
_TEXT_STEPS: Final[dict[str, tuple[str, str, str, str]]] = {
    "upper": (
        "{v}.upper()",
        "in upper case",
        "[in upper case|in capital letters|converted to upper case|in capitals]",
        '"RED FOX"',
    ),
    "lower": (
        "{v}.lower()",
        "in lower case",
        "[in lower case|in small letters|converted to lower case]",
        '"red fox"',
    ),
    "title": (
        "{v}.title()",
        "in title case",
        "[in title case|with every word capitalized|converted to title case]",
        '"Red Fox"',
    ),
    "reverse": (
        "{v}[::-1]",
        "reversed",
        "[reversed|backwards|in reverse order|from back to front]",
        '"xof deR"',
    ),
    "strip": (
        "{v}.strip()",
        "stripped",
        "[stripped|without surrounding spaces|without outer white space|trimmed]",
        '"Red fox"',
    ),
    "repeat": (
        "{v} * {k}",
        "repeated {k} times",
        "[repeated {k} times|written {k} times in a row|copied {k} times|written {k} times]",
        '"Red fox" * {k}',
    ),
}
_TEXT_ENDS: Final[dict[str, tuple[str, str, tuple[str, ...], str, str]]] = {
    "length": (
        "len({v})",
        "length of {w}",
        ("[the length of|the number of characters in|the size of] {x}",),
        "int",
        "7",
    ),
    "words": (
        "len({v}.split())",
        "word count of {w}",
        ("[the number of words in|the word count of|how many words are in] {x}",),
        "int",
        "2",
    ),
    "initial": (
        "{v}[0]",
        "first character of {w}",
        ("[the first character|the first letter|the initial letter] of {x}",),
        "str",
        '"R"',
    ),
    "ending": (
        "{v}[-1]",
        "last character of {w}",
        ("[the last character|the last letter|the final letter] of {x}",),
        "str",
        '"x"',
    ),
    "split": (
        "{v}.split()",
        "words of {w}",
        ("[the words of|the list of words in|the separate words of] {x}",),
        "list[str]",
        '["Red", "fox"]',
    ),
}
_TEXT_NOUNS: Final = (
    "[the text|the string|{p}|the text {p}|the string {p}|the given text|the given string]",
)
_TEXT_SAMPLE: Final = '"Red fox"'


def _text_sample(inner: str) -> str:
    return '" Red fox "' if inner == "strip" else _TEXT_SAMPLE


def _text_behaviours() -> list[Behaviour]:
    made: list[Behaviour] = []
    for name, (code, canonical, phrase, result) in _TEXT_STEPS.items():
        made.append(
            Behaviour(
                TEXT, (name,), f"text {canonical}", _after(_TEXT_NOUNS, (" " + phrase,)),
                code.replace("{v}", "{p}"), "str", _text_sample(name), result, ("transform",),
            )
        )  # fmt: skip
    for name, (code, canonical, phrases, returns, result) in _TEXT_ENDS.items():
        made.append(
            Behaviour(
                TEXT, (name,), canonical.format(w="text"), _wrap(phrases, _TEXT_NOUNS),
                code.replace("{v}", "{p}"), returns, _TEXT_SAMPLE, result, ("measure",),
            )
        )  # fmt: skip
    return made


# Numbers: code over {v} (which may be a product or sum), canonical step, phrase, looser than *.
_NUMBER_STEPS: Final[dict[str, tuple[str, str, str, bool]]] = {
    "mul": ("{v} * {c}", "times {c}", "[times {c}|multiplied by {c}|scaled by {c}]", False),
    "add": ("{v} + {c}", "plus {c}", "[plus {c}|increased by {c}|with {c} added]", True),
    "sub": ("{v} - {c}", "minus {c}", "[minus {c}|decreased by {c}|reduced by {c}|less {c}]", True),
    "rem": (
        "{v} % {c}",
        "modulo {c}",
        "[modulo {c}|taken modulo {c}|modulo the number {c}]",
        False,
    ),
    "floor": (
        "max({v}, {c})",
        "but at least {c}",
        "but [at least|not less than|no lower than] {c}",
        False,
    ),
    "cap": (
        "min({v}, {c})",
        "but at most {c}",
        "but [at most|not more than|no higher than] {c}",
        False,
    ),
}
_NUMBER_NOUNS: Final = (
    "[the number|the value|{p}|the number {p}|the value {p}|the given number|the given value]",
)
_NUMBER_SAMPLE: Final = "12"


def _number_behaviours() -> list[Behaviour]:
    made: list[Behaviour] = []
    for name, (code, canonical, phrase, _) in _NUMBER_STEPS.items():
        step = code.replace("{c}", "{k}")
        made.append(
            Behaviour(
                NUMBER, (name,), f"number {canonical}".replace("{c}", "{k}"),
                _after(_NUMBER_NOUNS, (" " + phrase.replace("{c}", "{k}"),)),
                step.replace("{v}", "{p}"), "int", _NUMBER_SAMPLE,
                step.replace("{v}", _NUMBER_SAMPLE), ("compute",),
            )
        )  # fmt: skip
    return made


BEHAVIOURS: Final = tuple(_list_behaviours() + _text_behaviours() + _number_behaviours())

_TYPES: Final = {LIST: "list[int]", TEXT: "str", NUMBER: "int"}


def parameter_type(kind: str) -> str:
    """Return the annotation of a function's first parameter."""
    return _TYPES[kind]


def random_argument(kind: str, rng: Random, near: Sequence[int]) -> object:
    """Return a random argument for a hidden test; list items and numbers fall near ``near`` too."""
    if kind == TEXT:
        words = ["".join(rng.choices("abcdeXYZ", k=rng.randint(1, 5))) for _ in range(3)]
        return rng.choice(["", " "]) + " ".join(words) + rng.choice(["", "  "])
    pool = [rng.randint(-20, 20) for _ in range(8)]
    for value in near:
        pool += [value, value + 1, value - 1, value * 2, value + 7, value - 7, value * 3]
    if kind == NUMBER:
        return rng.choice(pool)
    return [rng.choice(pool) for _ in range(rng.randint(6, 12))]
