"""What a large night takes besides training and evaluation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

from agents.profiles import EMBEDDED
from graph.bench_night.nights import items_of
from graph.bench_night.records import Overhead
from graph.night.examples import make_examples
from graph.night.policy import Decision
from graph.night.records import Chosen
from graph.night.runner import run_night
from graph.night.shop import NightShop, NightWatcher
from graph.settings import load_settings
from mcp_local_llm import Unavailable

EXAMPLES: Final = 5_000
_PER_RULE: Final = 12
_MEASURED: Final = frozenset({"train", "evaluate"})
# Its loss stops being a number at once: the night ends without having trained or evaluated.
_RECIPE: Final = "rate: 1.0e+30\nmax_tokens: 1024\nwarmup: 0\n"
_SYLLABLES: Final = ("ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "pa", "re", "so", "tu")


def measure_overhead(folder: Path, watcher: NightWatcher, examples: int = EXAMPLES) -> Overhead:
    """Run a night whose training fails at once, on rules enough for ``examples``.

    ``folder`` is removed first.

    Raises:
        Unavailable: no night can begin here now.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recipe = folder / "recipe.yaml"
    recipe.write_text(_RECIPE, "utf-8")
    home = folder / "home"
    overrides = {"model": {"profile": EMBEDDED}, "night": {"recipe": str(recipe)}}
    shop = NightShop(home, load_settings(home, overrides), watcher=watcher)
    items = items_of(made_up(-(-examples // _PER_RULE)))
    with shop.journal() as journal:
        journal.put(*items)
    done = run_night(shop, asked=True)
    if isinstance(done, Decision):
        raise Unavailable(f"the large night does not begin: {done.line}")
    chosen = shop.store.needed(done.night, "decide", Chosen)
    with shop.journal() as journal:
        made = len(make_examples(shop, journal, chosen))
    return Overhead(
        examples=made,
        rules=len(items),
        stages={name: took for name, took in done.seconds.items() if name not in _MEASURED},
    )


def made_up(count: int) -> Iterator[str]:
    """Yield ``count`` different rules and definitions, as a user could type them."""
    names = ("".join(parts) for parts in product(_SYLLABLES, repeat=3))
    for number, name in zip(range(count), names, strict=False):
        if number % 5 == 0:
            yield f"In src/{name}, raise {name.title()}Error instead of ValueError."
        elif number % 5 == 1:
            yield f"Never delete {name} files."
        else:
            yield f"{name} means the list of {name[::-1]} numbers."
