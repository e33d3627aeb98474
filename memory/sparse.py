"""Texts to weighed words, for code and prose alike.

An identifier counts as a whole and in its parts (``parseHTTPReply`` → parsehttpreply, parse, http,
reply), so that a query finds it however it is written; English endings are cut lightly. How rare a
word is, the index adds by itself. Not covered: scripts written without spaces, other languages'
endings.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from functools import lru_cache
from typing import Final

from memory.index import Sparse

_IDENTIFIER: Final = re.compile(r"\w+")
_ALPHANUMERIC: Final = re.compile(r"[^\W_]+")
_PART: Final = re.compile(r"[^\W\d_]+|\d+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MAX_WORD: Final = 64  # characters; what is longer is data, not a word
_SATURATION: Final = 1.2  # k1 and b of BM25 (Robertson and Zaragoza 2009), with a fixed average
_LENGTH_SHARE: Final = 0.75
_AVERAGE_WORDS: Final = 20  # measured on functions searched by docstrings; 100 finds 7 % fewer
_FUNCTION_WORDS: Final = frozenset(
    _IDENTIFIER.findall(
        "a an and any are as at be been but by can could do does for from had has have how if "
        "in into is it its may might no not of on one or other our so such than that the "
        "their them then there these they this those to was we were what when where which "
        "while who will with would you your"
    )
)
"""English words that questions are built with. In code they are rare, so that the index would take
them for telling."""


def words(text: str) -> list[str]:
    """Return the words of ``text`` in order, with repeats; none for a text without letters."""
    return [form for identifier in _identifiers(text) for form in _forms(identifier)]


def sparse(text: str) -> Sparse:
    """Return the weights of a text to be found: repeats saturate, long texts count less."""
    counts = Counter(map(_number, words(text)))
    length = 1 - _LENGTH_SHARE + _LENGTH_SHARE * counts.total() / _AVERAGE_WORDS
    return Sparse(
        tuple(counts),
        tuple(
            count * (_SATURATION + 1) / (count + _SATURATION * length) for count in counts.values()
        ),
    )


def sparse_query(text: str) -> Sparse:
    """Return the weights of a text to find others with: each word once.

    English function words are left out unless there is nothing else; in names they count.
    """
    found = (form for one in telling(_identifiers(text)) for form in _forms(one))
    numbers = tuple(dict.fromkeys(map(_number, found)))
    return Sparse(numbers, (1.0,) * len(numbers))


def telling(identifiers: list[str]) -> list[str]:
    """Return those that are no English function words, or all when there are only such."""
    return [one for one in identifiers if one.casefold() not in _FUNCTION_WORDS] or identifiers


def parts(identifier: str) -> list[str]:
    """Return what an identifier is put together of, as it is written; a word is its only part."""
    return [p for part in _PART.findall(identifier) for p in _HUMP.split(part)]


def joined_parts(text: str) -> str:
    """Return the parts of all names in ``text`` that are joined by their capitals alone."""
    names = (name for name in _ALPHANUMERIC.findall(text) if len(name) <= _MAX_WORD)
    return " ".join(part for name in names if _HUMP.search(name) for part in parts(name))


def _identifiers(text: str) -> list[str]:
    return _IDENTIFIER.findall(unicodedata.normalize("NFKC", text))


@lru_cache(maxsize=65_536)
def _forms(identifier: str) -> tuple[str, ...]:
    if len(identifier) > _MAX_WORD:
        return ()
    stems = tuple(_stem(part.casefold()) for part in parts(identifier))
    return stems if len(stems) < 2 else (identifier.casefold(), *stems)


def _stem(word: str) -> str:
    """Cut plural, -ing and -ed, so that ``parses``, ``parsing`` and ``parsed`` are one word."""
    if len(word) > 3 and word.endswith("s") and word[-2] not in "su":
        word = word[:-1]
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2 and re.search("[aeiouy]", stem):
            word = stem[:-1] if stem[-1] == stem[-2] and stem[-1] not in "lsz" else stem
            break
    if len(word) > 3:
        word = word.removesuffix("e")
        word = word[:-1] + "i" if word.endswith("y") else word
    return word


def _number(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "surrogatepass"))  # the same on every machine
