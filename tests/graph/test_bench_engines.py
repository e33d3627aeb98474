"""The memory's figures: every engine takes part and finds the same."""

import json

import pytest

from graph.bench_engines import Row, compared, measure, show

POINTS = 220


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return measure(POINTS)


def test_all_engines_find_the_same_on_the_same_vectors(rows: list[Row]) -> None:
    found = {row.name: row for row in rows}
    assert {"NumPy product", "qdrant-edge-py", "qdrant-client local"} <= found.keys()
    assert {row.agree for row in rows} == {1.0}
    assert all(row.insert > 0 and row.meaning > 0 for row in rows)


def test_figures_are_printed_for_people_and_for_programs(
    rows: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    show(rows, POINTS)
    table = capsys.readouterr().out
    assert "220 points of 384 dimensions" in table
    assert table.count("100%") == len(rows)
    show(rows, POINTS, as_json=True)
    assert json.loads(capsys.readouterr().out)["ratios"] == compared(rows)
