"""Which of the active rules a run's change keeps, as far as their checkers can tell."""

from __future__ import annotations

from collections.abc import Iterable

from agents.brief import BriefRule
from graph.state import RunState, Step
from graph.turns import in_workspace
from graph.workshop import Workshop
from mcp_local_llm import ToolFault
from memory.records import Compliance
from tools.gitfiles import EXECUTABLE, FILE, Entry
from tools.rule_checks import ChangedFile, checked
from tools.textfile import decode
from tools.worktree import RunTree

_SHOWN = 160  # characters by which a failure names a rule


async def check_rules(shop: Workshop, state: RunState) -> tuple[Compliance, ...]:
    """Check the change up to the recorded state against every rule that has a checker."""
    checks = {rule.id: rule.check for rule in state["brief"].rules if rule.check is not None}
    if not checks:
        return ()
    tree, policy = await shop.tree(state), await shop.policy(state)
    files = await _changed_files(tree, state["tree"].sha)
    verdicts = []
    for rule, check in checks.items():
        await tree.reset_to(state["tree"].sha)  # the command before may have written
        found = await checked(check, files, tree.workspace, policy)
        verdicts.append(
            Compliance(rule=rule, marker=check.marker, verdict=found.verdict, why=found.why)
        )
    await tree.reset_to(state["tree"].sha)
    return tuple(verdicts)


async def _changed_files(tree: RunTree, sha: str) -> list[ChangedFile]:
    """Return the text files of the workspace that the run has changed and that are there."""
    files = []
    for change in await tree.tree.changes(tree.base, sha):
        path = in_workspace(tree, change)
        after = await _text(tree, change.new, path)
        if after is not None and not path.startswith(".."):
            before = await _text(tree, change.old, path)
            files.append(ChangedFile(path, before or "", after))
    return files


async def _text(tree: RunTree, entry: Entry | None, path: str) -> str | None:
    """Return a file's text; None for what is not there, a link or no text."""
    if entry is None or entry.mode not in {FILE, EXECUTABLE}:
        return None
    try:
        return decode(await tree.tree.blob(entry.sha), path).content
    except ToolFault:
        return None


def broken(verdicts: Iterable[Compliance], rules: Iterable[BriefRule]) -> tuple[str, ...]:
    """Return a line for each rule that ``verdicts`` find violated, as a role reads it."""
    texts = {rule.id: " ".join(rule.text.split()) for rule in rules}
    return tuple(
        f"rule {each.rule} ({texts.get(each.rule, '')[:_SHOWN]}) is broken: {each.why}"
        for each in verdicts
        if each.verdict == "violated"
    )


def newly_broken(now: Iterable[Compliance], before: Iterable[Compliance]) -> tuple[Compliance, ...]:
    """Return what of ``now`` is violated and was not violated ``before``."""
    known = {each.rule for each in before if each.verdict == "violated"}
    return tuple(each for each in now if each.verdict == "violated" and each.rule not in known)


def with_compliance(step: Step, verdicts: Iterable[Compliance]) -> Step:
    """Return ``step`` with what the rules and markers that its reply claims are worth."""
    known = tuple(verdicts)
    by_rule = {each.rule: each for each in known}
    by_marker = {each.marker: each for each in known if each.marker}
    rules = [
        by_rule.get(rule) or Compliance(rule=rule, why="it was not checked")
        for rule in step.tags.rules
    ]
    said = {each.marker for each in rules}
    markers = [
        by_marker.get(marker) or Compliance(marker=marker, why="no checked rule stands for it")
        for marker in step.tags.markers
        if marker not in said
    ]
    tags = step.tags.model_copy(update={"compliance": (*rules, *markers)})
    return step.model_copy(update={"tags": tags})
