"""The process that ends a bed when its owner is gone, however the owner went.

A signal on the parent's death (PR_SET_PDEATHSIG) would not do: it comes when the *thread* that
launched the program ends, and an API server restarted from a worker thread would die with it.
"""

import os
import sys
import time
from pathlib import Path

from surefoot.errors import TestbedError
from surefoot.testbed.layout import Layout
from surefoot.testbed.process import Component, Identity

LOOKS_EVERY = 0.5
"""Seconds."""

SOURCE_ROOT = Path(__file__).parents[2]


def guardian_of(layout: Layout, owner: int | None = None) -> Component:
    """Describe the guardian of the bed in this directory; ``owner`` is needed to launch it."""
    arguments: list[str] = []
    if owner is not None:
        identity = Identity.of(owner)
        arguments = [str(layout.directory), str(identity.pid), identity.began]
    search_path = [str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]
    return Component(
        "guardian",
        [sys.executable, "-m", __name__, *arguments],
        log=layout.log_of("guardian"),
        record=layout.process_of("guardian"),
        not_ready_because=lambda: None,
        environment={"PYTHONPATH": os.pathsep.join(filter(None, search_path))},
    )


def guard(directory: Path, owner: Identity) -> int:
    """Wait for the owner's end, then stop the bed, unless it was stopped before."""
    # Loaded while everything is still in place, not when the environment may be gone.
    from surefoot.testbed.bed import TestBed  # noqa: PLC0415 - the bed launches guardians

    while owner.find() is not None:
        time.sleep(LOOKS_EVERY)
    try:
        TestBed.attach(directory).end_without_owner()
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(guard(Path(sys.argv[1]), Identity(int(sys.argv[2]), sys.argv[3])))
