"""The morning report: one page that needs nothing, and in which nothing is markup but ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from graph.night.page import headline, render_page
from graph.night.plots import time_bars, trend
from graph.night.records import CheckLine, NightReport, Pair, Point, RuleLine, TryLine

AT = datetime(2026, 3, 4, 3, 20, tzinfo=UTC)
EVIL = '<script>alert("1")</script>&{{ 7 * 7 }}'
RULE = "c0ffee00-0000-5000-8000-000000000001"


def report(**other: object) -> NightReport:
    given = {
        "night": "2026-03-04",
        "started": AT,
        "ended": AT + timedelta(minutes=20),
        "outcome": "promoted",
        "why": "every check of the gate passed",
        "trigger": "it is 03:00",
        "adapter": "0123456789ab",
        "model": "embedded",
        "learned": (
            RuleLine(id=RULE, text="Raise DomainError.", stage="graduated", before=0.0, after=1.0),
        ),
        "kept": (RuleLine(id=RULE[:-1] + "2", text="Tabs.", stage="graduated", after=1.0),),
        "left_out": (RuleLine(id=RULE[:-1] + "3", text="Never.", stage="", note="rejected"),),
        "forgotten": (RULE[:-1] + "4",),
        "pairs": (
            Pair(of=RULE, asked="How?", before="ValueError", after="DomainError",
                 was_right=False, is_right=True),
        ),
        "checks": (CheckLine(name="drift", passed=True, measured="+0.01", limit="+0.08"),),
        "scale": 0.75,
        "tries": (
            TryLine(factor=1.0, learned=0.667, failed=("kept_tasks",)),
            TryLine(factor=0.75, learned=0.417, failed=()),
        ),
        "loss": (Point(tokens=100, loss=2.0), Point(tokens=200, loss=0.5)),
        "held_out": (Point(tokens=100, loss=2.1),),
        "examples": {"rule": 12, "general": 5},
        "removed": {"holds a secret": 2},
        "tokens_saved": 31,
        "tasks": (0.9, 0.92),
        "seconds": {"train": 12.5, "gate": 30.0, "collect": 0.01},
    }  # fmt: skip
    return NightReport.model_validate({**given, **other})


class Tags(HTMLParser):
    """Notes the elements of a page and what they would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in {"src", "href"}]


def tags_of(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    return parser


def test_the_page_tells_what_was_learned_refused_and_how_to_undo_it() -> None:
    page = render_page(report())
    for words in (
        "1 of 1 new rule learned and proven", "Raise DomainError.", "rejected", "drift",
        "mcp-local-llm adapters rollback", "ValueError", "it is 03:00", "31", "12.5 s",
        "holds a secret", "0 % → 100 %", "kept_tasks", "67 %", "taken", "42 %",
    ):  # fmt: skip
        assert words in page, words


def test_the_page_fetches_nothing() -> None:
    page = render_page(report(), [report(night="2026-03-03")])
    tags = tags_of(page)
    assert tags.fetched == []
    assert not {"script", "link", "img", "iframe"} & set(tags.names)
    assert "default-src 'none'" in page
    assert set(re.findall(r"\w+://[^\"\s<)]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_no_word_of_the_night_becomes_markup() -> None:
    clean = tags_of(render_page(report(), [report(night="2026-03-03")])).names
    evil = report(
        why=EVIL, trigger=EVIL, model=EVIL, advice=EVIL,
        learned=(RuleLine(id=RULE, text=EVIL, stage=EVIL, note=EVIL, before=0, after=1),),
        left_out=(RuleLine(id=EVIL, text=EVIL, stage="", note=EVIL),),
        forgotten=(EVIL,),
        pairs=(Pair(of=RULE, asked=EVIL, before=EVIL, after=EVIL, was_right=False, is_right=True),),
        checks=(CheckLine(name=EVIL, passed=False, measured=EVIL, limit=EVIL, why=EVIL),),
        tries=(TryLine(factor=1.0, learned=0, failed=(EVIL,)),) * 2,
        examples={EVIL: 1}, removed={EVIL: 1}, seconds={EVIL: 3.0, "gate": 1.0},
    )  # fmt: skip
    page = render_page(evil, [evil.model_copy(update={"night": "2026-03-03"})])
    assert "<script" not in page
    assert "49" not in re.sub(r"\d+\.\d+|\d{3,}", "", page)
    assert set(tags_of(page).names) <= set(clean)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("kept", "The new adapter was refused: drift. What was served stays: aaaa"),
        ("nothing", "Nothing was trained: drift. What was served stays: aaaa"),
    ],
)
def test_a_night_without_a_promotion_says_what_stays(outcome: str, words: str) -> None:
    bare = report(outcome=outcome, why="drift", previous="aaaa", adapter="")
    assert headline(bare) == words
    assert "adapters rollback" not in render_page(bare)


def test_a_night_that_only_forgot_says_so() -> None:
    assert "0 new rules learned and proven, 1 forgotten" in headline(report(learned=()))


def test_an_empty_night_has_a_page() -> None:
    page = render_page(
        NightReport(night="n", started=AT, ended=AT, outcome="nothing", why="nothing was taught")
    )
    assert "nothing was taught" in page
    assert "Loss" not in page


def test_pictures_are_well_formed_whatever_they_show() -> None:
    for count in (1, 5, 40):
        nights = [report(night=f"2026-03-{day % 28 + 1:02}") for day in range(count)]
        ElementTree.fromstring(trend(nights))
    ElementTree.fromstring(trend([report(learned=())]))
    assert "collect" not in time_bars({"collect": 0.001, "train": 1.0})
    ElementTree.fromstring(time_bars({}))
