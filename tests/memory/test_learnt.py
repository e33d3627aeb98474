"""Stages, signals and events taken in once: what the journal promises about learning."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mcp_local_llm import UsageError
from memory.journal import Journal
from memory.lifecycle import Stage
from memory.records import Item, Kind, Provenance, Source, Status
from memory.replay import content_hash
from memory.signals import Signal, reward

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RULE = Item(
    kind=Kind.PREFERENCE,
    text="Never retry a POST.",
    project="shop",
    provenance=Provenance(source="chat", where="turn 7"),
    data={"words": "no, never ever retry a POST please"},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def signal(key: str, **fields: object) -> Signal:
    given = {"at": NOON, "project": "shop", "source": "chat", "target": "run-1", "reward": -0.5}
    return Signal.model_validate({"key": key} | given | fields)


def stages(journal: Journal, item: Item) -> list[str]:
    return [step.stage.value for step in journal.stage_history(item.id)]


def test_a_journal_of_the_second_format_is_upgraded_and_keeps_everything(path: Path) -> None:
    packed = Path(__file__).with_name("data") / "journal_v2.sqlite.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    rule = Item(kind=Kind.PREFERENCE, text="round halfEven for totals", project="p")
    with Journal(path) as upgraded:
        assert upgraded.verify() == ()
        kept = upgraded.get([rule.id])[rule.id]
        assert (kept.state, kept.item.status) == ("live", Status.VALIDATED)
        assert list(upgraded.marks()) == ["before"]
        assert upgraded.vectors([content_hash(rule.text)], "m")
        assert upgraded.take("turn", [RULE]) == (RULE.id,)
        upgraded.advance(rule.id, Stage.QUEUED, night="1")
        upgraded.return_to("before")
        assert upgraded.verify() == ()


def test_knowledge_goes_from_captured_to_graduated_and_back(journal: Journal) -> None:
    journal.take("turn", [RULE])
    way = ["validated", "recalled", "queued", "trained", "proven", "graduated", "demoted", "queued"]
    for stage in way:
        journal.advance(RULE.id, Stage(stage), why=stage)
    assert stages(journal, RULE) == ["captured", *way]
    now = journal.stages([RULE.id])[RULE.id]
    assert (now.stage, now.evidence) == (Stage.QUEUED, {"why": "queued"})


@pytest.mark.parametrize("stage", ["trained", "proven", "graduated", "demoted"])
def test_a_step_that_leaves_others_out_is_refused(journal: Journal, stage: str) -> None:
    journal.take("turn", [RULE])
    with pytest.raises(UsageError, match=f"cannot be {stage} next; it can be: queued, recalled"):
        journal.advance(RULE.id, Stage(stage))
    assert stages(journal, RULE) == ["captured"]


def test_every_stage_can_be_withdrawn_and_taught_again(journal: Journal) -> None:
    for stage in Stage:
        item = RULE.model_copy(update={"text": f"Rule of {stage}"})
        journal.put(item)
        for step in list(Stage)[: list(Stage).index(stage) + 1]:
            journal.advance(item.id, step)
        journal.advance(item.id, Stage.WITHDRAWN, by="user")
        assert journal.stages([item.id])[item.id].stage is Stage.WITHDRAWN
        journal.take(f"again {stage}", [item])
        assert journal.stages([item.id])[item.id].stage is Stage.CAPTURED


def test_the_same_step_with_the_same_evidence_is_kept_once(journal: Journal) -> None:
    journal.put(RULE)
    for run in ("a", "b", "b"):
        journal.advance(RULE.id, Stage.RECALLED, run=run)
    assert [step.evidence for step in journal.stage_history(RULE.id)] == [
        {"run": "a"},
        {"run": "b"},
    ]


def test_unknown_and_forgotten_items_have_no_next_stage(journal: Journal) -> None:
    with pytest.raises(UsageError, match="holds no item"):
        journal.advance("nobody", Stage.VALIDATED)
    journal.put(RULE)
    journal.forget(RULE.id, "")
    with pytest.raises(UsageError, match="was forgotten"):
        journal.advance(RULE.id, Stage.VALIDATED)
    journal.advance(RULE.id, Stage.WITHDRAWN)


def test_the_latest_stage_is_the_last_written_whatever_the_clock_says(path: Path) -> None:
    times = iter([2e9, 1e9, 3e9] + [5e8] * 9)
    with Journal(path, clock=lambda: next(times)) as journal:
        journal.put(RULE)
        journal.advance(RULE.id, Stage.VALIDATED)
        journal.advance(RULE.id, Stage.QUEUED)
        journal.advance(RULE.id, Stage.TRAINED)
        assert journal.stages([RULE.id])[RULE.id].stage is Stage.TRAINED


def test_the_same_event_is_one_signal(journal: Journal) -> None:
    assert journal.signal(signal("a"), signal("b"), signal("a")) == 2
    assert journal.signal(signal("b", reward=1.0), signal("c", feeling=0.25)) == 1
    assert journal.signals() == (signal("a"), signal("b"), signal("c", feeling=0.25))


def test_signals_are_found_by_project_target_and_time(journal: Journal) -> None:
    late = NOON + timedelta(days=1)
    journal.signal(signal("late", at=late), signal("early"), signal("other", project="x"))
    journal.signal(signal("hunk", target="hunk-1"))

    def keys(**asked: object) -> list[str]:
        return [one.key for one in journal.signals(**asked)]  # type: ignore[arg-type]

    assert keys() == ["early", "other", "hunk", "late"]
    assert keys(project="shop") == ["early", "hunk", "late"]
    assert keys(target="hunk-1") == ["hunk"] and keys(since=late) == ["late"]
    assert keys(project="x", target="run-1", since=late) == []


def test_an_event_is_taken_in_once_with_all_that_came_of_it(journal: Journal) -> None:
    assert journal.take("turn 7", [RULE], [signal("s")]) == (RULE.id,)
    assert journal.take("turn 7", [RULE, Item(text="new")], [signal("t")]) == ()
    assert [one.item for one in journal.live()] == [RULE]
    assert len(journal.signals()) == 1 and journal.seen(["turn 7", "turn 8"]) == {"turn 7"}
    assert journal.seen(str(n) for n in range(2_000)) == set()


def test_what_is_taught_again_stays_where_it_is_and_the_event_is_noted(journal: Journal) -> None:
    journal.take("one", [RULE])
    journal.advance(RULE.id, Stage.QUEUED)
    journal.take("two", [RULE])
    last = journal.stages([RULE.id])[RULE.id]
    assert (last.stage, last.evidence) == (Stage.QUEUED, {"key": "two"})


def test_what_loses_against_something_new_is_superseded_with_it_or_not_at_all(
    journal: Journal,
) -> None:
    old = Item(text="Retry every POST.", project="shop")
    journal.put(old)
    with pytest.raises(UsageError, match="holds no item 'nobody'"):
        journal.take("turn", [RULE], [signal("s")], replaced=[("nobody", RULE.id, "newer")])
    assert journal.seen(["turn"]) == set() == set(journal.get([RULE.id]))
    assert journal.signals() == ()
    journal.take("turn", [RULE], replaced=[(old.id, RULE.id, "newer")])
    lost = journal.get([old.id])[old.id]
    assert (lost.state, lost.superseded_by, lost.reason) == ("superseded", RULE.id, "newer")


@pytest.mark.parametrize("place", ["text", "data", "evidence"])
def test_secrets_are_refused_wherever_they_stand(journal: Journal, place: str) -> None:
    token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    item = Item(text=f"use {token}") if place == "text" else Item(text="a", data={"words": token})
    items = [] if place == "evidence" else [RULE, item]
    signals = [signal("s", evidence={"words": token})] if place == "evidence" else []
    with pytest.raises(UsageError, match="looks like a secret"):
        journal.take("turn", items, signals)
    assert journal.seen(["turn"]) == set() and journal.last_seq == 0


def test_only_what_the_user_typed_and_nobody_rejected_may_train() -> None:
    def item(source: str, status: Status = Status.UNVALIDATED) -> Item:
        said = Provenance.model_validate({"source": source})
        return Item(text="a", provenance=said, status=status)

    sources = ("user", "chat", "relayed", "run", "index", "import", "night")
    assert [one for one in sources if item(one).trainable] == ["user", "chat"]
    assert not item("user", Status.REJECTED).trainable


def test_what_a_model_relays_does_not_take_the_place_of_what_was_typed(journal: Journal) -> None:
    relayed = RULE.model_copy(update={"provenance": Provenance(source="relayed")})
    journal.put(relayed)
    assert not next(journal.live()).item.trainable
    journal.put(RULE)
    journal.put(relayed)
    assert next(journal.live()).item == RULE


@pytest.mark.parametrize(
    ("source", "then"),
    [
        ("relayed", "rejected"),
        ("run", "rejected"),
        ("user", "unvalidated"),
        ("chat", "unvalidated"),
    ],
)
def test_what_was_rejected_comes_back_only_when_it_is_typed(
    journal: Journal, source: Source, then: str
) -> None:
    relayed = RULE.model_copy(update={"provenance": Provenance(source="relayed")})
    journal.put(relayed)
    journal.set_status(relayed.id, Status.REJECTED, "no")
    said = {"text": RULE.text.upper(), "provenance": Provenance(source=source, where="elsewhere")}
    journal.put(RULE.model_copy(update=said))
    (stored,) = journal.live()
    assert (stored.item.status, stored.id) == (then, RULE.id)


def test_the_reward_is_the_weighted_mean_of_deed_and_feeling() -> None:
    assert reward(signal("a", reward=1.0)) == 1.0
    assert reward(signal("a", reward=1.0, feeling=-1.0)) == pytest.approx(0.4)
    assert reward(signal("a", reward=1.0, feeling=-1.0), 0.5, 1.5) == pytest.approx(-0.5)
    assert reward(signal("a", reward=0.5, feeling=-1.0), 0, 0) == 0.5


WRITER = """
import sys
from pathlib import Path
from memory.journal import Journal
from memory.records import Item
from memory.signals import Signal
from datetime import UTC, datetime
with Journal(Path(sys.argv[1])) as journal:
    for n in range(100_000):
        items = [Item(text=f"turn {n} part {part}") for part in range(3)]
        said = Signal(key=f"s{n}", at=datetime.now(UTC), source="chat", target="t", reward=0)
        if journal.take(f"turn {n}", items, [said]):
            print(n, flush=True)
"""


@pytest.mark.slow
def test_killed_writers_leave_whole_events_and_both_take_each_once(path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    taken: list[int] = []
    for child in children:
        assert child.stdout is not None
        taken += [int(child.stdout.readline()) for _ in range(20)]
    for child in children:
        child.kill()
        taken += [int(line) for line in child.communicate()[0].split()]
    assert len(set(taken)) == len(taken) >= 40
    with Journal(path) as journal:
        assert journal.verify() == ()
        assert journal.seen(f"turn {n}" for n in taken) == {f"turn {n}" for n in taken}
        events = {one.key.removeprefix("s") for one in journal.signals()}
        said = [one.item.text.split()[1] for one in journal.live()]
        assert events == set(said) and len(said) == 3 * len(events)


def test_vectors_and_words_of_other_items_survive_an_erasure(journal: Journal) -> None:
    other = Item(text="Retry GET requests thrice.")
    journal.put(RULE, other)
    vector = np.ones((1, 2), np.float32)
    journal.keep_vectors("m", {content_hash(one.text): vector for one in (RULE, other)})
    journal.erase([RULE.id], "")
    assert list(journal.vectors([content_hash(x.text) for x in (RULE, other)], "m")) == [
        content_hash(other.text)
    ]
    assert [hit.item for hit in journal.find("retry")] == [other.id]
