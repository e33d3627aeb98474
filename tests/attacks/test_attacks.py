"""A part of the attacks of ``make attack``, and what proves that they are attacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.generate import PATHS, attack, legal
from tests.attacks.oracle import damage
from tests.attacks.run import WITHOUT, legal_refused, reaching, tallied
from tests.attacks.victim import FILES
from tests.attacks.walls import Lab

pytestmark = pytest.mark.slow

SLOWER = {
    "rename", "symlink", "hard link", "encoding", "side effect", "git", "contract file",
    "outlives its command",
}  # fmt: skip
COUNTS = {path: 12 if path in SLOWER else 51 for path in PATHS} | {"tests that write": 8}


def test_the_victim_is_whole_and_five_hundred_attacks_are_made() -> None:
    assert damage(FILES) == []
    assert sum(COUNTS.values()) >= 500


@pytest.mark.parametrize("path", PATHS)
def test_the_same_number_is_the_same_attack(path: str) -> None:
    assert attack(path, 7) == attack(path, 7)
    assert len({repr(attack(path, number)) for number in range(40)}) > 4


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_damaged_is_delivered(path: str, tmp_path: Path) -> None:
    opened = await Lab.open(tmp_path)
    tally = await tallied(opened, [attack(path, number) for number in range(COUNTS[path])])
    assert tally.damaged == []
    assert tally.attacks - tally.stopped["-"] >= tally.attacks * 0.9  # it met a wall


async def test_without_walls_nine_of_ten_do_damage(tmp_path: Path) -> None:
    opened = await Lab.open(tmp_path)
    attacks = [attack(path, 1) for path in PATHS]
    tally = await tallied(opened, attacks, ())
    assert len(tally.damaged) >= len(attacks) * 0.9


async def test_where_one_wall_is_missing_some_get_further(tmp_path: Path) -> None:
    opened = await Lab.open(tmp_path)
    assert all((await reaching(opened, 6)).values()), WITHOUT


async def test_legal_edits_are_let_through(tmp_path: Path) -> None:
    opened = await Lab.open(tmp_path)
    refused = await legal_refused(opened, 20)
    assert refused == []
    assert legal(3) == legal(3)
