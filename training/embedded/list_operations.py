"""Operations on a list of integers: filters, reducers, orders, maps, and a filter before a reducer.

Filters share their example, in which two items pass; whatever follows the filter is applied to
these two in the expected value. So the small model has one pattern to learn, also for compositions
that it never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.embedded.behaviour import LIST, Behaviour, wrapped

_AFTER_FILTERS: Final = 4  # sum, count, max and min
_LARGE: Final = 1000  # stands for {k} where only order and divisibility among terms matter
_THAT: Final = "[|that are |which are ]"
_ITEMS: Final = "[items|values|numbers|elements|entries]"
_NOUNS: Final = (f"the {_ITEMS}", f"the {_ITEMS} [of|in] {{p}}", f"[|all ]{_ITEMS} [of|in] {{p}}")
_PLAIN: Final = ("5", "2", "9", "6")
_AROUND: Final = ("5", "-3", "0", "3", "-5")
# One for all filters without a constant: an example of its own would foretell the reducers that its
# filter was seen with, and "smallest of positive" would come out as "smallest of negative".
_MIXED: Final = ("7", "-3", "4", "-8")


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on the items of a list.

    ``terms`` are an example's items as source text. Two of them pass, and their sum, number,
    largest and smallest all differ.
    """

    name: str
    condition: str
    canonical: str
    phrases: tuple[str, ...]
    terms: tuple[str, ...]

    def passing(self) -> list[str]:
        """Return the terms that satisfy the condition."""
        condition = self.condition.replace("{k}", str(_LARGE))
        return [term for term in self.terms if _evaluated(condition, x=_value(term))]


def _evaluated(source: str, **names: int) -> int:
    value = eval(source, {"__builtins__": {}}, names)  # noqa: S307 - text of this file
    return int(value)


def _value(term: str) -> int:
    return _evaluated(term.replace("{k}", str(_LARGE)))


def _around_k() -> tuple[str, ...]:
    return tuple(
        "{k}" if offset == "0" else f"{{k}} {'-' if offset < '0' else '+'} {offset.lstrip('-')}"
        for offset in _AROUND
    )


def _compared(name: str, sign: str, canonical: str, words: str) -> Filter:
    phrases = (f"{{items}} {_THAT}{words}",)
    return Filter(name, f"x {sign} {{k}}", f"items {canonical} {{k}}", phrases, _around_k())


FILTERS: Final = (
    _compared(
        "gt",
        ">",
        "greater than",
        "[greater than|above|larger than|more than|over|bigger than] {k}",
    ),
    _compared(
        "lt",
        "<",
        "less than",
        "[less than|below|smaller than|under|lower than] {k}",
    ),
    Filter(
        "even",
        "x % 2 == 0",
        "even items",
        (
            "even {items}",
            "{items} [that are|which are] even",
            "{items} [divisible by|that are multiples of] two",
        ),
        _MIXED,
    ),
    Filter(
        "odd",
        "x % 2 == 1",
        "odd items",
        (
            "odd {items}",
            "{items} [that are|which are] odd",
        ),
        _MIXED,
    ),
    Filter(
        "pos",
        "x > 0",
        "positive items",
        (
            "positive {items}",
            "{items} [that are|which are] positive",
            "{items} [greater than|above] zero",
        ),
        _MIXED,
    ),
    Filter(
        "neg",
        "x < 0",
        "negative items",
        (
            "negative {items}",
            "{items} [that are|which are] negative",
            "{items} [less than|below] zero",
        ),
        _MIXED,
    ),
)


@dataclass(frozen=True, slots=True)
class _Step:
    """What follows a filter; slots: code {gen}, {seq}, {v}; canonical {w}; phrases {x}."""

    name: str
    code: str
    canonical: str
    phrases: tuple[str, ...]
    returns: str


_REDUCERS: Final = (
    _Step(
        "sum",
        "sum({gen})",
        "sum of {w}",
        ("[the sum|the total] of {x}", "{x} [added up|summed up|added together]"),
        "int",
    ),
    _Step(
        "count",
        "len({seq})",
        "number of {w}",
        ("[the number|the count] of {x}", "how many {x} there are"),
        "int",
    ),
    _Step(
        "max",
        "max({gen})",
        "largest of {w}",
        ("[the largest|the biggest|the highest|the greatest|the maximum] of {x}",),
        "int",
    ),
    _Step(
        "min",
        "min({gen})",
        "smallest of {w}",
        ("[the smallest|the lowest|the least|the minimum] of {x}",),
        "int",
    ),
    _Step(
        "first",
        "{seq}[0]",
        "first of {w}",
        ("[the first|the first one|the earliest|the leading one] of {x}",),
        "int",
    ),
    _Step(
        "last",
        "{seq}[-1]",
        "last of {w}",
        ("[the last|the last one|the final one|the latest] of {x}",),
        "int",
    ),
)
_ORDERS: Final = (
    _Step(
        "asc",
        "sorted({gen})",
        "{w} in ascending order",
        (
            "{x}[, sorted|, sorted from small to large| in ascending order| in increasing order"
            "| from smallest to largest]",
        ),
        "list[int]",
    ),
    _Step(
        "desc",
        "sorted({seq}, reverse=True)",
        "{w} in descending order",
        (
            "{x}[, sorted from large to small| in descending order| in decreasing order"
            "| from largest to smallest|, sorted backwards]",
        ),
        "list[int]",
    ),
)
_MAPS: Final = (
    _Step(
        "square",
        "{v} * {v}",
        "{w}, each squared",
        ("{x}, each [squared|multiplied by itself|raised to the power of two]",),
        "list[int]",
    ),
    _Step(
        "times",
        "{v} * {m}",
        "{w}, each times {m}",
        ("{x}, each [times|multiplied by|scaled by] {m}",),
        "list[int]",
    ),
    _Step(
        "plus",
        "{v} + {m}",
        "{w}, each plus {m}",
        ("{x}, each [plus {m}|increased by {m}|raised by {m}|with {m} added]",),
        "list[int]",
    ),
    _Step(
        "minus",
        "{v} - {m}",
        "{w}, each minus {m}",
        ("{x}, each [minus {m}|decreased by {m}|reduced by {m}|lowered by {m}]",),
        "list[int]",
    ),
    _Step(
        "negate",
        "-{v}",
        "{w}, each negated",
        ("{x}, each [negated|with its sign flipped|with the opposite sign]",),
        "list[int]",
    ),
)


def _listed(terms: Sequence[str]) -> str:
    return "[" + ", ".join(terms) + "]"


def _grouped(term: str) -> str:
    return f"({term})" if " " in term else term


def _summed(terms: Sequence[str]) -> str:
    return " + ".join(_grouped(term) for term in terms)


def _mapped(step: _Step, term: str) -> str:
    if step.name == "negate" and term.startswith("-"):
        return term[1:]
    return step.code.replace("{v}", _grouped(term))


def _result(step: _Step, terms: Sequence[str]) -> str:
    """Return, as source text, what a reducer or an order makes of ``terms``."""
    by_value = sorted(terms, key=_value)
    results = {
        "sum": _summed(terms),
        "count": str(len(terms)),
        "max": by_value[-1],
        "min": by_value[0],
        "first": terms[0],
        "last": terms[-1],
        "asc": _listed(by_value),
        "desc": _listed(by_value[::-1]),
    }
    return results[step.name]


def _nouns(phrases: Sequence[str]) -> tuple[str, ...]:
    """Put the noun into ``{items}``: 'even values of {p}', 'the entries in {p} above 5'."""
    filled = []
    for phrase in phrases:
        head, _, tail = phrase.partition("{items}")
        filled.append(f"the {head}{_ITEMS}{tail}")
        filled.append(f"[|all |the ]{head}{_ITEMS} [of|in] {{p}}{tail}")
    return tuple(filled)


def _worded(step: _Step, items: str) -> str:
    return step.canonical.replace("{w}", items)


def _unfiltered() -> list[Behaviour]:
    made: list[Behaviour] = []
    for step in (*_REDUCERS, *_ORDERS):
        pattern = "reduce" if step in _REDUCERS else "order"
        code = step.code.replace("{gen}", "{p}").replace("{seq}", "{p}")
        made.append(
            Behaviour(
                LIST, (step.name,), _worded(step, "items"), wrapped(step.phrases, _NOUNS), code,
                step.returns, _listed(_PLAIN), _result(step, _PLAIN), (pattern,),
            )
        )  # fmt: skip
    for step in _MAPS:
        made += _map_and_sum(step)
    return made


def _map_and_sum(step: _Step) -> list[Behaviour]:
    each = step.code.replace("{v}", "x")
    sample = _PLAIN[:2]
    mapped = [_mapped(step, term) for term in sample]
    inner = wrapped(step.phrases, _NOUNS)
    words = _worded(step, "items")
    total = _REDUCERS[0]
    return [
        Behaviour(
            LIST, (step.name,), words, inner, f"[{each} for x in {{p}}]", "list[int]",
            _listed(sample), _listed(mapped), ("map",),
        ),
        Behaviour(
            LIST, (step.name, "sum"), _worded(total, words), wrapped(total.phrases, inner),
            f"sum({each} for x in {{p}})", "int", _listed(sample), _summed(mapped),
            ("map", "reduce"),
        ),
    ]  # fmt: skip


def _filtered(chosen: Filter) -> list[Behaviour]:
    kept = f"x for x in {{p}} if {chosen.condition}"
    nouns = _nouns(chosen.phrases)
    kept_terms = _listed(chosen.passing())
    made = [
        Behaviour(
            LIST, (chosen.name,), chosen.canonical, nouns, f"[{kept}]", "list[int]",
            _listed(chosen.terms), kept_terms, ("filter",),
        )
    ]  # fmt: skip
    for step in _REDUCERS[:_AFTER_FILTERS]:
        code = step.code.replace("{gen}", kept).replace("{seq}", f"[{kept}]")
        made.append(
            Behaviour(
                LIST, (chosen.name, step.name), _worded(step, chosen.canonical),
                wrapped(step.phrases, nouns), code, step.returns, _listed(chosen.terms),
                step.code.replace("{gen}", kept_terms).replace("{seq}", kept_terms),
                ("filter", "reduce"),
            )
        )  # fmt: skip
    return made


def list_behaviours() -> list[Behaviour]:
    """Return every behaviour of lists."""
    return [*_unfiltered(), *(made for chosen in FILTERS for made in _filtered(chosen))]
