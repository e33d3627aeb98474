"""What is there twice: the same words in several places, and near copies that were linked."""

from __future__ import annotations

from pathlib import Path

from memory.chunks import chunks
from memory.code import items_of
from memory.duplicates import duplicates
from memory.entries import FileState
from memory.journal import Journal
from memory.records import Item, Kind, Where

WORDS = "Prices are rounded to the cent before they are added, never after."


def test_copies_are_found_in_files_and_in_what_was_said(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite") as journal:
        for path in ("a.md", "b.md"):
            text = f"# Money\n{WORDS}\n# {path}\nshort\n"
            items = items_of("p", chunks(path, text))
            journal.index_file("p", path, FileState(), items)
        said = [Item(text="Never use floats.", project="p", scope=scope) for scope in ("", "shop")]
        near = [
            Item(text="Avoid floats.", project="p"),
            Item(text="Avoid all floats.", project="p"),
        ]
        journal.put(*said, *near)
        journal.link(near[0].id, near[1].id)
        found = duplicates(journal, Where(project="p"), 10)
        assert found.looked_at == 8
        by_relation = {(one.relation, tuple(sorted(one.places))) for one in found.shown}
        assert ("same", ("a.md", "b.md")) in by_relation
        assert ("near", ("fact", "fact")) in by_relation
        assert len([one for one in found.shown if one.text == "Never use floats."]) == 1
        assert (found.groups, len(duplicates(journal, Where(project="p"), 1).shown)) == (3, 1)
        only = Where(project="p", kinds=(Kind.DOCUMENT,))
        assert duplicates(journal, only, 10).groups == 1
