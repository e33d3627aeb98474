"""The journal: what it keeps, how it answers, and that nothing is changed in place."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from mcp_local_llm import UsageError
from memory.entries import FileState
from memory.journal import Journal
from memory.project import project_id
from memory.records import Item, Kind, Level, Provenance, Status, Where
from memory.replay import content_hash


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "memory" / "journal.sqlite") as opened:
        yield opened
        assert opened.verify() == ()


A, B, C = (Item(text=f"the parser reads {what}") for what in ("dates", "times", "names"))


def states(journal: Journal, *items: Item) -> list[str]:
    found = journal.get(item.id for item in items)
    return [found[item.id].state if item.id in found else "unknown" for item in items]


def texts(journal: Journal, query: str, where: Where = Where()) -> list[str]:  # noqa: B008
    hits = journal.find(query, where)
    found = journal.get(hit.item for hit in hits)
    return [found[hit.item].item.text for hit in hits]


def test_a_second_opening_in_a_process_leaves_the_first_its_locks(journal: Journal) -> None:
    journal.put(A)
    with Journal(journal.path):
        pass
    log = journal.path.with_name(journal.path.name + "-wal")
    before = log.stat().st_ino
    elsewhere = (
        "import sqlite3, sys; one = sqlite3.connect(sys.argv[1]); "
        "one.execute('SELECT count(*) FROM item'); one.close()"
    )
    subprocess.run([sys.executable, "-S", "-c", elsewhere, str(journal.path)], check=True)
    assert log.stat().st_ino == before, "the other one thought it was the last, and removed it"
    journal.put(B)
    assert states(journal, A, B) == ["live", "live"]


def test_only_this_user_may_read_the_journal(journal: Journal) -> None:
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) == 0o700


def test_what_was_put_is_there_after_opening_again(journal: Journal) -> None:
    seq = journal.put(A, B)
    journal.close()
    with Journal(journal.path) as again:
        found = again.get([B.id, "unknown", A.id])
        assert [s.item for s in found.values()] == [B, A]
        assert (found[B.id].seq, again.last_seq) == (seq, seq) == (2, 2)


def test_the_same_item_is_written_once(journal: Journal) -> None:
    assert journal.put(A) == journal.put(A) == journal.put(A, A) == 1
    assert journal.put() == 1
    assert len(journal.history(A.id)) == 1


def test_another_text_under_the_same_key_is_a_new_version(journal: Journal) -> None:
    one = Item(text="first words", key="k")
    two = Item(text="second thoughts", key="k")
    journal.put(one), journal.put(two)
    assert one.id == two.id
    assert journal.get([one.id])[one.id].item == two
    assert [o.payload["text"] for o in journal.history(one.id)] == [one.text, two.text]
    assert texts(journal, "words") == [] and texts(journal, "thoughts") == [two.text]


def test_a_superseded_item_is_no_answer_and_says_by_what(journal: Journal) -> None:
    journal.put(A, B)
    journal.supersede(A.id, B.id, "it learned")
    old = journal.get([A.id])[A.id]
    assert (old.state, old.superseded_by, old.reason) == ("superseded", B.id, "it learned")
    assert texts(journal, "parser") == [B.text]
    assert [s.id for s in journal.live()] == [B.id]


def test_what_cannot_replace_is_refused(journal: Journal) -> None:
    journal.put(A, B)
    journal.forget(B.id, "wrong")
    for old, new in ((A.id, B.id), (B.id, A.id), (A.id, A.id), (A.id, "no"), ("no", A.id)):
        with pytest.raises(UsageError):
            journal.supersede(old, new, "?")
    assert states(journal, A, B) == ["live", "deleted"]


def test_a_forgotten_item_stays_in_the_history_until_it_is_purged(journal: Journal) -> None:
    said = Item(text="tell nobody", status=Status.UNVALIDATED, level=Level.STRICT)
    journal.put(said, A)
    journal.set_status(said.id, Status.VALIDATED, "sure")
    seq = journal.forget(said.id, "private")
    assert journal.forget(said.id, "again") == seq
    assert texts(journal, "nobody") == []
    assert "tell nobody" in str(journal.history(said.id))
    assert journal.compact(purge=True).purged == 1
    assert "tell nobody" not in str(journal.history(said.id))
    assert b"nobody" not in journal.path.read_bytes()
    assert journal.compact(purge=True).purged == 0


def test_a_forgotten_item_can_be_said_again(journal: Journal) -> None:
    journal.put(A)
    journal.forget(A.id, "wrong")
    journal.put(A)
    assert states(journal, A) == ["live"] and texts(journal, "dates") == [A.text]


def test_a_status_stays_when_the_same_is_said_again(journal: Journal) -> None:
    journal.put(A)
    seq = journal.set_status(A.id, Status.VALIDATED, "checked")
    assert journal.set_status(A.id, Status.VALIDATED, "twice") == seq == journal.put(A)
    kept = journal.get([A.id])[A.id]
    assert (kept.item.status, kept.reason) == (Status.VALIDATED, "checked")
    assert texts(journal, "dates", Where(statuses=(Status.VALIDATED,))) == [A.text]
    with pytest.raises(UsageError, match="holds no item"):
        journal.set_status("no", Status.REJECTED, "")


def test_a_link_is_seen_from_both_ends(journal: Journal) -> None:
    journal.put(A, B, C)
    assert journal.link(A.id, B.id, "near") == journal.link(B.id, A.id, "near") == 4
    journal.link(A.id, C.id)
    assert set(journal.links(A.id)) == {(B.id, "near"), (C.id, "near")}
    journal.forget(C.id, "gone")
    assert journal.links(A.id) == ((B.id, "near"),) and journal.links(B.id) == ((A.id, "near"),)
    assert [o.op for o in journal.history(C.id)] == ["put", "link", "forget"]


def test_changes_name_each_touched_item_once_in_order(journal: Journal) -> None:
    journal.put(A, B, C)
    journal.forget(A.id, "x")
    assert [(c.seq, c.id, c.state) for c in journal.changes(1, 9)] == [
        (2, B.id, "live"), (3, C.id, "live"), (4, A.id, "deleted"),
    ]  # fmt: skip
    assert [c.id for c in journal.changes(0, 1)] == [B.id]
    assert journal.changes(journal.last_seq, 9) == []


def test_filters_narrow_both_search_and_listing(journal: Journal) -> None:
    items = [
        Item(text="pear everywhere"),
        Item(text="pear here", project="p", kind=Kind.PATTERN, scope="s", level=Level.STRICT),
        Item(text="pear there", project="q"),
    ]
    journal.put(*items)
    now = datetime.now(UTC)
    long_ago = datetime(2001, 1, 1)  # without a time zone: UTC is meant
    for where, expected in (
        (Where(), {0, 1, 2}),
        (Where(project="p"), {0, 1}),
        (Where(project=""), {0}),
        (Where(kinds=(Kind.PATTERN, Kind.CODE)), {1}),
        (Where(scope="s"), {0, 1, 2}),
        (Where(scope="s/below"), {0, 1, 2}),
        (Where(scope="elsewhere/s"), {0, 2}),
        (Where(levels=(Level.STRICT,)), {1}),
        (Where(since=long_ago, until=now), {0, 1, 2}),
        (Where(until=long_ago), set()),
    ):
        wanted = {items[at].id for at in expected}
        assert {hit.item for hit in journal.find("pear", where)} == wanted
        assert {stored.id for stored in journal.live(where)} == wanted


@pytest.mark.parametrize(
    "query", ["", " ", '"', "AND OR NOT", "a*", "NEAR(", "\0", "\ud800", "^text:", "x" * 100_000]
)
def test_any_text_is_a_query(journal: Journal, query: str) -> None:
    journal.put(A)
    assert journal.find(query) == []
    assert [hit.item for hit in journal.find(query + " dates")] == [A.id]
    assert journal.find("dates", limit=0) == []


def test_more_shared_words_come_first(journal: Journal) -> None:
    journal.put(Item(text="alpha beta gamma"), Item(text="alpha delta epsilon"))
    assert texts(journal, "gamma beta alpha")[0] == "alpha beta gamma"


def test_common_words_hide_neither_rare_nor_several_nor_another_project(journal: Journal) -> None:
    rare = Item(text="the cart of the zebra", project="zoo")
    both = Item(text="cart and invoice", project="shop")
    journal.put(rare, both, *(Item(text=f"cart {n}", project="shop") for n in range(600)))
    journal.put(*(Item(text=f"invoice {n}", project="shop") for n in range(600)))
    assert journal.find("cart zebra")[0].item == rare.id
    assert journal.find("invoice cart")[0].item == both.id
    assert [hit.item for hit in journal.find("cart", Where(project="zoo"))] == [rare.id]
    assert len(journal.find("cart invoice", limit=500)) == 500


def test_listing_goes_through_all_pages(journal: Journal) -> None:
    items = [Item(text=f"item {n}") for n in range(1203)]
    journal.put(*items)
    assert [s.id for s in journal.live()] == [item.id for item in items]
    assert len(journal.get(item.id for item in items)) == 1203


def test_vectors_are_kept_per_text_and_model(journal: Journal) -> None:
    journal.put(A)
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    hashes = [content_hash(A.text), content_hash("not live")]
    journal.keep_vectors("m", dict.fromkeys(hashes, matrix))
    found = journal.vectors([*hashes, "unknown"], "m")
    assert set(found) == set(hashes) and np.array_equal(found[hashes[0]], matrix)
    assert journal.vectors(hashes, "other") == {}
    assert journal.compact().vectors_dropped == 1
    assert list(journal.vectors(hashes, "m")) == hashes[:1]
    with pytest.raises(ValueError, match="shape"):
        journal.keep_vectors("m", {"x": matrix[0]})


def chunk(path: str, name: str, text: str) -> Item:
    where = Provenance(source="index", where=path)
    key = f"{path}::{name}"
    return Item(
        kind=Kind.CODE, text=text, project="p", key=key, provenance=where, data={"path": path}
    )


def test_a_file_is_replaced_as_a_whole(journal: Journal) -> None:
    f, g = chunk("a.py", "f", "def f"), chunk("a.py", "g", "def g")
    other = chunk("b.py", "h", "def h")
    state = FileState(size=1, mtime_ns=2, hash="x")
    journal.index_file("p", "a.py", state, [f, g])
    journal.index_file("p", "b.py", state, [other])
    newer = FileState(size=2, mtime_ns=3, hash="y")
    before = journal.last_seq
    journal.index_file("p", "a.py", newer, [f])
    assert states(journal, f, g, other) == ["live", "deleted", "live"]
    assert journal.last_seq == before + 1
    assert journal.file_states("p") == {"a.py": newer, "b.py": state}
    assert journal.file_states("q") == {}
    journal.index_file("p", "a.py", None, [])
    assert states(journal, f) == ["deleted"] and list(journal.file_states("p")) == ["b.py"]
    with pytest.raises(ValueError, match=r"a\.py"):
        journal.index_file("p", "a.py", state, [other])


def test_after_a_return_changed_files_count_as_unknown(journal: Journal) -> None:
    state = FileState(size=1, mtime_ns=2, hash="x")
    journal.index_file("p", "b.py", state, [chunk("b.py", "h", "same")])
    journal.index_file("p", "a.py", state, [chunk("a.py", "f", "old")])
    journal.mark("before")
    journal.index_file("p", "a.py", state, [chunk("a.py", "f", "new")])
    journal.return_to("before")
    assert journal.file_states("p") == {"a.py": FileState(), "b.py": state}


def test_a_mark_brings_the_live_state_back_and_erases_nothing(journal: Journal) -> None:
    late = Item(text="said later")
    changed, newer = Item(text="one", key="k"), Item(text="two", key="k")
    journal.put(A, B, C, changed)
    journal.supersede(A.id, B.id, "known at the mark")
    journal.set_status(C.id, Status.VALIDATED, "known at the mark")
    before = {s.id: s.item for s in journal.live()}
    journal.mark("m")
    length = len(journal.history(B.id))
    journal.put(late, A, newer)
    journal.forget(B.id, "?")
    journal.set_status(C.id, Status.REJECTED, "?")
    journal.mark("after")
    after = {s.id: s.item for s in journal.live()}
    journal.return_to("m")
    assert {s.id: s.item for s in journal.live()} == before
    assert journal.get([A.id])[A.id].superseded_by == B.id
    assert len(journal.history(B.id)) > length
    assert journal.return_to("m") == journal.last_seq
    journal.return_to("after")
    assert {s.id: s.item for s in journal.live()} == after
    assert list(journal.marks()) == ["m", "after"]


def test_what_was_purged_does_not_come_back(journal: Journal) -> None:
    journal.put(A)
    journal.mark("m")
    journal.forget(A.id, "private")
    journal.compact(purge=True)
    journal.return_to("m")
    assert states(journal, A) == ["deleted"]


def test_marks_need_names_that_exist(journal: Journal) -> None:
    journal.mark("one")
    assert journal.mark("one") == 2 == journal.marks()["one"]
    with pytest.raises(UsageError, match="no mark 'two'"):
        journal.return_to("two")
    with pytest.raises(UsageError, match="needs a name"):
        journal.mark(" ")


def test_the_clock_does_not_decide_the_order(tmp_path: Path) -> None:
    times = iter([2e9, 1e9, 0.0, -5.0])
    with Journal(tmp_path / "j.sqlite", clock=lambda: next(times)) as journal:
        journal.put(Item(text="old", key="k"))
        journal.put(Item(text="new", key="k"))
        journal.put(A)
        journal.forget(A.id, "x")
        known = next(journal.live())
        assert known.item.text == "new" and known.created > known.updated
        assert [c.seq for c in journal.changes(0, 9)] == [2, 4]
        assert journal.verify() == ()


def test_figures_count_what_is_there(journal: Journal) -> None:
    journal.put(A, B, C, Item(text="d", project="p", kind=Kind.CODE))
    journal.supersede(A.id, B.id, "")
    journal.forget(C.id, "")
    journal.mark("m")
    stats = journal.stats()
    assert (stats.live, stats.superseded, stats.deleted, stats.operations) == (2, 1, 1, 7)
    assert (stats.projects, stats.marks, stats.kinds) == (1, 1, {"code": 1, "fact": 1})
    assert stats.size_bytes > 0 and stats.last_seq == journal.last_seq


def test_a_wrong_table_is_found_and_made_anew(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put(A, B, C)
        journal.link(A.id, B.id)
        with sqlite3.connect(journal.path) as other:
            other.execute("UPDATE item SET status = 'rejected' WHERE id = ?", (A.id,))
            other.execute("DELETE FROM word WHERE rowid = 2")
            other.execute("DELETE FROM link")
        other.close()
        found = journal.verify()
        assert [line.split(":")[0] for line in found] == ["table item", "table link", "table word"]
        journal.rebuild()
        assert journal.verify() == () and texts(journal, "times") == [B.text]


def test_an_operation_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.put(A, B)
        with sqlite3.connect(journal.path) as other:
            other.execute("UPDATE op SET payload = '{}' WHERE seq = 2")
        other.close()
        assert journal.verify() == ("operation 2 (put) cannot be read",)


def test_closing_twice_is_fine(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    journal.close()
    journal.close()


def test_a_project_is_known_by_its_git_root(tmp_path: Path) -> None:
    root = tmp_path / "repo"
    (root / ".git").mkdir(parents=True)
    (root / "src").mkdir()
    (tmp_path / "link").symlink_to(root)
    (tmp_path / "plain").mkdir()
    known = project_id(root)
    assert len(known) == 16 and int(known, 16) >= 0
    assert project_id(root / "src") == project_id(tmp_path / "link") == known
    assert project_id(tmp_path / "plain") != known
