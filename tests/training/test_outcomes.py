"""What an interrupted evaluation leaves on disk, and what is made of it."""

from pathlib import Path

import pytest

from mcp_local_llm import StoreUnavailable, UsageError
from training.embedded.evaluation import TaskOutcome
from training.embedded.outcomes import OutcomeFile


def outcome(index: int) -> TaskOutcome:
    return TaskOutcome(
        index=index,
        kind="add",
        composition="div+min",
        composition_held_out=False,
        wish="zähle\nalle",
        status="delivered",
    )


@pytest.fixture
def file(tmp_path: Path) -> OutcomeFile:
    return OutcomeFile(tmp_path / "folder" / "outcomes.jsonl", seed=1, weights="w")


def test_outcomes_come_back_as_they_were_kept(file: OutcomeFile) -> None:
    assert file.read() == {}
    for index in (2, 0):
        file.append(outcome(index))
    assert file.read() == {2: outcome(2), 0: outcome(0)}
    assert len(file.path.read_text("utf-8").splitlines()) == 3
    file.remove()
    assert file.read() == {}
    file.remove()


def test_a_last_line_that_a_kill_cut_short_is_dropped(file: OutcomeFile) -> None:
    for index in (0, 1):
        file.append(outcome(index))
    file.path.write_bytes(file.path.read_bytes()[:-9])
    assert file.read() == {0: outcome(0)}
    file.append(outcome(1))
    assert file.read() == {0: outcome(0), 1: outcome(1)}
    file.path.write_bytes(b'{"seed":')
    assert file.read() == {}


def test_a_file_of_another_evaluation_is_refused(file: OutcomeFile) -> None:
    file.append(outcome(0))
    with pytest.raises(UsageError, match="seed 2 of 'w'; name another file"):
        OutcomeFile(file.path, seed=2, weights="w").read()
    with pytest.raises(UsageError, match="of 'other'"):
        OutcomeFile(file.path, seed=1, weights="other").read()


def test_a_line_that_is_no_outcome_is_named(file: OutcomeFile) -> None:
    file.append(outcome(0))
    with file.path.open("a") as lines:
        lines.write("{}\n")
    with pytest.raises(UsageError, match="line 3 of"):
        file.read()


def test_a_place_that_cannot_be_used_is_named(file: OutcomeFile, tmp_path: Path) -> None:
    file.path.mkdir(parents=True)
    for attempt in (file.read, file.remove, lambda: file.append(outcome(0))):
        with pytest.raises(StoreUnavailable, match=r"outcomes\.jsonl"):
            attempt()
