"""How well a model reads what it is shown: lessons about words that no training has ever used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from agents.chat import ChatModel, Message
from memory.records import Record
from training.embedded.curriculum import Turn
from training.embedded.evaluation import Share, share
from training.embedded.lessons import KINDS, made
from training.embedded.names import HeldOutNames


class LessonReport(Record):
    """How many lessons of each kind were answered rightly."""

    seed: int
    kinds: dict[str, Share]


async def evaluate_lessons(
    model: ChatModel,
    *,
    seed: int,
    each: int,
    on_kind: Callable[[str, Share], None] = lambda _kind, _share: None,
) -> LessonReport:
    """Ask ``each`` lessons of every kind; one counts when all of its answers are exactly right.

    Each answer is asked for after the right ones before it. Forms and operations are those of the
    training; names, terms and senses are of held-out words. ``on_kind`` is told of
    each kind as soon as it is done.

    Raises:
        ModelUnavailable: the model does not answer.
    """
    kinds = {}
    for kind in KINDS:
        lessons = (made(kind, HeldOutNames(), Random(f"{seed}/{kind}/{n}")) for n in range(each))
        right = [await _is_right(model, turns) for turns in lessons]
        kinds[kind] = share(sum(right), each)
        on_kind(kind, kinds[kind])
    return LessonReport(seed=seed, kinds=kinds)


async def _is_right(model: ChatModel, turns: Sequence[Turn]) -> bool:
    said = [Message(role=turn.role, content=turn.content) for turn in turns]
    for at, turn in enumerate(turns):
        if turn.learn:
            longest = len(turn.content.encode()) + 1  # a byte is a token at most
            answer = await model.complete(said[:at], max_tokens=longest)
            if answer.text.strip() != turn.content.strip():
                return False
    return True
