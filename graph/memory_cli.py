"""The commands ``remember``, ``recall`` and ``memory`` of ``mcp-local-llm``.

Exit codes: 0 done, 1 ``verify`` found problems or ``import`` left lines out, 2 wrong input, 3 the
memory cannot be used. With ``--json`` one object goes to stdout and nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graph.console import here, run_command, short, write_json
from graph.rule_options import checkable, rule_options
from mcp_local_llm import UsageError
from memory.lifecycle import Stage
from memory.records import (
    MAX_TEXT,
    DocumentClass,
    Item,
    Kind,
    Provenance,
    Status,
    Where,
    has_control,
)

if TYPE_CHECKING:
    from agents.shared_memory import Answer, Remembered, SharedMemory
    from memory.entries import Stored
    from memory.retrieval import Query

_RULE: Final = re.compile(
    r"\b(?:always|never|prefer|avoid|don'?t|do not|must(?: not)?|should(?: not)?)\b", re.IGNORECASE
)
_SHORTEST: Final = 4  # characters of an id: fewer are a slip, or an empty variable of a script
_KINDS: Final = [kind.value for kind in Kind]
# The rest is written by indexing and by runs, not said by people.
_WRITTEN: Final = {"document", "code", "episode", "success", "failure", "generation", "debugging"}
_TAUGHT: Final = [kind for kind in _KINDS if kind not in _WRITTEN]


def remember(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm remember``."""
    parser = _parser("remember", "Teach one thing; the next run knows it.")
    parser.add_argument(
        "text", nargs="+", help="what to keep, in your words; - reads standard input"
    )
    parser.add_argument(
        "--kind",
        choices=_TAUGHT,
        metavar="KIND",
        help=f"one of {', '.join(_TAUGHT)}; by default preference (holds for every task) for what "
        "says always, never, must …, else fact (recalled when it bears on the task)",
    )
    parser.add_argument(
        "--scope",
        default="",
        metavar="PART",
        help="the part of the project that it is about: a folder or file from the project's root "
        "(./PART: from here), or a name; it is recalled there only",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=1.0,
        metavar="0..1",
        help="how sure you are; doubtful things are ranked slightly lower (default: 1)",
    )
    parser.add_argument("--global", action="store_true", dest="everywhere", help="in all projects")
    parser.add_argument("--replaces", metavar="ID", help="the item that this is said instead of")
    rule_options(parser)
    return run_command(parser, argv, _remember)


def recall(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm recall``."""
    parser = _parser("recall", "Find what is known about something.")
    parser.add_argument("query", nargs="+", help="a question, words, or a piece of code")
    parser.add_argument(
        "--kind",
        action="append",
        choices=_KINDS,
        metavar="KIND",
        default=[],
        help=f"one of {', '.join(_KINDS)}; more than once for several (default: all)",
    )
    parser.add_argument(
        "--scope",
        metavar="PART",
        help="what is known there: leaves out what was remembered for another part of the project",
    )
    parser.add_argument(
        "--about",
        choices=("code", "runtime", "general"),
        help="only source text, only logs and traces of what ran, or only the rest",
    )
    parser.add_argument("--limit", type=int, default=8, metavar="N", help="1 to 50, default: 8")
    parser.add_argument("--explain", action="store_true", help="say what each place rests on")
    at_hand = parser.add_argument_group("what is at hand (preferred slightly)")
    at_hand.add_argument("--file", default="", metavar="PATH", help="the file that is open")
    at_hand.add_argument("--function", default="", metavar="NAME", help="the function at hand")
    at_hand.add_argument(
        "--error", action="append", default=[], metavar="TEXT", help="a recent error, or its trace"
    )
    at_hand.add_argument(
        "--dependency", action="append", default=[], metavar="NAME", help="a package in use"
    )
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


def kind_of(text: str) -> Kind:
    """Return what ``text`` is by its wording: a standing rule, or a fact."""
    return Kind.PREFERENCE if _RULE.search(text) else Kind.FACT


def one_item(memory: SharedMemory, start: str) -> Stored:
    """Return the item with the id ``start``, else the only one whose id begins with that.

    Raises:
        UsageError: there is none, or more than one, or ``start`` is too short to be meant.
    """
    if len(start.strip()) < _SHORTEST:
        raise UsageError(f"{start!r} is no id; give at least {_SHORTEST} characters of one")
    found = memory.journal.get(memory.journal.ids(start))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UsageError(f"several items have ids that begin with {start!r}; give more of the id")
    raise UsageError(f"no item has the id {start!r}; `mcp-local-llm recall` shows ids")


def _remember(options: argparse.Namespace) -> int:
    with here() as memory:
        old = one_item(memory, options.replaces) if options.replaces else None
        item = checkable(_taught(options, memory.project), options)
        if old is not None and (old.state != "live" or old.id == item.id):
            raise UsageError(
                f"{old.id[:8]} is {old.state} and says {short(old.item.text)!r}; "
                "replace a live item by another text"
            )
        again = is_rejected(memory, item.id)
        memory.put(item)
        said_again(memory, item.id)
        if old is not None:
            memory.journal.supersede(old.id, item.id, "said anew")
    if options.json:
        write_json({"id": item.id, "kind": item.kind, "project": item.project})
    else:
        where = "everywhere" if options.everywhere else "in this project"
        when = "for every task" if item.kind is Kind.PREFERENCE else "where it bears on the task"
        instead = f", instead of {old.id[:8]}" if old else ""
        instead += "; it was rejected, and is not any more" if again else ""
        check = ", and checked after every change" if item.check else ""
        sys.stdout.write(
            f"remembered {item.id[:8]} as {item.kind}: recalled {where}, {when}{check}{instead}\n"
        )
    return 0


def _taught(options: argparse.Namespace, project: str) -> Item:
    """Return what was said as an item; ``UsageError`` when it cannot be kept."""
    text = said(options.text)
    if not 0 <= options.confidence <= 1:
        raise UsageError(f"--confidence is {options.confidence}; give a number from 0 to 1")
    return Item(
        kind=Kind(options.kind) if options.kind else kind_of(text),
        text=text,
        project="" if options.everywhere else project,
        scope=scope_of(options.scope),
        confidence=options.confidence,
        provenance=Provenance(source="user", where="remember"),
    )


def is_rejected(memory: SharedMemory, id: str) -> bool:
    """Say whether the item ``id`` is known, and was rejected by the user."""
    known = memory.journal.get([id]).get(id)
    return known is not None and known.state == "live" and known.item.status is Status.REJECTED


def said_again(memory: SharedMemory, id: str) -> None:
    """Take back that the item ``id`` was rejected, now that the user says it."""
    if is_rejected(memory, id):
        memory.journal.set_status(id, Status.UNVALIDATED, "said again")
    step = memory.journal.stages([id]).get(id)
    if step is not None and step.stage is Stage.WITHDRAWN:
        memory.journal.advance(id, Stage.CAPTURED, by="user", reason="said again")


def said(words: Sequence[str], longest: int = MAX_TEXT) -> str:
    """Return the text that ``words`` of a command line are; a single ``-`` is standard input.

    Raises:
        UsageError: it is empty, no text, or has more than ``longest`` characters.
    """
    text = (sys.stdin.read() if list(words) == ["-"] else " ".join(words)).strip()
    if not text:
        raise UsageError("the text is empty; say what to remember")
    if len(text) > longest:
        raise UsageError(
            f"the text has {len(text):,} characters and {longest:,} can be kept; put it into a "
            "file of the project and run `mcp-local-llm index`"
        )
    if not _is_text(text):
        raise UsageError("the text is not valid UTF-8; convert it first, or give it in ASCII")
    return text


def _is_text(text: str) -> bool:
    """Say whether ``text`` was read from valid UTF-8: other bytes come as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _query(options: argparse.Namespace, project: str) -> Query:
    """Return what was asked; ``UsageError`` when that makes no sense."""
    from memory.retrieval import Query
    from memory.router import RuntimeContext

    text = " ".join(options.query)
    if not text.strip():
        raise UsageError("the query is empty; say what to look for")
    if not _is_text(text):
        raise UsageError("the query is not valid UTF-8; convert it first, or give it in ASCII")
    if not 1 <= options.limit <= 50:
        raise UsageError(f"--limit is {options.limit}; give a number from 1 to 50")
    return Query(
        text=text,
        where=Where(
            project=project,
            kinds=tuple(map(Kind, options.kind)),
            scope=None if options.scope is None else scope_of(options.scope),
            about=options.about and DocumentClass(options.about),
        ),
        limit=options.limit,
        context=RuntimeContext(
            file=options.file and _in_project(options.file),
            function=options.function,
            errors=tuple(options.error),
            dependencies=tuple(options.dependency),
        ),
    )


def scope_of(part: str) -> str:
    """Return ``part`` as items keep it: from the project's root, ``/`` between; empty is all.

    Raises:
        UsageError: it lies outside the project, or is no text in one line.
    """
    if part.startswith((".", "/", "~")):
        part = _in_project(part)
    if part.startswith("/"):
        raise UsageError(f"the scope {part!r} is not in this project; name a part of it")
    return plain_scope(part)


def plain_scope(part: str) -> str:
    """Return ``part`` with one ``/`` between its names; ``UsageError``: no text in one line."""
    if has_control(part):
        raise UsageError(
            f"the scope {part!r} holds a line break or another control character, or is not valid "
            "UTF-8; name a folder or file"
        )
    names = [name for name in part.strip().split("/") if name not in {"", "."}]
    if ".." in names or part.strip().startswith("/"):
        raise UsageError(
            f"the scope {part!r} leads out of the project; name a folder or file in it"
        )
    return "/".join(names)


def _in_project(file: str) -> str:
    """Return ``file`` as indexing names it: from the project's root, with ``/``."""
    from memory.project import project_root

    path, root = Path(file).expanduser().resolve(), project_root(Path.cwd())
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _recall(options: argparse.Namespace) -> int:
    with here() as memory:
        query = _query(options, memory.project)
        answer = asyncio.run(memory.find(query))
    answer = replace(answer, hits=tuple(hit for hit in answer.hits if hit.has_to_do))
    if options.json:
        write_json({"query": query.text, "note": answer.note, "hits": _rows(answer)})
        return 0
    if answer.note:
        sys.stderr.write(f"{answer.note}\n")
    for hit in answer.hits:
        stored = hit.stored
        sys.stdout.write(f"{stored.id[:8]}  {stored.item.kind}  {_line(stored.item)}\n")
        if options.explain:
            sys.stdout.write(f"          {hit.score:.3f}  {_because(hit)}\n")
    if not answer.hits:
        sys.stderr.write("nothing is known about that\n")
    return 0


def _because(hit: Remembered) -> str:
    """Return why ``hit`` was found, and what was said of it that bears on trusting it."""
    item = hit.stored.item
    said = [hit.why, f"scope {short(item.scope)}" if item.scope else ""]
    said.append(f"confidence {item.confidence:g}" if item.confidence < 1 else "")
    return "; ".join(part for part in said if part)


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


def _line(item: Item) -> str:
    """Return ``item`` in one line; what was indexed begins with its place, as editors open it."""
    path, place = item.data.get("path"), item.provenance.where
    if isinstance(path, str) and place.startswith(path):
        return f"{short(place)}  {short(item.text.removeprefix(path))}"
    return short(item.text)
