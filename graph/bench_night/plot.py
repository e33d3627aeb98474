"""The measured nights as a picture: what is known without retrieval, night after night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from graph.bench_night.records import Asked, Results
from graph.bench_night.rules import Curriculum, Group

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 150, 16, 36
# Told apart by people who see fewer colours too (Okabe and Ito, 2008).
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLE: Final = "text{font:12px sans-serif;fill:#444}path{fill:none;stroke-width:2}"


def recall_plot(results: Results, curriculum: Curriculum) -> str:
    """Return an SVG with a line for each group of rules; forgotten rules are in none of them."""
    asked = [*([results.before] if results.before else []), *(n.asked for n in results.nights)]
    names = [*(["before"] if results.before else []), *(f"{n.number}" for n in results.nights)]
    groups = list(dict.fromkeys(rule.group for rule in curriculum.rules))
    lines = [
        *(_grid(share) for share in (0.0, 0.5, 0.95)),
        *_nights(names),
        *(
            line
            for row, group in enumerate(groups)
            for line in _group(group, row, _shares(group, asked, curriculum))
        ),
    ]
    inside = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="recall without retrieval"><style>{_STYLE}</style>\n{inside}\n</svg>\n'
    )


def _shares(
    group: Group, asked: Sequence[Asked], curriculum: Curriculum
) -> Iterator[tuple[int, float]]:
    """Yield the share of right answers about ``group`` for each time that it was asked about."""
    rules = [rule for rule in curriculum.rules if rule.group == group and not rule.until]
    for at, one in enumerate(asked):
        share = one.share(rules)
        if share.of:
            yield at, share.rate


def _group(group: Group, row: int, shares: Iterator[tuple[int, float]]) -> Iterator[str]:
    colour, y = _COLOURS[row % len(_COLOURS)], _TOP + 20 * row
    points = " L".join(f"{_x(at):.1f} {_y(share):.1f}" for at, share in shares)
    if points:
        yield f'<path stroke="{colour}" d="M{points}"/>'
    x = _WIDTH - _RIGHT + 16
    yield f'<path stroke="{colour}" d="M{x} {y}h18"/>'
    yield f'<text x="{x + 24}" y="{y + 4}">{escape(group)}</text>'


def _grid(share: float) -> str:
    y = _y(share)
    return (
        f'<path stroke="#ddd" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
    )


def _nights(names: Sequence[str]) -> Iterator[str]:
    for at, name in enumerate(names):
        y = _HEIGHT - _BOTTOM + 20
        yield f'<text x="{_x(at):.1f}" y="{y}" text-anchor="middle">{escape(name)}</text>'


def _x(at: int) -> float:
    return _LEFT + 20 + at * (_WIDTH - _LEFT - _RIGHT - 40) / 5


def _y(share: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share)
