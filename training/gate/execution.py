"""Executes what a model wrote, confined as the crew's commands are, and says what came of it."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import Final

from pydantic import ValidationError

from memory.records import Record
from tools.command import run_confined
from tools.process import scratch_folder
from tools.sandbox import CommandPolicy

TIMEOUT_S: Final = 10.0
_JOB: Final = "job.json"
# Runs in a process of its own: it knows nothing of this project.
_DRIVER: Final = """\
import json, sys
mark = sys.argv.pop()
job = json.load(open("job.json", encoding="utf-8"))
scope = {"__name__": "answer"}
told = {"broken": "", "missing": [], "raised": "", "message": "", "equal": False}
try:
    exec(compile(job["given"], "given.py", "exec"), scope)
    before = dict(scope)
    exec(compile(job["code"], "answer.py", "exec"), scope)
    told["missing"] = [
        name for name in job["defines"] if name not in scope or scope[name] is before.get(name)
    ]
    if job["call"]:
        try:
            value = eval(job["call"], scope)
        except BaseException as error:
            told["raised"] = type(error).__name__
            told["message"] = str(error)[:1000]
        else:
            told["equal"] = bool(job["equals"]) and bool(value == eval(job["equals"], scope))
except BaseException as error:
    told["broken"] = f"{type(error).__name__}: {error}"[:300]
print("\\n" + mark + json.dumps(told))
"""


class Ran(Record):
    """What executing an answer told; ``broken`` says why it told nothing."""

    broken: str = ""
    missing: tuple[str, ...] = ()
    raised: str = ""
    message: str = ""
    equal: bool = False


async def execute(
    code: str,
    *,
    given: str,
    defines: tuple[str, ...],
    call: str,
    equals: str,
    policy: CommandPolicy,
) -> Ran:
    """Execute ``given``, then ``code``, then evaluate ``call`` and compare it with ``equals``.

    An answer that ends the process, or does not end in ten seconds, is broken. Not covered: an
    answer that looks for this function's own process; a model's slips do not.

    Raises:
        ToolDenied: no sandbox works here and the policy does not allow going without.
    """
    mark = secrets.token_hex(8)
    job = {"code": code, "given": given, "defines": defines, "call": call, "equals": equals}
    async with scratch_folder() as folder:
        (folder / _JOB).write_text(json.dumps(job), "utf-8")
        (folder / "driver.py").write_text(_DRIVER, "utf-8")
        finished, _ = await run_confined(
            ["python", "-I", str(folder / "driver.py"), mark],
            folder,
            replace(policy, timeout_s=min(policy.timeout_s, TIMEOUT_S)),
        )
    if finished.timed_out:
        return Ran(broken=f"it did not end within {TIMEOUT_S:g} s")
    return _told(finished.stdout, mark) or Ran(broken="it ended the process")


def _told(out: str, mark: str) -> Ran | None:
    last = out.rstrip("\n").rpartition("\n")[2]
    if not last.startswith(mark):
        return None
    try:
        return Ran.model_validate_json(last.removeprefix(mark))
    except ValidationError:
        return None
