"""A git repository through the plumbing of git.

Files go in and out of git *as bytes*: no filter, attribute or line-ending setting applies to what
is recorded or written here (only ``added_tree`` asks for the user's filters). No hook, pager,
editor, fsmonitor or external diff of any configuration runs, and the user's index is only read.

Not covered: submodules keep the commit they are at and their files stay away; the content of
nested repositories is not seen; files under git LFS are recorded as they lie on disk; nothing is
fetched, so a partial clone has to hold the trees of its HEAD.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable, ToolDenied, ToolRetry, UsageError
from tools import gitfiles, process
from tools.gitfiles import LINK, SUBMODULE, Change, Entry, Seen
from tools.process import Finished

_TIMEOUT_S: Final = 600.0
_CAP_BYTES: Final = 1 << 31  # what git lists must come whole: a cut list would lose files
_BATCH_BYTES: Final = 32 * 1024 * 1024
_SAFE: Final = (
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.pager=cat"),
    *("-c", "core.quotePath=false", "-c", "core.logAllRefUpdates=false"),
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.safecrlf=false"),
    *("--no-optional-locks", "--literal-pathspecs"),
)
# Where the user's own git settings lie: without them, other files would count as ignored.
_PASSED: Final = ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
# No protocol: a missing object must not make git fetch, with whatever command a config names.
_ENV: Final = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_ALLOW_PROTOCOL": "none",
}


async def _git(
    folder: Path, args: Sequence[str], *, stdin: bytes | None, extra: Mapping[str, str]
) -> Finished:
    settings = {name: os.environ[name] for name in _PASSED if name in os.environ}
    try:
        return await process.run(
            ["git", *_SAFE, *args],
            cwd=folder,
            env=process.scrubbed_env({**settings, **_ENV, **extra}),
            timeout_s=_TIMEOUT_S,
            output_cap_bytes=_CAP_BYTES,
            stdin=stdin,
        )
    except ToolRetry as error:
        raise UsageError(f"git could not be run: {error}") from error


@dataclass(slots=True)
class _LastSnapshot:
    """What the last snapshot found, so that the next one hashes only what was written since.

    ``seen`` holds the files whose stamp any later write is certain to change.
    """

    seen: dict[str, Seen] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    tree: str = ""


@dataclass(frozen=True, slots=True)
class Repo:
    """A work tree and the git folder it belongs to, found once and named in every call after.

    ``common_dir`` is where refs and objects live; it differs from ``git_dir`` in a linked tree.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    _last: _LastSnapshot = field(default_factory=_LastSnapshot, repr=False, compare=False)

    @classmethod
    async def open(cls, folder: Path) -> Repo:
        """Find the repository that ``folder`` lies in.

        Raises:
            UsageError: there is none, it is bare, or git refuses to use it.
        """
        asked = ["rev-parse", "--path-format=absolute", "--show-toplevel", "--git-dir"]
        found = await _git(folder, [*asked, "--git-common-dir"], stdin=None, extra={})
        lines = found.raw.rstrip(b"\n").split(b"\n")
        if found.code == 0 and len(lines) == 3:
            root, git_dir, common_dir = (Path(os.fsdecode(line)) for line in lines)
            return cls(root, git_dir, common_dir)
        if "not a git repository" in found.stderr:
            raise UsageError(
                f"{str(folder)!r} is not in a git repository, and every run works on a git "
                "worktree. Add --init-git to make it one."
            )
        raise UsageError(f"git cannot use {str(folder)!r}: {found.stderr.strip() or 'bare'}")

    @staticmethod
    async def is_repo(folder: Path) -> bool:
        """Say whether ``folder`` lies in the work tree of a repository that git can use."""
        try:
            await Repo.open(folder)
        except UsageError:
            return False
        return True

    @classmethod
    async def init(cls, folder: Path) -> Repo:
        """Make ``folder`` a repository (nothing is committed) and return it."""
        done = await _git(folder, ["init", "--quiet"], stdin=None, extra={})
        if done.code != 0:
            raise UsageError(f"git init failed in {str(folder)!r}: {done.stderr.strip()}")
        return await cls.open(folder)

    @property
    def linked(self) -> bool:
        """Whether this is a linked worktree, not the repository's main one."""
        return self.git_dir != self.common_dir

    async def run(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run git here and return how it ended, whatever its exit code."""
        where = [f"--git-dir={self.git_dir}", f"--work-tree={self.root}"]
        return await _git(self.root, [*where, *args], stdin=stdin, extra=env or {})

    async def out(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> bytes:
        """Run git here and return its output.

        Raises:
            StoreUnavailable: git failed; the message holds its words.
        """
        done = await self.run(*args, stdin=stdin, env=env)
        if done.code != 0 or done.truncated or done.timed_out:
            how = "it took too long" if done.timed_out else f"exit code {done.code}"
            said = done.stderr.strip() or how
            raise StoreUnavailable(f"git {args[0]} failed in {str(self.root)!r}: {said}")
        return done.raw

    async def word(self, *args: str, stdin: bytes | None = None) -> str:
        """Run git here and return its output as one stripped line."""
        return os.fsdecode(await self.out(*args, stdin=stdin)).strip()

    async def resolve(self, revision: str) -> str | None:
        """Return the id of the commit ``revision`` names, or None."""
        name = f"{revision}^{{commit}}"
        done = await self.run("rev-parse", "--verify", "--quiet", name)
        return done.stdout.strip() if done.code == 0 else None

    async def head(self) -> str | None:
        """Return the commit checked out; None in a repository without commits."""
        return await self.resolve("HEAD")

    async def branch(self) -> str | None:
        """Return the branch checked out; None when HEAD is detached."""
        done = await self.run("symbolic-ref", "--quiet", "--short", "HEAD")
        return done.stdout.strip() if done.code == 0 else None

    async def snapshot(self) -> str:
        """Record all files that are tracked, or neither tracked nor ignored; return the tree.

        Objects are written; index, refs and files are not.
        """
        entries: dict[str, Entry] = {}
        files: list[str] = []
        listed, started_ns = await self._listed(), time.time_ns()
        found = await asyncio.to_thread(gitfiles.look, self.root, listed)
        for path, known in listed.items():
            seen = found.get(path)
            if known is not None and (known.mode == SUBMODULE or seen is None):
                entries[path] = known
            elif seen is not None and seen == self._last.seen.get(path):
                entries[path] = self._last.entries[path]
            elif seen is not None and seen.mode == LINK:
                entries[path] = Entry(LINK, await self.store(seen.target))
            elif seen is not None:
                files.append(path)
        for path, sha in zip(files, await self._store_files(files), strict=True):
            entries[path] = Entry(found[path].mode, sha)
        if not self._last.tree or entries != self._last.entries:
            self._last.tree = await self.write_tree(entries)
        self._last.entries = entries
        self._last.seen = {path: seen for path, seen in found.items() if seen.settled(started_ns)}
        return self._last.tree

    async def _listed(self) -> dict[str, Entry | None]:
        """Return the paths to record; with the index entry where that is to be kept as it is."""
        flags = ["-z", "-t", "--cached", "--stage", "--others", "--exclude-standard"]
        paths: dict[str, Entry | None] = {}
        for line in (await self.out("ls-files", *flags)).split(b"\0")[:-1]:
            tag, _, rest = line.partition(b" ")
            if tag == b"?":
                if not rest.endswith(b"/"):  # a nested repository
                    paths.setdefault(os.fsdecode(rest), None)
                continue
            about, _, name = rest.partition(b"\t")
            mode, sha, _stage = about.decode().split()
            absent = mode == SUBMODULE or tag == b"S"  # S: left out by a sparse checkout
            paths[os.fsdecode(name)] = Entry(mode, sha) if absent else None
        return paths

    async def _store_files(self, paths: Sequence[str]) -> list[str]:
        """Write the files at ``paths`` as blobs and return their ids."""
        lines = b"".join(gitfiles.quoted(path) + b"\n" for path in paths)
        args = ("hash-object", "-w", "--no-filters", "--stdin-paths")
        return (await self.out(*args, stdin=lines)).decode().split() if paths else []

    async def store(self, content: bytes) -> str:
        """Write ``content`` as a blob and return its id."""
        return await self.word("hash-object", "-w", "--no-filters", "--stdin", stdin=content)

    async def write_tree(self, entries: Mapping[str, Entry]) -> str:
        """Write a tree of ``entries`` and return its id."""
        lines = [f"{entry.mode} {entry.sha}\t{path}" for path, entry in entries.items()]
        stdin = b"".join(os.fsencode(line) + b"\0" for line in lines)
        async with process.scratch_folder() as folder:
            env = {"GIT_INDEX_FILE": str(folder / "index")}
            await self.out("update-index", "-z", "--index-info", stdin=stdin, env=env)
            return (await self.out("write-tree", env=env)).decode().strip()

    async def added_tree(self, onto: str, paths: Iterable[str], files: Path) -> str:
        """Write the tree ``onto`` with ``paths`` as they lie in the folder ``files``.

        They pass the user's filters, attributes and line-ending settings, just as in the user's
        own ``git add``; a path that is not there is removed.
        """
        stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
        where = [f"--git-dir={self.git_dir}", f"--work-tree={files}"]
        flags = ["update-index", "--add", "--remove", "--replace", "-z", "--stdin"]
        async with process.scratch_folder() as folder:
            env = {"GIT_INDEX_FILE": str(folder / "index")}
            await self.out("read-tree", onto, env=env)
            done = await _git(files, [*where, *flags], stdin=stdin, extra=env)
            if done.code != 0:
                raise StoreUnavailable(f"git could not add the changes: {done.stderr.strip()}")
            return (await self.out("write-tree", env=env)).decode().strip()

    async def commit_tree(self, tree: str, parents: Iterable[str], message: str) -> str:
        """Write a commit and return its id; no ref moves."""
        args = [word for parent in parents for word in ("-p", parent)]
        env = await self._identity()
        text = message.strip().encode("utf-8", "replace") + b"\n"
        made = await self.out("commit-tree", tree, *args, stdin=text, env=env)
        return made.decode().strip()

    async def _identity(self) -> dict[str, str]:
        """Return what commits need when the user has told git no name or no address."""
        told = await self.run("config", "-z", "--get-regexp", r"^user\.(name|email)$")
        said = dict(line.partition("\n")[::2] for line in told.stdout.split("\0"))  # last one wins
        env: dict[str, str] = {}
        fallbacks = {"user.name": "local-llm", "user.email": "local-llm@localhost"}
        for key, value in fallbacks.items():
            if not said.get(key, "").strip():
                what = key.removeprefix("user.").upper()
                env |= {f"GIT_AUTHOR_{what}": value, f"GIT_COMMITTER_{what}": value}
        return env

    async def commit_all(self, message: str) -> str:
        """Commit everything in this work tree on its detached HEAD and return the commit.

        Nothing to commit gives HEAD. Only for the crew's own linked trees: it writes their index.
        """
        parent = await self.head()
        if parent is None or not self.linked or await self.branch() is not None:
            raise ToolDenied("Commits are made in the run's own worktree only, on no branch.")
        await self.out("read-tree", parent)  # the index may be older after a crash
        tree = await self.snapshot()
        if tree == await self.tree_of(parent):
            return parent
        made = await self.commit_tree(tree, [parent], message)
        await self.move_head(made, parent)
        return made

    async def move_head(self, new: str, old: str, *, mark: str = "") -> None:
        """Point the detached HEAD and the index of our own work tree at ``new``; no file moves.

        The ref ``mark``, when given, moves with HEAD.
        """
        lines = ["option no-deref", f"update HEAD {new} {old}"]
        lines += [f"update {mark} {new}"] if mark else []
        await self.out("update-ref", "--stdin", stdin="\n".join(lines).encode() + b"\n")
        await self.out("read-tree", new)

    async def tree_of(self, revision: str) -> str:
        """Return the tree of a commit."""
        return await self.word("rev-parse", "--verify", f"{revision}^{{tree}}")

    async def empty_tree(self) -> str:
        """Return the id of the tree without files."""
        return await self.word("hash-object", "-w", "-t", "tree", "--stdin", stdin=b"")

    async def changes(self, old: str, new: str) -> tuple[Change, ...]:
        """Return the paths that differ between two trees or commits; renames are not guessed."""
        raw = await self.out("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new)
        fields = raw.split(b"\0")[:-1]
        found = []
        for about, name in zip(fields[::2], fields[1::2], strict=True):
            mode_old, mode_new, sha_old, sha_new, _ = about.decode().lstrip(":").split()
            found.append(
                Change(
                    os.fsdecode(name),
                    None if mode_old == "000000" else Entry(mode_old, sha_old),
                    None if mode_new == "000000" else Entry(mode_new, sha_new),
                )
            )
        return tuple(found)

    async def diff(self, old: str, new: str, *, under: str = "") -> str:
        """Return the difference of two trees or commits as text, paths relative to ``under``."""
        args = ["diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color"]
        relative = [f"--relative={under}"] if under else []
        return (await self.out(*args, *relative, old, new)).decode("utf-8", "replace")

    async def blob(self, sha: str) -> bytes:
        """Return the content of one blob."""
        return await self.out("cat-file", "blob", sha)

    async def blobs(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of many blobs; the caller has to have room for them."""
        wanted = sorted(set(ids))
        stdin = "".join(sha + "\n" for sha in wanted).encode()
        raw = await self.out("cat-file", "--batch", stdin=stdin) if wanted else b""
        contents: dict[str, bytes] = {}
        at = 0
        for sha in wanted:
            end = raw.index(b"\n", at)
            size = int(raw[at:end].split()[2])
            contents[sha] = raw[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return contents

    async def put_on_disk(self, changes: Iterable[Change]) -> None:
        """Write what ``changes`` say into this work tree. For our own work trees only."""
        changes = tuple(changes)
        if not changes:
            return
        await asyncio.to_thread(gitfiles.remove_old, self.root, changes)
        files = [(c.path, c.new) for c in changes if c.new and c.new.mode != SUBMODULE]
        ids = "".join(entry.sha + "\n" for _, entry in files).encode()
        listed = await self.out("cat-file", "--batch-check=%(objectsize)", stdin=ids)
        sizes = zip((path for path, _ in files), map(int, listed.split()), strict=True)
        entries = dict(files)
        for group in gitfiles.in_batches(sizes, _BATCH_BYTES):
            contents = await self.blobs(entries[path].sha for path in group)
            await asyncio.to_thread(
                gitfiles.put_all, self.root, {path: entries[path] for path in group}, contents
            )
