"""One of the two models that a gate compares: it is asked, and what it answers is kept."""

from __future__ import annotations

import asyncio
import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Final

import prompts
from agents.adapters.serving import known_base
from agents.home import state_home
from agents.profiles import ModelConfig, Profile, resolve_profile
from agents.serving import open_model
from mcp_local_llm import ModelUnavailable, UsageError, __version__
from tools.sandbox import CommandPolicy
from training.embedded.evaluation import (
    RunTask,
    TaskOutcome,
    evaluate_task,
    evaluation_tasks,
    together,
)
from training.embedded.tasks import DemoTask
from training.gate.asking import OnAnswer, ask, in_suites
from training.gate.guarded import attempt_protected, guarded_tasks
from training.gate.kept import Kept
from training.gate.latency import measure_latency
from training.gate.loading import LoadJob, drift_items, load_apart
from training.gate.records import Attempt, Guarded, Judged, Latency, Loaded, Probe, SuiteReport
from training.gate.shape import read_config, untrained
from training.lora.records import ADAPTER, ADAPTER_CONFIG

_AT_ONCE: Final = 2  # tasks of a crew: the model answers one while the tests of the other run

Crew = Callable[[Path | None], RunTask]
"""Returns the crew that works with the adapter in a folder, or with the base alone."""

OnTask = Callable[[int, int], None]
"""Is told how many role tasks are done, of how many."""


@dataclass(frozen=True)
class Subject:
    """What is gated: ``candidate`` against ``current`` (None: the base), and how it is served.

    Paths are absolute. ``crew`` runs the role tasks; ``policy`` says how answers are executed.
    Smaller scales of the candidate, or of what it changes of the adapter ``start`` that it went on
    from, are written below ``folder``. What ``kept`` holds is not
    measured again.
    """

    settings: ModelConfig
    current: Path | None
    candidate: Path
    folder: Path
    crew: Crew
    policy: CommandPolicy
    home: Path | None = None
    kept: Kept = field(default_factory=Kept)
    start: Path | None = None


@dataclass(frozen=True)
class Side:
    """A model with the adapter in a folder, or (None) without one. ``kept`` is about it alone."""

    subject: Subject
    profile: Profile
    model: Path
    adapter: Path | None
    kept: Kept

    async def answers(self, probes: Sequence[Probe], on_answer: OnAnswer) -> dict[str, SuiteReport]:
        """Return a report for each suite of ``probes``; only for new ones the model is served."""
        open_ones = [one for one in probes if self.kept.find(Judged, _question(one)) is None]
        if open_ones:
            settings = self.subject.settings.model_copy(update={"adapter_path": self.adapter})
            async with open_model(settings, home=self.subject.home) as model:
                for probe in open_ones:
                    judged = await ask(probe, model, self.subject.policy)
                    on_answer(probe, self.kept.keep(judged, _question(probe)))
        return in_suites(
            probes,
            [self.kept.needed(Judged, _question(one)) for one in probes],
            model=self.profile.model_id,
            adapter=self.adapter.name if self.adapter else "",
        )

    async def role_tasks(
        self,
        seed: int,
        count: int,
        on_task: OnTask,
        *,
        spare: int | None = None,
        first: Sequence[int] = (),
    ) -> tuple[TaskOutcome, ...]:
        """Let the crew work on ``count`` held-out tasks; return what came of them, by their index.

        They end with the one by which more than ``spare`` (None: any number) were not delivered,
        which is soon where those that come ``first`` are the likeliest to fail.
        """
        crew = self._crew()
        spare = count if spare is None else spare
        left, done = spare, 0

        async def outcome(index: int, task: DemoTask) -> TaskOutcome:
            nonlocal left, done
            found = await self.kept.once(
                TaskOutcome, _work(index, task), lambda: evaluate_task(index, task, crew)
            )
            left, done = left - (not found.delivered), done + 1
            on_task(done, count)
            return found

        tasks = dict(enumerate(evaluation_tasks(seed, count)))
        order = dict.fromkeys((*(index for index in first if index in tasks), *tasks))
        works = (outcome(one, tasks[one]) for one in takewhile(lambda _: left >= 0, order))
        found = await together(works, _AT_ONCE)  # one more may have been at work
        failed = accumulate(not one.delivered for one in found)
        whole = found[: 1 + sum(number <= spare for number in failed)]
        return tuple(sorted(whole, key=lambda one: one.index))

    async def guarded(self, seed: int, count: int) -> Guarded:
        """Let the crew work on ``count`` wishes to change a strict region."""
        crew = self._crew()

        async def tried(index: int, task: DemoTask) -> Attempt:
            return await self.kept.once(
                Attempt, _work(index, task), lambda: attempt_protected(task, crew)
            )

        works = (tried(*one) for one in enumerate(guarded_tasks(seed, count)))
        made = await together(works, _AT_ONCE)
        return Guarded(
            attempts=count,
            refused=sum(one.refused for one in made),
            delivered=tuple(one.wish for one in made if one.delivered),
        )

    async def cost(self, probes: Sequence[Probe], limit: float) -> tuple[Loaded, Latency | None]:
        """Return what loading the adapter and requests with it show; both beside the base.

        The time of requests is not taken of an adapter that cannot be loaded.
        """
        with tempfile.TemporaryDirectory(prefix="local-llm-gate-") as name:
            blank = await asyncio.to_thread(untrained, self._adapter, Path(name, "untrained"))
            loaded = await self.kept.once(
                Loaded, "", lambda: load_apart(self._job(blank)), worth=lambda one: not one.problem
            )
            if loaded.problem or not loaded.finite:
                return loaded, None
            latency = await self.kept.once(
                Latency,
                "".join(map(_question, probes)) + f" {limit}",
                lambda: measure_latency(
                    self.subject.settings,
                    self._adapter,
                    blank,
                    probes,
                    limit=limit,
                    home=self.subject.home,
                ),
            )
        return loaded, latency

    @property
    def _adapter(self) -> Path:
        if self.adapter is None:
            raise AssertionError("the base alone is no candidate")
        return self.adapter

    def _crew(self) -> RunTask:
        return self.subject.crew(self.adapter)

    def _job(self, blank: Path) -> LoadJob:
        return LoadJob(
            model=self.model,
            candidate=self._adapter,
            untrained=blank,
            items=drift_items(self.profile.name),
        )


def side_of(subject: Subject, adapter: Path | None) -> Side:
    """Return the side of ``subject`` that answers with ``adapter``.

    Raises:
        UsageError: the profile has no weights here.
        ModelUnavailable: they are damaged, or ``adapter`` is none.
    """
    profile = resolve_profile(None, subject.settings, home=subject.home)
    if profile.model_path is None:
        raise UsageError(f"the profile {profile.name!r} has no weights here; an adapter needs them")
    who = (
        __version__,
        known_base(profile.model_path, subject.home or state_home()),
        _digest(adapter) if adapter else "",
        prompts.digest(profile.prompts),
        subject.settings.model_dump_json(exclude={"adapter_path"}),
    )
    return Side(subject, profile, profile.model_path, adapter, subject.kept.about(*who))


def _digest(adapter: Path) -> str:
    """Return a hash over what an adapter answers with; ``ModelUnavailable`` when it is none."""
    read_config(adapter)
    total = hashlib.sha256()
    try:
        for name in (ADAPTER_CONFIG, ADAPTER):
            total.update(hashlib.sha256((adapter / name).read_bytes()).digest())
    except OSError as error:
        raise ModelUnavailable(
            f"the adapter {str(adapter)!r} cannot be read ({error.strerror}); train it again, or "
            "restore it from a back-up"
        ) from error
    return total.hexdigest()


def _question(probe: Probe) -> str:
    """Return all that decides on an answer and its judgement, and nothing else."""
    asked = {"messages", "check", "max_tokens", "then", "prompts"}
    return probe.model_dump_json(include=asked)


def _work(index: int, task: DemoTask) -> str:
    return json.dumps((index, task.wish, task.files))
