"""What is erased is gone from the bytes of the file, and stays gone."""

from __future__ import annotations

import contextlib
import io
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from mcp_local_llm import StoreUnavailable, UsageError
from memory.journal import Journal
from memory.lifecycle import Stage
from memory.records import Item, Kind, Provenance, Status
from memory.replay import content_hash
from memory.signals import Signal
from memory.transfer import export, import_

WORD = b"zanzibar"
RULE = Item(
    kind=Kind.PREFERENCE,
    text="Ship Zanzibar orders by zanzibarAirMail.",
    project="shop",
    provenance=Provenance(source="chat", where="turn"),
    data={"words": "no!! zanzibar orders go by air mail"},
)
OTHER = Item(text="Prices are net.", project="shop")
LATER = Item(text="Ship by road.", project="shop")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory" / "journal.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as opened:
        yield opened


def told_everywhere(journal: Journal) -> None:
    """Have the rule leave traces in every table that can hold any."""
    quote = {"words": RULE.data["words"], "more": 1}
    signals = [
        Signal(
            key="s", at=datetime.now(UTC), source="chat", target="turn", reward=-1,
            evidence={"seen": "so zanzibar again"},
        ),
        Signal(
            key="q", at=datetime.now(UTC), source="run", target="run", reward=-1, evidence=quote
        ),
    ]  # fmt: skip
    journal.put(OTHER, LATER)
    journal.take("turn", [RULE], signals)
    journal.put(RULE.model_copy(update={"data": {"words": "an older zanzibar wording"}}), RULE)
    journal.set_status(RULE.id, Status.VALIDATED, "zanzibar was seen")
    journal.link(RULE.id, OTHER.id)
    journal.advance(RULE.id, Stage.QUEUED, example="zanzibar?")
    journal.put(OTHER)
    journal.advance(OTHER.id, Stage.VALIDATED, won_against=RULE.text)
    journal.keep_vectors("m", {content_hash(RULE.text): np.ones((1, 2), np.float32)})
    journal.supersede(OTHER.id, RULE.id, "the zanzibar rule is newer")
    journal.forget(LATER.id, f"goes against: {RULE.text}")
    journal.mark("with it")


def bytes_of(path: Path) -> bytes:
    """Return all that lies in the journal's folder, in lower case."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir()).lower()


def test_no_byte_of_what_was_erased_is_left_while_the_journal_is_open(
    journal: Journal, path: Path
) -> None:
    told_everywhere(journal)
    assert bytes_of(path).count(WORD) > 10
    assert journal.erase([RULE.id], "the user asked") == 1
    assert WORD not in bytes_of(path) and b"air mail" not in bytes_of(path)
    assert content_hash(RULE.text).encode() not in bytes_of(path)
    assert journal.verify() == ()


def test_an_erased_item_leaves_its_id_and_the_reason(journal: Journal) -> None:
    told_everywhere(journal)
    journal.erase([RULE.id], "the user asked")
    left = journal.get([RULE.id])[RULE.id]
    assert (left.state, left.reason, left.item.text) == ("deleted", "the user asked", "[purged]")
    assert [step.op for step in journal.history(RULE.id)][-1] == "erase"
    assert journal.find("zanzibar") == [] and journal.links(OTHER.id) == ()
    assert journal.stage_history(RULE.id) == () and journal.seen(["turn"]) == {"turn"}
    assert [(s.key, s.reward, s.evidence) for s in journal.signals()] == [
        ("s", -1.0, {}),
        ("q", -1.0, {}),
    ]
    assert journal.stage_history(OTHER.id)[-1].evidence == {}
    (told,) = [change for change in journal.changes(0, 99) if change.id == RULE.id]
    assert told.state == "deleted"  # which takes it out of the index


def test_it_does_not_come_back_by_a_mark_a_rebuild_or_an_earlier_export(journal: Journal) -> None:
    told_everywhere(journal)
    earlier = io.BytesIO()
    export(journal, earlier)
    journal.erase([RULE.id], "")
    journal.return_to("with it")
    journal.rebuild()
    import_(journal, io.BytesIO(earlier.getvalue()))
    assert journal.get([RULE.id])[RULE.id].state == "deleted"
    assert journal.verify() == ()
    later = io.BytesIO()
    export(journal, later)
    assert WORD not in later.getvalue().lower()


def test_an_export_takes_the_erasure_along(journal: Journal, tmp_path: Path) -> None:
    told_everywhere(journal)
    with Journal(tmp_path / "other" / "journal.sqlite") as other:
        for _ in range(2):  # the second time nothing is new
            journal.erase([RULE.id], "the user asked")
            lines = io.BytesIO()
            export(journal, lines)
            other.put(*[RULE][: other.last_seq == 0])
            import_(other, io.BytesIO(lines.getvalue()))
        assert other.get([RULE.id])[RULE.id].state == "deleted"
        other.compact()
        assert other.verify() == () and WORD not in bytes_of(other.path)


def test_it_can_be_taught_again_by_hand(journal: Journal) -> None:
    told_everywhere(journal)
    journal.erase([RULE.id], "")
    assert journal.take("turn", [RULE]) == ()  # the same event does not teach again
    assert journal.take("by hand", [RULE]) == (RULE.id,)
    assert journal.get([RULE.id])[RULE.id].item == RULE
    journal.rebuild()
    assert journal.verify() == () and journal.find("zanzibar")[0].item == RULE.id
    assert journal.erase([RULE.id], "again") == 1


def test_erasing_again_does_nothing_and_an_unknown_id_is_refused(journal: Journal) -> None:
    journal.put(RULE)
    assert journal.erase([RULE.id, RULE.id], "") == 1 and journal.erase([RULE.id], "") == 0
    with pytest.raises(UsageError, match="holds no item 'nobody'"):
        journal.erase([RULE.id, "nobody"], "")


def test_what_was_forgotten_before_can_be_erased(journal: Journal, path: Path) -> None:
    journal.put(RULE)
    journal.forget(RULE.id, "wrong")
    assert journal.erase([RULE.id], "") == 1
    assert WORD not in bytes_of(path) and journal.verify() == ()


def test_a_reader_that_never_ends_is_told_about(path: Path) -> None:
    with Journal(path) as journal, contextlib.closing(sqlite3.connect(path)) as reader:
        journal.put(RULE)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM op").fetchone()
        journal._connection.execute("PRAGMA busy_timeout = 50")
        with pytest.raises(StoreUnavailable, match="memory compact"):
            journal.erase([RULE.id], "")
        assert journal.find("zanzibar") == []
        reader.execute("COMMIT")
        journal.compact()
        assert WORD not in bytes_of(path)
