"""Writing processes that are killed at random moments; nothing acknowledged may be lost.

By hand: ``.venv/bin/python tests/memory/kill_writers.py --rounds 20``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from memory.entries import FileState
from memory.journal import Journal
from memory.records import Item, Provenance, Status

WRITERS = 4
DEADLINE_S = 60.0


def write_forever(path: Path, writer: str) -> None:
    """Change the journal in every way there is, and acknowledge each change on stdout."""
    with Journal(path) as journal:
        last = ""
        for n in range(1_000_000):
            item = Item(text=f"writer {writer} says {n} " + "word " * (n % 50), key=f"{writer}/{n}")
            acknowledge(item.id, "put", journal.put(item))
            if n % 5 == 1:
                acknowledge(last, "supersede", journal.supersede(last, item.id, "newer"))
            if n % 7 == 1:
                acknowledge(item.id, "status", journal.set_status(item.id, Status.VALIDATED, "ok"))
            if n % 11 == 1:
                acknowledge(item.id, "forget", journal.forget(item.id, "wrong"))
            if n % 13 == 1:
                index(journal, f"{writer}.py", n)
            if n % 11 != 1:
                last = item.id


def index(journal: Journal, path: str, n: int) -> None:
    """Replace what is known of one file."""
    source = Provenance(source="index", where=path)
    items = [
        Item(text=f"def f{m}(): {n}", key=f"{path}::f{m}", provenance=source, data={"path": path})
        for m in range(n % 4)
    ]
    journal.index_file("", path, FileState(size=n, mtime_ns=n, hash=str(n)), items)
    for item in items:
        acknowledge(item.id, "put", 0)


def acknowledge(id: str, op: str, seq: int) -> None:
    """Say that a change is in the journal. Position 0: it is not said where."""
    os.write(1, (json.dumps([id, op, seq]) + "\n").encode())


def round_of_kills(path: Path, seed: int) -> list[tuple[str, str, int]]:
    """Start the writers, kill each at a random moment, and return what they acknowledged."""
    dice = random.Random(seed)
    command = [sys.executable, str(Path(__file__)), "--write", str(path), "--name"]
    writers = [
        subprocess.Popen([*command, f"{seed}-{n}"], stdout=subprocess.PIPE) for n in range(WRITERS)
    ]
    said: dict[int, bytes] = {w.stdout.fileno(): b"" for w in writers if w.stdout}
    try:
        collect(said, lambda: all(b"\n" in text for text in said.values()), DEADLINE_S)
        for writer in dice.sample(writers, WRITERS):
            collect(said, lambda: False, dice.random() * 0.2)
            writer.send_signal(signal.SIGKILL)
            if writer.wait() != -signal.SIGKILL:
                raise RuntimeError("a writer ended before it was killed; its error is above")
        collect(said, lambda: False, DEADLINE_S)
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            if writer.stdout:
                writer.stdout.close()
    lines = [line for text in said.values() for line in text.split(b"\n")[:-1]]
    return [(id, op, seq) for id, op, seq in map(json.loads, lines)]


def collect(said: dict[int, bytes], enough: Callable[[], bool], seconds: float) -> None:
    """Read from the pipes until ``enough()``, their end, or ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    pipes = set(said)
    while pipes and not enough() and (left := deadline - time.monotonic()) > 0:
        for pipe in select.select(list(pipes), [], [], left)[0]:
            text = os.read(pipe, 65536)
            said[pipe] += text
            if not text:
                pipes.discard(pipe)


def lost(path: Path, acknowledged: list[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
    """Return what was acknowledged and is not in the journal."""
    with Journal(path) as journal:
        operations: dict[str, set[tuple[str, int]]] = {}
        for id in {id for id, _, _ in acknowledged}:
            operations[id] = {(o.op, o.seq) for o in journal.history(id)}
    return [
        (id, op, seq)
        for id, op, seq in acknowledged
        if (op, seq) not in operations[id]
        and not (seq == 0 and any(kept == op for kept, _ in operations[id]))
    ]


def main() -> int:
    """Run as a writer, or as many rounds as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--name", default="")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    if options.write:
        write_forever(options.write, options.name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memory" / "journal.sqlite"
        acknowledged: list[tuple[str, str, int]] = []
        for seed in range(options.rounds):
            acknowledged += round_of_kills(path, seed)
        missing = lost(path, acknowledged)
        with Journal(path) as journal:
            problems = journal.verify()
    sys.stdout.write(
        f"rounds {options.rounds}, writers {WRITERS}, acknowledged {len(acknowledged)}, "
        f"lost {len(missing)}, problems {len(problems)}\n"
    )
    return int(bool(missing or problems))


if __name__ == "__main__":
    sys.exit(main())
