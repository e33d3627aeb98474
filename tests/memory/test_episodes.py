"""What the memory keeps of a run."""

from memory.episodes import Episode
from memory.records import Kind, Provenance
from memory.session import SessionMemory

TOKEN = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def episode(**fields: object) -> Episode:
    basics: dict[str, object] = {"run_id": "r1", "task": "add total()", "outcome": "failed"}
    return Episode.model_validate(basics | fields)


def test_an_episode_tells_what_was_tried_and_how_it_ended() -> None:
    item = episode(
        reason="still red after 3 attempts",
        failure="assert 9 == 15",
        files=("shop/cart.py", "tests/test_total.py"),
        mended={"tester": 2, "implementer": 1},
    ).item("p")
    assert item.text == (
        "failed: add total()\n"
        "why: still red after 3 attempts\n"
        "last failure: assert 9 == 15\n"
        "files: shop/cart.py, tests/test_total.py\n"
        "tags mended: implementer 1, tester 2"
    )
    assert (item.kind, item.project) == (Kind.EPISODE, "p")
    assert item.provenance == Provenance(source="run", where="r1")
    assert item.data["outcome"] == "failed"


def test_a_run_is_one_item_however_it_ended_and_another_run_another() -> None:
    ids = {episode(outcome=outcome).item("p").id for outcome in ("failed", "delivered")}
    assert len(ids) == 1
    assert episode(run_id="r2").item("p").id not in ids


def test_secrets_do_not_enter_an_episode_not_even_cut_in_half() -> None:
    beyond = "x" * 980 + " " + TOKEN
    item = episode(task=f"use {TOKEN}", reason=beyond, failure=beyond, files=(TOKEN,)).item("p")
    assert "ghp_" not in item.model_dump_json()
    assert "failed: use [GitHub token removed]" in item.text


def test_long_texts_and_lists_are_shortened() -> None:
    item = episode(failure="x" * 5_000, files=tuple(f"{n}.py" for n in range(60))).item("p")
    assert len(item.text) < 2_000
    assert "x…\n" in item.text
    assert "49.py and 10 more" in item.text


async def test_a_memory_of_this_process_keeps_the_last_episode_of_a_run() -> None:
    memory = SessionMemory()
    await memory.record(episode())
    await memory.record(episode(outcome="delivered"))
    assert [kept.outcome for kept in memory.episodes.values()] == ["delivered"]
    assert await memory.recall("add total()") == ()
