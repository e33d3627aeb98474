"""What a question is after and what a text is about, by the words they hold: no model is asked.

Each class has cues; every cue that occurs adds its weight and the largest sum wins. The figures for
the questions in ``tests/memory/data`` are in the documentation.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from memory.records import DocumentClass, Kind, Record


class QueryClass(StrEnum):
    """What a question is after."""

    CODE_GENERATION = "code_generation"
    DEBUGGING = "debugging"
    ARCHITECTURE = "architecture"
    GENERAL = "general"


class RuntimeContext(Record):
    """Where the asker is: the file and function at hand, and what has gone wrong lately.

    ``file`` is a path from the project's root, or the end of one. ``errors`` are messages or
    tracebacks, newest last; ``slow`` is what was found to be slow; ``dependencies`` are the names
    of packages in use.
    """

    file: str = ""
    function: str = ""
    errors: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()


NOTHING_AT_HAND: Final = RuntimeContext()


@dataclass(frozen=True, slots=True)
class RetrievalProfile:
    """How to answer a class of questions.

    ``kinds`` weighs items by kind (1 where it names none). ``shares`` is the part of an answer that
    a kind may fill as long as there is something else to show.
    """

    kinds: Mapping[Kind, float] = field(default_factory=dict)
    shares: Mapping[Kind, float] = field(default_factory=dict)


PROFILES: Final[Mapping[QueryClass, RetrievalProfile]] = {
    QueryClass.CODE_GENERATION: RetrievalProfile(
        kinds={Kind.EPISODE: 0.7, Kind.DOCUMENT: 0.85},
        shares={Kind.EPISODE: 0.25, Kind.DOCUMENT: 0.5, Kind.CODE: 0.75},
    ),
    QueryClass.DEBUGGING: RetrievalProfile(
        kinds={Kind.PREFERENCE: 0.8, Kind.DEFINITION: 0.85, Kind.CONCEPT: 0.85},
        shares={Kind.CODE: 0.75, Kind.DOCUMENT: 0.5},
    ),
    QueryClass.ARCHITECTURE: RetrievalProfile(
        kinds={Kind.CODE: 0.8, Kind.EPISODE: 0.7},
        shares={Kind.CODE: 0.5, Kind.EPISODE: 0.25},
    ),
    QueryClass.GENERAL: RetrievalProfile(shares={Kind.CODE: 0.75, Kind.EPISODE: 0.5}),
}


@dataclass(frozen=True, slots=True)
class Routed:
    """The class of a question with the cues that spoke for it."""

    to: QueryClass
    cues: tuple[str, ...] = ()

    @property
    def profile(self) -> RetrievalProfile:
        """How to answer it."""
        return PROFILES[self.to]


_Cues = Sequence[tuple[float, re.Pattern[str]]]


def _cues(table: str) -> _Cues:
    """Read one cue per line: its weight and its pattern."""
    rows = (line.strip().partition(" ") for line in table.strip().splitlines())
    flags = re.IGNORECASE | re.MULTILINE
    return [(float(weight), re.compile(pattern, flags)) for weight, _, pattern in rows]


_THING: Final = (
    r"(function|method|class|script|endpoint|route|handler|test|fixture|decorator|parser|module|"
    r"command|wrapper|query|regex|helper|component|hook|migration|option|flag|field|validator|"
    r"loop|dataclass|type|iterator|generator|property|button|page|form|retry|cache)s?"
)
_ASKED: Final[Mapping[QueryClass, _Cues]] = {
    QueryClass.DEBUGGING: _cues(r"""
        3 traceback|stack ?trace|segfault|core dump|panic:|exit (code|status) [1-9]
        3 \b[a-z]*(error|exception|warning)\b(?! (handling|class|hierarchy|tree|type))
        2.5 \b(bugs?|broken|breaks?|crash\w*|fail(s|ed|ing|ures?)?|hangs?|stuck|flaky|freez\w+)\b
        2.5 \b(debug\w*|diagnos\w*|regression|root cause|leak\w*|deadlocks?|race condition)\b
        2.5 \b(no longer|stopped|never|can ?not|can't) [a-z]+
        2.5 \b(does|did|is|was|are)(n't| not) [a-z]+
        2 \bwhy (do(es)?|is|are|am|would)\b|\bwhat(s|'s| is)? (wrong|caus\w+)\b
        2 \b(wrong|incorrect|unexpected(ly)?|twice|suddenly|corrupt\w*|does nothing|(day )?off)\b
        2 \b(fix|repair|troubleshoot|reproduce|slow|time ?outs?|timed out|refused|denied|rejected)\b
        1.5 \b(disconnects?|restarts?|complain\w*|locked|destroyed|again and again)\b|^assert\b
        1 \b(undefined|null|none|nan|missing|empty|garbled)\b|\b[45]\d\d\b
        """),
    QueryClass.CODE_GENERATION: _cues(rf"""
        3 \b(write|add|create|implement|generate|build|make|code|new)\b.{{0,40}}?\b{_THING}\b
        2 ^\W*(please )?(write|add|create|implement|generate|build|make|code|extend|port|convert)\b
        2 ^\W*(turn|refactor|rename|replace|extract|return|parse|rewrite|stub|mock|sort|let)\b
        2 \b(can|could|would) you (write|add|create|implement|generate|build|make)\b
        2 \b(i (need|want)|give me|show me) (an?|the code|code|some code)\b|^an? .*\b{_THING}\b
        1.5 \b(implement|snippet|boilerplate|unit tests?|docstring|type hints?)\b
        1.5 \bhow (do|can|to) ?(i|we|you)? (write|parse|read|sort|convert|call|iterate|send|use)\b
        1.5 \bhow (do|can|to) ?(i|we|you)? (loop|filter|format|mock|stream|validate|split|merge)\b
        """),
    QueryClass.ARCHITECTURE: _cues(r"""
        3 \barchitect\w*|\b(micro)?services?\b.{0,30}\b(boundar|split|talk|communicat)
        2.5 \b(design|layers?|layering|layered|hexagonal|monolith\w*|microservices?)\b
        2.5 \b(event[- ](driven|sourc\w+)|cqrs|domain model|bounded contexts?)\b
        2.5 \b(trade-?offs?|scal(e|es|ing|able|ability)|responsib\w+|separation)\b
        2.5 \b(coupl\w+|cohesion|decoupl\w+)\b
        2.5 \bwhy (did|do) we (choose|use|pick|have|decide)
        2.5 \bwhat (depends on|talks to|happens to)\b
        2 \b(structur\w*|organi[sz]\w*|components?|modules?|packages?|subsystems?|interfaces?)\b
        2 \b(boundar\w+|dependenc\w+|patterns?|abstraction|schema|data flow|flows?)\b
        2 \b(should (we|i|the)|which (layer|class|module|way)|where (should|do|does|to))\b
        2 \b(pros and cons|versus|vs|better than|or (many|one))\b|\bwho owns\b|\bshared? between\b
        1.5 \b(database|queue|message bus|broker|storage|plugins?|gateway|process(es)?|pool)\b
        1.5 \b(tenan\w+|replica\w*|shard\w*|persist\w*|decided?|decision|rationale|overview)\b
        """),
}
_CONTEXT_CUE: Final = 1.0
_THRESHOLD: Final = 1.0  # less than this says nothing
_ORDER: Final = (QueryClass.DEBUGGING, QueryClass.CODE_GENERATION, QueryClass.ARCHITECTURE)


def route(text: str, context: RuntimeContext = NOTHING_AT_HAND) -> Routed:
    """Return what the question ``text`` is after.

    Recent errors or slow places in ``context`` count for debugging when the question itself leaves
    it open; they don't overrule a question that is clear.
    """
    scores, cues = _weigh(_ASKED, text)
    for hint in (*context.errors, *context.slow):
        if hint.strip():
            scores[QueryClass.DEBUGGING] += _CONTEXT_CUE
            cues[QueryClass.DEBUGGING].append("recent trouble")
            break
    best = max(_ORDER, key=lambda one: scores[one])  # of equals the first
    if scores[best] < _THRESHOLD:
        return Routed(QueryClass.GENERAL)
    return Routed(best, tuple(cues[best]))


_ABOUT: Final[Mapping[DocumentClass, _Cues]] = {
    DocumentClass.RUNTIME: _cues(r"""
        3 Traceback \(most recent call last\)|^\s+at .+\(.+:\d+(:\d+)?\)|^\s*File ".+", line
        2 ^[\w.]*(Error|Exception|Warning)\b|\bpanic: |\bCaused by: |^npm ERR!|^E\s{3}
        2 ^\S*\d{4}-\d\d-\d\d[T ]\d\d:\d\d|^\[?\d\d:\d\d:\d\d|^\W*(DEBUG|INFO|WARN|ERROR|FATAL)\b
        2 \b(exit(ed)? (code|status|with)|signal \d+|\d+ (passed|failed)|killed|core dumped)\b
        1.5 \b\d+(\.\d+)? ?(ms|us|MiB|MB|GiB|GB|rps|req/s|%)(?![\w.])|\bp(50|95|99)\b
        1 \b(latency|throughput|heap|rss|cpu|timeout|timed out|restart\w*|pid|uptime)\b
        """),
    DocumentClass.CODE: _cues(r"""
        3 ^\s*(async )?def \w+\(|^\s*(export )?(async )?function\b|^\s*func [(\w]
        3 ^\s*(export )?(abstract )?(class|interface|struct|enum) \w+.*[:{]\s*$
        2.5 ^\s*(import [\w{*.]|from [\w.]+ import |\#include|package \w+;?$|using \w|require\()
        2 ^\s*(return\b.*|[\w.\[\]]+ ([-+*/]?=|:=) .+[)\w\]}"';]|(const|let|var) \w+ .*)$
        2 ^\s*(if|for|while|with|elif|else|try|except|switch)\b.*[:{]\s*$|[;{}]\s*$|=>
        2 ^\s*(SELECT\b.+\bFROM|INSERT INTO|CREATE TABLE|@\w+|type \w+ (=|struct))
        """),
}
_ABOUT_ORDER: Final = (DocumentClass.RUNTIME, DocumentClass.CODE)
_DOCUMENT_THRESHOLD: Final = 2.0
_READ_CHARS: Final = 4_000  # of a text; what it is about shows early


def classify(text: str) -> DocumentClass:
    """Return what the document ``text`` is about, by its first 4,000 characters."""
    scores, _ = _weigh(_ABOUT, text)
    best = max(_ABOUT_ORDER, key=lambda one: scores[one])
    return best if scores[best] >= _DOCUMENT_THRESHOLD else DocumentClass.GENERAL


_Class = TypeVar("_Class", bound=StrEnum)


def _weigh(
    table: Mapping[_Class, _Cues], text: str
) -> tuple[defaultdict[_Class, float], defaultdict[_Class, list[str]]]:
    """Return each class's sum, and what was found for it; a cue counts once."""
    scores: defaultdict[_Class, float] = defaultdict(float)
    cues: defaultdict[_Class, list[str]] = defaultdict(list)
    for to, weighed in table.items():
        for weight, pattern in weighed:
            if found := pattern.search(text[:_READ_CHARS]):
                scores[to] += weight
                cues[to].append(found[0].strip())
    return scores, cues
