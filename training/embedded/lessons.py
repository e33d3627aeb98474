"""Lessons of the curriculum: what is taught is answered, kept where it applies, and nowhere else.

Some facts are not shown, the ``book`` of a moment, which is asked about again and again before its
oldest entry gives way to a new one. So the network practises what a night asks of it, to learn a
fact by heart, and a question about what is neither shown nor in the book is answered by saying so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from agents import talk
from agents.brief import BriefRule
from agents.chat import Message
from training.embedded.asking import (
    ABOUT,
    ALLOWED,
    CHOSEN,
    COMMITTED,
    DEFINED,
    REVERSED,
    question,
)
from training.embedded.curriculum import PROFILE, Turn
from training.embedded.names import Names
from training.embedded.taught import (
    Fact,
    commits,
    fact,
    forbids,
    named,
    naming,
    others,
    prefers,
    raises,
)
from training.examples import wordings
from training.examples.applied import class_run, commit_message, guard_run
from training.examples.behaviours import Named, Raises
from training.examples.domain import OPERATIONS
from training.examples.scribe import Scribe, Written
from training.examples.tasks import function_run, refused_run
from training.phrasing import expand, is_held_out

_SCRIBE: Final = Scribe(PROFILE)
_OPERATIONS: Final = tuple(
    one for one in OPERATIONS if not is_held_out(one.returns.replace(one.parameter, "{p}"))
)
_RECITED_SHARE: Final = 0.25  # of the questions: about the book
_TOLD: Final = (
    ("the {0} {1}s the {2} now", "{1} the {2}"),
    ("there is a {0} for {1} now", "add a {0} for {1}"),
    ("{0} and {1} are one {2} now", "join {0} and {1}"),
    ("the {0} is {1} again", "make the {0} {1} again"),
    ("the {0} of {1} was {2}; that is mended", "mend the {0} of {1}"),
)


def shown(texts: Sequence[str]) -> tuple[BriefRule, ...]:
    """Return ``texts`` as a prompt shows them."""
    return tuple(BriefRule(id=f"r{number}", text=text) for number, text in enumerate(texts, 1))


def asked(names: Names, rng: Random, known: Sequence[Fact] = ()) -> list[Turn]:
    """Return a question and its answer; without the book ``known`` it is shown, or not known."""
    if known and rng.random() < _RECITED_SHARE:
        return _turns(_recited(known, names, rng))
    return made(rng.choice(_ASKED), names, rng)


def done(names: Names, rng: Random) -> list[Turn]:
    """Return a run in which a shown rule is kept, or none applies."""
    return made(rng.choice(_DONE), names, rng)


def made(kind: str, names: Names, rng: Random) -> list[Turn]:
    """Return a lesson of the ``kind``, one of ``KINDS``."""
    return _turns(_MAKERS[kind](names, rng))


def _turns(written: Written) -> list[Turn]:
    return [
        Turn(turn.role, turn.content, at in written.learn)  # type: ignore[arg-type]
        for at, turn in enumerate(written.messages)
    ]


def _among(
    text: str, names: Names, rng: Random, texts: Sequence[str] = ()
) -> tuple[tuple[BriefRule, ...], BriefRule]:
    """Return ``text`` as a rule among ``texts``, by default any others, and itself."""
    texts = texts or others(names, rng)
    at = rng.randint(0, len(texts))
    rules = shown([*texts[:at], text, *texts[at:]])
    return rules, rules[at]


# -- questions -------------------------------------------------------------------------------------


def _question(one: Fact, names: Names, rng: Random) -> str:
    if not one.term:
        return question(ABOUT, names, rng, topic=rng.choice(one.topics))
    if rng.random() < 0.1:
        return question(REVERSED, names, rng, sense=one.topics[0])
    return question(DEFINED, names, rng, term=one.term)


def _told(
    asked: str, answer: str, marks: Sequence[str] = (), *,
    rules: Sequence[BriefRule] = (), follows: Sequence[BriefRule] = (), piece: str = "",
) -> Written:  # fmt: skip
    """Return a question that is shown ``rules`` and answered by ``follows`` of them."""
    known = [_Piece(piece)] if piece else []
    spoken = [talk.system(PROFILE), talk.question(PROFILE, asked, rules, known)]
    told = f"{answer}\n{_SCRIBE.tags(*marks, rules=follows)}"
    return Written.of([*spoken, Message(role="assistant", content=told)])


class _Piece(NamedTuple):
    text: str
    why: str = ""


def _recited(known: Sequence[Fact], names: Names, rng: Random) -> Written:
    one = rng.choice(known)
    rules = shown(others(names, rng)) if rng.random() < 0.3 else ()
    return _told(_question(one, names, rng), one.text, one.marks, rules=rules)


def _read(names: Names, rng: Random) -> Written:
    one = fact(names, rng)
    asked = _question(one, names, rng)
    if rng.random() < 0.15:
        rules = shown(others(names, rng))
        return _told(asked, one.text, one.marks, rules=rules, piece=one.text)
    alike = [fact(names, rng).text for _ in range(rng.randint(0, 3))]
    rules, own = _among(one.text, names, rng, alike)
    return _told(asked, one.text, one.marks, rules=rules, follows=(own,))


def _doubted(names: Names, rng: Random) -> Written:
    one = fact(names, rng)
    slots = {"term": one.term, "topic": one.topics[0]}
    asked = question(DEFINED if one.term else ABOUT, names, rng, **slots)
    rules = shown(others(names, rng)) if rng.random() < 0.5 else ()
    return _told(asked, one.unknown(), rules=rules)


def _committed(names: Names, rng: Random) -> Written:
    told, subject = _change(names, rng)
    slots = {"told": told, "Told": f"{told[:1].upper()}{told[1:]}"}
    asked = question(COMMITTED, names, rng, **slots)
    if rng.random() < 0.4:
        return _told(asked, subject, ("concept:commit",))
    text, behaviour = commits(names, rng)
    rules, own = _among(text, names, rng)
    message = commit_message([behaviour], "fix", subject)
    return _told(asked, message, ("concept:commit",), rules=rules, follows=(own,))


def _change(names: Names, rng: Random) -> tuple[str, str]:
    words = [names.word(rng) for _ in range(3)]
    told, subject = rng.choice(_TOLD)
    return told.format(*words), subject.format(*words)


def _chosen(names: Names, rng: Random) -> Written:
    text, behaviour = prefers(names, rng)
    asked = question(CHOSEN, names, rng, wanted=behaviour.wanted, unwanted=behaviour.unwanted)
    rules, own = _among(text, names, rng)
    answer = f"Use {behaviour.wanted}, not {behaviour.unwanted}."
    return _told(asked, answer, rules=rules, follows=(own,))


def _allowed(names: Names, rng: Random) -> Written:
    text, behaviour = forbids(names, rng)
    asked = question(ALLOWED, names, rng, action=behaviour.action)
    rules, own = _among(text, names, rng)
    return _told(asked, f"No. {text}", rules=rules, follows=(own,))


# -- runs ------------------------------------------------------------------------------------------


def _place(names: Names, rng: Random) -> str:
    return f"{names.word(rng)}/{names.word(rng)}.py"


def _guarded(names: Names, rng: Random) -> Written:
    path, thing, least = _place(names, rng), names.word(rng), rng.randint(2, 30)
    text, behaviour = raises(names, rng)
    form = expand(rng.choice(wordings.GUARDS), rng)
    if rng.random() < 0.4:
        plain = Raises("ValueError", "", rng.choice(["", behaviour.when]))
        return guard_run(plain, form, path, thing, least, _SCRIBE, ())
    rules, own = _among(text, names, rng)
    return guard_run(behaviour, form, path, thing, least, _SCRIBE, rules, follows=(own,))


def _named(names: Names, rng: Random) -> Written:
    path, operation = _place(names, rng), rng.choice(_OPERATIONS)
    kind = rng.choice(
        ["", "helper function", "private function", f"function that {names.word(rng)}s"]
    )
    text, behaviour = named(kind, names, rng)
    folder = path.partition("/")[0]
    where = rng.random()
    if where < 0.2:
        text = f"In {folder}, {text[:1].lower()}{text[1:]}"
    elif where < 0.35:  # holds elsewhere
        text = f"In {names.word(rng)}, {text[:1].lower()}{text[1:]}"
    form = expand(rng.choice(wordings.ADDS), rng)
    wish = form.format(path=path, returns=operation.returns, kind=kind or "function")
    marks = ("concept:name",)
    if rng.random() < 0.4:
        return function_run(_SCRIBE, wish, path, operation, marks=marks)
    rules, own = _among(text, names, rng)
    if 0.2 <= where < 0.35:
        return function_run(_SCRIBE, wish, path, operation, marks=marks, rules=rules, follows=())
    renamed = operation._replace(name=behaviour.apply(operation.name))
    return function_run(_SCRIBE, wish, path, renamed, marks=marks, rules=rules, follows=(own,))


def _classed(names: Names, rng: Random) -> Written:
    path, thing = _place(names, rng), names.word(rng)
    affix, at_end = rng.choice([("Error", True), (names.word(rng).title(), rng.random() < 0.5)])
    behaviour = Named("class", affix, at_end)
    name = behaviour.apply(thing.title())
    wish = expand(rng.choice(wordings.CLASSES), rng).format(path=path, thing=thing)
    if affix == "Error":
        return class_run(name, path, _SCRIBE, (), wish=wish)
    text = naming(rng.choice(["classes", "error classes", "exceptions"]), affix, at_end, rng)
    rules, own = _among(text, names, rng)
    return class_run(name, path, _SCRIBE, rules, wish=wish, follows=(own,))


def _refused(names: Names, rng: Random) -> Written:
    text, behaviour = forbids(names, rng)
    rules, own = _among(text, names, rng)
    if rng.random() < 0.4:
        return _ordinary(names, rng, rules)
    wish = expand(rng.choice(wordings.FORBIDDEN), rng).format(action=behaviour.action)
    wish, why = f"{wish[:1].upper()}{wish[1:]}", text.rstrip(".")
    return refused_run(_SCRIBE, wish, behaviour.action, why, rules=rules, follows=(own,))


def _plain(names: Names, rng: Random) -> Written:
    return _ordinary(names, rng, shown(others(names, rng)))


def _ordinary(names: Names, rng: Random, rules: tuple[BriefRule, ...]) -> Written:
    path, operation = _place(names, rng), rng.choice(_OPERATIONS)
    if rng.random() < 0.5:
        operation = operation._replace(name=f"{operation.name}_{names.word(rng)}")
    wish = rng.choice(wordings.CALLED).format(
        path=path, returns=operation.returns, sig=operation.signature
    )
    return function_run(_SCRIBE, wish, path, operation, rules=rules, follows=())


_MAKERS: Final[Mapping[str, Callable[[Names, Random], Written]]] = {
    "shown": _read,
    "unknown": _doubted,
    "commit message": _committed,
    "choice": _chosen,
    "permission": _allowed,
    "error class": _guarded,
    "name": _named,
    "class name": _classed,
    "refusal": _refused,
    "nothing applies": _plain,
}
KINDS: Final = tuple(_MAKERS)
_ASKED: Final = ("shown", "shown", "shown", "unknown", "commit message", "choice", "permission")
_DONE: Final = (
    "error class", "error class", "name", "name", "class name", "refusal", "refusal",
    "nothing applies",
)  # fmt: skip
