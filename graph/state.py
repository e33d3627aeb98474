"""The state of a run: what enters the checkpoint, and nothing else.

Every channel but the plain inputs is one frozen record, because records come back from a
checkpoint as they went in (tuples and dataclasses do not).
"""

from __future__ import annotations

from typing import Final, Literal

from typing_extensions import TypedDict  # Studio reads the schema: typing's own fails before 3.12

from agents.brief import Brief
from agents.chat import Message
from agents.loop import Exchange
from agents.reply import Plan, Repair
from memory.corrections import Correction
from memory.records import Compliance, ContextWindow, Record, ReplyTags

LIFT: Final = "lift"
"""The question whether a contract may be broken: no option answers it, only a person does."""

Review = Literal["plan", "patch"]
RunStatus = Literal["delivered", "failed", "refused", "rejected"]


class TreeState(Record):
    """The run's git worktree and its states: at the start, now, and when the tests last passed."""

    path: str
    base: str
    sha: str
    green: str = ""


class Talk(Record):
    """The one transcript all roles share; ``green`` is its length when the tests last passed."""

    messages: tuple[Message, ...] = ()
    green: int = 0


class TestState(Record):
    """What the tests say. ``known_failures`` failed before the run and may go on failing.

    ``verdict`` is about the last run of the tests; ``problem`` is what the next role should read.
    ``tried`` are the ids of the run's files that have been tested and brought it no further.
    ``sent_back``: they passed, but a rule with a checker was broken, and that is being mended.
    """

    __test__ = False  # not a test class, whatever its name says to pytest

    known_failures: tuple[str, ...] = ()
    baseline: str = ""
    written: int = 0
    implemented: int = 0
    verdict: Literal["", "red", "green", "unusable"] = ""
    problem: tuple[str, ...] = ()
    tried: tuple[str, ...] = ()
    sent_back: bool = False
    output: str = ""
    passed: int = 0
    failed: int = 0
    sandbox: str = ""


class Step(Record):
    """One turn of one role: what it cost, what it called, and both layers of its reply.

    ``repairs`` is what was wrong with its tags as the model wrote them, each kind once.
    """

    role: str
    attempt: int
    status: str
    duration_s: float
    started_s: float
    exchanges: tuple[Exchange, ...] = ()
    changed: tuple[str, ...] = ()
    window: ContextWindow
    tags: ReplyTags
    repairs: tuple[Repair, ...] = ()
    reverted: bool = False

    @property
    def repaired(self) -> bool:
        """Whether its tags were not valid as the model wrote them."""
        return bool(self.repairs)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of all requests of the turn."""
        return sum(e.prompt_tokens for e in self.exchanges)

    @property
    def cached_tokens(self) -> int:
        """The part of ``prompt_tokens`` that the server took from its KV cache."""
        return sum(e.cached_tokens for e in self.exchanges)

    @property
    def completion_tokens(self) -> int:
        """Tokens the model wrote."""
        return sum(e.completion_tokens for e in self.exchanges)

    @property
    def model_s(self) -> float:
        """Seconds spent in the model."""
        return sum(e.duration_s for e in self.exchanges)

    @property
    def calls(self) -> int:
        """How many tool calls got an answer."""
        return sum(len(e.results) for e in self.exchanges)

    @property
    def refusals(self) -> tuple[str, ...]:
        """What was refused, in the words the model read."""
        return tuple(f"{r.call}: {r.text}" for e in self.exchanges for r in e.results if not r.ok)


class Red(Record):
    """A change that the tests refused: the id of the run's files then, and what the tests said."""

    tree: str
    said: tuple[str, ...]


class Story(Record):
    """What has happened so far, for limits, the report and later learning.

    ``compliance`` is what the rules' checkers said of the last change that passed the tests;
    ``blocked`` are the ids of contracts that have refused a change of the present attempt.
    """

    steps: tuple[Step, ...] = ()
    compliance: tuple[Compliance, ...] = ()
    notes: tuple[str, ...] = ()
    corrections: tuple[Correction, ...] = ()
    blocked: tuple[str, ...] = ()
    reds: tuple[Red, ...] = ()
    elapsed_s: float = 0.0

    @property
    def tokens(self) -> int:
        """All tokens of the run, prompt and completion."""
        return sum(step.prompt_tokens + step.completion_tokens for step in self.steps)


class Outcome(Record):
    """How the run ended, and why.

    ``retried``: it did not end after all, as the user has lifted what stood in its way.
    ``relayed``: it was rejected, and the reason was worded by a model.
    """

    status: RunStatus
    reason: str
    branch: str = ""
    diff: str = ""
    retried: bool = False
    relayed: bool = False


class Decision(Record):
    """A user's answer to a review: ``text`` is the reason or the edited text.

    ``relayed``: a model has told it, and may have worded it.
    """

    decision: Literal["approve", "edit", "reject"]
    text: str = ""
    relayed: bool = False


class RunInput(TypedDict, total=False):
    """What starts a run. ``run_id`` is made up when it is missing (Studio)."""

    task: str
    workspace: str
    review: list[Review]
    run_id: str


class RunState(RunInput, total=False):
    """The state between nodes; a node returns the channels it changes."""

    tree: TreeState
    brief: Brief
    talk: Talk
    plan: Plan
    tests: TestState
    story: Story
    outcome: Outcome


def ended(state: RunState) -> Outcome | None:
    """Return how the run ended; None while it goes on."""
    outcome = state.get("outcome")
    return None if outcome is None or outcome.retried else outcome


RECORDS = (TreeState, Brief, Talk, Plan, TestState, Story, Outcome)
"""The types a checkpoint may hold: nothing else is ever loaded from one."""
