"""What the tests of a run prove: the baseline, red before the change, green after it."""

from __future__ import annotations

import ast
import asyncio
import re
from pathlib import Path
from typing import Final

from agents.brief import is_test_path, module_name
from graph.state import RunState, TestState
from graph.turns import in_workspace
from graph.workshop import Workshop
from mcp_local_llm import UsageError
from tools.pytest_run import TestReport, run_tests

_SHOWN_FAILURES: Final = 2
_NOTHING_COLLECTED: Final = 5
_COUNTED: Final = {0, 1, _NOTHING_COLLECTED}  # pytest ran and counted; anything else is no result
_FAILED: Final = {
    1,
    2,
}  # 2: the new test could not be collected, as when it imports what is missing
_NO_MODULE: Final = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")


async def baseline(shop: Workshop, state: RunState) -> TestState:
    """Run the project's own tests before anything changes and remember what fails."""
    await _rewind(shop, state)
    report = await _run_all(shop, state)
    if report.exit_code not in _COUNTED and not report.timed_out:
        said = report.output.strip()[-600:]
        raise UsageError(f"the tests of the project can't be run; mend that first. pytest:\n{said}")
    known = tuple(sorted({_node_id(line) for line in report.failures}))
    words = f"{report.passed} passed, {report.failed + report.errors} failed before the change"
    if report.exit_code == _NOTHING_COLLECTED:
        words = "no tests before the change"
    elif report.timed_out:
        words = "the existing tests ran out of time before the change"
    return TestState(known_failures=known, baseline=words, sandbox=report.sandbox)


async def red(shop: Workshop, state: RunState) -> TestState:
    """Run the new test alone on the unchanged code: only an honest failure is red."""
    await _rewind(shop, state)
    test = state["plan"].test
    problem = await asyncio.to_thread(_unusable, Path(state["tree"].path) / test, test)
    if problem:
        return _state(state, None, "unusable", (problem,))
    report = await _run(shop, state, (test,))
    if report.green or report.exit_code == 0:
        why = f"{test} passes before the change; test what is missing, so that it fails now"
        return _state(state, report, "green", (why,))
    if problem := _not_a_failure(report, state):
        return _state(state, report, "unusable", (problem,))
    return _state(state, report, "red", said(report))


async def green(shop: Workshop, state: RunState) -> tuple[TestState, TestReport]:
    """Run the new test, then all tests: nothing that passed before may fail now."""
    await _rewind(shop, state)
    changed = await changed_paths(shop, state)
    modules = tuple(path for path in changed if path.endswith(".py") and not is_test_path(path))
    report = await _run(shop, state, (state["plan"].test,), modules)
    if not report.green:
        return _state(state, report, "red", said(report) or (report.output[-300:],)), report
    whole = await _run_all(shop, state, modules)
    known = set(state["tests"].known_failures)
    fresh = tuple(line for line in whole.failures if _node_id(line) not in known)
    if fresh or not whole.import_ok or whole.exit_code not in _COUNTED or whole.timed_out:
        broken = whole.model_copy(update={"failures": fresh})
        return _state(state, broken, "red", said(broken) or (whole.output[-300:],)), whole
    covering = await _covering(shop, state, modules)
    if covering is not None and not covering.green:
        why = said(covering) or (covering.output[-300:],)
        return _state(state, covering, "red", why), covering
    return _state(state, whole, "green", ()), whole


async def _covering(shop: Workshop, state: RunState, modules: tuple[str, ...]) -> TestReport | None:
    """Run the tests that the touched flexible contracts name, whatever failed before the run."""
    guard = await shop.guard(state)
    touched = await guard.touched(state["tree"].sha)
    named = tuple(dict.fromkeys(test for each in touched for test in each.tests))
    inside = tuple(test.removeprefix(guard.prefix) for test in named)
    return await _run(shop, state, inside, modules) if inside else None


def said(report: TestReport) -> tuple[str, ...]:
    """Return what pytest said about the first failures, without the names of the tests."""
    return tuple(line.partition(": ")[2] or line for line in report.failures[:_SHOWN_FAILURES])


def _node_id(failure: str) -> str:
    return failure.partition(": ")[0]


def _unusable(path: Path, shown: str) -> str:
    """Return why the new test file can't be used at all, or ""."""
    try:
        source = path.read_bytes()
    except OSError:
        return f"{shown} is not there; write it with fs.write"
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", 0) or 0
        return f"{shown} is no valid Python (line {line}: {error.args[0]}); write it again"
    names = [getattr(node, "name", "") for node in ast.walk(tree)]
    if any(name.startswith(("test", "Test")) for name in names):
        return ""
    return f"{shown} holds no test function; its functions must be named test_..."


def _not_a_failure(report: TestReport, state: RunState) -> str:
    """Return why a red report is no proof that the behaviour is missing, or ""."""
    test = state["plan"].test
    if report.exit_code == _NOTHING_COLLECTED:
        return f"{test}: pytest collected no test; name its functions test_..."
    if report.timed_out:
        return f"{test} ran out of time; write a test that ends"
    if report.test_broken:
        return f"{test} does not parse; write it again"
    if not report.failures or report.exit_code not in _FAILED:
        return f"{test}: pytest did not run it: {report.output.strip()[-200:]}"
    planned = {module_name(tag.region.partition("::")[0]) for tag in state["plan"].files}
    for missing in _NO_MODULE.findall("\n".join(report.failures)):
        if not any(name == missing or name.startswith(f"{missing}.") for name in planned):
            return f"{test} imports {missing!r}, which is not there; use the modules of the plan"
    return ""


def _state(
    state: RunState, report: TestReport | None, verdict: str, problem: tuple[str, ...]
) -> TestState:
    update: dict[str, object] = {"verdict": verdict, "problem": problem}
    if report is None:
        update |= {"output": problem[0], "passed": 0, "failed": 0}
    else:
        failed = report.failed + report.errors
        update |= {"output": report.output, "passed": report.passed, "failed": failed}
        update |= {"sandbox": report.sandbox}
    return state["tests"].model_copy(update=update)


async def _run(
    shop: Workshop, state: RunState, paths: tuple[str, ...], modules: tuple[str, ...] = ()
) -> TestReport:
    policy = await shop.policy(state)
    root, guard = Path(state["tree"].path), await shop.guard(state)
    return await run_tests(root, paths, policy, modules, guard=guard)


async def _run_all(shop: Workshop, state: RunState, modules: tuple[str, ...] = ()) -> TestReport:
    """Run all tests; a file that can't be collected must not keep the others from running."""
    policy = await shop.policy(state)
    extra = ("--continue-on-collection-errors",)
    root, guard = Path(state["tree"].path), await shop.guard(state)
    return await run_tests(root, (), policy, modules, extra_args=extra, guard=guard)


async def _rewind(shop: Workshop, state: RunState) -> None:
    tree = await shop.tree(state)
    await tree.reset_to(state["tree"].sha)


async def changed_paths(shop: Workshop, state: RunState) -> tuple[str, ...]:
    """Return what the run has changed up to its recorded state, relative to the workspace."""
    tree = await shop.tree(state)
    changes = await tree.tree.changes(tree.base, state["tree"].sha)
    return tuple(in_workspace(tree, change) for change in changes)
