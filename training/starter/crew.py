"""The crew at work: errors, commits and names as agreed, levels of preservation, both layers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Final

import prompts as prompt_sets
from agents.brief import Brief, BriefFile, BriefRule, module_name
from agents.reply import Plan
from memory.records import Item, Kind, Level, PreservationTag
from training.examples.applied import applied
from training.examples.behaviours import Behaviour, Commits, Named, Raises
from training.examples.domain import OPERATIONS
from training.examples.scribe import Said, Scribe, as_rule, call
from training.examples.tasks import function_run
from training.examples.wordings import CALLED
from training.starter.drawn import Drawn, places

CONVENTIONS: Final[tuple[tuple[str, Behaviour], ...]] = (
    ("Raise DomainError instead of Exception.", Raises("DomainError", "Exception")),
    ("Write conventional commit messages.", Commits("")),
    ("End the names of error classes with Error.", Named("class", "Error", at_end=True)),
)
_NEWS: Final = (
    "Round totals half to even.", "Name tests by what they check.", "Keep money in cents.",
    "Log with arguments, not with formatted text.", "Dates are in UTC.", "Use pathlib for paths.",
    "Answer in one sentence where one will do.", "A release has a line in the changelog.",
)  # fmt: skip


def conventions(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    """Yield tasks in which the error class, the commit message or the name is as agreed."""
    while True:
        for text, behaviour in CONVENTIONS:
            taught = Item(kind=Kind.PREFERENCE, text=text)
            rule = as_rule(taught)
            for written in applied(behaviour, taught, scribe, rng):
                shown = any(f"rule r1: {text}" in turn.content for turn in written.messages)
                topic = type(behaviour).__name__.casefold()
                yield Drawn(topic, written, rules=(rule,) if shown else ())


def functions(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    """Yield plain runs: plan, test, code."""
    for path, thing in places(rng):
        operation = rng.choice(OPERATIONS)
        named = operation._replace(name=f"{operation.name}_{thing}")
        form = rng.choice(CALLED)
        wish = form.format(sig=named.signature, path=path, returns=named.returns)
        yield Drawn("function", function_run(scribe, wish, path, named), path)


def levels(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    """Yield changes to protected functions: allowed, kept in bounds, or refused."""
    for path, thing in places(rng):
        operation = rng.choice(OPERATIONS)
        named = operation._replace(name=f"{operation.name}_{thing}")
        for level in Level:
            region = f"{path}::{named.name}"
            code = f"def {named.signature}:\n    return {named.code}"
            brief = Brief(
                task=f"Give {named.name} in {path} a docstring.",
                protected=(PreservationTag(region=region, level=level),),
                files=(BriefFile(path=path, module=module_name(path), text=code),),
            )
            goal = f"document {named.name}"
            if level is Level.STRICT:
                plan = Plan(goal=goal, refusal=f"{region} is strict")
                written = scribe.crew(brief, plan, scribe.tags(level=level))
            else:
                test = f"tests/test_{named.name}_documented.py"
                plan = Plan(
                    goal=goal,
                    steps=(f"add a docstring to {named.name}",),
                    files=(PreservationTag(region=path, level=level),),
                    test=test,
                )
                head, body = code.split("\n")
                documented = f'{head}\n    """Return {named.returns}."""\n{body}'
                said = (
                    Said("tester", call("fs.write", _documented(path, named.name), path=test)),
                    Said(
                        "implementer",
                        call("fs.edit", documented, path=path, symbol=named.name),
                        tests="red",
                    ),
                )
                written = scribe.crew(brief, plan, scribe.tags(level=level), said)
            yield Drawn(str(level), written, region)


def _documented(path: str, name: str) -> str:
    return (
        f"from {module_name(path)} import {name}\n\n\n"
        f"def test_{name}_documented():\n    assert {name}.__doc__"
    )


def windows(scribe: Scribe, rng: Random) -> Iterator[Drawn]:
    """Yield questions for both layers, which the answer writes as JSON."""
    for path, _ in places(rng):
        texts = rng.sample(_NEWS, rng.randint(1, 3))
        rules = tuple(BriefRule(id=f"r{n}", text=text) for n, text in enumerate(texts, 1))
        level = rng.choice(list(Level))
        said = {
            "context_window": {
                "prompt_id": prompt_sets.PROMPT_IDS[scribe.prompts],
                "active_rules": [{"id": rule.id, "text": rule.text} for rule in rules],
            },
            "metadata": {
                "source": "local_trained_model",
                "levels": [{"region": path, "level": level}],
                "rules": [rule.id for rule in rules],
            },
        }
        asked = (
            f"Give the next reader the context window and the metadata for {path}, level {level}."
        )
        yield Drawn("window", scribe.asked(asked, json.dumps(said), rules=rules), path, rules)
