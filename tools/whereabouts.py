"""Where the hunks of a delivered run are now: in a commit, in the user's files, or nowhere.

Code is recognised by its content, never by a commit's id, so that an amended, squashed, rebased or
forced history tells the same. Commits looked at are HEAD, local and remote branches and the stash;
the crew's own branches don't count until the user has added to them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from memory.records import Record
from tools import gitfiles
from tools.hunks import (
    Edit,
    Found,
    Hunk,
    edits,
    elsewhere,
    empty_blob,
    find,
    lines_of,
    similarity,
    telling_line,
)
from tools.repository import Repo

_TIPS: Final = 50  # branches looked at, the newest first
_SEARCHED: Final = 20  # files that hold the line searched for
_OWN: Final = "refs/heads/local-llm/"
_STASH: Final = "refs/stash"
_DERIVED: Final = 0.5  # similarity from which a change on another branch is one of the hunk


class Fate(Record):
    """What has become of a hunk so far. ``kept``, ``edited`` and ``reverted`` are final.

    ``text`` and ``path`` are what it became and where; ``by_user`` says whether the user alone has
    committed to that file since. ``arrived``: it was seen in the user's files or history.
    """

    hunk: Hunk
    state: Literal["pending", "kept", "edited", "reverted"]
    text: str = ""
    path: str = ""
    commit: str = ""
    by_user: bool = False
    arrived: bool = False


@dataclass(frozen=True, slots=True)
class Tips:
    """The commits at which a repository's code is, HEAD first; ``mark`` changes when they do."""

    head: str
    commits: tuple[str, ...]
    stash: str
    mark: str

    @classmethod
    async def of(cls, repo: Repo) -> Tips:
        """Find them. Raises StoreUnavailable when git fails."""
        asked = ["for-each-ref", "--sort=-committerdate", "--format=%(objectname) %(refname)"]
        places = ["refs/heads", "refs/remotes", _STASH, "refs/local-llm"]
        refs = [line.partition(" ")[::2] for line in (await repo.word(*asked, *places)).split("\n")]
        delivered = {sha for sha, name in refs if name.endswith("/delivered")}
        head, branch = await repo.head() or "", await repo.branch() or ""
        named = {name: sha for sha, name in refs if name}
        if f"refs/heads/{branch}".startswith(_OWN) and head in delivered:
            head = ""  # only looked at
        commits = [head, *(sha for sha, name in refs if _is_users(name))][: _TIPS + 1]
        return cls(
            head=head,
            commits=tuple(dict.fromkeys(sha for sha in commits if sha)),
            stash=named.get(_STASH, ""),
            mark=f"{head} {sorted(named.items())}",
        )


def _is_users(name: str) -> bool:
    return name.startswith(("refs/heads/", "refs/remotes/")) and not name.startswith(_OWN)


@dataclass(slots=True)
class Lookout:
    """Looks for the hunks of one run; what was read is kept for the next hunk.

    ``delivered`` is the run's commit, empty when it is gone; ``arrived`` says that the user had the
    change in the files already.
    """

    repo: Repo
    tips: Tips
    delivered: str
    hunks: Sequence[Hunk]
    arrived: bool
    _merged: set[str] = field(default_factory=set)
    _blobs: dict[tuple[str, str], str] = field(default_factory=dict)
    _there: set[str] = field(default_factory=set)
    _empty: str = ""
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _edits: dict[tuple[str, str], Sequence[Edit]] = field(default_factory=dict)

    @classmethod
    async def open(
        cls, repo: Repo, tips: Tips, delivered: str, hunks: Sequence[Hunk], *, arrived: bool
    ) -> Lookout:
        """Read what all hunks need: which commits hold the run's, and what is at each path."""
        one = cls(repo, tips, await repo.resolve(delivered) or "", hunks, arrived)
        one._empty = await empty_blob(repo)
        if one.delivered:
            asked = ["for-each-ref", f"--contains={one.delivered}", "--format=%(objectname)"]
            one._merged = set((await repo.word(*asked, "refs/heads", "refs/remotes")).split())
            ancestor = ["merge-base", "--is-ancestor", one.delivered, tips.head]
            if tips.head and (await repo.run(*ancestor)).code == 0:
                one._merged.add(tips.head)
        paths = dict.fromkeys(hunk.path for hunk in hunks)
        commits = [*tips.commits, *([tips.stash] if tips.stash else [])]
        keys = [(commit, path) for commit in commits for path in paths]
        named = await one._ids([f"{commit}:{path}" for commit, path in keys])
        one._blobs = dict(zip(keys, named, strict=True))
        wanted = list(dict.fromkeys(hunk.blob for hunk in hunks if hunk.blob))
        one._there = {one._empty, *filter(None, await one._ids(wanted))}
        return one

    async def _ids(self, names: Sequence[str]) -> list[str]:
        """Return the id of the blob that each name stands for, "" where there is none."""
        if not names:
            return []
        stdin = "".join(f"{name}\n" for name in names).encode()
        asked = ["cat-file", "--batch-check=%(objectname) %(objecttype)"]
        lines = (await self.repo.out(*asked, stdin=stdin)).decode().splitlines()
        return [line.split()[0] if line.endswith(" blob") else "" for line in lines]

    async def fate(self, hunk: Hunk) -> Fate:
        """Return what has become of ``hunk``; the surest evidence wins."""
        return (
            await self._committed(hunk)
            or await self._edited(hunk)
            or await self._uncommitted(hunk)
            or await self._moved(hunk)
            or Fate(hunk=hunk, state="reverted" if self._has_arrived else "pending")
        )

    @property
    def _has_arrived(self) -> bool:
        return self.arrived or bool(self._merged & set(self.tips.commits))

    async def _committed(self, hunk: Hunk) -> Fate | None:
        for tip in self.tips.commits:
            near = tip == self.tips.head or tip in self._merged
            if (near or telling_line(hunk)) and (await self._at(tip, hunk)).state == "whole":
                return Fate(hunk=hunk, state="kept", path=hunk.path, commit=tip)
        return None

    async def _edited(self, hunk: Hunk) -> Fate | None:
        for tip in self.tips.commits:
            found = await self._at(tip, hunk)
            is_here = tip in self._merged or (tip == self.tips.head and self.arrived)
            if found.state == "changed" and (is_here or _derives(found.text, hunk)):
                return Fate(
                    hunk=hunk,
                    state="edited",
                    text=found.text,
                    path=hunk.path,
                    commit=tip,
                    by_user=await self._is_by_user(tip, hunk.path),
                )
        return None

    async def _uncommitted(self, hunk: Hunk) -> Fate | None:
        """Say that ``hunk`` is still being worked on: in the user's files, or in the stash."""
        waiting = Fate(hunk=hunk, state="pending", arrived=True)
        if self.tips.stash and _is_hunk(await self._at(self.tips.stash, hunk), hunk):
            return waiting
        here = await self._on_disk(hunk.path)
        if _is_hunk(await self._found(hunk, here), hunk):
            return waiting
        known = self._blobs.get((self.tips.head, hunk.path)) or self._empty
        is_dirty = bool(await self._changed(known, here))
        return waiting if is_dirty and self._has_arrived else None

    async def _moved(self, hunk: Hunk) -> Fate | None:
        """Look for the lines of ``hunk`` in other places of the commits that had it."""
        line = telling_line(hunk)
        if not line or not self._has_arrived:
            return None
        for tip in [tip for tip in self.tips.commits if tip in {self.tips.head, *self._merged}]:
            asked = ["grep", "-lzIF", "--no-color", "-e", line, tip]
            listed = (await self.repo.run(*asked)).stdout.split("\0")[:-1]
            for name in listed[:_SEARCHED]:
                path = name.removeprefix(f"{tip}:")
                old, new = await self._ids([f"{self.delivered}^:{path}", f"{tip}:{path}"])
                if await self._holds(new, hunk) and not await self._holds(old, hunk):
                    return Fate(hunk=hunk, state="kept", path=path, commit=tip)
        return None

    async def _holds(self, blob: str, hunk: Hunk) -> bool:
        return bool(blob) and elsewhere(hunk, "".join(await self._text(blob)))

    async def _at(self, commit: str, hunk: Hunk) -> Found:
        """Return what ``commit`` has in the place of ``hunk``."""
        blob = self._blobs.get((commit, hunk.path), "")
        if not blob and hunk.blob and commit in {self.tips.head, *self._merged}:
            blob = await self._renamed(commit, hunk)
        if blob == hunk.committed:
            return Found("before")  # as it was when the run began: this says nothing
        return await self._found(hunk, blob or self._empty)

    async def _renamed(self, commit: str, hunk: Hunk) -> str:
        """Return the blob of what git takes for the renamed file of ``hunk``, or ""."""
        if not self.delivered:
            return ""
        asked = ["diff-tree", "-r", "-z", "--find-renames", "--diff-filter=R", "--name-status"]
        raw = (await self.repo.out(*asked, self.delivered, commit)).decode("utf-8", "replace")
        fields = raw.split("\0")[:-1]
        new = dict(zip(fields[1::3], fields[2::3], strict=True)).get(hunk.path)
        return (await self._ids([f"{commit}:{new}"]))[0] if new else ""

    async def _found(self, hunk: Hunk, blob: str) -> Found:
        lines = await self._text(blob)
        delivered = hunk.blob or self._empty
        if delivered not in self._there:  # swept up with the run
            return Found("whole" if elsewhere(hunk, "".join(lines)) else "before")
        return find(hunk, await self._changed(delivered, blob), lines)

    async def _changed(self, old: str, new: str) -> Sequence[Edit]:
        if (old, new) not in self._edits:
            self._edits[old, new] = await edits(self.repo, old, new)
        return self._edits[old, new]

    async def _text(self, blob: str) -> list[str]:
        if blob not in self._lines:
            self._lines[blob] = lines_of((await self.repo.blob(blob)).decode("utf-8", "replace"))
        return self._lines[blob]

    async def _on_disk(self, path: str) -> str:
        """Return the blob of the user's file at ``path``; nothing or no file counts as empty."""
        key = ("", path)
        if key not in self._blobs:
            content = await asyncio.to_thread(_read, self.repo, path)
            self._blobs[key] = await self.repo.store(content)
        return self._blobs[key]

    async def _is_by_user(self, tip: str, path: str) -> bool:
        """Say whether all commits to ``path`` since the delivery have the user's address."""
        since = [f"^{self.delivered}"] if self.delivered else ["-1"]
        asked = ["log", "--format=%ae", tip, *since, "--", path]
        authors = (await self.repo.word(*asked)).casefold().split()
        authors = authors or [await self.repo.word("log", "-1", "--format=%ae", tip)]
        who = (await self.repo.run("var", "GIT_AUTHOR_IDENT")).stdout
        user = who.rpartition("<")[2].partition(">")[0].casefold()
        return bool(user) and set(authors) == {user}


def _is_hunk(found: Found, hunk: Hunk) -> bool:
    is_whole = found.state == "whole" and bool(hunk.after)
    return is_whole or (found.state == "changed" and _derives(found.text, hunk))


def _derives(text: str, hunk: Hunk) -> bool:
    """Say whether ``text`` rather comes from what was delivered than from what was there before."""
    near = similarity(hunk.after, text)
    return near >= _DERIVED and near > similarity(hunk.before, text)


def _read(repo: Repo, path: str) -> bytes:
    seen = gitfiles.look(repo.root, [path])
    return gitfiles.content_on_disk(repo.root, path) if path in seen else b""


def arrived(fates: Iterable[Fate]) -> bool:
    """Say whether any of the hunks was seen with the user."""
    return any(fate.arrived or fate.state != "pending" for fate in fates)
