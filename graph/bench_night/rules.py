"""What the measured nights are taught and how it is asked about, read from ``phrasings.yaml``.

The file is data, so that nothing which makes examples can import it.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from pydantic import Field, TypeAdapter, model_validator

from agents import talk
from agents.profiles import PromptSet
from graph.bench_night.extent import NIGHTS
from memory.records import Record
from prompts import PROMPT_IDS
from training.gate import checks
from training.gate.probes import CODERS, wished
from training.gate.records import Probe

PHRASINGS: Final = Path(__file__).with_name("phrasings.yaml")
Group = Literal[
    "definition", "choice", "error class", "name", "commit message", "refusal"
]  # the last four change what roles do
DOES: Final[tuple[Group, ...]] = ("error class", "name", "commit message", "refusal")

_PATH: Final = re.compile(r"\S+\.py\b")
_CALL: Final = re.compile(r"\b(check_\w+)\((\w+)\)")
_LEAST: Final = re.compile(r"\b\d+\b")
_CHECK: Final[TypeAdapter[checks.Check]] = TypeAdapter(checks.Check)


class Rule(Record):
    """One thing that is taught before ``night``, and before ``until`` is forgotten again.

    An answer is judged by ``check``; or the work is done for a function that has to raise an error
    of the class ``raises``.
    """

    name: str
    group: Group
    night: int = Field(ge=1, le=NIGHTS)
    until: int | None = None
    text: str
    check: checks.Check | None = None
    raises: str = ""
    asks: tuple[str, ...] = Field(min_length=4)

    @model_validator(mode="after")
    def _is_judged(self) -> Self:
        if (self.check is None) != bool(self.raises):
            raise ValueError("give either a check or what is raised")
        if self.raises and not all(_CALL.search(ask) and _PATH.search(ask) for ask in self.asks):
            raise ValueError("each wish names check_thing(thing) and a file")
        return self


class Poison(Record):
    """What is typed before one of the nights and must not be served."""

    night: int = Field(ge=1, le=NIGHTS)
    texts: tuple[str, ...]


class Curriculum(Record):
    """All nights. ``ordinary`` are wishes that no rule has anything to say about."""

    ordinary: tuple[str, ...]
    rules: tuple[Rule, ...]
    poison: Poison

    def taught(self, night: int) -> tuple[str, ...]:
        """Return what is typed before ``night``."""
        poison = self.poison.texts if night == self.poison.night else ()
        return (*(rule.text for rule in self.rules if rule.night == night), *poison)

    def forgotten(self, night: int) -> tuple[str, ...]:
        """Return what is forgotten before ``night``: poison does not outlive its night."""
        poison = self.poison.texts if night == self.poison.night + 1 else ()
        return (*(rule.text for rule in self.rules if rule.until == night), *poison)

    def kind(self, night: int) -> str:
        """Return what sort of night it is."""
        if night == self.poison.night:
            return "poisoned"
        return "un-learning" if any(rule.until == night for rule in self.rules) else "clean"


def read_curriculum(path: Path = PHRASINGS) -> Curriculum:
    """Return what ``path`` says; raises ``ValidationError`` for a file that is no curriculum."""
    import yaml  # type: ignore[import-untyped]  # it ships no types

    return Curriculum.model_validate(yaml.safe_load(path.read_text("utf-8")))


def probes(
    curriculum: Curriculum, rules: Sequence[Rule], prompts: PromptSet, suite: str
) -> tuple[Probe, ...]:
    """Return the questions about ``rules``, none of which shows a rule."""
    return tuple(probe for rule in rules for probe in _probes(rule, curriculum, prompts, suite))


class _Draft(NamedTuple):
    """How one phrasing is sent, who speaks after the planner, and how the answer is judged."""

    messages: Any
    then: tuple[str, ...]
    check: checks.Check


def _probes(rule: Rule, curriculum: Curriculum, prompts: PromptSet, suite: str) -> Iterator[Probe]:
    for number, ask in enumerate(rule.asks):
        id = f"{suite}/{rule.name}/{number}"
        draft = _draft(rule, ask, prompts)
        pair = id if checks.needs_pair(draft.check) else ""
        shared: dict[str, Any] = {
            "suite": suite, "of": rule.name, "category": rule.group, "pair": pair,
            "prompts": prompts,
        }  # fmt: skip
        yield Probe(id=id, **draft._asdict(), **shared)
        if pair:
            wish = curriculum.ordinary[number % len(curriculum.ordinary)]
            planned = checks.RoleReply(role="planner", prompt=PROMPT_IDS[prompts])
            yield Probe(
                id=f"{id}/ordinary", messages=wished(prompts, wish), check=planned, **shared
            )


def _draft(rule: Rule, ask: str, prompts: PromptSet) -> _Draft:
    if rule.raises:
        return _guard(rule.raises, ask, prompts)
    check = _CHECK.validate_python(rule.check)
    if isinstance(check, checks.Structure):
        return _Draft(wished(prompts, ask), CODERS, check)
    if isinstance(check, checks.Refuses):
        return _Draft(wished(prompts, ask), (), check)
    return _Draft((talk.system(prompts), talk.question(prompts, ask)), (), check)


def _guard(error: str, ask: str, prompts: PromptSet) -> _Draft:
    """Return the wish for a function that refuses what is below the number in it."""
    path, call, least = _PATH.search(ask), _CALL.search(ask), _LEAST.search(_CALL.sub("", ask))
    assert path and call and least  # noqa: S101 - `Rule` has seen to it
    given = "" if hasattr(builtins, error) else f"class {error}(Exception):\n    pass"
    limit, name = int(least[0]), call[1]
    parts = (
        checks.Executes(given=given, call=f"{name}({limit - 1})", raises=error),
        checks.Executes(given=given, call=f"{name}({limit})", equals=str(limit)),
    )
    return _Draft(wished(prompts, ask, path[0], given), CODERS, checks.Every(parts=parts))
