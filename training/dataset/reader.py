"""Reads a dataset folder, and says of everything in it what is wrong, with its line.

A folder holds ``train.jsonl`` and, where there are any, ``valid.jsonl``, ``test.jsonl`` and
``manifest.json``. Each line is one conversation::

    {"id": "a1", "group": "rule-7", "messages": [{"role": "user", "content": "…"}, …], "learn": [3]}

``learn`` counts messages from 0; without it the last message alone is learned. Fields that are not
named here are kept and not looked at.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcp_local_llm import UsageError
from memory.records import Record
from memory.secrets import find_secrets

Part = Literal["train", "valid", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "valid", "test")
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
_SHOWN_PROBLEMS: Final = 3
_WORD: Final = re.compile(r"\w+")


class Turn(Record):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Item(BaseModel):
    """One conversation. Items of one ``group`` are variants of one thing.

    ``kind`` says what it is for (``rule``, ``definition``, ``contrast``, ``general`` …), ``of`` are
    the ids of what it was made from: items of the journal, or nothing.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str = Field(min_length=1)
    messages: tuple[Turn, ...] = Field(min_length=1)
    group: str = ""
    source: str = ""
    kind: str = ""
    of: tuple[str, ...] = ()
    learn: tuple[int, ...] | None = None

    @property
    def learned(self) -> tuple[int, ...]:
        """The places of the messages that are learned, in order."""
        return (len(self.messages) - 1,) if self.learn is None else tuple(sorted(set(self.learn)))

    @property
    def asked(self) -> str:
        """What stands before the last learned message, apart from case, spaces and punctuation."""
        last = max(self.learned, default=0)
        said = (turn.content for turn in self.messages[:last] if turn.role != "system")
        return " ".join(_WORD.findall(" ".join(said).casefold()))


class Problem(Record):
    """What is wrong, and where; ``line`` counts from 1, and 0 means the whole file."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        """Return it the way compilers do."""
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


class Dataset(Record):
    """The readable items of a folder, with their lines, and what is wrong with the others."""

    folder: Path
    train: tuple[tuple[int, Item], ...] = ()
    valid: tuple[tuple[int, Item], ...] = ()
    test: tuple[tuple[int, Item], ...] = ()
    problems: tuple[Problem, ...] = ()

    def part(self, name: Part) -> tuple[tuple[int, Item], ...]:
        """Return (line, item) of one file."""
        return {"train": self.train, "valid": self.valid, "test": self.test}[name]

    def items(self, name: Part) -> tuple[Item, ...]:
        """Return the items of one file."""
        return tuple(item for _, item in self.part(name))


def file_name(part: Part) -> str:
    """Return the name of the file that holds ``part``."""
    return f"{part}.jsonl"


def digest(folder: Path) -> str:
    """Return a hash over everything that training reads of a dataset folder."""
    total = hashlib.sha256()
    for part in PARTS:
        path = folder / file_name(part)
        total.update(f"{path.name}\n{_sha256(path) if path.is_file() else ''}\n".encode())
    return total.hexdigest()


def open_dataset(folder: Path) -> Dataset:
    """Return the dataset in ``folder``, with something to train on and without a problem.

    Raises:
        UsageError: there is no such folder, nothing to learn from, or something is wrong in it.
    """
    dataset = read_dataset(folder)
    if dataset.problems:
        shown = "; ".join(map(str, dataset.problems[:_SHOWN_PROBLEMS]))
        raise UsageError(
            f"the dataset {str(folder)!r} has {len(dataset.problems)} problems ({shown}); "
            f"`mcp-local-llm dataset validate {folder}` lists them all"
        )
    return dataset


def read_dataset(folder: Path) -> Dataset:
    """Return what is in ``folder`` and everything that is wrong with it.

    Raises:
        UsageError: there is no such folder, or a file in it cannot be read.

    Not covered: the length of items, which depends on the model (see ``encoding.too_long``).
    """
    if not folder.is_dir():
        raise UsageError(
            f"there is no dataset folder {str(folder)!r}; name the folder of a dataset"
        )
    problems: list[Problem] = []
    parts = {part: _read_part(folder, part, problems) for part in PARTS}
    if not parts["train"] and not problems:
        problems.append(Problem(file="train.jsonl", line=0, what="nothing to learn from"))
    problems += _repeated_ids(parts)
    problems += _split_groups(parts)
    problems += _shared_prompts(parts)
    problems += _manifest_problems(folder)
    return Dataset(folder=folder, problems=tuple(problems), **parts)


_Lines = tuple[tuple[int, Item], ...]


def _read_part(folder: Path, part: Part, problems: list[Problem]) -> _Lines:
    path = folder / file_name(part)
    items: list[tuple[int, Item]] = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            item = Item.model_validate(_parsed(line))
        except ValueError as error:
            problems.append(Problem(file=path.name, line=number, what=_said(error)))
            continue
        items.append((number, item))
        problems += (Problem(file=path.name, line=number, what=what) for what in _wrong(item))
    return tuple(items)


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines() if path.exists() else []
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r} ({error}); name another dataset") from error


def _parsed(line: bytes) -> Any:
    if not line.strip():
        raise ValueError("the line is empty; each line holds one conversation")
    try:
        return json.loads(line.decode("utf-8"), parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _said(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']}" if place else first["msg"]
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON: {error.msg} in column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is no UTF-8"
    return str(error)


def _wrong(item: Item) -> Iterator[str]:
    """Yield what is wrong with one conversation."""
    yield from _wrong_order(item.messages)
    for place, turn in enumerate(item.messages):
        if turn.role == "assistant" and not turn.content.strip():
            yield f"message {place}: the assistant says nothing"
        for found in _secrets(turn.content):
            yield f"message {place}: looks like a secret ({found}); take it out"
    if not item.learned:
        yield "`learn` is empty; leave it out to learn the last message"
    for place in item.learned:
        if not (0 <= place < len(item.messages) and item.messages[place].role == "assistant"):
            yield f"`learn` names message {place}, which is none of the assistant"


@lru_cache(maxsize=4_096)  # prompts of roles stand in many items
def _secrets(text: str) -> tuple[str, ...]:
    return tuple(find_secrets(text))


_AFTER: Final[dict[str, tuple[str, ...]]] = {
    "system": ("",),
    "user": ("", "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}


def _wrong_order(messages: tuple[Turn, ...]) -> Iterator[str]:
    before = ""
    for place, turn in enumerate(messages):
        if before not in _AFTER[turn.role]:
            after = f"after {before!r}" if before else "at the beginning"
            yield f"message {place}: roles out of order, {turn.role!r} {after}"
            return  # what follows would only be wrong because of it
        before = turn.role


def _repeated_ids(parts: dict[Part, _Lines]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for part, items in parts.items():
        for line, item in items:
            place = f"{file_name(part)}:{line}"
            if item.id in first:
                what = f"the id {item.id!r} is taken by {first[item.id]}"
                yield Problem(file=file_name(part), line=line, what=what)
            first.setdefault(item.id, place)


def _split_groups(parts: dict[Part, _Lines]) -> Iterator[Problem]:
    home: dict[str, Part] = {}
    told: set[tuple[str, Part]] = set()
    for part, items in parts.items():
        for line, item in items:
            other = home.setdefault(item.group, part) if item.group else part
            if other != part and (item.group, part) not in told:
                told.add((item.group, part))
                what = f"the group {item.group!r} is in {file_name(other)} too, so it would leak"
                yield Problem(file=file_name(part), line=line, what=what)


def _shared_prompts(parts: dict[Part, _Lines]) -> Iterator[Problem]:
    """Yield the held-out items whose prompt is trained on, however it is written."""
    trained = {item.asked: line for line, item in parts["train"]}
    for part in ("valid", "test"):
        for line, item in parts[part]:
            if item.asked and item.asked in trained:
                what = f"its prompt is that of train.jsonl:{trained[item.asked]}, so it would leak"
                yield Problem(file=file_name(part), line=line, what=what)


class _FileEntry(BaseModel):
    sha256: str
    lines: int


class _Manifest(BaseModel):
    format: int
    files: dict[str, _FileEntry]


def _manifest_problems(folder: Path) -> Iterator[Problem]:
    """Yield where the files differ from the manifest; a folder without one is as it is."""
    path = folder / MANIFEST
    if not path.exists():
        return
    try:
        manifest = _Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        what = _said(error) if isinstance(error, ValidationError) else str(error)
        yield Problem(file=MANIFEST, line=0, what=f"cannot be used ({what})")
        return
    if manifest.format != FORMAT:
        what = f"its format is {manifest.format}, and this version reads {FORMAT}"
        yield Problem(file=MANIFEST, line=0, what=what)
    for name, entry in sorted(manifest.files.items()):
        file = folder / name
        if not file.is_file():
            yield Problem(file=MANIFEST, line=0, what=f"{name} is missing")
        elif _sha256(file) != entry.sha256:
            yield Problem(file=MANIFEST, line=0, what=f"{name} was changed after it was written")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
