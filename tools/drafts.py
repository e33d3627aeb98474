"""A file on its way from what it is to what the edits of one message make of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from mcp_local_llm import ToolRetry
from tools.blocks import Block, parse_blocks
from tools.elision import refuse_elided
from tools.faults import translated
from tools.jail import Jail
from tools.matching import EXACT, PLAIN, Match, find, keep_characters
from tools.symbols import (
    definitions,
    locate,
    parse_python,
    rebase,
    same_definition,
    syntax_problem,
)
from tools.textfile import (
    MAX_BYTES,
    Text,
    bare,
    close_lines,
    decode,
    encode,
    ending,
    main_ending,
    splice,
    split_lines,
)
from tools.transaction import Stamp, stamp

_DEFINES: Final = re.compile(r"(?:async\s+def|def|class)\s|@")


@dataclass(slots=True)
class _Change:
    """Lines ``start`` to ``stop`` of a draft become ``lines``."""

    start: int
    stop: int
    lines: list[str]


@dataclass(slots=True)
class Draft:
    """One file: its bytes on disk, its text now, and changes that wait to be made together.

    Every method that changes it raises :class:`ToolRetry` instead of guessing.
    """

    path: str
    before: bytes | None
    seen: Stamp | None
    now: Text | None
    waiting: list[_Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loose: bool = False
    touched: bool = False

    @classmethod
    def open(cls, jail: Jail, rel: str) -> Draft:
        """Read ``rel`` (or see that it is not there); the draft has the real path."""
        with jail.reach(rel) as place, translated("read", rel):
            if place.status() is None:
                return cls(place.path, None, None, None)
            data, status = place.read(MAX_BYTES + 1)
            return cls(place.path, data, stamp(status), None)

    @property
    def absent(self) -> bool:
        """Whether there is no such file, at this point of the message."""
        return self.now is None and (self.before is None or self.touched)

    def text(self) -> Text:
        """Return the text as it is without the waiting changes."""
        if self.now is None and self.before is not None and not self.touched:
            self.now = decode(self.before, self.path)
        if self.now is None:
            raise ToolRetry(
                f"There is no file {self.path!r}. Create it with fs.write, or see fs.list."
            )
        return self.now

    def settle(self) -> None:
        """Make the waiting changes."""
        if self.waiting:
            lines = split_lines(self.text().content)
            for change in sorted(self.waiting, key=lambda change: change.start, reverse=True):
                lines[change.start : change.stop] = change.lines
            self.waiting.clear()
            content = "".join(lines)
            if split_lines(content) != lines:  # a lone "\r" met a "\n"
                raise ToolRetry(
                    f"In {self.path!r} two line ends would merge into one; its line ends are "
                    "mixed. "
                    "Rewrite the lines around with fs.write."
                )
            self._put(content)

    def _put(self, content: str) -> None:
        old = self.now or Text("")
        self.now = Text(content, old.encoding, old.mark)
        self.touched = True

    def _wait(self, start: int, stop: int, lines: list[str], how: str) -> None:
        if split_lines(self.text().content)[start:stop] == lines:
            raise ToolRetry(f"{self.path!r} is already so at line {start + 1}; nothing to change.")
        for other in self.waiting:
            if start < other.stop and other.start < stop:
                raise ToolRetry(
                    f"Two edits of {self.path!r} both change line {max(start, other.start) + 1}. "
                    "Put them into one edit."
                )
        self.waiting.append(_Change(start, stop, lines))
        span = f"line {start + 1}" if stop - start == 1 else f"lines {start + 1}-{stop}"
        self.notes.append(f"{span} replaced by {len(lines)}{how}")

    def write(self, body: str) -> None:
        """Make ``body`` the whole text; endings, mark and encoding of an old file stay."""
        self.settle()
        body = body if not body or body.endswith("\n") else body + "\n"
        if self.absent:
            self._put(body)
            return
        old = split_lines(self.text().content)
        new = [bare(line) for line in split_lines(body)]
        refuse_elided(new, self.text().content, self.path)
        if len({ending(line) for line in old} - {""}) > 1:
            lines = splice(old, [bare(line) for line in old], new, main_ending(old))
        else:
            end = main_ending(old)
            is_open = bool(old) and not ending(old[-1])
            lines = close_lines([line + end for line in new], is_open, end)
        content = "".join(lines)
        if content == self.text().content:
            raise ToolRetry(f"{self.path!r} already holds exactly this; nothing to change.")
        if len(lines) * 2 < len(old):
            self.notes.append(f"it had {len(old)} lines and has {len(lines)} now")
        self._put(content)

    def append(self, body: str) -> None:
        """Add ``body`` at the end, or make it the text of a new file."""
        if not body.strip():
            raise ToolRetry(f"fs.append to {self.path!r} has no body: write the lines to add.")
        self.settle()
        if self.absent:
            self.write(body)
            return
        old = self.text().content
        lines = split_lines(old)
        end = main_ending(lines)
        new = [bare(line) for line in split_lines(body)]
        gap = self._gap(lines, new)
        if old and not ending(lines[-1]):
            old += end
        added = "".join(line + end for line in new)
        if old.endswith(added):
            raise ToolRetry(f"{self.path!r} already ends with exactly this; nothing to add.")
        self.notes.append(f"{len(new)} lines added after line {len(lines)}")
        self._put(old + end * gap + added)

    def _gap(self, lines: list[str], new: list[str]) -> int:
        """Return how many blank lines to add before ``new``, whose own leading ones may go."""
        if not self.path.endswith(".py") or not "".join(lines).strip():
            return 0
        self._refuse_second_definition(lines, new)
        first = next(at for at, line in enumerate(new) if line.strip())
        if not _DEFINES.match(new[first]):
            return 0
        del new[:first]
        blank = 0
        while not lines[-1 - blank].strip():
            blank += 1
        return max(0, 2 - blank)

    def _refuse_second_definition(self, lines: list[str], new: list[str]) -> None:
        try:
            old_tree, new_tree = parse_python("".join(lines)), parse_python("\n".join(new) + "\n")
        except SyntaxError:
            return  # reported once the file is whole
        known = {name: node.lineno for name, node in definitions(old_tree) if "." not in name}
        for name, _ in definitions(new_tree):
            if name in known:
                raise ToolRetry(
                    f"{self.path!r} already defines {name!r} at line {known[name]}. Replace it "
                    f'with fs.edit and symbol="{name}", or choose another name.'
                )

    def replace_blocks(self, body: str) -> None:
        """Apply the SEARCH/REPLACE blocks of ``body``."""
        blocks = parse_blocks(body, self.path)
        if any(not block.search for block in blocks):
            self._fill_empty(blocks)
            return
        lines = split_lines(self.text().content)
        contents = [bare(line) for line in lines]
        for block in blocks:
            if block.search == block.replace:
                raise ToolRetry(
                    f"A block for {self.path!r} has the same SEARCH and REPLACE; nothing to change."
                )
            refuse_elided(block.replace, self.text().content, self.path)
            match = find(contents, block.search, self.path)
            self.loose = self.loose or match.reading != EXACT
            how = "" if match.reading == EXACT else f" (SEARCH fitted {match.reading})"
            self._wait(match.start, match.stop, _replacement(lines, block, match), how)

    def _fill_empty(self, blocks: tuple[Block, ...]) -> None:
        self.settle()
        if len(blocks) != 1 or not (self.absent or not self.text().content):
            raise ToolRetry(
                f"An empty SEARCH part only fits a new or empty file, and {self.path!r} has text. "
                "Repeat a line beside the place in SEARCH and REPLACE, or use fs.append."
            )
        if not blocks[0].replace:
            raise ToolRetry(f"SEARCH and REPLACE for {self.path!r} are both empty.")
        self._put("".join(line + "\n" for line in blocks[0].replace))

    def replace_symbol(self, symbol: str, body: str) -> None:
        """Put the definition in ``body`` in the place of ``symbol``, decorators included."""
        if not self.path.endswith((".py", ".pyi")):
            raise ToolRetry(
                f"symbol= works for Python files only, not {self.path!r}; use SEARCH/REPLACE."
            )
        source = self.text().content
        lines = split_lines(source)
        span = locate(source, symbol, self.path)
        old = lines[span.start : span.stop]
        new = _without_comment_above(lines[: span.start], rebase(body, symbol, span.indent))
        refuse_elided(new, source, self.path)
        result = splice(old, [bare(line) for line in old], new, main_ending(lines))
        changed = "".join([*lines[: span.start], *result, *lines[span.stop :]])
        if syntax_problem(changed) or not same_definition(changed, symbol, body):
            raise ToolRetry(
                f"The new {symbol!r} would not mean the same inside {self.path!r} (its indentation "
                "does not fit). Indent it as the file does, or use SEARCH/REPLACE blocks."
            )
        self._wait(span.start, span.stop, result, f" ({symbol})")

    def delete(self) -> None:
        """Make the file go away."""
        if self.absent:
            raise ToolRetry(f"There is no file {self.path!r} to delete; see fs.list.")
        self.waiting.clear()
        self.now, self.touched = None, True

    def finish(self) -> bytes | None:
        """Return the new bytes, None for a file that is to be gone; the last checks are made."""
        self.settle()
        if self.now is None:
            if self.before is None:
                raise ToolRetry(f"{self.path!r} would be created and deleted again; leave it out.")
            return None
        data = encode(self.now, self.path)
        if data == self.before:
            raise ToolRetry(f"The edits of {self.path!r} cancel each other; nothing to change.")
        if self.path.endswith((".py", ".pyi")):
            self._check_syntax()
        return data

    def _check_syntax(self) -> None:
        problem = syntax_problem(self.now.content) if self.now else None
        if problem is None:
            return
        if self.loose and self.before and not _broken(self.before, self.path):
            raise ToolRetry(
                f"{self.path!r} would no longer parse ({problem}), and SEARCH fitted only loosely. "
                "Copy the lines exactly, indentation included."
            )
        self.notes.append(f"the file does not parse now: {problem}")


def _broken(data: bytes, path: str) -> bool:
    return syntax_problem(decode(data, path).content) is not None


def _replacement(lines: list[str], block: Block, match: Match) -> list[str]:
    old = lines[match.start : match.stop]

    def adapt(line: str, twin: int | None) -> str:
        moved = match.shift(line)
        if match.reading != PLAIN or twin is None:
            return moved
        return keep_characters(
            match.shift(block.search[twin]).rstrip(), bare(old[twin]).rstrip(), moved
        )

    return splice(old, block.search, block.replace, main_ending(lines), adapt)


def _without_comment_above(above: list[str], new: list[str]) -> list[str]:
    """Drop comments that lead ``new`` when the very same ones stand directly above already."""
    count = next((at for at, line in enumerate(new) if not line.lstrip().startswith("#")), 0)
    if count and [bare(line) for line in above[-count:]] == new[:count]:
        return new[count:]
    return new
