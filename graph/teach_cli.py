"""The commands ``teach``, ``correct`` and ``forget`` of ``mcp-local-llm``.

Exit codes: 0 done, 1 not forgotten since the answer was no, 2 wrong input, 3 the memory cannot be
used. With ``--json`` one object goes to stdout and nothing else does.
"""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from graph.console import here, run_command, short, told
from graph.memory_cli import one_item, said, said_again, scope_of
from graph.rule_options import checkable, rule_options
from mcp_local_llm import UsageError
from memory.experience import CorrectionRecord, CorrectionType
from memory.records import Check, Item, Kind, Provenance, Source, Where
from memory.secrets import refuse_secrets
from memory.signals import Signal

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from graph.runs import RunResult
    from memory.entries import Stored

_LONGEST: Final = 4_000  # characters that a person teaches at once
_KINDS: Final = ("preference", "definition", "fact", "concept", "pattern", "decision")
_UNCHECKED: Final = frozenset({Kind.DEFINITION, Kind.DECISION})
_WRITTEN: Final = {Kind.CODE: "mcp-local-llm index", Kind.DOCUMENT: "mcp-local-llm index"}


def teach(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm teach``."""
    parser = _parser("teach", "Teach rules in your words; shows what was understood.")
    parser.add_argument("text", nargs="+", help="what to do from now on; - reads standard input")
    parser.add_argument(
        "--kind", choices=_KINDS, metavar="KIND", help=f"one of {', '.join(_KINDS)}, if not a rule"
    )
    parser.add_argument(
        "--scope", metavar="PART", help="where it holds, if the words do not say it; see remember"
    )
    parser.add_argument("--global", action="store_true", dest="everywhere", help="in all projects")
    rule_options(parser)
    return run_command(parser, argv, _teach)


def correct(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm correct``."""
    parser = _parser(
        "correct", "Say what is right instead of an item, or of the last run's change."
    )
    parser.usage = "mcp-local-llm correct [-h] [--json] [--type TYPE] (ID | --last) TEXT ..."
    parser.add_argument("--last", action="store_true", help="the last run here was wrong; no ID")
    parser.add_argument(
        "text", nargs="+", metavar="ID TEXT", help="the item, and what is right; - reads the text"
    )
    types = get_args(CorrectionType)
    parser.add_argument(
        "--type", choices=types, default="other", metavar="TYPE", help=f"one of {', '.join(types)}"
    )
    return run_command(parser, argv, _correct)


def forget(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm forget``."""
    parser = _parser("forget", "Erase items for good: from the memory, its history and the index.")
    for flag, options in FORGET_ARGUMENTS:
        parser.add_argument(flag, **options)
    return run_command(parser, argv, _forget)


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"mcp-local-llm {name}", description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


# -- teach -----------------------------------------------------------------------------------------


def _teach(options: argparse.Namespace) -> int:
    texts = [said([text], _LONGEST) for text in _texts(options.text)]
    with here() as memory:
        items = [
            _as_asked(item, options)
            for text in texts
            for item in understood(text, memory.project, "teach", kind=options.kind)
        ]
        if len(items) > 1 and any(
            one is not None
            for one in (options.check_regex, options.check_query, options.check_command)
        ):
            raise UsageError(
                f"these are {len(items)} rules; teach one at a time to give it a check"
            )
        items = [checkable(item, options) for item in items]
        replaced = keep(memory, items)
        told_of = [_told(item, memory, replaced.get(item.id, {})) for item in items]
    left_out = [] if options.kind == Kind.DECISION else _left_out(texts, items)
    lines = [text for text, _ in told_of]
    lines += [f"not a rule by itself: {one!r}; teach it alone if it is one" for one in left_out]
    return told(
        options, "\n".join(lines), taught=[facts for _, facts in told_of], left_out=left_out
    )


def _texts(words: Sequence[str]) -> Sequence[str]:
    """Return what a command line teaches: each quoted text, else all words as one."""
    apart = all(len(one.split()) > 1 for one in words) or words == ["-"]
    return words if apart else [" ".join(words)]


def _left_out(texts: Sequence[str], items: Sequence[Item]) -> list[str]:
    """Return the sentences of ``texts`` that none of ``items`` was understood from."""
    from agents.capture.rule import sentences

    kept = "\n".join(str(item.data["words"]) for item in items)
    return [one for text in texts for one in sentences(text) if one not in kept]


def understood(
    text: str, project: str, where: str, source: Source = "user", kind: str | None = None
) -> list[Item]:
    """Return the rules and definitions in ``text``, else all of it as one rule.

    Of the ``kind`` decision it is one record of its parts.
    """
    from agents.capture.decided import decision_from
    from agents.capture.rules import rule_from, rules_of

    said_by = Provenance(source=source, where=where)
    if kind == Kind.DECISION:
        item = decision_from(text).item(project)
        data = {**item.data, "words": text}
        return [item.model_copy(update={"provenance": said_by, "data": data})]
    rules = rules_of(text) or (rule_from(text),)
    return [rule.item(project, said_by) for rule in rules]


def _as_asked(item: Item, options: argparse.Namespace) -> Item:
    """Return ``item`` with what the options say about it."""
    changed: dict[str, Any] = {"confidence": 1.0}  # nobody teaches by accident
    if options.kind:
        changed["kind"] = Kind(options.kind)
    if options.scope is not None:
        changed["scope"] = scope_of(options.scope)
    if options.everywhere:
        changed["project"] = ""
    return item.model_copy(update=changed)


def keep(
    memory: SharedMemory, items: Sequence[Item], records: Sequence[Item] = ()
) -> dict[str, dict[str, str]]:
    """Keep what the user said on purpose, and let what goes against it yield.

    ``records`` are kept with it and go against nothing. Returns, for each new item's id, the ids of
    those that yield with the reasons. What was rejected is not any more.

    Raises:
        UsageError: it holds what looks like a secret.
    """
    from agents.capture.conflicts import resolve

    new = {item.id for item in items}
    yielding = {
        item.id: {
            old: why
            for old, why in resolve(item, _rivals(memory, item)).superseded.items()
            if old not in new
        }
        for item in items
    }
    memory.journal.take(
        f"said:{uuid.uuid4().hex}",
        [*records, *items],
        replaced=[(old, id, why) for id, olds in yielding.items() for old, why in olds.items()],
    )
    for id in new:
        said_again(memory, id)
    return yielding


def _rivals(memory: SharedMemory, item: Item) -> list[Item]:
    """Return the live rules that ``item`` may go against; records have a key, rules have none."""
    from agents.shared_memory import TOLD

    kinds = tuple(kind for kind in TOLD if kind is not Kind.PRESERVATION)
    where = Where(project=item.project, kinds=kinds)
    live = (one for one in memory.journal.live(where) if one.may_answer(where))
    return [one.item for one in live if not one.item.key]


def _told(item: Item, memory: SharedMemory, replaced: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """Return what is shown of a new rule, and the same for programs."""
    olds = memory.journal.get(replaced)
    start = item.id[:8]
    lines = [f"taught {start} ({item.kind}): {short(item.text)}"]
    lines += [f"  {name:<11} {text}" for name, text in _facets(item) if text]
    lines += [
        f"  {'instead of':<11} {old[:8]} {short(olds[old].item.text)} ({short(why)})"
        for old, why in replaced.items()
    ]
    lines.append(f'  {"change it":<11} mcp-local-llm insights edit {start} "TEXT"')
    lines.append(f"  {'erase it':<11} mcp-local-llm forget {start}")
    facts = {"id": item.id, **item.model_dump(mode="json"), "replaced": replaced}
    return "\n".join(lines), facts


def _facets(item: Item) -> list[tuple[str, str]]:
    """Return what is known of a rule besides its text, by name."""
    words = str(item.data.get("words", ""))
    place = [item.scope or ("this project" if item.project else "every project")]
    place += [str(item.data[name]) for name in ("part", "language", "role") if name in item.data]
    return [
        ("your words", short(words) if words.strip() != item.text else ""),
        ("holds for", ", ".join(place)),
        ("check", check_line(item.check) if item.kind not in _UNCHECKED else ""),
    ]


def check_line(check: Check | None) -> str:
    """Return in one line how a rule's keeping is found out."""
    if check is None:
        return "none: nobody is told when it is not kept (--check-regex and others give one)"
    if check.command:
        return f"`{short(' '.join(check.command))}` has to end with 0"
    what = f"regex {short(check.regex)}" if check.regex else f"query {short(check.query)}"
    must = "has to match" if check.must == "match" else "may not match"
    return f"{what} {must} in {check.paths}"


# -- correct ---------------------------------------------------------------------------------------


def _correct(options: argparse.Namespace) -> int:
    start, words = ("", options.text) if options.last else (options.text[0], options.text[1:])
    text = said(words, _LONGEST)
    with here() as memory:
        if options.last:
            return _correct_run(options, memory, text)
        old = knowledge(memory, start)
        item = reworded(old, text, f"correct {old.id[:8]}", type=options.type)
        replace_item(memory, old, item, f"corrected by the user ({options.type})")
    return told(
        options,
        f"{old.id[:8]} said {short(old.item.text)}\n{item.id[:8]} says {short(item.text)}",
        id=item.id,
        replaced=old.id,
        original=old.item.text,
        corrected=item.text,
        type=options.type,
    )


def knowledge(memory: SharedMemory, start: str) -> Stored:
    """Return the live item whose id begins with ``start``, of what people say.

    Raises:
        UsageError: there is none, or it was read from a file, or is a contract.
    """
    stored = one_item(memory, start)
    name = stored.id[:8]
    if stored.state != "live":
        raise UsageError(f"{name} is {stored.state}; `mcp-local-llm insights` shows live ones")
    _refuse_foreign(stored)
    return stored


def _refuse_foreign(stored: Stored) -> None:
    """Raise ``UsageError`` for what is not changed here."""
    name, item = stored.id[:8], stored.item
    if item.kind in _WRITTEN:
        raise UsageError(
            f"{name} was read from {item.data.get('path') or item.provenance.where!r}; change the "
            f"file, then run `{_WRITTEN[item.kind]}`"
        )
    if item.kind is Kind.PRESERVATION:
        raise UsageError(f"{name} is a contract; use `mcp-local-llm unprotect` and `protect`")


def reworded(old: Stored, text: str, where: str, *, source: Source = "user", **more: str) -> Item:
    """Return the item that says ``text`` instead of ``old``; what it does not say stays.

    The old text is only referred to, so that erasing the old item leaves nothing of it.
    """
    new = understood(text, old.item.project, where, source, old.item.kind)[0]
    data = {**new.data, "words": text, "corrects": old.id, **more}
    changed: dict[str, Any] = {"data": data, "confidence": 1.0}
    if new.kind is not Kind.DEFINITION:
        changed["kind"] = old.item.kind
    if not new.scope:
        changed["scope"] = old.item.scope
    return new.model_copy(update=changed)


def replace_item(memory: SharedMemory, old: Stored, item: Item, reason: str) -> None:
    """Keep ``item`` in the place of ``old``; ``UsageError`` when both are the same."""
    if item.id == old.id:
        raise UsageError(f"{old.id[:8]} says {short(old.item.text)!r} already; say what is right")
    memory.journal.take(f"said:{uuid.uuid4().hex}", [item], replaced=[(old.id, item.id, reason)])


def _correct_run(options: argparse.Namespace, memory: SharedMemory, text: str) -> int:
    """Keep what was wrong with the last run, and the rules that were said with it."""
    from agents.capture.rules import rules_of

    run = _last_run(memory.home)
    record = CorrectionRecord(
        original=run.diff or run.reason or run.task,
        corrected=text,
        type=options.type,
        comment=run.task,
        source="user",
        where=run.run_id,
    )
    by_user = Provenance(source="user", where=f"correct --last, run {run.run_id}")
    rules = [rule.item(memory.project, by_user) for rule in rules_of(text)]
    noted = record.item(memory.project)
    signal = Signal(
        key=f"correct:{run.run_id}",
        at=record.at,
        project=memory.project,
        source="run",
        target=run.run_id,
        reward=-1,
        evidence={"type": options.type},
    )
    keep(memory, rules, [noted])
    memory.journal.signal(signal)
    lines = [f"noted {noted.id[:8]}: the run {run.run_id} was corrected"]
    lines += [f"taught {rule.id[:8]}: {short(rule.text)}" for rule in rules]
    taught = [rule.id for rule in rules]
    return told(options, "\n".join(lines), id=noted.id, run=run.run_id, taught=taught)


def _last_run(home: Path) -> RunResult:
    """Return how the last run in the current project ended."""
    from graph.runs import RunStore
    from memory.project import project_root

    store, root = RunStore(home), project_root(Path.cwd())
    for request in store.requests():
        if Path(request.workspace).resolve().is_relative_to(root):
            result = store.result(request.run_id)
            if result is not None:
                return result
    raise UsageError('no run has ended in this project yet; start one with graph-run "TASK"')


# -- forget ----------------------------------------------------------------------------------------

FORGET_ARGUMENTS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("id", {"nargs": "+", "metavar": "ID", "help": "an id, or its first characters"}),
    ("--reason", {"default": "", "help": "kept in the place of what is erased"}),
    ("--yes", {"action": "store_true", "help": "do not ask"}),
)


def _forget(options: argparse.Namespace) -> int:
    with here() as memory:
        return forget_items(options, memory)


def forget_items(options: argparse.Namespace, memory: SharedMemory) -> int:
    """Erase the items of ``options.id`` after asking; see ``FORGET_ARGUMENTS``."""
    refuse_secrets(options.reason)
    found = {stored.id: stored for stored in (one_item(memory, start) for start in options.id)}
    for stored in found.values():
        _refuse_foreign(stored)
    if not options.yes and not _is_meant(found.values(), options.json):
        sys.stderr.write("nothing was erased\n")
        return 1
    count = memory.journal.erase(found, options.reason)
    names = ", ".join(id[:8] for id in found)
    text = f"erased {names}; back-ups and exports made before still hold it"
    text = text if count else f"{names}: erased already"
    return told(options, text, erased=list(found), changed=count)


def _is_meant(found: Iterable[Stored], json: bool) -> bool:
    """Ask whether it may be erased; ``UsageError`` where nobody can answer."""
    if json or not sys.stdin.isatty():
        raise UsageError("this erases for good; give --yes to say that it is meant")
    for stored in found:
        sys.stderr.write(f"{stored.id[:8]}  {short(stored.item.text)}\n")
    sys.stderr.write("erase this for good? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in {"y", "yes"}
