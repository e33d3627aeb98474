"""The measured nights as figures, each beside what it has to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from graph.bench_night.plot import recall_plot
from graph.bench_night.records import NightResult, Results
from graph.bench_night.rules import DOES, Curriculum, Rule
from graph.console import short
from graph.figures import Figure
from memory.whole_file import store_errors, write_whole
from training.embedded.evaluation import Share

GOOD_BASE = 0.9
"""The share of role tasks below which figures about learning are reported, not claimed."""


def headline(results: Results) -> str:
    """Return what has to be known before any other figure is read; empty while it is open."""
    if results.base is None:
        return ""
    told = f"the embedded base delivers {_share(results.base)} of the role tasks"
    if results.base.rate >= GOOD_BASE:
        return f"{told}."
    return f"{told}, less than {GOOD_BASE:.0%}: what follows is reported, not claimed."


def figures(results: Results, curriculum: Curriculum) -> list[Figure]:
    """Return the figures of all steps that are done, in their order."""
    rules = curriculum.rules
    rows: list[Figure] = []
    if results.base:
        rows.append(Figure("role tasks, base", _share(results.base), f">= {GOOD_BASE:.0%}"))
    if results.before:
        share = results.before.share(rules)
        name = f"recall of {len(rules)} rules before"
        rows.append(Figure(name, _share(share), "<= 10 %"))
    for night in results.nights:
        rows += _night(night, curriculum)
    rows += _at_the_end(results, curriculum)
    if results.seconds:
        rows.append(Figure("all steps", f"{results.total_s / 60:.1f} min", "<= 45 min"))
    return rows


def _night(night: NightResult, curriculum: Curriculum) -> Iterator[Figure]:
    """Yield how one night came out, and what is known after it without retrieval."""
    name = f"night {night.number} ({night.kind})"
    verdict = night.outcome
    if night.outcome == "kept":
        verdict = f"refused by {', '.join(night.failed)}" if night.failed else short(night.why)
    poisoned = night.number == curriculum.poison.night
    taught = f"{night.taught} new, {night.forgotten} forgotten, {night.examples} examples"
    rows = [
        Figure(f"{name}: {taught}", verdict, "refused by a named check" if poisoned else "promoted")
    ]
    known = [rule for rule in curriculum.rules if not (rule.until and rule.until <= night.number)]
    new = [rule for rule in known if rule.night == night.number]
    earlier = [rule for rule in known if rule.night < night.number]
    gone = [rule for rule in curriculum.rules if rule.until and rule.until <= night.number]
    rows += _recall(f"{name}: new rules", night, new, ">= 95 %")
    rows += _recall(f"{name}: earlier rules", night, earlier, ">= 95 %")
    rows += _recall(f"{name}: forgotten rules", night, gone, "<= 10 %")
    if night.tasks:
        value = f"{night.tasks.before} to {night.tasks.after} of {night.tasks.of}"
        rows.append(Figure(f"{name}: role tasks", value, "net loss < 2"))
    minutes = sum(night.stages.values()) / 60
    train, judged = (night.stages.get(stage, 0.0) / 60 for stage in ("train", "evaluate"))
    split = f"{minutes:.1f} min (training {train:.1f}, evaluation {judged:.1f})"
    yield from (*rows, Figure(f"{name}: time", split))


def _recall(name: str, night: NightResult, rules: Iterable[Rule], aim: str) -> Iterator[Figure]:
    share = night.asked.share(rules)
    if share.of:
        yield Figure(name, _share(share), aim)


def _at_the_end(results: Results, curriculum: Curriculum) -> Iterator[Figure]:
    if results.nights and len(results.nights) > 1:
        last = results.nights[-1]
        live = [rule for rule in curriculum.rules if not rule.until]
        for group in dict.fromkeys(rule.group for rule in live):
            mark = "executed" if group in DOES else "said"
            rules = [rule for rule in live if rule.group == group]
            yield from _recall(f"at the end: {group} ({mark})", last, rules, ">= 95 %")
    if (tasks := results.tasks) is not None:
        low, high = tasks.interval
        value = f"{tasks.before} to {tasks.after} of {tasks.of}, net loss {tasks.net_loss}"
        yield Figure("role tasks, base to last", f"{value} ({low:+.1%} to {high:+.1%})", "<= 2")
    if (back := results.rolled_back) is not None:
        value = f"{back.same} of {back.prompts} answers byte-identical"
        yield Figure(f"rollback to {back.adapter or 'the base'}", value, "all")
    if (killed := results.killed) is not None:
        value = "; ".join(killed.wrong) or f"consistent, {killed.nights} nights"
        stages = ", ".join(f"{name} {count}" for name, count in killed.stages.items())
        yield Figure(f"{killed.kills} kills (at {stages})", value, "consistent")
        yield Figure("a whole small night", f"{killed.whole_s:.0f} s", "<= 30 s")
    if (over := results.overhead) is not None:
        name = f"a night's overhead, {over.examples} examples of {over.rules} rules"
        yield Figure(name, f"{over.total_s:.1f} s", "<= 60 s")


def _share(share: Share) -> str:
    return f"{share.right} of {share.of} ({share.rate:.0%}, {share.low:.0%} to {share.high:.0%})"


def write_page(folder: Path, results: Results, curriculum: Curriculum) -> Path:
    """Write figures (Markdown) and the plot of recall below ``folder``; return the first file."""
    rows = [f"| {row.name} | {row.value} | {row.aim} |" for row in figures(results, curriculum)]
    lines = [
        "# Nights, measured",
        headline(results),
        "![recall without retrieval](recall.svg)",
        "| figure | measured | aim |\n|---|---|---|\n" + "\n".join(rows),
    ]
    page = folder / "results.md"
    with store_errors("write", page):
        write_whole(folder / "recall.svg", recall_plot(results, curriculum))
        write_whole(page, "\n\n".join(lines) + "\n")
    return page
