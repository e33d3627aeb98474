"""Policies: rules in Markdown files, as one rulebook, and what a document does against them.

A policy file begins with ``policy: NAME`` and ``version: N`` between two lines ``---``, has the
sections Purpose and Rules, and below Rules one heading ``ID Title`` for each rule, then its fields
as a list (``- severity: error``), then its words. Fields: ``severity``; ``enforced``, by what the
rule is kept without anybody's help; ``forbids``, a phrase that no document may hold; ``requires``,
a section that it must have; ``finds: secrets``; ``files``, globs of the documents that the last
three are about. What has none of these is there to be read.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError

from mcp_local_llm import UsageError
from memory.chunks import headings
from memory.records import Record
from memory.secrets import secrets_in

SECTIONS: Final = ("Purpose", "Rules")
FORM: Final = "POLICY"  # the rule that a policy file itself has to keep: its form
MAX_CHARS: Final = 200_000  # of one document
_ID: Final = re.compile(r"([A-Z][A-Z0-9]{1,15}-[0-9]{1,4})(?:[\s·:.–-]+(.+))?$")
_FIELD: Final = re.compile(r"[-*] ([a-z]+): *(.*?) *$")
_FRONT: Final = re.compile(r"\A---\n(.*?\n)---(?:\n|\Z)", re.DOTALL)
_ENTRY: Final = re.compile(r"^([a-z]+): *(.*?) *$", re.MULTILINE)
_MANY: Final = frozenset({"forbids", "requires", "files"})
_Said = Annotated[str, Field(min_length=1)]  # nothing would be found everywhere, or nowhere


class Severity(StrEnum):
    """How bad it is to break a rule; an ``error`` makes a check fail."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class PolicyRule(Record):
    """One rule; what its fields mean is said above."""

    id: str
    title: str = Field(min_length=1, max_length=200)
    severity: Severity
    enforced: str = ""
    forbids: tuple[_Said, ...] = ()
    requires: tuple[_Said, ...] = ()
    finds: Literal["", "secrets"] = ""
    files: tuple[_Said, ...] = ()
    text: str = ""


class Policy(Record):
    """One policy file: ``version`` rises whenever its rules change."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    version: int = Field(ge=1)
    purpose: str
    rules: tuple[PolicyRule, ...]


class Rulebook(Record):
    """All policies in order of their names; ``hash`` is the same for the same rules."""

    policies: tuple[Policy, ...]
    hash: str

    def rules(self) -> tuple[PolicyRule, ...]:
        """Return every rule, in the order of policies and files."""
        return tuple(rule for policy in self.policies for rule in policy.rules)


class Finding(Record):
    """What is wrong in a line (from 1; 0 is the document as a whole), by which rule."""

    rule: str
    severity: Severity
    line: int
    why: str


def is_policy(text: str) -> bool:
    """Say whether ``text`` means to be a policy file."""
    front = _FRONT.match(_plain(text))
    return front is not None and "policy" in dict(_ENTRY.findall(front[1]))


def parse_policy(text: str) -> tuple[Policy | None, tuple[Finding, ...]]:
    """Return the policy that ``text`` is and nothing, or None and all that is wrong with it."""
    plain = _plain(text)
    lines = plain.split("\n")
    parts = list(_parts(plain, lines))
    wrong = [
        _wrong(0, f"the section {name!r} is missing")
        for name in SECTIONS
        if not any(level == 2 and title.lower() == name.lower() for level, title, _, _ in parts)
    ]
    rules = list(_rules(parts, wrong))
    for id, count in Counter(rule.id for rule in rules).items():
        wrong += [_wrong(0, f"the id {id} is given {count} times")] if count > 1 else []
    if not rules:
        wrong.append(_wrong(0, "there is no rule: a heading like '### CREW-1 Title' below Rules"))
    policy = _policy(plain, parts, rules, wrong)
    return (None, tuple(wrong)) if wrong else (policy, ())


def rulebook(sources: Mapping[str, str]) -> Rulebook:
    """Return the rulebook of the policy files ``sources`` (path to text).

    Raises:
        UsageError: one of them is no sound policy, or two share a name or an id; all of it is told.
    """
    policies: dict[str, Policy] = {}
    owner: dict[str, str] = {}
    wrong: list[str] = []
    for path, text in sorted(sources.items()):
        policy, findings = parse_policy(text)
        wrong += [f"{path}:{each.line}: {each.why}" for each in findings]
        if policy is None:
            continue
        if policy.name in policies:
            wrong.append(f"{path}:0: the policy {policy.name!r} is there already")
        policies[policy.name] = policy
        for rule in policy.rules:
            if owner.setdefault(rule.id, path) != path:
                wrong.append(f"{path}:0: the id {rule.id} is taken by {owner[rule.id]}")
    if wrong:
        raise UsageError("the rulebook was not built; mend this first:\n  " + "\n  ".join(wrong))
    ordered = tuple(policies[name] for name in sorted(policies))
    return Rulebook(policies=ordered, hash=canonical_hash(ordered))


def canonical_hash(policies: Sequence[Policy]) -> str:
    """Return the SHA-256 of what the policies say, however their files are laid out."""
    said = [policy.model_dump(mode="json") for policy in policies]
    canonical = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(unicodedata.normalize("NFC", canonical).encode()).hexdigest()


def check_document(text: str, path: str, book: Rulebook) -> tuple[Finding, ...]:
    """Return what the document ``text``, called ``path``, does against ``book``, by lines.

    Raises:
        UsageError: it is too long to be a document.
    """
    if len(text) > MAX_CHARS:
        raise UsageError(f"{path!r} has more than {MAX_CHARS:,} characters; check it in parts")
    plain = _plain(text)
    found = list(_as_policy(plain, book)) if is_policy(plain) else []
    titles = {title.casefold() for _, _, title in headings(plain)}
    for rule in book.rules():
        if not rule.files or any(fnmatchcase(path, glob) for glob in rule.files):
            found += _against(rule, plain, titles)
    return tuple(sorted(found, key=lambda each: (each.line, each.rule)))


def _as_policy(plain: str, book: Rulebook) -> Iterator[Finding]:
    """Yield what is wrong with a candidate policy, among those that are there."""
    policy, wrong = parse_policy(plain)
    yield from wrong
    if policy is None:
        return
    others = [each for each in book.policies if each.name != policy.name]
    taken = {rule.id: each.name for each in others for rule in each.rules}
    for rule in policy.rules:
        if rule.id in taken:
            yield _wrong(0, f"the id {rule.id} is taken by the policy {taken[rule.id]!r}")


def _against(rule: PolicyRule, plain: str, titles: set[str]) -> Iterator[Finding]:
    def finding(at: int, why: str) -> Finding:
        line = plain.count("\n", 0, at) + 1 if at >= 0 else 0
        return Finding(rule=rule.id, severity=rule.severity, line=line, why=why)

    for phrase in rule.forbids:
        words = r"\s+".join(map(re.escape, phrase.split()))
        for match in re.finditer(words, plain, re.IGNORECASE):
            yield finding(match.start(), f"{phrase!r} may not stand here: {rule.title}")
    for name in rule.requires:
        if name.casefold() not in titles:
            yield finding(-1, f"the section {name!r} is missing: {rule.title}")
    if rule.finds:
        for secret in secrets_in(plain):
            yield finding(secret.start, f"this looks like a secret ({secret.kind}): {rule.title}")


# -- reading a policy file -------------------------------------------------------------------------

_Section = tuple[int, str, int, list[str]]  # level, title, line from 1, lines below the heading


def _plain(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _parts(plain: str, lines: Sequence[str]) -> Iterator[_Section]:
    found = list(headings(plain))
    starts = [row for row, _, _ in found]
    for (row, level, title), end in zip(found, [*starts[1:], len(lines)], strict=False):
        yield level, title, row + 1, list(lines[row + 1 : end])


def _rules(parts: Sequence[_Section], wrong: list[Finding]) -> Iterator[PolicyRule]:
    section = ""
    for level, title, line, below in parts:
        if level <= 2:
            section = title.lower()
        if level != 3 or section != "rules":
            continue
        named = _ID.match(title)
        if named is None or not named[2]:
            wrong.append(_wrong(line, f"{title!r} is no rule's heading; write 'CREW-1 Title'"))
            continue
        try:
            yield PolicyRule.model_validate({"id": named[1], "title": named[2], **_fields(below)})
        except ValidationError as error:
            wrong += [
                _wrong(line, f"{named[1]}: {'.'.join(map(str, each['loc']))}: {each['msg']}")
                for each in error.errors()
            ]


def _fields(below: Sequence[str]) -> dict[str, str | tuple[str, ...]]:
    """Return a rule's fields, and what follows as its text."""
    one: dict[str, str | tuple[str, ...]] = {}
    many: dict[str, tuple[str, ...]] = {}
    for at, line in enumerate(below):
        field = _FIELD.match(line)
        if field is None and line.strip():
            return {**one, **many, "text": "\n".join(below[at:]).strip()}
        if field is not None and field[1] in _MANY:
            many[field[1]] = (*many.get(field[1], ()), field[2])
        elif field is not None:
            one[field[1]] = field[2]
    return {**one, **many}


def _policy(
    plain: str, parts: Sequence[_Section], rules: Sequence[PolicyRule], wrong: list[Finding]
) -> Policy | None:
    front = _FRONT.match(plain)
    try:
        said = dict(_ENTRY.findall(front[1])) if front else {}
        purpose = [below for _, title, _, below in parts if title.lower() == "purpose"]
        return Policy(
            name=said.get("policy", ""),
            version=int(said.get("version", "0")),
            purpose="\n".join(purpose[0] if purpose else ()).strip(),
            rules=tuple(rules),
        )
    except ValueError:  # pydantic's errors are ValueErrors
        wrong.append(
            _wrong(1, "it must begin with '---', 'policy: a-name', 'version: 1' (rising) and '---'")
        )
        return None


def _wrong(line: int, why: str) -> Finding:
    return Finding(rule=FORM, severity=Severity.ERROR, line=line, why=why)
