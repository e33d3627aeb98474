"""A question's items: fused from two rankings, filtered, without repetition, and explained."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory.embedder import HashEmbedder
from memory.index import Dense, Point
from memory.journal import Journal
from memory.records import DocumentClass, Item, Kind, Provenance, Status, Where
from memory.retrieval import REWARDED, Found, Query, fuse, retrieve
from memory.router import QueryClass, RuntimeContext
from memory.server_index import ServerIndex
from memory.sparse import sparse

EMBEDDER = HashEmbedder()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Shelf:
    """A journal and an index that hold the same items."""

    def __init__(self, folder: Path) -> None:
        from qdrant_client import QdrantClient

        self.at = NOW.timestamp()
        self.rewards: dict[str, float] = {}
        self.journal = Journal(folder / "journal.sqlite", clock=lambda: self.at)
        self.index = ServerIndex(QdrantClient(":memory:"), "test", EMBEDDER.dimension)

    def put(self, *items: Item) -> None:
        self.journal.put(*items)
        self.index.upsert([self._point(item) for item in items])

    def _point(self, item: Item) -> Point:
        return Point(
            item=item.id, window=0, dense=EMBEDDER.embed([item.text])[0], sparse=sparse(item.text),
            project=item.project, kind=item.kind, scope=item.scope, status=item.status,
            level=item.level or "", at=self.at,
        )  # fmt: skip

    def vectors(self, ids: Sequence[str]) -> Mapping[str, Dense]:
        known = self.journal.get(ids)
        return {one: EMBEDDER.embed([found.item.text])[0] for one, found in known.items()}

    def ask(self, text: str, **fields: object) -> tuple[Found, ...]:
        return retrieve(
            Query.model_validate({"text": text} | fields),
            index=self.index,
            vector=EMBEDDER.embed([text])[0],
            vectors_of=self.vectors,
            info=self.journal.get,
            rewards=lambda ids, weights: {one: self.rewards.get(one, 0.0) for one in ids},
            now=NOW,
        )

    def texts(self, text: str, **fields: object) -> list[str]:
        found = self.ask(text, **fields)
        known = self.journal.get([one.id for one in found])
        return [known[one.id].item.text for one in found]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path)
    yield made
    made.index.close()
    made.journal.close()


def note(text: str, **fields: object) -> Item:
    return Item.model_validate({"text": text} | fields)


def test_first_place_everywhere_scores_one_and_nowhere_nothing() -> None:
    assert fuse([(1.0, 1), (1.2, 1)]) == pytest.approx(1)
    assert fuse([(1.0, None), (1.0, None)]) == 0
    assert fuse([(1.0, 1), (1.0, None)]) > fuse([(1.0, 2), (1.0, None)])


def test_the_item_that_both_rankings_put_first_is_found_and_explained(shelf: Shelf) -> None:
    shelf.put(note("releases happen on Tuesday"), note("the shop sells bread"))
    first, *_ = shelf.ask("when do releases happen")
    assert shelf.texts("when do releases happen")[0] == "releases happen on Tuesday"
    assert 0.9 < first.score <= 1
    assert first.why.meaning is not None and first.why.meaning.rank == 1
    assert first.why.words is not None and first.why.words.rank == 1
    assert first.why.line().startswith("meaning #1 (")
    assert "words #1" in first.why.line()


def test_an_item_that_only_one_ranking_has_says_so(shelf: Shelf) -> None:
    shelf.put(note("bread and cakes"))
    (found,) = shelf.ask("zebra")
    assert found.why.words is None
    assert "words" not in found.why.line()


@pytest.mark.parametrize("text", ["", "\x00", "?!", "🦓 " * 50])
def test_a_question_without_words_still_has_an_answer(shelf: Shelf, text: str) -> None:
    shelf.put(note("bread and cakes"))
    assert len(shelf.ask(text)) == 1


def test_an_empty_memory_answers_nothing(shelf: Shelf) -> None:
    assert shelf.ask("anything") == ()


def test_filters_narrow_what_is_found(shelf: Shelf) -> None:
    shelf.put(
        note("tests use pytest", project="a"),
        note("tests use unittest", project="b"),
        note("tests are fast"),
        note("tests may be slow", project="a", kind=Kind.PREFERENCE),
    )
    assert "tests use unittest" not in shelf.texts("tests", where=Where(project="a"))
    assert "tests are fast" in shelf.texts("tests", where=Where(project="a"))
    only = Where(kinds=(Kind.PREFERENCE,))
    assert shelf.texts("tests", where=only) == ["tests may be slow"]


def test_a_question_may_be_about_one_class_of_texts(shelf: Shelf) -> None:
    prose = [note(f"The total of cart {number} is in cents") for number in range(40)]
    code = note("def total(cart):\n    return sum(cart)", kind=Kind.DOCUMENT, key="a.md")
    log = note("ValueError: total of the cart\nTraceback (most recent call last):")
    shelf.put(*prose, code, log)
    about = [shelf.texts("total of the cart", where=Where(about=one)) for one in DocumentClass]
    assert about[:2] == [[code.text], [log.text]]
    assert set(about[2]) <= {one.text for one in prose}


def test_rejected_items_are_found_only_when_asked_for(shelf: Shelf) -> None:
    shelf.put(note("use global state", status=Status.REJECTED), note("avoid global state"))
    assert shelf.texts("global state") == ["avoid global state"]
    asked = Where(statuses=(Status.REJECTED,))
    assert shelf.texts("global state", where=asked) == ["use global state"]


def test_what_the_journal_has_forgotten_is_not_found(shelf: Shelf) -> None:
    old = note("deploy by hand")
    shelf.put(old, note("deploy by pipeline"))
    shelf.journal.forget(old.id, "wrong")  # and the index does not know yet
    assert shelf.texts("how to deploy by hand") == ["deploy by pipeline"]


def test_the_limit_holds(shelf: Shelf) -> None:
    shelf.put(*(note(f"rule {n} about {word}") for n, word in enumerate("abcdefgh")))
    assert len(shelf.ask("rule about", limit=3)) == 3


def test_copies_are_left_out_and_named(shelf: Shelf) -> None:
    said = [
        note(text, scope=str(n)) for n, text in enumerate(["Use httpx.", "use httpx", "Use httpx!"])
    ]
    shelf.put(*said, note("bread and cakes"))
    found = shelf.ask("use httpx")
    assert len(found) == 2
    assert {found[0].id, *found[0].why.copies} == {one.id for one in said}
    assert "2 with the same words left out" in found[0].why.line()


def test_one_thing_in_five_wordings_does_not_fill_the_answer(shelf: Shelf) -> None:
    rule = "every public function of this code base needs a docstring with the units it takes"
    near = [f"{rule} {end}" for end in ("", "always", "indeed", "please", "too")]
    shelf.put(*map(note, near), note("docstring style is British"), note("public holidays"))
    texts = shelf.texts("public docstring", limit=4)
    assert sum(text.strip() in {one.strip() for one in near} for text in texts) == 2


def test_a_rule_and_its_opposite_are_both_found(shelf: Shelf) -> None:
    shelf.put(note("never mock the database in tests"), note("always mock the database in tests"))
    assert len(shelf.ask("mock the database in tests")) == 2


def test_the_same_code_at_two_places_is_one_answer(shelf: Shelf) -> None:
    body = "def area(r):\n    return 3.14 * r * r"
    for path in ("a/shapes.py", "vendor/shapes.py"):
        shelf.put(note(f"{path} area\n{body}", kind=Kind.CODE, key=path))
    (found,) = shelf.ask("area of r")
    assert len(found.why.copies) == 1


def test_two_methods_with_one_body_are_two_answers(shelf: Shelf) -> None:
    for name in ("Shelf", "Basket"):
        text = f"a.py {name}.__enter__\ndef __enter__(self):\n    return self"
        shelf.put(note(text, kind=Kind.CODE))
    assert len(shelf.ask("enter")) == 2


def test_code_does_not_crowd_out_what_else_is_known(shelf: Shelf) -> None:
    bodies = [
        f"a.py layer_{w}\ndef layer_{w}():\n    return {w!r}"
        for w in ["kitchen", "table", "lamp", "door", "window"]
    ]
    shelf.put(*(note(body, kind=Kind.CODE) for body in bodies), *(
        note(text, kind=Kind.CONCEPT) for text in ("a layer imports leftwards", "tools are a layer")
    ))  # fmt: skip
    found = shelf.ask("which layer", limit=4)
    kinds = [shelf.journal.get([one.id])[one.id].item.kind for one in found]
    assert found[0].why.profile is QueryClass.ARCHITECTURE
    assert kinds.count(Kind.CODE) == 2
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_where_nothing_else_is_left_a_kind_may_exceed_its_share(shelf: Shelf) -> None:
    bodies = ("kitchen table", "lamp on the door", "window sill", "garden wall")
    shelf.put(*(note(body, kind=Kind.CODE) for body in bodies))
    assert len(shelf.ask("which layer", limit=4)) == 4


def test_the_profile_that_is_named_is_used(shelf: Shelf) -> None:
    shelf.put(note("a layer imports leftwards", kind=Kind.CODE))
    (found,) = shelf.ask("layer", profile=QueryClass.ARCHITECTURE)
    assert found.why.kind < 1
    assert "for architecture" in found.why.line()


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"confidence": 1.0}, {"confidence": 0.2}),
        ({"status": Status.VALIDATED}, {}),
    ],
)
def test_what_is_surer_scores_higher(
    shelf: Shelf, better: dict[str, object], worse: dict[str, object]
) -> None:
    shelf.put(note("bread", scope="one", **better), note("bread is sold", scope="two", **worse))
    scores = {one.id: sum(one.why.boosts.values()) for one in shelf.ask("bread")}
    sure = note("bread", scope="one", **better).id
    assert scores[sure] == max(scores.values()) > min(scores.values())


def test_new_knowledge_is_preferred_slightly_and_a_clock_gone_back_harms_nothing(
    shelf: Shelf,
) -> None:
    for days, text in ((-400, "old bread"), (0, "new bread"), (400, "future bread")):
        shelf.at = (NOW + timedelta(days=days)).timestamp()
        shelf.put(note(text))
    boosts = {one.id: one.why.boosts.get("recent", 0) for one in shelf.ask("bread")}
    assert boosts[note("old bread").id] == 0
    assert boosts[note("new bread").id] == boosts[note("future bread").id] == 0.05


def test_what_is_at_hand_is_preferred(shelf: Shelf) -> None:
    here = note(
        "render_invoice uses decimal numbers and raises InvoiceError",
        provenance=Provenance(where="shop/invoice.py:3"),
    )
    shelf.put(here, note("numbers are decimal"))
    context = RuntimeContext(
        file="shop/invoice.py", function="render_invoice", slow=("render_invoice",),
        errors=("Traceback:\n  line\nInvoiceError: bad", ""), dependencies=("decimal",),
    )  # fmt: skip
    found = {one.id: one for one in shelf.ask("numbers", context=context)}
    assert set(found[here.id].why.boosts) >= {"file", "function", "error", "slow", "dependency"}
    assert found[here.id].score > found[note("numbers are decimal").id].score - 0.2


def test_code_is_at_hand_by_the_path_it_was_read_from(shelf: Shelf) -> None:
    code = note("shop/a.py f\ndef f(): ...", kind=Kind.CODE, data={"path": "shop/a.py"})
    shelf.put(code)
    (found,) = shelf.ask("f", context=RuntimeContext(file="shop/a.py"))
    assert found.why.boosts["file"] > 0
    assert "recent" not in found.why.boosts  # when a file was indexed says nothing about it


def test_without_vectors_items_are_found_all_the_same(shelf: Shelf) -> None:
    near = [note(f"Use httpx for every call {end}") for end in ("", "always", "indeed")]
    shelf.put(*near)
    found = retrieve(
        Query(text="httpx"), index=shelf.index, vector=EMBEDDER.embed(["httpx"])[0],
        vectors_of=lambda ids: {}, info=shelf.journal.get,
    )  # fmt: skip
    assert len(found) == 3


def test_the_reward_of_earlier_runs_decides_between_equals_alone(shelf: Shelf) -> None:
    equal = [note(f"retry the upload {letter}") for letter in "ab"]
    best = note("retry the upload of a picture")
    shelf.put(*equal, best)
    asked = "retry the upload of a picture"
    before = shelf.ask(asked)
    first, second = (one.id for one in before if one.id != best.id)
    shelf.rewards = {second: 1.0, first: -1.0, best.id: -1.0}
    after = shelf.ask(asked)
    assert after[0].id == best.id
    assert after[0].why.boosts["reward"] == -0.01
    gaps = {one.id: one.score for one in before}
    assert all(abs(one.score - gaps[one.id]) <= 0.011 for one in after)


def test_a_rank_in_both_rankings_outweighs_any_reward_and_crossed_ranks_do_not() -> None:
    worst, best = 1 - REWARDED, 1 + REWARDED
    for rank in range(1, 45):
        ahead, behind = (fuse([(1.0, one), (1.2, one)]) for one in (rank, rank + 1))
        assert ahead * worst > behind * best
    crossed, other = fuse([(1.0, 1), (1.2, 2)]), fuse([(1.0, 2), (1.2, 1)])
    assert crossed < other
    assert crossed * best > other * worst
