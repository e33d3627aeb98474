"""Many users of one memory: what is written is known at once, whoever has the index open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from agents.home import socket_path
from agents.lease import ask_resident, resident_status, start_resident
from agents.memory_host import EMBEDDER_VARIABLE, MemoryHost
from agents.protocol import Reply, Search, Status, Tend, encode, pack
from agents.resident import Resident
from agents.shared_memory import SharedMemory, tend_index
from mcp_local_llm import ModelUnavailable, UsageError
from memory.embedder import HashEmbedder
from memory.layout import index_folder
from memory.owner import MemoryOwner
from memory.records import Insight, Item, Kind, OwnerStatus, Where
from memory.retrieval import Query
from memory.router import RuntimeContext
from tools.process import run, scrubbed_env

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def _without_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EMBEDDER_VARIABLE, "hash")


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.05)


async def index_of(home: Path) -> OwnerStatus | None:
    try:
        return await tend_index(home)
    except ModelUnavailable:  # it was just being killed
        return None


async def caught_up(home: Path) -> bool:
    status = await index_of(home)
    return status is not None and status.state == "ready" and status.pending == 0


@contextlib.asynccontextmanager
async def resident_here(home: Path) -> AsyncIterator[Resident]:
    """Run the resident in this process; the clients don't know the difference."""
    resident = Resident(home)
    task = asyncio.create_task(resident.serve(open_memory=True))
    try:
        await until(lambda: caught_up(home))
        yield resident
    finally:
        resident.stop()
        await asyncio.wait_for(task, 60)


def told(text: str, kind: Kind = Kind.FACT, project: str = "p") -> Item:
    return Item(text=text, kind=kind, project=project)


def found(texts: tuple[str, ...], part: str) -> bool:
    return any(part in text for text in texts)


async def recalled(memory: SharedMemory, query: str, limit: int = 5) -> tuple[str, ...]:
    return tuple(hit.insight.text for hit in await memory.recall(query, limit=limit))


async def test_what_was_taught_is_recalled_at_once_while_the_index_is_being_opened(
    state_home: Path,
) -> None:
    with SharedMemory(state_home, "p") as memory:
        await memory.remember(Insight(text="Prices are integers, in cents"))
        answer = await memory.find(Query(text="prices", where=Where(project="p")))
        assert [hit.stored.item.text for hit in answer.hits] == ["Prices are integers, in cents"]
        assert "words alone" in answer.note
        assert answer.hits[0].why == "shares words with the question"
        await until(lambda: caught_up(state_home))
        again = await memory.find(Query(text="prices", where=Where(project="p")))
    assert (again.note, len(again.hits)) == ("", 1)
    assert again.hits[0].found is not None


async def test_an_empty_memory_starts_nothing(state_home: Path) -> None:
    with SharedMemory(state_home, "p") as memory:
        memory.put(told("of another project", project="other"))
        assert await memory.recall("anything") == ()
        assert await memory.search_code("anything", limit=3) == ()
        assert await memory.recall("  ") == ()
    assert not socket_path(state_home).exists()


async def test_preferences_are_recalled_for_every_task_and_the_rest_where_it_bears(
    state_home: Path,
) -> None:
    async with resident_here(state_home):
        with SharedMemory(state_home, "p", patience_s=PATIENCE_S) as memory:
            memory.put(told("The zoo opens at nine"))
            memory.put(told("Totals are rounded half to even"))
            for number in range(4):
                memory.put(told(f"Always obey law {number}", Kind.PREFERENCE))
            await memory.remember(Insight(text="Sums are exact", scope="global"))
            assert (
                await recalled(memory, "round the totals of a cart", 3)
                == (
                    "Totals are rounded half to even",
                    "Always obey law 3",
                    "Always obey law 2",
                )[:3]
            )
            rest = await memory.recall("unrelated")
            assert [hit.why for hit in rest] == ["holds for every task"] * 4
        with SharedMemory(state_home, "other", patience_s=PATIENCE_S) as other:
            assert await recalled(other, "sums of totals") == ("Sums are exact",)


async def test_what_the_index_does_not_have_yet_is_found_beside_what_it_has(
    state_home: Path,
) -> None:
    with SharedMemory(state_home, "p", patience_s=PATIENCE_S) as memory:
        memory.put(told("The cart holds prices"))
        async with resident_here(state_home):
            # More than a search waits for, so that its word search has to find the newest.
            memory.put(*(told(f"note {number}") for number in range(300)), told("prices are net"))
            answer = await memory.find(Query(text="prices", where=Where(project="p")))
            assert {hit.stored.item.text for hit in answer.hits} == {
                "The cart holds prices",
                "prices are net",
            }


async def test_a_query_may_bring_its_own_vector(state_home: Path) -> None:
    vector = HashEmbedder().embed(["cart"])[0]
    with SharedMemory(state_home, "p", patience_s=PATIENCE_S) as memory:
        memory.put(told("The cart holds prices"))
        async with resident_here(state_home):
            answer = await memory.find(Query(text="zebra"), vector)
            assert answer.hits[0].found is not None
            assert answer.hits[0].found.why.words is None
            assert [hit.item for hit in await memory.hits("cart", Where(), 3)] == [
                answer.hits[0].stored.id
            ]
            with pytest.raises(ModelUnavailable, match="2 components"):
                await ask_resident(
                    state_home, Search(query=Query(text="x"), vector=pack(vector[:2])), 30
                )
            with pytest.raises(ModelUnavailable, match="cannot be read"):
                await ask_resident(state_home, Search(query=Query(text="x"), vector="?"), 30)


async def test_more_callers_than_its_queue_holds_wait_for_the_resident_process(
    state_home: Path,
) -> None:
    path = socket_path(state_home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        listener.settimeout(30)
        asked = [asyncio.create_task(ask_resident(state_home, Status(), 30)) for _ in range(6)]
        for number in range(len(asked)):
            peer, _ = await asyncio.to_thread(listener.accept)
            with peer:
                assert await asyncio.to_thread(peer.recv, 1_000)
                peer.sendall(encode(Reply(error="" if number else "the first")))
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [str(one) for one in answers if isinstance(one, Exception)] == ["the first"]


async def test_what_is_at_hand_reaches_the_index_however_long_it_is(state_home: Path) -> None:
    here = RuntimeContext(
        file="x" * 100_000,
        errors=("y" * 1_000_000 + "\nValueError: cart",) * 100,
        dependencies=("prices",) * 10_000,
    )
    with SharedMemory(state_home, "p", patience_s=PATIENCE_S) as memory:
        memory.put(told("The cart holds prices"))
        async with resident_here(state_home):
            (found,) = await memory.recall("prices", at_hand=here)
            assert "dependency +5%" in found.why and "error +5%" in found.why


async def test_secrets_are_refused(state_home: Path) -> None:
    with SharedMemory(state_home, "p") as memory:
        with pytest.raises(UsageError, match="GitHub token"):
            await memory.remember(Insight(text="use ghp_abcdefghijklmnopqrstuvwxyz0123456789"))
        assert memory.journal.last_seq == 0


async def test_the_index_is_let_go_made_anew_and_opened_again(state_home: Path) -> None:
    with SharedMemory(state_home, "p") as memory:
        memory.put(told("The cart holds prices"))
        async with resident_here(state_home):
            await memory.tend("rebuild")
            await until(lambda: caught_up(state_home))
            assert (status := await memory.tend()) is not None and status.points == 1
            assert (gone := await memory.tend("release")) is not None and gone.state == "starting"
            with MemoryOwner(state_home / "memory", HashEmbedder) as owner:
                assert owner.status().applied == 1
            await until(lambda: caught_up(state_home))


async def test_a_second_owner_is_told_why_and_words_decide(state_home: Path) -> None:
    folder = state_home / "memory"
    with SharedMemory(state_home, "p") as memory, MemoryOwner(folder, HashEmbedder):
        memory.put(told("The cart holds prices"))
        resident = Resident(state_home)
        task = asyncio.create_task(resident.serve())

        async def failed() -> bool:
            status = await index_of(state_home)
            return status is not None and status.state == "failed"

        await until(failed)
        answer = await memory.find(Query(text="cart"))
        resident.stop()
        await asyncio.wait_for(task, 60)
    assert "another process has the memory" in answer.note
    assert len(answer.hits) == 1


async def test_a_host_whose_thread_ends_refuses_what_waits(tmp_path: Path) -> None:
    host = MemoryHost(tmp_path / "memory", HashEmbedder)
    host.open()

    async def ready() -> bool:
        reply = await host.answer(Tend())
        return reply.memory is not None and reply.memory.state == "ready"

    await until(ready)
    asked = [asyncio.create_task(host.answer(Search(query=Query(text="x")))) for _ in range(20)]
    await host.close()
    states = {reply.memory.state for reply in await asyncio.gather(*asked) if reply.memory}
    assert states <= {"ready", "starting"}
    assert not host.is_busy


async def test_killed_at_any_moment_the_resident_is_missed_for_a_moment_only(
    state_home: Path,
) -> None:
    count = 1_500
    with SharedMemory(state_home, "p", patience_s=PATIENCE_S) as memory:
        memory.put(*(told(f"lesson {number} about carts") for number in range(count)))
        start_resident(state_home)

        async def indexing() -> bool:
            status = await index_of(state_home)
            return status is not None and 0 < status.applied < count

        await until(indexing)
        await kill(state_home)
        assert len((await memory.find(Query(text="carts"))).hits) == 8
        await until(lambda: caught_up(state_home))
        searching = [asyncio.create_task(memory.find(Query(text="carts"))) for _ in range(5)]
        await asyncio.sleep(0)
        await kill(state_home)
        answers = await asyncio.gather(*searching)
        assert [len(answer.hits) for answer in answers] == [8] * 5
        await memory.find(Query(text="carts"))
        await until(lambda: caught_up(state_home))
        status = await index_of(state_home)
        assert status is not None and status.points == count
        assert memory.journal.verify() == ()
    assert index_folder(state_home / "memory").is_dir()


async def kill(home: Path) -> None:
    status = await resident_status(home)
    assert status is not None
    os.kill(status.pid, signal.SIGKILL)


async def test_no_command_loads_the_embedding_model(state_home: Path, tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from graph import memory_admin, memory_cli\n"
        "assert memory_cli.remember(['prices are net']) == 0\n"
        "assert memory_cli.recall(['prices']) == 0\n"
        "assert memory_admin.main(['stats']) == 0\n"
        "heavy = {'torch', 'sentence_transformers', 'transformers', 'qdrant_edge', 'mlx'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    env = {"MCP_LOCAL_LLM_HOME": str(state_home), EMBEDDER_VARIABLE: "hash"}
    done = await run(
        [sys.executable, "-c", code], cwd=tmp_path, env=scrubbed_env(env), timeout_s=60
    )
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert "prices are net" in done.stdout


async def test_what_holds_for_a_folder_is_recalled_for_tasks_whose_file_lies_there(
    state_home: Path,
) -> None:
    with SharedMemory(state_home, "p") as memory:
        memory.put(
            Item(text="Totals are net", project="p", scope="src/api"),
            Item(text="Never log totals", kind=Kind.PREFERENCE, project="p", scope="src/api"),
            Item(text="Totals are exact", project="p"),
        )

        async def told(file: str) -> set[str]:
            hits = await memory.recall("totals", at_hand=RuntimeContext(file=file))
            return {hit.insight.text for hit in hits}

        everything = {"Totals are net", "Never log totals", "Totals are exact"}
        assert await told("src/api/views.py") == everything
        assert await told("src/apix.py") == {"Totals are exact"}
        assert await told("") == everything
