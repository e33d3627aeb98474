"""The journal when something is wrong: a clear error or a correct result, and nothing lost."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import ValidationError

from mcp_local_llm import StoreUnavailable, UsageError
from memory.journal import Journal
from memory.records import MAX_TEXT, Item
from memory.schema import VERSION, check_version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory" / "journal.sqlite"


def filled(path: Path, count: int = 300) -> list[Item]:
    items = [Item(text=f"fact {n} " + f"word{n} " * 20) for n in range(count)]
    with Journal(path) as journal:
        journal.put(*items)
    return items


@pytest.fixture(scope="module")
def writers() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "kill_writers", Path(__file__).with_name("kill_writers.py")
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_killed_writers_lose_nothing_that_was_acknowledged(writers: ModuleType, path: Path) -> None:
    acknowledged = [said for seed in range(3) for said in writers.round_of_kills(path, seed)]
    assert len(acknowledged) >= 3 * writers.WRITERS
    assert writers.lost(path, acknowledged) == []
    with Journal(path) as journal:
        assert journal.verify() == ()


def opened_and_put(path: str, n: int, ready: object) -> None:
    ready.wait()  # type: ignore[attr-defined]
    with Journal(Path(path)) as journal:
        journal.put(Item(text=f"from process {n}"))


def test_processes_that_create_the_journal_at_once_all_succeed(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(3)
    children = [
        context.Process(target=opened_and_put, args=(str(path), n, ready)) for n in range(3)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0, 0]
    with Journal(path) as journal:
        assert {s.item.text for s in journal.live()} == {f"from process {n}" for n in range(3)}
        assert journal.verify() == ()


@pytest.mark.parametrize("before", [2, 3])
def test_a_journal_that_is_created_between_two_questions_is_ours(path: Path, before: int) -> None:
    path.parent.mkdir(parents=True)
    asked = sqlite3.connect(path, isolation_level=None)
    questions: list[str] = []

    def create(statement: str) -> None:
        if not statement.startswith("--"):  # those are parts of another one
            questions.append(statement)
            if len(questions) == before:
                Journal(path).close()

    asked.set_trace_callback(create)
    while len(questions) < before:
        check_version(asked, path)
    asked.set_trace_callback(None)
    assert check_version(asked, path) == VERSION
    asked.close()


def test_threads_share_one_journal(path: Path) -> None:
    with Journal(path) as journal, ThreadPoolExecutor(4) as threads:
        items = [Item(text=f"fact {n}") for n in range(80)]
        assert sorted(threads.map(journal.put, items)) == list(range(1, 81))
        assert journal.stats().live == 80 and journal.verify() == ()


def test_a_journal_of_a_newer_version_is_left_alone(path: Path) -> None:
    filled(path, 1)
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {VERSION + 1}")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"newer version .* update mcp-local-llm"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE mine (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match="something else"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_damaged(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(StoreUnavailable, match="memory restore FILE"):
        Journal(path)


def test_a_damaged_page_is_found(path: Path) -> None:
    filled(path)
    raw = bytearray(path.read_bytes())
    for page in range(4, len(raw) // 4096, 5):
        raw[page * 4096 : page * 4096 + 200] = os.urandom(200)
    path.write_bytes(raw)
    with Journal(path) as journal:
        assert journal.verify() != ()
        with pytest.raises(StoreUnavailable, match="memory restore FILE"):
            list(journal.live())


def test_a_cut_wal_loses_at_most_its_end(path: Path, tmp_path: Path) -> None:
    items = filled(path, 20)
    more = [Item(text=f"later {n}") for n in range(20)]
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    with Journal(path) as journal:
        for item in more:
            journal.put(item)
        wal = path.with_name(path.name + "-wal").read_bytes()
        shutil.copy(path, copy)
    copy.with_name(path.name + "-wal").write_bytes(wal[: len(wal) // 2 + 1000])
    with Journal(copy) as journal:
        kept = [s.item for s in journal.live()]
        assert journal.verify() == ()
    assert len(items) < len(kept) < 40 and kept == [*items, *more][: len(kept)]


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_that_the_system_stops_midway_changes_nothing(path: Path) -> None:
    items = filled(path, 20)
    with Journal(path) as journal:
        with file_size_limit(200_000), pytest.raises(StoreUnavailable, match="free some space"):
            journal.put(*(Item(text=f"{n} " + "x" * 50_000) for n in range(20)))
        assert [s.item for s in journal.live()] == items and journal.verify() == ()
        journal.put(Item(text="space again"))
        assert journal.stats().live == 21


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_changes_nothing_and_is_said_plainly(small_disk: Path) -> None:
    path = small_disk / "journal.sqlite"
    kept: list[Item] = []
    with Journal(path) as journal:
        with pytest.raises(StoreUnavailable, match="free some space"):
            for n in range(1000):
                item = Item(text=f"{n} " + "x" * 5000)
                journal.put(item)
                kept.append(item)
        assert [s.item for s in journal.live()] == kept
    with Journal(path) as journal:
        assert [s.item for s in journal.live()] == kept


READ_ONLY = """
import os, sys
from pathlib import Path
from mcp_local_llm import StoreUnavailable
from memory.journal import Journal
if os.getuid() == 0:
    os.setuid(65534)  # the superuser may write anywhere
try:
    Journal(Path(sys.argv[1]))
except StoreUnavailable as error:
    sys.exit(f"said: {error}")
"""


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_that_may_not_be_written_is_said_plainly(exists: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        if exists:
            filled(folder / "journal.sqlite", 1)
        folder.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(folder / "journal.sqlite")]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)
    assert ended.stderr.startswith("said: ") and "MCP_LOCAL_LLM_HOME" in ended.stderr


def test_a_text_of_a_million_characters_is_kept_and_found(path: Path) -> None:
    text = ("long " * (MAX_TEXT // 5))[: MAX_TEXT - 7] + " needle"
    with Journal(path) as journal:
        journal.put(Item(text=text))
        (hit,) = journal.find("needle")
        assert journal.get([hit.item])[hit.item].item.text == text
        assert journal.verify() == ()
    with pytest.raises(ValidationError, match="at most 1000000"):
        Item(text=text + "!")


@pytest.mark.parametrize("text", [" ", "\n\t", "\u2003"])
def test_a_blank_text_is_refused(path: Path, text: str) -> None:
    with Journal(path) as journal:
        with pytest.raises(UsageError, match="blank"):
            journal.put(Item(text="good"), Item(text=text))
        assert journal.last_seq == 0


def test_control_characters_are_kept_as_they_are(path: Path) -> None:
    text = "a\0b\x01\x1b[31m\x7f\u202e\ufeff word"
    with Journal(path) as journal:
        journal.put(Item(text=text, data={"k\0": "\0"}))
        (hit,) = journal.find("word")
        item = journal.get([hit.item])[hit.item].item
        assert (item.text, item.data) == (text, {"k\0": "\0"})
        assert journal.verify() == ()


def test_half_a_character_is_refused_and_nothing_is_changed(path: Path) -> None:
    item = Item(text="good")
    with Journal(path) as journal:
        journal.put(item)
        wrong: tuple[Callable[[], int], ...] = (
            lambda: journal.put(Item(text="a"), Item(text="b", data={"x": "\ud800"})),
            lambda: journal.put(Item(text="a"), Item(text="b", key="\ud800")),
            lambda: journal.forget(item.id, "\ud800"),
            lambda: journal.mark("\ud800"),
            lambda: journal.forget("\ud800", ""),
        )
        for attempt in wrong:
            with pytest.raises(UsageError, match="half a character"):
                attempt()
        assert journal.last_seq == 1 and journal.verify() == ()
