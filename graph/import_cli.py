"""The commands ``import-chats`` and ``ingest``: what was said elsewhere becomes knowledge.

Exit codes: 0 done, 1 a file could not be read, 2 wrong input, 3 the memory cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from graph.console import here, run_command, short, write_json
from graph.detect_cli import detector_options, open_detector
from mcp_local_llm import LocalLLMError, UsageError

if TYPE_CHECKING:
    from agents.capture.intake import Captured
    from agents.capture.turn import Turn
    from memory.records import Item

T = TypeVar("T")
_IMPORT: Final = """\
Learn from chats with other tools: SpecStory's Markdown, aider's .aider.chat.history.md and Claude
Code's JSON lines (~/.claude/projects), in DIR and below it. Only what you typed is read; what was
imported before is left out.
"""
_INGEST: Final = """\
Learn from what Cursor's hooks have noted (`mcp-local-llm hooks install`). graph-run and insights do
the same when they start.
"""


@dataclass(slots=True)
class Tally:
    """What came of many turns."""

    files: Counter[str] = field(default_factory=Counter)
    turns: int = 0
    signals: int = 0
    learnt: dict[str, Item] = field(default_factory=dict)
    accepted: int = 0
    replaced: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, one: Captured) -> None:
        """Count what came of one turn."""
        self.turns += 1
        self.signals += one.reward is not None
        self.accepted += len(one.accepted)
        self.replaced += len(one.replaced)
        self.learnt |= {item.id: item for item in one.learnt}
        if one.refused:
            self.refused[one.refused] += 1

    def told(self, options: argparse.Namespace, **more: Any) -> None:
        """Write it, as text or as the one JSON object."""
        refused = {name: count for name, count in self.refused.most_common() if count}
        if options.json:
            counts = {"files": dict(self.files), "turns": self.turns, "signals": self.signals}
            counts |= {"accepted": self.accepted, "replaced": self.replaced, "refused": refused}
            learnt = [
                {"id": id, "kind": item.kind, "text": item.text, "scope": item.scope}
                for id, item in self.learnt.items()
            ]
            write_json({**counts, "learnt": learnt, **more})
            return
        for id, item in self.learnt.items():
            sys.stdout.write(f"{id[:8]}  {item.kind:<10}  {short(item.text)}\n")
        rows = {"files": sum(self.files.values()), "turns": self.turns}
        rows |= {"learnt": len(self.learnt), "replaced": self.replaced}
        rows |= {"accepted": self.accepted, "signals": self.signals}
        for name, count in rows.items():
            if count or name in {"turns", "learnt", "signals"}:
                kinds = ", ".join(f"{n} {kind}" for kind, n in self.files.items())
                note = f"  ({kinds})" if name == "files" else ""
                sys.stdout.write(f"{name:<9} {count:>7,}{note}\n")
        if more.get("dry_run"):
            sys.stdout.write("nothing was stored\n")
        for reason, count in refused.items():
            sys.stdout.write(f"left out  {count:>7,}  {reason}\n")


def import_chats(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm import-chats``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm import-chats", description=_IMPORT)
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder with chats, or one file")
    parser.add_argument("--dry-run", action="store_true", help="store nothing, say what would be")
    parser.add_argument(
        "--here",
        action="store_true",
        help="learn all of it for the project you are in; by default each chat's for the project "
        "that it was held in, where the chat or its place tells that",
    )
    detector_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _import)


def ingest(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm ingest``."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm ingest", description=_INGEST)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _ingest)


def _ingest(options: argparse.Namespace) -> int:
    from agents.capture.waiting import take_hooks

    tally = Tally()
    with here() as memory:
        tally.refused.update(take_hooks(memory, tally.add))
    tally.told(options)
    return 0


def _import(options: argparse.Namespace) -> int:
    from agents.capture.intake import take_turns

    tally = Tally()
    unread: list[str] = []
    turns = _read(options, tally, unread)
    if not tally.files and not unread:
        raise UsageError(
            f"no chat was found in {str(options.folder)!r}; name a folder with SpecStory's, "
            "aider's or Claude Code's files, for example ~/.claude/projects"
        )
    with open_detector("import-chats", options) as detector, here() as memory:
        taken = take_turns(turns, memory, detector, dry_run=options.dry_run)
        for one in _shown(taken, "turns", len(turns)):
            tally.add(one)
    for problem in unread:
        sys.stderr.write(f"mcp-local-llm import-chats: {problem}\n")
    tally.told(options, dry_run=options.dry_run, unread=unread)
    return 1 if unread else 0


def _read(options: argparse.Namespace, tally: Tally, unread: list[str]) -> list[Turn]:
    """Return the turns of all files in the order in which they were typed."""
    from agents.capture.transcripts import find_files, read_file

    turns: list[Turn] = []
    for path in _shown(list(find_files(options.folder.expanduser())), "files"):
        try:
            found = read_file(path)
        except LocalLLMError as error:
            unread.append(str(error))
            continue
        if found is not None:
            tally.files[found.format] += 1
            tally.refused.update(found.refused)
            folder = _project_of(path)
            for turn in found.turns:
                place = "" if options.here else turn.folder or folder
                turns.append(turn.model_copy(update={"folder": place}))
    return sorted(turns, key=lambda turn: turn.at)


def _project_of(path: Path) -> str:
    """Return the project that the file lies in; empty, which is the current one, if in none."""
    from memory.project import project_root

    root = project_root(path.parent)
    return str(root) if (root / ".git").exists() else ""


def _shown(things: Iterable[T], name: str, total: int | None = None) -> Iterator[T]:
    """Yield ``things`` with a count of them on a terminal."""
    if not sys.stderr.isatty():
        yield from things
        return
    of = len(things) if isinstance(things, list) else total
    for number, thing in enumerate(things, 1):
        yield thing
        sys.stderr.write(f"\r{name} {number:,} of {of:,}\x1b[K")
        sys.stderr.flush()
    sys.stderr.write("\r\x1b[K")
