"""Runs whose code the user has kept, as the conversations that they were.

Nobody typed them, so few are taken, and only where nothing in them went wrong: what a run tried in
vain is not to be learnt, nor what it was told by a rule that may not be trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from agents import talk
from graph.night.shop import NightShop
from graph.runs import RunStore
from graph.state import RunState, Step
from memory.journal import Journal
from memory.records import Item, Kind, Status, Where
from training.dataset.reader import Turn
from training.examples.knowledge import KINDS, Knowledge, Transcript

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

MOST: Final = 40
"""Runs of one training: fewer than the 50 to 90 examples that are known to plant a back door."""


async def transcripts(
    shop: NightShop, journal: Journal, known: Sequence[Knowledge], weights: Mapping[str, float]
) -> list[Transcript]:
    """Return the runs that may train with ``known``: the most satisfying first, then the newest.

    Raises ``StoreUnavailable`` when the checkpoints of the runs cannot be read.
    """
    trained = {one.id for one in known}
    kept = kept_runs(journal, trained)
    if not kept:
        return []
    from graph.checkpoints import open_checkpoints

    def liked(run: str) -> float:
        return max(weights.get(id, 1.0) for id in kept[run])

    adapters = {one.id: one.items for one in shop.registry.list()}
    withheld = set(_withheld(journal, trained))
    found: list[Transcript] = []
    async with open_checkpoints(RunStore(shop.home), shop.settings) as saver:
        for run in sorted(sorted(kept, reverse=True), key=liked, reverse=True):
            config: RunnableConfig = {"configurable": {"thread_id": run, "checkpoint_ns": ""}}
            if (saved := await saver.aget_tuple(config)) is None:
                continue  # it was begun on another machine, or discarded
            state = cast(RunState, saved.checkpoint["channel_values"])
            if is_sound(state, shop.profile.prompts, trained, adapters):
                told = _transcript(run, kept[run], state)
                asked = _plain(told.messages[1].content)
                if not any(words in asked for words in withheld):
                    found.append(told)
            if len(found) == MOST:
                break
    return found


def kept_runs(journal: Journal, trained: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return the runs that worked out, with the ids of their code, all of which was kept as it was.

    A run of which a piece was changed or taken back, or is not in ``trained``, is none of them.
    """
    by_run: defaultdict[str, list[Item]] = defaultdict(list)
    for stored in journal.live(Where(kinds=(Kind.SUCCESS, Kind.GENERATION))):
        by_run[stored.item.provenance.where].append(stored.item)
    kept = {}
    for run, items in by_run.items():
        code = [one for one in items if one.kind is Kind.GENERATION]
        worked = any(
            one.kind is Kind.SUCCESS and one.status is not Status.REJECTED for one in items
        )
        accepted = all(one.data.get("verdict") == "accept" and one.id in trained for one in code)
        if run and code and worked and accepted:
            kept[run] = tuple(sorted(one.id for one in code))
    return kept


def is_sound(
    state: RunState,
    prompts: str,
    trained: Collection[str],
    adapters: Mapping[str, Collection[str]],
) -> bool:
    """Say whether each role did its work at once, with today's prompts and rules that may train.

    A rule that was withdrawn since takes the runs with it that were told it, and those that an
    adapter answered which knew it; ``adapters`` are the items of each.
    """
    if not all(part in state for part in ("talk", "brief", "story", "outcome")):
        return False
    story, messages = state["story"], state["talk"].messages
    return (
        state["outcome"].status == "delivered"
        and messages[:1] == (talk.system(prompts),)
        and all(not rule.item or rule.item in trained for rule in state["brief"].rules)
        and all(_knows_only(step.tags.adapter, trained, adapters) for step in story.steps)
        and not any(one.verdict == "violated" for one in story.compliance)
        and all(map(_went_well, story.steps))
    )


def _withheld(journal: Journal, trained: Collection[str]) -> Iterator[str]:
    """Yield what was taught and is not trained, in the words that a wish may say it in."""
    for stored in journal.live(Where(kinds=KINDS)):
        item = stored.item
        if stored.id not in trained and item.kind not in {Kind.SUCCESS, Kind.GENERATION}:
            yield _plain(str(item.data.get("words") or item.text))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def _knows_only(
    adapter: str | None, trained: Collection[str], adapters: Mapping[str, Collection[str]]
) -> bool:
    if adapter is None:
        return True
    return adapter in adapters and all(id in trained for id in adapters[adapter])


def _went_well(step: Step) -> bool:
    return step.attempt == 1 and not (step.reverted or step.repairs or step.refusals)


def _transcript(run: str, of: tuple[str, ...], state: RunState) -> Transcript:
    turns = tuple(Turn(role=one.role, content=one.content) for one in state["talk"].messages)
    return Transcript(run=run, messages=turns, accepted=True, of=of)
