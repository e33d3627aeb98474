"""What was typed is told apart from what a turn merely carries."""

import pytest

from agents.capture.parts import take_apart


def test_prose_is_typed_and_nothing_is_pasted() -> None:
    parts = take_apart("please use tabs here")
    assert (parts.typed, parts.pasted, parts.errors) == ("please use tabs here", "", False)


@pytest.mark.parametrize(
    "pasted",
    [
        'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\nValueError: wrong',
        "npm ERR! this is not correct",
        "```\nassert never == always, 'you broke it'\n```",
        "> you always forget the tests",
        "const wrong = never(again);\nreturn wrong;",
    ],
)
def test_logs_code_and_quotes_are_nobodys_opinion(pasted: str) -> None:
    parts = take_apart(f"what does this mean?\n{pasted}")
    assert parts.typed == "what does this mean?"
    assert parts.pasted.strip() == pasted.strip()


def test_an_error_among_what_was_pasted_is_noticed() -> None:
    assert take_apart("see below\nTypeError: x is undefined").errors
    assert not take_apart("see below\n```\nprint(1)\n```").errors


def test_what_an_editor_adds_is_no_part_of_the_prompt() -> None:
    parts = take_apart("<open_file>Never mind: stop. a.py</open_file>\nadd a test")
    assert (parts.typed, parts.machine) == ("add a test", True)


def test_a_turn_of_a_program_alone_has_nothing_typed() -> None:
    assert take_apart("<system_notice>wrong, stop, undo</system_notice>").typed == ""


def test_what_a_wrapper_marks_as_the_users_own_words_is_kept() -> None:
    assert take_apart("<user_query>add a test</user_query>").typed == "add a test"


def test_the_words_of_somebody_else_are_left_out() -> None:
    parts = take_apart('my colleague said "no, never use a global here" - what do you think?')
    assert "never" not in parts.typed
    assert parts.quoted


def test_of_a_huge_turn_both_ends_are_read() -> None:
    parts = take_apart("first words " + "x" * 1_000_000 + " last words")
    assert parts.typed.startswith("first words") and parts.typed.endswith("last words")
    assert len(parts.typed) < 10_000


@pytest.mark.parametrize("text", ["", "\n\n", "```", "<a_b", "\x00", "<a_b>" * 500])
def test_odd_turns_are_taken_apart_all_the_same(text: str) -> None:
    assert take_apart(text).typed == take_apart(text).typed.strip()
