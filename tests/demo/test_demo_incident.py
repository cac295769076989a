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
    r"all six flags of as-it-was-flags say 10%",
    r"all six flags of as-it-was-flags say 25%",
    r"10% → 25% after \d+\.\d of 48 hours: no checkpoint, no baseline, nobody asked",
    r"WITH GATES",
    r"all six flags of memory-flags say 10%",
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
    r"all six flags of memory-flags still say 10%",
    r"checkpoint cache is not approved: thon has not reported",
    r"gate cache-performance: 0%, must be at least 50%",
    r"lead must be signed by cora",
    r"RehearsalFresh is False",
    r"readiness \d+ of 100, at least 70 needed",
    r"soak insufficient: \d+s of 48s",
    r"BLOCKED by \d+: .*RehearsalFresh",
    r"forge\$ kubectl surefoot reject memory --role metrics",
    r"atlas\$ kubectl surefoot acknowledge memory-10-cache",
    r"admin\$ kubectl surefoot rehearse memory",
    r"atlas\$ kubectl surefoot checkpoint memory hour-48 --go",
    r"cora\$ kubectl surefoot checkpoint memory decision --go",
    r"forge\$ kubectl surefoot acknowledge memory-10-decision",
    r"cora\$ kubectl surefoot approve memory --role lead",
    r"all six flags of memory-flags say 25%",
    r"as-it-was: score \d\.\d+ of 10, 1 of 6 practices kept at 10% → 25%",
    r"memory: score \d+\.\d+ of 10, 6 of 6 practices kept at 10% → 25%.*, 7 attempts refused",
    r"memory: intact",
    r"The reports are in ",
    r"Nothing is left running",
)
"""What must be told, in this order."""


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


def test_audit_of_the_incident_finds_what_was_found(replay: Demo, folder: Path) -> None:
    """One practice of six was kept, and nothing says who decided."""
    replay.exit_code()
    found = audit(folder, "as-it-was")
    (step,) = found["taken"]
    kept = [each["practice"] for each in step["practices"] if each["compliance"] == "complies"]
    assert kept == ["Expansion rate"]
    assert found["score"]["total"] < 5


def test_audit_of_the_proper_way_has_every_practice(replay: Demo, folder: Path) -> None:
    """And scores it above the incident by the same rules."""
    replay.exit_code()
    found = audit(folder, "memory")
    (step,) = found["taken"]
    assert {each["compliance"] for each in step["practices"]} == {"complies"}
    assert found["score"]["total"] > audit(folder, "as-it-was")["score"]["total"]


def test_every_attempt_is_on_the_record(replay: Demo, folder: Path) -> None:
    """By the API server's own audit log, with who, what, and why not."""
    replay.exit_code()
    refused = audit(folder, "memory")["refusals"]["log"]["refusals"]
    assert [each["object"] for each in refused if each["by"].endswith(":automation")] == [
        "configmaps/memory-flags",
        "configmaps/memory-flags",
        "rollouts/memory/status",
        "checkpoints/memory-10-cache",
        "approvals/memory-25-lead",
        "approvals/memory-25-everybody",
        "rollouts/memory",
    ]
    assert all(each["refusedBy"].startswith("policy ") and each["said"] for each in refused)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        ("approval-document", ("re-validated", "no new findings", "within bounds")),
        ("communications", ("validate at hour 26", "hold at 10%", "second day of a warm cache")),
        ("retrospective", ("as-it-was",)),
        ("timeline", ("Advance 10",)),
    ],
)
def test_reports_say_what_people_said(
    replay: Demo, folder: Path, report: str, words: tuple[str, ...]
) -> None:
    """In their words; nothing was typed twice."""
    replay.exit_code()
    text = (folder / f"{report}.md").read_text()
    assert all(word in text for word in words)
