"""The nodes of the night's graph: small, and each may be done again after a kill.

What a node makes lies in the night's folder, whole or not at all; one that finds its work done
goes on. A node that ends the work early writes ``ended.json`` and sets ``outcome``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import prompts
from agents.adapters.health import promote_checked
from graph.night import choose, collect, examples, judge, lineage, morning, settle
from graph.night.nights import DATASET, REPORT, TRAINING
from graph.night.records import (
    Chosen,
    Collected,
    Ended,
    NightState,
    Outcome,
    Resolved,
    Settled,
)
from graph.night.shop import NightShop
from mcp_local_llm import ModelUnavailable, ToolDenied, UsageError
from memory.journal import Journal
from training.dataset.reader import Item
from training.gate.records import GateReport
from training.lora.learner import TrainingDiverged
from training.lora.records import Trained
from training.lora.trainer import TrainingEnded, train

_TRIES: Final = 3  # of a training whose process is killed


@dataclass(frozen=True, slots=True)
class NightNodes:
    """All nodes, bound to what they work with."""

    shop: NightShop

    def collect(self, state: NightState) -> NightState:
        """Begin the night, where that has not been done, and collect what may be trained."""
        shop, night = self.shop, state.get("night", "")
        shop.hold()
        if not night:
            night = shop.store.begin(shop.clock(), asked=state.get("asked", True)).night
        with shop.journal() as journal:

            def found() -> Collected:
                rolled_back = collect.step_back(shop.registry, journal, night)
                journal.mark(f"night {night}")
                return collect.collect(journal, rolled_back)

            shop.store.once(night, "collect", Collected, found)
        return {"night": night}

    def resolve(self, state: NightState) -> NightState:
        """Let what contradicts something newer or stronger yield to it."""
        store, night, context = self.shop.store, state["night"], self._context(state)
        found = store.needed(night, "collect", Collected)
        with self.shop.journal() as journal:
            left = store.once(
                night,
                "resolve",
                Resolved,
                lambda: choose.resolve_all(self.shop, journal, found, context),
            )
            collect.settle_conflicts(journal, left.replaced)
        return {}

    def decide(self, state: NightState) -> NightState:
        """Say what is trained, and queue it; or end the night when nothing is or may be."""
        store, night = self.shop.store, state["night"]
        with self.shop.journal() as journal:
            chosen = store.once(night, "decide", Chosen, lambda: self._choice(state, journal))
            decision = chosen.decision
            if decision.verdict != "go":
                return self._over(state, "nothing", decision.why, decision.advice)
            if not chosen.items:
                return self._unlearn(state, chosen)
            settle.queue(journal, night, chosen)
        return {}

    def _choice(self, state: NightState, journal: Journal) -> Chosen:
        shop, night, context = self.shop, state["night"], self._context(state)
        found = shop.store.needed(night, "collect", Collected)
        left = shop.store.needed(night, "resolve", Resolved)
        if context:
            return choose.choose_for(shop, journal, found, left, context)
        # What made the night due has been said when it began.
        return choose.choose(shop, journal, found, left, asked=True)

    def _unlearn(self, state: NightState, chosen: Chosen) -> NightState:
        """Serve what knows nothing of what was taken back: nothing is left to be taught.

        No gate may keep it from that. The manifest of the empty dataset names no item.
        """
        shop, night, context = self.shop, state["night"], self._context(state)
        examples.write(shop, night, (), chosen)
        before = shop.own(context)
        position = shop.store.needed(night, "collect", Collected).journal
        now = shop.registry.retire(shop.base, context, why=f"night {night}", journal=position)
        again = now.action == "retire" and now.why == f"night {night}"
        return self._end(
            state,
            Ended(
                outcome="promoted",
                why="what it was taught was taken back: nothing is left of it to train",
                previous=before.id if before else self._before(context) if again else "",
            ),
        )

    def examples(self, state: NightState) -> NightState:
        """Make examples of what is chosen."""
        shop, night = self.shop, state["night"]
        if not examples.is_kept(shop, night, examples.EXAMPLES):
            with shop.journal() as journal:
                made = examples.make_examples(shop, journal, self._chosen(state))
            examples.keep(shop, night, examples.EXAMPLES, made)
        return {}

    def scrub(self, state: NightState) -> NightState:
        """Take out what holds a secret or is too long."""
        shop, night = self.shop, state["night"]
        if not examples.is_kept(shop, night, examples.SCRUBBED):
            made = self._items(state, examples.EXAMPLES)
            with shop.journal() as journal:
                clean, removals = examples.cleaned(shop, journal, self._chosen(state), made)
            shop.store.write(night, "scrub", removals)
            examples.keep(shop, night, examples.SCRUBBED, clean)
        return {}

    def mix(self, state: NightState) -> NightState:
        """Add replay; end the night when no example of anything taught is left."""
        shop, night, chosen = self.shop, state["night"], self._chosen(state)
        clean = self._items(state, examples.SCRUBBED)
        if why := examples.too_few(shop, clean, chosen):
            return self._over(state, "kept", why, "look at what was left out below")
        if not examples.is_kept(shop, night, examples.MIXED):
            examples.keep(shop, night, examples.MIXED, examples.mixed(shop, clean, chosen))
        return {}

    def dataset(self, state: NightState) -> NightState:
        """Write the dataset with its manifest."""
        items = self._items(state, examples.MIXED)
        examples.write(self.shop, state["night"], items, self._chosen(state))
        return {}

    def train(self, state: NightState) -> NightState:
        """Train, or go on with it; end the night when the training cannot come to anything.

        Raises:
            StoreUnavailable: the disk refuses; the night can be gone on with.
            TrainingEnded: the training's process was killed again and again.
        """
        for left in reversed(range(_TRIES)):
            try:
                self._train(state)
            except TrainingEnded:
                if not left:
                    raise
            except (UsageError, ModelUnavailable) as error:
                # Also when the process of a night that was killed has not ended yet.
                if not left:
                    return self._put_off(state, f"the training failed: {error}")
            except TrainingDiverged as error:
                return self._over(state, "kept", f"the training failed: {error}")
            else:
                break
        return {}

    def _train(self, state: NightState) -> Trained:
        shop, folder = self.shop, self.shop.store.folder(state["night"])
        return train(
            folder / DATASET,
            shop.base_folder,
            folder / TRAINING,
            examples.recipe_of(shop, state["night"]),
            shop.budget,
            start=self._start(state),
            on_event=shop.watcher.trained,
            threads=shop.settings.model.threads,
        )

    def _start(self, state: NightState) -> Path | None:
        start = self._chosen(state).start
        return self.shop.registry.folder(start) if start else None

    def evaluate(self, state: NightState) -> NightState:
        """Ask the model as it is and the candidate the same questions, and measure both."""
        try:
            judge.evaluate(self.shop, state["night"], self._taught(state))
        except (ModelUnavailable, UsageError, ToolDenied) as error:
            return self._put_off(state, f"the candidate could not be evaluated: {error}")
        return {}

    def gate(self, state: NightState) -> NightState:
        """End the night when the evidence speaks against the candidate."""
        report = self._judged(state)
        if not report.passed:
            return self._over(state, "kept", "; ".join(report.reasons))
        return {}

    def promote(self, state: NightState) -> NightState:
        """Keep the adapter with its manifest, and serve it once its own server has answered."""
        shop, night, chosen = self.shop, state["night"], self._taught(state)
        report, context = self._judged(state), self._context(state)
        current = shop.own(context)
        manifest = shop.registry.add(
            report.adapter,
            base=shop.base,
            context=context,
            parents=lineage.line_to(shop, chosen.start),
            dataset=examples.written(shop, night).hash,
            recipe=examples.recipe_of(shop, night).model_dump(mode="json"),
            journal=shop.store.needed(night, "collect", Collected).journal,
            prompts=prompts.digest(shop.profile.prompts),
            items=chosen.items,
            gate=judge.for_manifest(report),
        )
        if manifest.id not in shop.registry.pointer().adapters:
            try:
                asyncio.run(
                    promote_checked(shop.registry, manifest.id, shop.model, why=f"night {night}")
                )
            except (ModelUnavailable, UsageError) as error:
                return self._put_off(state, str(error))
        # After a kill the adapter is served already: what was before it, then, the pointer knows.
        before = current.id if current and current.id != manifest.id else self._before(context)
        return self._end(
            state,
            Ended(
                outcome="promoted",
                why="every check of the gate passed",
                adapter=manifest.id,
                previous=before,
                scale=report.factor,
            ),
        )

    def settle(self, state: NightState) -> NightState:
        """Write into the journal what was shown of each item."""
        shop, night, chosen = self.shop, state["night"], self._taught(state)
        ended = shop.store.needed(night, "ended", Ended)
        report = shop.store.read(night, "gate", GateReport)
        dataset = examples.manifest(shop, night)
        counts = Counter(id for one in dataset.items.values() for id in one.of) if dataset else {}
        with shop.journal() as journal:

            def settled() -> Settled:
                return settle.settle(
                    journal,
                    night,
                    chosen,
                    ended,
                    rates=report.rates if report else {},
                    examples=counts,
                    dataset=dataset.hash if dataset else "",
                    context=self._context(state),
                )

            shop.store.once(night, "settle", Settled, settled)
        return {}

    def report(self, state: NightState) -> NightState:
        """Write the morning report, remove what is not needed any more, and let go of the night."""
        shop, night = self.shop, state["night"]
        if not (shop.store.folder(night) / REPORT).exists():
            with shop.journal() as journal:
                morning.write(shop, journal, night)
        shop.store.tidy(night)
        shop.registry.prune(shop.settings.night.keep)
        shop.release()
        return {}

    # -- what nodes share --------------------------------------------------------------------

    def _context(self, state: NightState) -> str:
        return self.shop.store.begun(state["night"]).context

    def _before(self, context: str) -> str:
        """Return the adapter that a rollback would serve in just that context."""
        now = self.shop.registry.pointer()
        earlier = self.shop.registry.earlier(now)
        where = (self.shop.base, context)
        slots = earlier.slots if earlier else ()
        return next((s.adapter for s in slots if (s.base, s.context) == where), "")

    def _chosen(self, state: NightState) -> Chosen:
        return self.shop.store.needed(state["night"], "decide", Chosen)

    def _taught(self, state: NightState) -> Chosen:
        return examples.taught(self.shop, state["night"], self._chosen(state))

    def _judged(self, state: NightState) -> GateReport:
        return self.shop.store.needed(state["night"], "gate", GateReport)

    def _items(self, state: NightState, name: str) -> list[Item]:
        return examples.kept(self.shop, state["night"], name)

    def _over(
        self,
        state: NightState,
        outcome: Outcome,
        why: str,
        advice: str = "",
        *,
        again: bool = False,
    ) -> NightState:
        current = self.shop.served(self._context(state))
        previous = current.id if current else ""
        ended = Ended(outcome=outcome, why=why, advice=advice, previous=previous, again=again)
        return self._end(state, ended)

    def _put_off(self, state: NightState, why: str) -> NightState:
        """End a night that nothing was judged in."""
        return self._over(state, "kept", why, "the same is tried in the next night", again=True)

    def _end(self, state: NightState, ended: Ended) -> NightState:
        self.shop.store.write(state["night"], "ended", ended)
        return {"outcome": ended.outcome}
