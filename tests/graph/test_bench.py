"""The speed figures: measured, not made up. How fast is nothing that a test can demand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from graph.bench import main, measure_alone
from graph.bench_hooks import hook_time
from graph.crew import NODES
from graph.figures import Figure, show


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_what_needs_no_server_is_measured_on_the_real_thing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, state = await measure_alone(tmp_path)
    assert state["outcome"].status == "delivered"
    assert "def voucher_total" in state["outcome"].diff
    units = [_unit(figure) for figure in figures]
    assert units == ["s", "us", "ms", "ms", "ms"]
    ran, known = map(int, re.findall(r"\d+", figures[-1].name))
    assert 0 < ran <= known == len(NODES)
    show(figures)
    table = capsys.readouterr().out
    assert all(figure.value in table and figure.aim in table for figure in figures)


def _unit(figure: Figure) -> str:
    """Return the unit of a figure whose value begins with a number above zero."""
    found = re.match(r"(\d+(?:\.\d+)?) (\w+)", figure.value)
    assert found and float(found[1]) > 0, figure
    return found[2]


def test_a_table_has_a_row_for_each_figure_and_its_aim(capsys: pytest.CaptureFixture[str]) -> None:
    show([Figure("one thing", "3 ms", "<= 10 ms"), Figure("another", "81 % of 9")])
    lines = capsys.readouterr().out.splitlines()
    rows = (re.split("[│┃]", line)[1:-1] for line in lines if set(line) & set("│┃"))
    cells = [[cell.strip() for cell in row] for row in rows]
    assert cells == [
        ["figure", "measured", "aim"],
        ["one thing", "3 ms", "<= 10 ms"],
        ["another", "81 % of 9", ""],
    ]  # fmt: skip


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--nonsense"])
    assert "--nonsense" in capsys.readouterr().err


def test_the_hook_script_is_started_as_cursor_does_it() -> None:
    middle, late = hook_time()
    assert _unit(middle) == _unit(late) == "ms"
    assert middle.aim == "<= 60 ms"
