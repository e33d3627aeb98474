"""Delivered code is followed in git until the user has kept, changed or dropped it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agents.shared_memory import SharedMemory
from graph.deliveries import Deliveries
from graph.follow import Follow, follow, keep_delivery
from memory.records import Kind, Where
from tools import worktree
from training.examples.knowledge import Knowledge

if TYPE_CHECKING:
    from tests.graph.conftest import Shop


def test_what_nobody_has_touched_is_open(shop: Shop) -> None:
    shop.deliver()
    assert shop.follow() == Follow(pending=1)
    assert shop.rewards() == []


def test_an_applied_change_is_open_until_it_is_committed_and_then_kept(shop: Shop) -> None:
    shop.apply(shop.deliver())
    assert shop.follow() == Follow(pending=1)
    shop.commit()
    (kept,) = shop.follow().settled
    assert (kept.state, kept.reward, kept.path, kept.item) == ("kept", 1.0, "cart.py", "")
    (signal_,) = shop.memory.journal.signals(target="r1")
    assert (signal_.source, signal_.reward, signal_.feeling) == ("hunk", 1.0, None)
    assert signal_.evidence["state"] == "kept"
    assert shop.follow() == Follow()
    assert list((shop.home / "following").iterdir()) == []


def test_each_settled_hunk_is_a_generation_with_its_verdict(shop: Shop) -> None:
    shop.apply(shop.deliver())
    shop.commit(shop.delivered.replace("sum(chosen)", "float(sum(chosen))"))
    shop.follow()
    where = Where(project=shop.memory.project, kinds=(Kind.GENERATION,))
    (stored,) = shop.memory.journal.live(where)
    said = stored.item.data
    assert (said["verdict"], said["compiles"], said["tests_pass"]) == ("modify", True, True)
    assert "float(sum(chosen))" in str(said["final_code"])
    assert stored.item.provenance.source == "run"
    assert not stored.item.trainable


def merge(shop: Shop) -> None:
    shop.git("merge", "--quiet", "--no-ff", "--no-edit", "local-llm/r1")


def squash(shop: Shop) -> None:
    shop.git("merge", "--quiet", "--squash", "local-llm/r1")
    shop.commit()


def pick_onto_new_work(shop: Shop) -> None:
    shop.commit("print('other')\n", "other.py")
    shop.git("cherry-pick", "local-llm/r1")


def amend(shop: Shop) -> None:
    merge(shop)
    shop.git("commit", "--amend", "--quiet", "--message=in other words")


def rebase(shop: Shop) -> None:
    shop.git("checkout", "--quiet", "-b", "work")
    shop.git("merge", "--quiet", "--ff-only", "local-llm/r1")
    shop.git("checkout", "--quiet", "main")
    shop.commit("print('other')\n", "other.py")
    shop.git("rebase", "--quiet", "main", "work")


def force(shop: Shop) -> None:
    merge(shop)
    text = (shop.root / "cart.py").read_text()
    shop.git("checkout", "--quiet", "--orphan", "fresh")
    shop.commit(text)
    shop.git("branch", "--quiet", "--force", "main", "fresh")


def on_another_branch(shop: Shop) -> None:
    shop.git("checkout", "--quiet", "-b", "feature")
    merge(shop)
    shop.git("checkout", "--quiet", "main")


def detached(shop: Shop) -> None:
    shop.git("checkout", "--quiet", "--detach")
    merge(shop)


def discarded_after_the_merge(shop: Shop) -> None:
    merge(shop)
    asyncio.run(worktree.discard(shop.root, "r1"))


def with_windows_line_endings(shop: Shop) -> None:
    shop.apply("r1")
    shop.commit((shop.root / "cart.py").read_text().replace("\n", "\r\n"))


def renamed(shop: Shop) -> None:
    merge(shop)
    shop.git("mv", "cart.py", "basket.py")
    shop.commit()


def moved_to_another_file(shop: Shop) -> None:
    shop.apply("r1")
    shop.write(shop.cart)
    shop.commit(shop.added.lstrip(), "sums.py")


WAYS = [
    merge,
    squash,
    pick_onto_new_work,
    amend,
    rebase,
    force,
    on_another_branch,
    detached,
    discarded_after_the_merge,
    with_windows_line_endings,
    renamed,
    moved_to_another_file,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_code_is_kept_whatever_way_it_went_into_the_history(
    shop: Shop, way: Callable[[Shop], None]
) -> None:
    shop.deliver()
    way(shop)
    assert shop.states() == ["kept"]
    assert shop.corrections() == []


def test_an_edit_by_the_user_is_a_correction_and_rewards_by_distance(shop: Shop) -> None:
    shop.apply(shop.deliver())
    shop.commit(shop.edited)
    (edited,) = shop.follow().settled
    assert edited.state == "edited"
    assert edited.reward is not None
    assert 0.8 < edited.reward < 1
    (stored,) = shop.corrections()
    item = stored.item
    assert stored.id == edited.item
    assert item.text == (
        "In cart.py, write `chosen = [value for value in values if value >= limit]` instead of "
        "`chosen = [value for value in values if value > limit]`"
    )
    assert (item.scope, item.provenance.source, item.trainable) == ("cart.py", "user", True)
    assert item.provenance.where == "run r1"
    assert str(item.data["original"]).strip() == shop.added.strip()
    assert str(item.data["corrected"]).strip() == shop.edited.removeprefix(shop.cart).strip()
    assert item.data["type"] == "logic"


def rebase_an_edit(shop: Shop) -> None:
    rebase(shop)
    shop.commit(shop.edited)
    shop.git("commit", "--amend", "--quiet", "--message=again")


def rename_and_edit(shop: Shop) -> None:
    merge(shop)
    shop.git("mv", "cart.py", "basket.py")
    shop.commit(shop.edited, "basket.py")


def edit_with_windows_line_endings(shop: Shop) -> None:
    merge(shop)
    shop.commit(shop.edited.replace("\n", "\r\n"))


def edit_and_append(shop: Shop) -> None:
    merge(shop)
    more = "\n\ndef average(values):\n    return total(values) / count(values)\n"
    shop.commit(shop.edited.replace("sum(chosen)", "sum(chosen) + FEE") + more)


@pytest.mark.parametrize(
    "way",
    [rebase_an_edit, rename_and_edit, edit_with_windows_line_endings, edit_and_append],
    ids=lambda way: way.__name__,
)
def test_an_edit_is_found_whatever_way_it_went(shop: Shop, way: Callable[[Shop], None]) -> None:
    shop.deliver()
    way(shop)
    assert shop.states() == ["edited"]
    (stored,) = shop.corrections()
    assert "value >= limit" in str(stored.item.data["corrected"])
    assert "average" not in str(stored.item.data["corrected"])


def test_an_edit_that_somebody_else_committed_is_kept_but_never_trains(shop: Shop) -> None:
    shop.deliver()
    merge(shop)
    shop.write(shop.edited)
    shop.git("add", "--all")
    shop.git("-c", "user.email=colleague@example.invalid", "commit", "--quiet", "--message=theirs")
    assert shop.states() == ["edited"]
    (stored,) = shop.corrections()
    assert (stored.item.provenance.source, stored.item.trainable) == ("import", False)
    (code,) = shop.memory.journal.live(Where(kinds=(Kind.GENERATION,)))
    assert code.item.data["verdict"] == "modify"
    assert Knowledge(item=code.item).problem == "not typed by the user (import)"


def test_a_secret_in_an_edit_is_not_stored_but_the_reward_is(shop: Shop) -> None:
    shop.deliver()
    merge(shop)
    token = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"
    shop.commit(shop.delivered.replace("return sum(chosen)", f'return ask("{token}")'))
    (edited,) = shop.follow().settled
    assert (edited.state, edited.item) == ("edited", "")
    assert "secret" in edited.refused
    assert shop.corrections() == []
    assert len(shop.rewards()) == 1
    journal = b"".join(path.read_bytes() for path in shop.home.rglob("*") if path.is_file())
    assert token.encode() not in journal


def revert_the_merge(shop: Shop) -> None:
    merge(shop)
    shop.git("revert", "--no-edit", "-m", "1", "HEAD")


def restore_the_files(shop: Shop) -> None:
    shop.apply("r1")
    shop.git("checkout", "--", "cart.py")


def delete_the_function(shop: Shop) -> None:
    merge(shop)
    shop.commit(shop.cart + "\n\nprint(total([]))\n")


def delete_the_file(shop: Shop) -> None:
    merge(shop)
    shop.git("rm", "--quiet", "cart.py")
    shop.commit()


@pytest.mark.parametrize(
    "way",
    [revert_the_merge, restore_the_files, delete_the_function, delete_the_file],
    ids=lambda way: way.__name__,
)
def test_what_the_user_takes_back_is_reverted(shop: Shop, way: Callable[[Shop], None]) -> None:
    shop.deliver()
    way(shop)
    assert shop.states() == ["reverted"]
    assert shop.rewards() == [-1.0]
    assert shop.corrections() == []


def test_what_lies_in_the_stash_or_is_half_edited_is_open(shop: Shop) -> None:
    shop.apply(shop.deliver())
    shop.git("stash")
    assert shop.follow().pending == 1
    shop.git("stash", "pop")
    shop.write(shop.cart + "\n\ndef total_above(values, limit):\n    ...\n")
    assert shop.follow().pending == 1
    shop.write(shop.delivered)
    shop.commit()
    assert shop.states() == ["kept"]


def test_each_hunk_has_a_fate_of_its_own(shop: Shop) -> None:
    changed = shop.delivered.replace("FEE = 3", "FEE = 4").replace(
        "Return how many.", "Return a count."
    )
    shop.apply(shop.deliver(changed))
    shop.commit(changed.replace("FEE = 4", "FEE = 3").replace("sum(chosen)", "sum(chosen) + FEE"))
    assert shop.states() == ["reverted", "kept", "edited"]
    assert len({one.key for one in shop.memory.journal.signals(target="r1")}) == 3


def test_uncommitted_work_from_before_the_run_is_no_edit_of_its_code(shop: Shop) -> None:
    shop.write(shop.cart.replace("return len(values)", "return len(list(values))"))
    shop.apply(
        shop.deliver(shop.cart.replace("return len(values)", "return sum(1 for _ in values)"))
    )
    assert shop.follow() == Follow(pending=1)
    shop.commit()
    assert shop.states() == ["kept"]


def test_a_branch_with_code_of_its_own_in_that_place_says_nothing(shop: Shop) -> None:
    shop.git("checkout", "--quiet", "-b", "other")
    shop.commit(shop.cart + "\n\nclass Basket:\n    pass\n")
    shop.git("checkout", "--quiet", "main")
    shop.deliver()
    assert shop.follow() == Follow(pending=1)


def test_what_a_later_run_changed_is_no_correction_by_the_user(shop: Shop) -> None:
    shop.apply(shop.deliver())
    shop.apply(shop.deliver(shop.edited))
    shop.commit()
    assert [(one.run_id, one.state) for one in shop.follow().settled] == [
        ("r1", "overtaken"),
        ("r2", "kept"),
    ]
    assert shop.corrections() == []
    assert [one.target for one in shop.memory.journal.signals()] == ["r2"]


def test_what_is_never_applied_is_abandoned_after_days_of_looking(shop: Shop) -> None:
    shop.deliver()
    assert [shop.states(after_days=day) for day in (0, 0, 1, 1)] == [[]] * 4
    assert shop.states(after_days=2) == ["abandoned"]
    assert shop.rewards() == [-0.2]


def test_a_deleted_branch_is_abandoned_as_well(shop: Shop) -> None:
    shop.deliver()
    shop.git("branch", "--quiet", "-D", "local-llm/r1")
    assert [shop.states(after_days=day) for day in range(3)][-1] == ["abandoned"]


def test_a_clock_that_jumps_ahead_or_back_abandons_nothing(shop: Shop) -> None:
    shop.deliver()
    assert shop.follow(after_days=40_000) == Follow(pending=1)
    assert shop.follow(after_days=-20_000) == Follow(pending=1)
    merge(shop)
    assert shop.states(after_days=-10_000) == ["kept"]


def test_a_repository_that_is_gone_says_nothing_and_is_given_up_in_the_end(shop: Shop) -> None:
    shop.deliver()
    shutil.rmtree(shop.root)
    found = [shop.follow(after_days=day) for day in range(3)]
    assert [one.pending for one in found[:-1]] == [1] * 2
    assert [one.state for one in found[-1].settled] == ["lost"]
    assert shop.rewards() == []


def test_a_repository_made_anew_is_judged_by_its_content(shop: Shop) -> None:
    shop.deliver()
    shutil.rmtree(shop.root / ".git")
    shop.git("init", "--quiet", "--initial-branch=main")
    shop.git("config", "user.name", "User")
    shop.git("config", "user.email", "user@example.invalid")
    shop.commit()
    assert shop.follow() == Follow(pending=1)
    shop.commit(shop.delivered)
    assert shop.states() == ["kept"]


def test_a_hunk_of_a_file_with_100_000_lines_is_followed(shop: Shop) -> None:
    lines = [f"value_{n % 500} = {n % 700}\n" for n in range(100_000)]
    shop.commit("".join(lines), "big.py")
    changed = lines.copy()
    changed[70_000] = "answer = compute_the_answer(7)\n"
    shop.apply(shop.deliver("".join(changed), "big.py"))
    mine = ["import os\n", *changed]
    mine[70_001] = "answer = compute_the_answer(8)\n"
    shop.commit("".join(mine), "big.py")
    assert shop.states() == ["edited"]
    (stored,) = shop.corrections()
    assert stored.item.data["corrected"] == "answer = compute_the_answer(8)"


def test_a_new_file_with_100_000_lines_is_followed_and_its_rewrite_is_no_correction(
    shop: Shop,
) -> None:
    shop.deliver("".join(f"value_{n} = {n}\n" for n in range(100_000)), "big.py")
    merge(shop)
    shop.commit("".join(f"value_{n} = {n + n % 2}\n" for n in range(100_000)), "big.py")
    (edited,) = shop.follow().settled
    assert (edited.state, edited.refused) == ("edited", "too long")
    assert edited.reward == pytest.approx(0)


def test_a_binary_file_a_link_and_an_odd_name_are_not_followed(shop: Shop) -> None:
    async def odd() -> None:
        tree = await worktree.create(shop.root, "odd", shop.home / "tree")
        (tree.workspace / "image.bin").write_bytes(b"\0\1\2")
        (tree.workspace / "link").symlink_to("cart.py")
        (tree.workspace / "two\nlines.py").write_text("x = 1\n")
        await tree.deliver("feat: it")
        await keep_delivery(shop.home, tree, "odd", str(shop.root))

    asyncio.run(odd())
    assert shop.follow() == Follow()


def test_a_file_turned_binary_or_into_a_folder_is_no_crash(shop: Shop) -> None:
    shop.deliver()
    merge(shop)
    shop.git("rm", "--quiet", "cart.py")
    shop.commit("x = 1\n", "cart.py/inner.py")
    assert shop.states() == ["reverted"]
    shop.deliver("text = 'of the second run'\n", "app.py")
    shop.git("merge", "--quiet", "--no-edit", "local-llm/r2")
    (shop.root / "app.py").write_bytes(b"\0\xff\xfe" * 100)
    shop.commit()
    (settled,) = shop.follow().settled
    assert settled.reward is not None
    assert settled.reward < 0


def test_two_looks_at_once_take_everything_in_once(shop: Shop) -> None:
    shop.deliver()
    merge(shop)
    shop.commit(shop.edited)

    def look() -> None:
        with SharedMemory(shop.home, shop.memory.project) as memory:
            asyncio.run(follow(memory, now=shop.noon))

    with ThreadPoolExecutor(4) as pool:
        for one in [pool.submit(look) for _ in range(4)]:
            one.result(timeout=60)
    assert len(shop.corrections()) == 1
    assert len(shop.rewards()) == 1
    assert len(shop.memory.journal.history(shop.corrections()[0].id)) == 1


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from agents.shared_memory import SharedMemory
from graph.follow import follow

class Mortal:
    def __init__(self, journal): self.journal = journal
    def __getattr__(self, name): return getattr(self.journal, name)
    def take(self, *args):
        self.journal.take(*args)
        os.kill(os.getpid(), signal.SIGKILL)

memory = SharedMemory(Path(sys.argv[1]), sys.argv[2])
memory.journal = Mortal(memory.journal)
asyncio.run(follow(memory))
"""


def test_a_look_that_is_killed_loses_nothing_and_counts_nothing_twice(shop: Shop) -> None:
    shop.deliver(shop.delivered.replace("FEE = 3", "FEE = 4"))
    merge(shop)
    argv = [sys.executable, "-c", KILLED, str(shop.home), shop.memory.project]
    root = Path(__file__).parents[2]
    for taken in (1, 2):
        done = subprocess.run(argv, env={**os.environ, "PYTHONPATH": str(root)}, timeout=60)
        assert done.returncode == -signal.SIGKILL
        assert len(shop.rewards()) == taken
    assert shop.follow() == Follow()
    assert shop.rewards() == [1.0, 1.0]
    assert Deliveries(shop.home).pending(shop.memory.project) == ()


def test_a_record_cut_in_half_is_left_out(shop: Shop) -> None:
    shop.deliver()
    (path,) = (shop.home / "following").glob("*.json")
    path.write_text(path.read_text()[:100])
    assert shop.follow() == Follow()
