"""The memory as a LangGraph store: the same items, by namespace and key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.runtime import Runtime

from mcp_local_llm import UsageError
from memory.index import Hit
from memory.journal import Journal
from memory.records import Item, Kind, Where
from memory.store import JournalStore

HERE = ("users", "ann")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield journal


@pytest.fixture
def store(journal: Journal) -> JournalStore:
    return JournalStore(journal, "p")


def test_what_is_put_is_there_until_it_is_deleted(store: JournalStore, journal: Journal) -> None:
    store.put(HERE, "tea", {"text": "Ann drinks green tea", "cups": 3})
    found = store.get(HERE, "tea")
    assert found is not None
    assert (found.key, found.namespace, found.value["cups"]) == ("tea", HERE, 3)
    assert found.updated_at >= found.created_at
    store.put(HERE, "tea", {"text": "Ann drinks black tea", "cups": 2})
    again = store.get(HERE, "tea")
    assert again is not None and again.value["cups"] == 2
    store.delete(HERE, "tea")
    store.delete(HERE, "never")
    assert store.get(HERE, "tea") is None
    key = '["users", "ann", "tea"]'
    (item,) = journal.get([Item(text="x", project="p", key=key).id]).values()
    assert [step.op for step in journal.history(item.id)] == ["put", "put", "forget"]


def test_search_narrows_by_namespace_words_and_filter(store: JournalStore) -> None:
    for number, drink in enumerate(("green tea", "black tea", "coffee")):
        store.put((*HERE, "drinks"), drink, {"text": f"Ann likes {drink}", "cups": number})
    store.put(("users", "bob"), "tea", {"text": "Bob likes tea", "cups": 9})

    def keys(**how: object) -> list[str]:
        return [hit.key for hit in store.search(HERE, **how)]  # type: ignore[arg-type]

    assert sorted(keys(query="tea")) == ["black tea", "green tea"]
    assert keys(filter={"cups": 2}) == ["coffee"]
    assert keys(filter={"cups": {"$gte": 1, "$lt": 2}}) == ["black tea"]
    assert keys(filter={"cups": {"$ne": 1}}) == ["green tea", "coffee"]
    assert keys(filter={"cups": {"$gt": "many"}}) == []
    assert keys(filter={"size": 1}) == []
    assert keys(limit=1, offset=1) == ["black tea"]
    scored = store.search(("users",), query="bob")
    assert scored[0].key == "tea" and scored[0].score is not None


def test_what_was_taught_elsewhere_is_there_by_its_kind(
    store: JournalStore, journal: Journal
) -> None:
    rule = Item(kind=Kind.PREFERENCE, text="Always close files", project="p", scope="io")
    journal.put(rule, Item(text="elsewhere", project="other"))
    found = store.get(("preference", "io"), rule.id)
    assert found is not None and found.value["text"] == "Always close files"
    assert [hit.key for hit in store.search((), query="close elsewhere")] == [rule.id]
    store.put(("notes",), "n", {"steps": [1, 2]})
    assert store.list_namespaces() == [("notes",), ("preference", "io")]
    assert store.list_namespaces(prefix=("preference",)) == [("preference", "io")]
    assert store.list_namespaces(suffix=("*",), max_depth=1) == [("notes",), ("preference",)]


async def test_asynchronous_search_asks_the_index(journal: Journal) -> None:
    asked: list[str] = []

    async def find(query: str, where: Where, limit: int) -> Sequence[Hit]:
        asked.append(query)
        return [Hit(item.id, 0.5), Hit("gone", 0.4)]

    item = Item(text="Money is counted in cents", project="p")
    journal.put(item)
    store = JournalStore(journal, "p", find)
    assert [(hit.key, hit.score) for hit in await store.asearch((), query="prices")] == [
        (item.id, 0.5)
    ]
    assert asked == ["prices"]
    assert (await store.aget(("fact",), item.id)) is not None


def test_secrets_are_refused(store: JournalStore) -> None:
    with pytest.raises(UsageError, match="secret"):
        store.put(HERE, "key", {"text": "token = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'"})
    with pytest.raises(UsageError, match="secret"):
        store.put(HERE, "key", {"text": "fine", "n": "ghp_abcdefghijklmnopqrstuvwxyz0123456789"})
    assert store.search(()) == []


async def test_a_node_finds_it_as_its_runtime_store(store: JournalStore) -> None:
    async def node(state: MessagesState, runtime: Runtime) -> MessagesState:
        assert runtime.store is not None
        await runtime.store.aput(("notes",), "seen", {"text": "a node was here"})
        return {"messages": []}

    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    await graph.compile(store=store).ainvoke({"messages": []})
    assert store.get(("notes",), "seen") is not None
