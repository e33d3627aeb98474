"""Whether everything that could be called, imported or read before still can be, in the same way.

A call that a Python function accepted has to be accepted with the same meaning:

- a positional parameter keeps its place; unless positional-only it keeps its name and stays usable
  by name; a keyword-only one keeps its name; ``*args`` and ``**kwargs`` stay;
- a parameter with a default keeps it, the same one; one without may get one;
- a new parameter has a default, stands behind the positional ones, and is keyword-only where
  ``*args`` took further arguments;
- ``async`` stays, and an asynchronous generator stays one; ``staticmethod``, ``classmethod``,
  ``property`` and every other decorator stay, apart from caches and marks for readers.

A class keeps its bases, the call that makes it (``__init__``, ``__new__``, or the fields of a class
that declares them), its public methods and special methods, public attributes and public inner
classes. A name bound otherwise stays bound. A file keeps its public top-level names (those in
``__all__``, or without an underscore), and each of them keeps this rule.

TypeScript, JavaScript and Go: the same tokens outside of the bodies; TypeScript and JavaScript may
get optional parameters at the end. Any other file only has to be there. Annotations, results and
exceptions are not compared: the tests that cover the region do that.
"""

from __future__ import annotations

from tools.preserve import python_calls, script_calls
from tools.preserve.regions import Region


def objection(old: Region, new: Region) -> str | None:
    """Return what could be done with ``old`` and can't with ``new``; None when there is nothing."""
    if old.source.module is not None and new.source.module is not None:
        return python_calls.objection(old, new)
    if old.source.root is not None and new.source.root is not None:
        return script_calls.objection(old, new)
    return None
