"""What an adapter reads of its input when its directions are chosen by contrast."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mcp_local_llm import UsageError
from training.lora.checkpoint import identify
from training.lora.contrast import directions
from training.lora.estimate import estimate_training
from training.lora.learner import TrainingDiverged
from training.lora.loop import run_job
from training.lora.recipe import Budget, Recipe
from training.lora.records import Aimed, Event, Job, Planned, Validated


def moments(rng: np.random.Generator, energies: list[float]) -> np.ndarray[Any, np.dtype[Any]]:
    inputs = rng.normal(size=(500, len(energies))) * np.sqrt(energies)
    return inputs.T @ inputs / 500


def test_it_reads_where_new_inputs_say_much_and_kept_ones_little() -> None:
    rng = np.random.default_rng(7)
    new, kept = moments(rng, [9, 9, 1, 1, 0.01, 0.01]), moments(rng, [9, 9, 0.01, 0.01, 1, 1])
    chosen = directions(new, kept, 2)
    assert chosen.shape == (6, 2) and chosen.dtype == np.float32
    strength = np.abs(chosen).max(axis=1)
    assert set(np.argsort(strength)[-2:]) == {2, 3}
    assert max(strength[[0, 1, 4, 5]]) < 0.2 * min(strength[[2, 3]])


def test_what_is_new_is_handed_on_as_strongly_as_by_a_random_choice() -> None:
    rng = np.random.default_rng(8)
    new, kept = moments(rng, [4.0, 2.0, 1.0] * 20), moments(rng, [1.0, 2.0, 4.0] * 20)
    chosen = directions(new, kept, 16)
    bound = 60**-0.5
    random = rng.uniform(-bound, bound, size=(60, 400))
    energy = np.trace(chosen.T @ new @ chosen) / 16
    assert energy == pytest.approx(np.trace(random.T @ new @ random) / 400, rel=0.05)
    assert np.trace(chosen.T @ kept @ chosen) < 0.5 * energy * 16


def test_where_nothing_is_kept_new_inputs_decide() -> None:
    new = moments(np.random.default_rng(9), [0.1, 5, 0.1, 3])
    strength = np.abs(directions(new, np.zeros((4, 4)), 2)).max(axis=1)
    assert set(np.argsort(strength)[-2:]) == {1, 3}


def test_directions_that_no_new_input_has_are_left_out() -> None:
    rng = np.random.default_rng(10)
    few = rng.normal(size=(3, 40))
    chosen = directions(few.T @ few / 3, moments(rng, [1.0] * 40), 8)
    assert (np.abs(chosen).max(axis=0) > 0).sum() == 3
    assert np.abs(chosen).max() < 1


def test_more_directions_than_inputs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"rank of 5 is more than the 4 inputs .*random"):
        directions(np.eye(4), np.eye(4), 5)


@pytest.fixture
def job(
    write_dataset: Callable[..., Path],
    conversation: Callable[..., dict[str, Any]],
    random_checkpoint: Path,
    quick: Recipe,
    ample: Budget,
    tmp_path: Path,
) -> Job:
    """Six items that the user taught, six replayed ones."""
    taught = [conversation(n, "ab" * (2 + n), "x" * (3 + n), of=["user"]) for n in range(6)]
    replayed = [conversation(n, "cd" * (2 + n), "y" * (3 + n)) for n in range(6, 12)]
    recipe = quick.model_copy(update={"directions": "contrast"})
    out = tmp_path / "out"
    out.mkdir()
    return Job(
        dataset=write_dataset(train=taught + replayed, valid=[conversation(12, "baba", "xxx")]),
        model=random_checkpoint, out=out, recipe=recipe, budget=ample,
    )  # fmt: skip


def test_the_directions_are_chosen_once_and_only_the_way_out_is_learned(job: Job) -> None:
    told: list[Event] = []
    trained = run_job(job, identify(job), told.append)
    assert [type(event) for event in told[:3]] == [Planned, Aimed, Validated]
    assert told[1] == Aimed(done=12, of=12)
    assert trained.train_loss[-1].loss < trained.train_loss[0].loss
    more = job.recipe.model_copy(update={"epochs": 4})
    longer = job.model_copy(update={"out": job.out.with_name("longer"), "recipe": more})
    longer.out.mkdir()
    run_job(longer, identify(longer), lambda _: None)
    one, other = (load_file(each.out / "adapters.safetensors") for each in (job, longer))
    assert len(one) == 2 * 7 * 2  # A and B of seven linear layers in two blocks
    for name in one:
        same = np.array_equal(one[name], other[name])
        assert same == name.endswith("lora_a")
        assert np.any(one[name])


def test_a_rank_beyond_the_inputs_is_refused_and_leaves_the_folder_free(job: Job) -> None:
    large = job.model_copy(update={"recipe": job.recipe.model_copy(update={"rank": 200})})
    with pytest.raises(UsageError, match=r"rank of 200 is more than the .* inputs"):
        run_job(large, identify(large), lambda _: None)
    assert not any(job.out.iterdir())


def test_a_model_that_computes_no_numbers_is_found_before_the_first_update(job: Job) -> None:
    broken = job.model.with_name("broken")
    shutil.copytree(job.model, broken)
    weights = load_file(broken / "model.safetensors")
    next(iter(weights.values()))[:] = np.nan
    save_file(weights, broken / "model.safetensors", {"format": "mlx"})
    spoilt = job.model_copy(update={"model": broken})
    with pytest.raises(TrainingDiverged, match="in iteration 0"):
        run_job(spoilt, identify(spoilt), lambda _: None)
    assert not any(job.out.iterdir())


def test_the_moments_count_in_the_estimate(job: Job) -> None:
    random = job.recipe.model_copy(update={"directions": "random"})
    more = estimate_training(job.model, job.recipe, 64).adapter_bytes
    less = estimate_training(job.model, random, 64).adapter_bytes
    six_of_64_and_one_of_128_inputs = 6 * 64**2 + 128**2
    assert more - less == 24 * 2 * six_of_64_and_one_of_128_inputs
