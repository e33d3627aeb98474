"""Figures of the code index, on a repository that is generated for them."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from graph.figures import Figure
from memory.journal import Journal
from memory.records import Item
from tools.indexing import index_folder
from tools.process import probe, scrubbed_env

FILES: Final = 500
_REPEATS: Final = 7
_PER_FOLDER: Final = 25


def measured(files: int = FILES) -> list[Figure]:
    """Return how long indexing takes: everything new, one file changed, nothing changed.

    Measured inside the process, as the command does it: finding the files with git, looking at
    each, and the journal. Embedding is not part of it: the memory's owner does that later.
    """
    with tempfile.TemporaryDirectory(prefix="bench-index-") as name:
        folder = Path(name)
        repository = generated(folder / "repository", files)
        with Journal(folder / "memory" / "journal.sqlite") as journal:
            first = _timed(repository, journal)
            unchanged = [_timed(repository, journal) for _ in range(_REPEATS)]
            changed = repository / "package_0" / "module_0.py"
            changed.write_text(changed.read_text("utf-8") + "\n\nADDED = 1\n", "utf-8")
            one = _timed(repository, journal)
    worst = f"worst {max(unchanged):.3f}"
    return [
        Figure(
            f"index {files} files, unchanged", _s(statistics.median(unchanged), worst), "<= 0.3 s"
        ),
        Figure(f"index {files} files, one changed", _s(one)),
        Figure(f"index {files} files, all new", _s(first, f"{files / first:.0f} files/s")),
    ]


def append_time(repeats: int = 300) -> Figure:
    """Return how long the journal takes to keep one item, on the disk of temporary files."""
    times = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-journal-") as name,
        Journal(Path(name) / "journal.sqlite") as journal,
    ):
        for number in range(repeats):
            item = Item(text=f"note {number}: prices are net")
            began = time.perf_counter()
            journal.put(item)
            times.append(time.perf_counter() - began)
    return Figure("journal, one item", f"{statistics.median(times) * 1e3:.2f} ms", "<= 0.3 ms")


def _s(seconds: float, more: str = "") -> str:
    return f"{seconds:.3f} s" + (f" ({more})" if more else "")


def _timed(repository: Path, journal: Journal) -> float:
    began = time.perf_counter()
    index_folder(repository, journal)
    return time.perf_counter() - began


def generated(root: Path, files: int) -> Path:
    """Write a git repository of ``files`` Python modules, an hour old, and return its folder."""
    old = time.time() - 3_600
    for number in range(files):
        path = root / f"package_{number // _PER_FOLDER}" / f"module_{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_module(number), "utf-8")
        os.utime(path, (old, old))
    (root / ".gitignore").write_text("*.log\nbuild/\n", "utf-8")
    os.utime(root / ".gitignore", (old, old))
    probe(["git", "-C", str(root), "init", "--quiet"], timeout_s=60, env=scrubbed_env())
    probe(["git", "-C", str(root), "add", "--all"], timeout_s=60, env=scrubbed_env())
    return root


def _module(number: int) -> str:
    functions = (
        f"def step_{number}_{part}(values: list[int], limit: int = {part}) -> int:\n"
        f'    """Return the sum of the values above the limit, plus {number}."""\n'
        f"    return sum(value for value in values if value > limit) + {number}\n"
        for part in range(8)
    )
    methods = "\n".join(
        f'    def part_{part}(self) -> str:\n        """Return part {part}."""\n'
        f'        return f"{{self.name}}-{part}"\n'
        for part in range(4)
    )
    head = f'"""Module {number}."""\n\nNAME = "module_{number}"\n'
    return "\n\n".join([head, *functions, f"class Thing{number}:\n    name = NAME\n\n{methods}"])
