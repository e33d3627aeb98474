"""The command ``mcp-local-llm insights``: what was learnt, from where, and what becomes of it.

Exit codes as in ``graph.teach_cli``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import here, run_command, short, told
from graph.memory_cli import said, scope_of
from graph.teach_cli import knowledge, replace_item, reworded
from mcp_local_llm import StoreUnavailable, UsageError
from memory.lifecycle import LEARNT, Stage
from memory.records import Item, Kind, Provenance, Status, Where

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from memory.entries import Stored
    from memory.lifecycle import Transition

_COLUMNS: Final = ("id", "what", "kind", "from", "status", "stage", "confidence", "next step")
_NEXT: Final[Mapping[Stage, str]] = {
    Stage.CAPTURED: "recalled where it bears on a task",
    Stage.VALIDATED: "recalled where it bears on a task",
    Stage.RECALLED: "queued for training",
    Stage.QUEUED: "trained in the next training",
    Stage.TRAINED: "asked without being recalled",
    Stage.PROVEN: "leaves the prompt",
    Stage.GRADUATED: "asked again after each training",
    Stage.DEMOTED: "queued for training again",
    Stage.WITHDRAWN: "none",
}


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm insights``."""
    return run_command(_parser(), argv, _dispatched)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm insights",
        description="Show what was learnt here, newest first; accept, reject, edit or export it.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    for name, values in (("kind", LEARNT), ("status", tuple(Status)), ("stage", tuple(Stage))):
        parser.add_argument(
            f"--{name}",
            choices=[value.value for value in values],
            metavar=name.upper(),
            help=f"only those: {', '.join(values)}",
        )
    parser.add_argument("--source", metavar="SOURCE", help="only those from user, chat, relayed …")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="default: 50")
    parser.set_defaults(action=_show)
    commands = parser.add_subparsers(dest="command", metavar="[COMMAND]")
    _command(commands, "accept", "say that it is right; what a model relayed is yours then", _judge)
    _command(commands, "reject", "say that it is wrong: not recalled, not trained", _judge)
    edit = _command(commands, "edit", "word it anew, or say where it holds", _edit)
    edit.add_argument("text", nargs="*", metavar="TEXT", help="the new words; - reads them")
    edit.add_argument("--scope", metavar="PART", help="where it holds; '' is all of the project")
    edit.add_argument("--no-check", action="store_true", help="take its check away")
    export = commands.add_parser("export", help="write all of it as JSON lines")
    export.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="default: - (standard output)"
    )
    export.add_argument("--force", action="store_true", help="replace the file when it exists")
    export.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    export.set_defaults(action=_export)
    return parser


def _command(commands: Any, name: str, text: str, action: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("id", metavar="ID", help="an id, or its first characters")
    if name != "edit":
        parser.add_argument("--reason", default="", help="kept with the history")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    parser.set_defaults(action=action)
    return parser


def _dispatched(options: argparse.Namespace) -> int:
    from agents.capture.waiting import take_waiting
    from graph.follow import look_after

    with here() as memory:
        take_waiting(memory)
        asyncio.run(look_after(memory))
        code: int = options.action(options, memory)
        return code


# -- showing ---------------------------------------------------------------------------------------


def _show(options: argparse.Namespace, memory: SharedMemory) -> int:
    if options.limit < 1:
        raise UsageError(f"--limit is {options.limit}; give a number from 1")
    rows = _rows(options, memory)
    shown = rows[: options.limit]
    if options.json:
        return told(options, "", insights=shown, total=len(rows))
    if not rows:
        sys.stderr.write('nothing was learnt that fits; teach with mcp-local-llm teach "RULE"\n')
    elif sys.stdout.isatty():
        _print_table(shown)
    else:
        for row in shown:
            sys.stdout.write("\t".join(str(row[name]) for name in _COLUMNS) + "\n")
    if len(rows) > len(shown):
        sys.stderr.write(f"{len(rows) - len(shown)} more; --limit shows them\n")
    return 0


def _rows(options: argparse.Namespace, memory: SharedMemory) -> list[dict[str, Any]]:
    where = Where(
        project=memory.project,
        kinds=(Kind(options.kind),) if options.kind else LEARNT,
        statuses=(Status(options.status),) if options.status else (),
    )
    found = [
        one
        for one in memory.journal.live(where)
        if options.source in (None, one.item.provenance.source)
    ]
    steps = memory.journal.stages(one.id for one in found)
    rows = [
        _row(one, steps.get(one.id))
        for one in sorted(found, key=lambda stored: -stored.seq)
        if options.stage in (None, stage_of(steps.get(one.id)))
    ]
    return rows


def _row(stored: Stored, step: Transition | None) -> dict[str, Any]:
    item = stored.item
    return {
        "id": stored.id[:8],
        "what": short(item.text),
        "kind": item.kind.value,
        "from": short(f"{item.provenance.source} {item.provenance.where}".strip()),
        "status": item.status.value,
        "stage": stage_of(step).value,
        "confidence": round(item.confidence, 2),
        "next step": next_step(item, stage_of(step)),
    }


def stage_of(step: Transition | None) -> Stage:
    """Return how far an item has come; without any step it was captured."""
    return step.stage if step else Stage.CAPTURED


def next_step(item: Item, stage: Stage) -> str:
    """Return what will happen to ``item``, or what the user may do about it."""
    if item.status is Status.REJECTED:
        return "none; forget erases it"
    if item.provenance.source == "relayed":
        return "accept or reject it: a model worded it"
    if not item.trainable and stage in {Stage.CAPTURED, Stage.VALIDATED, Stage.RECALLED}:
        return "recalled only: not typed by you"
    if item.kind is Kind.PREFERENCE and stage in {Stage.CAPTURED, Stage.VALIDATED}:
        return "recalled for every task"
    return _NEXT[stage]


def _print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*_COLUMNS, box=None, header_style="bold", pad_edge=False)
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*(escape(str(row[name])) for name in _COLUMNS))
    Console(highlight=False).print(table)


# -- changing --------------------------------------------------------------------------------------


def _judge(options: argparse.Namespace, memory: SharedMemory) -> int:
    stored = knowledge(memory, options.id)
    accepted = options.command == "accept"
    if accepted and stored.item.provenance.source == "relayed":
        mine = Provenance(source="user", where=f"accepted {stored.item.provenance.where}".strip())
        memory.journal.put(stored.item.model_copy(update={"provenance": mine}))
    status = Status.VALIDATED if accepted else Status.REJECTED
    memory.journal.set_status(stored.id, status, options.reason)
    now = stage_of(memory.journal.stages([stored.id]).get(stored.id))
    if not accepted:
        memory.journal.advance(stored.id, Stage.WITHDRAWN, by="user", reason=options.reason)
    elif now is Stage.WITHDRAWN:
        memory.journal.advance(stored.id, Stage.CAPTURED, by="user", reason=options.reason)
    if accepted and now in {Stage.CAPTURED, Stage.RECALLED, Stage.WITHDRAWN}:
        memory.journal.advance(stored.id, Stage.VALIDATED, by="user", reason=options.reason)
    text = f"{options.command}ed {stored.id[:8]}: {short(stored.item.text)}"
    return told(options, text, id=stored.id, status=status.value)


def _edit(options: argparse.Namespace, memory: SharedMemory) -> int:
    old = knowledge(memory, options.id)
    if not options.text and options.scope is None and not options.no_check:
        raise UsageError("nothing to change was said; give the new words, --scope or --no-check")
    where = f"edit {old.id[:8]}"
    item = reworded(old, said(options.text), where) if options.text else old.item
    if options.scope is not None:
        item = item.model_copy(update={"scope": scope_of(options.scope)})
    if options.no_check:
        data = {name: value for name, value in item.data.items() if name != "check"}
        item = item.model_copy(update={"data": data})
    if item.id == old.id:
        memory.journal.put(item)
    else:
        replace_item(memory, old, item, "edited by the user")
    done = f"{item.id[:8]} instead of {old.id[:8]}: {short(item.text)}"
    return told(options, done, id=item.id, replaced=old.id, item=item.model_dump(mode="json"))


def _export(options: argparse.Namespace, memory: SharedMemory) -> int:
    where = Where(project=memory.project, kinds=LEARNT)
    lines = [
        {
            "id": stored.id,
            "stage": stage_of(steps[-1] if steps else None).value,
            "trainable": stored.item.trainable,
            "item": stored.item.model_dump(mode="json"),
            "stages": [step.model_dump(mode="json", exclude={"item"}) for step in steps],
        }
        for stored in memory.journal.live(where)
        for steps in [memory.journal.stage_history(stored.id)]
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    if options.file == "-":
        sys.stdout.write(text)
        return 0
    _write(Path(options.file), text, options.force)
    return told(options, f"exported {len(lines)} lines", lines=len(lines), file=options.file)


def _write(path: Path, text: str, replace: bool) -> None:
    from memory.whole_file import write_whole

    if path.exists() and not replace:
        raise UsageError(f"{str(path)!r} exists already; name a new file, or give --force")
    try:
        write_whole(path, text)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot write {str(path)!r} ({error.strerror}); name another file"
        ) from error
