"""What a rollback brings back besides the adapter, and when it is due."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agents.adapters.records import Manifest
from agents.adapters.registry import Registry
from agents.adapters.rollback import Rates, roll_back, settle, worse_since
from mcp_local_llm import UsageError
from memory.journal import Journal
from memory.lifecycle import Stage
from memory.records import Item, Kind, Provenance
from memory.signals import Signal

Keep = Callable[..., Manifest]
PATH = (Stage.QUEUED, Stage.TRAINED, Stage.PROVEN, Stage.GRADUATED)
PROMOTED = datetime(2026, 5, 1, 6, tzinfo=UTC)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield journal


def taught(journal: Journal, text: str, until: Stage, adapter: str = "") -> str:
    item = Item(kind=Kind.PREFERENCE, text=text, provenance=Provenance(source="user"))
    journal.put(item)
    for stage in PATH[: PATH.index(until) + 1]:
        journal.advance(item.id, stage, adapter=adapter)
    return item.id


def stage(journal: Journal, id: str) -> Stage:
    return journal.stages([id])[id].stage


def test_what_only_the_rolled_back_adapter_knew_is_recalled_again(
    registry: Registry, keep: Keep, journal: Journal
) -> None:
    both = taught(journal, "both know it", Stage.GRADUATED, "the first")
    trained = taught(journal, "only trained", Stage.TRAINED)
    proven = taught(journal, "proven", Stage.PROVEN)
    graduated = taught(journal, "graduated", Stage.GRADUATED)
    gone = taught(journal, "forgotten", Stage.GRADUATED)
    journal.forget(gone, "")
    waiting = taught(journal, "not trained yet", Stage.QUEUED)
    first = keep(items=(both,))
    second = keep("rivers", items=(both, trained, proven, graduated, gone, waiting))
    registry.promote(first.id, why="")
    registry.promote(second.id, why="")

    done = roll_back(registry, journal, why="worse")

    assert done.pointer.adapters == {first.id}
    assert done.gone == (second.id,)
    assert {one.item: (one.before, one.after) for one in done.moved} == {
        trained: (Stage.TRAINED, Stage.QUEUED),
        proven: (Stage.PROVEN, Stage.QUEUED),
        graduated: (Stage.GRADUATED, Stage.DEMOTED),
    }
    assert (stage(journal, both), stage(journal, waiting)) == (Stage.GRADUATED, Stage.QUEUED)
    step = journal.stages([graduated])[graduated]
    assert (step.evidence["reason"], step.evidence["rolled_back"]) == ("worse", [second.id])
    again = settle(registry, journal, gone=[second.id], kept=[first.id], why="worse")
    assert again == ()


def test_what_was_proven_with_the_rolled_back_adapter_is_not_taken_for_known(
    registry: Registry, keep: Keep, journal: Journal
) -> None:
    item = taught(journal, "trained twice", Stage.TRAINED)
    first, second = keep(items=(item,)), keep("rivers", items=(item,))
    registry.promote(first.id, why="")
    registry.promote(second.id, why="")
    journal.advance(item, Stage.PROVEN, adapter=second.id)
    roll_back(registry, journal, why="")
    assert stage(journal, item) is Stage.QUEUED


@pytest.mark.parametrize(
    "gone", [shutil.rmtree, lambda folder: (folder / "manifest.json").unlink()]
)
def test_without_the_manifest_all_that_no_other_adapter_knows_is_recalled_again(
    registry: Registry, keep: Keep, journal: Journal, gone: Callable[[Path], object]
) -> None:
    known = taught(journal, "known", Stage.PROVEN)
    lost = taught(journal, "lost", Stage.PROVEN)
    registry.promote(keep(items=(known,)).id, why="")
    second = keep("rivers", items=(known, lost))
    registry.promote(second.id, why="")
    gone(registry.folder(second.id))
    done = roll_back(registry, journal, why="damaged")
    assert [one.item for one in done.moved] == [lost]


def test_without_a_promotion_nothing_is_rolled_back(registry: Registry, journal: Journal) -> None:
    with pytest.raises(UsageError, match="nothing to roll back to"):
        roll_back(registry, journal, why="")


def signals(before: tuple[int, int], after: tuple[int, int], *, days: float = 1) -> list[Signal]:
    """Return (corrected, of) signals on either side of the promotion."""
    return [
        Signal(
            key=f"{side}{n}",
            at=PROMOTED + side * timedelta(days=days),
            source="chat",
            target=f"{n}",
            reward=-1 if n < bad else 1,
        )
        for side, (bad, of) in ((-1, before), (1, after))
        for n in range(of)
    ]


def test_more_corrections_than_before_beyond_chance_are_worse() -> None:
    worse = worse_since(signals((2, 40), (15, 40)), PROMOTED)
    assert worse == Rates(before=2, before_of=40, after=15, after_of=40)
    assert "15 of 40 answers were corrected since the promotion, 2 of 40" in str(worse)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((2, 40), (5, 40)),  # chance
        ((15, 40), (2, 40)),  # better
        ((5, 40), (5, 40)),
        ((0, 9), (40, 40)),  # too little is known of before
        ((0, 40), (9, 9)),  # and of after
        ((0, 0), (0, 0)),
    ],
)
def test_chance_or_too_few_signals_are_not_worse(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    assert worse_since(signals(before, after), PROMOTED) is None


def test_signals_of_long_ago_do_not_count() -> None:
    assert worse_since(signals((2, 40), (15, 40), days=15), PROMOTED) is None
    assert worse_since(signals((2, 40), (15, 40), days=15), PROMOTED, days=20) is not None


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 has the interval 0.0524 to 0.3339.
    assert Rates(before=48, before_of=80, after=56, after_of=70).is_worse
    # 9/10 - 3/10: 0.1705 to 0.8090; 6/7 - 2/7: 0.0582 to 0.8062; 5/56 - 0/29: -0.0381 to 0.1926.
    assert Rates(before=3, before_of=10, after=9, after_of=10).is_worse
    assert Rates(before=2, before_of=7, after=6, after_of=7).is_worse
    assert not Rates(before=0, before_of=29, after=5, after_of=56).is_worse
