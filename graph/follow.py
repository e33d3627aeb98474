"""Following delivered code until the user has kept, changed or dropped it, and learning from that.

Git is the ground truth. Every hunk that is settled becomes one signal about its run, and what the
user turned it into becomes a correction. Both are taken in once, whoever looks, however often.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import structlog

from agents.shared_memory import SharedMemory
from graph.accepted import pattern, settle_success
from graph.deliveries import Deliveries, Delivery
from graph.edited import correction_item
from mcp_local_llm import StoreUnavailable, UsageError
from memory.experience import Generation
from memory.project import project_id
from memory.records import Item, Record
from memory.signals import Signal
from tools import gitfiles
from tools.gitrepo import Repo
from tools.hunks import Hunk, hunks_of, lines_of, similarity
from tools.whereabouts import Fate, Lookout, Tips, arrived
from tools.worktree import RunTree, ref

_NEWEST: Final = 20  # runs whose code is looked for before something else begins
DAYS: Final = 14
"""On how many days a hunk is looked for in vain before it counts as abandoned."""

State = Literal["kept", "edited", "reverted", "abandoned", "lost", "overtaken"]
_REWARD: Final[Mapping[str, float]] = {"kept": 1.0, "reverted": -1.0, "abandoned": -0.2}
_VERDICTS: Final[Mapping[str, Literal["accept", "reject", "modify"]]] = {
    "kept": "accept",
    "edited": "modify",
    "reverted": "reject",
}
_TELLING: Final = 4  # characters that a line has at least to be known again


class Followed(Record):
    """How a hunk was settled. ``lost`` and ``overtaken`` say nothing about it, so have no reward.

    ``lost``: the repository or the run's commit is gone. ``overtaken``: a later run changed it.
    ``item`` is the correction that came of it; ``refused`` says why none did.
    """

    run_id: str
    hunk: str
    path: str
    state: State
    reward: float | None = None
    item: str = ""
    refused: str = ""


class Follow(Record):
    """What a look found: hunks settled by it, and how many are still open."""

    settled: tuple[Followed, ...] = ()
    pending: int = 0


async def keep_delivery(home: Path, tree: RunTree, task: str, workspace: str) -> None:
    """Begin to follow the delivered run of ``tree``; again is fine.

    Raises:
        StoreUnavailable: git or the disk failed.
    """
    final = await tree.repo.resolve(ref(tree.run_id, "final"))
    commit = await tree.repo.resolve(ref(tree.run_id, "delivered"))
    if final is None or commit is None:
        return
    delivery = Delivery(
        run_id=tree.run_id,
        task=task,
        workspace=workspace,
        project=await asyncio.to_thread(project_id, Path(workspace)),
        commit=commit,
        hunks=await hunks_of(tree.repo, tree.run_id, tree.base, final),
        day=datetime.now(UTC).date().isoformat(),
    )
    await asyncio.to_thread(Deliveries(home).keep, delivery)


async def follow(
    memory: SharedMemory,
    *,
    days: int = DAYS,
    newest: int | None = None,
    now: datetime | None = None,
) -> Follow:
    """Look for what is followed in the project of ``memory`` and take in what is settled.

    ``newest`` bounds how many runs are looked at; ``days`` see ``DAYS``.

    A repository in which nothing has moved since the last look on the same day is not read again.
    Raises ``StoreUnavailable`` when git, the journal or the disk fails; what was settled before
    stays so.
    """
    deliveries = Deliveries(memory.home)
    open_ones = await asyncio.to_thread(deliveries.pending, memory.project)
    now = now or datetime.now(UTC)
    settled: list[Followed] = []
    pending = 0
    open_ones = open_ones[-newest:] if newest else open_ones
    for at, delivery in enumerate(open_ones):
        look = _Look(memory, deliveries, delivery, open_ones[at + 1 :], now, days)
        found = await look.settle()
        settled += found.settled
        pending += found.pending
    return Follow(settled=tuple(settled), pending=pending)


async def look_after(memory: SharedMemory, days: int = DAYS) -> None:
    """Take in what is settled of the newest runs; a failure is logged, and it waits."""
    try:
        await follow(memory, days=days, newest=_NEWEST)
    except StoreUnavailable as error:
        structlog.get_logger().warning("hunks.not_followed", error=str(error))


class _Look:
    """One look for the hunks of one delivery; ``later`` are those that may have changed them."""

    def __init__(
        self,
        memory: SharedMemory,
        deliveries: Deliveries,
        delivery: Delivery,
        later: Sequence[Delivery],
        now: datetime,
        days: int,
    ) -> None:
        self._memory = memory
        self._deliveries = deliveries
        self._delivery = delivery
        self._later = later
        self._now = now
        self._days = days

    async def settle(self) -> Follow:
        """Take in what is settled; forget the delivery when nothing is left of it."""
        delivery = self._delivery
        keys = {_key(hunk): hunk for hunk in delivery.hunks}
        done = await asyncio.to_thread(self._memory.journal.seen, keys)
        left = [hunk for key, hunk in keys.items() if key not in done]
        settled: list[Followed] = []
        if left:
            fates, delivery, is_known = await self._looked(left)
            is_old = delivery.days > self._days
            for fate in fates:
                if state := self._state(fate, is_old, is_known):
                    settled.append(await asyncio.to_thread(self._take, fate, state))
        if len(settled) < len(left):
            await asyncio.to_thread(self._deliveries.keep, delivery)
        else:
            await asyncio.to_thread(settle_success, self._memory, delivery)
            await asyncio.to_thread(self._deliveries.drop, delivery.run_id)
        return Follow(settled=tuple(settled), pending=len(left) - len(settled))

    async def _looked(self, left: Sequence[Hunk]) -> tuple[list[Fate], Delivery, bool]:
        """Return what became of ``left``, the delivery as it is to be kept, and if git knows it."""
        delivery, run_id = self._delivery, self._delivery.run_id
        unknown = [Fate(hunk=hunk, state="pending") for hunk in left]
        try:
            repo = await Repo.open(Path(delivery.workspace))
        except (UsageError, OSError):  # deleted, moved, or on a disk that is not there now
            return unknown, delivery.looked_at(self._now, ""), False
        tips, has_arrived = await Tips.of(repo), self._deliveries.has_arrived(run_id)
        mark = await asyncio.to_thread(_mark, repo, tips, left, has_arrived)
        looked_at = delivery.looked_at(self._now, mark)
        is_known = await repo.resolve(delivery.commit) is not None
        if mark == delivery.mark and looked_at.days == delivery.days:
            return unknown, looked_at, is_known
        look = await Lookout.open(repo, tips, delivery.commit, left, arrived=has_arrived)
        fates = [await look.fate(hunk) for hunk in left]
        if arrived(fates) and not has_arrived:
            await asyncio.to_thread(self._deliveries.note_arrival, run_id)
        return fates, looked_at, is_known

    def _state(self, fate: Fate, is_old: bool, is_known: bool) -> State | None:
        """Return how the hunk is settled; None while it is open."""
        if fate.state == "pending":
            if not is_old or fate.arrived:
                return None
            return "abandoned" if is_known else "lost"
        if fate.state != "kept" and any(_overtakes(one, fate.hunk) for one in self._later):
            return "overtaken"
        return fate.state

    def _take(self, fate: Fate, state: State) -> Followed:
        """Take in one settled hunk: its signal, and its correction if there is one. Blocking."""
        hunk, run_id = fate.hunk, self._delivery.run_id
        near = similarity(hunk.after, fate.text)
        reward = 2 * near - 1 if state == "edited" else _REWARD.get(state)
        item, refused = _correction(self._delivery, fate) if state == "edited" else (None, "")
        signals = []
        if reward is not None:
            evidence = {"state": state, "path": hunk.path, "commit": fate.commit, "hunk": hunk.id}
            signals.append(
                Signal(
                    key=_key(hunk),
                    at=self._now,
                    project=self._memory.project,
                    source="hunk",
                    target=run_id,
                    reward=reward,
                    evidence={**evidence, "refused": refused} if refused else {**evidence},
                )
            )
        items = [item] if item else []
        items += [_generation(self._delivery, fate, state, reward)] if state in _VERDICTS else []
        again = pattern(self._memory, self._delivery, hunk) if state == "kept" else None
        items += [again] if again else []
        taken = self._memory.journal.take(_key(hunk), items, signals)
        return Followed(
            run_id=run_id,
            hunk=hunk.id,
            path=hunk.path,
            state=state,
            reward=reward,
            item=item.id if item and taken else "",
            refused=refused,
        )


def _key(hunk: Hunk) -> str:
    return f"hunk:{hunk.id}"


def _mark(repo: Repo, tips: Tips, hunks: Sequence[Hunk], has_arrived: bool) -> str:
    """Return what changes when refs, HEAD or the files of ``hunks`` do. Blocking."""
    paths = sorted({hunk.path for hunk in hunks})
    seen = gitfiles.look(repo.root, paths)
    stamps = [(path, seen[path].stamp if path in seen else None) for path in paths]
    return hashlib.sha256(repr((tips.mark, stamps, has_arrived)).encode()).hexdigest()


def _overtakes(later: Delivery, hunk: Hunk) -> bool:
    """Say whether a later run replaced lines of ``hunk``: what became of it is not the user's."""
    lines = _telling(hunk.after)
    return any(one.path == hunk.path and lines & _telling(one.before) for one in later.hunks)


def _telling(text: str) -> set[str]:
    return {line.strip() for line in lines_of(text) if len(line.strip()) >= _TELLING}


def _generation(delivery: Delivery, fate: Fate, state: State, reward: float | None) -> Item:
    """Return the code as it was delivered, and what became of it.

    What others made of it may not train: it is kept as imported.
    """
    hunk = fate.hunk
    record = Generation(
        task=delivery.task,
        context=hunk.path,
        code=hunk.after,
        verdict=_VERDICTS[state],
        final_code=fate.text if state == "edited" else "",
        compiles=True,  # it was delivered: its tests have run
        tests_pass=True,
        satisfaction=reward,
        where=delivery.run_id,
        files=(hunk.path,),
    )
    item = record.item(delivery.project).model_copy(update={"key": _key(hunk)})
    if state == "edited" and not fate.by_user:
        theirs = item.provenance.model_copy(update={"source": "import"})
        item = item.model_copy(update={"provenance": theirs})
    return item


def _correction(delivery: Delivery, fate: Fate) -> tuple[Item | None, str]:
    hunk = fate.hunk
    return correction_item(
        delivery.project,
        _key(hunk),
        fate.path,
        hunk.after,
        fate.text,
        run_id=delivery.run_id,
        scope=fate.path,
        source="user" if fate.by_user else "import",
    )
