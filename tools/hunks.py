"""The hunks of a change, and what became of each in a later version of the file.

Two versions are compared by git, line by line; line endings and white space at the end of a line
say nothing. Not covered: binary files, links, submodules, and names that cannot be printed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from memory.records import Record
from tools.gitfiles import LINK, SUBMODULE, Entry, shown
from tools.repository import Repo

_AT: Final = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_COMPARED: Final = 3_000  # tokens of either text; of longer ones, whole lines are counted
_RELATED: Final = 0.3  # similarity below which a text has nothing to do with what stood there
_TELLING: Final = 12  # characters without spaces that a text has to have to be recognised elsewhere
_TRIMMED: Final = 40  # paragraphs that may be behind a change at the end of a hunk


class Hunk(Record):
    """A piece of a delivered change: the lines ``after`` stand where ``before`` stood.

    ``line`` is the first one of ``after`` (from 0) in the delivered file ``path``, whose blob is
    ``blob``: empty when the file was deleted. Line endings are ``\\n``. ``committed`` is the blob
    that the user's last commit had there when the run began, empty when it had none.
    """

    id: str
    path: str
    line: int
    before: str
    after: str
    blob: str = ""
    committed: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines ``old`` to ``old_end`` became ``new`` to ``new_end`` (from 0, ends excluded)."""

    old: int
    old_end: int
    new: int
    new_end: int


@dataclass(frozen=True, slots=True)
class Found:
    """What is in the place of a hunk in another version of its file.

    ``whole``: as delivered. ``before``: as before the delivery. ``gone``: its lines were deleted,
    with something else in their place or nothing. ``changed``: they became ``text``.
    """

    state: Literal["whole", "before", "gone", "changed"]
    text: str = ""


async def hunks_of(repo: Repo, run_id: str, base: str, final: str) -> tuple[Hunk, ...]:
    """Return the hunks in which ``final`` differs from ``base``, in order.

    ``base`` is a commit of the user's files when the run began, on top of their last commit.
    """
    found: list[Hunk] = []
    parent = await repo.resolve(f"{base}^")
    dirty = {c.path: c.old for c in await repo.changes(parent, base)} if parent else {}
    for change in await repo.changes(base, final):
        if any(entry and entry.mode in {LINK, SUBMODULE} for entry in (change.old, change.new)):
            continue
        if shown(change.path) != change.path:
            continue
        old, new = await _blob(repo, change.old), await _blob(repo, change.new)
        texts = await _texts(repo, old, new)
        if any("\0" in text for text in texts):
            continue
        before, after = map(lines_of, texts)
        committed = dirty.get(change.path, change.old if parent else None)
        for edit in await edits(repo, old, new):
            found.append(
                Hunk(
                    id=f"{run_id}#{len(found) + 1}",
                    path=change.path,
                    line=edit.new,
                    before="".join(before[edit.old : edit.old_end]),
                    after="".join(after[edit.new : edit.new_end]),
                    blob=change.new.sha if change.new else "",
                    committed=committed.sha if committed else "",
                )
            )
    return tuple(found)


async def edits(repo: Repo, old: str, new: str) -> tuple[Edit, ...]:
    """Return what changed between two blobs, as lines of text whatever they hold."""
    if old == new:
        return ()
    # Myers: on many changed lines git's histogram takes minutes.
    flags = ["-U0", "--inter-hunk-context=0", "--diff-algorithm=myers", "--ignore-space-at-eol"]
    plain = ["--text", "--no-ext-diff", "--no-textconv", "--no-color"]
    raw = await repo.out("diff", *flags, *plain, old, new)
    return tuple(_edit(match) for match in _AT.finditer(raw))


def _edit(match: re.Match[bytes]) -> Edit:
    old, old_count, new, new_count = (1 if part is None else int(part) for part in match.groups())
    old -= old_count > 0  # git counts from 1; of no lines it names the one before
    new -= new_count > 0
    return Edit(old, old + old_count, new, new + new_count)


async def empty_blob(repo: Repo) -> str:
    """Return the id of the blob without content, which stands for a file that is not there."""
    return await repo.store(b"")


async def _blob(repo: Repo, entry: Entry | None) -> str:
    return entry.sha if entry else await empty_blob(repo)


async def _texts(repo: Repo, *blobs: str) -> list[str]:
    contents = await repo.blobs(blobs)
    return [contents[blob].decode("utf-8", "replace") for blob in blobs]


def lines_of(text: str) -> list[str]:
    """Return the lines of ``text`` as git counts them, each with ``\\n`` at its end."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") + "\n" for line in lines]


def find(hunk: Hunk, changed: Sequence[Edit], now: Sequence[str]) -> Found:
    """Return what is in the place of ``hunk`` in the version with the lines ``now``.

    ``changed`` is what leads from the delivered file to that version.
    """
    start, end = hunk.line, hunk.line + len(lines_of(hunk.after))
    touching = [edit for edit in changed if _touches(edit, start, end)]
    if not touching:
        return Found("whole")
    first, last = touching[0], touching[-1]
    low = first.new if first.old <= start else start + _shift(changed, first)
    high = last.new_end if last.old_end >= end else end + _shift(changed, None, end)
    text = "".join(now[low:high])
    if alike(text, hunk.before):
        return Found("before")
    if not hunk.after:
        return Found("whole")  # a deletion, and then something else in its place
    text = _without_what_follows(text, hunk.after)
    is_related = similarity(hunk.after, text) >= _RELATED
    return Found("changed", text) if is_related else Found("gone")


def _touches(edit: Edit, start: int, end: int) -> bool:
    """Say whether ``edit`` is about the lines ``start`` to ``end``, or about that very gap."""
    if start == end:
        return edit.old <= start <= edit.old_end
    if edit.old == edit.old_end:
        return start < edit.old < end
    return edit.old < end and edit.old_end > start


def _shift(changed: Sequence[Edit], until: Edit | None, end: int = 0) -> int:
    """Return by how many lines what stands before ``until``, or ends before ``end``, has moved."""
    moved = 0
    for edit in changed:
        if edit is until or (until is None and edit.old_end > end):
            break
        if until is None and edit.old == edit.old_end == end:
            break
        moved = edit.new_end - edit.old_end
    return moved


def _without_what_follows(text: str, after: str) -> str:
    """Return ``text`` less the paragraphs at its end that have nothing to do with ``after``.

    What a user appends right behind a changed line is part of the same change for git.
    """
    cuts = [match.start() + 1 for match in re.finditer(r"\n\s*\n", text)][:_TRIMMED]
    choices = [text, *(text[:cut] for cut in cuts)]
    return max(choices, key=lambda one: similarity(after, one)) if cuts else text


def alike(one: str, other: str) -> bool:
    """Say whether two texts are the same but for white space at the ends of lines."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\r\n").split("\n")]


def elsewhere(hunk: Hunk, text: str) -> bool:
    """Say whether the lines of ``hunk`` stand together anywhere in ``text``, however indented.

    Lines that are too short to be recognised are found nowhere.
    """
    wanted = _words(hunk.after)
    if sum(map(len, wanted)) < _TELLING:
        return False
    return _joined(wanted) in _joined(_words(text))


def _joined(lines: Sequence[str]) -> str:
    return "\n".join(("", *lines, ""))


def _words(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def telling_line(hunk: Hunk) -> str:
    """Return the longest line of ``hunk``, to search other files for; "" when none says enough."""
    line = max(_words(hunk.after), key=len, default="")
    return line if len(line) >= _TELLING else ""


def similarity(one: str, other: str) -> float:
    """Return 1 - the edit distance of two texts in tokens, as a part of both lengths: 0..1.

    The distance counts inserted and deleted tokens (matching blocks as in ``difflib``); of long
    texts it is that of their lines, whatever their order.
    """
    first, second = _TOKEN.findall(one), _TOKEN.findall(other)
    if max(len(first), len(second)) > _COMPARED:
        lines, others = Counter(_words(one)), Counter(_words(other))
        return 2 * (lines & others).total() / max(1, lines.total() + others.total())
    return SequenceMatcher(None, first, second, autojunk=False).ratio()
