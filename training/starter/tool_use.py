"""Calls of every tool: wishes, what the tool answers, and what is said then."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

import prompts as prompt_sets
from agents import talk
from agents.brief import Brief, BriefFile, module_name, render_brief
from agents.chat import Message
from agents.crew import ROLES
from tools.context import ToolResult
from training.dataset.reader import Turn
from training.examples.domain import OPERATIONS, Operation
from training.examples.scribe import Scribe, Written, call


class Use(NamedTuple):
    """One way to use a tool; {path}, {thing}, {name} … are filled in from the place and operation.

    ``result`` is what the tool says, ``then`` what the role says after that.
    """

    tool: str
    role: str
    wishes: tuple[str, ...]
    args: dict[str, str]
    body: str
    result: str
    then: str


USES: Final = (
    Use("fs.read", "implementer", ("Look at {path} first.", "What does {path} say now? Read it."), {"path": "{path}"}, "", "{before}", "I have read {path}; it defines {other}."),
    Use("fs.read", "refactorer", ("Read the first lines of {path} alone.", "Show yourself lines 1 to 2 of {path}."), {"path": "{path}", "lines": "1-2"}, "", "{before}", "These lines define {other}."),
    Use("fs.write", "tester", ("Write a test for {other} of {path}.", "Test {other} in {path} with a new file."), {"path": "tests/test_{other}.py"}, "from {module} import {other}\n\n\ndef test_{other}():\n    assert {other}({othersample}) == {otherexpected}\n", "created tests/test_{other}.py", "The test of {other} is there."),
    Use("fs.append", "implementer", ("Append {sig} to {path}; it returns {returns}.", "{path} lacks {sig} for {returns}."), {"path": "{path}"}, "def {sig}:\n    return {code}\n", "changed {path}", "{name} is at the end of {path}."),
    Use("fs.edit", "refactorer", ("Give {other} in {path} a docstring.", "Document {other} of {path}."), {"path": "{path}", "symbol": "{other}"}, 'def {othersig}:\n    """Return {otherreturns}."""\n    return {othercode}\n', "changed {path}", "{other} says now what it returns."),
    Use("fs.edit", "implementer", ("Rename {other} to {name} in {path}.", "{path}: {other} shall be called {name}."), {"path": "{path}"}, "<<<<<<< SEARCH\ndef {othersig}:\n=======\ndef {name}({otherparameter}):\n>>>>>>> REPLACE\n", "changed {path}", "{other} is called {name} now."),
    Use("fs.delete", "refactorer", ("Nobody imports {package}/old_{thing}.py any more; delete it.", "Remove the unused {package}/old_{thing}.py."), {"path": "{package}/old_{thing}.py"}, "", "deleted {package}/old_{thing}.py", "{package}/old_{thing}.py is gone."),
    Use("fs.list", "planner", ("Which files are in {package}?", "List {package}."), {"path": "{package}"}, "", "{path}", "There is {path}."),
    Use("search.text", "planner", ("Where is {other} used?", "Find the uses of {other}."), {"pattern": "{other}("}, "", "{path}:1: def {othersig}:", "{other} is defined in {path} and used nowhere else."),
    Use("search.text", "implementer", ("Which lines of {package} define a function?", "Find all definitions in {package}."), {"pattern": "^def ", "path": "{package}", "regex": "true"}, "", "{path}:1: def {othersig}:", "{package} defines {other} alone."),
    Use("search.code", "planner", ("Is there something for {otherreturns} already?", "Find code that returns {otherreturns}."), {"query": "{otherreturns}"}, "", "{path}:1-2 {other}", "{other} in {path} does that."),
    Use("git.status", "doc_writer", ("Which files changed while {sig} was added to {path}?", "See what is new besides {path} and {name}."), {}, "", "M {path}", "{path} changed."),
    Use("git.diff", "doc_writer", ("What changed in {path} for {name}?", "Look at the change to {path} that adds {name}."), {}, "", "+def {sig}:\n+    return {code}", "{name} is new in {path}."),
    Use("git.commit", "doc_writer", ("Commit that {path} offers {name}.", "{name} is in {path}; commit it."), {"message": "feat: offer {name}"}, "", "committed", "It is committed."),
    Use("git.branch", "planner", ("Make a branch for {name} of {path}.", "Start a branch to work on {name} in {path}."), {"name": "feat/{name}"}, "", "on feat/{name}", "The branch feat/{name} is there."),
    Use("git.merge", "planner", ("Merge the branch that adds {name} to {path}.", "{name} for {path} is done on its branch; merge it."), {"name": "feat/{name}"}, "", "merged", "feat/{name} is merged."),
    Use("cmd.run", "implementer", ("Run the test of {other} in {path}.", "Does the test of {other} pass for {path}?"), {"argv": "python -m pytest -q tests/test_{other}.py"}, "", "1 passed", "The test of {other} passes."),
    Use("memory.recall", "planner", ("What do we know about {thing} in {path}?", "Recall what was agreed on {thing} for {path}."), {"query": "{thing}"}, "", "- a {thing} is never negative", "It is known that a {thing} is never negative."),
)  # fmt: skip


def tool_uses(scribe: Scribe, path: str, thing: str, rng: Random) -> Iterator[tuple[str, Written]]:
    """Yield for every use of a tool its name and the conversation: wish, call, result, answer."""
    operation, other = rng.sample(OPERATIONS, 2)
    values = _values(path, thing, operation, other)
    for use in USES:
        wish = rng.choice(use.wishes).format(**values)
        args = {name: value.format(**values) for name, value in use.args.items()}
        called = call(use.tool, use.body.format(**values) if use.body else None, **args)
        yield use.tool, _talk(scribe, use, wish, called, values)


def _values(path: str, thing: str, operation: Operation, other: Operation) -> dict[str, str]:
    values = {"path": path, "thing": thing, "package": path.partition("/")[0]}
    values |= {"module": module_name(path), "sig": operation.signature}
    values |= operation._asdict()
    values |= {f"other{name}": value for name, value in other._asdict().items()}
    values |= {"other": other.name, "othersig": other.signature}
    return values | {"before": f"def {other.signature}:\n    return {other.code}"}


def _talk(scribe: Scribe, use: Use, wish: str, called: str, values: dict[str, str]) -> Written:
    """Return the conversation; results come back as serving sends them."""
    shown = BriefFile(path=values["path"], module=values["module"], text=values["before"])
    files = () if use.tool in {"fs.read", "fs.list", "search.text", "search.code"} else (shown,)
    preface = render_brief(Brief(task=wish, files=files), scribe.prompts)
    result = ToolResult(call=use.tool, ok=True, text=use.result.format(**values))
    feedback = prompt_sets.render(f"{scribe.prompts}/results", results=[result], role=use.role)
    spoken = [
        talk.system(scribe.prompts),
        talk.turn(ROLES[use.role], scribe.prompts, preface=preface),
        Message(role="assistant", content=called),
        Message(role="user", content=feedback),
        Message(role="assistant", content=f"{use.then.format(**values)}\n{scribe.tags()}"),
    ]
    return Written(tuple(Turn(role=m.role, content=m.content) for m in spoken), (2, 4))
