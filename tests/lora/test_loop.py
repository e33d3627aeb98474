"""The training loop in this process, on a random checkpoint."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mcp_local_llm import ModelUnavailable, StoreUnavailable, UsageError
from training.dataset.encoding import Encoder
from training.dataset.reader import open_dataset
from training.gate.shape import read_config, shrink
from training.lora.batches import in_batches
from training.lora.checkpoint import (
    CHECKPOINT,
    IDENTITY,
    Progress,
    identify,
    load,
    read_result,
)
from training.lora.learner import _ADAPTER, Learner, TrainingDiverged
from training.lora.loop import _encoded, _Run, run_job, sample
from training.lora.recipe import Budget, Recipe
from training.lora.records import Aimed, Event, Job, Planned, Stepped, Trained, Validated
from training.lora.start import fits


def run(job: Job) -> tuple[Trained, list[Event]]:
    events: list[Event] = []
    return run_job(job, identify(job), events.append), events


@pytest.fixture
def job(
    letters: Path, random_checkpoint: Path, quick: Recipe, ample: Budget, tmp_path: Path
) -> Job:
    out = tmp_path / "out"
    out.mkdir()
    return Job(dataset=letters, model=random_checkpoint, out=out, recipe=quick, budget=ample)


def in_folder(job: Job, name: str, **recipe: object) -> Job:
    out = job.out.with_name(name)
    out.mkdir()
    changed = Recipe.model_validate(job.recipe.model_dump() | recipe)
    return job.model_copy(update={"out": out, "recipe": changed})


def test_a_training_lowers_the_loss_and_says_how_it_goes(job: Job) -> None:
    trained, events = run(job)
    assert trained.stopped == "done"
    assert trained.iterations == 10
    assert trained.train_loss[-1].loss < trained.train_loss[0].loss - 0.5
    assert [point.iteration for point in trained.valid_loss] == [0, 4, 8, 10]
    assert trained.valid_loss[-1].loss < trained.valid_loss[0].loss
    assert isinstance(events[0], Planned) and events[0].iterations == 10
    steps = [event for event in events if isinstance(event, Stepped)]
    assert [step.iteration for step in steps] == list(range(1, 11))
    assert steps[-1].tokens == trained.tokens > 0
    assert sum(isinstance(event, Validated) for event in events) == 4
    assert read_result(job.out) == trained
    assert not (job.out / CHECKPOINT).exists()


@pytest.mark.parametrize(("above", "is_taken"), [(1.05, True), (1.2, False)])
def test_the_adapter_is_the_last_whose_held_out_loss_is_near_the_lowest(
    job: Job, above: float, is_taken: bool
) -> None:
    items = _encoded(job)
    now = _Run(job, Learner(job.model, job.recipe, 10), items, 10, lambda _: None)
    now.progress = Progress(iteration=4)
    now._validate()
    assert (now.progress.best_iteration, now.progress.worse) == (4, 0)
    assert now.progress.best_loss is not None
    lowest = now.progress.best_loss / above
    now.progress = now.progress.model_copy(update={"iteration": 8, "best_loss": lowest})
    now._validate()
    assert now.progress.best_loss == lowest
    assert (now.progress.best_iteration, now.progress.worse) == ((8, 0) if is_taken else (4, 1))


def test_an_adapter_has_the_weights_of_every_layer(job: Job) -> None:
    run(job)
    weights = load_file(job.out / "adapters.safetensors")
    assert len(weights) == 2 * 7 * 2  # A and B of seven linear layers in two blocks
    assert any(np.any(one) for name, one in weights.items() if name.endswith("lora_b"))


def test_what_is_known_already_is_not_learned_from(job: Job) -> None:
    every, _ = run(job)
    losses = [point.loss for point in every.train_loss]
    none, _ = run(in_folder(job, "none", known=99.0))
    weights = load_file(none.folder / "adapters.safetensors")
    assert not any(np.any(one) for name, one in weights.items() if name.endswith("lora_b"))
    first, last = none.valid_loss[0], none.valid_loss[-1]
    assert (first.loss, none.iterations) == (last.loss, every.iterations)

    some, _ = run(in_folder(job, "some", known=3.0))
    learned = load_file(some.folder / "adapters.safetensors")
    assert any(np.any(one) for name, one in learned.items() if name.endswith("lora_b"))
    assert min(point.loss for point in some.train_loss) > min(losses)


def test_long_sets_are_looked_at_in_part() -> None:
    items = list(map(str, range(100)))
    some = sample(items, 7, seed=1)
    assert len(some) == 7 and some == sorted(some, key=int) == sample(items, 7, seed=1)
    assert sample(items, 100, seed=1) == items


def test_the_estimate_of_memory_is_near_what_it_takes(job: Job) -> None:
    trained, events = run(job)
    plan = events[0]
    assert isinstance(plan, Planned)
    assert trained.peak_memory_gb < plan.estimate_gb


def test_a_training_that_would_not_fit_is_refused_before_it_loads_the_model(job: Job) -> None:
    small = job.model_copy(update={"budget": Budget(seconds=60, memory_gb=0.1)})
    with pytest.raises(ModelUnavailable, match=r"more than the limit of 0\.1 GiB"):
        run(small)
    assert not any(job.out.iterdir())


def test_a_long_item_is_left_out_and_counted_and_never_cut(job: Job) -> None:
    trained, events = run(in_folder(job, "short", max_tokens=32, epochs=1))
    assert isinstance(events[0], Planned)
    assert 0 < events[0].longest_tokens <= 32
    assert events[0].items + events[0].valid_items + trained.dropped_too_long == 12
    assert trained.dropped_too_long > 0
    with pytest.raises(UsageError, match=r"every item .* longer than 16 tokens"):
        run(in_folder(job, "none", max_tokens=16))


def test_an_absurd_rate_ends_with_a_clear_word_and_a_free_folder(job: Job) -> None:
    absurd = in_folder(job, "absurd", rate=1e30, epochs=3)
    with pytest.raises(TrainingDiverged, match=r"stopped being a number in iteration .* `rate`"):
        run(absurd)
    assert not (absurd.out / IDENTITY).exists()
    sensible = absurd.model_copy(update={"recipe": job.recipe})
    assert run(sensible)[0].stopped == "done"


def test_a_last_update_that_spoils_the_weights_ends_in_the_same_way(job: Job) -> None:
    """The loss before that update is a number; only the held-out one is none."""
    once = in_folder(job, "once", rate=1e30, epochs=1, accumulate=100, warmup=0)
    with pytest.raises(TrainingDiverged, match=r"stopped being a number in iteration 1;"):
        run(once)
    assert not (once.out / IDENTITY).exists()


def test_it_stops_early_when_the_held_out_loss_rises(job: Job) -> None:
    early = in_folder(job, "early", rate=0.5, validate_every=1, patience=2, epochs=5)
    trained, _ = run(early)
    assert trained.stopped == "early"
    assert trained.iterations < 25
    assert trained.best_iteration == trained.iterations - 2

    losses = {point.iteration: point.loss for point in trained.valid_loss}
    learner = Learner(early.model, early.recipe, 25)
    written = load_file(early.out / "adapters.safetensors")
    learner.restore(learner.state(0) | {f"{_ADAPTER}{name}": one for name, one in written.items()})
    encoder = Encoder(early.model)
    held_out = [encoder.encode(item) for item in open_dataset(early.dataset).items("valid")]
    again = learner.measure(0, in_batches(held_out, early.recipe.batch))
    assert again == pytest.approx(losses[trained.best_iteration])
    assert again < losses[trained.iterations] - 0.1


def test_it_stops_within_its_time_and_can_go_on_to_the_end(job: Job) -> None:
    hasty = job.model_copy(update={"budget": Budget(seconds=1e-6, memory_gb=8)})
    trained, _ = run(hasty)
    assert (trained.stopped, trained.iterations) == ("budget_time", 1)
    assert (job.out / "adapters.safetensors").exists()
    whole, events = run(job)
    assert isinstance(events[0], Planned) and events[0].done == 1
    assert (whole.stopped, whole.iterations) == ("done", 10)


@pytest.mark.parametrize("directions", ["random", "contrast"])
def test_an_interrupted_training_ends_with_the_same_bytes(job: Job, directions: str) -> None:
    class Cut(Exception):
        pass

    def cut(event: Event) -> None:
        if isinstance(event, Stepped) and event.iteration == 8:
            raise Cut

    job = in_folder(job, "whole", directions=directions)
    run(job)
    halves = in_folder(job, "halves")
    with pytest.raises(Cut):
        run_job(halves, identify(halves), cut)
    kept = load(halves.out)
    assert kept is not None and kept[0].iteration == 6
    _, events = run(halves)
    assert isinstance(events[0], Planned) and events[0].done == 6
    for name in ("adapters.safetensors", "adapter_config.json"):
        assert (halves.out / name).read_bytes() == (job.out / name).read_bytes()


def test_keys_that_name_no_layer_are_told_and_the_folder_is_free(job: Job) -> None:
    wrong = in_folder(job, "wrong", keys=["gate_proj", "mlp.up_proj"])
    with pytest.raises(UsageError, match=r"name gate_proj, which .* they have .*mlp\.gate_proj"):
        run(wrong)
    assert run(wrong.model_copy(update={"recipe": job.recipe}))[0].stopped == "done"


def test_a_folder_of_another_training_is_left_alone(job: Job) -> None:
    run(job)
    other = job.model_copy(update={"recipe": job.recipe.model_copy(update={"seed": 8})})
    with pytest.raises(UsageError, match="another recipe"):
        run(other)


def test_a_damaged_checkpoint_is_named(job: Job) -> None:
    (job.out / CHECKPOINT).write_bytes(b"no tensors")
    with pytest.raises(StoreUnavailable, match=r"is damaged .*remove it"):
        run(job)


def test_a_full_disk_costs_nothing_but_the_time_since_the_last_checkpoint(job: Job) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(StoreUnavailable, match="free some disk space, then repeat"):
            run(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name for path in job.out.iterdir()} == {IDENTITY}
    assert run(job)[0].stopped == "done"


def test_an_iteration_is_the_same_sum_however_it_is_split(job: Job) -> None:
    at_once, _ = run(in_folder(job, "once", dropout=0.0, batch=10, accumulate=1, epochs=1))
    split, _ = run(in_folder(job, "split", dropout=0.0, batch=1, accumulate=10, epochs=1))
    assert at_once.iterations == split.iterations == 1
    assert split.train_loss[0].loss == pytest.approx(at_once.train_loss[0].loss, rel=1e-4)
    one, other = (load_file(each.folder / "adapters.safetensors") for each in (at_once, split))
    assert all(np.allclose(one[name], other[name], atol=1e-3) for name in one)


def test_the_result_can_be_moved_with_its_folder(job: Job) -> None:
    trained, _ = run(in_folder(job, "one", epochs=1))
    moved = job.out.with_name("moved")
    shutil.move(trained.folder, moved)
    again = read_result(moved)
    assert again is not None and again.folder == moved
    assert json.loads((moved / "adapter_config.json").read_text())["num_layers"] == -1


# -- going on from an adapter ----------------------------------------------------------------------


def test_a_training_goes_on_where_another_ended_whatever_its_scale(job: Job) -> None:
    first, _ = run(in_folder(job, "first", epochs=4))
    half = shrink(first.folder, 0.5, job.out.with_name("half"))
    for start, scale in ((first.folder, job.recipe.scale), (half, 0.5 * job.recipe.scale)):
        onward = in_folder(job, f"from-{start.name}", known=99.0)  # learns nothing
        went_on, _ = run(onward.model_copy(update={"start": start}))
        assert read_config(went_on.folder)["lora_parameters"]["scale"] == job.recipe.scale
        own, taken = (load_file(one / "adapters.safetensors") for one in (went_on.folder, start))
        for name, weights in own.items():
            share = scale / job.recipe.scale if name.endswith("lora_b") else 1.0
            assert np.array_equal(weights, share * taken[name])
    at_once, _ = run(in_folder(job, "again").model_copy(update={"start": first.folder}))
    assert at_once.valid_loss[0].loss == pytest.approx(first.valid_loss[-1].loss, rel=0.2)
    assert at_once.valid_loss[-1].loss < first.valid_loss[0].loss


def test_directions_that_were_chosen_stay_when_a_training_goes_on(job: Job) -> None:
    first, _ = run(in_folder(job, "first", directions="contrast"))
    onward = in_folder(job, "onward", directions="contrast")
    second, events = run(onward.model_copy(update={"start": first.folder}))
    one, other = (load_file(run.folder / "adapters.safetensors") for run in (first, second))
    for name, weights in one.items():
        assert np.array_equal(weights, other[name]) == name.endswith("lora_a")
    assert not [event for event in events if isinstance(event, Aimed)]


def test_what_cannot_be_gone_on_from_is_told_and_leaves_the_folder_free(job: Job) -> None:
    first, _ = run(job)
    wider = in_folder(job, "wider", rank=8).model_copy(update={"start": first.folder})
    with pytest.raises(UsageError, match="other layers or another rank"):
        run(wider)
    assert not (wider.out / IDENTITY).exists()
    assert not fits(first.folder, wider.recipe)
    assert fits(first.folder, job.recipe)
    nowhere = in_folder(job, "nowhere").model_copy(update={"start": job.out / "nowhere"})
    with pytest.raises(UsageError, match="cannot be read"):
        run(nowhere)
    narrow = json.loads((first.folder / "adapter_config.json").read_text())
    (first.folder / "adapter_config.json").write_text(json.dumps(narrow | {"lora_parameters": 3}))
    assert not fits(first.folder, job.recipe)


def test_another_start_is_another_training(job: Job) -> None:
    first, _ = run(in_folder(job, "first"))
    onward = job.model_copy(update={"start": first.folder})
    run(onward)
    with pytest.raises(UsageError, match="another start"):
        run(job)
    assert identify(onward).key != identify(job).key
