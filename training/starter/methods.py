"""The seven methodologies, each with its lesson."""

from __future__ import annotations

from typing import Final

from training.starter.lesson import lessons

METHODS: Final = lessons(
    "methodology",
    '''
test-driven-development
---
begin work on a NOUN limit
---
Write a test that fails for want of the behaviour, see it fail, make it pass with the smallest change that is right in general, then tidy up while it stays green.
---
The test repeats the implementation, so it can never fail.
---
def limited_NOUN(NOUN, most):
    return min(NOUN, most)


def test_limited_NOUN():
    assert limited_NOUN(5, 3) == min(5, 3)
---
def limited_NOUN(NOUN, most):
    """Return ``NOUN``, but no more than ``most``."""
    return min(NOUN, most)


def test_a_NOUN_above_the_limit_is_cut():
    assert limited_NOUN(5, 3) == 3


def test_a_NOUN_at_the_limit_stays():
    assert limited_NOUN(3, 3) == 3
===
code-review
---
review a change to NOUN
---
Look in this order: is it right (edges, errors, concurrency), is it tested, can it be understood, is it as small as it can be. Say what is wrong, why, and what to write instead.
---
The last NOUN is left out, nobody tests it, and the index hides that.
---
def total_NOUN(values):
    total = 0
    for index in range(len(values) - 1):
        total += values[index]
    return total
---
def total_NOUN(values):
    """Return the sum of all ``values``, the last one included."""
    return sum(values)


def test_the_last_NOUN_counts():
    assert total_NOUN([2, 3]) == 2 + 3
===
refactoring
---
tidy up code about NOUN
---
Change the form in small steps and keep the tests green after each: name it, take out what is there twice, replace branches by data. Behaviour stays.
---
Each branch repeats the same shape with another number.
---
def fee(kind, NOUN):
    if kind == "small":
        return NOUN * 1
    elif kind == "large":
        return NOUN * 3
    elif kind == "huge":
        return NOUN * 7
    raise ValueError(kind)
---
RATES = {"small": 1, "large": 3, "huge": 7}


def fee(kind, NOUN):
    """Return what a NOUN of ``kind`` costs."""
    if kind not in RATES:
        raise ValueError(f"{kind!r} is none of {sorted(RATES)}")
    return NOUN * RATES[kind]
===
performance
---
make a search for NOUN fast
---
Measure first, with real sizes. Then change the algorithm or what is done again and again; the last step is the inner loop. Keep the measurement as a test of the claim.
---
Each look-up walks through a list: a thousand of them in a thousand are a million steps.
---
def known(values, wanted):
    return [NOUN for NOUN in wanted if NOUN in list(values)]
---
def known(values, wanted):
    """Return each NOUN of ``wanted`` that is one of ``values``, in order; one pass over each."""
    there = set(values)
    return [NOUN for NOUN in wanted if NOUN in there]
===
security-owasp
---
look a NOUN up in a database safely
---
Never build a command or a query out of text that came from outside: hand values over apart. Check who asks, give as few rights as will do, and keep secrets out of code and logs.
---
The NOUN becomes part of the query, so whoever sends it writes the query.
---
def find_NOUN(connection, NOUN):
    return connection.execute(f"SELECT * FROM item WHERE NOUN = '{NOUN}'").fetchall()
---
def find_NOUN(connection, NOUN):
    """Return the rows with that NOUN; the value is never part of the query's text."""
    return connection.execute("SELECT * FROM item WHERE NOUN = ?", (NOUN,)).fetchall()
===
clean-architecture
---
keep the rules about NOUN free of the framework
---
Rules of the business stand in the middle and import nothing of the outside: no web framework, no database. The outside imports them and translates.
---
The rule can only be reached through a web request and a session.
---
def handle(request, session):
    NOUN = int(request["NOUN"])
    if NOUN > 100:
        session.rollback()
        return {"status": 400}
    session.commit()
    return {"status": 200}
---
MOST = 100


def may_have(NOUN):
    """Say whether a NOUN is allowed."""
    return NOUN <= MOST


def handle(request):
    """Translate a request to the rule, and its answer back."""
    allowed = may_have(int(request["NOUN"]))
    return {"status": 200 if allowed else 400}
===
domain-driven-design
---
model a NOUN
---
Use the words of those who know the field, make a value a type that keeps its own rules, and let one object guard what must hold together.
---
A NOUN is a bare number, so any number goes, and its rule is written again at each use.
---
def add(first, second):
    if first < 0 or second < 0:
        raise ValueError("negative")
    return first + second
---
from dataclasses import dataclass


@dataclass(frozen=True)
class CLASS:
    """A NOUN: never negative."""

    value: int

    def __post_init__(self):
        if self.value < 0:
            raise ValueError(f"a NOUN is never negative: {self.value}")

    def plus(self, other):
        """Return both together."""
        return CLASS(self.value + other.value)
''',
)
