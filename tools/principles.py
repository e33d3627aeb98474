"""Whether Python code keeps principles of good code, as far as its syntax tells.

Nothing is run and no model is asked, so the same code always gets the same answer. A principle is
kept, broken or has nothing to look at; the score is the share of looked-at places that keep it.
What syntax does not show (whether a check is the right one) is not covered.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from mcp_local_llm import UsageError
from memory.records import Record

MAX_CHARS: Final = 200_000
_Function = ast.FunctionDef | ast.AsyncFunctionDef
# (what was looked at and where, why it breaks the principle and what to do, or two empty texts)
_Look = tuple[str, int, str, str]

_GUARDING: Final = re.compile(
    r"(?i)(^|_)(auth|authenticate|authorize|login|log_in|verify|check|validate|permission|allow)"
)
_IS_SECRET: Final = re.compile(r"(?i)(^|_)(password|passwd|passphrase|secret|token|api_?key)s?$")
_SHELL: Final = frozenset({"run", "call", "check_call", "check_output", "Popen"})
_CALLS: Final[Mapping[str, tuple[str, str]]] = {
    "eval": ("runs text as code", "parse the text, e.g. with ast.literal_eval or json"),
    "exec": ("runs text as code", "call a function instead"),
    "os.system": ("hands a text to a shell", "use subprocess.run with a list"),
    "os.popen": ("hands a text to a shell", "use subprocess.run with a list"),
    "pickle.loads": ("runs whatever the data says", "use json for data from outside"),
    "pickle.load": ("runs whatever the data says", "use json for data from outside"),
    "yaml.load": ("builds any object the text names", "use yaml.safe_load"),
    "hashlib.md5": ("is broken as a hash", "use hashlib.sha256, or scrypt for passwords"),
    "hashlib.sha1": ("is broken as a hash", "use hashlib.sha256, or scrypt for passwords"),
}


class PrincipleViolation(Record):
    """A principle that a line breaks, and what would keep it."""

    principle: str
    line: int
    what: str
    suggestion: str


class PrincipleReport(Record):
    """What was found; ``principle_score`` is 1.0 where nothing breaks a principle, 0.0 at worst.

    ``scores`` is the same for each principle; one with nothing to look at has none.
    """

    violations: tuple[PrincipleViolation, ...]
    suggestions: tuple[str, ...]
    principle_score: float
    scores: dict[str, float]


def check_principles(code: str, principles: Sequence[str]) -> PrincipleReport:
    """Return how Python ``code`` keeps ``principles``; none of them named means all.

    Raises:
        UsageError: the code does not parse or is too long, or a principle is not known.
    """
    names = [known_principle(name) for name in principles] or list(PRINCIPLES)
    if len(code) > MAX_CHARS:
        raise UsageError(f"the code has more than {MAX_CHARS:,} characters; check it in parts")
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"this is no Python that can be read ({error}); mend it first") from error
    looks = {name: list(PRINCIPLES[name](tree)) for name in dict.fromkeys(names)}
    violations = [
        PrincipleViolation(principle=name, line=line, what=f"{what}: {why}", suggestion=instead)
        for name, found in looks.items()
        for what, line, why, instead in found
        if why
    ]
    scores = {
        name: round(sum(not why for _, _, why, _ in found) / len(found), 4)
        for name, found in looks.items()
        if found
    }
    return PrincipleReport(
        violations=tuple(sorted(violations, key=lambda each: (each.line, each.principle))),
        suggestions=tuple(dict.fromkeys(each.suggestion for each in violations)),
        principle_score=round(sum(scores.values()) / len(scores), 4) if scores else 1.0,
        scores=scores,
    )


def known_principle(name: str) -> str:
    """Return how the principle ``name`` is called here; ``UsageError`` when there is none."""
    plain = "_".join(name.casefold().replace("-", " ").split())
    if plain not in PRINCIPLES:
        raise UsageError(f"no principle is called {name!r}; there are: {', '.join(PRINCIPLES)}")
    return plain


def _input_validation(tree: ast.AST) -> Iterator[_Look]:
    """Look at public functions with parameters: one of them has to bear on a check or a raise."""
    for function in _functions(tree):
        names = _parameters(function)
        if not names or function.name.startswith("_") or _is_stub(function):
            continue
        unused = sorted(names - _used(function))
        why = f"takes {', '.join(unused)} and never looks at it" if unused else ""
        if not why and not (_checks(function, names) or _hands_on(function)):
            why = f"uses {', '.join(sorted(names))} without a check"
        text = f"in {function.name}, check the arguments first and raise ValueError or TypeError"
        yield function.name, function.lineno, why, text if why else ""


def _error_handling(tree: ast.AST) -> Iterator[_Look]:
    """Look at handlers, which may not swallow errors, and at calls that meet the outside world."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            yield "except", node.lineno, *_handler(node)
    guarded = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.Try)
               for part in node.body for inner in ast.walk(part)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in {"open", "int", "float", "json.loads"}:
            if all(isinstance(each, ast.Constant) for each in node.args):
                continue
            why = "" if id(node) in guarded else "may raise, and nobody here handles it"
            yield (
                f"{_called(node)}()", node.lineno, why,
                "handle what it raises, or say in the docstring that it is raised" if why else "",
            )  # fmt: skip


def _security(tree: ast.AST) -> Iterator[_Look]:
    """Look at guards that let everybody pass, secrets in the code, and calls that run texts."""
    for function in _functions(tree):
        names = _parameters(function)
        if _GUARDING.search(function.name) and names and not _is_stub(function):
            yield function.name, function.lineno, *_guard(function)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _risky(node)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            yield from _secret_of(node)


def _documentation(tree: ast.AST) -> Iterator[_Look]:
    """Look at public functions and classes: they say what they are for."""
    for node in ast.walk(tree):
        if isinstance(node, _Function | ast.ClassDef) and not node.name.startswith("_"):
            why = "" if ast.get_docstring(node) else "has no docstring"
            text = f"say in a docstring what {node.name} promises"
            yield node.name, node.lineno, why, text if why else ""


def _simplicity(tree: ast.AST) -> Iterator[_Look]:
    """Look at functions: short ones with few branches can be seen whole."""
    branches = (ast.If, ast.For, ast.While, ast.Try, ast.BoolOp, ast.IfExp, ast.comprehension)
    for function in _functions(tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        ways = 1 + sum(isinstance(node, branches) for node in ast.walk(function))
        why = f"has {lines} lines and {ways} ways through" if lines > 50 or ways > 10 else ""
        text = f"take parts of {function.name} out into functions of their own"
        yield function.name, function.lineno, why, text if why else ""


PRINCIPLES: Final[Mapping[str, Callable[[ast.AST], Iterator[_Look]]]] = {
    "input_validation": _input_validation,
    "error_handling": _error_handling,
    "security": _security,
    "documentation": _documentation,
    "simplicity": _simplicity,
}


# -- what the principles look at -------------------------------------------------------------------


def _functions(tree: ast.AST) -> Iterator[_Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, _Function))


def _parameters(function: _Function) -> set[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {each.arg for each in every if each is not None} - {"self", "cls"}


def _is_stub(function: _Function) -> bool:
    """Say whether there is nothing in it but a docstring, ``pass``, ``...`` or a raise."""
    body = [
        node for node in function.body
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    ]  # fmt: skip
    return all(isinstance(node, ast.Pass | ast.Raise) for node in body)


def _used(function: _Function) -> set[str]:
    return {
        node.id
        for part in function.body
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _checks(function: _Function, names: set[str]) -> bool:
    """Say whether a condition, an assertion or a match of the function is about its arguments."""
    for node in ast.walk(function):
        asked: ast.AST | None = None
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            asked = node.test
        elif isinstance(node, ast.Match):
            asked = node.subject
        elif isinstance(node, ast.Try):
            asked = ast.Module(body=node.body, type_ignores=[])
        if asked is not None and names & {
            each.id for each in ast.walk(asked) if isinstance(each, ast.Name)
        }:
            return True
    return False


def _hands_on(function: _Function) -> bool:
    """Say whether it calls something that is there to check."""
    calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
    wanted = re.compile(r"(?i)(valid|check|verify|ensure|require|parse|isinstance)")
    return any(wanted.search(_called(node)) for node in calls)


def _handler(node: ast.ExceptHandler) -> tuple[str, str]:
    broad = node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"}
    again = any(isinstance(each, ast.Raise) for each in ast.walk(node))
    empty = all(isinstance(each, ast.Pass | ast.Continue) for each in node.body)
    if broad and not again:
        return "takes every error for the one it expects", "name the exceptions that are expected"
    if empty:
        return "swallows the error", "handle the error, or use contextlib.suppress and say why"
    return "", ""


def _guard(function: _Function) -> tuple[str, str]:
    """Return why a function that is to guard something guards nothing."""
    returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    constant = [
        node for node in returns if isinstance(node.value, ast.Constant) and node.value.value
    ]
    if returns and len(constant) == len(returns) and not _decides(function):
        return (
            "lets everybody pass: it returns a constant whatever it is given",
            f"in {function.name}, compare what is given with what is stored, e.g. by "
            "hmac.compare_digest on hashes, and return False otherwise",
        )
    unused = sorted(name for name in _parameters(function) - _used(function)
                    if _IS_SECRET.search(name))  # fmt: skip
    if unused:
        return f"never looks at {', '.join(unused)}", f"in {function.name}, check {unused[0]}"
    return "", ""


def _decides(function: _Function) -> bool:
    return any(isinstance(node, ast.If | ast.Raise | ast.Match) for node in ast.walk(function))


def _risky(node: ast.Call) -> Iterator[_Look]:
    name = _called(node)
    why, instead = _CALLS.get(name, ("", ""))
    is_safe_yaml = name == "yaml.load" and "Safe" in ast.unparse(node)
    if why and not is_safe_yaml:
        yield f"{name}()", node.lineno, why, instead
    given = {word.arg: word.value for word in node.keywords}
    shell = given.get("shell")
    if name.rpartition(".")[2] in _SHELL and isinstance(shell, ast.Constant):
        why = "hands a text to a shell" if shell.value else ""
        yield f"{name}()", node.lineno, why, "give a list and no shell" if why else ""
    verify = given.get("verify")
    if isinstance(verify, ast.Constant) and verify.value is False:
        yield f"{name}()", node.lineno, "does not check the certificate", "leave verify as it is"
    if name.endswith(".execute") and node.args and _is_built(node.args[0]):
        yield f"{name}()", node.lineno, "puts values into a query's text", "pass them as parameters"


def _is_built(query: ast.expr) -> bool:
    """Say whether a text is put together from values."""
    if isinstance(query, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in query.values)
    if isinstance(query, ast.Call):
        return _called(query).endswith("format")
    return isinstance(query, ast.BinOp) and isinstance(query.op, ast.Mod | ast.Add)


def _secret_of(node: ast.Assign | ast.AnnAssign) -> Iterator[_Look]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    value = node.value
    for target in targets:
        name = ast.unparse(target).rpartition(".")[2]
        given = isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value
        if given and _IS_SECRET.search(name):
            yield name, node.lineno, "holds a secret in the code", f"read {name} from outside"


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""
