"""The ten constraints, each with its lesson."""

from __future__ import annotations

from typing import Final

from training.starter.lesson import lessons

CONSTRAINTS: Final = lessons(
    "constraint",
    '''
no-globals
---
count each NOUN without a global
---
State belongs to an object that somebody owns and hands on. A module holds constants and functions.
---
Whoever imports the module shares the counter, tests included.
---
count = 0


def seen(NOUN):
    global count
    count += 1
    return count
---
class CLASSCounter:
    """Counts each NOUN that it is shown."""

    def __init__(self):
        self.count = 0

    def see(self, NOUN):
        self.count += 1
        return self.count
===
explicit-exceptions
---
tell a caller that a NOUN is missing
---
Raise an exception of your own that says what is wrong. No bare except, no error codes, no None for "it failed".
---
Minus one is a NOUN too, so nobody can tell it from a failure.
---
def NOUN_of(record):
    try:
        return record["NOUN"]
    except:
        return -1
---
class MissingCLASS(LookupError):
    """A record has no NOUN."""


def NOUN_of(record):
    """Return the NOUN of ``record``; ``MissingCLASS`` when it has none."""
    if "NOUN" not in record:
        raise MissingCLASS(f"the record has no NOUN, only {sorted(record)}")
    return record["NOUN"]
===
typed-signatures
---
write the head of a function that scales a NOUN
---
Every public function has types for all arguments and its result; the checker runs in strict mode.
---
The head has no types, and the result changes its type with the argument.
---
def scaled(NOUN, factor):
    return NOUN * factor if factor else "none"
---
def scaled_NOUN(NOUN: float, factor: float) -> float:
    """Return ``NOUN`` times ``factor``."""
    return NOUN * factor
===
pep-8
---
lay out code about NOUN
---
Names in snake_case, classes in CapWords, constants in capitals, four spaces, one statement a line; a formatter does the rest.
---
Names and layout follow no convention: two statements in a line, a function in CapWords.
---
def ComputeTOTAL( NOUN,Factor ):
    X=NOUN*Factor; return X
---
DEFAULT_FACTOR = 2


def compute_total(NOUN, factor=DEFAULT_FACTOR):
    """Return ``NOUN`` times ``factor``."""
    return NOUN * factor
===
documented-apis
---
publish a class that stores a NOUN
---
Whatever others may call has a docstring that promises something: result, errors, units, and whether it is safe to call again.
---
A user of the class has to read its code to know what remove does when there is nothing.
---
class CLASSStore:
    def __init__(self):
        self.items = {}

    def remove(self, key):
        self.items.pop(key, None)
---
class CLASSStore:
    """Keeps one NOUN for each key, in memory."""

    def __init__(self) -> None:
        self._items: dict[str, int] = {}

    def remove(self, key: str) -> None:
        """Remove what ``key`` holds; nothing happens when it holds nothing."""
        self._items.pop(key, None)
===
unit-tests
---
test a function about NOUN
---
Each behaviour has a test that fails without it: the usual case, the edges, and the error. One reason to fail each, and a name that is a sentence.
---
The test asserts nothing, so it passes whatever the function does.
---
def half_NOUN(NOUN):
    return NOUN / 2


def test_half():
    half_NOUN(4)
---
def half_NOUN(NOUN):
    """Return half of ``NOUN``."""
    return NOUN / 2


def test_half_of_an_even_NOUN():
    assert half_NOUN(4) == 2


def test_half_of_an_odd_NOUN_is_not_rounded():
    assert half_NOUN(5) == 2.5
===
injected-dependencies
---
use the time in code about NOUN
---
Clock, randomness, files and network come in as arguments, with the real ones as defaults at the edge alone.
---
The clock is read inside, so the result of a test depends on the hour.
---
import time


def stamped(NOUN):
    return {"NOUN": NOUN, "at": time.time()}
---
def stamped(NOUN, now):
    """Return ``NOUN`` with the time ``now``, in seconds since the epoch."""
    return {"NOUN": NOUN, "at": now}
===
logging-not-printing
---
report progress on NOUN
---
Use a logger named after the module, with values as arguments; a program's output is for its result alone.
---
Messages go to standard output, in the middle of the result, and cannot be turned off.
---
def load(values):
    for NOUN in values:
        print("loading NOUN", NOUN)
    return list(values)
---
import logging

log = logging.getLogger(__name__)


def load(values):
    """Return ``values`` as a list and log each."""
    for NOUN in values:
        log.info("loading NOUN %s", NOUN)
    return list(values)
===
least-privilege
---
give a report access to each NOUN
---
Hand over what is needed and no more: a function instead of the store, a read-only view instead of the list, a narrow role instead of the administrator.
---
A report that only reads gets the whole store and could empty it.
---
def report(store):
    return sum(store["NOUN"])
---
from types import MappingProxyType


def read_only(store):
    """Return a view of ``store`` that cannot be written."""
    return MappingProxyType(store)


def report(values):
    """Return the sum of each NOUN in ``values``; nothing else is seen."""
    return sum(values)
===
validated-externals
---
read a NOUN from the environment
---
What comes from outside is a text until it is checked: files, variables, responses, arguments. Check type and range, and name the source in the error.
---
A wrong variable becomes an error far away from its cause, or none at all.
---
import os

NOUN = os.environ.get("NOUN")
---
def NOUN_from(environment):
    """Return the NOUN that the environment sets, a whole number from 1 to 1000; default 10."""
    text = environment.get("NOUN", "10")
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise ValueError(f"the variable NOUN is {text!r}; set it to a number from 1 to 1000")
    return int(text)
''',
)
