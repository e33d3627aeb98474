"""Finds out whether a change keeps a rule, by the rule's own check.

Regular expressions and queries may never come to an end, so they run in child processes; commands
run confined like those of the crew. With ``not_match`` only what is fresh counts: a line that stood
in the file before the change is nobody's fault now.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pathspec import GitIgnoreSpec

from mcp_local_llm import ToolFault, UsageError
from memory.languages import grammar_of
from memory.records import Check
from tools.command import run_confined
from tools.process import ask_script
from tools.sandbox import CommandPolicy
from tools.search import regex_hits

_CHILD: Final = Path(__file__).with_name("query_child.py")
_LIMIT_S: Final = 5.0
_MAX_FILES: Final = 50
_MAX_LINE: Final = 1_000
_SHOWN: Final = 3  # places that are named
_OUTPUT: Final = 4_000_000  # bytes that a query may find
Verdict = Literal["verified", "violated", "unverified"]
_Place = tuple[int, str]  # line and text


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file as a change leaves it; ``before`` is empty for a new one."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check said of a change, and why."""

    verdict: Verdict
    why: str


async def checked(
    check: Check, files: Sequence[ChangedFile], workspace: Path, policy: CommandPolicy
) -> Finding:
    """Return what ``check`` says of ``files``, which lie in ``workspace``; never raises for it.

    A command may change files there: the caller has to put them back.
    """
    spec = GitIgnoreSpec.from_lines([check.paths])
    meant = [file for file in files if spec.match_file(file.path)]
    if not meant:
        return Finding("unverified", f"no changed file is one of {check.paths!r}")
    if len(meant) > _MAX_FILES:
        return Finding("unverified", f"more than {_MAX_FILES} changed files are to be looked at")
    try:
        if check.command:
            return await _by_command(check, workspace, policy)
        return await (_by_regex if check.regex else _by_query)(check, meant, workspace)
    except ToolFault as error:
        return Finding("unverified", f"it could not be checked: {error}")


async def require_valid(check: Check) -> None:
    """Raise ``UsageError`` when the expression or the query of ``check`` can't be used."""
    if check.regex:
        try:
            re.compile(check.regex)
        except (re.error, RecursionError, OverflowError) as error:
            raise UsageError(
                f"{check.regex!r} is no regular expression ({error}); mend it, as in r'\\bprint\\('"
            ) from error
    if not check.query:
        return
    if grammar_of(check.paths) is None:
        raise UsageError(
            f"{check.paths!r} does not say which language is queried; name files by a suffix that "
            "has a grammar here, such as '**/*.py'"
        )
    try:
        await _captures(check.query, check.paths, ())
    except ToolFault as error:
        raise UsageError(f"the query {check.query!r} cannot be used: {error}") from error


async def _by_command(check: Check, workspace: Path, policy: CommandPolicy) -> Finding:
    done, _ = await run_confined(list(check.command), workspace, policy)
    line = " ".join(check.command)
    if done.timed_out:
        return Finding("unverified", f"{line} did not end in {policy.timeout_s:g} s")
    if done.code == 0:
        return Finding("verified", f"{line} ends with 0")
    said = (done.stdout.strip() or done.stderr.strip())[-300:]
    return Finding("violated", f"{line} ends with {done.code}: {said}")


async def _by_regex(check: Check, files: Sequence[ChangedFile], workspace: Path) -> Finding:
    wrong: list[str] = []
    for file in files:
        lines = [line[:_MAX_LINE] for line in file.after.splitlines()]
        known = set(file.before.splitlines()) if check.must == "not_match" else set()
        rows = [(row, line) for row, line in enumerate(lines, 1) if line not in known]
        searched = [(file.path, [line for _, line in rows])]
        hits = await regex_hits(check.regex, searched, workspace)
        found = [(rows[number - 1][0], line) for _, number, line in hits]
        wrong += _wrong(check, file, found, f"/{check.regex}/")
    return _finding(check, files, wrong)


async def _by_query(check: Check, files: Sequence[ChangedFile], workspace: Path) -> Finding:
    parsed = [file for file in files if grammar_of(file.path) is not None]
    if not parsed:
        return Finding("unverified", "no changed file is in a language that can be queried")
    wrong: list[str] = []
    for file in parsed:
        texts = (file.before, file.after)
        before, after = await _captures(check.query, file.path, texts)
        found = after if check.must == "match" else _fresh(before, after)
        wrong += _wrong(check, file, found, "the query")
    return _finding(check, parsed, wrong)


def _fresh(before: Iterable[_Place], after: Iterable[_Place]) -> list[_Place]:
    """Return what of ``after`` there was not before, wherever it stood."""
    known = Counter(text for _, text in before)
    fresh = []
    for place in after:
        known[place[1]] -= 1
        if known[place[1]] < 0:
            fresh.append(place)
    return fresh


def _wrong(check: Check, file: ChangedFile, found: Sequence[_Place], what: str) -> list[str]:
    if check.must == "match":
        return [] if found else [f"{file.path}: nothing matches {what}"]
    return [f"{file.path}:{row}: {' '.join(text.split())[:160]}" for row, text in found]


def _finding(check: Check, files: Sequence[ChangedFile], wrong: Sequence[str]) -> Finding:
    if not wrong:
        return Finding("verified", f"holds in {len(files)} changed file{'s' * (len(files) > 1)}")
    more = f" (and {len(wrong) - _SHOWN} more)" if len(wrong) > _SHOWN else ""
    return Finding("violated", "; ".join(wrong[:_SHOWN]) + more)


async def _captures(query: str, path: str, texts: Sequence[str]) -> list[list[_Place]]:
    """Return what ``query`` captures in each of ``texts``; ``ToolFault`` when it can't be run."""
    module, function = grammar_of(path) or ("", "")
    request = {"module": module, "function": function, "query": query, "files": list(texts)}
    done = await ask_script(_CHILD, request, timeout_s=_LIMIT_S, output_cap_bytes=_OUTPUT)
    if done.timed_out:
        raise ToolFault(f"the query did not come to an end in {_LIMIT_S:g} s; make it simpler")
    if done.code != 0:
        raise ToolFault(done.stderr.strip()[-300:] or "the query could not be run")
    return [[(row, text) for row, text in found] for found in json.loads(done.stdout)]
