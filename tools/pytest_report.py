"""A pytest plugin that tells, as JSON, how the tests went and whose code they imported.

It is copied next to a run's scratch files and loaded by the *user's* interpreter and pytest, so
it uses only the standard library, runs on Python 3.8 or newer, and imports nothing of ours. One
file is written per process: workers of pytest-xdist report what they imported.

Settings come by environment: ``LOCAL_LLM_REPORT`` (path without suffix), ``LOCAL_LLM_ROOTS`` and
``LOCAL_LLM_CHANGED`` (JSON lists of import roots and of changed files relative to the first).
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
import os
import sys
from pathlib import Path, PurePosixPath
from typing import Any

_ENV = "LOCAL_LLM_"


class WorktreeFirst:
    """Finds top-level modules below the import roots before any other finder is asked.

    Some build backends install an editable project as a finder at the front of the list, where
    it would win over the path. Namespace packages are left to the other finders.
    """

    def __init__(self, roots: list[str]) -> None:  # noqa: D107 - the class says it
        self._roots = roots

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return the spec of a top-level module below the roots, else None."""
        if path is not None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, self._roots)
        return spec if spec is not None and spec.origin is not None else None


def module_names(changed: str, roots: list[str]) -> list[str]:
    """Return the dotted names under which a changed file may be imported, most likely first."""
    path = Path(roots[0], *PurePosixPath(changed).parts).with_suffix("")
    names = []
    for root in reversed(roots):
        try:
            parts = list(path.relative_to(root).parts)
        except ValueError:
            continue
        if parts[-1] == "__init__":
            parts.pop()
        if parts and all(part.isidentifier() for part in parts):
            names.append(".".join(parts))
    return names


def loaded_from(path: str, names: list[str]) -> list[str]:
    """Return the files that the module of ``path`` was loaded from in this process.

    Test modules and conftest files go by other names than their path suggests; the file tells.
    """
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and (name in names or os.path.realpath(file) == path):
            found.add(os.path.realpath(file))
    return sorted(found)


def would_load_from(names: list[str]) -> list[str]:
    """Return where the first of the named modules would come from; nothing when none is found."""
    for name in names:
        try:
            spec = importlib.util.find_spec(name)
        except Exception:  # noqa: BLE001, S112 - a parent package of the user may raise anything
            continue
        if spec is not None and spec.origin:
            return [os.path.realpath(spec.origin)]
    return []


class Report:
    """Collects the outcome of one pytest process and writes it at the end."""

    def __init__(self, path: str, roots: list[str], changed: list[str]) -> None:  # noqa: D107
        self._path, self._roots, self._changed = path, roots, changed
        self.counts = {"passed": 0, "failed": 0, "errors": 0, "skipped": 0}
        self.failures: list[str] = []
        self.broken: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Count a test; a failing set-up or tear-down is an error, as pytest has it."""
        if report.failed:
            self._failed("failed" if report.when == "call" else "errors", report)
        elif report.skipped:
            self.counts["skipped"] += 1
        elif report.when == "call":
            self.counts["passed"] += 1

    def pytest_collectreport(self, report: Any) -> None:
        """Count a file that could not be collected."""
        if report.failed:
            self._failed("errors", report)

    def _failed(self, kind: str, report: Any) -> None:
        self.counts[kind] += 1
        lines = report.longreprtext.splitlines()
        said = [line[1:].strip() for line in lines if line.startswith("E ")]
        named = [line for line in said if kind == "errors" and "Error: " in line]
        self.failures.append(f"{report.nodeid}: {(named or said or lines[-1:] or ['failed'])[0]}")

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        """Note a collected file that does not parse itself (not one it imports)."""
        error = call.excinfo.value
        cause = error if isinstance(error, SyntaxError) else error.__cause__
        where = str(getattr(node, "path", None) or getattr(node, "fspath", ""))
        if not isinstance(cause, SyntaxError) or not cause.filename or not where:
            return
        if os.path.realpath(cause.filename) == os.path.realpath(where):
            self.broken.append(node.nodeid)

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write the report; a worker of pytest-xdist writes its own."""
        worker = getattr(session.config, "workerinput", {}).get("workerid", "")
        names = {changed: module_names(changed, self._roots) for changed in self._changed}
        loaded = {}
        for changed, found in names.items():
            path = os.path.realpath(Path(self._roots[0], changed))
            loaded[changed] = loaded_from(path, found)
        if not worker:
            for changed, files in loaded.items():
                loaded[changed] = files or would_load_from(names[changed])
        text = {"counts": self.counts, "failures": self.failures, "broken": self.broken}
        body = json.dumps({**text, "worker": worker, "loaded": loaded})
        Path(f"{self._path}-{worker}.json").write_text(body, encoding="utf-8")


def pytest_configure(config: Any) -> None:
    """Start collecting when the settings are there."""
    if _ENV + "REPORT" not in os.environ:
        return
    roots = json.loads(os.environ[_ENV + "ROOTS"])
    changed = json.loads(os.environ[_ENV + "CHANGED"])
    sys.meta_path.insert(0, WorktreeFirst(roots))
    config.pluginmanager.register(Report(os.environ[_ENV + "REPORT"], roots, changed))
