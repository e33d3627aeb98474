"""The learning curve of a training log, drawn as one SVG file that needs nothing else."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mcp_local_llm import StoreUnavailable, UsageError

CURVE_NAME: Final = "curve.svg"
_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 34, 48
_TICKS: Final = 8  # at most, along the tokens
_MARGIN: Final = 1.15  # above the highest loss and below the lowest, as a factor
_DASHED: Final = 'stroke="#c2410c" stroke-dasharray="5 3"'

Point = tuple[float, float]  # (tokens, mean loss per learned token)


def write_curve(log: Path) -> Path:
    """Draw the training log ``log`` into ``curve.svg`` beside it and return that path.

    Raises:
        UsageError: the log holds no step that was measured.
        StoreUnavailable: the log cannot be read or the picture cannot be written.
    """
    target = log.with_name(CURVE_NAME)
    try:
        picture = draw_curve(read_log(log))
        target.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise StoreUnavailable(
            f"cannot draw the learning curve {str(target)!r} ({error}); free some space, then "
            "repeat the command"
        ) from error
    return target


def read_log(log: Path) -> tuple[Point, ...]:
    """Return the measured steps of a log of JSON lines with ``tokens`` and ``loss``.

    A line that a kill has cut, and a loss that is not a positive number, are left out.

    Raises:
        UsageError: nothing is left.
    """
    points = tuple(_points(log.read_text("utf-8")))
    if not points:
        raise UsageError(f"the log {str(log)!r} holds no measured step; give a training's log")
    return points


def _points(text: str) -> Iterator[Point]:
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            tokens, loss = float(entry["tokens"]), float(entry["loss"])
        except (ValueError, KeyError, TypeError):
            continue
        if math.isfinite(tokens) and 0 < loss < math.inf:
            yield tokens, loss


def draw_curve(points: Sequence[Point], held_out: Sequence[Point] = ()) -> str:
    """Return an SVG picture of ``points``: loss on a logarithmic scale over millions of tokens.

    ``held_out`` is a second line, dashed: the loss on what is not trained on.
    """
    every = [*points, *held_out]
    most = max(tokens for tokens, _ in every) or 1.0
    low = min(loss for _, loss in every) / _MARGIN
    high = max(loss for _, loss in every) * _MARGIN

    def x(tokens: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * tokens / most

    def y(loss: float) -> float:
        share = math.log(high / loss) / math.log(high / low)
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * share

    across = [_across(y(loss), f"{loss:g}") for loss in loss_ticks(low, high)]
    down = [_down(x(tokens), f"{tokens / 1e6:g}") for tokens in token_ticks(most)]
    lines = [_line([(x(tokens), y(loss)) for tokens, loss in points], 'stroke="#1f6feb"')]
    last = f"{points[-1][1]:.3g} after {points[-1][0] / 1e6:.3g} M tokens"
    if held_out:
        lines.append(_line([(x(tokens), y(loss)) for tokens, loss in held_out], _DASHED))
        last += f" (dashed: held out, {held_out[-1][1]:.3g})"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            'font-family="sans-serif" font-size="12" fill="#333">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            f'<text x="{_LEFT}" y="20">mean loss per learned token: {last}</text>',
            *across,
            *down,
            *lines,
            f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 10}" text-anchor="end">'
            "tokens, millions</text>",
            "</svg>\n",
        ]
    )


def _line(places: Sequence[Point], style: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{path}" fill="none" stroke-width="1.6" {style}/>'


def _across(y: float, label: str) -> str:
    return (
        f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _down(x: float, label: str) -> str:
    floor = _HEIGHT - _BOTTOM
    return (
        f'<path d="M{x:.1f} {floor}v4" stroke="#333"/>'
        f'<text x="{x:.1f}" y="{floor + 18}" text-anchor="middle">{label}</text>'
    )


def loss_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return the values 1, 2 and 5 of every decade between ``low`` and ``high``."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = (digit * 10.0**decade for decade in decades for digit in (1, 2, 5))
    return tuple(value for value in values if low <= value <= high)


def token_ticks(most: float) -> tuple[float, ...]:
    """Return round numbers from 0 to ``most``: a step of 1, 2 or 5 of some decade."""
    decade = 10.0 ** math.floor(math.log10(most / _TICKS))
    step = next(decade * digit for digit in (1, 2, 5, 10) if most / (decade * digit) <= _TICKS)
    return tuple(step * number for number in range(int(most / step) + 1))
