"""The folders of nights: names, locks, times, reports, and what is removed."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph.night.examples import manifest
from graph.night.nights import NightBusy, NightStore, Said
from graph.night.policy import Decision
from graph.night.records import Collected, LeftOut, NightReport
from graph.night.shop import NightShop
from graph.settings import Settings
from mcp_local_llm import StoreUnavailable, UsageError

AT = datetime(2026, 3, 4, 3, 20, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> NightStore:
    return NightStore(tmp_path)


def report(night: str) -> NightReport:
    return NightReport(night=night, started=AT, ended=AT, outcome="kept", why="w")


def end(store: NightStore, night: str) -> None:
    store.write(night, "report", report(night))


def test_nights_are_named_by_their_day_and_ordered(store: NightStore) -> None:
    names = [store.begin(AT, asked=False).night for _ in range(11)]
    assert names[:2] == ["2026-03-04", "2026-03-04.2"]
    assert store.ids() == tuple(reversed(names))
    shutil.rmtree(store.folder(names[0]))  # as the user is told to, where a record is gone
    assert store.begin(AT, asked=False).night == "2026-03-04.12"


def test_only_the_newest_night_can_be_gone_on_with(store: NightStore) -> None:
    assert store.unfinished() is None
    first = store.begin(AT, asked=False, why="it is 03:00").night
    assert store.unfinished() == first
    end(store, first)
    assert store.unfinished() is None
    assert store.last() == report(first)
    assert store.begun(first).why == "it is 03:00"


def test_a_step_is_made_once(store: NightStore) -> None:
    night = store.begin(AT, asked=True).night
    made: list[int] = []

    def make() -> Collected:
        made.append(1)
        return Collected(journal=7, eligible=("a",), left_out=(LeftOut(id="b", why="w"),))

    assert store.once(night, "collect", Collected, make) == make()
    assert store.once(night, "collect", Collected, make).journal == 7
    assert len(made) == 2


def test_a_damaged_or_missing_step_says_what_to_do(store: NightStore) -> None:
    night = store.begin(AT, asked=True).night
    with pytest.raises(StoreUnavailable, match="is gone"):
        store.needed(night, "collect", Collected)
    (store.folder(night) / "collect.json").write_text("{")
    with pytest.raises(StoreUnavailable, match="remove it"):
        store.read(night, "collect", Collected)
    with pytest.raises(UsageError, match="no night"):
        store.begun("2020-01-01")


def test_times_add_up_over_attempts_and_survive_a_cut_line(store: NightStore) -> None:
    night = store.begin(AT, asked=True).night
    store.spent(night, "train", 2.0)
    store.spent(night, "train", 1.5)
    store.spent(night, "gate", 0.25)
    with (store.folder(night) / "times.jsonl").open("ab") as log:
        log.write(b'[1]\n\xff\n{"stage": "ga')
    assert store.times(night) == {"train": 3.5, "gate": 0.25}
    assert (store.attempt(night), store.attempt(night), store.attempts(night)) == (1, 2, 2)


def test_one_process_at_a_time_works_on_the_night(store: NightStore) -> None:
    with store.lock(), pytest.raises(NightBusy, match=r"another process \(\d+\)"), store.lock():
        pass
    with store.lock():
        pass


def test_words_are_removed_when_a_later_night_has_ended(store: NightStore) -> None:
    old, new = (store.begin(AT, asked=True).night for _ in range(2))
    for night in (old, new):
        folder = store.folder(night)
        for name in ("dataset/train.jsonl", "dataset/manifest.json", "training/train.log"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("x")
        for name in ("examples.jsonl", "gate.json", "report.html"):
            (folder / name).write_text("x")
    store.tidy(new)

    def left(night: str) -> set[str]:
        folder = store.folder(night)
        return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}

    assert left(old) == {"begun.json", "dataset/manifest.json", "report.html"}
    assert left(new) == {
        "begun.json", "gate.json", "report.html",
        "dataset/train.jsonl", "dataset/manifest.json", "training/train.log",
    }  # fmt: skip


def test_what_was_measured_is_kept_for_the_nights_that_go_with_the_last_one(
    store: NightStore,
) -> None:
    old, new = (store.begin(AT, asked=True).night for _ in range(2))
    context = store.begin(AT, asked=True, context="ext:.py", of=new).night
    for night in (old, new, context):
        (store.folder(night) / "measured.jsonl").write_text("x")
    store.tidy(context)
    kept = store.others("measured.jsonl", "another")
    assert kept == tuple(store.folder(one) / "measured.jsonl" for one in (context, new))


def test_a_disk_that_refuses_is_said(store: NightStore) -> None:
    night = store.begin(AT, asked=True).night
    for name in ("times.jsonl", "gate.json"):
        (store.folder(night) / name).mkdir()
    with pytest.raises(StoreUnavailable, match="cannot read"):
        store.times(night)
    with pytest.raises(StoreUnavailable, match="cannot write"):
        store.spent(night, "train", 1.0)
    with pytest.raises(StoreUnavailable, match="cannot remove"):
        store.tidy(store.begin(AT, asked=True).night)


def test_a_damaged_dataset_says_what_to_remove(store: NightStore) -> None:
    shop = NightShop(store.home, Settings())
    night = store.begin(AT, asked=True).night
    assert manifest(shop, night) is None
    (store.folder(night) / "dataset").mkdir()
    (store.folder(night) / "dataset" / "manifest.json").write_text("{")
    with pytest.raises(StoreUnavailable, match="gone or damaged; remove "):
        manifest(shop, night)


def test_damaged_reports_are_left_out(store: NightStore) -> None:
    first, second = (store.begin(AT, asked=True).night for _ in range(2))
    end(store, first)
    (store.folder(second) / "report.json").write_text("{")
    assert [one.night for one in store.reports()] == [first]


def test_the_last_decision_is_kept(store: NightStore) -> None:
    assert store.said() is None
    said = Said(at=AT, decision=Decision(verdict="refused", why="the battery"))
    store.say(said)
    assert store.said() == said
