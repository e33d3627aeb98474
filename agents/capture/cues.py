"""Named signs in a turn and in the answer before it: plain patterns, most of them in English, the
clearest also in German, Spanish and French.

A pattern is a hint and no verdict; what each one weighs is learnt (training/reactions).
"""

from __future__ import annotations

import re
from typing import Final

from agents.capture.cues_against import ANGER, WRONG
from agents.capture.cues_for import ACCEPTED, STANDING, WISH

# What kind of answer it was.
_ANSWER: Final = {
    "claims_done": r"""
        \b(?:done|fixed|added|updated|created|implemented|removed|changed|refactored|replaced|
        renamed|now\s+(?:uses?|shows?|works?|runs?|has|have|supports?|returns?|includes?|the)|
        has\s+been|have\s+been|is\s+now|are\s+now|i'?ve|i\s+have|complete[d]?|successfully|
        all\s+(?:\d+\s+)?tests\s+pass\w*|here\s+is|here'?s|wrote|moved|extracted|
        should\s+(?:now|be|work))\b|✅|🎉|🚀
    """,
    "asks": r"""\?\s*[\W_]*$""",
    "offers": r"""
        \b(?:would\s+you\s+(?:like|prefer)|do\s+you\s+(?:want|prefer)|shall\s+i|should\s+i|
        want\s+me\s+to|which\s+(?:one|option|approach|of)|let\s+me\s+know|
        if\s+you(?:'d)?\s+(?:want|like|prefer)|i\s+can\s+(?:also|start|now|add)|may\s+i|prefer|
        ready\s+to|next\s+steps?|i'?d\s+(?:suggest|recommend|propose)|i\s+(?:suggest|recommend|
        propose))\b
    """,
    "proposes": r"""
        \b(?:shall|should|may|can)\s+i\b|\b(?:want|like|prefer)\s+me\s+to\b|
        \bready\s+(?:to|for|when)\b|\b(?:does|do|is|are)\s+(?:this|that|it|these|the\s+plan)\b
        [^?\n]{0,40}\b(?:look|sound|work|right|correct|ok(?:ay)?|fine|acceptable)\b|
        \b(?:ok(?:ay)?|fine|acceptable)\s+(?:if|to)\b|\b(?:proceed|go\s+ahead|continue)\b[^?\n]{0,40}\?
    """,
    "options": r"""
        (?:^|\n|\s)(?:\(?[1a]\)?[.):]|\*?\*?option\s+[1a])\s.*(?:\n|\s)(?:\(?[2b]\)?[.):]|
        \*?\*?option\s+[2b])\s
    """,
    "announces": r"""
        \b(?:let\s+me|i'?ll|i\s+will|i'?m\s+going\s+to|going\s+to|first,?\s+i|now\s+i|
        i\s+need\s+to|looking\s+at|checking|searching)\b
    """,
    "explains": r"""
        \b(?:because|means|usually|typically|this\s+is\s+(?:why|how|because)|you\s+(?:can|could|
        need|should)|to\s+do\s+(?:this|that|so)|the\s+(?:reason|difference|problem|issue|
        cause))\b
    """,
    "apology": r"""
        \b(?:sorry|apolog\w*|you'?re\s+(?:absolutely\s+)?right|my\s+mistake|unfortunately|
        cannot|unable|can'?t)\b
    """,
    "code": r"""```|<{7}|\bdef\s|\bimport\s|[{};]\s*$""",
    "test": r"""\b(?:tests?|try|run|refresh|reload|restart|check)\b""",
    "tool": r"""<tool|tool-use|cancelled|</details>|aborted""",
}


def _compiled(*groups: dict[str, str]) -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile(pattern, re.IGNORECASE | re.VERBOSE)
        for group in groups
        for name, pattern in group.items()
    }


TURN: Final = _compiled(WRONG, STANDING, ACCEPTED, WISH, ANGER)
"""Signs in what the developer typed; "^" is the beginning of the turn."""
ANSWER: Final = _compiled(_ANSWER)
"""Signs in the answer before it."""
