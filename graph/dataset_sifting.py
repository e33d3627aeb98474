"""``mcp-local-llm dataset filter`` and ``merge``: new folders from those that there are."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import short, told
from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from training.dataset.filters import Rule

_REPORT: Final = "filter.json"
_REMOVED: Final = "removed.jsonl"


def sifting_options(commands: Any) -> None:
    """Add the two commands to the subparsers ``commands``."""
    command = commands.add_parser("filter", help="write what meets all conditions, and the rest")
    command.add_argument("folder", type=Path, metavar="DIR")
    command.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    command.add_argument(
        "--language", action="append", default=[], metavar="NAME", help="of code; again for more"
    )
    command.add_argument(
        "--python3", action="store_true", help="no code that only Python 2 understands"
    )
    command.add_argument(
        "--hints", action="store_true", help="no Python whose functions have no type hint"
    )
    command.add_argument(
        "--min-messages", type=int, default=0, metavar="N", help="messages an item has at least"
    )
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")
    command = commands.add_parser("merge", help="write several datasets as one")
    command.add_argument("out", type=Path, metavar="OUT", help="a new folder")
    command.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    command.add_argument("--json", action="store_true", help="one JSON object on stdout")


def _filter(options: argparse.Namespace) -> int:
    from training.dataset.filters import filtered, report
    from training.dataset.merge import making, merge
    from training.dataset.reader import digest, open_dataset
    from training.dataset.write import write_beside, write_dataset

    rules = _rules(options)
    if not rules:
        raise UsageError("say what to keep: --language, --python3, --hints or --min-messages")
    dataset = open_dataset(options.folder)
    items = merge([dataset]).items
    kept, removed = filtered(items, rules)
    found = report(len(kept), removed)
    facts = found.model_dump(mode="json")
    manifest = write_dataset(
        options.out,
        kept,
        **making([dataset])._asdict(),
        provenance={"filtered": digest(options.folder), "removed": found.removed},
    )
    gone = {one.id: one.why for one in removed}
    rows = (
        json.dumps({**item.model_dump(mode="json"), "removed": gone[item.id]}, ensure_ascii=False)
        for item in items
        if item.id in gone
    )
    write_beside(options.out, _REMOVED, "".join(f"{row}\n" for row in rows))
    write_beside(options.out, _REPORT, found.model_dump_json(indent=1) + "\n")
    lines = [
        f"kept {found.kept} of {len(items)} items in {options.out}",
        *(f"  removed {n}: {short(why)}" for why, n in found.removed.items()),
        *(f"    {short(one.id)}: {short(one.why)}" for one in found.sample),
    ]
    return told(options, "\n".join(lines), folder=str(options.out), hash=manifest.hash, **facts)


def _rules(options: argparse.Namespace) -> list[Rule]:
    from training.dataset import filters

    rules: list[Rule] = []
    if options.min_messages > 0:
        rules.append(filters.at_least(options.min_messages))
    if options.language:
        rules.append(filters.languages(options.language))
    if options.python3:
        rules.append(filters.python_3)
    if options.hints:
        rules.append(filters.hinted)
    return rules


def _merge(options: argparse.Namespace) -> int:
    from training.dataset.merge import making, merge
    from training.dataset.reader import digest, open_dataset
    from training.dataset.write import write_dataset

    datasets = [open_dataset(folder) for folder in options.folders]
    merged = merge(datasets)
    manifest = write_dataset(
        options.out,
        merged.items,
        **making(datasets)._asdict(),
        provenance={"merged": [digest(folder) for folder in options.folders]},
    )
    counts = {name: sum(kinds.values()) for name, kinds in manifest.counts.items()}
    lines = [
        f"wrote {', '.join(f'{n} {part}' for part, n in counts.items())} to {options.out}",
        f"  left out: {merged.same} that are there already, {manifest.twins} held out that are "
        "trained on",
    ]
    return told(
        options, "\n".join(lines), folder=str(options.out), hash=manifest.hash, counts=counts,
        same=merged.same, twins=manifest.twins,
    )  # fmt: skip


SIFTERS: Final = {"filter": _filter, "merge": _merge}
