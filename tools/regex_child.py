"""Child process of ``search.text``: matches a regular expression, which may never end.

Reads ``{"pattern": …, "limit": …, "files": [[path, [line, …]], …]}`` from stdin and writes the hits
as ``[[path, number, line], …]`` to stdout. Runs isolated and imports nothing but the library.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Answer the one request on stdin."""
    request = json.load(sys.stdin)
    wanted = re.compile(request["pattern"])
    hits: list[tuple[str, int, str]] = []
    for path, lines in request["files"]:
        if len(hits) > request["limit"]:
            break
        hits += [(path, at, line) for at, line in enumerate(lines, 1) if wanted.search(line)]
    json.dump(hits[: request["limit"] + 1], sys.stdout)


if __name__ == "__main__":
    main()
