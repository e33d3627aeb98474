"""Code that the user keeps is a success of its run, and a pattern when it is kept repeatedly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graph.accepted import success
from memory.entries import Stored
from memory.records import Kind, Status, Where

if TYPE_CHECKING:
    from tests.graph.conftest import Shop

READER = '''
def read_{0}(folder):
    """Return the {0} in ``folder``."""
    path = folder / "{0}.json"
    if not path.exists():
        raise UserError(f"{{path}} is missing; export it first")
    return json.loads(path.read_text("utf-8"))
'''


def of(shop: Shop, kind: Kind) -> list[Stored]:
    return list(shop.memory.journal.live(Where(project=shop.memory.project, kinds=(kind,))))


def kept(shop: Shop, name: str, text: str) -> None:
    shop.apply(shop.deliver(text, name))
    shop.commit()
    assert [one.state for one in shop.follow().settled] == ["kept"]


def test_a_run_whose_code_is_kept_is_a_success_rated_by_its_reward(shop: Shop) -> None:
    shop.apply(shop.deliver())
    shop.commit()
    shop.follow()
    shop.follow()
    (stored,) = of(shop, Kind.SUCCESS)
    data = stored.item.data
    assert (data["task"], data["rating"], data["files"]) == ("add total_above", 5, ["cart.py"])
    assert not stored.item.trainable


def test_a_run_whose_code_is_taken_back_is_none_even_if_it_was_approved(shop: Shop) -> None:
    run = shop.deliver()
    approved = success(shop.memory.project, run, "add total_above", "sum it", ("cart.py",), 0.5)
    shop.memory.put(approved)
    shop.apply(run)
    shop.commit()
    before = shop.memory.journal.get([approved.id])[approved.id]
    assert before.item.status is Status.UNVALIDATED
    shop.git("revert", "--no-edit", "HEAD")
    assert shop.states() == ["reverted"]
    (stored,) = of(shop, Kind.SUCCESS)
    assert stored.item.status is Status.REJECTED


def test_an_approved_run_keeps_its_approach_when_it_is_rated(shop: Shop) -> None:
    run = shop.deliver()
    project = shop.memory.project
    shop.memory.put(success(project, run, "add total_above", "sum it", ("cart.py",), 0.5))
    shop.apply(run)
    shop.commit()
    shop.follow()
    (stored,) = of(shop, Kind.SUCCESS)
    assert (stored.item.data["approach"], stored.item.data["rating"]) == ("sum it", 5)


def test_code_that_is_kept_three_times_is_one_pattern(shop: Shop) -> None:
    for number, name in enumerate(("users", "orders", "prices", "rates"), 1):
        kept(shop, f"{name}.py", READER.format(name))
        assert len(of(shop, Kind.PATTERN)) == (number > 2), number
    (stored,) = of(shop, Kind.PATTERN)
    data = stored.item.data
    assert (data["name"], data["language"]) == ("read_rates", "python")
    assert "UserError" in str(data["code"]) and "4 times" in str(data["use"])
    assert (stored.item.provenance.source, stored.item.trainable) == ("run", False)


def test_code_that_differs_or_is_short_is_no_pattern(shop: Shop) -> None:
    kept(shop, "cart.py", shop.delivered)
    for name in ("a", "b", "c"):
        kept(shop, f"{name}.py", f"import {name}\n")
    kept(shop, "users.py", READER.format("users"))
    assert of(shop, Kind.PATTERN) == []


def test_a_run_without_a_verdict_is_no_success(shop: Shop) -> None:
    shop.deliver()
    shop.follow(after_days=9)
    assert of(shop, Kind.SUCCESS) == []
