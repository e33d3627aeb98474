"""The ten principles, each with its lesson."""

from __future__ import annotations

from typing import Final

from training.starter.lesson import lessons

PRINCIPLES: Final = lessons(
    "principle",
    '''
validate-at-boundaries
---
check a NOUN where it enters
---
Check a value once, where it comes in from outside, and turn it into a type that cannot be wrong. Code behind that border may then rely on it.
---
The NOUN comes from a request and is used unchecked: a negative one or a text goes through.
---
def set_NOUN(request, record):
    record["NOUN"] = request["NOUN"]
---
def parse_NOUN(request):
    """Return the NOUN of a request, a whole number of at least 0."""
    value = request.get("NOUN")
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"NOUN is {value!r}; give a whole number of at least 0")
    return value
===
dependency-injection
---
keep the CLASS service apart from its store
---
Hand a thing what it works with instead of letting it build that itself. Then a test can hand in a small real one, and another store needs no change here.
---
The service opens its own database, so that no test can run without that file.
---
import sqlite3


class CLASSService:
    def __init__(self):
        self.store = sqlite3.connect("NOUN.db")
---
class CLASSService:
    """Keeps each NOUN in the store that it is given."""

    def __init__(self, store):
        self._store = store

    def keep(self, key, NOUN):
        self._store[key] = NOUN
===
clear-interfaces
---
offer NOUN to other modules
---
Say in names and types what goes in and what comes out, take few arguments, and show nothing of how it is done.
---
One function does two things by a flag, and its arguments say nothing.
---
def do(x, y, flag):
    if flag:
        return x + y
    return x - y
---
def raised_NOUN(NOUN: int, by: int) -> int:
    """Return ``NOUN`` raised by ``by``."""
    return NOUN + by


def lowered_NOUN(NOUN: int, by: int) -> int:
    """Return ``NOUN`` lowered by ``by``."""
    return NOUN - by
===
solid
---
split a class that reads and prints NOUN
---
Give a class one reason to change. What reads, what decides and what shows are three things, and each can then be replaced alone.
---
The class reads a file, computes and prints: three reasons to change.
---
class CLASSReport:
    def run(self, path):
        with open(path) as file:
            values = [int(line) for line in file]
        print(sum(values))
---
class CLASSFile:
    """Reads each NOUN from a file."""

    def __init__(self, path):
        self._path = path

    def values(self):
        with open(self._path) as file:
            return [int(line) for line in file]


def total_NOUN(values):
    """Return the sum of ``values``."""
    return sum(values)
===
error-handling
---
handle a NOUN that cannot be read
---
Catch what you expect, where you can do something about it. Say what happened, to what, and what to do next; log the cause and keep it as the cause of the new error.
---
Every error is swallowed, also the ones nobody thought of, and the caller gets None.
---
def read_NOUN(path):
    try:
        return int(open(path).read())
    except Exception:
        return None
---
import logging

log = logging.getLogger(__name__)


class DomainError(Exception):
    """What went wrong in terms of the business."""


def read_NOUN(path):
    """Return the NOUN that the file ``path`` holds."""
    with open(path) as file:
        text = file.read()
    try:
        return int(text)
    except ValueError as error:
        log.warning("%s holds no NOUN", path)
        raise DomainError(f"{path!r} holds no NOUN; write a whole number") from error
===
meaningful-names
---
name what has to do with NOUN
---
A name says what a thing is in the words of its users, a function what it returns. A comment that explains a name is a better name.
---
Names of one letter need a comment to be understood.
---
def f(l, n):
    r = []
    for i in l:
        if i > n:  # large NOUN
            r.append(i)
    return r
---
def NOUN_above(values, limit):
    """Return each NOUN of ``values`` that is greater than ``limit``."""
    return [NOUN for NOUN in values if NOUN > limit]
===
small-functions
---
keep a function about NOUN short
---
A function does one thing on one level and can be seen whole: at most twenty lines. What needs a heading in a comment is a function of its own.
---
One function cleans, checks and adds up; none of it can be tested alone.
---
def report(rows):
    # clean
    clean = []
    for row in rows:
        row = row.strip()
        if row:
            clean.append(row)
    # check
    for row in clean:
        if not row.isdigit():
            raise ValueError(row)
    # add up
    total = 0
    for row in clean:
        total += int(row)
    return total
---
def total_NOUN(rows):
    """Return the sum of all ``rows`` that hold a NOUN."""
    return sum(map(parsed_NOUN, filled(rows)))


def filled(rows):
    """Return ``rows`` without empty ones."""
    return [row.strip() for row in rows if row.strip()]


def parsed_NOUN(row):
    """Return the NOUN in ``row``; ``ValueError`` where there is none."""
    if not row.isdigit():
        raise ValueError(f"{row!r} is no NOUN")
    return int(row)
===
docstrings
---
document a function about NOUN
---
A docstring says what a caller may rely on: what comes back, the unit, which errors are raised, and what is not covered. It does not repeat the code.
---
The docstring repeats the name and says nothing of units or errors.
---
def mean_NOUN(values):
    """Mean NOUN."""
    return sum(values) / len(values)
---
def mean_NOUN(values):
    """Return the arithmetic mean of ``values``.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is no NOUN to take the mean of")
    return sum(values) / len(values)
===
type-hints
---
type a function about NOUN
---
Annotate what others call: arguments as wide as the function can take, results as narrow as it gives. A checker then finds a wrong call before a user does.
---
Nobody can tell whether a NOUN is a text, a number or None.
---
def best(values, default=None):
    return max(values) if values else default
---
from collections.abc import Sequence


def best_NOUN(values: Sequence[int], default: int | None = None) -> int | None:
    """Return the largest of ``values``, or ``default`` where there are none."""
    return max(values) if values else default
===
no-shared-state
---
collect each NOUN without a mutable default
---
A mutable default or a global is shared by all callers. Make a new one in each call, or keep it in an object that somebody owns.
---
The list in the head is made once: the second call still holds the first call's NOUN.
---
def collect(NOUN, into=[]):
    into.append(NOUN)
    return into
---
def collected(NOUN, before=()):
    """Return ``before`` and ``NOUN`` as a new list."""
    return [*before, NOUN]
''',
)
