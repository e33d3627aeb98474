"""Ends with 1 unless the coverage report given as JSON reaches the project's limits."""

import json
import sys
from pathlib import Path

LINES, BRANCHES = 85.0, 75.0  # per cent, over all modules


def main(report: Path) -> int:
    totals = json.loads(report.read_text("utf-8"))["totals"]
    lines = 100 * totals["covered_lines"] / totals["num_statements"]
    branches = 100 * totals["covered_branches"] / totals["num_branches"]
    said = f"coverage: lines {lines:.1f} % (limit {LINES}), branches {branches:.1f} % ({BRANCHES})"
    sys.stdout.write(said + "\n")
    return 0 if lines >= LINES and branches >= BRANCHES else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
