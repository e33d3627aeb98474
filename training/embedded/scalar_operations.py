"""Operations on one text or one number."""

from __future__ import annotations

from typing import Final

from training.embedded.behaviour import NUMBER, TEXT, Behaviour, followed, wrapped

# Texts: code over {v}, canonical step, phrases of the step, type, python of the expected value.
_TEXT_STEPS: Final[dict[str, tuple[str, str, str, str]]] = {
    "upper": (
        "{v}.upper()",
        "in upper case",
        "[in upper case|in capital letters|converted to upper case|in capitals]",
        '"RED FOX"',
    ),
    "lower": (
        "{v}.lower()",
        "in lower case",
        "[in lower case|in small letters|converted to lower case]",
        '"red fox"',
    ),
    "title": (
        "{v}.title()",
        "in title case",
        "[in title case|with every word capitalized|converted to title case]",
        '"Red Fox"',
    ),
    "reverse": (
        "{v}[::-1]",
        "reversed",
        "[reversed|backwards|in reverse order|from back to front]",
        '"xof deR"',
    ),
    "strip": (
        "{v}.strip()",
        "stripped",
        "[stripped|without surrounding spaces|without outer white space|trimmed]",
        '"Red fox"',
    ),
    "repeat": (
        "{v} * {k}",
        "repeated {k} times",
        "[repeated {k} times|written {k} times in a row|copied {k} times|written {k} times]",
        '"Red fox" * {k}',
    ),
}
_TEXT_ENDS: Final[dict[str, tuple[str, str, tuple[str, ...], str, str]]] = {
    "length": (
        "len({v})",
        "length of {w}",
        ("[the length of|the number of characters in|the size of] {x}",),
        "int",
        "7",
    ),
    "words": (
        "len({v}.split())",
        "word count of {w}",
        ("[the number of words in|the word count of|how many words are in] {x}",),
        "int",
        "2",
    ),
    "initial": (
        "{v}[0]",
        "first character of {w}",
        ("[the first character|the first letter|the initial letter] of {x}",),
        "str",
        '"R"',
    ),
    "ending": (
        "{v}[-1]",
        "last character of {w}",
        ("[the last character|the last letter|the final letter] of {x}",),
        "str",
        '"x"',
    ),
    "split": (
        "{v}.split()",
        "words of {w}",
        ("[the words of|the list of words in|the separate words of] {x}",),
        "list[str]",
        '["Red", "fox"]',
    ),
}
_TEXT_NOUNS: Final = (
    "[the text|the string|{p}|the text {p}|the string {p}|the given text|the given string]",
)
_TEXT_SAMPLE: Final = '"Red fox"'


def _text_sample(inner: str) -> str:
    return '" Red fox "' if inner == "strip" else _TEXT_SAMPLE


def text_behaviours() -> list[Behaviour]:
    """Return every behaviour of texts."""
    made: list[Behaviour] = []
    for name, (code, canonical, phrase, result) in _TEXT_STEPS.items():
        made.append(
            Behaviour(
                TEXT, (name,), f"text {canonical}", followed(_TEXT_NOUNS, (" " + phrase,)),
                code.replace("{v}", "{p}"), "str", _text_sample(name), result, ("transform",),
            )
        )  # fmt: skip
    for name, (code, canonical, phrases, returns, result) in _TEXT_ENDS.items():
        made.append(
            Behaviour(
                TEXT, (name,), canonical.format(w="text"), wrapped(phrases, _TEXT_NOUNS),
                code.replace("{v}", "{p}"), returns, _TEXT_SAMPLE, result, ("measure",),
            )
        )  # fmt: skip
    return made


# Numbers: code over {v}, canonical step, phrase.
_NUMBER_STEPS: Final[dict[str, tuple[str, str, str]]] = {
    "mul": (
        "{v} * {c}",
        "times {c}",
        "[times {c}|multiplied by {c}|scaled by {c}]",
    ),
    "add": (
        "{v} + {c}",
        "plus {c}",
        "[plus {c}|increased by {c}|with {c} added]",
    ),
    "sub": (
        "{v} - {c}",
        "minus {c}",
        "[minus {c}|decreased by {c}|reduced by {c}|less {c}]",
    ),
    "rem": (
        "{v} % {c}",
        "modulo {c}",
        "[modulo {c}|taken modulo {c}|modulo the number {c}]",
    ),
    "floor": (
        "max({v}, {c})",
        "but at least {c}",
        "but [at least|not less than|no lower than] {c}",
    ),
    "cap": (
        "min({v}, {c})",
        "but at most {c}",
        "but [at most|not more than|no higher than] {c}",
    ),
}
_NUMBER_NOUNS: Final = (
    "[the number|the value|{p}|the number {p}|the value {p}|the given number|the given value]",
)
_NUMBER_SAMPLE: Final = "12"


def number_behaviours() -> list[Behaviour]:
    """Return every behaviour of numbers."""
    made: list[Behaviour] = []
    for name, (code, canonical, phrase) in _NUMBER_STEPS.items():
        step = code.replace("{c}", "{k}")
        made.append(
            Behaviour(
                NUMBER, (name,), f"number {canonical}".replace("{c}", "{k}"),
                followed(_NUMBER_NOUNS, (" " + phrase.replace("{c}", "{k}"),)),
                step.replace("{v}", "{p}"), "int", _NUMBER_SAMPLE,
                step.replace("{v}", _NUMBER_SAMPLE), ("compute",),
            )
        )  # fmt: skip
    return made
