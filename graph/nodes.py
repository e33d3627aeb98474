"""The nodes of the crew's graph: thin, idempotent, each from the recorded state of the tree.

A node that ends the run sets ``outcome``; routing (``graph.crew``) reads nothing but the state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.brief import (
    Brief,
    BriefFile,
    BriefPiece,
    at_hand,
    brief_rules,
    folder_for_tests,
    recalled_files,
    relevant_files,
    render_brief,
)
from agents.chat import Message
from agents.loop import RoleOutcome
from graph import checks
from graph.compliance import broken, check_rules, newly_broken
from graph.runs import new_run_id
from graph.state import Outcome, Red, RunState, Story, Talk, TestState, TreeState
from graph.turns import opening_talk, spent_limit, take_turn
from graph.workshop import Workshop
from mcp_local_llm import UsageError
from memory.code import CodeHit
from memory.records import PreservationTag
from tools.indexing import Place
from tools.preserve.contracts import Contracts
from tools.preserve.guard import Guard
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
        begun["brief"] = await self._brief(begun, root, await self.shop.guard(begun))
        model = await self.shop.model(begun)
        begun["talk"] = opening_talk(model.prompts)
        begun["tests"] = await checks.baseline(self.shop, begun)
        notes = begun["brief"].dropped
        begun["story"] = Story(notes=notes)
        return begun

    async def _brief(self, state: RunState, root: Path, guard: Guard) -> Brief:
        task = state["task"]
        files, notes = await asyncio.to_thread(relevant_files, task, root)
        pieces: tuple[BriefPiece, ...] = ()
        if not files:  # the task names none: those that seem to be meant
            files, pieces = await self._recalled_files(task, root)
        model = await self.shop.model(state, [file.path for file in files])
        here = at_hand(files, prefix=guard.prefix)
        adapter = model.chat.adapter_id
        known = await self.shop.memory.recall(task, limit=_RECALLED, at_hand=here, adapter=adapter)
        brief = Brief(
            task=task,
            rules=brief_rules(known),
            files=files,
            protected=await _protected(guard, files),
            pieces=pieces,
            tests_dir=await asyncio.to_thread(folder_for_tests, root),
            dropped=notes,
            updates=await self.shop.memory.updates(),
        )
        return await self.shop.fitted(state, brief)

    async def _recalled_files(
        self, task: str, root: Path
    ) -> tuple[tuple[BriefFile, ...], tuple[BriefPiece, ...]]:
        """Return the files that the code index finds for ``task``, and the pieces they are for."""
        hits = await self.shop.memory.search_code(task, limit=_PIECES)
        prefix = (await Place.of(root)).prefix if hits else ""
        pieces = [_piece(hit, prefix) for hit in hits if hit.path.startswith(prefix)]
        first = list(dict.fromkeys(piece.path for piece in pieces))[:_FILES]
        files = await asyncio.to_thread(recalled_files, first, root)
        shown = {file.path for file in files}
        return files, tuple(piece for piece in pieces if piece.path in shown)

    async def plan(self, state: RunState) -> RunState:
        """Let the planner decide, or refuse."""
        model = await self.shop.model(state)
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
        if tests.verdict != "red" and (last or await self._is_stuck(state, again)):
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
            tests="green" if tests.sent_back else "red",
            failures=tests.problem if tests.implemented else (),
        )
        update["tests"] = tests.model_copy(update={"implemented": tests.implemented + 1})
        return update if tests.sent_back else self._stopped(update, said)

    async def check_green(self, state: RunState) -> RunState:
        """Require the new test and everything that passed before to pass."""
        files = await self._files(state)
        mending = state["tests"].sent_back
        if files in state["tests"].tried and not mending:  # pytest would say what it said
            return await self._still_red(state, state["tests"], again=True)
        tests, report = await checks.green(self.shop, state)
        if tests.verdict == "green":
            return await self._green(state, tests)
        if mending:
            kept = state["tests"].model_copy(update={"verdict": "green", "problem": ()})
            still = "; ".join(state["tests"].problem)
            return {"tests": kept, **_undone(state, f"{_made_red(report)}; {still}")}
        if not report.import_ok:
            where = ", ".join(report.imported_from)
            reason = f"the tests import other code than this run's: {where}"
            return {"tests": tests, "outcome": Outcome(status="failed", reason=reason)}
        story, red = state["story"], Red(tree=files, said=tests.problem)
        update = await self._still_red(state, _tried(tests, files), again=False)
        return {**update, "story": story.model_copy(update={"reds": (*story.reds, red)})}

    async def _green(self, state: RunState, tests: TestState) -> RunState:
        """Keep what passes the tests; rules that it breaks go back to the implementer once."""
        verdicts = await check_rules(self.shop, state)
        lines = broken(verdicts, state["brief"].rules)
        story = state["story"].model_copy(update={"compliance": verdicts})
        has_try = tests.implemented < self.shop.settings.limits.implement_attempts
        if lines and has_try and not tests.sent_back:
            sent = {"verdict": "red", "problem": lines, "sent_back": True}
            tests = tests.model_copy(update=sent)
        else:
            story = story.model_copy(update={"notes": (*story.notes, *lines)})
        return {"tests": tests, "story": story, **_mark_green(state)}

    async def _still_red(self, state: RunState, tests: TestState, *, again: bool) -> RunState:
        """End the run after the last attempt; ``again``: for files that were red before."""
        update: RunState = {"tests": tests}
        stuck = tests.implemented > 1 and await self._is_stuck(state, again)
        if stuck or tests.implemented >= self.shop.settings.limits.implement_attempts:
            reason = f"the tests are still red after {tests.implemented} attempts"
            reason += ", and the last one gave what had been tried before" if stuck else ""
            update["outcome"] = Outcome(status="failed", reason=reason)
        return update

    async def _files(self, state: RunState) -> str:
        """Return an id of the run's files: with the same id, tests say the same."""
        return await (await self.shop.tree(state)).tree.tree_of(state["tree"].sha)

    async def _is_stuck(self, state: RunState, again: bool) -> bool:
        """Say whether the model has nothing else to give: a small one only repeats itself."""
        return again and (await self.shop.model(state)).is_compact

    async def refactor(self, state: RunState) -> RunState:
        """Let the refactorer simplify what is green."""
        _, update = await take_turn(self.shop, state, "refactorer", attempt=1, tests="green")
        return update

    async def document(self, state: RunState) -> RunState:
        """Let the doc writer document what is green."""
        _, update = await take_turn(self.shop, state, "doc_writer", attempt=1, tests="green")
        return update

    async def recheck(self, state: RunState) -> RunState:
        """Test after an optional role; undo its edits when tests are red or a kept rule breaks."""
        if not await self._changed_since_green(state):
            return {"talk": _all_green(state["talk"])}
        tests, report = await checks.green(self.shop, state)
        if tests.verdict != "green":
            return _undone(state, _made_red(report))
        story, verdicts = state["story"], await check_rules(self.shop, state)
        if lines := broken(newly_broken(verdicts, story.compliance), state["brief"].rules):
            return _undone(state, f"broke a rule and were undone ({lines[0]})")
        kept = story.model_copy(update={"compliance": verdicts})
        return {"tests": tests, "story": kept, **_mark_green(state)}

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


async def _protected(guard: Guard, files: Sequence[BriefFile]) -> tuple[PreservationTag, ...]:
    """Return the regions of ``files`` that are protected, named as the workspace names them."""
    return Contracts(await guard.about(file.path for file in files)).tags()


def _piece(hit: CodeHit, prefix: str) -> BriefPiece:
    return BriefPiece(
        path=hit.path.removeprefix(prefix),
        name=hit.name,
        first=hit.line,
        last=hit.last,
        score=hit.score,
        why=hit.why,
    )


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


def _made_red(report: TestReport) -> str:
    first = report.failures[0] if report.failures else report.output.strip()[-200:]
    return f"made the tests red and were undone ({first})"


def _undone(state: RunState, what: str) -> RunState:
    """Return to the files and the transcript of the last green state; ``what`` goes to a note."""
    tree, story = state["tree"], state["story"]
    last = story.steps[-1].model_copy(update={"reverted": True})
    note = f"the {last.role}'s edits {what}"
    return {
        "tree": tree.model_copy(update={"sha": tree.green}),
        "talk": Talk(messages=_kept(state["talk"]), green=state["talk"].green),
        "story": story.model_copy(
            update={"steps": (*story.steps[:-1], last), "notes": (*story.notes, note)}
        ),
    }
