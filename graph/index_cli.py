"""``mcp-local-llm index``: read a project's files into the memory, so that code can be found."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from graph.console import run_command, write_json

if TYPE_CHECKING:
    from tools.indexing import Indexed, Tell

Applied = Callable[[], int | None]
"""Returns up to which position the index has followed the journal; None: nobody follows."""

_DESCRIPTION: Final = """\
Read the project's files into the memory, so that the crew, Cursor and `recall` find its code. What
.gitignore names is left out, and so are secrets, binaries, generated and vendored files. Again,
only what changed is read.
"""
_POLL_S: Final = 0.1
_STALLED_S: Final = 60.0  # without progress, the index is left to itself
_NAMED: Final = 3  # files that are named per reason for skipping


def main(argv: Sequence[str], applied: Applied | None = None) -> int:
    """Run ``mcp-local-llm index`` and return the exit code: 0, 2 wrong input, 3 no memory."""
    parser = argparse.ArgumentParser(prog="mcp-local-llm index", description=_DESCRIPTION)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: here"
    )
    parser.add_argument("--skipped", action="store_true", help="name all files that are left out")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, lambda options: _index(options, applied))


def _index(options: argparse.Namespace, applied: Applied | None) -> int:
    from agents.home import state_home
    from memory.journal import Journal
    from memory.layout import journal_path, memory_folder
    from tools.indexing import index_folder

    began = time.monotonic()
    with Journal(journal_path(memory_folder(state_home()))) as journal:
        with progress("reading files", sys.stderr) as tell:
            done = index_folder(options.folder.expanduser(), journal, tell)
        seconds = time.monotonic() - began
        if options.json:
            write_json({**_counts(done), "skipped": done.skipped, "seconds": round(seconds, 3)})
        else:
            sys.stdout.write(summary(done, seconds, every=options.skipped))
        if applied is not None:
            follow(applied, journal.last_seq)
    return 0


def _counts(done: Indexed) -> dict[str, int]:
    return {
        "new": done.new,
        "changed": done.changed,
        "unchanged": done.unchanged,
        "removed": done.removed,
        "chunks": done.chunks,
    }


def summary(done: Indexed, seconds: float, *, every: bool) -> str:
    """Return what was done in lines for people; ``every`` names all skipped files."""
    counts = ", ".join(f"{count} {name}" for name, count in _counts(done).items())
    lines = [f"{counts} ({seconds:.2f} s)"]
    for reason, paths in sorted(done.skipped.items()):
        shown = paths if every else paths[:_NAMED]
        more = f" and {len(paths) - len(shown)} more" if len(paths) > len(shown) else ""
        names = ", ".join(path if path.isprintable() else ascii(path) for path in shown)
        lines.append(f"skipped, {reason}: {names}{more}")
    return "\n".join(lines) + "\n"


def follow(applied: Applied, target: int, stream: TextIO | None = None) -> bool:
    """Show how the index catches up to ``target``; say whether it has got there.

    Ends early when nobody follows the journal, or when there is no progress for a minute: what is
    missing then is done whenever the memory is asked next.
    """
    start = at = applied()
    moved = time.monotonic()
    with progress("embedding", stream or sys.stderr) as tell:
        while start is not None and at is not None and at < target:
            tell(at - start, target - start)
            time.sleep(_POLL_S)
            before, at = at, applied()
            if at != before:
                moved = time.monotonic()
            elif time.monotonic() - moved > _STALLED_S:
                return False
        if start is not None and at is not None:
            tell(target - start, target - start)
    return at is not None


@contextmanager
def progress(what: str, stream: TextIO) -> Iterator[Tell]:
    """Yield what shows progress on ``stream``: a bar on a terminal, else nothing."""
    if not stream.isatty():
        yield lambda done, of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=stream), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
