"""The process that ends the operator and the service when the bed they live on has ended.

The bed has a guardian of its own, which ends it with its owner; so nothing is left of a demo that
was killed, and ``surefoot testbed down`` ends a demo that was kept.
"""

import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from surefoot.demo.companions import OPERATOR, SERVICE
from surefoot.testbed.layout import Layout
from surefoot.testbed.process import Identity

LOOKS_EVERY = 0.3
"""Seconds."""


def guard(directory: Path) -> None:
    """Wait for the end of the API server, then end what cannot live without it."""
    layout = Layout(directory)
    # Their records go with the bed: who they are must be known before.
    keeper = Identity.read(layout.process_of("kube-apiserver"))
    wards = [Identity.read(layout.process_of(name)) for name in (OPERATOR, SERVICE)]
    while keeper is not None and keeper.find() is not None:
        time.sleep(LOOKS_EVERY)
    for ward in wards:
        process = ward.find() if ward is not None else None
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.kill()


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
