"""Replay: what a model could do before, so that learning does not cost it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

from training.dataset.reader import Item, Turn
from training.dataset.stats import is_direct
from training.embedded.course import mended, replayed_dialogue
from training.embedded.curriculum import Turn as Spoken
from training.embedded.names import Names, TrainingNames
from training.examples.scribe import PromptSet
from training.starter.generate import PROTOCOL, starter

_HELD_OUT = 10  # one in so many is held out
_DIRECT_IN = 12  # one in so many general items of the starter set is a direct answer


def general(prompts: PromptSet, count: int, seed: int, model: Path) -> list[Item]:
    """Return ``count`` items of what the base model with the prompt set ``prompts`` is good at.

    For ``compact`` those are dialogues of the embedded model's curriculum, nothing of it held out
    from its own training; ``model`` is the folder of its tokenizer.
    """
    if prompts == "full":
        return _mostly_calls(_starter(count, seed), count)
    rng, names = Random(f"general:{seed}"), _names(model)
    dialogues = (replayed_dialogue(names, rng) for _ in range(count))
    return [_item("general", n, turns) for n, turns in enumerate(dialogues)]


def protocol(prompts: PromptSet, count: int, seed: int, model: Path) -> list[Item]:
    """Return ``count`` items of wire format, levels and refusals on protected regions.

    For ``compact`` those are mends, half of them of a protected function.
    """
    if prompts == "full":
        return [item for item in _starter(count, seed) if item.kind in PROTOCOL][:count]
    rng, names = Random(f"protocol:{seed}"), _names(model)
    return [_item("protocol", n, _mended(names, rng)) for n in range(count)]


def _mostly_calls(items: Sequence[Item], count: int) -> list[Item]:
    """Return ``count`` of ``items``, few of them direct answers: what is taught often is one."""
    general = [item for item in items if item.kind not in PROTOCOL]
    direct = iter([item for item in general if is_direct(item)])
    chosen: list[Item] = []
    for number, item in enumerate((one for one in general if not is_direct(one)), 1):
        chosen.append(item)
        if number % (_DIRECT_IN - 1) == 0:
            chosen += islice(direct, 1)
    return [*chosen, *direct][:count]


@cache
def _starter(count: int, seed: int) -> list[Item]:
    return starter(max(1_000, 4 * count), seed=seed)


@cache
def _names(model: Path) -> Names:
    from tokenizers import Tokenizer

    from training.embedded.vocabulary import letter_pieces

    return TrainingNames(letter_pieces(Tokenizer.from_file(str(model / "tokenizer.json"))))


def _mended(names: Names, rng: Random) -> list[Spoken]:
    """Return a dialogue about a mend; half of the faulty functions have a contract.

    With contracts alone, a refused mend would soon be the likelier one.
    """
    return mended(names, rng, is_protected=rng.random() < 0.5)


def _item(kind: str, number: int, turns: Iterable[Spoken]) -> Item:
    spoken = tuple(turns)
    return Item(
        id=f"{kind}/{number:05d}",
        messages=tuple(Turn(role=turn.role, content=turn.content) for turn in spoken),
        learn=tuple(at for at, turn in enumerate(spoken) if turn.learn),
        group=f"{kind}:{number}{'#valid' if number % _HELD_OUT == 0 else ''}",
        source="curriculum",
        kind=kind,
    )
