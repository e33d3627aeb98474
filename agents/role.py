"""What makes a role: what it is for, what it may do, what it owes, and its turn's prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import prompts
from agents.reply import Plan, render_plan
from agents.scopes import Scope
from tools.registry import describe


@dataclass(frozen=True, slots=True)
class Work:
    """What a role has to show: the run's plan, the plan it said itself, the files it changed.

    ``existing`` are the files that were there when its turn began.
    """

    plan: Plan | None
    said: Plan | None
    changed: frozenset[str]
    existing: frozenset[str]


Owed = Callable[[Work], str]  # -> what is missing, or ""


def owes_nothing(work: Work) -> str:
    """Let a role end without any change."""
    return ""


@dataclass(frozen=True, slots=True)
class Role:
    """One role of the crew, with its row of the table of scopes.

    ``duty`` says for people what ``owed`` enforces.
    ``answers_for_plan``: its replies are about the plan's files, whichever it changes itself.
    """

    name: str
    duty: str
    scope: Scope
    owed: Owed = owes_nothing
    answers_for_plan: bool = False

    def regions(self, plan: Plan | None, changed: Iterable[str]) -> tuple[str, ...]:
        """Return what a reply of this role is about: what it changed, else what is planned."""
        touched = tuple(changed)
        planned = plan.files if plan and (self.answers_for_plan or not touched) else ()
        return tuple(dict.fromkeys((*(tag.region for tag in planned), *touched)))

    def opening(
        self, profile: str, *, tests: str = "", failures: Sequence[str] = (), plan: Plan | None
    ) -> str:
        """Return the user message that gives this role its turn.

        ``tests`` is "", "red" or "green"; ``failures`` are short lines of what went wrong.
        """
        tools = describe(self.scope.tools, compact=False) if profile == "full" else ""
        return prompts.render(
            f"{profile}/{self.name}",
            role=self.name,
            tests=tests,
            failures=list(failures),
            tools=tools,
            plan=render_plan(plan) if plan else "",
        )
