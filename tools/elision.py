"""Placeholders such as ``# ... rest of the code unchanged``: written out they would delete code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mcp_local_llm import ToolRetry

_COMMENT: Final = re.compile(r"\s*(?:#|//|--|/\*|<!--|;)\s*(.*?)\s*(?:\*/|-->)?\s*$")
_DOTS: Final = r"(?:\.{3}|…)"
_REST: Final = (
    r"(?:rest of|remaining|remainder of|existing|previous|other|unchanged|same as|omitted)"
)
_WHAT: Final = (
    r"(?:code|file|functions?|methods?|class(?:es)?|implementation|imports?|contents?|tests?|module"
    r"|body|logic)"
)
_STAYS: Final = (
    rf"(?:is |are )?(?:unchanged|remains?|stays?|as before|here|as is|the same|goes|{_DOTS})"
)
_PLACEHOLDER: Final = re.compile(
    rf"{_DOTS}\s*(?:\S+ )?{_REST}\b.*"  # "... existing code ..."
    rf"|(?:the |your )?{_REST} (?:of )?(?:the |your |this )?(?:\w+ )?{_WHAT} ?{_STAYS}.*"
    rf"|(?:the )?(?:rest|remainder) of (?:the |your |this )?(?:\w+ )?{_WHAT}",
    re.IGNORECASE,
)


def refuse_elided(new: Sequence[str], old: str, path: str) -> None:
    """Raise :class:`ToolRetry` when a line of ``new`` stands for code instead of being it.

    A line that ``old`` holds already is the user's own and passes.
    """
    for line in new:
        comment = _COMMENT.match(line)
        if (
            comment
            and _PLACEHOLDER.fullmatch(comment[1].strip("()[]<>*-= "))
            and line.strip() not in old
        ):
            raise ToolRetry(
                f"The line {line.strip()[:80]!r} in the edit of {path!r} stands for code and would "
                "delete it. Write the code out, or change only the lines you mean with fs.edit."
            )
