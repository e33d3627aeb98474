"""What a model is sent: the one place where the messages of a request are put together.

Serving, evaluation and training call the same functions, so that their prompts are the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import prompts
from agents.brief import BriefRule
from agents.chat import Message
from agents.reply import Plan
from agents.role import Role


class Known(Protocol):
    """A piece of the project that goes with a question, and where it is from."""

    @property
    def text(self) -> str:
        """What it says."""
        ...

    @property
    def why(self) -> str:
        """Where it stands."""
        ...


def system(profile: str) -> Message:
    """Return the first message of every request of the prompt set ``profile``."""
    return Message(role="system", content=prompts.render(f"{profile}/system"))


def question(
    profile: str, text: str, rules: Sequence[BriefRule] = (), pieces: Sequence[Known] = ()
) -> Message:
    """Return the message that asks ``text``, with the rules and pieces that are known."""
    asked = prompts.render(f"{profile}/ask", question=text, rules=rules, pieces=pieces)
    return Message(role="user", content=asked)


def turn(
    role: Role,
    profile: str,
    *,
    preface: str = "",
    tests: str = "",
    failures: Sequence[str] = (),
    plan: Plan | None = None,
) -> Message:
    """Return the message that gives ``role`` the word; ``preface`` (the brief) goes before it."""
    opening = role.opening(profile, tests=tests, failures=failures, plan=plan)
    return Message(role="user", content=f"{preface}\n{opening}" if preface else opening)
