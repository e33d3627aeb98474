from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.budget import Part, Priority, assemble
from mcp_local_llm import UsageError


def words(text: str) -> int:
    return len(text.split())


def part(priority: Priority, name: str, text: str) -> Part:
    return Part(priority=priority, name=name, text=text)


PARTS = (
    part(Priority.RULE, "rules", "r1 r2"),
    part(Priority.TASK, "task", "add a test"),
    part(Priority.FILE, "big.py", "f " * 50),
    part(Priority.FILE, "small.py", "f f"),
    part(Priority.HISTORY, "old words", "o1\no2"),
    part(Priority.HISTORY, "new words", "n1"),
)


def test_what_fits_is_kept_whole_and_in_the_order_given() -> None:
    result = assemble(PARTS[:2], budget_tokens=100, count=words)
    assert result.text == "r1 r2\n\nadd a test"
    assert (result.tokens, result.dropped) == (5, ())


def test_a_big_file_is_dropped_and_does_not_keep_small_parts_out() -> None:
    result = assemble(PARTS, budget_tokens=20, count=words)
    assert [str(drop) for drop in result.dropped] == ["big.py"]
    assert result.text == "r1 r2\n\nadd a test\n\nf f\n\no1\no2\n\nn1"


def test_the_latest_history_stays_longest() -> None:
    result = assemble(PARTS, budget_tokens=8, count=words)
    assert result.text.endswith("f f\n\nn1")
    assert [drop.name for drop in result.dropped] == ["big.py", "old words"]


def test_test_output_keeps_its_last_lines_and_says_what_went() -> None:
    output = "\n".join(f"line{n}" for n in range(100))
    parts = (part(Priority.TASK, "task", "go"), part(Priority.TEST_OUTPUT, "pytest", output))
    result = assemble(parts, budget_tokens=17, count=words)
    assert result.text.startswith("go\n\n[... 90 lines left out ...]\nline90\n")
    assert result.text.endswith("line99")
    assert [str(drop) for drop in result.dropped] == ["the first 90 lines of pytest"]


def test_the_task_and_protected_regions_are_never_dropped() -> None:
    region = part(Priority.PROTECTED, "core.py::run", "p " * 30)
    with pytest.raises(UsageError, match=r"'core\.py::run' .* does not fit a prompt of 20 tokens"):
        assemble((PARTS[1], region), budget_tokens=20, count=words)


@given(
    st.lists(
        st.builds(
            part,
            st.sampled_from([p for p in Priority if p > Priority.PROTECTED]),
            st.text(max_size=5),
            st.text(alphabet="ab \n", max_size=60),
        ),
        max_size=8,
    ),
    st.integers(min_value=0, max_value=40),
)
@pytest.mark.slow
def test_a_prompt_never_passes_its_budget_and_every_loss_is_reported(
    parts: list[Part], budget: int
) -> None:
    result = assemble(parts, budget_tokens=budget, count=words)
    assert result.tokens == words(result.text) <= budget
    if not result.dropped:
        assert result.text == "\n\n".join(one.text for one in parts)
