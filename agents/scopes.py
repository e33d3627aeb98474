"""The one table of what each role may read, write and run.

Every path asks it: which calls of a reply are run at all, which changed files of a turn stay
(by whatever tool or command they changed), and which of a run's files are taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agents.brief import is_test_path
from agents.docstrings import same_behaviour
from agents.reply import Plan

# (plan, path, bytes before, bytes after) -> why the change is refused, or ""
Verdict = Callable[[Plan | None, str, bytes | None, bytes | None], str]

_CODE: Final = (".py", ".pyi")
_DOCUMENTS: Final = (".md", ".rst", ".txt", ".adoc")


@dataclass(frozen=True, slots=True)
class Scope:
    """What one role may do: its tools by what they do, in the order in which they are described.

    ``writes`` says for people what ``verdict`` decides for each changed file.
    """

    edits: tuple[str, ...]
    reads: tuple[str, ...]
    runs: tuple[str, ...]
    writes: str
    verdict: Verdict

    @property
    def tools(self) -> tuple[str, ...]:
        """Every tool of the role."""
        return (*self.edits, *self.reads, *self.runs)


def _writes_nothing(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    return f"{path}: the planner changes no files; answer with a plan"


def _writes_tests(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    if not is_test_path(path):
        return f"{path}: the tester writes test files only"
    if before is not None and (plan is None or path != plan.test):
        wanted = plan.test if plan else ""
        return f"{path}: existing tests stay as they are; write the new test {wanted}"
    return ""


def _keeps_tests(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    """Refuse any change to a test: who makes a test pass may not rewrite it."""
    if is_test_path(path):
        return f"{path}: tests stay as they are; change the code that they test"
    return ""


def _writes_words(plan: Plan | None, path: str, before: bytes | None, after: bytes | None) -> str:
    if path.endswith(_DOCUMENTS):
        return "" if after is not None else f"{path}: the doc writer deletes no files"
    if not path.endswith(_CODE):
        return f"{path}: the doc writer changes documents and docstrings only"
    if before is None or after is None:
        return f"{path}: the doc writer adds and deletes no code files"
    if same_behaviour(before, after):
        return ""
    return f"{path}: code changed; repeat the code exactly and change docstrings or comments only"


SCOPES: Final[Mapping[str, Scope]] = MappingProxyType(
    {
        "planner": Scope(
            edits=(),
            reads=("fs.read", "fs.list", "search.text", "search.code", "memory.recall"),
            runs=(),
            writes="no files",
            verdict=_writes_nothing,
        ),
        "tester": Scope(
            edits=("fs.write", "fs.edit"),
            reads=("fs.read", "search.text", "memory.recall"),
            runs=(),
            writes="test files; existing ones stay as they are",
            verdict=_writes_tests,
        ),
        "implementer": Scope(
            edits=("fs.append", "fs.edit", "fs.write"),
            reads=("fs.read", "search.text"),
            runs=("cmd.run",),
            writes="all files but tests",
            verdict=_keeps_tests,
        ),
        "refactorer": Scope(
            edits=("fs.edit", "fs.write", "fs.delete"),
            reads=("fs.read", "search.text"),
            runs=(),
            writes="all files but tests",
            verdict=_keeps_tests,
        ),
        "doc_writer": Scope(
            edits=("fs.edit", "fs.write"),
            reads=("fs.read", "search.text", "git.diff"),
            runs=(),
            writes="documents and docstrings; no behaviour",
            verdict=_writes_words,
        ),
    }
)
