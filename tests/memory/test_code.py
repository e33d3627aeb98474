"""Pieces of files as items, and back."""

from memory.chunks import chunks
from memory.code import code_hit, items_of
from memory.records import Item, Kind
from memory.session import SessionMemory

SOURCE = "import os\n\ndef f(): ...\n\ndef f(): ...\n"


def test_every_piece_is_an_item_of_its_own_that_leads_back_to_its_place() -> None:
    items = items_of("p", chunks("a/b.py", SOURCE))
    assert len({item.id for item in items}) == len(items) == 3
    assert {item.kind for item in items} == {Kind.CODE}
    hits = [code_hit(item, 0.5) for item in items]
    places = [(hit.path, hit.line, hit.name, hit.text) for hit in hits if hit]
    assert places[1:] == [("a/b.py", 3, "f", "def f(): ..."), ("a/b.py", 5, "f", "def f(): ...")]
    assert items[1].provenance.where == "a/b.py:3"


def test_a_moved_definition_keeps_its_id() -> None:
    before = {item.id for item in items_of("p", chunks("a.py", SOURCE))}
    assert {item.id for item in items_of("p", chunks("a.py", "\n\n" + SOURCE))} == before


def test_sections_are_documents_and_other_items_are_no_places() -> None:
    assert items_of("p", chunks("a.md", "# A\n"))[0].kind == Kind.DOCUMENT
    assert code_hit(Item(text="a fact"), 1.0) is None


async def test_a_memory_without_files_finds_no_code() -> None:
    assert await SessionMemory().search_code("anything", limit=3) == ()
