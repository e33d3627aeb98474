"""The four walls as a run has them, each of which can be left out here and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable
from tests.attacks.oracle import LINKED, damage
from tests.attacks.parts import Attack, Late, Message
from tests.attacks.victim import FILES
from tools import worktree
from tools.context import ToolContext
from tools.jail import Jail
from tools.preserve.check import Violation
from tools.preserve.guard import BreaksContract, Guard
from tools.registry import TOOLS, dispatch
from tools.sandbox import CommandPolicy
from tools.worktree import RunTree

ALL: Final = ("edit", "command", "border", "delivery")
_IDENTITY: Final = ("-c", "user.name=T", "-c", "user.email=t@example.org")


class NoEditWall(Guard):
    """Lets every edit through, and knows what commands must not do."""

    async def of_writes(self, contents: Mapping[str, bytes | None]) -> tuple[Violation, ...]:
        """Refuse nothing."""
        return ()


class NoCommandWall(Guard):
    """Lets every command do what it likes, and knows what must not be edited."""

    async def put_back(self, since: str) -> tuple[Violation, ...]:
        """Put nothing back."""
        return ()


@dataclass(frozen=True)
class Result:
    """Which walls had to do with an attack, and what was damaged in what was delivered."""

    stopped: tuple[str, ...]
    delivered: bool
    damaged: tuple[str, ...]


@dataclass(frozen=True)
class Lab:
    """A user's repository and the worktree of one run in it, used for one attack after another."""

    repo: Path
    tree: RunTree
    guard: Guard
    policy: CommandPolicy
    base_tree: str

    @classmethod
    async def open(cls, folder: Path) -> Lab:
        """Make both in the empty folder ``folder``."""
        repo = folder / "user"
        for path, data in FILES.items():
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            (repo / path).write_bytes(data)
        for words in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-qm", "start"]):
            subprocess.run(["git", *_IDENTITY, *words], cwd=repo, check=True, capture_output=True)
        tree = await worktree.create(repo, "attacked", folder / "tree")
        policy = CommandPolicy(
            python=Path(sys.executable), allow_unsandboxed=True, pytest_plugins=False
        )
        base_tree = await tree.tree.tree_of(tree.base)
        return cls(repo, tree, await tree.guard(), policy, base_tree)

    async def run(self, attack: Attack, walls: tuple[str, ...] = ALL) -> Result:
        """Let ``attack`` happen behind ``walls`` and say how far it got."""
        stopped: list[str] = []
        before = self._of_git()
        for step in attack.steps:
            if isinstance(step, Late):
                (self.tree.workspace / step.path).write_bytes(step.data)
            else:
                stopped += await self._said(step, walls)
        damaged: list[str] = []
        is_clean = await self.tree.tree.snapshot() == self.base_tree
        final = "" if is_clean else await self._at_border(walls, stopped)
        delivered = bool(final) and await self._delivered(walls, stopped)
        if delivered:
            damaged = damage(self.branch())
        if self._of_git() != before:
            damaged.append(".git")
        if not is_clean:
            await self.tree.reset_to(self.tree.base)
        return Result(tuple(dict.fromkeys(stopped)), delivered, tuple(damaged))

    async def _said(self, message: Message, walls: tuple[str, ...]) -> list[str]:
        guard: Guard | None = self.guard
        if "edit" not in walls and "command" not in walls:
            guard = None
        elif "edit" not in walls or "command" not in walls:
            kind = NoCommandWall if "edit" in walls else NoEditWall
            guard = kind(self.guard.repo, self.guard.base, "", self.guard.entries)
        workspace = self.tree.workspace
        context = ToolContext(Jail(workspace), workspace, self.policy, guard=guard)
        results = await dispatch(message, context, frozenset(TOOLS))
        refused = [each for each in results if each.contracts]
        return ["command" if each.call == "cmd.run" else "edit" for each in refused]

    async def _at_border(self, walls: tuple[str, ...], stopped: list[str]) -> str:
        """Commit what is there; return the commit, or "" when nothing was left to commit."""
        if "border" not in walls:
            return await self.tree.commit("attack")
        made, undone = await self.tree.commit_within(self.guard, self.tree.base, "attack")
        stopped += ["border"] * bool(undone)
        return made if await self.tree.tree.tree_of(made) != self.base_tree else ""

    async def _delivered(self, walls: tuple[str, ...], stopped: list[str]) -> bool:
        try:
            await self.tree.deliver("attack", self.guard if "delivery" in walls else None)
        except BreaksContract:
            stopped.append("delivery")
            return False
        except StoreUnavailable as error:
            if "beyond a symbolic link" in str(error):  # git itself does not take it
                return False
            raise
        return True

    def branch(self) -> dict[str, bytes]:
        """Return what was delivered, read by git itself."""
        asked = ["git", "ls-tree", "-r", "-z", self.tree.branch]
        listed = subprocess.run(asked, cwd=self.repo, check=True, capture_output=True).stdout
        entries = [line.partition(b"\t") for line in listed.split(b"\0")[:-1]]
        ids = [about.split()[2] for about, _, _ in entries]
        batch = subprocess.run(
            ["git", "cat-file", "--batch"], cwd=self.repo, check=True, capture_output=True,
            input=b"\n".join(ids) + b"\n",
        ).stdout  # fmt: skip
        files: dict[str, bytes] = {}
        at = 0
        for about, _, name in entries:
            end = batch.index(b"\n", at)
            size = int(batch[at:end].split()[2])
            data = batch[end + 1 : end + 1 + size]
            files[name.decode()] = LINKED if about.startswith(b"120000") else data
            at = end + size + 2
        return files

    def _of_git(self) -> tuple[bytes, ...]:
        """Return what no command may change in the user's repository."""
        git = self.repo / ".git"
        files = (git / "HEAD", git / "config", git / "refs" / "heads" / "main")
        hooks = b" ".join(sorted(each.name.encode() for each in (git / "hooks").iterdir()))
        return (*(each.read_bytes() for each in files), hooks)
