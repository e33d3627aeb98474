"""Adapters that never change, one pointer, and whatever dies in between."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.adapters.records import Manifest, Pointer
from agents.adapters.registry import Registry
from mcp_local_llm import StoreUnavailable, UsageError
from tools.process import spawn_detached

Keep = Callable[..., Manifest]
ROOT = Path(__file__).resolve().parents[2]


def test_an_adapter_is_kept_whole_under_a_name_that_follows_from_its_making(
    registry: Registry, keep: Keep, trained: dict[str, Path]
) -> None:
    one = keep()
    assert registry.verify(one.id) == one == registry.get(one.id[:4].upper())
    kept = registry.folder(one.id) / "adapters.safetensors"
    assert kept.read_bytes() == (trained["bridges"] / "adapters.safetensors").read_bytes()
    assert keep() == one
    other = keep(items=("i1",))
    assert other.id != one.id
    assert [each.id for each in registry.list()] == [one.id, other.id]
    assert registry.current() is None
    assert sorted(path.name for path in registry.root.iterdir()) == sorted((one.id, other.id))


def test_a_later_gate_joins_the_adapter_and_changes_nothing_else(keep: Keep) -> None:
    one = keep()
    judged = keep(gate={"passed": True})
    assert judged == one.model_copy(update={"gate": {"passed": True}})
    assert keep() == judged


@pytest.mark.parametrize("context", ["project:x", "ext:py", "everywhere", "ext:.p/y"])
def test_a_context_is_a_project_an_extension_or_none(keep: Keep, context: str) -> None:
    with pytest.raises(ValidationError):
        keep(context=context)


def test_what_is_no_adapter_is_not_kept(
    registry: Registry, trained: dict[str, Path], tmp_path: Path, base: str
) -> None:
    making: dict[str, Any] = {
        "base": base, "dataset": "d", "recipe": {}, "journal": 0, "prompts": "p", "items": (),
    }  # fmt: skip
    with pytest.raises(UsageError, match="holds no sound adapter"):
        registry.add(tmp_path, **making)
    cut = tmp_path / "cut"
    shutil.copytree(trained["bridges"], cut)
    os.truncate(cut / "adapters.safetensors", 5_000)
    with pytest.raises(UsageError, match="holds no sound adapter"):
        registry.add(cut, **making)
    assert registry.ids() == ()


def test_promotions_are_undone_one_after_the_other(registry: Registry, keep: Keep) -> None:
    one, two, three = keep(), keep("rivers", journal=9), keep(items=())
    for each in (one, two, three):
        registry.promote(each.id, why=f"night of {each.journal}")
    assert registry.current() == three
    assert registry.promote(three.id, why="again") == registry.pointer()
    back = registry.rollback(why="worse")
    assert (registry.current(), back.journal, back.why) == (two, 9, "worse")
    assert registry.rollback(why="stale", at=back.serial - 1) == back
    registry.rollback(why="worse still")
    assert registry.current() == one
    registry.promote(three.id, why="mended")
    assert registry.rollback(why="no").adapters == {one.id}
    last = registry.rollback(why="to the base")
    assert (last.slots, last.journal, last.prompts) == ((), 0, "")
    with pytest.raises(UsageError, match="nothing to roll back to"):
        registry.rollback(why="further")
    actions = [step.action for step in registry.history()]
    assert actions == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback", "rollback"]
    assert [step.serial for step in registry.history()] == list(range(1, 9))


def test_every_base_and_context_has_its_own_place(registry: Registry, keep: Keep) -> None:
    generic, python = keep(), keep("rivers", context="ext:.py")
    foreign, newer = keep(base="other"), keep("rivers")
    for one in (generic, python, foreign):
        registry.promote(one.id, why="")
    assert registry.pointer().adapters == {generic.id, python.id, foreign.id}
    assert registry.current() == foreign
    assert registry.current(base=generic.base) == generic
    assert registry.current("ext:.py") == python
    assert registry.current("ext:.js") is None
    registry.promote(newer.id, why="")
    assert registry.pointer().adapters == {newer.id, python.id, foreign.id}


def test_damage_is_found_named_and_never_served_again(registry: Registry, keep: Keep) -> None:
    one, two = keep(), keep("rivers")
    registry.promote(one.id, why="")
    registry.promote(two.id, why="")
    weights = registry.folder(one.id) / "adapters.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"adapters\.safetensors is not what was kept"):
        registry.promote(one.id, why="")
    with pytest.raises(StoreUnavailable, match="damaged"):
        registry.rollback(why="")
    assert registry.current() == two
    assert keep() == registry.verify(one.id)  # adding it again mends it
    manifest = registry.folder(one.id) / "manifest.json"
    facts = json.loads(manifest.read_text("utf-8"))
    manifest.write_text(json.dumps(facts | {"items": ["other"]}), "utf-8")
    with pytest.raises(StoreUnavailable, match=r"manifest\.json is not what was kept"):
        registry.verify(one.id)
    manifest.unlink()
    with pytest.raises(StoreUnavailable, match=r"manifest\.json cannot be read"):
        registry.verify(one.id)
    assert registry.list() == (two,)
    (registry.folder(two.id) / "adapter_config.json").unlink()
    with pytest.raises(StoreUnavailable, match=r"adapter_config\.json cannot be read"):
        registry.verify(two.id)


def test_a_damaged_pointer_or_history_is_said_and_not_guessed(
    registry: Registry, keep: Keep
) -> None:
    one = keep()
    registry.promote(one.id, why="")
    registry.promote(keep("rivers").id, why="")
    history = registry.root / "history.jsonl"
    said = history.read_bytes()
    history.write_bytes(b"{}{\n" + said)
    with pytest.raises(StoreUnavailable, match="is damaged"):
        registry.history()
    history.unlink()
    with pytest.raises(StoreUnavailable, match="does not tell any more"):
        registry.rollback(why="")
    assert registry.prune(1) == (one.id,)  # nobody can go back to it
    (registry.root / "current.json").write_text("{", "utf-8")
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        registry.current()


def test_an_unknown_or_ambiguous_start_of_a_name_is_refused(registry: Registry, keep: Keep) -> None:
    for number in range(17):  # two of them begin with the same digit
        keep(dataset=str(number))
    starts = [id[0] for id in registry.ids()]
    twice = next(start for start in starts if starts.count(start) > 1)
    with pytest.raises(UsageError, match=f"adapters begin with '{twice}'"):
        registry.get(twice)
    for start in ("", "zz"):
        with pytest.raises(UsageError, match="no adapter begins"):
            registry.get(start)


def test_pruning_spares_what_is_served_what_is_behind_it_and_what_a_server_uses(
    registry: Registry, keep: Keep
) -> None:
    later = iter(range(100))
    clocked = Registry(
        registry.home, lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=next(later))
    )
    used, parent, before, old, newest = (keep(dataset=name, into=clocked) for name in "abcde")
    now = keep("rivers", parents=(parent.id,), into=clocked)
    again = keep("rivers", dataset="f", into=clocked)
    clocked.promote(before.id, why="")
    clocked.promote(now.id, why="")
    server = spawn_detached(
        [sys.executable, "-c", "import signal; signal.pause()", str(registry.folder(used.id))],
        cwd=registry.home, log=registry.home / "log", env={},
    )  # fmt: skip
    try:
        gone = clocked.prune(1)
    finally:
        server.stop()
    assert set(gone) == {old.id, newest.id}
    assert set(registry.ids()) == {used.id, parent.id, before.id, now.id, again.id}
    assert clocked.rollback(why="").adapters == {before.id}
    assert set(clocked.prune(0)) == {used.id, parent.id, now.id, again.id}


KILLED = """
import os, shutil, signal, sys
root, before, two, folder = sys.argv[1:]
sys.path.insert(0, root)
from pathlib import Path
from agents.adapters.registry import Registry

def work(registry, left):
    def end(frame, event, argument):
        nonlocal left
        if event == "c_call" or "agents/adapters" in frame.f_code.co_filename:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(end)
    registry.promote(two, why="two")
    registry.add(
        Path(folder), base="b", dataset="new", recipe={}, journal=1, prompts="", items=()
    )
    registry.rollback(why="back")
    sys.setprofile(None)

status, moment = 1, 1
while status:
    home = f"{before}-{moment:05}"
    shutil.copytree(before, home)
    child = os.fork()
    if not child:
        try:
            work(Registry(Path(home)), moment)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    moment += 23
"""


def test_killed_at_any_moment_it_is_as_before_or_as_after(
    registry: Registry, keep: Keep, trained: dict[str, Path], tmp_path: Path
) -> None:
    one, two = keep(), keep("rivers")
    registry.promote(one.id, why="one")
    argv = [sys.executable, "-c", KILLED, str(ROOT), str(registry.home), two.id]
    argv.append(str(trained["bridges"]))
    log = tmp_path / "log"
    child = spawn_detached(argv, cwd=tmp_path, log=log, env=dict(os.environ))
    assert child.wait(120) == 0, log.read_text("utf-8")
    ends = set()
    for home in sorted(tmp_path.glob("home-*")):
        after = Registry(home)
        now = after.pointer()
        ends.add((now.serial, len(after.ids())))
        assert now.adapters == {two.id if now.serial == 2 else one.id}
        for id in after.ids():
            after.verify(id)
        after.promote(keep("rivers", dataset="after", into=after).id, why="goes on")
        assert [step.serial for step in after.history()] == list(range(1, now.serial + 2))
        assert after.rollback(why="").slots == now.slots
        assert [path for path in after.root.iterdir() if path.name.startswith(".p")] == []
    assert ends == {(1, 2), (2, 2), (2, 3), (3, 3)}


def test_a_line_that_was_cut_short_is_written_over(registry: Registry, keep: Keep) -> None:
    registry.promote(keep().id, why="")
    registry.promote(keep("rivers").id, why="")
    with (registry.root / "history.jsonl").open("ab") as file:
        file.write(b'{"serial": 2, "act')
    assert len(registry.history()) == 2
    registry.rollback(why="")
    assert [step.serial for step in registry.history()] == [1, 2, 3]


def test_two_processes_at_once_lose_no_promotion(
    registry: Registry, keep: Keep, tmp_path: Path
) -> None:
    ids = [keep(dataset=str(n), context=f"ext:.a{n}").id for n in range(8)]
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom agents.adapters.registry import Registry\n"
        f"for id in sys.argv[1:]: Registry(Path({str(registry.home)!r})).promote(id, why='')\n"
    )
    children = [
        spawn_detached(
            [sys.executable, "-c", script, *ids[start::2]],
            cwd=tmp_path, log=tmp_path / f"log{start}", env=dict(os.environ),
        )
        for start in (0, 1)
    ]  # fmt: skip
    assert [child.wait(60) for child in children] == [0, 0]
    assert registry.pointer().adapters == set(ids)
    assert [step.serial for step in registry.history()] == list(range(1, 9))


def test_a_full_disk_changes_nothing_and_is_said(registry: Registry, keep: Keep) -> None:
    one, two = keep(), keep("rivers")
    registry.promote(one.id, why="")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(StoreUnavailable, match="free some space there"):
            keep(dataset="large")
        with pytest.raises(StoreUnavailable, match="free some space"):
            registry.promote(two.id, why="")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert set(registry.ids()) == {one.id, two.id}
    assert registry.current() == one
    assert [path.name for path in registry.root.iterdir() if path.name.startswith(".")] == []
    assert registry.promote(two.id, why="").serial == 2
    assert [step.serial for step in registry.history()] == [1, 2]


def test_an_unwritable_place_is_named(tmp_path: Path, keep: Keep) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="MCP_LOCAL_LLM_HOME"):
        keep(into=Registry(tmp_path / "file"))
    assert Registry(tmp_path / "nowhere").pointer() == Pointer()
    assert Registry(tmp_path / "nowhere").history() == ()
