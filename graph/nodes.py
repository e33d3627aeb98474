"""The nodes of the crew's graph: thin, idempotent, each from the recorded state of the tree.

A node that ends the run sets ``outcome``; routing (``graph.crew``) reads nothing but the state.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from agents.brief import (
    Brief,
    BriefFile,
    BriefRule,
    at_hand,
    folder_for_tests,
    recalled_files,
    relevant_files,
    render_brief,
)
from agents.chat import Message
from agents.loop import RoleOutcome
from graph import checks
from graph.runs import new_run_id
from graph.state import Outcome, RunState, Story, Talk, TestState, TreeState
from graph.turns import opening_talk, spent_limit, take_turn
from graph.workshop import Workshop
from mcp_local_llm import UsageError
from tools.indexing import Place
from tools.pytest_run import TestReport

_RECALLED = 8  # rules in a brief; what does not fit the model's context is left out besides
_PIECES = 12  # of indexed code that are looked at for the files they are in
_FILES = 3
_FATAL = {
    "deadline": "the time limit of the run was reached",
    "tokens": "the token limit of the run was reached",
    "window": "the conversation no longer fits the model's context",
}


@dataclass(frozen=True, slots=True)
class Nodes:
    """All nodes, bound to what they work with."""

    shop: Workshop

    async def prepare(self, state: RunState) -> RunState:
        """Make the worktree, run the existing tests once, and build the brief."""
        task = " ".join(state.get("task", "").split())
        if not task:
            raise UsageError('the task is empty; say what to change, as in graph-run "add …"')
        run_id = state.get("run_id") or new_run_id()
        workspace = state.get("workspace") or str(await asyncio.to_thread(Path.cwd))
        begun: RunState = {"run_id": run_id, "task": task, "workspace": workspace}
        await asyncio.to_thread(self.shop.register, begun)
        tree = await self.shop.tree(begun)
        root = tree.workspace
        begun["tree"] = TreeState(path=str(root), base=tree.base, sha=tree.base)
        model = await self.shop.model()
        begun["brief"] = await self._brief(task, root)
        begun["talk"] = opening_talk(model.prompts)
        begun["tests"] = await checks.baseline(self.shop, begun)
        notes = begun["brief"].dropped
        begun["story"] = Story(notes=notes)
        return begun

    async def _brief(self, task: str, root: Path) -> Brief:
        files, notes = await asyncio.to_thread(relevant_files, task, root)
        if not files:  # the task names none: those that seem to be meant
            files = await self._recalled_files(task, root)
        known = await self.shop.memory.recall(task, limit=_RECALLED, at_hand=at_hand(files))
        rules = tuple(
            BriefRule(id=f"r{number}", text=hit.insight.text, why=hit.why)
            for number, hit in enumerate(known, start=1)
        )
        brief = Brief(
            task=task,
            rules=rules,
            files=files,
            tests_dir=await asyncio.to_thread(folder_for_tests, root),
            dropped=notes,
        )
        return await self.shop.fitted(brief)

    async def _recalled_files(self, task: str, root: Path) -> tuple[BriefFile, ...]:
        hits = await self.shop.memory.search_code(task, limit=_PIECES)
        if not hits:
            return ()
        prefix = (await Place.of(root)).prefix
        paths = [hit.path.removeprefix(prefix) for hit in hits if hit.path.startswith(prefix)]
        first = list(dict.fromkeys(paths))[:_FILES]
        return await asyncio.to_thread(recalled_files, first, root)

    async def plan(self, state: RunState) -> RunState:
        """Let the planner decide, or refuse."""
        model = await self.shop.model()
        said, update = await take_turn(
            self.shop,
            state,
            "planner",
            attempt=1,
            preface=render_brief(state["brief"], model.prompts),
        )
        if said.plan is not None and said.plan.refusal:
            update["outcome"] = Outcome(status="refused", reason=said.plan.refusal)
        elif said.status != "done" or said.plan is None:
            update["outcome"] = _failure("the planner gave no usable plan", said)
        else:
            update["plan"] = said.plan
        return self._stopped(update, said)

    async def write_test(self, state: RunState) -> RunState:
        """Let the tester write the new test, or mend the one it wrote."""
        tests = state["tests"]
        said, update = await take_turn(
            self.shop, state, "tester", attempt=tests.written + 1, failures=tests.problem
        )
        update["tests"] = tests.model_copy(
            update={"written": tests.written + 1, "problem": (), "verdict": ""}
        )
        return self._stopped(update, said)

    async def check_red(self, state: RunState) -> RunState:
        """Require that the new test fails on the code as it was."""
        files = await self._files(state)
        again = files in state["tests"].tried
        tests = _tried(await checks.red(self.shop, state), files)
        update: RunState = {"tests": tests}
        last = tests.written >= self.shop.settings.limits.test_attempts
        if tests.verdict != "red" and (last or await self._is_stuck(again)):
            reason = f"no usable failing test after {tests.written} attempts: {tests.problem[0]}"
            update["outcome"] = Outcome(status="failed", reason=reason)
        return update

    async def implement(self, state: RunState) -> RunState:
        """Let the implementer make the test pass; on a retry it reads what failed."""
        tests = state["tests"]
        said, update = await take_turn(
            self.shop,
            state,
            "implementer",
            attempt=tests.implemented + 1,
            tests="red",
            failures=tests.problem if tests.implemented else (),
        )
        update["tests"] = tests.model_copy(update={"implemented": tests.implemented + 1})
        return self._stopped(update, said)

    async def check_green(self, state: RunState) -> RunState:
        """Require the new test and everything that passed before to pass."""
        files = await self._files(state)
        if files in state["tests"].tried:  # pytest would say what it said
            return await self._still_red(state["tests"], again=True)
        tests, report = await checks.green(self.shop, state)
        if tests.verdict == "green":
            return {"tests": tests, **_mark_green(state)}
        if not report.import_ok:
            where = ", ".join(report.imported_from)
            reason = f"the tests import other code than this run's: {where}"
            return {"tests": tests, "outcome": Outcome(status="failed", reason=reason)}
        return await self._still_red(_tried(tests, files), again=False)

    async def _still_red(self, tests: TestState, *, again: bool) -> RunState:
        """End the run after the last attempt; ``again``: for files that were red before."""
        update: RunState = {"tests": tests}
        stuck = tests.implemented > 1 and await self._is_stuck(again)
        if stuck or tests.implemented >= self.shop.settings.limits.implement_attempts:
            reason = f"the tests are still red after {tests.implemented} attempts"
            reason += ", and the last one gave what had been tried before" if stuck else ""
            update["outcome"] = Outcome(status="failed", reason=reason)
        return update

    async def _files(self, state: RunState) -> str:
        """Return an id of the run's files: with the same id, tests say the same."""
        return await (await self.shop.tree(state)).tree.tree_of(state["tree"].sha)

    async def _is_stuck(self, again: bool) -> bool:
        """Say whether the model has nothing else to give: a small one only repeats itself."""
        return again and (await self.shop.model()).is_compact

    async def refactor(self, state: RunState) -> RunState:
        """Let the refactorer simplify what is green."""
        _, update = await take_turn(self.shop, state, "refactorer", attempt=1, tests="green")
        return update

    async def document(self, state: RunState) -> RunState:
        """Let the doc writer document what is green."""
        _, update = await take_turn(self.shop, state, "doc_writer", attempt=1, tests="green")
        return update

    async def recheck(self, state: RunState) -> RunState:
        """Run the tests after an optional role; when they are red, undo that role's edits."""
        tree = state["tree"]
        if not await self._changed_since_green(state):
            return {"talk": _all_green(state["talk"])}
        tests, report = await checks.green(self.shop, state)
        if tests.verdict == "green":
            return {"tests": tests, **_mark_green(state)}
        return {
            "tree": tree.model_copy(update={"sha": tree.green}),
            "talk": Talk(messages=_kept(state["talk"]), green=state["talk"].green),
            "story": _reverted(state["story"], report),
        }

    async def _changed_since_green(self, state: RunState) -> bool:
        repo = (await self.shop.tree(state)).tree
        return bool(await repo.changes(state["tree"].green, state["tree"].sha))

    def _stopped(self, update: RunState, said: RoleOutcome) -> RunState:
        """End the run when a limit of the run, or of the context, stopped the role."""
        if "outcome" in update:
            return update
        if said.status in _FATAL:
            update["outcome"] = _failure(_FATAL[said.status], said)
        elif reason := spent_limit(self.shop, update["story"]):
            update["outcome"] = Outcome(status="failed", reason=reason)
        return update


def _failure(what: str, said: RoleOutcome) -> Outcome:
    why = _FATAL.get(said.status) or last_complaint(said)
    reason = what if why == what else f"{what}: {why}"
    return Outcome(status="failed", reason=reason)


def last_complaint(said: RoleOutcome) -> str:
    """Return the last thing a role was told to mend, or how its turn ended."""
    for exchange in reversed(said.exchanges):
        for result in exchange.results:
            if not result.ok:
                return result.text
    return f"its turn ended with {said.status!r} after {len(said.exchanges)} replies"


def _tried(tests: TestState, files: str) -> TestState:
    return tests.model_copy(update={"tried": (*tests.tried, files)})


def _mark_green(state: RunState) -> RunState:
    tree = state["tree"]
    return {
        "tree": tree.model_copy(update={"green": tree.sha}),
        "talk": _all_green(state["talk"]),
    }


def _all_green(talk: Talk) -> Talk:
    return talk.model_copy(update={"green": len(talk.messages)})


def _kept(talk: Talk) -> tuple[Message, ...]:
    return talk.messages[: talk.green]


def _reverted(story: Story, report: TestReport) -> Story:
    last = story.steps[-1]
    first = report.failures[0] if report.failures else report.output.strip()[-200:]
    note = f"the {last.role}'s edits made the tests red and were undone ({first})"
    return story.model_copy(
        update={
            "steps": (*story.steps[:-1], last.model_copy(update={"reverted": True})),
            "notes": (*story.notes, note),
        }
    )
