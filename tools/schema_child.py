"""Child process of ``tools.schemas``: holds JSON against a schema, whose patterns may never end.

Reads ``{"document": …, "schema": …}`` from stdin and writes one list of ``[path, message]`` to
stdout. A schema that is none ends with code 2 and says why on stderr. Nothing is fetched: a
reference to somewhere else is not resolved. Runs isolated and imports no code of the project.
"""

from __future__ import annotations

import json
import sys
from itertools import islice

from jsonschema import Draft202012Validator, SchemaError, validators
from referencing import Registry
from referencing.exceptions import Unresolvable

_MAX_HITS = 100
_SHOWN = 300


def main() -> int:
    """Answer the one request on stdin and return the exit code."""
    request = json.load(sys.stdin)
    schema = request["schema"]
    kind = validators.validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
        found = kind(schema, registry=Registry()).iter_errors(request["document"])
        hits = [(error.json_path, error.message[:_SHOWN]) for error in islice(found, _MAX_HITS)]
    except SchemaError as error:
        sys.stderr.write(f"at {error.json_path}: {error.message[:_SHOWN]}")
        return 2
    except Unresolvable as error:
        sys.stderr.write(f"the reference {error.ref[:_SHOWN]!r} leads out of the schema")
        return 2
    except RecursionError:
        sys.stderr.write("the schema refers to itself without an end")
        return 2
    json.dump(hits, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
