"""Which worker of pytest-xdist runs what, and in which order: the longest first, and none too long.

With `--dist loadfile` a file's tests run in one worker, one after another, for many files share a
fixture that must exist once. Where a file was long and came late, the other workers had nothing to
do meanwhile. So the units of work are handed out by what they weigh, and the files that can be cut
are cut: into one unit a function where a fixture is shared by all workers anyway, and into one unit
a test where nothing is shared.

Some units compute, and the others mostly wait for an API server. So the first worker computes while
the others wait, and a worker that has no more of its own kind takes of the other: where all of them
waited first and computed afterwards, the cores were idle at first, and too few afterwards.

Load it as a plugin: ``pytest_plugins = ["tests.support.balance"]``. Without workers it is idle.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

WEIGHTS: Final = Path(__file__).with_name("weights.json")
SECONDS: Final[dict[str, float]] = json.loads(WEIGHTS.read_text(encoding="utf-8"))
"""What a unit of work takes, in seconds. Only the order matters.

To measure again, on a machine that does nothing else:

    make test ARGS="--durations=0" | tee build/test.log
    .venv/bin/python -m tests.support.weigh build/test.log
"""
NEW: Final = 20.0
"""What a unit is taken for that was never measured, where it may need an API server."""

BY_FUNCTION: Final = frozenset(
    {
        "tests/admission/test_admission_for_real.py",
        "tests/admission/test_admission_table.py",
    }
)
"""Files of which each function may run in a worker of its own."""

BY_TEST: Final = ("tests/property/",)
"""Folders of which each test may: they share nothing."""

QUICK: Final = ("tests/unit/", "tests/property/")
"""Folders whose tests start nothing, and so compute all the time."""


def unit_of(test: str) -> str:
    """The unit of work that a test belongs to."""
    file, _, name = test.partition("::")
    if file.startswith(BY_TEST):
        return test
    return f"{file}::{name.partition('[')[0]}" if file in BY_FUNCTION else file


def weight_of(test: str) -> float:
    """How much the unit of work weighs that a test belongs to."""
    unit = unit_of(test)
    return SECONDS.get(unit, 0.0 if unit.startswith(QUICK) else NEW)


class Balanced(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Hands out the units of work in the order of their collection, each kind by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        computes = node is self.nodes[0]
        own = (unit for unit in self.workqueue if unit.startswith(QUICK) is computes)
        if (first := next(own, None)) is not None:
            self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the heaviest first, in every worker alike."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: -weight_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Balanced | None:
    """Hand out the units of work, where files are asked to be kept together."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by number of tests, which says little of time
    return Balanced(config, log)
