"""What a term is said to mean."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_TERM: Final = r"[`'\"“]?(?P<term>[\w][\w .+#/-]{0,60}?)[`'\"”]?"
_DEFINED: Final = tuple(
    re.compile(rf"^(?:{pattern})[\s.!]*$", re.IGNORECASE)
    for pattern in (
        rf"(?:(?:here|for\s+us|in\s+(?:this|our)\s+\w+),?\s+)?{_TERM}\s+(?:means|stands\s+for|is\s+short\s+for|"
        r"is\s+defined\s+as|denotes)\s+(?!that\b|to\b|you\b|we\b|i\b|it\b)(?P<sense>\S.{2,})",
        rf"by\s+{_TERM},?\s+(?:we|i)\s+mean\s+(?P<sense>\S.{{2,}})",
        rf"define\s+{_TERM}\s+as\s+(?P<sense>\S.{{2,}})",
        rf"(?:the\s+)?(?:term|word)\s+{_TERM}\s+(?:is|means|refers\s+to)\s+(?P<sense>\S.{{2,}})",
        rf"{_TERM}\s+:?=\s+(?P<sense>[^\W\d_][\w'-]*(?:\s+[\w',-]+){{2,}})",
    )
)
_NO_TERM: Final = re.compile(
    r"(?:it|this|that|which|what|he|she|they|you|we|i|if|so|no|yes|and|but|or|the\s+(?:error|message|"
    r"warning|output|log|result|test)|there|everything|nothing)\b",
    re.IGNORECASE,
)
_LEAD: Final = re.compile(
    r"^(?:(?:ok(?:ay)?|so|and|no|please|remember|note|fyi|keep\s+in\s+mind|from\s+now\s+on)"
    r"(?:\s+that)?\b[\s,:]*)+",
    re.IGNORECASE,
)


@lru_cache(maxsize=16_384)
def definition(words: str) -> tuple[str, str] | None:
    """Return the term that ``words`` defines and what it means; None when they define nothing."""
    text = _LEAD.sub("", " ".join(words.split()))
    for pattern in _DEFINED:
        found = pattern.match(text)
        if found and not _NO_TERM.match(found["term"]) and len(found["term"].split()) <= 5:
            return found["term"].strip(), found["sense"].rstrip(" .!")
    return None
