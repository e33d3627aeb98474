"""Tasks for a crew as whole runs: wish, plan, test and code, told by one scribe."""

from __future__ import annotations

from collections.abc import Sequence

from agents.brief import Brief, BriefFile, BriefRule, module_name
from agents.reply import Plan
from memory.records import Level, PreservationTag
from training.examples.domain import Operation
from training.examples.scribe import Said, Scribe, Written, call


def function_run(
    scribe: Scribe,
    wish: str,
    path: str,
    operation: Operation,
    *,
    needs: str = "",
    marks: Sequence[str] = (),
    rules: Sequence[BriefRule] = (),
    follows: Sequence[BriefRule] | None = None,
) -> Written:
    """Return a run that adds ``operation`` to the file ``path``; ``needs`` is an import of it.

    It is shown ``rules`` and keeps ``follows`` of them, all where nothing else is said.
    """
    name = operation.name
    own = f"{needs}\n" if needs.split()[-1:] == [operation.expected.partition("(")[0]] else ""
    test = (
        f"{own}from {module_name(path)} import {name}\n\n\n"
        f"def test_{name}():\n    assert {name}({operation.sample}) == {operation.expected}"
    )
    code = f"def {operation.signature}:\n    return {operation.code}"
    return code_run(
        scribe,
        wish,
        path,
        goal=f"return {operation.returns}",
        adds=operation.signature,
        test=test,
        code=f"{needs}\n\n\n{code}" if needs else code,
        marks=marks,
        rules=rules,
        follows=follows,
    )


def code_run(
    scribe: Scribe,
    wish: str,
    path: str,
    *,
    goal: str,
    adds: str,
    test: str,
    code: str,
    before: str = "",
    marks: Sequence[str] = (),
    rules: Sequence[BriefRule] = (),
    follows: Sequence[BriefRule] | None = None,
) -> Written:
    """Return a run that appends ``code`` to ``path``, a file that says ``before``.

    It is shown ``rules`` and keeps ``follows`` of them, all where nothing else is said.
    """
    name = adds.partition("(")[0].lower()
    plan = Plan(
        goal=goal,
        steps=(f"add {adds} to {path}",),
        files=(PreservationTag(region=path, level=Level.FLEXIBLE),),
        test=f"tests/test_{name}.py",
    )
    shown = BriefFile(path=path, module=module_name(path), text=before)
    brief = Brief(task=wish, rules=tuple(rules), files=(shown,) if before else ())
    said = (
        Said("tester", call("fs.write", test, path=plan.test)),
        Said("implementer", call("fs.append", code, path=path), tests="red"),
    )
    kept = rules if follows is None else follows
    return scribe.crew(brief, plan, scribe.tags(*marks, rules=kept), said)


def refused_run(
    scribe: Scribe,
    wish: str,
    goal: str,
    why: str,
    *,
    rules: Sequence[BriefRule] = (),
    follows: Sequence[BriefRule] | None = None,
) -> Written:
    """Return a run whose planner declines ``wish`` and says ``why``, keeping ``follows``."""
    brief = Brief(task=wish, rules=tuple(rules))
    kept = rules if follows is None else follows
    return scribe.crew(brief, Plan(goal=goal, refusal=why), scribe.tags(rules=kept))
