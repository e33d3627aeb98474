"""Text of a file, with everything needed to write the untouched parts back byte for byte.

Only encodings that a file states or proves are read: UTF-8 (with or without a mark) and UTF-16
with a mark. Anything else is refused; there is no guessing.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from mcp_local_llm import ToolRetry

MAX_BYTES: Final = 2_000_000
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+")
_COOKIE: Final = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_UTF32: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DIFF_LINES: Final = 2_000


@dataclass(frozen=True, slots=True)
class Text:
    """Decoded text without its byte-order mark, and how to encode it again."""

    content: str
    encoding: str = "utf-8"
    mark: bytes = b""


def decode(data: bytes, path: str, *, limit: int = MAX_BYTES) -> Text:
    """Return the text of ``data``.

    Raises :class:`ToolRetry` for more bytes than ``limit``, binary content and unknown encodings.
    """
    if len(data) > limit:
        raise ToolRetry(
            f"{path!r} is larger than {limit // 1_000_000} MB, which is too large for this "
            "tool; "
            "find the lines with search.text and change them with a command."
        )
    if data.startswith(_UTF32):
        raise ToolRetry(f"{path!r} is UTF-32; convert it to UTF-8 first.")
    mark, encoding = next((pair for pair in _BOMS if data.startswith(pair[0])), (b"", "utf-8"))
    if encoding == "utf-8" and b"\0" in data:
        raise ToolRetry(f"{path!r} is a binary file; text tools can't read or change it.")
    try:
        text = Text(data[len(mark) :].decode(encoding), encoding, mark)
    except UnicodeDecodeError as error:
        raise ToolRetry(
            f"{path!r} is neither UTF-8 nor UTF-16 with a mark (byte {error.start}); "
            "convert it to UTF-8 first or leave it alone."
        ) from error
    _check_cookie(text.content, path)
    return text


def encode(text: Text, path: str) -> bytes:
    """Return the bytes of ``text``; the inverse of :func:`decode`."""
    _check_cookie(text.content, path)
    try:
        data = text.mark + text.content.encode(text.encoding)
    except UnicodeEncodeError as error:
        raise ToolRetry(
            f"The new text of {path!r} holds half a character; write it again."
        ) from error
    if len(data) > MAX_BYTES:
        raise ToolRetry(f"{path!r} would be larger than {MAX_BYTES // 1_000_000} MB; write less.")
    return data


def _check_cookie(content: str, path: str) -> None:
    if not path.endswith((".py", ".pyi")) or content.isascii():
        return
    for line in content.split("\n", 2)[:2]:
        found = _COOKIE.match(line)
        if found and found[1].lower().replace("_", "-") not in {"utf-8", "utf8", "utf-8-sig"}:
            raise ToolRetry(
                f"{path!r} declares the encoding {found[1]!r} but holds other characters; "
                "use ASCII only or convert it to UTF-8 first."
            )


def split_lines(text: str) -> list[str]:
    """Split at ``\\n``, ``\\r\\n`` and ``\\r`` as Python's parser does, keeping the endings."""
    return _LINE.findall(text)


def bare(line: str) -> str:
    """Return ``line`` without its ending."""
    return line.rstrip("\r\n")


def ending(line: str) -> str:
    """Return the ending of ``line``, empty for an open last line."""
    return line[len(bare(line)) :]


def main_ending(lines: Sequence[str]) -> str:
    """Return the ending that most lines have, ``\\n`` when there is none."""
    counts = Counter(end for end in map(ending, lines) if end)
    return counts.most_common(1)[0][0] if counts else "\n"


def _opcodes(seen: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Opcodes of difflib, with the common head and tail cut off first (it is quadratic)."""
    head = 0
    while head < min(len(seen), len(new)) and seen[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(seen), len(new)) - head and seen[-1 - tail] == new[-1 - tail]:
        tail += 1
    i2, j2 = len(seen) - tail, len(new) - tail
    middle: list[tuple[str, int, int, int, int]] = [("replace", head, i2, head, j2)]
    if max(i2, j2) - head <= _DIFF_LINES:
        matcher = SequenceMatcher(None, seen[head:i2], new[head:j2], autojunk=False)
        middle = [
            (tag, a + head, b + head, c + head, d + head)
            for tag, a, b, c, d in matcher.get_opcodes()
        ]
    return [
        ("equal", 0, head, 0, head),
        *middle,
        ("equal", i2, len(seen), j2, len(new)),
    ]


def splice(
    old: Sequence[str],
    seen: Sequence[str],
    new: Sequence[str],
    default_ending: str,
    adapt: Callable[[str, int | None], str] = lambda line, _: line,
) -> list[str]:
    """Return ``old`` changed as ``seen`` was changed to ``new``.

    ``old`` are lines with endings, ``seen`` the same lines as the writer saw them. What ``new`` has
    in common with ``seen`` comes back as the very lines of ``old``. Other lines go through
    ``adapt``, with the index of the line of ``old`` they stand for, and get the ending of the lines
    around. An open last line stays open.
    """
    result: list[str] = []
    for tag, i1, i2, j1, j2 in _opcodes(seen, new):
        if tag == "equal":
            result += old[i1:i2]
            continue
        paired = i2 - i1 == j2 - j1
        near = next((ending(line) for line in (*old[i1:i2], *old[:i1][::-1]) if ending(line)), None)
        for offset, line in enumerate(new[j1:j2]):
            twin = i1 + offset if paired else None
            own = ending(old[twin]) if twin is not None else ""
            result.append(adapt(line, twin) + (own or near or default_ending))
    return close_lines(result, bool(old) and not ending(old[-1]), default_ending)


def close_lines(lines: Sequence[str], open_end: bool, default_ending: str) -> list[str]:
    """Return ``lines`` with an ending each; with ``open_end`` the last one has none.

    An empty last line keeps its ending: without it, it would not be there.
    """
    closed = [line if ending(line) else line + default_ending for line in lines]
    if open_end and closed and bare(closed[-1]):
        closed[-1] = bare(closed[-1])
    return closed
