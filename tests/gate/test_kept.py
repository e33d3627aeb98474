"""What was measured is not measured again, whatever cut the file, and about nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_local_llm import StoreUnavailable
from training.gate.kept import Kept
from training.gate.records import Attempt, Judged


def judged(text: str) -> Judged:
    return Judged(text=text, passed=True, seconds=0.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "measured.jsonl"


async def once(kept: Kept, asked: str, text: str) -> str:
    async def make() -> Judged:
        return judged(text)

    return (await kept.once(Judged, asked, make)).text


async def test_what_is_not_worth_it_is_measured_again(path: Path) -> None:
    kept = Kept.open(path)
    for text in ("broken off", "whole"):

        async def make(text: str = text) -> Judged:
            return judged(text)

        found = await kept.once(Judged, "q", make, worth=lambda one: one.text == "whole")
        assert found.text == text
    assert await once(Kept.open(path), "q", "another") == "whole"


async def test_an_answer_is_given_once_for_each_model_and_question(path: Path) -> None:
    for _ in range(2):  # the second time from the disk
        kept = Kept.open(path)
        base, adapter = kept.about("base", ""), kept.about("base", "adapter")
        assert await once(base, "why?", "of the base") == "of the base"
        assert await once(adapter, "why?", "of the adapter") == "of the adapter"
        assert await once(adapter, "how?", "otherwise") == "otherwise"
        assert await once(base, "why?", "again") == "of the base"
    assert base.find(Attempt, "why?") is None  # the same question, another measurement
    assert kept.about("other base", "").find(Judged, "why?") is None
    assert len(path.read_text().split()) > 3


def test_a_cut_line_costs_one_answer_and_not_the_next(path: Path) -> None:
    kept = Kept.open(path).about("model")
    for asked in ("first", "second"):
        kept.keep(judged(asked), asked)
    path.write_bytes(path.read_bytes()[:-10])  # killed while it was written
    again = Kept.open(path).about("model")
    assert again.needed(Judged, "first") == judged("first")
    assert again.find(Judged, "second") is None
    again.keep(judged("third"), "third")
    path.write_text(path.read_text() + "\n[1]\n{}\nnone")
    last = Kept.open(path).about("model")
    assert [last.find(Judged, asked) is None for asked in ("first", "second", "third")] == [
        False, True, False,
    ]  # fmt: skip


def test_what_is_used_of_an_older_file_is_copied_and_the_rest_is_left(
    path: Path, tmp_path: Path
) -> None:
    older = tmp_path / "older.jsonl"
    kept = Kept.open(older).about("model")
    kept.keep(judged("used"), "used")
    kept.keep(judged("erased since"), "not asked any more")
    kept = Kept.open(path, older).about("model")
    assert kept.needed(Judged, "used") == judged("used")
    assert Kept.open(path).about("model").needed(Judged, "used") == judged("used")
    assert "erased" not in path.read_text()


def test_what_another_version_wrote_is_measured_again(path: Path) -> None:
    kept = Kept.open(path).about("model")
    kept.keep(judged("old"), "asked")
    path.write_text(path.read_text().replace("seconds", "minutes"))
    assert Kept.open(path).about("model").find(Judged, "asked") is None


def test_without_a_file_it_is_kept_for_the_moment() -> None:
    kept = Kept().about("model")
    kept.keep(judged("said"), "asked")
    assert kept.needed(Judged, "asked") == judged("said")


def test_a_disk_that_refuses_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="free some disk space"):
        Kept.open(tmp_path / "none" / "measured.jsonl").keep(judged("said"), "asked")
    with pytest.raises(StoreUnavailable, match="cannot read"):
        Kept.open(tmp_path)
