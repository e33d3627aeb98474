"""Records of what was lived through, as items of the memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import ValidationError

from memory.experience import (
    ArchitectureDecision,
    CodePattern,
    CorrectionRecord,
    Debugging,
    Experience,
    Failure,
    Generation,
    Success,
)
from memory.journal import Journal
from memory.records import Kind
from memory.secrets import holds_secret

TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
NOON = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
RECORDS: list[Experience] = [
    Success(task="add a cart", approach="tests first", rating=5, at=NOON),
    Failure(task="add a cart", error="KeyError: 'net'", context="in total()", at=NOON),
    CorrectionRecord(original="total = 0.0", corrected="total = 0", type="style", at=NOON),
    CodePattern(name="guard", use="at the door", code="if not x:\n    return", at=NOON),
    Generation(task="add", code="a", verdict="modify", final_code="b", compiles=True, at=NOON),
    ArchitectureDecision(
        problem="where to keep carts", constraints=("offline", "one file"), chosen="SQLite",
        suggested="Redis", outcome="2 ms a cart", at=NOON,
    ),
    Debugging(symptoms="it hangs", root_cause="a lock", fix="let go of it", at=NOON),
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_becomes_an_item_of_its_kind_with_its_parts_and_utc_time(
    record: Experience, tmp_path: Path
) -> None:
    item = record.item("shop")
    assert (item.kind, item.project) == (record.kind, "shop")
    assert item.data["at"] == "2026-03-01T12:00:00+00:00"
    said = record.model_dump(mode="json", exclude={"at", "source", "where"})
    assert {name: item.data[name] for name in said} == said
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.put(item)
        assert next(journal.live()).item == item


def test_the_text_says_every_part_that_there_is() -> None:
    assert RECORDS[5].item("").text == (
        "problem: where to keep carts\nconstraints: offline, one file\nsuggested: Redis\n"
        "chosen: SQLite\noutcome: 2 ms a cart"
    )
    assert "compiles: yes" in RECORDS[4].item("").text
    assert "tests pass" not in RECORDS[4].item("").text


def test_the_same_content_is_the_same_item_at_another_time_and_other_content_is_not() -> None:
    now = RECORDS[1].model_copy(update={"at": datetime.now(UTC)})
    assert now.item("p").id == RECORDS[1].item("p").id
    long = "x" * 3_000
    one, other = (CorrectionRecord(original=long + end, corrected="y") for end in "ab")
    assert one.item("p").text == other.item("p").text and one.item("p").id != other.item("p").id


def test_secrets_are_replaced_and_long_parts_bounded() -> None:
    record = Failure(
        task=f"log in with {TOKEN}", error="e" * 2_000_000, context=f"token={TOKEN}", where=TOKEN,
        files=tuple(f"{n}.py" for n in range(80)),
    )  # fmt: skip
    item = record.item("p")
    assert not holds_secret(item.model_dump(mode="json")) and "[GitHub token removed]" in item.text
    assert len(item.text) < 5_000 and len(str(item.data["error"])) == 20_000
    assert "79.py" not in item.text and "49.py" in item.text


def test_records_without_what_they_are_about_are_refused() -> None:
    for bad in ({"rating": 6, "task": "t"}, {"rating": 3, "task": ""}):
        with pytest.raises(ValidationError):
            Success.model_validate(bad)
    with pytest.raises(ValidationError):
        Generation(task="t", code="c", verdict="shrug")
    with pytest.raises(ValidationError, match="timezone"):
        Success(task="t", rating=1, at=datetime(2026, 1, 1))
    assert {record.kind for record in RECORDS} <= set(Kind) and len(RECORDS) == 7
