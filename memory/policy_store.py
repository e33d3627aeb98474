"""Where a project's rulebook is built and its violations are kept.

The default policies come with the product; those of a project lie in ``.mcp-local-llm/policy`` of
its root and count from the moment at which somebody builds the rulebook.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError

import prompts
from mcp_local_llm import StoreUnavailable, UsageError
from memory.policy import (
    MAX_CHARS,
    Finding,
    PolicyRule,
    Rulebook,
    Severity,
    canonical_hash,
    rulebook,
)
from memory.private import private_folder
from memory.records import Record
from memory.secrets import redacted
from memory.whole_file import store_errors, write_whole

FOLDER: Final = ".mcp-local-llm/policy"
_DEFAULTS: Final = Path(prompts.__file__).parent / "policy"
_MOST_FILES: Final = 100
_FULL: Final = 1_000_000  # bytes of the log


class Violation(Record):
    """One entry of the log: which rule, by which rulebook (its hash), where and why, told by whom.

    ``line`` 0 is the document as a whole; ``where`` is a path from the project's root or a word.
    """

    at: str
    rule: str
    severity: Severity
    where: str
    line: int = 0
    why: str = Field(max_length=2_000)
    by: str = ""
    rulebook: str = ""


@dataclass(frozen=True, slots=True)
class PolicyStore:
    """The policies of the project ``project`` (its id), whose root is ``root``.

    Every method raises ``StoreUnavailable`` when the disk does not play along. Blocking.
    """

    home: Path
    project: str
    root: Path

    @property
    def folder(self) -> Path:
        """Where rulebook and log are kept."""
        return self.home / "policy" / self.project

    # -- rulebook ------------------------------------------------------------------------------

    def written(self) -> Rulebook:
        """Return what the policy files say now; ``UsageError`` tells all that is wrong in them."""
        sources = {f"default/{path.name}": path for path in sorted(_DEFAULTS.glob("*.md"))}
        own = self.root / FOLDER
        mine = sorted(own.glob("*.md")) if own.is_dir() else []
        if len(mine) > _MOST_FILES:
            raise UsageError(f"{str(own)!r} holds more than {_MOST_FILES} policies; join some")
        sources |= {f"{FOLDER}/{path.name}": path for path in mine}
        return rulebook({name: _read(path) for name, path in sources.items()})

    def current(self) -> Rulebook:
        """Return the rulebook in force: the one that was built last, else the default one."""
        built = self._built()
        if built is not None:
            return built
        return rulebook({path.name: _read(path) for path in _DEFAULTS.glob("*.md")})

    def is_stale(self) -> bool:
        """Say whether the policy files say something else than the rulebook in force, or nothing.

        ``build`` says what is wrong with them.
        """
        try:
            return self.written().hash != self.current().hash
        except UsageError:
            return True

    def build(self) -> Rulebook:
        """Make the policy files the rulebook in force, all of them or none; return it.

        Raises:
            UsageError: a file is no sound policy, or its rules changed and its version did not.
        """
        with self._alone():
            fresh, built = self.written(), self._built()
            known = {policy.name: policy for policy in built.policies} if built else {}
            wrong = [
                policy.name
                for policy in fresh.policies
                if (old := known.get(policy.name)) is not None
                and old != policy
                and policy.version <= old.version
            ]
            if wrong:
                raise UsageError(
                    f"the rulebook was not built: what {', '.join(wrong)} says has changed, and "
                    "its version has not; raise the number after 'version:' in the file"
                )
            write_whole(self.folder / "rulebook.json", fresh.model_dump_json(indent=1))
        return fresh

    def _built(self) -> Rulebook | None:
        path = self.folder / "rulebook.json"
        try:
            book = Rulebook.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise StoreUnavailable(
                f"the rulebook {str(path)!r} cannot be read; remove it, then run "
                "`mcp-local-llm policy build`"
            ) from error
        if book.hash != canonical_hash(book.policies):
            raise StoreUnavailable(
                f"the rulebook {str(path)!r} was changed by hand: its hash does not fit; remove "
                "it, then run `mcp-local-llm policy build`"
            )
        return book

    # -- violations ----------------------------------------------------------------------------

    def log(self, findings: Sequence[Finding], where: str, by: str) -> tuple[Violation, ...]:
        """Append ``findings`` to the log, without secrets; they are on the disk on return.

        Past a megabyte the older half of the log goes.
        """
        at, book = datetime.now(UTC).isoformat(timespec="seconds"), self.current().hash
        entries = tuple(
            Violation(
                at=at,
                rule=each.rule,
                severity=each.severity,
                where=redacted(where)[:400],
                line=each.line,
                why=redacted(each.why)[:2_000],
                by=by,
                rulebook=book,
            )
            for each in findings
        )
        if entries:
            self._append(entries)
        return entries

    def report(self, rule: str, where: str, why: str, by: str) -> Violation:
        """Log that somebody saw the rule with the id ``rule`` broken.

        Raises:
            UsageError: there is no such rule.
        """
        known = self.rule(rule)
        finding = Finding(rule=known.id, severity=known.severity, line=0, why=why)
        (entry,) = self.log([finding], where, by)
        return entry

    def rule(self, id: str) -> PolicyRule:
        """Return the rule ``id`` of the rulebook in force; ``UsageError`` when there is none."""
        rules = {rule.id: rule for rule in self.current().rules()}
        if id.upper() not in rules:
            raise UsageError(f"there is no rule {id!r}; there are: {', '.join(rules)}")
        return rules[id.upper()]

    def violations(self, limit: int = 100) -> tuple[Violation, ...]:
        """Return the last ``limit`` entries of the log, newest first; torn lines are left out."""
        found: list[Violation] = []
        try:
            lines = (self.folder / "violations.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise StoreUnavailable(
                f"the log of violations in {str(self.folder)!r} cannot be read ({error.strerror})"
            ) from error
        for line in reversed(lines):
            if len(found) == limit:
                break
            with contextlib.suppress(ValueError):
                found.append(Violation.model_validate(json.loads(line)))
        return tuple(found)

    def _append(self, entries: Sequence[Violation]) -> None:
        # each line begins with one: the rest of what a dead process left cut off ends there
        data = "".join(f"\n{entry.model_dump_json()}\n" for entry in entries).encode()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        path = self.folder / "violations.jsonl"
        with self._alone():
            if path.exists() and path.stat().st_size > _FULL:
                kept = path.read_bytes()[-_FULL // 2 :].decode(errors="replace")
                write_whole(path, kept)
            handle = os.open(path, flags, 0o600)
            try:
                os.write(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with store_errors("write", self.folder):
            private_folder(self.folder)
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
            finally:
                os.close(handle)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the policy {str(path)!r} cannot be read as UTF-8; mend it") from error
    if len(text) > MAX_CHARS:
        raise UsageError(f"the policy {str(path)!r} has more than {MAX_CHARS:,} characters; cut it")
    return text
