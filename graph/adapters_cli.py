"""The command ``mcp-local-llm adapters``: what was trained, what is served, and the way back.

Exit codes: 0 done, 2 wrong input, 3 an adapter is damaged, its server does not answer, or the disk
cannot be used. With ``--json`` one object goes to stdout and nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.adapters_show import compared, described, listed, rolled_back, served_words
from graph.console import here, run_command, told
from mcp_local_llm import UsageError

if TYPE_CHECKING:
    from agents.adapters.registry import Registry

_KEPT: Final = 5


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm adapters``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm adapters", description="Look after what was trained."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (text, action, arguments) in _COMMANDS.items():
        one = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        for flag, options in arguments:
            one.add_argument(flag, **options)
        one.add_argument("--json", action="store_true", help="one JSON object on stdout")
        one.set_defaults(action=action)
    return run_command(parser, argv, lambda options: int(options.action(options, _registry())))


def _registry() -> Registry:
    from agents.adapters.registry import Registry
    from agents.home import state_home

    return Registry(state_home())


def _list(options: argparse.Namespace, registry: Registry) -> int:
    known, pointer = registry.list(), registry.pointer()
    damaged = sorted(set(registry.ids()) - {one.id for one in known})
    return told(
        options,
        listed(known, pointer, damaged),
        adapters=[one.model_dump(mode="json", exclude={"gate"}) for one in known],
        served=sorted(pointer.adapters),
        damaged=damaged,
    )


def _show(options: argparse.Namespace, registry: Registry) -> int:
    manifest = registry.verify(registry.get(options.id).id)
    is_served = manifest.id in registry.pointer().adapters
    folder = registry.folder(manifest.id)
    return told(
        options,
        described(manifest, folder, is_served=is_served),
        **manifest.model_dump(mode="json"),
        served=is_served,
        folder=str(folder),
    )


def _promote(options: argparse.Namespace, registry: Registry) -> int:
    from agents.adapters.health import promote_checked
    from graph.settings import load_settings

    manifest = registry.get(options.id)
    if options.no_check:
        pointer = registry.promote(manifest.id, why=options.why)
    else:
        overrides = {"model": {"profile": options.model}} if options.model else {}
        settings = load_settings(Path.cwd(), overrides).model
        pointer = asyncio.run(promote_checked(registry, manifest.id, settings, why=options.why))
    return told(options, served_words(pointer), **pointer.model_dump(mode="json"))


def _rollback(options: argparse.Namespace, registry: Registry) -> int:
    from agents.adapters.rollback import roll_back

    with here() as memory:
        done = roll_back(registry, memory.journal, why=options.why)
    return told(options, rolled_back(done), **done.model_dump(mode="json"))


def _compare(options: argparse.Namespace, registry: Registry) -> int:
    from agents.home import state_home
    from memory.layout import journal_path, memory_folder

    one, other = registry.get(options.one), registry.get(options.other)
    items = {*one.items, *other.items}
    texts: dict[str, str] = {}
    if journal_path(memory_folder(state_home())).exists():
        with here() as memory:
            texts = {id: kept.item.text for id, kept in memory.journal.get(items).items()}
    text, facts = compared(one, other, texts)
    return told(options, text, **facts)


def _prune(options: argparse.Namespace, registry: Registry) -> int:
    if options.keep < 0:
        raise UsageError(f"--keep is {options.keep}; give a number from 0")
    gone = registry.prune(options.keep)
    left = len(registry.ids())
    text = f"removed {', '.join(gone) or 'nothing'}; {left} {'is' if left == 1 else 'are'} left"
    return told(options, text, removed=list(gone), left=left)


def _backup(options: argparse.Namespace, registry: Registry) -> int:
    from agents.adapters.archive import backup

    kept = backup(registry, options.file)
    text = f"{len(kept)} adapters, the pointer and the history are in {str(options.file)!r}"
    return told(options, text, file=str(options.file), adapters=list(kept))


def _restore(options: argparse.Namespace, registry: Registry) -> int:
    from agents.adapters.archive import restore

    kept, pointer = restore(registry, options.file), registry.pointer()
    text = f"restored {len(kept)} adapters\n{served_words(pointer)}"
    return told(options, text, adapters=list(kept), pointer=pointer.model_dump(mode="json"))


Argument = tuple[str, dict[str, Any]]
_ID: Final[Argument] = ("id", {"metavar": "ID", "help": "an id, or its first characters"})
_FILE: Final[Argument] = ("file", {"type": Path, "metavar": "FILE"})
_WHY: Final[Argument] = ("--why", {"default": "by hand", "help": "kept with the history"})
# name: (help, what is done, arguments)
_COMMANDS: Final[dict[str, tuple[str, Any, Sequence[Argument]]]] = {
    "list": ("list the adapters and say which are served", _list, ()),
    "show": ("show what an adapter was made from and how it was judged", _show, (_ID,)),
    "promote": (
        "serve an adapter from the next run on, after its server has answered",
        _promote,
        (
            _ID,
            _WHY,
            ("--model", {"metavar": "PROFILE", "help": "the model it is for, if not the usual"}),
            ("--no-check", {"action": "store_true", "help": "where that model is not at hand"}),
        ),
    ),
    "rollback": (
        "serve what was served before the last promotion, and recall again what that lacks",
        _rollback,
        (_WHY,),
    ),
    "compare": (
        "compare two adapters: recipe, dataset, items and gate",
        _compare,
        (("one", {"metavar": "A"}), ("other", {"metavar": "B"})),
    ),
    "prune": (
        "remove old adapters; what is served, used, or behind a rollback stays",
        _prune,
        (
            (
                "--keep",
                {
                    "type": int,
                    "default": _KEPT,
                    "metavar": "N",
                    "help": f"how many of the newest stay as well (default {_KEPT})",
                },
            ),
        ),
    ),
    "backup": ("write all adapters to one file", _backup, (_FILE,)),
    "restore": ("bring adapters back from a file, where none are yet", _restore, (_FILE,)),
}
