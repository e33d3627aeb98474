"""Writes conversations as serving has them: its messages, its wire format, its tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

import prompts
from agents import talk
from agents.brief import Brief, BriefRule, render_brief
from agents.chat import Message
from agents.crew import ROLES
from agents.reply import Plan, Tags, render_plan, render_tags
from memory.records import Item, Level
from tools.wire import ToolCall, render_call
from training.dataset.reader import Turn

PromptSet = Literal["compact", "full"]


class Said(NamedTuple):
    """What a role answers when it is given the word; ``tests`` is how they stand then."""

    role: str
    answer: str
    tests: str = ""
    failures: tuple[str, ...] = ()
    preface: str = ""


class Written(NamedTuple):
    """A conversation and which of its messages are learned."""

    messages: tuple[Turn, ...]
    learn: tuple[int, ...]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Written:
        """Return ``messages`` with all answers learned."""
        learn = tuple(at for at, one in enumerate(messages) if one.role == "assistant")
        return cls(tuple(Turn(role=m.role, content=m.content) for m in messages), learn)


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes for one prompt set, ``compact`` or ``full``."""

    prompts: PromptSet

    def tags(
        self, *marks: str, rules: Sequence[BriefRule] = (), level: Level = Level.FLEXIBLE
    ) -> str:
        """Return the line that ends an answer: the rules it was given and follows, its markers."""
        return render_tags(
            Tags(
                prompt=prompts.PROMPT_IDS[self.prompts],
                rules=tuple(rule.id for rule in rules),
                level=level,
                marks=marks,
            )
        )

    def asked(
        self, question: str, answer: str, *marks: str, rules: Sequence[BriefRule] = ()
    ) -> Written:
        """Return the conversation of ``mcp-local-llm ask``."""
        answer = f"{answer}\n{self.tags(*marks, rules=rules)}"
        spoken = [talk.system(self.prompts), talk.question(self.prompts, question, rules)]
        return Written.of([*spoken, Message(role="assistant", content=answer)])

    def crew(self, brief: Brief, plan: Plan, tags: str, said: Sequence[Said] = ()) -> Written:
        """Return a run: the planner says ``plan``, then each of ``said`` answers; all are learned.

        ``tags`` ends every answer.
        """
        preface = render_brief(brief, self.prompts)
        turns = [Said("planner", render_plan(plan), preface=preface), *said]
        spoken = [talk.system(self.prompts)]
        for turn in turns:
            spoken += [
                talk.turn(
                    ROLES[turn.role],
                    self.prompts,
                    preface=turn.preface,
                    tests=turn.tests,
                    failures=turn.failures,
                    plan=None if turn.role == "planner" else plan,
                ),
                Message(role="assistant", content=f"{turn.answer}\n{tags}"),
            ]
        return Written.of(spoken)


def as_rule(item: Item) -> BriefRule:
    """Return ``item`` as the rule that a prompt shows when it was recalled."""
    return BriefRule(id="r1", text=item.text, kind=str(item.kind), item=item.id)


def placed(item: Item, path: str) -> str:
    """Return ``path`` where the rule ``item`` holds."""
    scope = PurePosixPath(item.scope)
    if not item.scope or scope.suffix == ".py":
        return item.scope or path
    return str(scope / PurePosixPath(path).name)


def call(name: str, body: str | None = None, /, **args: str) -> str:
    """Return a tool call as it stands on the wire."""
    return render_call(ToolCall(name=name, args=args, body=body))
