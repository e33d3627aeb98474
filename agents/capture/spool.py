"""The spool of hook events: what Cursor's hooks left behind, taken in as turns.

The spool is renamed, read, handed on and only then removed, so that a process that ends in between
loses nothing; handing on the same event twice is harmless, since events have keys. Times are kept
but decide nothing: the place in the spool does, and which generation an answer belongs to.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Final

from pydantic import Field

from agents.capture.aftermath import Aftermath, Ran
from agents.capture.turn import Turn, ends, event_key, said_at, speakable
from mcp_local_llm import StoreUnavailable
from memory.records import Record
from memory.secrets import redacted

_CONVERSATIONS: Final = 50  # whose last answer is kept for the next time
_RAN: Final = 10  # commands of an answer that are looked at, the newest
_TAIL: Final = 2_000  # characters of their output that are kept for the next time
_PROMPT, _ANSWER, _EDIT, _TAB, _SHELL = (
    "beforeSubmitPrompt", "afterAgentResponse", "afterFileEdit", "afterTabFileEdit",
    "afterShellExecution",
)  # fmt: skip


class Event(Record, extra="ignore"):
    """One event as the hook notes it; see agents/capture/cursor_hook.py."""

    hook_event_name: str
    conversation_id: str = ""
    generation_id: str = ""
    root: str = ""
    text: str = Field(max_length=64_000)
    command: str = Field(default="", max_length=4_000)
    at: float = 0


def spool_file(home: Path) -> Path:
    """Return the file that hooks append to in the state folder ``home``."""
    return home / "spool" / "cursor.jsonl"


def is_waiting(home: Path) -> bool:
    """Say whether hooks have noted anything; costs no more than a look at a folder."""
    spool = spool_file(home)
    return spool.exists() or any(spool.parent.glob("taken-*.jsonl"))


def take_in(home: Path, consume: Callable[[Sequence[Turn]], None]) -> Counter[str]:
    """Hand the turns of the spool to ``consume``, then remove it; count lines left out, by reason.

    Nothing is done while another process does so. What ``consume`` raises leaves all of it for the
    next time.

    Raises:
        StoreUnavailable: the spool cannot be read or moved.
    """
    refused: Counter[str] = Counter()
    try:
        with _alone(spool_file(home).parent) as is_mine:
            if is_mine:
                taken = _taken(spool_file(home))
                events = list(_events([_carried(home), *taken], refused))
                turns = list(_turns(events))
                refused["of no folder"] += sum(not turn.folder for turn in turns)
                consume([turn for turn in turns if turn.folder])
                _carry(home, events)
                for path in taken:
                    path.unlink()
    except OSError as error:
        raise StoreUnavailable(
            f"the hooks' spool in {str(spool_file(home).parent)!r} cannot be taken in "
            f"({error.strerror}); make the folder readable and writable for you"
        ) from error
    return refused


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    if not folder.is_dir():
        yield False
        return
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _taken(spool: Path) -> list[Path]:
    """Move the spool aside; return it after what an earlier, broken-off attempt left."""
    before = sorted(spool.parent.glob("taken-*.jsonl"))
    with contextlib.suppress(FileNotFoundError), spool.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # no hook is in the middle of a line
        number = int(before[-1].stem.partition("-")[2]) + 1 if before else 1
        before.append(spool.rename(spool.with_name(f"taken-{number:06}.jsonl")))
    return before


def _events(files: Sequence[Path], refused: Counter[str]) -> Iterator[Event]:
    for path in files:
        if not path.exists():
            continue
        with path.open("rb") as lines:
            for line in lines:
                if not line.strip():
                    continue
                try:
                    event = _event(json.loads(line.decode(errors="replace")))
                except (ValueError, RecursionError):  # pydantic's errors are ValueErrors
                    refused["cut off, or no event"] += 1
                else:
                    yield event


def _event(noted: object) -> Event:
    if isinstance(noted, dict):  # Python's JSON lets halves of characters pass
        noted = {k: speakable(v) if isinstance(v, str) else v for k, v in noted.items()}
    return Event.model_validate(noted)


@dataclass(slots=True)
class _Answer:
    """What one generation said and did; files and commands with their place in the spool."""

    said: dict[str, None] = field(default_factory=dict)  # what was noted twice is one
    edited: dict[str, int] = field(default_factory=dict)
    ran: dict[str, tuple[int, str]] = field(default_factory=dict)

    def note(self, number: int, event: Event) -> None:
        """Take in the event that stands at ``number``."""
        if event.hook_event_name == _ANSWER:
            self.said[event.text] = None
        elif event.hook_event_name == _EDIT:
            self.edited.setdefault(event.text, number)
        elif event.hook_event_name == _SHELL:
            self.ran.pop(event.command, None)
            self.ran[event.command] = (number, event.text)

    def aftermath(self, root: str, tabs: Mapping[str, list[int]], until: int) -> Aftermath:
        """Return what became of it before the prompt at ``until``; ``tabs`` are Tab's edits."""
        if not self.edited:
            return Aftermath()
        again = [
            _below(root, path)
            for path, first in self.edited.items()
            if any(first < number < until for number in tabs.get(path, ()))
        ]
        first = min(self.edited.values())
        ran = [(command, said) for command, (at, said) in self.ran.items() if at > first]
        return Aftermath(
            edited_since=tuple(dict.fromkeys(path for path in again if path)),
            ran=tuple(Ran.of(command, said) for command, said in ran[-_RAN:]),
        )


def _turns(events: Sequence[Event]) -> Iterator[Turn]:
    """Yield prompts, each with the answer of the generation before it in its conversation."""
    answers: defaultdict[tuple[str, str], _Answer] = defaultdict(_Answer)
    tabs: defaultdict[str, list[int]] = defaultdict(list)
    for number, event in enumerate(events):
        answers[event.conversation_id, event.generation_id].note(number, event)
        if event.hook_event_name == _TAB:  # which belongs to no conversation
            tabs[event.text].append(number)
    last: dict[str, str] = {}
    known: set[str] = set()
    for number, event in enumerate(events):
        if event.hook_event_name != _PROMPT:
            continue
        if not event.text:  # it was taken in before
            last[event.conversation_id] = event.generation_id
            continue
        key = event_key("hook", event.conversation_id, event.generation_id, event.text)
        if key in known:
            continue
        known.add(key)
        before = answers[event.conversation_id, last.get(event.conversation_id, "")]
        last[event.conversation_id] = event.generation_id
        files = {_below(event.root, path) for path in before.edited}
        yield Turn(
            text=event.text,
            previous=ends("\n".join(before.said)),
            at=_time(event.at),
            origin="hook",
            where=f"cursor:{event.conversation_id}",
            folder=event.root,
            file=next(iter(files)) if len(files) == 1 else "",
            key=key,
            aftermath=before.aftermath(event.root, tabs, number),
        )


def _below(root: str, path: str) -> str:
    """Return ``path`` from the project's root, empty when it lies elsewhere."""
    if not root or not PurePath(path).is_relative_to(root):
        return ""
    return PurePath(path).relative_to(root).as_posix()


def _time(at: float) -> datetime:
    try:
        return said_at(datetime.fromtimestamp(at, UTC))
    except (OverflowError, ValueError, OSError):
        return datetime.now(UTC)


def _carried(home: Path) -> Path:
    return spool_file(home).with_name("carried.jsonl")


def _carry(home: Path, events: Sequence[Event]) -> None:
    """Keep the last generation of each conversation: the next prompt is about it."""
    last: dict[str, str] = {}
    for event in events:
        if event.hook_event_name == _PROMPT:
            last.pop(event.conversation_id, None)
            last[event.conversation_id] = event.generation_id
    kept = dict(list(last.items())[-_CONVERSATIONS:])
    lines = dict.fromkeys(
        json.dumps({**event.model_dump(), **_harmless(event)})
        for event in _of_generations(kept, events)
    )
    fresh = _carried(home).with_name(f".carried.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in lines)
    fresh.replace(_carried(home))


def _of_generations(kept: Mapping[str, str], events: Sequence[Event]) -> list[Event]:
    """Return what belongs to the generations ``kept``, by conversation.

    Of what they ran that is the newest; of Tab's edits, the newest in each file that they edited.
    """
    own = [one for one in events if kept.get(one.conversation_id) == one.generation_id]
    edited = {one.text for one in own if one.hook_event_name == _EDIT}
    ran: Counter[str] = Counter()
    found: list[Event] = []
    for one in reversed(events):
        is_kept = kept.get(one.conversation_id) == one.generation_id
        if one.hook_event_name == _TAB:
            is_kept = one.text in edited
            edited.discard(one.text)
        elif one.hook_event_name == _SHELL:
            ran[one.conversation_id] += is_kept
            is_kept = is_kept and ran[one.conversation_id] <= _RAN
        if is_kept:
            found.append(one)
    return found[::-1]


def _harmless(event: Event) -> dict[str, str]:
    """Return what later events need of the texts: of a prompt nothing but that there was one."""
    if event.hook_event_name == _PROMPT:
        return {"text": ""}
    if event.hook_event_name == _SHELL:
        return {"text": redacted(event.text)[-_TAIL:], "command": redacted(event.command)}
    return {"text": redacted(event.text)}
