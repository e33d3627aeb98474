"""The git.* tools of the crew: what a run changed, and commits within the run's own worktree."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from mcp_local_llm import ToolDenied, ToolRetry
from tools.context import ToolContext
from tools.gitfiles import shown
from tools.repository import Repo as Repo  # one place to import git from
from tools.wire import ToolCall

BRANCHES: Final = "local-llm/"  # the crew makes branches below this name only
_DIFF_CHARS: Final = 12_000
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")


async def git_status(call: ToolCall, context: ToolContext) -> str:
    """Return the files changed since the last commit, one `A|M|D path` a line."""
    repo, prefix = await _opened(context)
    changes = await repo.changes(await _tip(repo), await repo.snapshot())
    mine = [c for c in changes if c.path.startswith(prefix)]
    lines = [f"{c.letter} {shown(c.path.removeprefix(prefix))}" for c in mine]
    return "\n".join(lines) or "Nothing changed since the last commit."


async def git_diff(call: ToolCall, context: ToolContext) -> str:
    """Return the changes since the last commit as a diff; a long one loses its middle."""
    repo, prefix = await _opened(context)
    text = await repo.diff(await _tip(repo), await repo.snapshot(), under=prefix)
    if len(text) > _DIFF_CHARS:
        half = _DIFF_CHARS // 2
        mark = f"\n[... {len(text) - _DIFF_CHARS} characters left out ...]\n"
        text = text[:half] + mark + text[-half:]
    return text or "Nothing changed since the last commit."


async def git_commit(call: ToolCall, context: ToolContext) -> str:
    """Commit all changes with `message`; no hook runs.

    Raises:
        ToolRetry: the message is missing, or there is nothing to commit.
        ToolDenied: this is not the run's own worktree.
    """
    message = (call.args.get("message") or call.body or "").strip()
    if not message:
        raise ToolRetry('git.commit needs a message, for instance message="Add total".')
    repo, _ = await _opened(context)
    before = await repo.head()
    made = await repo.commit_all(message)
    if made == before:
        raise ToolRetry("There is nothing to commit: no file changed since the last commit.")
    return f"Committed {made[:10]}: {message.splitlines()[0]}"


async def git_branch(call: ToolCall, context: ToolContext) -> str:
    """Without `name`: list the branches. With it: make branch local-llm/NAME at the last commit.

    Raises:
        ToolRetry: the name is no plain word, is taken, or there is no commit yet.
    """
    repo, _ = await _opened(context)
    name = call.args.get("name", "").removeprefix(BRANCHES)
    if not name:
        asked = ["for-each-ref", "--format=%(refname:short)", "refs/heads"]
        listed = (await repo.out(*asked)).decode("utf-8", "replace").strip()
        return listed or "There is no branch yet."
    if not _NAME.fullmatch(name) or ".." in name or name.endswith((".", ".lock")):
        raise ToolRetry(f"{name!r} is no branch name. Use letters, digits, '-' and '_'.")
    head = await repo.head()
    if head is None:
        raise ToolRetry("There is no commit yet to make a branch at.")
    ref = f"refs/heads/{BRANCHES}{name}"
    made = await repo.run("update-ref", ref, head, "0" * len(head))
    if made.code != 0:
        raise ToolRetry(f"Branch {BRANCHES + name!r} exists already. Choose another name.")
    return f"Made branch {BRANCHES}{name} at {head[:10]}."


async def git_merge(call: ToolCall, context: ToolContext) -> str:
    """Merge branch `name` into the run's worktree; with conflicts nothing changes.

    Raises:
        ToolRetry: no such branch, uncommitted changes, conflicts, or a git older than 2.38.
        ToolDenied: this is not the run's own worktree.
    """
    repo, _ = await _opened(context)
    name = call.args.get("name") or call.args.get("branch", "")
    theirs = await repo.resolve(f"refs/heads/{name}")
    head = await repo.head()
    if theirs is None or head is None:
        raise ToolRetry(f"There is no branch {name!r}. git.branch without a name lists them.")
    if not repo.linked or await repo.branch() is not None:
        raise ToolDenied("Merges are made in the run's own worktree only, on no branch.")
    if await repo.snapshot() != await repo.tree_of(head):
        raise ToolRetry("There are changes that are not committed. Call git.commit first.")
    if (await repo.run("merge-base", "--is-ancestor", theirs, head)).code == 0:
        return f"{name} is merged already."
    tree = await _merged_tree(repo, head, theirs, name)
    made = await repo.commit_tree(tree, [head, theirs], f"Merge {name}")
    await repo.put_on_disk(await repo.changes(head, made))
    await repo.move_head(made, head)
    return f"Merged {name} as {made[:10]}."


async def _merged_tree(repo: Repo, head: str, theirs: str, name: str) -> str:
    """Return the tree of the merge, made without touching a file."""
    asked = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "--"]
    done = await repo.run(*asked[:-1], head, theirs)
    lines = done.stdout.splitlines()
    if done.code == 0 and lines:
        return lines[0]
    if done.code == 1 and lines:
        files = ", ".join(sorted(set(lines[1:])))
        raise ToolRetry(f"Merging {name!r} conflicts in {files}. Nothing was changed.")
    raise ToolRetry(f"git could not merge {name!r}: {done.stderr.strip()} (git 2.38 is needed)")


async def _opened(context: ToolContext) -> tuple[Repo, str]:
    """Return the repository and where the workspace lies in it: "" or "sub/folder/"."""
    repo = await Repo.open(context.workspace)
    workspace = await asyncio.to_thread(context.workspace.resolve)
    inside = workspace.relative_to(repo.root).as_posix()
    return repo, "" if inside == "." else inside + "/"


async def _tip(repo: Repo) -> str:
    return await repo.head() or await repo.empty_tree()
