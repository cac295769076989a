"""Writes down what the units of work weigh, from the log of a run with `--durations=0`.

python -m tests.support.weigh build/test.log
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

from tests.support.balance import QUICK, WEIGHTS, unit_of

DURATION = re.compile(
    r"^(\d+\.\d+)s (?:setup|call|teardown) +(tests/\S+\.py::.*?)\s*$", re.MULTILINE
)
"""A line of what pytest prints of the durations."""
NOTICEABLE = 1.0
"""Seconds. What starts nothing and takes less need not be named."""


def weights_in(log: str) -> dict[str, float]:
    """What each unit took, the heaviest first."""
    total: dict[str, float] = defaultdict(float)
    for seconds, test in DURATION.findall(log):
        total[unit_of(test)] += float(seconds)
    heaviest = sorted(total.items(), key=lambda unit: (-unit[1], unit[0]))
    return {
        unit: round(seconds, 1)
        for unit, seconds in heaviest
        if seconds >= NOTICEABLE or not unit.startswith(QUICK)
    }


def main() -> None:
    """Write the table that the workers are balanced by."""
    found = weights_in(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if not found:
        sys.exit(f"{sys.argv[1]} has no durations: run pytest with --durations=0")
    WEIGHTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{WEIGHTS}: {len(found)} units, {sum(found.values()):.0f} s")


if __name__ == "__main__":
    main()
