"""Edits of files: computed for all files first, then applied together or not at all.

Blocks and symbols are looked up in the file as it was before the message (or as an earlier whole
write or append of the same message left it), so that no edit can hit what another one just put
there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from mcp_local_llm import ToolRetry
from memory.records import Record
from tools.drafts import Draft
from tools.jail import Jail
from tools.textfile import decode
from tools.transaction import Transaction

ChangeKind = Literal["created", "modified", "deleted"]
EditKind = Literal["write", "append", "search_replace", "symbol", "delete"]


class Edit(Record):
    """One change of one file; ``text`` is the body of the call, read as ``kind`` says."""

    path: str = Field(min_length=1)
    kind: EditKind
    text: str = ""
    symbol: str = ""


class FileChange(Record):
    """What became of one file.

    ``before`` and ``after`` are its text, None where it did not or does not exist (and for a
    deleted file that holds no text). ``notes`` say what the writer should know: the lines changed,
    a loose match, a syntax error.
    """

    path: str
    kind: ChangeKind
    before: str | None = None
    after: str | None = None
    notes: tuple[str, ...] = ()


class EditRefused(ToolRetry):
    """An edit that was refused; ``index`` is its place among the edits given."""

    def __init__(self, message: str, index: int) -> None:
        """Say ``message`` of the edit at ``index``."""
        super().__init__(message)
        self.index = index


def apply_edits(jail: Jail, edits: Sequence[Edit]) -> tuple[FileChange, ...]:
    """Apply ``edits`` in order, atomically over all files, and say what changed.

    Raises :class:`ToolRetry` (nothing is changed then) when a block does not match exactly once, an
    edit changes nothing, two edits overlap, or a file is binary, too large or of an unknown
    encoding; :class:`ToolDenied` for paths outside; :class:`StoreUnavailable` for a full or
    read-only disk.
    """
    return draft_edits(jail, edits).write()


@dataclass(frozen=True, slots=True)
class Drafted:
    """The files as edits would leave them; nothing is written yet."""

    jail: Jail
    outputs: tuple[tuple[Draft, bytes | None], ...]

    @property
    def contents(self) -> dict[str, bytes | None]:
        """The new bytes by path; None for a file that is to be gone."""
        return {draft.path: data for draft, data in self.outputs}

    def write(self) -> tuple[FileChange, ...]:
        """Put all of it on disk or nothing, and say what changed; raises as ``apply_edits``."""
        with Transaction(self.jail) as transaction:
            for draft, data in self.outputs:
                if data is None:
                    transaction.delete(draft.path, draft.seen)
                else:
                    transaction.write(draft.path, data, draft.seen)
            transaction.commit()
        return tuple(_change_of(draft) for draft, _ in self.outputs)


def draft_edits(jail: Jail, edits: Sequence[Edit]) -> Drafted:
    """Return what ``edits`` make of their files, for a look before it is written.

    Raises what ``apply_edits`` raises but for a full or read-only disk.
    """
    return Drafted(jail, tuple((draft, draft.finish()) for draft in _drafted(jail, edits)))


def _drafted(jail: Jail, edits: Sequence[Edit]) -> list[Draft]:
    drafts: dict[str, Draft] = {}
    for index, edit in enumerate(edits):
        try:
            opened = Draft.open(jail, edit.path)
            draft = drafts.setdefault(opened.path, opened)
            _refuse_second_name(draft, drafts.values())
            _plan(draft, edit)
        except ToolRetry as error:
            raise EditRefused(str(error), index) from error
    return list(drafts.values())


def _refuse_second_name(draft: Draft, others: Iterable[Draft]) -> None:
    for other in others:
        if other is not draft and draft.seen and other.seen and other.seen[:2] == draft.seen[:2]:
            raise ToolRetry(
                f"{draft.path!r} and {other.path!r} are one file; use one of the names."
            )


def _plan(draft: Draft, edit: Edit) -> None:
    match edit.kind:
        case "write":
            draft.write(edit.text)
        case "append":
            draft.append(edit.text)
        case "search_replace":
            draft.replace_blocks(edit.text)
        case "symbol":
            draft.replace_symbol(edit.symbol, edit.text)
        case "delete":
            draft.delete()


def _change_of(draft: Draft) -> FileChange:
    before: str | None = None
    with suppress(ToolRetry):  # deleted without ever being read as text
        before = decode(draft.before, draft.path).content if draft.before is not None else None
    kind: ChangeKind = "modified" if draft.now else "deleted"
    if draft.before is None:
        kind = "created"
    after = draft.now.content if draft.now else None
    return FileChange(
        path=draft.path, kind=kind, before=before, after=after, notes=tuple(draft.notes)
    )
