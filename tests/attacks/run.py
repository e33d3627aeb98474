"""``make attack``: all attacks, judged one by one, and a table of them.

    python -m tests.attacks.run [--attacks N] [--jobs N]

Ends with 1 when anything damaged was delivered, or when the attacks prove nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.attacks.generate import PATHS, attack, legal
from tests.attacks.parts import Attack
from tests.attacks.walls import ALL, Lab, Result

WITHOUT = {
    "edit": "fs.write",
    "command": "side effect",
    "border": "outlives its command",
    "delivery": "encoding",
}
"""For each wall a way of writing that meets it first, or alone."""


@dataclass
class Tally:
    """What became of the attacks of one kind, by the first wall that had to do with each."""

    attacks: int = 0
    stopped: Counter[str] = field(default_factory=Counter)
    damaged: list[tuple[Attack, Result]] = field(default_factory=list)

    def add(self, attack: Attack, result: Result) -> None:
        """Count one."""
        self.attacks += 1
        self.stopped[result.stopped[0] if result.stopped else "-"] += 1
        if result.damaged:
            self.damaged.append((attack, result))


async def tallied(
    lab: Lab, attacks: Iterable[Attack], walls: tuple[str, ...] = ALL, tally: Tally | None = None
) -> Tally:
    """Let ``attacks`` happen behind ``walls`` and count what became of them."""
    found = Tally() if tally is None else tally
    for each in attacks:
        found.add(each, await lab.run(each, walls))
        if found.attacks % 100 == 0:
            sys.stderr.write(f"  {each.path}: {found.attacks}\n")
    return found


async def legal_refused(lab: Lab, count: int) -> list[tuple[Attack, Result]]:
    """Return those of ``count`` legal edits that a wall had to do with."""
    edits = [legal(number) for number in range(count)]
    ended = [(each, await lab.run(each)) for each in edits]
    return [(each, result) for each, result in ended if result.stopped]


async def reaching(lab: Lab, count: int) -> dict[str, int]:
    """Return for each wall, left out alone, how many attacks got past where it stands."""
    found = {}
    for wall, path in WITHOUT.items():
        walls = tuple(each for each in ALL if each != wall)
        results = [await lab.run(attack(path, number), walls) for number in range(count)]
        later = set(ALL[ALL.index(wall) + 1 :]) | ({"border"} if wall == "edit" else set())
        found[wall] = sum(bool(later & set(each.stopped) or each.damaged) for each in results)
    return found


async def _in_parallel(labs: list[Lab], attacks: list[Attack], walls: tuple[str, ...]) -> Tally:
    waiting, tally = iter(attacks), Tally()
    await asyncio.gather(*(tallied(lab, waiting, walls, tally) for lab in labs))
    return tally


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def _main(options: argparse.Namespace) -> int:
    each = -(-options.attacks // len(PATHS))
    fewer = max(each // 10, 5)
    began, ok = time.monotonic(), True
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        labs = []
        for number in range(options.jobs):
            (Path(name) / str(number)).mkdir()
            labs.append(await Lab.open(Path(name) / str(number)))
        _say(f"{'path':22}{'attacks':>8}{'damaged':>8}  {'no wall':>9}  first wall")
        bare_damaged = bare = 0
        for path in PATHS:
            on = await _in_parallel(labs, [attack(path, n) for n in range(each)], ALL)
            off = await _in_parallel(labs, [attack(path, n) for n in range(fewer)], ())
            bare, bare_damaged = bare + fewer, bare_damaged + len(off.damaged)
            walls = ", ".join(f"{wall} {count}" for wall, count in on.stopped.most_common())
            damaging = f"{len(off.damaged)}/{fewer}"
            _say(f"{path:22}{on.attacks:8}{len(on.damaged):8}  {damaging:>9}  {walls}")
            for attacked, result in on.damaged[:5]:
                _say(f"    DELIVERED {attacked.path} {attacked.number}: {result.damaged}")
            ok = ok and not on.damaged
        past = await reaching(labs[0], fewer)
        refused = await legal_refused(labs[0], options.legal)
        share = bare_damaged / bare
        _say(f"without walls {share:.0%} of {bare} do damage (>= 90 %)")
        _say(f"past where one wall is missing, of {fewer}: {past}")
        _say(f"legal edits refused: {len(refused)} of {options.legal} (<= 1 %)")
        _say(f"{time.monotonic() - began:.0f} s")
        ok = ok and share >= 0.9 and all(past.values()) and len(refused) <= options.legal / 100
    return 0 if ok else 1


def main() -> int:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(prog="make attack")
    parser.add_argument("--attacks", type=int, default=10_000)
    parser.add_argument("--legal", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=2)
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
