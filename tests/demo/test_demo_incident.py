"""The incident replayed: the acceptance test of everything that its audit asked for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.demo.playing import Demo

pytestmark = pytest.mark.apiserver

STORY = (
    r"AS IT WAS",
    r"all six flags of as-it-was-flags say 10 %",
    r"all six flags of as-it-was-flags say 25 %",
    r"10 → 25 % after \d+\.\d of 48 hours: no checkpoint, no baseline, nobody asked",
    r"WITH GATES",
    r"all six flags of memory-flags say 10 %",
    r"tries to set the six flags to 25",
    r"refused: ConfigMap memory-flags carries the flags of rollout memory",
    r"tries to delete the ConfigMap",
    r"refused: ConfigMap memory-flags",
    r"tries to say on the Rollout's status",
    r"refused: the status of rollout memory",
    r"tries to report that all is well",
    r"refused: .*automation is not a person",
    r"tries to sign for the lead",
    r"refused: .*automation is not a person",
    r"tries to make a signature of its own",
    r"refused: only the operator opens approval",
    r"tries to take the gates out of the plan",
    r"refused: a plan must ask for approvals",
    r"all six flags of memory-flags still say 10 %",
    r"soak insufficient: \d+s of 48s",
    r"baseline of .*: \d+s of 6s had samples",
    r"checkpoint cache is not approved: thon has not reported",
    r"gate cache-performance: 0%, must be at least 50%",
    r"lead must be signed by cora",
    r"RehearsalFresh=False",
    r"readiness \d+ of 100, at least 70 needed",
    r"forge\$ kubectl surefoot reject memory --role metrics",
    r"atlas\$ kubectl surefoot acknowledge memory-10-cache",
    r"admin\$ kubectl surefoot rehearse memory",
    r"atlas\$ kubectl surefoot checkpoint memory hour-48 --go",
    r"cora\$ kubectl surefoot checkpoint memory decision --go",
    r"forge\$ kubectl surefoot acknowledge memory-10-decision",
    r"cora\$ kubectl surefoot approve memory --role lead",
    r"all six flags of memory-flags say 25 %",
    r"memory: intact",
    r"The reports are in ",
    r"Nothing is left running",
)
"""What must be told, in this order."""

ATTEMPTS = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reports go."""
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Demo]:
    """The replay, told to its end."""
    directory = tmp_path_factory.mktemp("replay")
    running = Demo(directory, "demo", "incident", "--reports", str(folder))
    try:
        for pattern in STORY:
            running.wait_for_line(pattern)
        yield running
    finally:
        running.kill()


def audit(folder: Path, name: str) -> dict[str, Any]:
    """The audit of a Rollout, as JSON."""
    found: dict[str, Any] = json.loads((folder / f"audit-{name}.json").read_text())
    return found


def test_incident_is_replayed_and_leaves_nothing(replay: Demo) -> None:
    """Every part is real: the API server refuses, and people go the proper way."""
    assert replay.exit_code() == 0
    assert replay.left_behind() == []
