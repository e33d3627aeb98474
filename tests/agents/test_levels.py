"""Levels of plans and replies are held to the contracts, for files and for symbols."""

from __future__ import annotations

from agents.crew import ROLES
from agents.levels import contracts_from, raised_plan, region_levels, required
from agents.reply import Plan
from memory.records import Level, PreservationTag

F, M, S = Level.FLEXIBLE, Level.MODERATE, Level.STRICT


def tags(**levels: Level) -> tuple[PreservationTag, ...]:
    return tuple(PreservationTag(region=region, level=level) for region, level in levels.items())


CONTRACTS = contracts_from(
    tags(
        **{
            "api/**": M,
            "api/core.py": S,
            "shop/cart.py::Cart": M,
            "shop/cart.py::Cart.total": S,
            "shop/cart.py::#rounding": S,
        }
    )
)


def test_the_strictest_contract_on_a_whole_file_is_required() -> None:
    assert required(["api/other.py"], CONTRACTS) == M
    assert required(["api/other.py", "api/core.py"], CONTRACTS) == S
    assert required(["shop/cart.py"], CONTRACTS) == F  # only parts of it are protected
    assert required([], CONTRACTS) == F


def test_a_contract_on_a_symbol_holds_for_it_and_what_is_in_it() -> None:
    assert required(["shop/cart.py::Cart"], CONTRACTS) == M
    assert required(["shop/cart.py::Cart.add"], CONTRACTS) == M
    assert required(["shop/cart.py::Cart.total"], CONTRACTS) == S
    assert required(["shop/cart.py::Carton"], CONTRACTS) == F
    assert required(["api/core.py::f"], CONTRACTS) == S


def test_a_plan_is_raised_to_its_contracts_and_never_lowered() -> None:
    plan = Plan(goal="g", files=tags(**{"api/a.py": F, "shop/cart.py::Cart": F, "b.py": S}))
    levels = [tag.level for tag in raised_plan(plan, CONTRACTS).files]
    assert levels == [M, M, S]


def test_a_reply_tells_its_regions_and_the_protected_parts_beside_them() -> None:
    planned = tags(**{"shop/cart.py": M})
    found = region_levels(["shop/cart.py", "tests/test_a.py"], F, planned, CONTRACTS)
    assert {tag.region: tag.level for tag in found} == {
        "shop/cart.py": M,
        "tests/test_a.py": F,
        "shop/cart.py::Cart": M,
        "shop/cart.py::Cart.total": S,
        "shop/cart.py::#rounding": S,
    }


def test_planner_and_tester_answer_for_the_plan_and_the_others_for_what_they_change() -> None:
    plan = Plan(goal="g", files=tags(**{"a.py": F}))
    for role in ("planner", "tester"):
        assert ROLES[role].regions(plan, ["b.py"]) == ("a.py", "b.py")
    for role in ("implementer", "refactorer", "doc_writer"):
        assert ROLES[role].regions(plan, ["b.py"]) == ("b.py",)
        assert ROLES[role].regions(plan, []) == ("a.py",)
    assert ROLES["planner"].regions(None, []) == ()
