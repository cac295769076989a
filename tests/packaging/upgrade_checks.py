"""An upgrade in the middle of a rollout, from the operator of an earlier version to today's.

`make install-test` runs this. It needs that version in the repository's history, and installs it.
What it left is kept in `tests/operator/stored`, from which `make test` goes on.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.project import ROOT
from surefoot.testbed.bed import TestBed
from tests.packaging.previous import (
    COMMIT,
    WAITING,
    decide,
    install,
    installed,
    is_in_history,
    leave_half_way,
    operator,
    rollout,
    writes,
)
from tests.support.testbed import SURELY, wait_until

pytestmark = pytest.mark.skipif(
    not is_in_history(), reason=f"a shallow clone does not have {COMMIT}"
)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[TestBed]:
    """A control plane of its own, which starts with an earlier version."""
    with TestBed.start(tmp_path / "bed", prometheus=False, owner=os.getpid()) as bed:
        yield bed


def test_upgrade_in_the_middle_of_a_rollout_moves_and_repeats_nothing(
    bed: TestBed, tmp_path: Path
) -> None:
    """CRDs, policies and operator of today take over; who has signed does not sign again."""
    root = installed(tmp_path / "previous")
    install(bed, root)
    with operator(bed, root / ".venv/bin/surefoot"):
        leave_half_way(bed, WAITING)
    before = rollout(bed, WAITING)["status"]
    assert before["percent"] == 25
    taken_over = bed.audit_log.stat().st_size

    install(bed, ROOT)
    with operator(bed, Path(sys.executable).with_name("surefoot")):
        wait_until(
            lambda: writes(bed, since=taken_over), SURELY, "today's operator to write a status"
        )
        now = rollout(bed, WAITING)["status"]
        assert (now["percent"], now["history"]) == (25, before["history"])
        kinds = {found["kind"] for found in writes(bed, since=taken_over)}
        assert kinds == {"Rollout"}

        decide(bed, "approvals", f"{WAITING}-50-lead", "forge")
        wait_until(
            lambda: rollout(bed, WAITING)["status"]["percent"] == 50, SURELY, "the next step"
        )
        now = rollout(bed, WAITING)["status"]
    *earlier, last = now["history"]
    assert earlier == before["history"]
    signed = {each["by"] for each in last["evidence"]["decisions"] if each["verified"]}
    assert signed >= {"hudson", "forge"}
    flags = [each["data"][WAITING] for each in writes(bed) if each["kind"] == "ConfigMap"]
    assert flags == ["10", "25", "50"]
