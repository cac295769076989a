"""All that a run of `make bench` has found, in one table beside the goals.

    python benchmarks/summary.py [--begin]

Each benchmark notes its own figures while it runs; `--begin` forgets those of an earlier run.
Figures depend on the machine and on what else it does: compare within one run, or CPU seconds.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

NOTED = Path(__file__).parent.parent / "build" / "bench.jsonl"


def note(work: str, of: str, found: str, goal: str = "") -> None:
    """Keep a figure for the table. ``of`` says how much of what it was measured with."""
    NOTED.parent.mkdir(exist_ok=True)
    with NOTED.open("a", encoding="utf-8") as file:
        file.write(json.dumps([work, of, found, goal]) + "\n")


def main() -> None:
    """Print what was noted, or forget it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--begin", action="store_true")
    if options.parse_args().begin:
        NOTED.unlink(missing_ok=True)
        return
    table = Table("work", "measured with", "found", "goal")
    for line in NOTED.read_text("utf-8").splitlines() if NOTED.exists() else ():
        table.add_row(*json.loads(line))
    Console().print(table)


if __name__ == "__main__":
    main()
