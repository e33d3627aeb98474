"""Which adapter answers, changing over while an answer is being written, and the way back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agents import model_cli
from agents.adapters.health import check_health, promote_checked
from agents.adapters.records import Manifest
from agents.adapters.registry import Registry
from agents.adapters.serving import known_base, select, served
from agents.chat import Message
from agents.profiles import ModelConfig, Profile, resolve_profile
from agents.resident import Resident
from agents.serving import LeasedModel
from agents.weights import base_digest
from graph.settings import Settings
from graph.workshop import open_model
from mcp_local_llm import ModelUnavailable, UsageError
from memory.project import project_id

pytestmark = pytest.mark.slow

Keep = Callable[..., Manifest]
PROJECT = "0123456789abcdef"
PROMPTS = ("glimmer?", "define glimmer", "what is two and two?", "role: planner", "hello")


@pytest.fixture
def settings(model: Path) -> ModelConfig:
    return ModelConfig(model_path=model, prompts="compact", ready_timeout_s=170)


@pytest.fixture
def profile(settings: ModelConfig) -> Profile:
    return resolve_profile(None, settings)


def test_project_beats_extension_beats_generic(registry: Registry, keep: Keep, base: str) -> None:
    generic, python = keep(), keep(context="ext:.py")
    project, text = keep(context=f"project:{PROJECT}"), keep(context="ext:.md")
    assert select(registry, base) is None
    for one in (generic, python, project, text):
        registry.promote(one.id, why="")
    assert select(registry, base, PROJECT, ["a.py"]) == project
    assert select(registry, base, "f" * 16, ["a.PY", "b.py", "c.md"]) == python
    assert select(registry, base, files=["README", "c.md"]) == text
    assert select(registry, base, files=["README", "c.js"]) == generic
    assert select(registry, "another", PROJECT, ["a.py"]) is None


def test_what_the_settings_name_wins_and_what_is_current_comes_next(
    registry: Registry, keep: Keep, settings: ModelConfig, profile: Profile
) -> None:
    one = keep()
    assert served(settings, profile, home=registry.home) == settings
    registry.promote(one.id, why="")
    found = served(settings, profile, home=registry.home)
    assert found.adapter_path == registry.folder(one.id)
    named = settings.model_copy(update={"adapter_path": Path("/elsewhere")})
    assert served(named, profile, home=registry.home) == named
    bare = settings.model_copy(update={"learnt": False})
    assert served(bare, profile, home=registry.home) == bare
    remote = ModelConfig(base_url="http://127.0.0.1:9/v1", model="m")
    far = resolve_profile(None, remote)
    assert served(remote, far, home=registry.home) == remote


def test_a_damaged_or_foreign_adapter_is_left_out_with_a_warning(
    registry: Registry, keep: Keep, settings: ModelConfig, profile: Profile
) -> None:
    def warned() -> str:
        with capture_logs() as logs:
            assert served(settings, profile, home=registry.home) == settings
        (entry,) = logs
        assert (entry["log_level"], entry["event"]) == ("warning", "adapter.not_served")
        return str(entry["why"])

    registry.promote(keep(base="another").id, why="")
    assert f"was trained for another model than {profile.model_id!r}" in warned()
    one = keep()
    registry.promote(one.id, why="")
    os.truncate(registry.folder(one.id) / "adapters.safetensors", 99)
    assert f"the adapter {one.id} is damaged" in warned()
    (registry.root / "current.json").write_text("{", "utf-8")
    assert "cannot be read" in warned()


def test_another_projects_adapter_is_left_out_without_a_word(
    registry: Registry, keep: Keep, settings: ModelConfig, profile: Profile
) -> None:
    registry.promote(keep(context=f"project:{PROJECT}").id, why="")
    with capture_logs() as logs:
        assert served(settings, profile, home=registry.home, project="f" * 16) == settings
    assert logs == []


def test_a_base_is_hashed_again_only_when_its_files_changed(model: Path, tmp_path: Path) -> None:
    copy, home = tmp_path / "copy", tmp_path / "home"
    shutil.copytree(model, copy)
    expected = base_digest(copy)
    assert known_base(copy, home) == known_base(copy, home) == expected == base_digest(model)
    cache = home / "bases.json"
    known = json.loads(cache.read_text("utf-8"))
    known[str(copy)]["base"] = "remembered"
    cache.write_text(json.dumps(known), "utf-8")
    assert known_base(copy, home) == "remembered"
    config = copy / "config.json"
    config.write_text(config.read_text("utf-8") + "\n", "utf-8")
    assert known_base(copy, home) == base_digest(copy) != expected
    cache.write_text("[]", "utf-8")
    assert known_base(copy, home) == base_digest(copy)


@asynccontextmanager
async def resident_here(home: Path) -> AsyncIterator[None]:
    """Run the resident in this process, and end it however the test ends."""
    resident = Resident(home, probe_timeout_s=60)
    serving = asyncio.create_task(resident.serve())
    try:
        yield
    finally:
        resident.stop()
        await asyncio.wait_for(serving, 60)


@asynccontextmanager
async def leased(settings: ModelConfig, workspace: Path) -> AsyncIterator[LeasedModel]:
    """Lease what a run in ``workspace`` would be answered by."""
    async with AsyncExitStack() as leases:
        opened = await open_model(Settings(model=settings), leases, workspace, ["a.py"])
        assert isinstance(opened.chat, LeasedModel)
        yield opened.chat


async def answers(model: LeasedModel, prompts: Sequence[str] = PROMPTS) -> list[str]:
    said = []
    for prompt in prompts:
        asked = [Message(role="user", content=prompt)]
        said.append((await model.complete(asked, max_tokens=8)).text)
    return said


@pytest.mark.timeout(600)
async def test_a_promotion_changes_over_without_disturbing_who_is_being_answered(
    state_home: Path, keep: Keep, settings: ModelConfig, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    registry = Registry(state_home)
    here = f"project:{project_id(tmp_path)}"
    one, two = (keep(word, into=registry, context=here) for word in ("bridges", "rivers"))
    begun = asyncio.Event()
    async with resident_here(state_home):
        async with leased(settings, tmp_path) as bare:
            before = await answers(bare)
        await promote_checked(registry, one.id, settings, why="learnt")
        await check_health(registry, two, settings)

        async with leased(settings, tmp_path) as old:
            learnt = await answers(old)
            asked = [Message(role="user", content=PROMPTS[0])]
            undisturbed = await old.complete(asked, max_tokens=400)
            request = asyncio.create_task(
                old.complete(asked, max_tokens=400, on_token=lambda _: begun.set())
            )
            await asyncio.wait_for(begun.wait(), 60)
            registry.promote(two.id, why="better")
            async with leased(settings, tmp_path) as new:
                await answers(new, PROMPTS[:1])
                assert (old.adapter_id, new.adapter_id) == (one.id, two.id)
                assert (await request).text == undisturbed.text
                assert (old.restarts, new.restarts) == (0, 0)
                changed = await answers(new)
                assert await asyncio.to_thread(model_cli.main, ["status"]) == 0
                shown = capsys.readouterr().out
                assert f"{settings.model_path} with the adapter {one.id}, used by 1" in shown
                assert f"{settings.model_path} with the adapter {two.id}, used by 1" in shown
                assert f"adapter {two.id} for {here}" in shown
        assert len({tuple(before), tuple(learnt), tuple(changed)}) == 3

        registry.rollback(why="worse")
        async with leased(settings, tmp_path) as again:
            assert (again.adapter_id, await answers(again)) == (one.id, learnt)
        registry.rollback(why="worse still")
        async with leased(settings, tmp_path) as bare:
            assert (bare.adapter_id, await answers(bare)) == (None, before)


@pytest.mark.timeout(600)
async def test_what_does_not_answer_is_not_promoted_and_what_was_served_stays(
    state_home: Path, keep: Keep, settings: ModelConfig, trained: dict[str, Path], tmp_path: Path
) -> None:
    registry = Registry(state_home)
    one = keep(into=registry)
    registry.promote(one.id, why="")
    before = registry.pointer()
    with pytest.raises(UsageError, match=r"was not trained for the model .* --no-check"):
        await promote_checked(registry, keep(into=registry, base="b").id, settings, why="")
    broken = tmp_path / "broken"
    shutil.copytree(trained["bridges"], broken)
    (broken / "adapter_config.json").write_text('{"fine_tune_type": "lora"}', "utf-8")
    making = one.model_dump(include={"base", "dataset", "recipe", "journal", "prompts", "items"})
    bad = registry.add(broken, **making)
    with pytest.raises(ModelUnavailable, match=r"is not promoted, and what was served stays"):
        await promote_checked(registry, bad.id, settings, why="")
    assert registry.pointer() == before
