"""The whole curriculum: what one dialogue of the embedded model's training is about."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

from training.embedded.curriculum import Turn, dialogue, drill
from training.embedded.lessons import asked, done, shown
from training.embedded.names import Names
from training.embedded.tasks import Split, generate_task
from training.embedded.taught import Fact, others

LESSON_SHARE: Final = 0.45  # of the dialogues
ASKED_SHARE: Final = 0.7  # of the lessons: questions; the others are runs
DRILL_SHARE: Final = 0.3  # of the dialogues about tasks
GUARDED_SHARE: Final = 0.1  # of the dialogues about tasks: mends of a protected function
SHORT_TURNS: Final = 4  # a refusal has no more
SHORT_SHARE: Final = 0.5  # end after the implementer: what follows is mostly copying
RULES_SHARE: Final = 0.3  # are shown rules about something else
_REPLAYED: Final = (0.05, 0.25)  # questions, and runs with rules: of what is replayed


def training_dialogue(names: Names, rng: Random, book: Sequence[Fact] = ()) -> list[Turn]:
    """Return one dialogue of the curriculum, nothing of it held out.

    It is a lesson, which asks about ``book`` as well, or about a task, and then mostly a drill.
    """
    if rng.random() < LESSON_SHARE:
        return asked(names, rng, book) if rng.random() < ASKED_SHARE else done(names, rng)
    drawn = rng.random()
    if drawn < DRILL_SHARE:
        return list(drill(generate_task(Split(names=names), rng), rng))
    if drawn < DRILL_SHARE + GUARDED_SHARE:
        return mended(names, rng, is_protected=True)
    return _worked(names, rng)


def mended(names: Names, rng: Random, *, is_protected: bool) -> list[Turn]:
    """Return a dialogue about a mend, of a function with a contract or without one."""
    while True:
        task = generate_task(Split(names=names), rng)
        if task.kind == "fix" and (task.level is not None) == is_protected:
            return list(dialogue(task, rng))


def replayed_dialogue(names: Names, rng: Random) -> list[Turn]:
    """Return a dialogue as a crew has it when it serves: no drill, and few questions."""
    drawn, (questions, runs) = rng.random(), _REPLAYED
    if drawn < questions:
        return asked(names, rng)
    return done(names, rng) if drawn < questions + runs else _worked(names, rng)


def _worked(names: Names, rng: Random) -> list[Turn]:
    """Return a task's dialogue; half of them end after the implementer."""
    task = generate_task(Split(names=names), rng)
    rules = shown(others(names, rng)) if rng.random() < RULES_SHARE else ()
    turns = list(dialogue(task, rng, rules))
    short = rng.random() < SHORT_SHARE and len(turns) > SHORT_TURNS
    return turns[:-4] if short else turns
