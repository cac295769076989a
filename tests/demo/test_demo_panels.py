"""The dashboards in the demos: each panel is answered by the Prometheus there, or is named here."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from surefoot.demo import performance
from surefoot.demo.incident import performance as incident
from surefoot.demo.interruption import Interruption
from surefoot.demo.production import CHECKOUT, Production
from surefoot.demo.stage import Stage, stage
from surefoot.testbed.progress import Silent
from tests.monitoring.test_monitoring_dashboards import FLAG, OPERATOR, panels

pytestmark = [pytest.mark.apiserver, pytest.mark.long]

YESTERDAY = "the demo has no yesterday to compare the cost with"


@pytest.fixture
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """A stage for a production, before the story is played."""
    played: Production = request.param
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with stage(Silent(), Interruption(), played) as set_up:
        yield set_up


def unanswered(
    place: Stage, dashboard: Mapping[str, Any], rollout: str, namespace: str
) -> list[str]:
    """The queries that had no answer at any time of the story, each by its panel."""
    chosen = {
        "$namespace": namespace,
        "$rollout": rollout,
        "$app": rollout,
        "$__rate_interval": "1m",
        "$__range": "5m",
    }
    found = []
    for panel in panels(dashboard):
        for target in panel["targets"]:
            expr = target["expr"]
            for name, value in chosen.items():
                expr = expr.replace(name, value)
            if not place.bed.prometheus.query(f"max_over_time(({expr})[5m:1s])"):
                found.append(f"{panel['title']}, {target['refId']}")
    return found


@pytest.mark.parametrize("place", [CHECKOUT], indirect=True)
def test_panels_are_answered_in_the_demo(place: Stage) -> None:
    """All of the operator's."""
    assert performance.Performance(Interruption()).play(place)
    assert unanswered(place, OPERATOR, "checkout", "shop") == []


@pytest.mark.parametrize("place", [incident.INCIDENT], indirect=True)
def test_panels_are_answered_in_the_replay_of_the_incident(place: Stage, tmp_path: Path) -> None:
    """All of the operator's and all of the flag's, but for what needs a day before."""
    assert incident.play(place, Interruption(), tmp_path / "reports")
    assert unanswered(place, OPERATOR, "memory", "agents") == []
    assert unanswered(place, FLAG, "memory", "agents") == ["Cost, B"], YESTERDAY
