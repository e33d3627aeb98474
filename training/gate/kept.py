"""What a gate has measured, kept on disk as it comes: one that is killed loses no answer.

A file of JSON lines, one measurement each, under a hash of all that decides on it: who answered and
what was asked. With another adapter, base, wording or setting the hash is another one, so nothing
here is ever out of date; it is only not asked for any more.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self, TypeVar

from pydantic import TypeAdapter, ValidationError

from mcp_local_llm import StoreUnavailable
from memory.records import Record

_LINE: Final = TypeAdapter(tuple[str, str])

_R = TypeVar("_R", bound=Record)


@dataclass(frozen=True, slots=True)
class Kept:
    """The measurements about ``who`` in the file ``path`` (None: kept only in memory).

    Raises ``StoreUnavailable`` when the disk refuses. One process at a time writes.
    """

    path: Path | None = None
    who: str = ""
    _found: dict[str, str] = field(default_factory=dict)
    _older: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, *older: Path) -> Self:
        """Return what ``path`` holds; what is used of ``older`` as well is copied from there."""
        known = {key: said for one in older for key, said in _lines(one).items()}
        return cls(path, _found=_lines(path), _older=known)

    def about(self, *who: str) -> Self:
        """Return the measurements of what all of ``who`` together name, in the same file."""
        return replace(self, who=_hash(*who))

    def find(self, kind: type[_R], asked: str) -> _R | None:
        """Return the ``kind`` of measurement that ``asked`` gave, or None."""
        key = _hash(self.who, kind.__name__, asked)
        said = self._found.get(key)
        if said is None and (said := self._older.get(key)) is not None:
            self._append(key, said)
        try:
            return kind.model_validate_json(said) if said is not None else None
        except ValidationError:
            return None  # as another version wrote it

    def needed(self, kind: type[_R], asked: str) -> _R:
        """Return what ``asked`` gave; it has been measured."""
        found = self.find(kind, asked)
        if found is None:
            raise AssertionError("it is asked for before it was measured")
        return found

    def keep(self, found: _R, asked: str) -> _R:
        """Write down what ``asked`` gave, and return it."""
        self._append(_hash(self.who, type(found).__name__, asked), found.model_dump_json())
        return found

    async def once(
        self,
        kind: type[_R],
        asked: str,
        make: Callable[[], Awaitable[_R]],
        *,
        worth: Callable[[_R], bool] = lambda _: True,
    ) -> _R:
        """Return what ``asked`` gave; have it measured where it has not been.

        What is not ``worth`` it is not kept, and is measured again when it is asked for again.
        """
        found = self.find(kind, asked)
        if found is None:
            found = await make()
            if worth(found):
                self.keep(found, asked)
        return found

    def _append(self, key: str, said: str) -> None:
        self._found[key] = said
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                # Begins with a line's end: the line before may have been cut by a kill.
                file.write("\n" + json.dumps((key, said)))
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write {str(self.path)!r} ({error.strerror}); free some disk space, then "
                "repeat the command: it goes on where it was"
            ) from error


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _lines(path: Path) -> dict[str, str]:
    """Return the measurements in ``path``; lines that a kill or a full disk cut are left out."""
    found: dict[str, str] = {}
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return found
    except OSError as error:
        raise StoreUnavailable(
            f"cannot read {str(path)!r} ({error.strerror}); make it readable, or remove it to have "
            "all of it measured again"
        ) from error
    for line in lines:
        with suppress(ValidationError):
            key, said = _LINE.validate_json(line)
            found[key] = said
    return found
