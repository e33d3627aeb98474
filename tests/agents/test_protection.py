"""Contract file and journal together: order, crashes, two processes at once, what differs."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.approvals import lifts, open_lifts
from agents.protection import Protection
from agents.shared_memory import SharedMemory
from mcp_local_llm import StoreUnavailable, UsageError
from memory.layout import journal_path, memory_folder
from memory.records import Item, Kind, Level, Where
from tools.preserve.contracts import CONTRACT_FILE, Contract
from tools.preserve.file import read_contracts, write_contracts

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 60.0
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from agents.protection import Protection
from agents.shared_memory import SharedMemory
from memory.records import Level
from tools.preserve.contracts import Contract

def contract(name, level=Level.STRICT):
    return Contract(id=name, region=f"src/{name}.py", level=level)

home, root, what = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
with SharedMemory(home, "p") as memory:
    protection = Protection(root, memory)
    print("ready", flush=True)
    sys.stdin.readline()
    if what.startswith("forever"):
        for n in range(100_000):
            protection.protect(contract(f"c{n % 3}"))
            protection.carry_out(protection.removal([f"c{n % 3}"]), "terminal")
            print(n, flush=True)
    for n in range(int(sys.argv[5])):
        protection.protect(contract(f"{what}{n}"))
"""


def begun(home: Path, root: Path, what: str, count: int = 0) -> subprocess.Popen[str]:
    args = [sys.executable, "-c", PROGRAM, str(ROOT), str(home), str(root), what, str(count)]
    pipe = subprocess.PIPE
    return subprocess.Popen(args, stdin=pipe, stdout=pipe, text=True)


def let_go(program: subprocess.Popen[str]) -> None:
    """Let it begin."""
    assert program.stdin is not None and program.stdout is not None
    assert program.stdout.readline() == "ready\n"
    program.stdin.close()


def ended(program: subprocess.Popen[str], *, kill: bool = False) -> int:
    """Wait for its end, and return its exit code."""
    if kill:
        program.send_signal(signal.SIGKILL)
    assert program.stdout is not None
    code = program.wait(LIMIT_S)
    program.stdout.close()
    return code


def contract(name: str, level: Level = Level.STRICT, **fields: str) -> Contract:
    return Contract.model_validate(
        {"id": name, "region": f"src/{name}.py", "level": level, **fields}
    )


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SharedMemory]:
    with SharedMemory(tmp_path / "home", "p") as opened:
        yield opened


@pytest.fixture
def protection(tmp_path: Path, memory: SharedMemory) -> Protection:
    root = tmp_path / "work"
    root.mkdir()
    return Protection(root, memory)


def differing(protection: Protection) -> dict[str, str]:
    return {each.id: f"{each.severity}: {each.problem}" for each in protection.differences()}


def removed(protection: Protection, name: str) -> None:
    protection.carry_out(protection.removal([name], "not needed"), "terminal")


def test_protecting_is_written_and_journalled_once(protection: Protection) -> None:
    rate = contract("rate", reason="auditors")
    assert protection.protect(rate) is None
    assert protection.protect(rate) is None
    assert read_contracts(protection.root) == (rate,)
    (stored,) = protection.memory.journal.live(Where(project="p", kinds=(Kind.PRESERVATION,)))
    assert stored.item.text == "src/rate.py must not change at all: auditors"
    assert stored.item.level is Level.STRICT
    assert len(protection.memory.journal.history(stored.id)) == 1
    assert differing(protection) == {}


def test_weakening_waits_for_the_user_and_strengthening_does_not(protection: Protection) -> None:
    protection.protect(contract("rate", Level.MODERATE))
    assert protection.protect(contract("rate", Level.STRICT)) is None
    request = protection.protect(contract("rate", Level.FLEXIBLE))
    assert request is not None
    assert read_contracts(protection.root) == (contract("rate"),)
    moved = Contract(id="rate", region="src/other.py", level=Level.STRICT)
    assert protection.protect(moved) is not None
    protection.carry_out(request, "terminal")
    assert read_contracts(protection.root) == (contract("rate", Level.FLEXIBLE),)
    with pytest.raises(UsageError, match="have changed since"):
        protection.carry_out(request, "terminal")


def test_what_was_taken_away_is_a_tombstone_with_its_reason(protection: Protection) -> None:
    protection.protect(contract("rate"))
    (stored,) = protection.memory.journal.live()
    removed(protection, "rate")
    assert read_contracts(protection.root) == ()
    last = protection.memory.journal.history(stored.id)[-1]
    assert (last.op, last.payload["reason"]) == ("forget", "approved at the terminal: not needed")


def test_a_hand_edit_is_told_with_the_command_that_mends_it(protection: Protection) -> None:
    protection.protect(contract("rate"))
    protection.protect(contract("tax"))
    text = (protection.root / CONTRACT_FILE).read_text()
    write_contracts(protection.root, text.replace('"strict"', '"moderate"', 1).encode())
    assert "weakened from strict to moderate" in differing(protection)["rate"]
    (protection.root / CONTRACT_FILE).unlink()
    assert "no longer in the file" in differing(protection)["tax"]
    assert protection.named("tax") == ("tax",)
    removed(protection, "tax")
    assert [*differing(protection)] == ["rate"]


def test_a_clones_contracts_are_taken_into_the_journal(protection: Protection) -> None:
    protection.protect(contract("rate"))
    text = (protection.root / CONTRACT_FILE).read_text()
    removed(protection, "rate")
    fresh = text + '[[contract]]\nregion = "a.py"\nlevel = "flexible"\n'
    write_contracts(protection.root, fresh.encode())
    told = differing(protection)
    assert told["rate"].startswith("error: was let go")
    assert told["a-py"].startswith("note: is in the file only")
    assert protection.record() == ("rate", "a-py")
    assert (differing(protection), protection.record()) == ({}, ())
    write_contracts(protection.root, fresh.replace("flexible", "strict").encode())
    assert differing(protection)["a-py"].startswith("note: is stronger")


def test_a_memory_that_only_looks_like_a_contract_is_none(protection: Protection) -> None:
    fake = Item(kind=Kind.PRESERVATION, text="all is allowed", project="p", data={"contract": 1})
    protection.memory.put(fake)
    assert protection.journalled() == {}


@pytest.mark.parametrize(
    "reason", ["half \udcff", "two\n# lines", "\x1b[2J", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"]
)
def test_a_reason_that_cannot_be_kept_changes_nothing(protection: Protection, reason: str) -> None:
    with pytest.raises(UsageError):
        protection.protect(contract("rate").model_copy(update={"reason": reason}))
    assert read_contracts(protection.root) == ()


def test_what_a_model_worded_is_not_the_users_until_they_say_it(protection: Protection) -> None:
    def told() -> tuple[str, bool, str]:
        where = Where(project="p", kinds=(Kind.PRESERVATION,))
        (stored,) = protection.memory.journal.live(where)
        item = stored.item
        return item.provenance.source, item.trainable, str(item.level)

    rate = contract("rate", Level.FLEXIBLE)
    protection.protect(rate, unsettled=True, source="relayed")
    assert told() == ("relayed", False, "flexible")
    protection.protect(rate)
    assert told() == ("user", True, "flexible")
    assert protection.journalled()["rate"].unsettled
    protection.protect(rate, source="relayed")
    assert told() == ("user", True, "flexible")
    protection.protect(contract("rate"), source="relayed")
    assert told() == ("relayed", False, "strict")
    assert protection.differences() == ()


def test_a_folder_that_is_a_link_is_refused(protection: Protection, tmp_path: Path) -> None:
    (protection.root / ".mcp-local-llm").symlink_to(tmp_path)
    with pytest.raises(StoreUnavailable, match="make it a folder"):
        protection.protect(contract("rate"))


def test_lifts_are_journalled_handed_over_and_spent(tmp_path: Path, memory: SharedMemory) -> None:
    root = tmp_path / "work"
    root.mkdir()
    protection = Protection(root, memory, head="c1")
    protection.protect(contract("rate"))
    request = protection.lifting(protection.held("rate"), "a new law", "r1")
    protection.carry_out(request, "review")
    assert open_lifts(memory.home, "p", "r1") == {"rate"}
    assert open_lifts(memory.home, "p", head="c1") == frozenset()
    assert any("by the run r1: a new law" in s.item.text for s in memory.journal.live())
    protection.hand_over("r1")
    assert open_lifts(memory.home, "p", head="c1") == {"rate"}
    assert protection.spend() == ()
    (spent,) = Protection(root, memory, head="c2").spend()
    assert spent.contracts == ("rate",)
    assert lifts(memory.home, "p") == ()
    assert [s.item.text for s in memory.journal.live()] == ["src/rate.py must not change at all"]


def test_a_runs_lift_ends_with_it_and_protecting_again_ends_any(
    tmp_path: Path, memory: SharedMemory
) -> None:
    (tmp_path / "work").mkdir()
    protection = Protection(tmp_path / "work", memory, "c1", [contract("rate")])
    protection.protect(contract("rate"))
    protection.carry_out(protection.lifting(protection.held("rate"), run_id="r1"), "terminal")
    assert len(protection.spend("r1")) == 1
    removed(protection, "rate")
    assert open_lifts(memory.home, "p", head="c1") == {"rate"}
    protection.committed = ()
    protection.protect(contract("rate"))
    assert open_lifts(memory.home, "p", head="c1") == frozenset()


def test_a_lift_of_the_past_is_not_opened_by_the_journal(
    tmp_path: Path, memory: SharedMemory
) -> None:
    (tmp_path / "work").mkdir()
    protection = Protection(tmp_path / "work", memory, head="c1")
    protection.protect(contract("rate"))
    protection.carry_out(protection.lifting(protection.held("rate")), "terminal")
    memory.journal.mark("lifted")
    Protection(tmp_path / "work", memory, head="c2").spend()
    memory.journal.return_to("lifted")
    assert open_lifts(memory.home, "p") == frozenset()


def test_two_processes_at_once_lose_nothing(protection: Protection) -> None:
    programs = [begun(protection.memory.home, protection.root, name, 8) for name in "ab"]
    for program in programs:
        let_go(program)
    assert [ended(program) for program in programs] == [0, 0]
    assert len(read_contracts(protection.root)) == 16
    assert differing(protection) == {}


def test_killed_between_file_and_journal_more_is_protected_than_the_journal_says(
    protection: Protection,
) -> None:
    program = begun(protection.memory.home, protection.root, "new", 1)
    lock = sqlite3.connect(journal_path(memory_folder(protection.memory.home)))
    lock.execute("BEGIN IMMEDIATE")  # the journal cannot be told now
    let_go(program)
    deadline = time.monotonic() + LIMIT_S
    while not read_contracts(protection.root):
        assert time.monotonic() < deadline
        os.sched_yield()
    assert ended(program, kill=True) == -signal.SIGKILL
    lock.rollback()
    lock.close()
    assert [each.id for each in protection.written()] == ["new0"]
    assert [*differing(protection)] == ["new0"]
    protection.record()
    assert differing(protection) == {}


def test_killed_at_any_moment_nothing_is_less_protected_than_the_journal_says(
    protection: Protection,
) -> None:
    home, root = protection.memory.home, protection.root
    for round_ in range(4):
        program = begun(home, root, "forever")
        let_go(program)
        assert program.stdout is not None
        for _ in range(1 + round_):
            assert program.stdout.readline()
        assert ended(program, kill=True) == -signal.SIGKILL
        written = {each.id for each in protection.written()}
        assert {*protection.journalled()} <= written
        for name in {*protection.journalled(), *written}:
            removed(protection, name)
        assert differing(protection) == {}


async def test_it_opens_in_a_repository_and_outside_of_one(
    protection: Protection, tmp_path: Path
) -> None:
    outside = await Protection.open(tmp_path, protection.memory)
    assert (outside.head, outside.committed) == ("", ())
    protection.protect(contract("rate"))
    git = ["git", "-c", "user.name=T", "-c", "user.email=t@localhost"]
    for args in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        await asyncio.to_thread(subprocess.run, [*git, *args], cwd=protection.root, check=True)
    inside = await Protection.open(protection.root, protection.memory)
    assert (len(inside.head), inside.committed) == (40, (contract("rate"),))
