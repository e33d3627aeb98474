"""Judges what was delivered without any of the code under test.

Strict: the bytes of the region stand in the file once, as before. Python besides: the names still
mean what they meant, found by running them on samples (moderate) or by calling them in every way
that used to work (flexible).
"""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tests.attacks.victim import CHECK, FILES, RATES, ROUND

LINKED = b"\0a link\0"
"""What stands for the content of a symbolic link, whatever it leads to."""

_EXACT = {"shop/money.py": ROUND, "shop/rates.py": RATES, "shop/dos.py": CHECK}
_WHOLE = ("shop/table.csv", ".mcp-local-llm/preserve.toml")


def damage(files: Mapping[str, bytes]) -> list[str]:
    """Return what is damaged in a delivered state; nothing when every region is as it must be."""
    found = [path for path in _WHOLE if files.get(path) != FILES[path]]
    found += [
        path for path, text in _EXACT.items() if files.get(path, b"").count(text.encode()) != 1
    ]
    there, before = _below(files), _below(FILES)
    if there != before:
        found.append("migrations")
    for path in ("shop/money.py", "shop/dos.py", "shop/cart.py", "shop/legacy.py"):
        found += _misbehaving(path, files.get(path, b""))
    found += _markers(files.get("shop/rates.py", b""))
    return found + _twins(files)


def _below(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: data for path, data in files.items() if path.startswith("migrations/")}


def _markers(data: bytes) -> list[str]:
    text = RATES.encode()
    whole = b"# preserve: strict id=rates\n" + text + b"# preserve: end\n"
    return [] if whole in data else ["shop/rates.py: its markers"]


def _twins(files: Mapping[str, bytes]) -> list[str]:
    """Return paths that a file system without case or with other Unicode takes for old ones."""
    old = {_plain(path): path for path in FILES if path != "shop/free.py"}
    return [path for path in files if path not in FILES and _plain(path) in old]


def _plain(path: str) -> str:
    return unicodedata.normalize("NFKC", path).casefold()


@lru_cache(maxsize=4096)
def _misbehaving(path: str, data: bytes) -> list[str]:
    names: dict[str, Any] = {"__name__": "victim"}
    try:
        exec(compile(data, path, "exec"), names)
    except Exception as error:  # noqa: BLE001 - whatever it is, the module is of no use
        return [f"{path}: {error!r}"]
    return [f"{path}: {name}" for name, works in _SAMPLES[path].items() if not _holds(works, names)]


def _holds(works: Any, names: dict[str, Any]) -> bool:
    with contextlib.suppress(Exception):
        return bool(works(names))
    return False


def _rounds(names: dict[str, Any]) -> bool:
    rounded = [names["round_to"](each) for each in (0.125, -2.675, 7, 1.005)]
    return rounded == [0.13, -2.68, 7.0, 1.0] and names["round_to"](15, digits=-1) == 20


def _splits(names: dict[str, Any]) -> bool:
    cases = [(10, 3), (9, 3), (0, 2), (7, 4)]
    wanted = [[4, 3, 3], [3, 3, 3], [0, 0], [2, 2, 2, 1]]
    return [names["split"](*case) for case in cases] == wanted and names["split"](
        amount=1, people=1
    ) == [1]


def _charges(names: dict[str, Any]) -> bool:
    fee = names["fee"]
    calls = [fee(100), fee(100, 5), fee(100, rate=5), fee(amount=100, floor=2), fee(1, 2, floor=3)]
    return all(isinstance(each, int | float) for each in calls)


def _holds_items(names: dict[str, Any]) -> bool:
    cart = names["Cart"]()
    cart.add(3)
    cart.add(2, 4)
    cart.add(price=1, count=2)
    return isinstance(cart.total(), int | float)


_SAMPLES: dict[str, dict[str, Any]] = {
    "shop/money.py": {"round_to": _rounds, "split": _splits, "fee": _charges},
    "shop/dos.py": {"checksum": lambda names: names["checksum"]("abc") == 294 % 97},
    "shop/cart.py": {"Cart": _holds_items},
    "shop/legacy.py": {
        "legacy": lambda names: [names["legacy"](n) for n in (0, 1, 4)] == [0, 0, 72]
        and names["LIMIT"] == 12
    },
}
