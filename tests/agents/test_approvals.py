"""One-time codes and lifts: what opens, for whom, and how long."""

from __future__ import annotations

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.approvals import (
    VALID_S,
    Lift,
    Request,
    ask,
    asked,
    changed_contracts,
    drop_lift,
    keep_lift,
    lifts,
    open_lifts,
    use,
)
from mcp_local_llm import StoreUnavailable, UsageError
from memory.records import Level
from tools.preserve.contracts import Contract

RATE = Contract(id="rate", region="src/money.py::rate", level=Level.STRICT)


def question(asked_at: float | None = None, **fields: str) -> Request:
    when = {} if asked_at is None else {"asked_at": asked_at}
    values = {"project": "p", "root": "/p", "action": "lift", "contracts": (RATE,), **fields}
    return Request.model_validate(values | when)


def test_a_code_is_short_not_stored_and_for_the_user_alone(tmp_path: Path) -> None:
    code = ask(tmp_path, question())
    assert len(code) == 8
    assert not set(code) & set("ILOU")
    (file,) = (tmp_path / "approvals" / "codes").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert code not in file.name + file.read_text()
    assert asked(tmp_path, f" {code[:4].lower()}-{code[4:]} ") == asked(tmp_path, code)


def test_a_code_is_used_once_even_by_many_at_a_time(tmp_path: Path) -> None:
    code = ask(tmp_path, question())

    def attempt(_: int) -> bool:
        try:
            return use(tmp_path, code) is not None
        except UsageError:
            return False

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(attempt, range(8)))[-2:] == [False, True]
    with pytest.raises(UsageError, match="unknown, was used"):
        use(tmp_path, code)


@pytest.mark.parametrize("age", [VALID_S + 1, -60])
def test_a_code_is_too_old_after_a_while_or_when_the_clock_was_set_back(
    tmp_path: Path, age: float
) -> None:
    code = ask(tmp_path, question(time.time() - age))
    with pytest.raises(UsageError, match="older than 15 minutes"):
        asked(tmp_path, code)
    ask(tmp_path, question())
    assert len(list((tmp_path / "approvals" / "codes").iterdir())) == 1  # old ones go


@pytest.mark.parametrize("code", ["", "AAAAAAAA", "../../x", "\udcff"])
def test_a_wrong_code_opens_nothing(tmp_path: Path, code: str) -> None:
    ask(tmp_path, question())
    with pytest.raises(UsageError, match="unknown"):
        asked(tmp_path, code)


def test_a_file_that_is_not_whole_allows_nothing(tmp_path: Path) -> None:
    keep_lift(tmp_path, Lift(project="p", contracts=("rate",), approved_by="terminal"))
    (file,) = (tmp_path / "approvals" / "lifts").iterdir()
    file.write_text(file.read_text()[:-1])
    assert open_lifts(tmp_path, "p") == frozenset()


def test_a_lift_holds_for_its_run_or_for_the_workspace_at_its_commit(tmp_path: Path) -> None:
    for_run = Lift(project="p", contracts=("run",), run_id="r1", approved_by="terminal")
    for_all = Lift(project="p", contracts=("rate", "x"), base="c1", approved_by="terminal")
    other = Lift(project="q", contracts=("other",), approved_by="terminal")
    for lift in (for_run, for_all, other):
        keep_lift(tmp_path, lift)
    assert open_lifts(tmp_path, "p", "r1") == {"run", "rate", "x"}
    assert open_lifts(tmp_path, "p", "r2") == {"rate", "x"}
    assert open_lifts(tmp_path, "p", head="c1") == {"rate", "x"}
    assert open_lifts(tmp_path, "p", head="c2") == frozenset()
    drop_lift(tmp_path, for_all)
    drop_lift(tmp_path, for_all)
    assert lifts(tmp_path, "p") == (for_run,)


def test_an_approved_change_lifts_nothing(tmp_path: Path) -> None:
    changed = Lift(
        project="p", contracts=("rate",), becomes=RATE, base="c1", approved_by="terminal"
    )
    keep_lift(tmp_path, changed)
    assert open_lifts(tmp_path, "p", head="c1") == frozenset()
    assert changed_contracts(tmp_path, "p", "c1") == {"rate": RATE}
    assert changed_contracts(tmp_path, "p", "c2") == {}


def test_the_question_says_what_would_be_allowed() -> None:
    assert "the next change" in question().words()
    assert "the run 'r1'" in question(run_id="r1").words()
    assert "no longer be protected" in question(action="remove").words()
    weak = RATE.model_copy(update={"level": Level.FLEXIBLE})
    request = question(action="change").model_copy(update={"becomes": weak})
    assert "becomes flexible" in request.words()


def test_a_state_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "approvals").write_text("a file in the way")
    with pytest.raises(StoreUnavailable, match="free some space"):
        ask(tmp_path, question())
