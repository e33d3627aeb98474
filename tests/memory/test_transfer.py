"""Back-ups and exports: complete, checked, and safe to repeat."""

from __future__ import annotations

import contextlib
import io
import json
import sqlite3
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcp_local_llm import StoreUnavailable, UsageError
from memory.journal import Journal
from memory.records import Item, Kind, Status
from memory.transfer import backup, export, export_file, import_, restore

A, B, C = (Item(text=f"the parser reads {what}") for what in ("dates", "times", "names"))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "memory" / "journal.sqlite") as opened:
        opened.put(A, B, C)
        opened.supersede(A.id, B.id, "learned")
        opened.set_status(B.id, Status.VALIDATED, "seen")
        opened.link(B.id, C.id)
        opened.mark("m")
        opened.forget(C.id, "private")
        yield opened


def contents(path: Path) -> list[object]:
    with Journal(path) as journal:
        assert journal.verify() == ()
        items = journal.get([A.id, B.id, C.id])
        return [list(items.values()), journal.marks(), journal.links(B.id)]


def test_a_backup_is_one_private_file_with_everything(journal: Journal, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite"
    backup(journal, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="exists already"):
        backup(journal, target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup.sqlite", "memory"]
    assert contents(target) == contents(journal.path)


def test_a_restored_journal_has_the_backups_state_and_a_new_identity(
    journal: Journal, tmp_path: Path
) -> None:
    target = tmp_path / "backup.sqlite"
    backup(journal, target)
    journal.put(Item(text="later"))
    identity, path = journal.identity, journal.path
    with pytest.raises(StoreUnavailable, match="in use"):
        restore(target, path)
    journal.close()
    kept = restore(target, path)
    assert kept is not None and kept.parent == path.parent
    with Journal(kept) as old, Journal(path) as new:
        assert [hit.item for hit in old.find("later")] == [Item(text="later").id]
        assert new.find("later") == [] and new.identity != identity == old.identity
    assert contents(path) == contents(target)


def test_a_damaged_journal_is_replaced_and_kept(journal: Journal, tmp_path: Path) -> None:
    target, path = tmp_path / "backup.sqlite", journal.path
    backup(journal, target)
    journal.close()
    path.write_bytes(b"damaged" * 1000)
    path.with_name(path.name + "-wal").write_bytes(b"damaged too")
    kept = restore(target, path)
    assert kept is not None and kept.read_bytes() == b"damaged" * 1000
    assert contents(path) == contents(target)


def test_a_backup_can_start_a_memory(journal: Journal, tmp_path: Path) -> None:
    target = tmp_path / "backup.sqlite"
    backup(journal, target)
    fresh = tmp_path / "new" / "journal.sqlite"
    assert restore(target, fresh) is None
    assert contents(fresh) == contents(journal.path)


def ruin(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2 :] = b"\xff" * (len(raw) - len(raw) // 2)
    file.write_bytes(raw)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (ruin, "not sound"),
        (lambda file: file.write_bytes(b""), "not sound .it is empty"),
        (lambda file: file.write_text("text" * 2000), "not a database.*memory backup. wrote"),
        (Path.unlink, "no back-up"),
    ],
)
def test_a_broken_backup_is_refused_and_the_journal_stays(
    journal: Journal, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    target, path = tmp_path / "backup.sqlite", journal.path
    backup(journal, target)
    journal.close()
    before = path.read_bytes()
    spoil(target)
    with pytest.raises((StoreUnavailable, UsageError), match=message):
        restore(target, path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*"))


def test_a_backup_into_a_folder_that_is_not_there_is_said(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        backup(journal, tmp_path / "no" / "backup.sqlite")


def exported(journal: Journal) -> bytes:
    stream = io.BytesIO()
    assert export(journal, stream) == journal.stats().operations
    return stream.getvalue()


def test_an_export_brings_everything_but_forgotten_words(journal: Journal, tmp_path: Path) -> None:
    text = exported(journal)
    assert C.text.encode() not in text
    assert json.loads(text.splitlines()[0])["payload"]["text"] == A.text
    with Journal(tmp_path / "other.sqlite") as other:
        done = import_(other, io.BytesIO(text))
        assert (done.lines, done.added) == (8, 8) and other.verify() == ()
        ours, theirs = (list(j.get([A.id, B.id]).values()) for j in (journal, other))
        assert theirs == ours
        assert other.get([C.id])[C.id].state == "deleted" and other.marks() == journal.marks()
        assert exported(other) == text
        assert import_(other, io.BytesIO(text)).added == 0


def test_importing_ones_own_export_changes_nothing(journal: Journal) -> None:
    before = journal.last_seq
    assert import_(journal, io.BytesIO(exported(journal))).added == 0
    assert journal.last_seq == before


def test_bare_items_can_be_imported(journal: Journal) -> None:
    lines = b'{"text": "new", "kind": "pattern"}\n\n' + A.model_dump_json().encode()
    done = import_(journal, io.BytesIO(lines))
    assert (done.lines, done.added) == (2, 2)
    assert [s.item.kind for s in journal.live() if s.item.text == "new"] == [Kind.PATTERN]


AT = '"at": "2026-01-01T00:00:00Z"'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "Expecting value"),
        ("[1]", "no JSON object"),
        ('{"text": ""}', "text: String should have at least 1"),
        ('{"text": "  "}', "blank"),
        ('{"text": "x", "other": 1}', "other: Extra inputs"),
        ('{"text": "x", "data": {"a": "\\ud800"}}', "half|surrogates"),
        ('{"text": "x", "key": "\\ud800"}', "surrogates"),
        (json.dumps({"text": "x" * 1_000_001}), "at most 1000000"),
        ('{"text": "x", "data": ' + '{"a":' * 100_000 + "1" + "}" * 100_001, "recursion"),
        ('{"op": "dance", ' + AT + "}", "op: Input should be"),
        ('{"op": "forget", "id": "?", "at": "yesterday"}', "at: Input"),
        ('{"op": "forget", "id": "?", ' + AT + "}", "no item"),
        ('{"op": "mark", "payload": {}, ' + AT + "}", "name: Field required"),
        ('{"op": "put", "id": "?", "payload": {"text": "x"}, ' + AT + "}", "not that of"),
        ("\xff", "can't decode|codec|Expecting"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(journal: Journal, line: str, reason: str) -> None:
    good = b'{"text": "good"}\n'
    stream = io.BytesIO(good + line.encode("latin-1") + b"\n" + good)
    with pytest.raises(UsageError, match=f"line 2 cannot be imported: .*({reason})"):
        import_(journal, stream)
    assert journal.verify() == ()


def test_an_import_that_was_cut_short_is_run_again(journal: Journal) -> None:
    lines = [Item(text=f"fact {n}").model_dump_json().encode() for n in range(700)]
    with pytest.raises(UsageError, match="line 651"):
        import_(journal, io.BytesIO(b"\n".join([*lines[:650], b"bad", *lines[650:]])))
    in_already = journal.stats().live - 1
    assert import_(journal, io.BytesIO(b"\n".join(lines))).added == 700 - in_already
    assert 0 < in_already < 700 and journal.stats().live == 701


class Endless(io.RawIOBase):
    """A stream of many lines that is never in memory as a whole."""

    def __init__(self, lines: int) -> None:
        self._left = lines

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            return 0
        self._left -= 1
        line = json.dumps({"text": f"fact {self._left}", "data": {"fill": "x" * 6000}}) + "\n"
        buffer[: len(line)] = line.encode()
        return len(line)


@pytest.mark.slow
def test_memory_use_does_not_grow_with_an_import(journal: Journal) -> None:
    tracemalloc.start()
    try:
        done = import_(journal, io.BufferedReader(Endless(1500)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert done.added == 1500
    assert peak < 6_000_000  # the stream is 9 MB; a batch of 500 lines about 3
    assert journal.verify() == ()


def test_lines_that_hold_a_secret_are_left_out_and_numbered(journal: Journal) -> None:
    token = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"
    secret, other = Item(text=f"the token is {token}"), Item(text="new")
    put = {"op": "put", "id": secret.id, "at": "2026-01-01T00:00:00Z"}
    about = {"op": "forget", "id": secret.id, "at": "2026-01-02T00:00:00Z"}
    lines = [
        other.model_dump(mode="json"),
        put | {"payload": secret.model_dump(mode="json")},
        about | {"payload": {"reason": "no"}},
        {"text": "see data", "data": {"deep": [{"password": "q8Zr2Lw0" + "Xk5Vt7Bn"}]}},
        {"text": "see scope", "scope": token},
        {"op": "forget", "id": A.id, "at": "2026-01-02T00:00:00Z", "payload": {"reason": token}},
        {"text": "last", "data": {"password": "see the vault"}},
    ]
    done = import_(journal, io.BytesIO("\n".join(map(json.dumps, lines)).encode()))
    assert (done.lines, done.added) == (7, 2)
    assert (done.secrets, done.unknown) == ((2, 4, 5, 6), (3,))
    assert {stored.item.text for stored in journal.live()} >= {"new", "last"}
    assert token.encode() not in exported(journal) and journal.verify() == ()


def test_ten_thousand_records_are_imported_with_progress(journal: Journal) -> None:
    lines = [
        json.dumps({"text": f"fact {n} of parseHTTPReply and cart_total"}) for n in range(10_000)
    ]
    text = "\n".join(lines).encode()
    told: list[int] = []
    assert import_(journal, io.BytesIO(text), told.append).added == 10_000
    assert told == sorted(told) and told[-1] == len(text) and len(told) == 20


def test_a_file_is_replaced_only_when_asked_and_never_the_memorys_own(
    journal: Journal, tmp_path: Path
) -> None:
    for write in (backup, export_file):
        target = tmp_path / write.__name__
        target.write_text("mine")
        with pytest.raises(UsageError, match=r"exists already.*--force"):
            write(journal, target)
        assert target.read_text() == "mine"
        write(journal, target, replace=True)
        assert target.stat().st_size > 1000 and stat.S_IMODE(target.stat().st_mode) == 0o600
        with pytest.raises(UsageError, match="memory's own folder"):
            write(journal, journal.path, replace=True)
        with pytest.raises(UsageError, match="is a folder"):
            write(journal, tmp_path, replace=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["backup", "export_file", "memory"]


def test_a_backup_of_an_earlier_format_is_brought_up_to_date(
    journal: Journal, tmp_path: Path
) -> None:
    target, path = tmp_path / "backup.sqlite", journal.path
    backup(journal, target)
    as_version_1(target)
    journal.close()
    restore(target, path)
    with Journal(path) as restored:
        assert [hit.item for hit in restored.find("reads times")] == [B.id]
    assert contents(path) == contents(target)


def as_version_1(path: Path) -> None:
    """Make a journal what the first format was: words without their parts."""
    with contextlib.closing(sqlite3.connect(path)) as old, old:
        for table in ("word", "stage", "signal", "seen"):
            old.execute(f"DROP TABLE {table}")
        old.execute("CREATE VIRTUAL TABLE word USING fts5 (text, tokenize = 'porter unicode61')")
        old.execute("PRAGMA user_version = 1")
