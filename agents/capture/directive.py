"""Whether a sentence says by itself what to do: it directs, and names what it is about.

A fragment ("for a csv"), a report of what happens ("it answers twice") and what points elsewhere
("do that from now on") would be recalled without what gave them sense, so they are no rules.
"""

from __future__ import annotations

import re
from typing import Final

from agents.capture.cues import TURN
from agents.capture.meaning import points_elsewhere, stems
from agents.capture.wording import COMMANDS, unled

_VERBS: Final = (
    r"(?:abbreviate|adapt|add|adjust|align|allow|annotate|answer|append|ask|assert|assume|batch|"
    r"begin|bind|break|build|bump|bundle|cache|catch|change|cite|clean|close|collect|combine|commit|"
    r"compare|compile|compute|configure|convert|copy|count|create|cut|debounce|decide|declare|define|"
    r"delete|deploy|describe|destroy|disable|display|document|draw|duplicate|edit|enable|encode|"
    r"escape|exclude|execute|explain|export|expose|extend|extract|fetch|filter|find|force|format|"
    r"freeze|generate|give|group|guess|handle|hard-?code|hide|implement|indent|inherit|inject|inline|"
    r"insert|install|introduce|invent|invoke|join|let|limit|list|load|lock|look|lower|mark|match|measure|"
    r"mention|merge|mix|mock|modify|mutate|name|offer|omit|open|order|pass|patch|pin|place|post|"
    r"prefix|print|push|query|quote|refactor|refer|reformat|reload|rename|render|repeat|reply|report|"
    r"require|reset|resize|respect|respond|restart|retry|reuse|rewrite|round|sanitize|save|say|see|speak|"
    r"select|send|separate|serve|share|shorten|show|sign|sort|specify|split|squash|state|stick|style|"
    r"suggest|support|swallow|sync|talk|tell|test|think|throw|touch|translate|trust|type|update|"
    r"upload|validate|verify|wait|wrap)\b(?!\s+(?:is|are|was|were|has|still)\b)"
)
_COMMANDS: Final = re.compile(
    rf"^(?:(?:please|first|then|rather|just|also|either)\s+)*(?:{_VERBS}|{COMMANDS.pattern[1:]}|"
    r"(?:do\s+not|don'?t|dont|never|always|no|only|max|min|not\s+one|hands\s+off)\s+\w)",
    re.IGNORECASE,
)
_OUGHT: Final = re.compile(
    r"\b(?:should(?:n'?t)?|must(?:n'?t)?|ought\s+to|has\s+to|have\s+to|needs?\s+to|needs?\s+an?|"
    r"may\s+(?:not|only|never|be)|(?:is|are)\s+(?:(?:not|never|always|only)\s+)?(?:allowed|banned|"
    r"required|mandatory|the\s+(?:maximum|minimum|limit|default))|forbidden|not\s+allowed|off\s+limits|"
    r"(?:limit|maximum|minimum|default|rule|convention|standard)\s+is|at\s+(?:most|least)|can\s+always|"
    r"(?:belongs?|goes|go|lives?|comes?)\s+(?:only\s+)?(?:in|into|to|under|through|next|via|at))\b"
    r"(?!'?ve|\s+have\s+(?!to\b))",
    re.IGNORECASE,
)
_CUSTOM: Final = re.compile(
    r"\b(?:we|our)\b(?![^.;]{0,30}?\b(?:can'?t|cannot|would|will|did|had|lose|already\s+have)\b)"
    r"[^.;]{0,30}?\b(?:use|uses|do\s?n[o']t|do\s+not|never|always|only|write|keep|call|name|put|store|"
    r"prefer|follow|log|test|track|deploy|support|allow|switched|moved|agreed|live|work|start|target|"
    r"address|run)\b|^we\s+" + _VERBS + r"|\bour\b[^.;]{0,30}?\b(?:are|is|has|have|go|goes)\b|"
    r"\b(?:in|across)\s+(?:this|our|the\s+whole)\s+(?:company|project|team|repo\w*|code\s?base|house)\b|"
    r"\b(?:in|for)\s+all\s+our\b|(?:^|[,:]\s*|\s)always\b\W*(?:$|,)|\bonly\s+(?:in|from|for|via|through|with|"
    r"when|after)\b|\bnever\s+(?:longer|more|less|shorter)\b|^\S+,?\s+not\s+\S+$|\bby\s+default\b|\bin\s+general\b|\bwithout\s+exception|\bnobody\s+(?:may|can|must|changes)\b|"
    r"\bi(?:'d)?\s+(?:(?:would\s+)?(?:want|like|prefer)|do\s?n['o]t\s+(?:want|like|need)|always|never)\b|"
    r"\b(?:immer|nie(?:mals)?|siempre|nunca|toujours|jamais)\b",
    re.IGNORECASE,
)
_GENERIC: Final = re.compile(
    r"^(?:(?:all|any|every|each|both)\s+(?!times?\b|single\b|the\b)\w|"
    r"nothing\s+(?:that|may|in|goes)\b|"
    r"(?!the\b|an?\b|these\b|those\b|my\b|your\b|some\b)(?:[\w-]+\s+){0,4}?[\w-]*[^\Ws]s\s+"
    r"(?:are\s+|do\s+)?(?:always|never|only)\s)",
    re.IGNORECASE,
)
# "max line length is 88", "one class per file", "single quotes only", "constants are UPPER_CASE"
_MEASURE: Final = re.compile(
    r"^(?:the\s+)?(?:(?:max|min)(?:imum|imal)?\b[^,;?!]{3,40}?|"
    r"[\w -]{3,30}?\b(?:limit|max(?:imum)?|minimum))\s*(?:is|are|:|=|of|to)?\s*\d+[\w ]*\W*$|"
    r"^(?:one|a\s+single)\s+[\w-]+\s+per\s+[\w-]+\W*$|"
    r"^(?!not\b|i\b|it\b)[\w-]+(?:\s+[\w-]+){0,3}\s+(?:only|everywhere|throughout)\W*$|"
    r"^(?!the\b|an?\b|these\b|those\b|my\b|your\b|some\b)(?:[\w-]+\s+){0,3}[\w-]*[^\Ws]s\s+"
    r"(?:start\s+with|end\s+(?:with|in)|begin\s+with|inherit\s+from|use|"
    r"(?:go|live|belong)\s+(?:in|into|to|under|next)|"
    r"are\s+(?:in\s+|all\s+)?"
    r"(?:(?:upper|lower|snake|camel|pascal|kebab)[_ -]?case\b|singular|plural))",
    re.IGNORECASE,
)
_HAPPENED: Final = re.compile(
    r"\b(?:now|again|still|suddenly|yet|already|was|were|became|did|didn'?t|got|been|had|wrong|broken|"
    r"missing|lost|fails?|failed|crash\w*|twice|gone|no\s+sense)\b",
    re.IGNORECASE,
)
_TELLS: Final = re.compile(
    r"^(?:(?:and|but|so|now|great|ffs|well)\s+)*(?:"
    r"i\s+(?!want|need|prefer|like|would|always|never|don'?t\s+(?:want|like|need))\w+|i'(?!d)\w+|"
    r"you\s+(?!should|must|may|can|have\s+to|need\s+to|answer|do\s?n['o]t\s+(?:have|need)\s+to)\w+|"
    r"you'\w+|he|she|they|it|its|it's|that'?s?|those|these|this(?=\s+(?:is|was|goes|should|must|has|can|"
    r"will|needs?|one))|there'?s?|here'?s?|same|true|what'?s?|why|how|who|which|where|should|must|"
    r"not(?!\s+one)|needs?|has|since|because|throws|fails|stops|"
    r"crashes|prints|returns|shows|says|waits|reads|sounds|looks|line\s+\d+)\b",
    re.IGNORECASE,
)
_FRAGMENT: Final = re.compile(
    r"^(?:for|in|on|at|with|of|as|to|from|under|yes|whenever|if|when|before|after|while|"
    r"because|since|unless|until|without|and|or|like|ever|except|down|really|exactly)\b|^no\s+exceptions?\W*\w*\W*$",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(
    r"[,:;]\s*|(?<!\byou)(?<!\bi)\s(?=(?:always|never|don'?t|do\s+not|we)\s)", re.I
)
_VERB: Final = re.compile(
    r"(?<!\byou )(?<!\bwe )(?<!\bi )(?<!\bto )(?<!\bthe )(?<!\ba )"
    rf"\b(?:{_VERBS}|{COMMANDS.pattern[1:]})",
    re.I,
)
_HEADED: Final = re.compile(
    r"^(?![^:]*\b(?:each|every|all)\b)[^:]{0,40}\b(?:rules?|guideline|lesson|conventions?|facts?|notes?|mind|later|policy)\b[^:]{0,30}:\s+",
    re.IGNORECASE,
)
# "use that convention": which one was said elsewhere.
_THOSE: Final = re.compile(
    r"^(?:(?:never|always|do\s+not|don'?t)\s+)?(?!check|ensure|note|assume|say|see|verify|mean|think|know|make)"
    r"\w+\s+(?:that|these|those)\s+(?!is\b|are\b)\w+",
    re.IGNORECASE,
)
# "retry button does nothing": a noun that is also a verb.
_REPORT: Final = re.compile(
    r"^(?!no\b|only\b|never\b|always\b)[^\s,;:]+(?:\s+(?!that\b|what\b|which\b|who\b|how\b|if\b|when\b|"
    r"where\b|it\b|things\b|who\w*\b|before\b|until\b|because\b)[^\s,;:]+){0,4}\s+(?:does|says|gives|shows|"
    r"reports|violates|returns|throws|works|gets|takes|still|is|are|was|were|has)\b|"
    r"^no\s+(?:errors?|output|messages?|warnings?|response|change|changes|difference|idea|luck|effect|discount)"
    r"(?:\W*$|\s+(?:in|on|at|either|yet|so)\b)|^\w+:\s*\*",
    re.IGNORECASE,
)
_STATES: Final = re.compile(r"\b(?:is|are|was|were|i)\b", re.IGNORECASE)
_OPEN: Final = re.compile(r"\b(?:which|what|why|where|how)\W*$", re.IGNORECASE)
_POLITE: Final = re.compile(r"\W*(?:(?:and|but|so|ok)\s+)?(?:can|could)\s+(?:you|we)\b", re.I)
_VAGUE: Final = stems(
    "something anything everything nothing whatever else somewhere sorry ever again"
)


def stands_alone(sentence: str) -> bool:
    """Say whether ``sentence`` directs and can be understood by itself."""
    said = unheaded(sentence)
    text = unled(" ".join(said.split()))
    about = len(stems(text) - _VAGUE)
    asked = sentence.rstrip().endswith("?") and not _POLITE.match(sentence)
    if (
        not about
        or " " not in text
        or asked
        or _TELLS.match(text)
        or points_elsewhere(text)
        or _OPEN.search(text)
    ):
        return False
    if _FRAGMENT.match(text):
        return about > 1 and _has_main(text)
    if _MEASURE.match(text) and not _HAPPENED.search(text) and not _THOSE.match(text):
        return True
    if _COMMANDS.match(text):
        return not _REPORT.match(text) and not _THOSE.match(text)
    if said != sentence or TURN["from_now"].search(sentence) or TURN["remember"].search(sentence):
        return about > 1 and not _HAPPENED.search(text)
    if _OUGHT.search(text) or _CUSTOM.search(text):
        return about > 1 or text.lower().startswith("we ")
    return about > 1 and bool(_GENERIC.match(text)) and not _HAPPENED.search(text)


def unheaded(sentence: str) -> str:
    """Return ``sentence`` without a heading in front of it, such as "API rule:"."""
    return _HEADED.sub("", sentence, count=1)


def _has_main(text: str) -> bool:
    """Say whether something in ``text`` after its beginning directs."""
    start, *rest = _CLAUSE.split(text)
    if any(sign.search(one) for one in rest for sign in (_COMMANDS, _OUGHT, _CUSTOM, _GENERIC)):
        return True
    begun = len(" ".join(start.split(" ")[:2]))
    return bool(_VERB.search(start, begun)) and not _STATES.search(start)
