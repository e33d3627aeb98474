"""The calls that Python definitions accept (the rule: ``tools.preserve.signatures``)."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tools.preserve.meaning import shape
from tools.preserve.regions import Definition, Region, binders

_FREE: Final = frozenset({"cache", "lru_cache", "override", "final", "deprecated", "wraps"})
_FIELDS: Final = frozenset({"dataclass", "define", "frozen", "mutable", "attrs", "s"})
_SELF: Final = ast.parse("def __init__(self): ...").body
_ANYTHING: Final = ast.parse("def __init__(self, *args, **kwargs): ...").body
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class _Parameter:
    name: str
    default: tuple[str, ...] | None


def objection(old: Region, new: Region) -> str | None:
    """Return what could be called or read in ``old`` and can't be in ``new``, None for nothing."""
    if old.node is not None and new.node is not None:
        return _statement(old.node, new.node, old.name)
    if old.source.module is None or new.source.module is None:
        return None
    return _names(_inside(old), _inside(new), "")


def _inside(region: Region) -> list[ast.stmt]:
    """Return the outermost statements that lie in the region."""
    found: list[ast.stmt] = []
    pending: list[ast.AST] = list(
        reversed(region.source.module.body if region.source.module else ())
    )
    while pending:
        node = pending.pop()
        if isinstance(node, ast.stmt):
            if region.first <= node.lineno and (node.end_lineno or 0) <= region.last:
                found.append(node)
                continue
            if (node.end_lineno or 0) < region.first or node.lineno > region.last:
                continue
        pending += reversed(list(ast.iter_child_nodes(node)))
    return found


def _names(old: list[ast.stmt], new: list[ast.stmt], scope: str) -> str | None:
    """Compare the public names that two bodies bind."""
    public = _exported(old)
    was_bound, now_bound = binders(old), binders(new)
    for name in dict.fromkeys(_bound(old)):
        if not _is_public(name) if public is None else name not in public:
            continue
        was, now = was_bound[name], now_bound.get(name, [])
        if not now and name in {"__init__", "__new__"}:
            continue  # the class says what takes its place
        if not now:
            return f"{scope + name!r} is gone"
        if len(was) != len(now) and any(isinstance(each, Definition) for each in was):
            return f"{scope + name!r} is defined {len(now)} times, {len(was)} before"
        for one, other in zip(was, now, strict=False):
            problem = _statement(one, other, scope + name)
            if problem:
                return problem
    return None


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _exported(body: Iterable[ast.stmt]) -> set[str] | None:
    """Return the names in ``__all__``, None when it is not there as a plain list."""
    for node in body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="__all__")], value=ast.List(elts=names) | ast.Tuple(elts=names)
            ):
                return {str(each.value) for each in names if isinstance(each, ast.Constant)}
    return None


def _bound(body: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that definitions and assignments of a scope bind; imports are its own."""
    for node in body:
        if isinstance(node, Definition):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for each in ast.walk(node):
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                    yield each.id
        elif isinstance(node, ast.If | ast.Try | ast.TryStar | ast.With):
            inner = (each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt))
            yield from _bound(inner)
            for handler in getattr(node, "handlers", ()):
                yield from _bound(handler.body)


def _statement(old: ast.stmt, new: ast.stmt, name: str) -> str | None:
    if isinstance(old, _Function) and isinstance(new, _Function):
        return _function(old, new, name)
    if isinstance(old, ast.ClassDef) and isinstance(new, ast.ClassDef):
        return _class(old, new, name)
    if isinstance(old, Definition):
        return f"{name!r} is no longer a {'class' if isinstance(old, ast.ClassDef) else 'function'}"
    match old, new:
        case ast.Assign(value=ast.Lambda(args=was)), ast.Assign(value=ast.Lambda(args=now)):
            return _arguments(was, now, name)
    if isinstance(new, ast.Delete) and not isinstance(old, ast.Delete):
        return f"{name!r} is deleted"
    return None


def _class(old: ast.ClassDef, new: ast.ClassDef, name: str) -> str | None:
    kept = [shape([ast.Expr(base)]) for base in new.bases]
    if any(shape([ast.Expr(base)]) not in kept for base in old.bases):
        return f"{name!r} lost a base"
    problem = _decorators(old, new, name) or _made(old, new, name)
    if problem:
        return problem
    return _names(old.body, new.body, f"{name}.")


def _made(old: ast.ClassDef, new: ast.ClassDef, name: str) -> str | None:
    """Compare the calls that make the class, where they are not written out on both sides."""
    if _declares(old) and not _written(old):
        if _written(new):
            return f"{name!r} got a constructor in the place of its fields"
        return _positional(_fields(old), _fields(new), name)
    before, after = binders(old.body), binders(new.body)
    for method in ("__init__", "__new__"):
        was, now = before.get(method), after.get(method)
        if bool(was) == bool(now):
            continue  # compared by name, or none at all
        implied = _ANYTHING if old.bases or old.keywords else _SELF
        problem = _statement((was or implied)[0], (now or _SELF)[0], f"{name}.{method}")
        if problem:
            return problem
    return None


def _written(node: ast.ClassDef) -> bool:
    return not binders(node.body).keys().isdisjoint({"__init__", "__new__"})


def _declares(node: ast.ClassDef) -> bool:
    """Say whether the annotated names of a class are the parameters of the call that makes it."""
    dotted = (_dotted(each).rpartition(".")[2] for each in node.decorator_list)
    return bool(node.bases) or any(each in _FIELDS for each in dotted)


def _fields(node: ast.ClassDef) -> list[_Parameter]:
    return [
        _parameter(each.target.id, each.value)
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and "ClassVar" not in ast.dump(each.annotation)
    ]


def _function(old: _Function, new: _Function, name: str) -> str | None:
    if type(old) is not type(new):
        return (
            f"{name!r} is {'now' if isinstance(new, ast.AsyncFunctionDef) else 'no longer'} async"
        )
    if isinstance(old, ast.AsyncFunctionDef) and _yields(old) != _yields(new):
        return f"{name!r} is {'now' if _yields(new) else 'no longer'} an asynchronous generator"
    return _decorators(old, new, name) or _arguments(old.args, new.args, name)


def _yields(function: _Function) -> bool:
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, Definition | ast.Lambda):
            pending += ast.iter_child_nodes(node)
    return False


def _decorators(old: Definition, new: Definition, name: str) -> str | None:
    was = [dotted for each in old.decorator_list if (dotted := _kind(each))]
    now = [dotted for each in new.decorator_list if (dotted := _kind(each))]
    return None if was == now else f"the decorators of {name!r} changed"


def _kind(decorator: ast.expr) -> str:
    """Return what a decorator does to calls, empty when nothing."""
    dotted = _dotted(decorator)
    last = dotted.rpartition(".")[2]
    return "" if last in _FREE else "property" if last == "cached_property" else dotted


def _dotted(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _arguments(old: ast.arguments, new: ast.arguments, name: str) -> str | None:
    was, now = _by_place(old), _by_place(new)
    only, now_only = len(old.posonlyargs), len(new.posonlyargs)
    if (old.vararg and not new.vararg) or (old.kwarg and not new.kwarg):
        return f"{name!r} no longer takes any number of arguments"
    if old.vararg and len(now) != len(was):
        return f"{name!r} has another number of parameters before its '*'"
    if now_only > only or (old.kwarg and now_only != only):
        return f"{name!r} takes other parameters by name"
    by_name = _only_by_name(old)
    problem = _positional(was, now, name, unnamed=only, known=by_name)
    return problem or _by_name(by_name, new, name)


def _positional(
    was: Sequence[_Parameter],
    now: Sequence[_Parameter],
    name: str,
    *,
    unnamed: int = 0,
    known: Container[str] = (),
) -> str | None:
    """Compare parameters by place; the first ``unnamed`` may be called anything.

    New ones need a default, unless they were ``known`` by name before.
    """
    for at, one in enumerate(was):
        if at >= len(now):
            return f"{name!r} lost the parameter {one.name!r}"
        if at >= unnamed and now[at].name != one.name:
            return f"{name!r} has {now[at].name!r} in the place of its parameter {one.name!r}"
        if problem := _default(one, now[at], name):
            return problem
    return _required((each for each in now[len(was) :] if each.name not in known), name)


def _by_name(was: Mapping[str, _Parameter], new: ast.arguments, name: str) -> str | None:
    now = _only_by_name(new)
    either = {each.name: each for each in _by_place(new)[len(new.posonlyargs) :]} | now
    for one in was.values():
        if one.name not in either:
            return f"{name!r} lost the parameter {one.name!r}"
        if problem := _default(one, either[one.name], name):
            return problem
    return _required((each for each in now.values() if each.name not in was), name)


def _required(parameters: Iterable[_Parameter], name: str) -> str | None:
    missing = next((each.name for each in parameters if each.default is None), None)
    return f"{name!r} requires a new parameter {missing!r}" if missing else None


def _default(one: _Parameter, other: _Parameter, name: str) -> str | None:
    if one.default in {None, other.default}:
        return None
    return f"{name!r} changed the default of its parameter {one.name!r}"


def _by_place(arguments: ast.arguments) -> list[_Parameter]:
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    missing: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults]
    return [_parameter(*pair) for pair in zip(names, defaults, strict=True)]


def _parameter(name: str, default: ast.expr | None) -> _Parameter:
    return _Parameter(name, None if default is None else tuple(shape([ast.Expr(default)])))


def _only_by_name(arguments: ast.arguments) -> dict[str, _Parameter]:
    pairs = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return {each.arg: _parameter(each.arg, default) for each, default in pairs}
