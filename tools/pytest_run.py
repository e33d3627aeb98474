"""Runs the user's tests with the user's interpreter and checks whose code they imported.

Results come from a small plugin, written beside the run's scratch files, as JSON: nothing but
pytest has to be installed for the user, and no console output is parsed. ``unittest`` cases run
through pytest too.

Not covered: tests that start a subprocess which imports the project by another path.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mcp_local_llm import ToolRetry, Unavailable
from memory.records import Record
from tools import interpreter, process
from tools.command import import_roots, run_confined
from tools.preserve.guard import Guard, told
from tools.process import Finished
from tools.sandbox import CommandPolicy

_OUTPUT_CHARS: Final = 8_000
_LINE_CHARS: Final = 300
_PLUGIN: Final = "_local_llm_report"
_PLUGIN_SOURCE: Final = Path(__file__).with_name("pytest_report.py")


class TestReport(Record):
    """How the tests went.

    ``imported_from`` are the files that the changed modules were loaded from; ``import_ok`` is
    false when one of them lies outside the workspace, and then no other field means anything.
    ``test_broken``: a test file itself does not parse. ``failures`` are one line per failing test.
    """

    __test__ = False  # the name is no test class

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    exit_code: int
    timed_out: bool = False
    output: str = ""
    failures: tuple[str, ...] = ()
    test_broken: bool = False
    import_ok: bool = True
    imported_from: tuple[str, ...] = ()
    sandbox: str = "none"
    duration_s: float = 0.0

    @property
    def green(self) -> bool:
        """At least one test passed, none failed, and the code under test was the workspace's."""
        bad = self.failed + self.errors
        return self.exit_code == 0 and self.passed > 0 and not bad and self.import_ok


async def run_tests(
    workspace: Path,
    paths: Sequence[str],
    policy: CommandPolicy,
    changed_modules: Sequence[str] = (),
    *,
    extra_args: Sequence[str] = (),
    guard: Guard | None = None,
) -> TestReport:
    """Run pytest on ``paths`` (all tests when empty) in ``workspace``.

    ``changed_modules`` are the changed Python files, relative to the workspace. Tests that change
    what ``guard`` knows to be protected have failed, and those files are as before again.

    Raises:
        Unavailable: the interpreter does not run or has no pytest.
        ToolRetry: a path looks like an option.
        ToolDenied: no sandbox works here and the configuration does not allow going without.
    """
    await _require_pytest(policy.python)
    odd = [path for path in paths if path.startswith("-")]
    if odd:
        raise ToolRetry(f"{odd[0]!r} is no test path. Name files or folders of the workspace.")
    async with process.scratch_folder() as scratch:
        env = await asyncio.to_thread(_prepare, workspace, scratch, changed_modules)
        argv = [str(policy.python), "-m", "pytest", "-p", _PLUGIN, "--color=no", "--tb=short"]
        argv += ["-o", f"cache_dir={scratch / 'cache'}", *extra_args, *paths]
        before = await guard.repo.snapshot() if guard else ""
        finished, kind = await run_confined(argv, workspace, policy, extra_env=env, scratch=scratch)
        report = await asyncio.to_thread(_report, finished, kind, scratch, workspace)
    broken = await guard.put_back(before) if guard else ()
    if not broken:
        return report
    line = f"the tests changed what they must not: {told(broken)}"
    failures = (line[:_LINE_CHARS], *report.failures)
    return report.model_copy(
        update={
            "failures": failures,
            "errors": report.errors + 1,
            "exit_code": report.exit_code or 1,
        }
    )


async def _require_pytest(python: Path) -> None:
    known = await asyncio.to_thread(interpreter.inspect, python)
    if known is None:
        raise Unavailable(
            f"The interpreter {str(python)!r} does not run. Set `python` in "
            "~/.config/mcp-local-llm/config.toml to one that does."
        )
    if known.pytest is None:
        raise Unavailable(
            f"pytest is not installed for {str(python)!r}. Install it with:\n"
            f"    {python} -m pip install pytest"
        )


def _prepare(workspace: Path, scratch: Path, changed: Sequence[str]) -> dict[str, str]:
    """Lay the plugin into ``scratch`` and return the variables it reads."""
    (scratch / f"{_PLUGIN}.py").write_bytes(_PLUGIN_SOURCE.read_bytes())
    there = (path for path in changed if (workspace / path).is_file())  # a deleted one is nowhere
    modules = [path for path in there if path.endswith(".py")]
    roots = [str(root.resolve()) for root in import_roots(workspace)]
    return {
        "PYTHONPATH": os.pathsep.join([*roots, str(scratch)]),
        "LOCAL_LLM_REPORT": str(scratch / "report"),
        "LOCAL_LLM_ROOTS": json.dumps(roots),
        "LOCAL_LLM_CHANGED": json.dumps(modules),
    }


def _report(finished: Finished, kind: str, scratch: Path, workspace: Path) -> TestReport:
    """Join what the processes of one pytest run wrote; the one that is no worker has the counts."""
    reports = [json.loads(path.read_bytes()) for path in sorted(scratch.glob("report*.json"))]
    main = next((report for report in reports if not report["worker"]), None)
    loaded = {file for report in reports for files in report["loaded"].values() for file in files}
    told: dict[str, Any] = dict(main["counts"]) if main else {"errors": 1}
    failures = main["failures"] if main else [_no_report(finished)]
    return TestReport(
        **told,
        exit_code=finished.code,
        timed_out=finished.timed_out,
        output=(finished.stdout + finished.stderr)[-_OUTPUT_CHARS:],
        failures=tuple(line[:_LINE_CHARS] for line in failures),
        test_broken=bool(main and main["broken"]),
        import_ok=all(Path(file).is_relative_to(workspace.resolve()) for file in loaded),
        imported_from=tuple(sorted(loaded)),
        sandbox=kind,
        duration_s=finished.duration_s,
    )


def _no_report(finished: Finished) -> str:
    if finished.timed_out:
        return f"the tests did not end within {finished.duration_s:.0f} s"
    said = (finished.stderr or finished.stdout).strip().splitlines()
    return f"pytest ended with code {finished.code} and no report: {said[-1] if said else ''}"
