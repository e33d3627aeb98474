"""Tasks in which a rule fires, with answers that keep it, and tasks in which it must not."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import islice
from random import Random
from typing import Final

from agents.brief import BriefRule, module_name
from memory.records import Item
from training.examples.behaviours import Behaviour, Commits, Named, Prefers, Raises, Refuses
from training.examples.domain import CHANGES, OPERATIONS, Operation, draw
from training.examples.scribe import Scribe, Written, as_rule, placed
from training.examples.tasks import code_run, function_run, refused_run
from training.examples.wordings import (
    ADDS,
    ALLOWED,
    CALLED,
    CHOSEN,
    CLASSES,
    COMMITTED,
    FORBIDDEN,
    GUARDS,
    SWAPS,
    filled,
)
from training.phrasing import phrases

_SUBJECT: Final = 72  # characters of a commit's first line
_SHOWN_EVERY: Final = 4  # one in so many tasks is shown the rule, as recall does


def applied(
    behaviour: Behaviour, item: Item, scribe: Scribe, rng: Random, house: Iterable[Behaviour] = ()
) -> Iterator[Written]:
    """Yield about ten conversations in which ``behaviour`` fires and is kept.

    ``house`` are all rules there are: what they say of the same name or message is kept as well.
    """
    match behaviour:
        case Raises():
            yield from _guards(behaviour, item, scribe, rng)
        case Named(what="function"):
            rules = [behaviour] if behaviour.kind else _named(house, behaviour)
            yield from _functions(rules, item, scribe, rng)
        case Named(what="class"):
            yield from _classes(behaviour, item, scribe, rng)
        case Named():
            return
        case Commits():
            forms = [one for one in house if isinstance(one, Commits)]
            yield from _commits(forms or [behaviour], item, scribe, rng)
        case Refuses():
            yield from _refusals(behaviour, item, scribe, rng)
        case Prefers():
            yield from _choices(behaviour, item, scribe, rng)


def contrasted(behaviour: Behaviour, item: Item, scribe: Scribe, rng: Random) -> Iterator[Written]:
    """Yield tasks near ``behaviour`` where it has nothing to say, or does not hold."""
    operations = rng.sample(OPERATIONS, 2)
    places = draw(rng, 2)
    if isinstance(behaviour, Raises) and behaviour.unwanted and item.scope:
        path, thing = places[0]  # elsewhere the rule does not hold
        form = phrases(GUARDS, 1, rng)[0]
        yield guard_run(Raises(behaviour.unwanted, ""), form, path, thing, 3, scribe, ())
    if isinstance(behaviour, Commits):
        change = rng.choice(CHANGES)
        yield scribe.asked(f"Say in a few words what changed: {change.told}.", f"{change.subject}.")
    if isinstance(behaviour, Named) and behaviour.what == "function":
        path, thing = places[1]
        yield class_run(thing.title(), path, scribe, ())
        return
    for operation, (path, _), form in zip(operations, places, rng.sample(CALLED, 2), strict=True):
        wish = form.format(path=path, returns=operation.returns, sig=operation.signature)
        yield function_run(scribe, wish, path, operation)


def _named(house: Iterable[Behaviour], behaviour: Named) -> list[Named]:
    """Return the rules of ``house`` about the names of all functions, ``behaviour`` among them."""
    rules = [one for one in house if isinstance(one, Named) and one.what == "function"]
    return [one for one in rules if not one.kind] or [behaviour]


def _rules(item: Item, number: int) -> tuple[BriefRule, ...]:
    if number % _SHOWN_EVERY != _SHOWN_EVERY - 1:
        return ()
    return (as_rule(item),)


# -- raising ---------------------------------------------------------------------------------------


def _guards(rule: Raises, item: Item, scribe: Scribe, rng: Random) -> Iterator[Written]:
    forms = phrases(GUARDS, 10, rng)
    for number, (form, (path, thing)) in enumerate(zip(forms, draw(rng, len(forms)), strict=True)):
        least, rules = rng.randint(2, 30), _rules(item, number)
        yield guard_run(rule, form, placed(item, path), thing, least, scribe, rules)


def guard_run(
    rule: Raises,
    form: str,
    path: str,
    thing: str,
    least: int,
    scribe: Scribe,
    rules: tuple[BriefRule, ...],
    follows: tuple[BriefRule, ...] | None = None,
) -> Written:
    """Return a run that adds a check of ``thing``, raising as ``rule`` says below ``least``."""
    error, is_own = rule.wanted, not hasattr(builtins, rule.wanted)
    imported = f"{error}, check_{thing}" if is_own else f"check_{thing}"
    test = (
        f"import pytest\nfrom {module_name(path)} import {imported}\n\n\n"
        f"def test_check_{thing}():\n    assert check_{thing}({least}) == {least}\n"
        f"    with pytest.raises({error}):\n        check_{thing}({least} - 1)"
    )
    call, when = f"check_{thing}({thing})", f" {rule.when}" if rule.when else ""
    wish = form.format(
        call=call, path=path, thing=thing, Thing=thing.capitalize(), least=least, when=when,
        When=f" This is{when}." if when else "",
    )  # fmt: skip
    if when not in wish:
        wish = f"{wish} This is{when}."
    code = (
        f"def check_{thing}({thing}):\n    if {thing} < {least}:\n"
        f'        raise {error}("{thing} below {least}")\n    return {thing}'
    )
    return code_run(
        scribe,
        wish,
        path,
        goal=f"return {thing} and raise {error} below {least}",
        adds=call,
        test=test,
        code=code,
        before=f"class {error}(Exception):\n    pass" if is_own else "",
        marks=("concept:error",),
        rules=rules,
        follows=follows,
    )


# -- names -----------------------------------------------------------------------------------------


def _functions(
    rules: Sequence[Named], item: Item, scribe: Scribe, rng: Random
) -> Iterator[Written]:
    """Yield wishes that leave the name open: a name that was asked for stays as it is."""
    kind = rules[0].kind
    forms = phrases(ADDS, 10, rng)
    operations = rng.sample(OPERATIONS, len(forms))
    for number, (form, (path, _)) in enumerate(zip(forms, draw(rng, len(forms)), strict=True)):
        operation, at = operations[number], placed(item, path)
        wish = form.format(path=at, returns=operation.returns, kind=kind or "function")
        name = reduce(lambda name, rule: rule.apply(name), rules, operation.name)
        named = operation._replace(name=name)
        yield function_run(
            scribe, wish, at, named, marks=("concept:name",), rules=_rules(item, number)
        )


def _classes(rule: Named, item: Item, scribe: Scribe, rng: Random) -> Iterator[Written]:
    rows = zip(phrases(CLASSES, 10, rng), draw(rng, 10), strict=True)
    for number, (form, (path, thing)) in enumerate(rows):
        name, at = rule.apply(thing.title()), placed(item, path)
        wish = form.format(path=at, thing=thing)
        yield class_run(name, at, scribe, _rules(item, number), wish=wish)


def class_run(
    name: str,
    path: str,
    scribe: Scribe,
    rules: tuple[BriefRule, ...],
    wish: str = "",
    follows: tuple[BriefRule, ...] | None = None,
) -> Written:
    """Return a run that adds the error class ``name``; ``wish`` may call it by something else."""
    return code_run(
        scribe,
        wish or f"Add an error class {name} to {path}.",
        path,
        goal=f"offer {name}",
        adds=name,
        test=(
            f"from {module_name(path)} import {name}\n\n\n"
            f"def test_{name.lower()}():\n    assert issubclass({name}, Exception)"
        ),
        code=f'class {name}(Exception):\n    """Say what is wrong."""',
        marks=("concept:name",),
        rules=rules,
        follows=follows,
    )


# -- commits, refusals, choices --------------------------------------------------------------------


def _commits(
    rules: Sequence[Commits], item: Item, scribe: Scribe, rng: Random
) -> Iterator[Written]:
    changes = rng.sample(CHANGES, 10)
    for number, (form, change) in enumerate(zip(phrases(COMMITTED, 10, rng), changes, strict=True)):
        message = commit_message(rules, change.kind, change.subject)
        if len(message) <= _SUBJECT:
            told = f"{change.told[:1].upper()}{change.told[1:]}"
            asked = filled(form, rng, told=change.told, Told=told)
            yield scribe.asked(asked, message, "concept:commit", rules=_rules(item, number))


def commit_message(rules: Sequence[Commits], kind: str, subject: str) -> str:
    """Return a commit's first line as ``rules`` have it; ``kind`` is that of a conventional one."""
    is_conventional = any(not rule.affix for rule in rules)
    message = f"{kind}: {subject}" if is_conventional else subject
    for rule in rules:
        if rule.affix and rule.at_end:
            message = f"{message} {rule.affix}"
        elif rule.affix:
            message = f"{rule.affix}{'' if rule.affix[-1] in '-/(_ ' else ' '}{message}"
    return message


def _refusals(rule: Refuses, item: Item, scribe: Scribe, rng: Random) -> Iterator[Written]:
    why = item.text.rstrip(".").replace("\n", " ")
    for number, form in enumerate(phrases(FORBIDDEN, 10, rng)):
        wish = filled(form, rng, action=rule.action)
        wish = f"{wish[:1].upper()}{wish[1:]}"
        rules = _rules(item, number)
        if number % 3 == 2:
            asked = phrases(ALLOWED, 1, rng)[0].format(action=rule.action)
            yield scribe.asked(asked, f"No. {item.text}", rules=rules)
        else:
            yield refused_run(scribe, wish, rule.action, why, rules=rules)


def _choices(rule: Prefers, item: Item, scribe: Scribe, rng: Random) -> Iterator[Written]:
    known = SWAPS.get((rule.wanted.casefold(), rule.unwanted.casefold()))
    swaps = _swaps(known, item, scribe, rng) if known is not None else iter(())
    answer = f"Use {rule.wanted}, not {rule.unwanted}."
    for number, form in enumerate(phrases(CHOSEN, 10, rng)):
        asked = filled(form, rng, wanted=rule.wanted, unwanted=rule.unwanted)
        yield scribe.asked(asked, answer, rules=_rules(item, number))
        yield from islice(swaps, number % 2)


def _swaps(
    known: tuple[Operation, str], item: Item, scribe: Scribe, rng: Random
) -> Iterator[Written]:
    operation, needs = known
    for number, (path, thing) in enumerate(draw(rng, 4)):
        at, named = placed(item, path), operation._replace(name=f"{operation.name}_{thing}")
        wish = rng.choice(CALLED).format(path=at, returns=named.returns, sig=named.signature)
        yield function_run(scribe, wish, at, named, needs=needs, rules=_rules(item, number))
