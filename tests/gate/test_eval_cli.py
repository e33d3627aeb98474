"""The command that evaluates: a real server, probes of a file, a table, and a page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from graph.eval_cli import main
from graph.eval_page import render_evaluation
from tests.gate.conftest import report
from training.gate.records import EvalReport

PROBES = [
    {
        "id": f"mine/{name}",
        "suite": "mine",
        "category": category,
        "messages": [{"role": "user", "content": "Which <b>letters</b>?"}],
        "check": {"kind": "commit", "pattern": pattern},
        "max_tokens": 4,
    }
    for name, category, pattern in (("letters", "easy", "[A-Za-z]+"), ("digits", "hard", "[0-9]+"))
]


@pytest.fixture
def suite(tmp_path: Path) -> str:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(PROBES))
    return str(path)


class Page(HTMLParser):
    """Notes the tags of a page, and whether each is closed in its order."""

    void = frozenset({"meta", "rect", "line"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.void:
            assert self.open.pop() == tag


@pytest.mark.slow
def test_a_model_is_served_asked_scored_and_shown(
    random_checkpoint: Path,
    state_home: Path,
    suite: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "report.html"
    argv = ["--model", str(random_checkpoint), "--suite", suite, "--adapter", "base"]
    assert main([*argv, "--against", "base", "--html", str(page), "--json"]) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert facts["share"]["right"] == 1 and facts["share"]["of"] == 2
    assert facts["against"]["suites"][0]["share"] == facts["suites"][0]["share"]
    assert "ok   mine/letters" in said.err and "MISS mine/digits" in said.err
    text = page.read_text("utf-8")
    tags = Page(text).seen
    assert tags.count("svg") == 2 and tags.count("details") == 2
    assert "Which &lt;b&gt;letters&lt;/b&gt;?" in text and "://" not in text
    status = main([*argv, "--port", str(_running_port(state_home)), "--no-server"])
    assert status == 2 and "neither" in capsys.readouterr().err
    running = ["--no-server", "--port", str(_running_port(state_home)), "--suite", suite]
    assert main([*running, "--prompts", "compact", "--model", str(random_checkpoint)]) == 0
    assert "mine: easy" in capsys.readouterr().out


def _running_port(home: Path) -> int:
    import asyncio

    from agents.lease import resident_status

    status = asyncio.run(resident_status(home))
    assert status is not None
    return int(status.servers[0].base_url.rpartition(":")[2].partition("/")[0])


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--seeds", "0"], "give 1 or more"),
        (["--suite", "nothing"], "there is no suite 'nothing'"),
        (["--suite", "missing.json"], "missing.json"),
        (["--suite", "taught"], "nothing was taught yet"),
        (["--no-server"], "--port"),
        (["--adapter", "abc123"], "abc123"),
        (["--adapter", "."], "no LoRA adapter"),
    ],
)
def test_a_wrong_option_is_told(
    argv: list[str],
    words: str,
    state_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--profile", "embedded", *argv] if argv != ["--no-server"] else argv) in (2, 3)
    assert words in capsys.readouterr().err


def test_the_page_opens_what_was_lost_against_the_other() -> None:
    def evaluated(*marks: bool) -> EvalReport:
        suite = report(marks, suite="wire")
        return EvalReport(
            model="m", adapter="", prompts="full", seeds=1, suites=(suite,), seconds=1.0
        )

    text = render_evaluation(evaluated(True, False), evaluated(False, True))
    Page(text)
    assert text.count("<details open>") == 1 and "gained" in text and "lost" in text
