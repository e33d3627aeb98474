"""Holds answers to the very check of the rule that they are to teach."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from agents.brief import is_test_path
from memory.records import Check
from tools.rule_checks import ChangedFile, checked
from tools.sandbox import CommandPolicy
from tools.wire import parse_reply
from training.dataset.reader import Item
from training.dataset.scrub import Removed
from training.examples.knowledge import Knowledge

_HERE = Path(sys.prefix)
_POLICY = CommandPolicy(python=Path(sys.executable))


async def keep_checked(
    items: Sequence[Item], known: Iterable[Knowledge]
) -> tuple[list[Item], list[Removed]]:
    """Return the items but those whose code breaks the check of its own rule.

    Not covered: checks that run a command, which need the project's own files.
    """
    checks = {one.id: check for one in known if (check := one.item.check) and not check.command}
    codes: defaultdict[str, list[tuple[Item, ChangedFile]]] = defaultdict(list)
    for item in items:
        if item.kind == "rule" and len(item.of) == 1 and item.of[0] in checks:
            codes[item.of[0]] += ((item, file) for file in written_code(item))
    wrong: set[str] = set()
    for id, found in codes.items():
        if await _breaks(checks[id], [file for _, file in found]):
            wrong |= {item.id for item, file in found if await _breaks(checks[id], [file])}
    removed = [Removed(id=item.id, why="breaks its own rule") for item in items if item.id in wrong]
    return [item for item in items if item.id not in wrong], removed


def written_code(item: Item) -> list[ChangedFile]:
    """Return what the learned answers of ``item`` write into files that are no tests."""
    calls = (
        call
        for place in item.learned
        for call in parse_reply(item.messages[place].content).calls
        if call.body and call.name in {"fs.write", "fs.append"}
    )
    return [
        ChangedFile(call.args["path"], "", call.body or "")
        for call in calls
        if not is_test_path(call.args["path"])
    ]


async def _breaks(check: Check, files: Sequence[ChangedFile]) -> bool:
    """Say whether ``check`` is broken by ``files``, looked at as one: a child process is dear."""
    if not files:
        return False
    text = "\n\n\n".join(file.after for file in files)
    finding = await checked(check, [ChangedFile(files[0].path, "", text)], _HERE, _POLICY)
    return finding.verdict == "violated"
