"""How the keeping of a rule can be found out, where its wording is plain enough for that.

A rule with an exception, a condition or a part that nobody gave a folder has no check: none is
better than one that blames the wrong line. Where a wording names no language, code is meant to be
Python, if the thing named exists there. No check runs a command: words don't start programs.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Callable, Iterator
from typing import Final

from agents.capture.check_words import (
    IMPORTED,
    INSTALLS,
    LANGUAGE_OF_LIBRARY,
    OF_SCRIPTS,
    PLAIN,
    Plain,
)
from agents.capture.scope import SUFFIXES, Place, language_of
from agents.capture.wording import active
from memory.records import Check

_DOUBTFUL: Final = re.compile(
    r"(?<!bare )(?<!broad )(?<!naked )(?<!`)\bexcept\b(?!:)|"
    r"\b(?:unless|only|if|when(?:ever)?|where|until|without|other\s+than|apart|outside|"
    r"(?<!at )most(?:ly)?|usually|preferably|try\s+to|through|via|may|more\s+than|too\s+many)\b",
    re.IGNORECASE,
)
_ELSEWHERE: Final = frozenset({"commits", "branches", "reviews", "replies", "tests", "docs"})
_NEVER: Final = r"\b(?:never|not|don'?t|dont|avoid|stop|no)\s+(?:(?:ever|again|more|any)\s+)*"
_NAME: Final = r"`?([A-Za-z_][\w.]*)"
_END: Final = r"(?=[\s.,;:!)]|$)"
_INSTEAD: Final = r"(?:instead\s+of|rather\s+than|over|(?:and\s+|,\s*)*(?:not|never))"
_CALL: Final = re.compile(
    rf"{_NEVER}(call(?:ing)?|us(?:e|ing)|writ(?:e|ing)|leave|add)?\s*(?:the\s+|any\s+)?{_NAME}"
    rf"(\(\))?`?(\s+(?:calls?|statements?))?{_END}",
    re.IGNORECASE,
)
_SWAP: Final = re.compile(
    rf"\b(?:use|prefer|with)\s+`?([\w.]+)(?:\(\))?`?[\w ]{{0,25}}?,?\s+{_INSTEAD}\s+"
    rf"(?:use\s+|with\s+)?{_NAME}(\(\))?`?{_END}",
    re.IGNORECASE,
)
_NEVER_IMPORT: Final = re.compile(
    rf"{_NEVER}import(?:ing|s)?\s+(?:of\s+|from\s+)?{_NAME}`?{_END}", re.IGNORECASE
)
_ERROR: Final = r"(?:an?\s+|bare\s+|plain\s+)*`?((?:[A-Z]\w*)?(?:Error|Exception))\b"
_RAISE: Final = re.compile(
    rf"\b[Rr]aise\b.*?\b{_INSTEAD}\s+{_ERROR}|\b(?i:never|not|don'?t)\s+raise\s+{_ERROR}"
)
_LINES: Final = re.compile(
    r"\b(?:lines|line\s+(?:length|limit|width)|wrap\s+at)\b[^.;]{0,40}?\b(\d{2,3})\b|"
    r"\b(\d{2,3})[\s-]+(?:columns|characters|chars)\b[^.;]{0,20}\blines?\b",
    re.IGNORECASE,
)
_NOT_LENGTH: Final = re.compile(
    r"\b(?:functions?|files?|modules?|class\w*|methods?|diffs?|tests?|coverage)\b", re.IGNORECASE
)

_ONLY_CALLED: Final = frozenset({"print", "eval", "exec", "breakpoint", "globals", "setattr"})


def check_of(text: str, place: Place) -> Check | None:
    """Return how to find out whether a change keeps the rule ``text``, which holds at ``place``.

    The check is valid for ``tools.rule_checks``, and None where the wording leaves doubt.
    """
    text = active(text)
    if _DOUBTFUL.search(text) or place.part or place.role in _ELSEWHERE:
        return None
    return next(filter(None, (make(text, place) for make in _MAKERS)), None)


def _plain(text: str, place: Place) -> Check | None:
    for plain in PLAIN:
        if plain.words.search(text):
            return _made(place, plain)
    return None


def _long_lines(text: str, place: Place) -> Check | None:
    found = _LINES.search(text)
    if found is None or _NOT_LENGTH.search(text):
        return None
    columns = int(found.group(1) or found.group(2))
    return _made(place, Plain(regex=rf"^.{{{columns + 1}}}")) if columns >= 40 else None


def _raised(text: str, place: Place) -> Check | None:
    found = _RAISE.search(text)
    if found is None:
        return None
    name = found.group(1) or found.group(2)
    query = (
        f'[((raise_statement (call function: (identifier) @e)) (#eq? @e "{name}"))'
        f' ((raise_statement (identifier) @e) (#eq? @e "{name}"))]'
    )
    return _made(place, Plain(query=query))


def _unwanted(text: str, place: Place) -> Check | None:
    """Return the check for a name that shall not be called or imported, or a tool not be used."""
    if found := _NEVER_IMPORT.search(text):
        return _not_imported(found.group(1), place, sure=True)
    for name, wanted, called in _named(text):
        lower = name.lower()
        if lower in INSTALLS and wanted:
            return _made(place, Plain(regex=INSTALLS[lower], language=""))
        known = lower in LANGUAGE_OF_LIBRARY and (_is_library(wanted) if wanted else not called)
        if known or (_is_module(name) and "." in name):
            return _not_imported(name, place, sure=known)
        if check := _not_called(name, place, sure=called):
            return check
    return None


def _named(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield what is refused, what is wanted instead of it, and whether it is plainly a call."""
    if found := _SWAP.search(text):
        yield found.group(2).rstrip("."), found.group(1), bool(found.group(3))
    elif found := _CALL.search(text):
        verb = (found.group(1) or "").lower()
        called = bool(found.group(3) or found.group(4)) or verb.startswith("call")
        yield found.group(2).rstrip("."), "", called


def _not_called(name: str, place: Place, *, sure: bool) -> Check | None:
    language = place.language
    if name in OF_SCRIPTS and language in {"", "javascript", "typescript"}:
        regex = rf"(?<![\w.]){re.escape(name)}\s*\("
        return _made(place, Plain(regex=regex, language="scripts"))
    dotted = "." in name and name.partition(".")[0] in sys.stdlib_module_names
    built_in = callable(getattr(builtins, name, None)) and (sure or name in _ONLY_CALLED)
    if language not in {"", "python"} or not (dotted or built_in or (sure and language)):
        return None
    kind = "attribute" if "." in name else "identifier"
    query = f'((call function: ({kind}) @f) (#eq? @f "{name}"))'
    return _made(place, Plain(query=query))


def _not_imported(name: str, place: Place, *, sure: bool) -> Check | None:
    name = name.rstrip(".")
    language = place.language or LANGUAGE_OF_LIBRARY.get(name.lower(), "")
    if not language and name.partition(".")[0] in sys.stdlib_module_names:
        language = "python"
    if language == "python":
        if "." in name and not sure and not _is_module(name):
            return None
        return _made(place, Plain(query=IMPORTED.replace("NAME", name.replace(".", "[.]"))))
    if language in {"javascript", "typescript"} and "." not in name:
        regex = rf"(?:\bfrom|\bimport|\brequire\()\s*['\"]{re.escape(name)}['\"/]"
        return _made(place, Plain(regex=regex, language=language))
    return None


def _is_library(name: str) -> bool:
    return name.lower() in LANGUAGE_OF_LIBRARY or _is_module(name)


def _is_module(name: str) -> bool:
    return name in {"os.path", "xml.etree"} or name in sys.stdlib_module_names


_MAKERS: Final[tuple[Callable[[str, Place], Check | None], ...]] = (
    _plain, _long_lines, _raised, _unwanted,
)  # fmt: skip


def _made(place: Place, plain: Plain) -> Check | None:
    """Return the check, about the files of its language at ``place``; None when they don't fit."""
    language = place.language or plain.language
    if plain.only and language not in plain.only:
        return None
    if plain.query and not plain.only and language != "python":
        return None
    suffix = "[jt]s*" if language == "scripts" else SUFFIXES.get(language, "")
    scope = re.sub(r"([*?\[\]!#\\])", r"\\\1", place.scope)
    if at_hand := language_of(place.scope):
        if language and language not in {at_hand, "scripts"}:
            return None
        paths = f"/{scope}"
    else:
        paths = "/".join(filter(None, (scope, "**", f"*.{suffix}" if suffix else "")))
    return Check(query=plain.query, regex=plain.regex, must=plain.must, paths=paths)
