"""The command ``mcp-local-llm init cursor``: enter the server, its rules and hooks, or undo it.

Exit codes: 0 done, or nothing to do; 1 you said no; 2 wrong input; 3 a file cannot be written.
"""

from __future__ import annotations

import argparse
import asyncio
import difflib
import hashlib
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import Field, ValidationError

from graph.console import run_command, told
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import Record

if TYPE_CHECKING:
    from agents.shared_memory import SharedMemory
    from tools.gitrepo import Repo

_T = TypeVar("_T")
_NOTE: Final = "cursor.json"  # in the project's folder of the state folder


class Written(Record):
    """What a file was before we wrote it (None: not there), and the hash of what we wrote."""

    before: str | None
    after: str


class Note(Record):
    """What ``init cursor`` wrote, by path: enough to undo it exactly.

    ``folders`` are those that it made for that; ``hook`` says that no git hook was there before.
    """

    files: dict[str, Written] = Field(default_factory=dict)
    folders: tuple[str, ...] = ()
    hook: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """One file as it is and as it is to be; None is no file."""

    path: Path
    before: str | None
    after: str | None

    def shown(self) -> str:
        """Return the change as a unified diff."""
        before, after = (
            (text or "").splitlines(keepends=True) for text in (self.before, self.after)
        )
        return "".join(difflib.unified_diff(before, after, str(self.path), str(self.path)))


def main(argv: Sequence[str]) -> int:
    """Run ``mcp-local-llm init``."""
    parser = argparse.ArgumentParser(
        prog="mcp-local-llm init",
        description="Enter this server in Cursor: .cursor/mcp.json, a rule file, and hooks that "
        "note what you type. What you have there stays; the changes are shown first.",
        epilog="The files name paths of this machine: keep .cursor/mcp.json and .cursor/hooks.json "
        "out of git.",
    )
    parser.add_argument("editor", choices=("cursor",))
    parser.add_argument(
        "--workspace", type=Path, default=Path(), metavar="DIR", help="the project (default: here)"
    )
    parser.add_argument(
        "--global", action="store_true", dest="everywhere", help="for all projects, in ~/.cursor"
    )
    parser.add_argument("--no-hooks", action="store_true", help="leave hooks.json alone")
    parser.add_argument(
        "--pre-commit", action="store_true", help="check contracts at each commit, too"
    )
    parser.add_argument("--remove", action="store_true", help="undo all that was entered")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return run_command(parser, argv, _init)


def _init(options: argparse.Namespace) -> int:
    from agents.capture.session_context import refresh_session
    from agents.home import state_home
    from agents.shared_memory import SharedMemory
    from memory.private import private_folder
    from memory.project import project_id, project_root

    if not options.workspace.is_dir():
        raise UsageError(f"the workspace {str(options.workspace)!r} is no folder; give another one")
    root = Path.home() if options.everywhere else project_root(options.workspace.resolve())
    home = state_home()
    name = "global" if options.everywhere else project_id(root)
    note_file = home / "cursor" / name / _NOTE
    note = _read_note(note_file)
    hook_is_new = _hook_is_new(options, root)
    if options.remove:
        changes = [_undone(root / path, written) for path, written in note.files.items()]
    else:
        with SharedMemory(home, name) as memory:
            changes = list(_wanted(options, root, home, note, memory))
    changes = [each for each in changes if each.before != each.after]
    if changes and not _allowed(options, changes):
        return 1
    private_folder(note_file.parent)
    if options.remove:
        _carry_out(changes)
        _remove_empty(root, note.folders)
        hook = _without_hook(options, root) if options.pre_commit or note.hook else ""
        note_file.unlink(missing_ok=True)  # last: until then all can be undone again
    else:
        _write_note(note_file, _noted(note, root, changes, hook=note.hook or hook_is_new))
        _carry_out(changes)
        with SharedMemory(home, project_id(options.workspace)) as memory:
            refresh_session(memory)
        hook = _with_hook(root) if _wants_hook(options) else ""
    return _done(options, root, changes, hook)


def _names() -> tuple[str, str, str]:
    from agents.capture.rule_file import RULES
    from mcp_server.cursor_files import SERVERS

    return SERVERS, RULES, ".cursor/hooks.json"


def _wanted(
    options: argparse.Namespace, root: Path, home: Path, note: Note, memory: SharedMemory
) -> Iterator[Change]:
    """Yield each file with the text that it should have."""
    from agents.capture import hooks_file
    from agents.capture.rule_file import wanted_rules
    from mcp_server.cursor_files import with_server

    servers, rules, hooks = (root / name for name in _names())
    workspace = None if options.everywhere else root
    before = _text(servers)
    yield Change(servers, before, with_server(before or "", workspace))
    if not options.everywhere:
        yield Change(rules, _text(rules), wanted_rules(root, memory))
    if not options.no_hooks:
        hooks_file.place_script(home)
        before = _text(hooks)
        yield Change(hooks, before, hooks_file.with_hooks(before or "", home, str(hooks)))


def _undone(path: Path, written: Written) -> Change:
    """Return the change that takes out of ``path`` what was written.

    A file that nobody has touched since is again what it was; of another only ours goes.
    """
    from agents.capture import hooks_file
    from mcp_server.cursor_files import without_server

    now = _text(path)
    if now is None or _hash(now) == written.after:
        return Change(path, now, written.before if now is not None else None)
    if path.suffix == ".mdc":
        return Change(path, now, written.before)
    rest = (without_server if path.name == "mcp.json" else hooks_file.without_hooks)(now)
    return Change(path, now, rest or None)


def _noted(note: Note, root: Path, changes: Sequence[Change], *, hook: bool) -> Note:
    """Return the note of all that was ever written: what was there before the first time stays.

    Where the user has changed a file of ours since, what is there less our part counts.
    """
    files, folders = dict(note.files), dict.fromkeys(note.folders)
    for each in changes:
        path = each.path.relative_to(root)
        known = files.get(path.as_posix())
        before = _undone(each.path, known).after if known else each.before
        files[path.as_posix()] = Written(before=before, after=_hash(each.after or ""))
        made = (one for one in path.parents if not (root / one).exists())
        folders |= dict.fromkeys(one.as_posix() for one in made)
    return Note(files=files, folders=tuple(folders), hook=hook)


def _allowed(options: argparse.Namespace, changes: Sequence[Change]) -> bool:
    sys.stderr.write("".join(each.shown() for each in changes))
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError("nobody can be asked here; give --yes to write these changes")
    sys.stderr.write("write this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in {"y", "yes"}


def _carry_out(changes: Sequence[Change]) -> None:
    from memory.whole_file import write_whole

    for each in changes:
        with _files(each.path):
            if each.after is None:
                each.path.unlink(missing_ok=True)
                continue
            each.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(each.path.resolve(), each.after, mode=0o644, keeps_mode=True)


def _remove_empty(root: Path, folders: Sequence[str]) -> None:
    """Remove those of ``folders`` that hold nothing any more."""
    for name in sorted(folders, key=len, reverse=True):
        with suppress(OSError):  # something of the user's is in it, or it is gone
            (root / name).rmdir()


def _done(options: argparse.Namespace, root: Path, changes: Sequence[Change], hook: str) -> int:
    from mcp_server.cursor_files import deeplink

    what = "removed from" if options.remove else "wrote"
    lines = [f"{what} {each.path}" for each in changes] or ["nothing to change"]
    lines += [f"{'removed' if options.remove else 'installed'} {hook}"] if hook else []
    link = "" if options.remove else deeplink(None if options.everywhere else root)
    if link:
        lines += ["In Cursor: Settings, MCP, switch local-llm on. Or open:", f"  {link}"]
    paths = [str(each.path) for each in changes]
    return told(options, "\n".join(lines), files=paths, hook=hook or None, deeplink=link or None)


def _wants_hook(options: argparse.Namespace) -> bool:
    return options.pre_commit and not options.remove and not options.everywhere


def _hook_is_new(options: argparse.Namespace, root: Path) -> bool:
    """Say whether a hook is to be made where none of ours is.

    Raises:
        UsageError: it is wanted, and there is one of the user's: before anything is written.
    """
    from graph.preserve_hook import place

    return _wants_hook(options) and not _in_repository(root, place)[1]


def _with_hook(root: Path) -> str:
    """Install the check at each commit; return where it is."""
    from graph.preserve_hook import install

    return str(_in_repository(root, install))


def _without_hook(options: argparse.Namespace, root: Path) -> str:
    """Remove the check at each commit; return where it was, "" when nothing was done.

    One that has become the user's own stays, and they are told.
    """
    from graph.preserve_hook import remove
    from tools.gitrepo import Repo

    if options.everywhere or not asyncio.run(Repo.is_repo(root)):
        return ""
    try:
        file = _in_repository(root, remove)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return ""
    return str(file) if file else ""


def _in_repository(root: Path, act: Callable[[Repo], Awaitable[_T]]) -> _T:
    from tools.gitrepo import Repo

    async def done() -> _T:
        return await act(await Repo.open(root))

    return asyncio.run(done())


def _text(path: Path) -> str | None:
    with _files(path):
        try:
            return path.read_bytes().decode()  # with its line endings
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise UsageError(f"{str(path)!r} is no UTF-8 ({error}); mend it first") from error


def _read_note(file: Path) -> Note:
    try:
        return Note.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return Note()


def _write_note(file: Path, note: Note) -> None:
    from memory.whole_file import write_whole

    with _files(file):
        write_whole(file, note.model_dump_json(indent=1))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def _files(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"{str(path)!r} cannot be read or written ({error.strerror}); make it writable for you"
        ) from error
