"""What lessons are about: made-up definitions and rules, whose random words have to be read."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final, NamedTuple

from training.embedded.names import Names
from training.examples.behaviours import Behaviour, Commits, Named, Prefers, Raises, Refuses
from training.examples.build import topics_of

BOOK: Final = 32
"""How many facts are in the book at a time."""

_PHRASES: Final = (
    "{0} of {1}", "a {0} that {1}s {2}", "the {0} {1} of the {2}", "{0} and {1}", "{0} between {1} and {2}",
    "{0} that nobody {1}s", "the {0} still in {1}", "{0} without {1}", "a {0} for {1} {2}", "to {0} before {1}",
    "what {0}s the {1}", "the {0}s that are {1}", "{0} {1} after each {2}", "all {0} with {1}", "one {0} a {1}",
)  # fmt: skip
_RULES: Final = (
    "{0}s {1} the {2} first.", "Keep {0}s in {1} {2}.", "Every {0} has a {1}.", "No {0} may {1} a {2}.",
    "We {0} {1}s with {2}.", "The {0} of a {1} is {2}.", "Never mix {0} and {1}.", "{0} {1} before {2} {3}.",
    "{0} times are in {1}.", "Use {0} for {1}s and {2} for {3}s.", "All {0} {1}s end at {2}.",
)  # fmt: skip
_RAISED: Final = (
    "Raise {wanted} instead of {unwanted} when {case}.", "Raise {wanted}, not {unwanted}, when {case}.",
    "When {case}, raise {wanted} instead of {unwanted}.", "Always raise {wanted} when {case}.",
)  # fmt: skip
_CASES: Final = (
    "a {0} is {1}",
    "the {0} of a {1} is {2}",
    "a {0} {1}s",
    "{0} is too {1}",
    "no {0} {1}s",
)
_NAMED: Final = (
    "Start names of {kinds} with {affix}.", "Names of {kinds} start with {affix}.", "{Kinds} begin with {affix}.",
    "Prefix the names of {kinds} with {affix}.",
)  # fmt: skip
_ENDED: Final = ("End names of {kinds} with {affix}.", "Names of {kinds} end with {affix}.")
_COMMITS: Final = (
    "Commit messages start with {affix}.", "Start commit messages with {affix}.", "Every commit message begins with {affix}.",
)  # fmt: skip
_COMMITS_END: Final = ("Commit messages end with {affix}.", "End each commit message with {affix}.")
_AFFIXES: Final = ("[{0}]", "{0}:", "#{0}", "({0})", "{0} -")
_ACTIONS: Final = (
    "run {0} {1}", "push to {0}", "delete {0}/{1}", "edit {0}.{1}", "deploy on {0}", "remove the {0} {1}",
    "install {0}", "change the {0} of {1}", "rename {0} to {1}", "run {0}",
)  # fmt: skip
_FORBIDS: Final = (
    "Never {action}.",
    "Do not {action}.",
    "Don't {action}, ever.",
    "Never {action} here.",
)
_PREFERS: Final = (
    "Use {wanted} instead of {unwanted}.", "Prefer {wanted} over {unwanted}.", "Use {wanted}, not {unwanted}.",
)  # fmt: skip


class Fact(NamedTuple):
    """Something that can be asked about; ``topics`` is what a question names it by."""

    text: str
    topics: tuple[str, ...]
    term: str = ""

    @property
    def marks(self) -> tuple[str, ...]:
        """The markers of an answer with it."""
        return (f"definition:{self.term}",) if self.term else ()

    def unknown(self) -> str:
        """Return what is said by somebody who does not know it."""
        if self.term:
            return f"I do not know what {self.term} means."
        return f"I do not know of a rule about {self.topics[0]}."


def book(names: Names, seed: int, page: int) -> tuple[Fact, ...]:
    """Return the facts of the book at ``page``: all but one were in it a page before."""
    return tuple(fact(names, Random(f"{seed}:{number}")) for number in range(page, page + BOOK))


def fact(names: Names, rng: Random) -> Fact:
    """Return a definition, mostly, or a rule that says nothing about code."""
    if rng.random() < 0.3:
        text = filled(rng.choice(_RULES), names, rng)
        text = f"{text[:1].upper()}{text[1:]}"
        return Fact(text, tuple(topics_of(text)))
    term = str(rng.randint(2, 999)) if rng.random() < 0.15 else names.word(rng)
    sense = filled(rng.choice(_PHRASES), names, rng)
    return Fact(f"{term} means {sense}.", (sense,), term)


def others(names: Names, rng: Random, most: int = 2) -> tuple[str, ...]:
    """Return the texts of up to ``most`` rules that have nothing to do with a task."""
    made: tuple[Callable[[Names, Random], tuple[str, Behaviour]], ...]
    made = (raises, commits, forbids, prefers)
    return tuple(
        fact(names, rng).text if rng.random() < 0.5 else rng.choice(made)(names, rng)[0]
        for _ in range(rng.randint(0, most))
    )


def filled(form: str, names: Names, rng: Random) -> str:
    """Return ``form`` with up to four random words."""
    return form.format(*(names.word(rng) for _ in range(4)))


def raises(names: Names, rng: Random) -> tuple[str, Raises]:
    """Return a rule about errors, and what it does."""
    wanted = f"{names.word(rng).title()}Error"
    if rng.random() < 0.2:
        wanted = rng.choice(["TypeError", "LookupError", "RuntimeError", "KeyError"])
    case = filled(rng.choice(_CASES), names, rng)
    text = rng.choice(_RAISED).format(wanted=wanted, unwanted="ValueError", case=case)
    return text, Raises(wanted, "ValueError", f"when {case}")


def named(kind: str, names: Names, rng: Random) -> tuple[str, Named]:
    """Return a rule about the names of functions of a ``kind`` (all: empty), and what it does."""
    at_end, word = rng.random() < 0.25, names.word(rng)
    affix = f"_{word}" if at_end else f"{word}_"
    kinds = (kind or "function").replace("function", "functions")
    return naming(kinds, affix, at_end, rng), Named("function", affix, at_end, kind)


def naming(kinds: str, affix: str, at_end: bool, rng: Random) -> str:
    """Return a rule that names of ``kinds`` begin or end with ``affix``."""
    form = rng.choice(_ENDED if at_end else _NAMED)
    return form.format(kinds=kinds, Kinds=kinds.capitalize(), affix=affix)


def commits(names: Names, rng: Random) -> tuple[str, Commits]:
    """Return a rule about commit messages, and what it does."""
    at_end, affix = rng.random() < 0.25, filled(rng.choice(_AFFIXES), names, rng)
    text = rng.choice(_COMMITS_END if at_end else _COMMITS).format(affix=affix)
    return text, Commits(affix, at_end)


def forbids(names: Names, rng: Random) -> tuple[str, Refuses]:
    """Return a rule that forbids something, and what it does."""
    action = filled(rng.choice(_ACTIONS), names, rng)
    return rng.choice(_FORBIDS).format(action=action), Refuses(action)


def prefers(names: Names, rng: Random) -> tuple[str, Prefers]:
    """Return a rule about a choice, and what it does."""
    wanted, unwanted = names.word(rng), names.word(rng)
    text = rng.choice(_PREFERS).format(wanted=wanted, unwanted=unwanted)
    return text, Prefers(wanted, unwanted)
