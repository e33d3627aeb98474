"""Tells what a developer typed from what the turn merely carries: pasted logs and code, quotes,
what an editor put in.

Only the typed part may be read as an opinion: a log that says "this is wrong" corrects nobody.
"""

from __future__ import annotations

import re
from typing import Final

from memory.records import Record

_HEAD: Final = (
    6_000  # characters looked at from the beginning of a turn, and half as many from its end
)
_TAIL: Final = 3_000

_FENCE: Final = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_SPOKEN_TAG: Final = re.compile(r"</?(?:user_query|user_message|prompt|task|message)>")
# What editors and agents wrap around a prompt: a name with "_" or "-", or one of a few.
_MACHINE_TAG: Final = re.compile(
    r"<((?:[a-z]+[_-][a-z_-]+|details|summary|output|stdout|stderr|timestamp)\b)[^>]{0,400}>"
    r".*?(?:</\1>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_REPORTED: Final = re.compile(
    r"(?:\b(?:sa(?:ys|id)|wrote|writes|told|comment(?:ed|s)?|review(?:er|ed)?|asked|error|message|"
    r"warning|shows?|prints?|get|got|sagt|schrieb|meldung)\b[^\n\"“”]{0,30})[\"“]([^\"“”]{12,600})[\"”]",
    re.IGNORECASE,
)
_LOG_LINE: Final = re.compile(
    r"""^\s*(?:
        Traceback\ \(most | File\ ".+",\ line\ \d | at\ .+[(:]\S+:\d+ | E\s{3} | \d+\ \| | \|
      | [\w.]*(?:Error|Exception|Warning|Fault)\b\s*[:\[(] | (?:npm|yarn)\ (?:ERR|WARN|error|warn)
      | \[?\d{4}-\d\d-\d\d | \[?\d\d:\d\d:\d\d | \[(?:error|warn|info|debug|\d+/\d+)
      | (?:ERROR|WARN(?:ING)?|INFO|DEBUG|FATAL|CRITICAL|FAILED|FAIL|PASSED)\s*[:\]]
      | (?:panic|fatal|error(?:\[\w+\])?)\s*[:\]]
      | (?:FAILED|ERROR)\ \S+:: | error\ TS\d | \S+:\d+:\d+:? \s | \S+\.\w{1,4}:\d+(?::\d+)?\b
      | [$%]\ \S | >>>?\ | \w*[@:~/\\][^\s]*[$%]\ \S | PS\ [A-Z]:\\ | [A-Z]:\\\S*>
      | Caused\ by: | \.\.\.\ \d+\ more | \d+\ (?:failed|passed) | ={4,} | -{4,} | \^+\s*$
      | ⨯ | ✗ | ⚠
      | Process\ finished | (?:exit|status)\ code | HTTP/\d | (?:GET|POST|PUT|DELETE|PATCH)\ /\S*
    )""",
    re.VERBOSE,
)
_CODE_LINE: Final = re.compile(
    r"""^\s*(?:
        (?:def|class|async\ def|import|from|const|let|var|function|export|return|public|private|
           static|fn|impl|use|struct|enum|interface|type|package|func|\#include|SELECT|INSERT|
           UPDATE|DELETE|CREATE|ALTER)\ .*[({;:=,]
      | [}\])]+[;,)]*\s*$ | </?\w[^>]*>\s*$ | //\  | /\*
      | [\w.\[\]"']+\s*[-+*/|]?=\s*\S.*[;,)\]}"']\s*$
      | .*[{;]\s*$ | [-+]{1,3}\s.*[;{}()=]\s*$ | @@\ .*@@ | "[\w-]+":\s.*,?\s*$
    )""",
    re.VERBOSE,
)
_RUN: Final = re.compile(r"(\W)\1{3,}")
_QUOTED_LINE: Final = re.compile(r"^\s*>(?!>)")
_ERROR_WORD: Final = re.compile(
    r"error|exception|traceback|fail|fatal|panic|denied|refused|undefined|not found|cannot|"
    r"invalid|\b[45]\d\d\b",
    re.IGNORECASE,
)


class Parts(Record):
    """A turn taken apart. ``typed`` is the developer's own prose, ``pasted`` all that is not.

    ``errors`` says whether what was pasted looks like an error, ``machine`` whether a program
    added something, ``quoted`` whether somebody else is quoted.
    """

    typed: str
    pasted: str = ""
    errors: bool = False
    machine: bool = False
    quoted: bool = False


def take_apart(text: str) -> Parts:
    """Return the parts of ``text``; of a very long turn its beginning and its end are read."""
    if len(text) > _HEAD + _TAIL:
        text = text[:_HEAD] + "\n" + text[-_TAIL:]
    text = text.replace("\r\n", "\n")
    pasted: list[str] = []

    def aside(match: re.Match[str]) -> str:
        pasted.append(match.group())
        return " \n"

    spoken = _SPOKEN_TAG.sub(" ", text)
    without_tags = _MACHINE_TAG.sub(aside, spoken)
    machine = bool(pasted)
    prose = _FENCE.sub(aside, without_tags)
    lines = prose.split("\n")
    kept = []
    quoted = False
    for line in lines:
        if _QUOTED_LINE.match(line):
            quoted = True
            pasted.append(line)
        elif _LOG_LINE.match(line) or (len(lines) > 1 and _CODE_LINE.match(line)):
            pasted.append(line)
        else:
            kept.append(_RUN.sub(r"\1\1\1", " ".join(line.split())))
    # Long runs tell nothing, and patterns would search them again and again.
    typed = "\n".join(filter(None, kept))
    reported = _REPORTED.sub(lambda m: m.group().replace(m.group(1), "…"), typed)
    away = "\n".join(pasted)
    return Parts(
        typed=reported.strip(),
        pasted=away,
        errors=bool(_ERROR_WORD.search(away)) and not (machine and len(pasted) == 1),
        machine=machine,
        quoted=quoted or reported != typed,
    )
