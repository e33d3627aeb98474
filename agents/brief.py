"""The brief: what a crew is told about a task, built the same way every time.

Files are chosen by what the task says: a path, a file name, a module, or the name of a function or
class that a file defines. Nothing here calls a model.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import prompts
from agents.budget import Part, Priority, assemble
from memory.records import Check, KnowledgeUpdate, PreservationTag, Recalled, Record
from memory.router import RuntimeContext

MAX_FILE_BYTES: Final = 200_000  # a larger file never fits a local model's window
_MAX_SCANNED: Final = 5_000
_SHOWN: Final = 80  # characters by which a note names a rule
_SKIPPED: Final = {"__pycache__", "node_modules", "venv", "build", "dist"}
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PATH: Final = re.compile(r"[\w./\\-]+")
_DEFINED: Final = re.compile(r"^\s*(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_IMPORTED: Final = re.compile(r"^\s*(?:from|import)\s+(\w+)", re.MULTILINE)
# What a mention is worth; a file is as relevant as its best mention.
_BY_PATH, _BY_NAME, _BY_SYMBOL, _BY_MODULE = 4, 3, 2, 1


class BriefRule(Record):
    """A rule of the user that bears on the task; ``score`` (0..1) and ``why`` are for the report.

    The score is 0 where the rule holds for every task. ``kind`` is its item's; ``check`` is how
    its keeping is found out, if it can be; ``item`` is the id of its item in the memory.
    """

    id: str
    text: str
    score: float = 0.0
    why: str = ""
    kind: str = "fact"
    check: Check | None = None
    item: str = ""


class BriefFile(Record):
    """A file as shown to the crew; ``module`` is its import name, or empty."""

    path: str
    module: str
    text: str


class BriefPiece(Record):
    """A piece of an indexed file for which the file was recalled; for the report alone.

    ``first`` and ``last`` are its lines as they were indexed.
    """

    path: str
    name: str
    first: int
    last: int
    score: float
    why: str

    @property
    def lines(self) -> str:
        """Its lines as people write them: ``4-6``, or ``4``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class Brief(Record):
    """Everything the first message holds, where it is from, and what had to be left out of it.

    ``updates`` is not in the message: it goes with every answer, for its readers.
    """

    task: str
    rules: tuple[BriefRule, ...] = ()
    protected: tuple[PreservationTag, ...] = ()
    files: tuple[BriefFile, ...] = ()
    pieces: tuple[BriefPiece, ...] = ()
    tests_dir: str = "tests"
    dropped: tuple[str, ...] = ()
    updates: tuple[KnowledgeUpdate, ...] = ()


def brief_rules(known: Iterable[Recalled]) -> tuple[BriefRule, ...]:
    """Return what was recalled as the rules of a brief, numbered in their order."""
    return tuple(
        BriefRule(
            id=f"r{number}",
            text=hit.insight.text,
            score=hit.score,
            why=hit.why,
            kind=str(hit.insight.kind),  # plain: a checkpoint holds no enumeration of ours
            check=hit.check,
            item=hit.item,
        )
        for number, hit in enumerate(known, start=1)
    )


def module_name(path: str) -> str:
    """Return the import name of the Python file ``path`` (``src/shop/cart.py`` → ``shop.cart``).

    Empty for anything that cannot be imported by name. A leading ``src/`` is a root, not a package.
    """
    pure = PurePosixPath(path)
    if pure.suffix != ".py":
        return ""
    parts = list(pure.with_suffix("").parts)
    if parts[0] == "src":
        parts = parts[1:]
    if parts and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def folder_for_tests(workspace: Path) -> str:
    """Return where new tests go: the existing ``tests`` or ``test``, else ``tests``."""
    for name in ("tests", "test"):
        if (workspace / name).is_dir():
            return name
    return "tests"


def is_test_path(path: str) -> bool:
    """Say whether ``path`` is a test file or test support by pytest's naming habits."""
    pure = PurePosixPath(path)
    if pure.name == "conftest.py" or pure.name.startswith("test_") or pure.stem.endswith("_test"):
        return True
    return pure.parts[0] in {"tests", "test"} if len(pure.parts) > 1 else False


def workspace_files(workspace: Path) -> tuple[str, ...]:
    """Return the workspace's visible files as sorted ``/`` paths, links and caches left out."""
    found: list[str] = []
    for folder, folders, names in os.walk(workspace):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED and not f.startswith("."))
        here = Path(folder)
        for name in sorted(names):
            if not name.startswith(".") and not (here / name).is_symlink():
                found.append((here / name).relative_to(workspace).as_posix())
        if len(found) > _MAX_SCANNED:
            break
    return tuple(sorted(found[:_MAX_SCANNED]))


def _readable(path: Path) -> str | None:
    """Return a text file's content, or None when it is too large, binary or not UTF-8."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return None
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return None if "\0" in text else text


def _mention(task: str, path: str, text: str | None) -> int:
    """Return how directly ``task`` names the file (0 = not at all)."""
    said = {piece.strip("./\\").replace("\\", "/") for piece in _PATH.findall(task)}
    pure = PurePosixPath(path)
    module = module_name(path)
    if path in said or (module and "." in module and module in said):
        return _BY_PATH
    if pure.name in said:
        return _BY_NAME
    words = set(_WORD.findall(task))
    if text is not None and pure.suffix == ".py":
        names = {n for n in _DEFINED.findall(text) if "_" in n or len(n) > 3 or f"{n}(" in task}
        if names & words and not is_test_path(path):
            return _BY_SYMBOL
    return _BY_MODULE if pure.stem in words and not is_test_path(path) else 0


def _candidates(task: str, workspace: Path) -> Iterator[tuple[int, str, str | None]]:
    for path in workspace_files(workspace):
        text = _readable(workspace / path)
        score = _mention(task, path, text)
        if score:
            yield score, path, text


def _only_source(workspace: Path) -> list[tuple[int, str, str | None]]:
    """Return the one Python source file of a tiny project: nothing else could be meant."""
    sources = [
        path
        for path in workspace_files(workspace)
        if path.endswith(".py") and not is_test_path(path) and (workspace / path).stat().st_size
    ]
    if len(sources) != 1:
        return []
    return [(_BY_MODULE, sources[0], _readable(workspace / sources[0]))]


def relevant_files(task: str, workspace: Path) -> tuple[tuple[BriefFile, ...], tuple[str, ...]]:
    """Return the files ``task`` names, most directly named first, and notes on unreadable ones."""
    ranked = sorted(_candidates(task, workspace), key=lambda hit: (-hit[0], hit[1]))
    if any(score >= _BY_NAME for score, _, _ in ranked):
        ranked = [hit for hit in ranked if hit[0] >= _BY_SYMBOL]
    files: list[BriefFile] = []
    notes: list[str] = []
    for _, path, text in ranked or _only_source(workspace):
        if text is None:
            notes.append(f"{path}: not shown, it is binary, not UTF-8 or over {MAX_FILE_BYTES} B")
        else:
            files.append(_shown(path, text))
    return tuple(files), tuple(notes)


def recalled_files(paths: Iterable[str], workspace: Path) -> tuple[BriefFile, ...]:
    """Return those of ``paths`` that are readable files of the workspace, each once."""
    here = set(workspace_files(workspace))
    texts = {path: _readable(workspace / path) for path in paths if path in here}
    return tuple(_shown(path, text) for path, text in texts.items() if text is not None)


def at_hand(
    files: Sequence[BriefFile], errors: Iterable[str] = (), *, prefix: str = ""
) -> RuntimeContext:
    """Return what a search of the memory should prefer: the first file, Python imports, errors.

    ``prefix`` is where the workspace lies in its project, since the memory names files from there.
    """
    imported = {name: None for file in files for name in _IMPORTED.findall(file.text)}
    return RuntimeContext(
        file=prefix + files[0].path if files else "",
        errors=tuple(errors),
        dependencies=tuple(imported),
    )


def _shown(path: str, text: str) -> BriefFile:
    return BriefFile(path=path, module=module_name(path), text=text.rstrip("\r\n"))


def render_brief(brief: Brief, profile: str) -> str:
    """Return ``brief`` as the text of the prompt set ``profile`` (``compact`` or ``full``)."""
    return prompts.render(
        f"{profile}/brief",
        task=brief.task,
        rules=brief.rules,
        protected=brief.protected,
        files=brief.files,
        tests_dir=brief.tests_dir,
    )


def fit_brief(brief: Brief, budget_tokens: int, count: Callable[[str], int]) -> Brief:
    """Return ``brief`` with the least important files and rules left out until it fits.

    Raises ``UsageError`` when the task and the protected regions alone pass the budget.
    """
    protected = "\n".join(f"{tag.level}: {tag.region}" for tag in brief.protected)
    parts = [Part(priority=Priority.TASK, name="the task", text=brief.task)]
    if protected:
        parts.append(Part(priority=Priority.PROTECTED, name="the regions", text=protected))
    parts += [Part(priority=Priority.FILE, name=f.path, text=f.text) for f in brief.files]
    parts += [Part(priority=Priority.RULE, name=_named(r), text=r.text) for r in brief.rules]
    dropped = assemble(parts, budget_tokens=budget_tokens, count=count).dropped
    names = {part.name for part in dropped}
    notes = tuple(f"{part}: not shown, it does not fit the model's context" for part in dropped)
    return brief.model_copy(
        update={
            "files": tuple(f for f in brief.files if f.path not in names),
            "pieces": tuple(p for p in brief.pieces if p.path not in names),
            "rules": tuple(r for r in brief.rules if _named(r) not in names),
            "dropped": (*brief.dropped, *notes),
        }
    )


def _named(rule: BriefRule) -> str:
    """Return what the report calls a rule that was left out."""
    text = " ".join(rule.text.split())
    return f"rule {rule.id} ({text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'})"
