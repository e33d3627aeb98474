"""From what a night has left behind to its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from graph.night import examples
from graph.night.nights import PAGE, REPORT, TRAINING
from graph.night.page import render_page
from graph.night.records import (
    CheckLine,
    Chosen,
    Collected,
    Ended,
    LeftOut,
    NightReport,
    Pair,
    Point,
    Removals,
    Resolved,
    RuleLine,
    Settled,
    TryLine,
)
from graph.night.shop import NightShop
from memory.journal import Journal
from memory.lifecycle import Stage
from training.dataset.scrub import reasons
from training.gate.records import EARLIER, NEW, GateReport, SuiteReport
from training.lora.checkpoint import read_result
from training.lora.records import LossPoint

_ERASED = "(erased)"
_CONTRADICTED = "contradicts what was erased since"
_UNPROVABLE = "not asked about: a parrot would be right"


def write(shop: NightShop, journal: Journal, night: str) -> NightReport:
    """Write page and report of a night, the report last: with it the night is over."""
    earlier = refreshed(shop, journal)
    report = make_report(shop, journal, night)
    shop.store.write_text(night, PAGE, render_page(report, earlier))
    shop.store.write_text(night, REPORT, report.model_dump_json(indent=1))
    return report


def make_report(shop: NightShop, journal: Journal, night: str) -> NightReport:
    """Return the report of a night whose items are settled."""
    store = shop.store
    begun, ended = store.begun(night), store.needed(night, "ended", Ended)
    chosen = store.needed(night, "decide", Chosen)
    gate = store.read(night, "gate", GateReport)
    trained = read_result(store.folder(night) / TRAINING)
    lines = _Lines(journal, night, gate)
    taught = examples.taught(shop, night, chosen)
    left_out = [*_left_out(shop, night), *_untaught(chosen, taught)]
    earlier = set(chosen.earlier)
    roles = gate.evidence.roles if gate else None
    settled = store.read(night, "settle", Settled) or Settled()
    dataset = examples.manifest(shop, night)
    collected = store.read(night, "collect", Collected)
    removals = store.read(night, "scrub", Removals) or Removals()
    return NightReport(
        night=night,
        context=begun.context,
        started=begun.at,
        ended=shop.clock(),
        outcome=ended.outcome,
        why=ended.why,
        advice=ended.advice,
        again=ended.again,
        trigger=begun.why or chosen.decision.why,
        rolled_back=collected.rolled_back if collected else "",
        adapter=ended.adapter,
        previous=ended.previous,
        base=shop.base,
        start=chosen.start,
        model=shop.profile.model_id,
        scale=ended.scale,
        journal=collected.journal if collected else 0,
        items=chosen.items,
        learned=lines.of(id for id in taught.items if id not in earlier),
        kept=lines.of(id for id in taught.items if id in earlier),
        left_out=lines.why(left_out),
        forgotten=chosen.gone if ended.outcome == "promoted" else (),
        pairs=tuple(_pairs(gate)) if gate else (),
        checks=tuple(CheckLine(**one.model_dump()) for one in gate.checks) if gate else (),
        tries=tuple(TryLine(**one.model_dump()) for one in gate.tries) if gate else (),
        loss=_points(trained.train_loss) if trained else (),
        held_out=_points(trained.valid_loss) if trained else (),
        examples=_counts(dataset.counts) if dataset else {},
        removed=reasons(one.why for one in removals.removed),
        tokens_saved=_tokens(shop, lines, settled.graduated),
        tasks=(roles.shares[0].rate, roles.shares[1].rate) if roles else None,
        seconds=store.times(night),
        attempts=max(1, store.attempts(night)),
    )


def refreshed(shop: NightShop, journal: Journal) -> tuple[NightReport, ...]:
    """Return the reports so far, newest first, without the words of what was erased since.

    Where something was, report and page are written anew.
    """
    found = []
    reports = shop.store.reports()
    for at, report in enumerate(reports):
        clean = without_erased(report, journal)
        if clean != report:
            page = render_page(clean, reports[at + 1 :])
            shop.store.write_text(report.night, PAGE, page)
            shop.store.write_text(report.night, REPORT, clean.model_dump_json(indent=1))
        found.append(clean)
    return tuple(found)


def without_erased(report: NightReport, journal: Journal) -> NightReport:
    """Return ``report`` without the words of items that are not in the journal any more."""
    said = (*report.learned, *report.kept, *report.left_out)
    ids = {one.id for one in said} | {one.by for one in said if one.by}
    ids |= {pair.of for pair in report.pairs if pair.of}
    gone = ids - {id for id, one in journal.get(ids).items() if one.state != "deleted"}
    if not gone:
        return report

    def line(one: RuleLine) -> RuleLine:
        if one.id in gone:
            return one.model_copy(update={"text": _ERASED, "note": ""})
        return one.model_copy(update={"note": _CONTRADICTED}) if one.by in gone else one

    def lines(given: Iterable[RuleLine]) -> tuple[RuleLine, ...]:
        return tuple(map(line, given))

    return report.model_copy(
        update={
            "learned": lines(report.learned),
            "kept": lines(report.kept),
            "left_out": lines(report.left_out),
            "pairs": tuple(pair for pair in report.pairs if pair.of not in gone),
        }
    )


class _Lines:
    """Makes the lines of items, in the journal's words and with what the gate measured."""

    def __init__(self, journal: Journal, night: str, gate: GateReport | None) -> None:
        self._journal = journal
        self._before = _rates(gate, "baseline")
        self._after = _rates(gate, "candidate")
        self._unprovable = frozenset(gate.evidence.unprovable if gate else ())

    def of(self, ids: Iterable[str]) -> tuple[RuleLine, ...]:
        found = list(ids)
        steps = self._journal.stages(found)
        return tuple(
            RuleLine(
                id=id,
                text=self.text(id),
                stage=steps[id].stage if id in steps else Stage.CAPTURED,
                before=self._before.get(id),
                after=self._after.get(id),
                note=_UNPROVABLE if id in self._unprovable else "",
            )
            for id in found
        )

    def why(self, left_out: Iterable[LeftOut]) -> tuple[RuleLine, ...]:
        return tuple(
            RuleLine(id=one.id, text=self.text(one.id), stage="", note=one.why, by=one.by)
            for one in left_out
        )

    def text(self, id: str) -> str:
        stored = self._journal.get([id]).get(id)
        return stored.item.text if stored and stored.state != "deleted" else _ERASED


def _rates(gate: GateReport | None, side: str) -> dict[str, float]:
    if gate is None:
        return {}
    suites = [gate.evidence.suites[name] for name in (EARLIER, NEW) if name in gate.evidence.suites]
    reports: list[SuiteReport] = [getattr(one, side) for one in suites]
    return {rule: part.rate for report in reports for rule, part in report.by_rule.items()}


def _left_out(shop: NightShop, night: str) -> Iterator[LeftOut]:
    if (collected := shop.store.read(night, "collect", Collected)) is not None:
        yield from collected.left_out
    if (resolved := shop.store.read(night, "resolve", Resolved)) is not None:
        yield from (*resolved.left_out, *resolved.replaced)
    removals = shop.store.read(night, "scrub", Removals) or Removals()
    seen: set[str] = set()
    for one in removals.removed:
        for id in one.of:
            if id not in seen:
                seen.add(id)
                yield LeftOut(id=id, why=f"an example {one.why}")


def _untaught(chosen: Chosen, taught: Chosen) -> Iterator[LeftOut]:
    there = frozenset(taught.items)
    for id in chosen.items:
        if id not in there:
            yield LeftOut(id=id, why="the dataset has no example of it, or no room for one")


def _pairs(gate: GateReport) -> Iterator[Pair]:
    """Yield the answers side by side: new rules first, then all that changed for the worse."""
    for name, suite in sorted(gate.evidence.suites.items(), key=lambda one: one[0] != NEW):
        before = {one.probe: one for one in suite.baseline.answers}
        for after in suite.candidate.answers:
            was = before.get(after.probe)
            if was is None or (name != NEW and (after.passed or not was.passed)):
                continue
            yield Pair(
                of=after.of,
                asked=after.asked,
                before=was.text,
                after=after.text,
                was_right=was.passed,
                is_right=after.passed,
            )


def _points(losses: Iterable[LossPoint]) -> tuple[Point, ...]:
    return tuple(Point(tokens=one.tokens, loss=one.loss) for one in losses)


def _counts(parts: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    total = Counter[str]()
    for counts in parts.values():
        total.update(counts)
    return dict(sorted(total.items()))


def _tokens(shop: NightShop, lines: _Lines, ids: Iterable[str]) -> int:
    """Return how many tokens of prompts the words of ``ids`` were."""
    from agents.tokens import open_counter

    texts = [lines.text(id) for id in ids]
    if not texts:
        return 0
    counter = open_counter(shop.base_folder)
    return sum(map(counter.count_text, texts))
