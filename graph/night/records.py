"""What a night writes down, step by step, and what is told of it in the morning."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from graph.night.policy import Decision
from memory.records import Record

Outcome = Literal["promoted", "kept", "nothing"]

STAGES: Final = (
    "collect",
    "resolve",
    "decide",
    "examples",
    "scrub",
    "mix",
    "dataset",
    "train",
    "evaluate",
    "gate",
    "promote",
    "settle",
    "report",
)
"""The nodes of the night's graph, in their order."""


class NightState(TypedDict, total=False):
    """What the graph's checkpoints hold: all else lies in the night's folder.

    ``outcome`` is set by the node that ends the work early, or by the promotion.
    """

    night: str
    asked: bool
    outcome: Outcome


class Begun(Record):
    """A night that has begun, and why: what made it due, or that the user ``asked`` for it.

    One that trains the adapter of a ``context`` belongs to the night ``of``, whose adapter is for
    everywhere.
    """

    night: str
    at: AwareDatetime
    asked: bool = False
    why: str = ""
    context: str = ""
    of: str = ""


class LeftOut(Record):
    """Something that is not trained; ``id`` is the journal's. Its words stay in the journal.

    ``why`` may quote the item ``by``, which it yields to or contradicts.
    """

    id: str
    why: str
    by: str = ""


class Collected(Record):
    """What may be trained at the journal's position ``journal``, and what may not.

    ``rolled_back`` says why the adapter that was served is not any more, if that is so.
    """

    journal: int
    eligible: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    rolled_back: str = ""


class Replaced(LeftOut):
    """An item that yields to the one with the id ``by``."""

    by: str


class Resolved(Record):
    """What is left when no two contradict each other; ``replaced`` yielded to others tonight."""

    items: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()
    replaced: tuple[Replaced, ...] = ()


class Chosen(Record):
    """What is trained tonight, and why at all.

    ``earlier`` of ``items`` are in the adapter that is served; ``gone`` are in it and may no longer
    be trained, or were in the last night. ``contexts`` get adapters of their own afterwards;
    ``own`` of ``items`` hold in the night's context alone. The training goes on from the adapter
    ``start`` (empty: from the base), which was taught what is ``known``.
    """

    decision: Decision
    items: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    start: str = ""
    known: tuple[str, ...] = ()


class Removed(Record):
    """An example that was taken out again; ``of`` are ids of what it was made from."""

    id: str
    of: tuple[str, ...]
    why: str


class Removals(Record):
    """Everything that was taken out of the examples, and why."""

    removed: tuple[Removed, ...] = ()


class Ended(Record):
    """How the night came out; ``previous`` was served before it.

    ``scale`` is the share of the trained scale at which the adapter passed, ``advice`` what the
    user may do about a refusal. ``again``: something was in the way and nothing was judged, so that
    the same is worth another night.
    """

    outcome: Outcome
    why: str
    adapter: str = ""
    previous: str = ""
    scale: float = 1.0
    advice: str = ""
    again: bool = False


class Settled(Record):
    """What became of each item, by the journal's id."""

    proven: tuple[str, ...] = ()
    graduated: tuple[str, ...] = ()
    demoted: tuple[str, ...] = ()
    queued: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


class RuleLine(Record):
    """One item in the morning report; rates are shares of right answers, None if not asked.

    ``note`` may quote the item ``by``.
    """

    id: str
    text: str
    stage: str
    before: float | None = None
    after: float | None = None
    note: str = ""
    by: str = ""


class Pair(Record):
    """One question with the answer of the model as it was and of the new one."""

    of: str
    asked: str
    before: str
    after: str
    was_right: bool
    is_right: bool


class CheckLine(Record):
    """One line of the gate's verdict."""

    name: str
    passed: bool
    measured: str
    limit: str
    why: str = ""


class TryLine(Record):
    """A scale of the adapter that was measured: what it knew of what is new, and what failed."""

    factor: float
    learned: float
    failed: tuple[str, ...]


class Point(Record):
    """A loss after so many tokens."""

    tokens: float
    loss: float


class NightReport(Record):
    """Everything the morning report tells; a night that has one is over.

    ``start`` is the adapter that its training went on from; empty is the base.
    """

    format: Literal[1] = 1
    night: str
    context: str = ""
    started: AwareDatetime
    ended: AwareDatetime
    outcome: Outcome
    why: str
    advice: str = ""
    again: bool = False
    trigger: str = ""
    rolled_back: str = ""
    adapter: str = ""
    previous: str = ""
    base: str = ""
    start: str = ""
    model: str = ""
    scale: float = 1.0
    journal: int = 0
    items: tuple[str, ...] = ()
    learned: tuple[RuleLine, ...] = ()
    kept: tuple[RuleLine, ...] = ()
    left_out: tuple[RuleLine, ...] = ()
    forgotten: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    checks: tuple[CheckLine, ...] = ()
    tries: tuple[TryLine, ...] = ()
    loss: tuple[Point, ...] = ()
    held_out: tuple[Point, ...] = ()
    examples: dict[str, int] = Field(default_factory=dict)
    removed: dict[str, int] = Field(default_factory=dict)
    tokens_saved: int = 0
    tasks: tuple[float, float] | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    attempts: int = 1

    @property
    def recall(self) -> tuple[float, float] | None:
        """The mean rates of what was learned, before and after, where both were asked."""
        asked = [(one.before, one.after) for one in self.learned]
        both = [(b, a) for b, a in asked if b is not None and a is not None]
        if not both:
            return None
        return sum(b for b, _ in both) / len(both), sum(a for _, a in both) / len(both)

    @property
    def total_s(self) -> float:
        """All stages together."""
        return sum(self.seconds.values())
