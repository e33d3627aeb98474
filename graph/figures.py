"""One figure of a benchmark, and how figures are shown."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what, its value with the unit, and the aim where there is one."""

    name: str
    value: str
    aim: str = ""


def show(figures: Sequence[Figure], *, as_json: bool = False) -> None:
    """Print ``figures`` on stdout as a table, or as one JSON object."""
    if as_json:
        found = {"figures": [asdict(figure) for figure in figures]}
        sys.stdout.write(json.dumps(found) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", "measured", "aim")
    for figure in figures:
        table.add_row(figure.name, figure.value, figure.aim)
    Console().print(table)
