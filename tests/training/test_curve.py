"""The learning curve: drawn from a training's own log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mcp_local_llm import StoreUnavailable, UsageError
from training.embedded.curve import draw_curve, loss_ticks, token_ticks, write_curve

SVG = "{http://www.w3.org/2000/svg}"


def line_of(picture: str) -> list[tuple[float, float]]:
    (line,) = ElementTree.fromstring(picture).iter(f"{SVG}polyline")
    x, y = (list(map(float, pair)) for pair in zip(*(
        pair.split(",") for pair in line.attrib["points"].split()), strict=True))  # fmt: skip
    return list(zip(x, y, strict=True))


def words_of(picture: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]


def test_tokens_go_right_in_proportion_and_loss_goes_down_by_its_ratio() -> None:
    line = line_of(draw_curve([(0, 8.0), (1e6, 2.0), (3e6, 0.5)]))
    (x0, y0), (x1, y1), (x2, y2) = line
    assert x2 - x0 == pytest.approx(3 * (x1 - x0), abs=0.2)
    assert y2 - y1 == pytest.approx(y1 - y0, abs=0.2)
    assert y0 < y1


def test_the_picture_says_what_it_shows_and_fetches_nothing() -> None:
    picture = draw_curve([(1e5, 6.2), (14.4e6, 0.0226)])
    words = words_of(picture)
    assert "mean loss per learned token: 0.0226 after 14.4 M tokens" in words
    assert {"0.1", "1", "5", "2", "14"} <= set(words)
    assert re.findall(r"\w+://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]


def test_a_log_is_drawn_beside_itself_without_its_broken_lines(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    good = [{"step": 25 * n, "loss": 6.0 / n, "tokens": 100_000 * n} for n in (1, 2, 3)]
    broken = ['{"step": 100, "lo', "[]", '{"loss": 0.0, "tokens": 1}', '{"loss": NaN, "tokens": 1}']
    log.write_text("\n".join([*map(json.dumps, good), *broken]), "utf-8")
    assert write_curve(log) == tmp_path / "curve.svg"
    assert len(line_of((tmp_path / "curve.svg").read_text("utf-8"))) == len(good)


def test_one_step_is_enough_and_none_is_refused(tmp_path: Path) -> None:
    assert len(line_of(draw_curve([(0, 1.0)]))) == 1
    log = tmp_path / "log.jsonl"
    log.write_text("", "utf-8")
    with pytest.raises(UsageError, match="no measured step"):
        write_curve(log)
    log.unlink()
    with pytest.raises(StoreUnavailable, match=r"curve\.svg"):
        write_curve(log)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("most", [3.0, 999.0, 4.7e6, 14.4e6, 1e9])
def test_ticks_are_round_few_and_within(most: float) -> None:
    ticks = token_ticks(most)
    assert 3 <= len(ticks) <= 9
    assert ticks[0] == 0
    assert most * 0.5 < ticks[-1] <= most
    assert f"{ticks[1]:e}"[0] in "125"


def test_losses_are_marked_at_1_2_and_5() -> None:
    assert loss_ticks(0.03, 2.5) == pytest.approx((0.05, 0.1, 0.2, 0.5, 1.0, 2.0))
