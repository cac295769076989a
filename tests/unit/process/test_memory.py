"""Memory that is given back, in a process of its own."""

import subprocess
import sys

import pytest

from surefoot.process import memory

SCRIPT = """
import os
from pathlib import Path
from surefoot.process.memory import give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

blocks = [bytes(2000) for _ in range(20_000)]
last = blocks[-1]
del blocks
before = resident()
give_back()
assert before - resident() > 20_000_000, (before, resident())
"""


@pytest.mark.skipif(memory._malloc_trim is None, reason="this C library is not glibc")
def test_what_is_free_below_what_is_in_use_is_given_back() -> None:
    """Else an operator keeps, for ever, what its largest list took."""
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


def test_what_is_loaded_is_not_looked_through_again() -> None:
    """Else a full collection goes through all modules, while the event loop stands still."""
    script = (
        "import gc; import surefoot.wiring; "
        "from surefoot.process.memory import keep_what_is_loaded; "
        "before = len(gc.get_objects()); keep_what_is_loaded(); "
        "assert len(gc.get_objects()) < before / 100 < 1_000_000, before"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
