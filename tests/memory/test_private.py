"""What is made for this user alone is closed to others, whatever the umask says."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from memory.journal import Journal
from memory.private import private_database, private_folder


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """Let others read what is created, as on most machines."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_each_missing_folder_is_private_and_one_that_is_there_stays_as_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    assert private_folder(tmp_path / "mine" / "home" / "logs").is_dir()
    assert mode(tmp_path / "mine") == 0o755
    assert mode(tmp_path / "mine" / "home") == 0o700
    assert mode(tmp_path / "mine" / "home" / "logs") == 0o700
    assert private_folder(tmp_path / "mine") == tmp_path / "mine"
    assert mode(tmp_path / "mine") == 0o755


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        private_folder(tmp_path / "file" / "a" / "b")
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "file")


def test_the_state_folder_is_private_when_the_memory_is_the_first_to_need_it(
    tmp_path: Path,
) -> None:
    with Journal(tmp_path / "home" / "memory" / "journal.sqlite"):
        assert mode(tmp_path / "home") == 0o700


@pytest.mark.parametrize("was_open", [False, True])
def test_a_database_and_its_log_are_private(tmp_path: Path, was_open: bool) -> None:
    path = tmp_path / "checkpoints.sqlite"
    with sqlite3.connect(path) if was_open else sqlite3.connect(":memory:") as earlier:
        earlier.execute("PRAGMA journal_mode = WAL")
        earlier.execute("CREATE TABLE t (a)")
        assert not was_open or mode(path) == 0o644
        private_database(path)
        with sqlite3.connect(path) as ours:
            ours.execute("PRAGMA journal_mode = WAL")
            ours.execute("CREATE TABLE u (a)")
            modes = {each.name: mode(each) for each in tmp_path.iterdir()}
        assert modes == dict.fromkeys(
            ("checkpoints.sqlite", "checkpoints.sqlite-wal", "checkpoints.sqlite-shm"), 0o600
        )
        ours.close()
    earlier.close()
