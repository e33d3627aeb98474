"""Finding the one place a block means, or saying why there is none.

Four readings are tried in order, and each must fit exactly once: the lines as they are; without
regard to trailing blanks; with one indentation added to or taken from all lines; the same with
typographic quotes, dashes and spaces read as their plain forms. A reading that fits more than once
ends the search: a looser one could only fit more often.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from typing import Final

from mcp_local_llm import ToolRetry

EXACT: Final = "exactly"
BLANKS: Final = "without regard to trailing blanks"
SHIFTED: Final = "with another indentation"
PLAIN: Final = "with plain quotes, dashes and spaces"

_PLAIN_CHARS: Final = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("“”„‟″", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    }
)
_SHOWN: Final = 3
_SHOWN_LINES: Final = 8
_CLOSE_LINES: Final = 5_000


@dataclass(frozen=True, slots=True)
class Match:
    """Where a block fits (lines ``start`` to ``stop``), by which reading, shifted by how much.

    ``added`` stands before every line of the file but not of the block; ``removed`` the reverse.
    """

    start: int
    stop: int
    reading: str = EXACT
    added: str = ""
    removed: str = ""

    def shift(self, line: str) -> str:
        """Return a line of the block with the file's indentation."""
        if not line.strip():
            return line
        if not line.startswith(self.removed):
            raise ToolRetry(
                f"The SEARCH lines fit line {self.start + 1} with less indentation, but the "
                "REPLACE "
                f"line {line!r} can't be moved left as far. Indent both as the file does."
            )
        return self.added + line.removeprefix(self.removed)


def find(lines: Sequence[str], search: Sequence[str], path: str) -> Match:
    """Return the only place where ``search`` fits ``lines`` (both without endings).

    Raises :class:`ToolRetry` with line numbers when it fits nowhere or more than once.
    """
    if not any(line.strip() for line in search):
        raise ToolRetry(
            f"A SEARCH part for {path!r} holds blank lines only. Repeat the lines to change, or "
            "use "
            "fs.append to add at the end."
        )
    for matches in (_equal(lines, search), _blanks(lines, search)):
        if matches:
            return _only(matches, lines, path)
    matches = _shifted(lines, search, SHIFTED)
    if not matches:
        plain = [_plain(line) for line in lines]
        matches = _shifted(plain, [_plain(line) for line in search], PLAIN)
    if matches:
        return _only(matches, lines, path)
    raise ToolRetry(_nowhere(lines, search, path))


def _equal(lines: Sequence[str], search: Sequence[str]) -> list[Match]:
    size = len(search)
    wanted = list(search)
    return [
        Match(at, at + size)
        for at in range(len(lines) - size + 1)
        if lines[at] == wanted[0] and list(lines[at : at + size]) == wanted
    ]


def _blanks(lines: Sequence[str], search: Sequence[str]) -> list[Match]:
    found = _equal([line.rstrip() for line in lines], [line.rstrip() for line in search])
    return [Match(match.start, match.stop, BLANKS) for match in found]


def _shifted(lines: Sequence[str], search: Sequence[str], reading: str) -> list[Match]:
    found = _equal([line.strip() for line in lines], [line.strip() for line in search])
    matches = []
    for match in found:
        shift = _one_shift(lines[match.start : match.stop], search)
        if shift is not None:
            matches.append(Match(match.start, match.stop, reading, *shift))
    return matches


def _one_shift(lines: Sequence[str], search: Sequence[str]) -> tuple[str, str] | None:
    """Return what was added to or removed from every line, None when it differs between lines."""
    shifts = set()
    for line, wanted in zip(lines, search, strict=True):
        if not wanted.strip():
            continue
        line, wanted = line.rstrip(), wanted.rstrip()
        if line.endswith(wanted):
            shifts.add((line[: len(line) - len(wanted)], ""))
        elif wanted.endswith(line):
            shifts.add(("", wanted[: len(wanted) - len(line)]))
        else:
            return None
    return shifts.pop() if len(shifts) == 1 else None


def _plain(line: str) -> str:
    return unicodedata.normalize("NFC", line).translate(_PLAIN_CHARS)


def keep_characters(seen: str, line: str, new: str) -> str:
    """Return ``new`` with the characters of ``line`` wherever ``seen`` was left as it was.

    ``seen`` is ``line`` in plain characters. Without a one-to-one reading ``new`` comes back.
    """
    if len(seen) != len(line) or seen == line:
        return new
    result = []
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, seen, new, autojunk=False).get_opcodes():
        result.append(line[i1:i2] if tag == "equal" else new[j1:j2])
    return "".join(result)


def _only(matches: list[Match], lines: Sequence[str], path: str) -> Match:
    if len(matches) == 1:
        return matches[0]
    places = ", ".join(str(match.start + 1) for match in matches[:10])
    first = lines[matches[0].start].strip()
    raise ToolRetry(
        f"The SEARCH part starting {first[:80]!r} fits {len(matches)} places of {path!r} "
        f"({matches[0].reading}): lines {places}. Add lines around it until it fits only one."
    )


def _nowhere(lines: Sequence[str], search: Sequence[str], path: str) -> str:
    first = next(line.strip() for line in search if line.strip())
    message = f"The SEARCH part starting {first[:80]!r} is not in {path!r}."
    places = _nearest(lines, search)
    if not places:
        return f"{message} Nothing in the file is near it; read it with fs.read and copy its lines."
    shown = []
    for at in places:
        stop = min(at + max(len(search), 1), at + _SHOWN_LINES, len(lines))
        numbered = [f"{number + 1}: {lines[number][:160]}" for number in range(at, stop)]
        shown.append("\n".join(numbered))
    near = "\n--\n".join(shown)
    advice = "Copy the lines exactly as they are in the file. Nearest (with line numbers):"
    return f"{message} {advice}\n{near}"


def _nearest(lines: Sequence[str], search: Sequence[str]) -> list[int]:
    """Return the starts of up to three stretches that share most lines with ``search``."""
    wanted: dict[str, list[int]] = {}
    for offset, line in enumerate(search):
        if len(line.strip()) > 2:
            wanted.setdefault(line.strip(), []).append(offset)
    scores: dict[int, int] = {}
    for at, line in enumerate(lines):
        for offset in wanted.get(line.strip(), ())[:20]:
            start = max(at - offset, 0)
            scores[start] = scores.get(start, 0) + 1
    if scores:
        best = sorted(scores, key=lambda at: (-scores[at], at))[:_SHOWN]
        return sorted(at for at in best if scores[at] * 2 >= scores[best[0]])
    key = next(line.strip() for line in search if line.strip())
    stripped = [line.strip() for line in lines[:_CLOSE_LINES]]
    close = get_close_matches(key[:200], [text[:200] for text in stripped], _SHOWN, 0.6)
    return sorted({at for at, text in enumerate(stripped) if text[:200] in close})[:_SHOWN]
