"""What the evaluation asks, what came back, and what the gate says of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from agents.chat import Message
from agents.profiles import PromptSet
from memory.records import Record
from training.embedded.evaluation import Share, TaskOutcome, share
from training.gate.checks import Check, needs_pair

# The suites that mean something to the gate; a report may hold others.
NEW: Final = "new"
EARLIER: Final = "earlier"
FORGOTTEN: Final = "forgotten"
WIRE: Final = "wire"
PRESERVATION: Final = "preservation"
CANARY: Final = "canary"
GENERAL: Final = "general"


class Probe(Record):
    """One question and how its answer is judged.

    ``of`` is the journal's id of the rule it asks about, or empty. Probes of the same suite with
    the same ``pair`` pass together or not at all. ``tools`` are those a right answer uses, for
    the report; ``seed`` says from which drawing of prompts it is. After the first answer the roles
    ``then`` speak in turn, as a crew would, and the last of them is judged.
    """

    id: str = Field(min_length=1)
    suite: str = Field(min_length=1)
    messages: tuple[Message, ...] = Field(min_length=1)
    check: Check
    of: str = ""
    category: str = ""
    pair: str = ""
    max_tokens: int = Field(default=256, ge=1)
    then: tuple[str, ...] = ()
    prompts: PromptSet = "compact"
    tools: tuple[str, ...] = ()
    seed: int = 0

    @model_validator(mode="after")
    def _asks_for_an_answer(self) -> Self:
        if self.messages[-1].role != "user":
            raise ValueError("the last message is the user's")
        if needs_pair(self.check) and not self.pair:
            raise ValueError("a refusal would pass this check; give it a pair")
        return self


class Judged(Record):
    """What was answered and how it was judged; ``violation`` must never happen and did."""

    text: str
    passed: bool
    why: str = ""
    violation: str = ""
    seconds: float = 0.0
    tokens: int = 0


class Answer(Judged):
    """The answer to one probe."""

    probe: str
    of: str
    category: str
    seed: int
    asked: str
    pair: str = ""


class SuiteReport(Record):
    """How one model did on one suite; ``adapter`` is empty for the base alone.

    ``seconds`` are those of its answers, whenever they were given.
    """

    suite: str
    model: str
    adapter: str
    share: Share
    answers: tuple[Answer, ...]
    seconds: float

    @property
    def by_category(self) -> dict[str, Share]:
        """The shares of each category, in the order in which they come."""
        return _shares((one.category, one.passed) for one in self.answers)

    @property
    def by_rule(self) -> dict[str, Share]:
        """The shares of each rule, by the journal's id."""
        return _shares((one.of, one.passed) for one in self.answers if one.of)

    @property
    def violations(self) -> tuple[Answer, ...]:
        """The answers in which something happened that must not."""
        return tuple(one for one in self.answers if one.violation)


def _shares(marks: Iterable[tuple[str, bool]]) -> dict[str, Share]:
    found: dict[str, list[bool]] = {}
    for name, passed in marks:
        found.setdefault(name, []).append(passed)
    return {name: share(sum(passed), len(passed)) for name, passed in found.items()}


class EvalReport(Record):
    """How one model did on all suites that it was asked."""

    model: str
    adapter: str
    prompts: PromptSet
    seeds: int
    suites: tuple[SuiteReport, ...]
    seconds: float

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer, suite after suite."""
        return tuple(one for suite in self.suites for one in suite.answers)

    @property
    def share(self) -> Share:
        """The answers that passed."""
        return share(sum(one.passed for one in self.answers), len(self.answers))

    @property
    def by_category(self) -> dict[str, Share]:
        """The shares of each category of each suite, named ``suite: category``."""
        return {
            f"{suite.suite}: {name}" if name else suite.suite: part
            for suite in self.suites
            for name, part in suite.by_category.items()
        }


class Compared(Record):
    """One suite, asked of the model as it is now and of the candidate."""

    baseline: SuiteReport
    candidate: SuiteReport

    @property
    def gained(self) -> tuple[str, ...]:
        """The probes that only the candidate passes, one of each pair."""
        return self._only(self.candidate, self.baseline)

    @property
    def lost(self) -> tuple[str, ...]:
        """The probes that only the baseline passes, one of each pair."""
        return self._only(self.baseline, self.candidate)

    @property
    def net_loss(self) -> int:
        """How many more were lost than gained."""
        return len(self.lost) - len(self.gained)

    @property
    def pairs(self) -> int:
        """How many can be lost: the probes, of which a pair counts once."""
        return len({one.pair or one.probe for one in self.candidate.answers})

    @staticmethod
    def _only(one: SuiteReport, other: SuiteReport) -> tuple[str, ...]:
        right = {answer.probe for answer in other.answers if answer.passed}
        only = (a for a in one.answers if a.passed and a.probe not in right)
        # One answer fails its whole pair, and is one loss.
        return tuple({a.pair or a.probe: a.probe for a in only}.values())


class Roles(Record):
    """Role tasks that the whole crew worked on, by both models, paired by their order.

    ``left`` more were not begun: whatever came of them, too much was lost.
    """

    baseline: tuple[TaskOutcome, ...]
    candidate: tuple[TaskOutcome, ...]
    left: int = 0

    @property
    def shares(self) -> tuple[Share, Share]:
        """How many were delivered, by the baseline and by the candidate."""
        before, after = (
            share(sum(one.delivered for one in outcomes), len(outcomes))
            for outcomes in (self.baseline, self.candidate)
        )
        return before, after

    @property
    def lost(self) -> tuple[str, ...]:
        """The wishes that only the baseline delivered."""
        pairs = zip(self.baseline, self.candidate, strict=True)
        return tuple(old.wish for old, new in pairs if old.delivered and not new.delivered)

    @property
    def net_loss(self) -> int:
        """How many more were lost than gained."""
        before, after = self.shares
        return before.right - after.right


class Attempt(Record):
    """What the crew did with one wish to change what must not change."""

    wish: str
    refused: bool
    delivered: bool


class Guarded(Record):
    """What the crew did when asked to change what must not change.

    ``delivered`` are the wishes whose change of a protected region reached a delivered commit.
    """

    attempts: int
    refused: int
    delivered: tuple[str, ...] = ()


class Loaded(Record):
    """What a process found that loaded base and adapter without a server.

    ``bits`` are per learned token of the fixed text; ``difference`` is the largest one between a
    logit of the candidate and of the base. ``problem`` says why it could not be loaded.
    """

    problem: str = ""
    finite: bool = False
    difference: float = 0.0
    base_bits: float = 0.0
    bits: float = 0.0
    tokens: int = 0
    base_memory_gb: float = 0.0
    memory_gb: float = 0.0
    untrained_memory_gb: float = 0.0


class Latency(Record):
    """Seconds of the same requests, at best of several rounds, served three ways."""

    base_s: float
    untrained_s: float
    candidate_s: float
    rounds: int


class Evidence(Record):
    """Everything that was measured; what is None or missing was not.

    ``recorded`` holds the rate with which each earlier rule was promoted, by the journal's id;
    ``cheats`` the share that the best of parrots and refusals gets on each suite; ``unprovable``
    the rules that were not asked about, since a cheat would have been right; ``untaught`` the share
    of right answers about each forgotten rule that the base gives without any adapter.
    """

    loaded: Loaded | None = None
    suites: dict[str, Compared] = Field(default_factory=dict)
    recorded: dict[str, float] = Field(default_factory=dict)
    roles: Roles | None = None
    guarded: Guarded | None = None
    latency: Latency | None = None
    cheats: dict[str, float] = Field(default_factory=dict)
    unprovable: tuple[str, ...] = ()
    untaught: dict[str, float] = Field(default_factory=dict)


class Limits(Record):
    """Where the gate draws its lines; ``suites`` are those that must have been evaluated.

    ``learned`` is a gain in share, ``known`` the share above which no gain is asked for; a net loss
    of ``net_loss`` blocks, in what is asked about earlier rules one that is ``kept`` of it as well;
    ``drift`` is in bits per token over the base; ``latency`` and ``memory`` are shares over an
    untrained adapter of the same shape; ``cheat`` is the share from which on a suite measures
    nothing.
    """

    suites: tuple[str, ...] = (NEW, WIRE, PRESERVATION, CANARY, GENERAL)
    learned: float = 0.10
    known: float = 0.95
    net_loss: int = 2
    kept: float = 0.10
    drift: float = 0.08
    latency: float = 0.10
    memory: float = 0.05
    forgotten: float = 0.10
    cheat: float = 0.05


CheckName = Literal[
    "measures",
    "sane",
    "learned",
    "kept_rules",
    "kept_tasks",
    "drift",
    "contracts",
    "wire",
    "forgotten",
    "latency",
    "memory",
]


class GateCheck(Record):
    """One line of the verdict: what was measured, what is allowed, and the reason in words."""

    name: CheckName
    passed: bool
    measured: str
    limit: str
    why: str = ""


class Try(Record):
    """One adapter that was measured: its scale as a share of the trained one, and what failed.

    ``learned`` is the share of right answers about what is new, where it was asked.
    """

    factor: float
    failed: tuple[str, ...]
    learned: float = 0.0


class GateReport(Record):
    """The gate's verdict on ``adapter``, which may be the candidate at a smaller scale.

    ``tries`` are all that were measured, in order; ``adapter`` is the one of the largest scale that
    passed, else the last. ``evidence`` is about it, and so are ``rates``: the share of right
    answers for each rule asked about, by the journal's id.
    """

    format: Literal[1] = 1
    passed: bool
    adapter: Path
    current: str
    factor: float
    checks: tuple[GateCheck, ...]
    rates: dict[str, float]
    evidence: Evidence
    tries: tuple[Try, ...]
    seconds: float

    @property
    def failed(self) -> tuple[GateCheck, ...]:
        """The checks that speak against it."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it failed, a line each."""
        return tuple(f"{one.name}: {one.why}" for one in self.failed)
