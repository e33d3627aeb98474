"""The commands ``remember``, ``recall`` and ``memory`` of ``mcp-local-llm``.

Exit codes: 0 done, 1 ``verify`` found problems, 2 wrong input, 3 the memory cannot be used. With
``--json`` one object goes to stdout and nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp_local_llm import LocalLLMError, UsageError
from memory.records import Item, Kind, Provenance, Where

if TYPE_CHECKING:
    from agents.shared_memory import Answer, SharedMemory

_RULE: Final = re.compile(
    r"\b(?:always|never|prefer|avoid|don'?t|do not|must(?: not)?|should(?: not)?)\b", re.IGNORECASE
)
_SHOWN: Final = 160  # characters of a text in a list


def remember(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm remember``."""
    parser = _parser("remember", "Teach one thing; the next run knows it.")
    parser.add_argument("text", help="what to keep, in your words; - reads standard input")
    parser.add_argument(
        "--kind",
        choices=[*Kind],
        metavar="KIND",
        help=f"one of {', '.join(Kind)}; by default preference (holds for every task) for what "
        "says always, never, must …, else fact (recalled when it bears on the task)",
    )
    parser.add_argument("--scope", default="", help="a part of the project, such as a folder")
    parser.add_argument("--global", action="store_true", dest="everywhere", help="in all projects")
    return run_command(parser, argv, _remember)


def recall(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm recall``."""
    parser = _parser("recall", "Find what is known about something.")
    parser.add_argument("query", help="a question, words, or a piece of code")
    parser.add_argument("--kind", action="append", choices=[*Kind], metavar="KIND", default=[])
    parser.add_argument("--limit", type=int, default=8, metavar="N", help="default: 8")
    parser.add_argument("--explain", action="store_true", help="say what each place rests on")
    return run_command(parser, argv, _recall)


def index(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm index``; embedding goes on in the resident process, watched or not."""
    from graph import index_cli

    return index_cli.main(argv, _applied if sys.stderr.isatty() else None)


def _applied() -> int | None:
    from agents.home import state_home
    from agents.lease import start_resident
    from agents.shared_memory import tend_index

    status = asyncio.run(tend_index(state_home()))
    if status is None:
        start_resident(state_home())
    return status.applied if status and status.state == "ready" else None


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"mcp-local-llm {name}", description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


Command = Callable[[argparse.Namespace], int]


def run_command(parser: argparse.ArgumentParser, argv: Sequence[str], action: Command) -> int:
    """Parse ``argv``, run ``action`` and return the exit code; errors are told without a trace."""
    try:
        options = parser.parse_args(argv)
    except SystemExit as stopped:  # argparse has said what is wrong
        return int(stopped.code or 0)
    try:
        return action(options)
    except LocalLLMError as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        if options.json:
            write_json({"error": str(error), "exit_code": error.exit_code})
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def here() -> SharedMemory:
    """Open the memory for the project of the current folder."""
    from agents.home import state_home
    from agents.shared_memory import SharedMemory
    from memory.project import project_id

    return SharedMemory(state_home(), project_id(Path.cwd()))


def write_json(value: dict[str, Any]) -> None:
    """Write the one object of ``--json``."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


def kind_of(text: str) -> Kind:
    """Return what ``text`` is by its wording: a standing rule, or a fact."""
    return Kind.PREFERENCE if _RULE.search(text) else Kind.FACT


def _remember(options: argparse.Namespace) -> int:
    with here() as memory:
        item = _taught(options, memory.project)
        memory.put(item)
    if options.json:
        write_json({"id": item.id, "kind": item.kind, "project": item.project})
    else:
        where = "everywhere" if options.everywhere else "in this project"
        when = "for every task" if item.kind is Kind.PREFERENCE else "where it bears on the task"
        sys.stdout.write(f"remembered {item.id[:8]} as {item.kind}: recalled {where}, {when}\n")
    return 0


def _taught(options: argparse.Namespace, project: str) -> Item:
    text = (sys.stdin.read() if options.text == "-" else options.text).strip()
    return _item(
        kind=Kind(options.kind) if options.kind else kind_of(text),
        text=text,
        project="" if options.everywhere else project,
        scope=options.scope,
        provenance=Provenance(source="user", where="remember"),
    )


def _item(**fields: Any) -> Item:
    """Return the item; ``UsageError`` when the text is empty or too long."""
    from pydantic import ValidationError

    try:
        return Item(**fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(
            f"the {first['loc'][0]} cannot be kept ({first['msg']}); give a text between 1 and a "
            "million characters, or put a longer one into a file and index that"
        ) from error


def _recall(options: argparse.Namespace) -> int:
    from memory.retrieval import Query

    if not options.query.strip():
        raise UsageError("the query is empty; say what to look for")
    if not 1 <= options.limit <= 50:
        raise UsageError(f"--limit is {options.limit}; give a number from 1 to 50")
    with here() as memory:
        where = Where(project=memory.project, kinds=tuple(map(Kind, options.kind)))
        query = Query(text=options.query, where=where, limit=options.limit)
        answer = asyncio.run(memory.find(query))
    if options.json:
        write_json({"query": options.query, "note": answer.note, "hits": _rows(answer)})
        return 0
    if answer.note:
        sys.stderr.write(f"{answer.note}\n")
    if options.explain:
        _explain(answer)
    else:
        for hit in answer.hits:
            sys.stdout.write(
                f"{hit.stored.id[:8]}  {hit.stored.item.kind}  {short(hit.stored.item.text)}\n"
            )
    if not answer.hits:
        sys.stderr.write("nothing is known about that\n")
    return 0


def _rows(answer: Answer) -> list[dict[str, Any]]:
    return [
        {
            "id": hit.stored.id,
            "score": round(hit.score, 4),
            "item": hit.stored.item.model_dump(mode="json"),
            "why": hit.found.why.model_dump(mode="json") if hit.found else None,
        }
        for hit in answer.hits
    ]


def _explain(answer: Answer) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("item", "kind", "text", "score", "meaning", "words", "kind x", "boosts", "copies")
    for hit in answer.hits:
        why = hit.found.why if hit.found else None
        boosts = (
            " ".join(f"{name} {value:+.0%}" for name, value in why.boosts.items()) if why else ""
        )
        table.add_row(
            hit.stored.id[:8],
            hit.stored.item.kind,
            short(hit.stored.item.text),
            f"{hit.score:.3f}",
            _ranked(why.meaning if why else None),
            _ranked(why.words) if why else "alone",
            f"{why.kind:g}" if why else "",
            boosts,
            str(len(why.copies)) if why and why.copies else "",
        )
    Console().print(table)


def _ranked(ranked: Any) -> str:
    return f"#{ranked.rank} {ranked.score:.2f} x{ranked.weight:g}" if ranked else "-"


def short(text: str) -> str:
    """Return ``text`` in one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
