"""What a role was refused in a turn, as entries of the policy violations log.

Refused is what the role's scope, the workspace's walls, the sandbox or a contract does not allow. A
slip that a changed call mends (a path that is not there, a text that does not fit) is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import structlog

from agents.loop import UNDONE, RoleOutcome
from agents.scopes import SCOPES
from mcp_local_llm import StoreUnavailable, UsageError
from memory.policy_store import PolicyStore
from memory.records import Record
from memory.secrets import redacted
from tools.context import ToolResult
from tools.gitfiles import shown
from tools.preserve.check import Violation
from tools.preserve.guard import told

_MOST: Final = 20  # of one turn
_LOOKED_AT: Final = 1_000  # entries of the log, for those of the same run
_CONTRACT, _TOOLS, _WORKSPACE = "PROT-1", "CREW-1", "CREW-4"
# By what a role's verdict refuses: agents/scopes.py.
_CHANGES: Final[Mapping[str, str]] = {
    "implementer": "CREW-2",
    "refactorer": "CREW-2",
    "doc_writer": "CREW-5",
}


class Refusal(Record):
    """Which rule stood in the way of what (a tool, or a file), and what the role was told."""

    rule: str
    what: str
    why: str


def refusals(
    role: str,
    outcome: RoleOutcome,
    put_back: Mapping[str, str],
    undone: Sequence[Violation],
) -> tuple[Refusal, ...]:
    """Return what ``role`` was refused in its turn, each once.

    ``put_back`` are files that its commands changed beyond its scope, with the reasons, and
    ``undone`` what was found to break contracts when the turn was over.
    """
    results = (result for each in outcome.exchanges for result in each.results)
    found = [(_rule(role, one), one.call, one.text) for one in results]
    found += [(_beyond(role, path), path, why) for path, why in put_back.items()]
    found += [(_CONTRACT, each.path, told((each,))) for each in undone]
    refused = (
        Refusal(rule=rule, what=redacted(shown(what))[:400], why=redacted(why)[:500])
        for rule, what, why in found
        if rule
    )
    return tuple(dict.fromkeys(refused))[:_MOST]


def _beyond(role: str, path: str = "") -> str:
    """Return the rule by which ``role`` may not change a file."""
    return _WORKSPACE if path.startswith("..") else _CHANGES.get(role, _TOOLS)


def _rule(role: str, result: ToolResult) -> str:
    """Return the rule by which a call was refused; empty when it was not, or may be mended."""
    if result.contracts:
        return _CONTRACT
    if result.text.startswith(UNDONE) and not result.ok:
        return _beyond(role)
    if not result.terminal:
        return ""
    scope = SCOPES[role]
    return _WORKSPACE if result.call in {*scope.edits, *scope.reads} else _TOOLS


def log_refusals(store: PolicyStore, by: str, found: Iterable[Refusal]) -> None:
    """Enter in the log what ``by``, a role in a run, was refused; what stands there once. Blocking.

    A log or rulebook that cannot be used is a warning: the run goes on.
    """
    wanted = {(each.rule, each.what, each.why): each for each in found}
    if not wanted:
        return
    try:
        for old in store.violations(_LOOKED_AT):  # a turn that was broken off is taken again
            if old.by == by:
                wanted.pop((old.rule, old.where, old.why), None)
        for each in wanted.values():
            store.report(each.rule, each.what, each.why, by)
    except (StoreUnavailable, UsageError) as error:
        structlog.get_logger().warning("refusals.not_logged", error=str(error))
