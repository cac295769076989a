"""A command older than its cluster works, loses nothing, and says what it leaves out."""

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.plugin.reading import known, rollout_from
from tests.unit.plugin.test_plugin_writes import APPROVE, FakeHttp, server, typed
from tests.unit.plugin.things import GO_BY_HUDSON, JSON, raw_approval, raw_checkpoint, raw_rollout

__all__ = ["server"]

SPEC: JSON = {
    "novel": {"depth": "1"},
    "approvals": {
        "rule": "Novel",
        "roles": [{"name": "security", "type": "Novel", "groups": ["security"]}],
    },
    "triggers": [
        {"name": "errors", "metric": "errors", "above": "0.1", "for": "1m", "action": "Novel"},
        {"name": "slow", "metric": "errors", "above": "0.2", "for": "1m", "action": "Rollback"},
    ],
    "rehearsal": {"maxAge": "7d", "mode": "Novel"},
}
STATUS: JSON = {
    "novel": {"depth": "2"},
    "phase": "Novel",
    "conditions": [
        {
            "type": "MoonFull",
            "status": "False",
            "reason": "MoonIsNew",
            "message": "the moon is new",
            "lastTransitionTime": "2026-03-01T09:00:00Z",
        }
    ],
    "triggers": [{"name": "errors", "state": "Novel", "since": "2026-03-01T09:00:00Z"}],
    "blockedBy": [{"condition": "MoonFull", "reason": "MoonIsNew", "message": "the moon is new"}],
}
ROLLED_BACK: JSON = {"rolledBack": True}


def newer(status: JSON | None = None, **spec: Any) -> JSON:
    """A Rollout with fields, values and conditions that this command has never heard of."""
    raw = raw_rollout(STATUS | (status or {}), **(SPEC | spec))
    raw["novel"] = raw["metadata"]["novel"] = "3"
    return raw


@pytest.fixture
def newer_server(server: FakeHttp) -> FakeHttp:
    """It holds such a Rollout, and such requests."""
    server.rollout = newer()
    novel: Any = {"type": "Novel", "requiredSections": ["Novel"], "signing": "Novel", "novel": "1"}
    server.approvals = [raw_approval(state="Novel", **novel)]
    server.checkpoints = [raw_checkpoint(reporter={"users": ["hudson"]}, novel="1")]
    return server


READS = (
    ("get",),
    ("get", "-o", "wide"),
    ("describe", "checkout"),
    ("explain", "checkout"),
    ("inbox",),
    ("audit", "checkout"),
    ("timeline", "checkout"),
    ("communications", "checkout"),
)


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_whatever_is_newer_can_be_looked_at(newer_server: FakeHttp, words: tuple[str, ...]) -> None:
    """An older command shows what it can."""
    code, said = typed(*words)
    assert code == 0, said
    assert "checkout" in said


def test_condition_and_phase_that_are_newer_are_shown_as_they_are(newer_server: FakeHttp) -> None:
    """They say by themselves what they are."""
    _, said = typed("explain", "checkout")
    assert "checkout in shop is Novel" in said
    assert "MoonFull is False (MoonIsNew)\n    the moon is new" in said


WRITES: tuple[tuple[tuple[str, ...], JSON, JSON], ...] = (
    (("pause", "checkout"), {}, {"paused": True}),
    (("rollback", "checkout", "--reason=why"), {}, {"rollback": {"to": 0, "reason": "why"}}),
    (("rollback", "--all", "--reason=why"), {}, {"rollback": {"to": 0, "reason": "why"}}),
    (("retry", "checkout"), ROLLED_BACK, {"attempt": 1}),
    (("rehearse", "checkout"), {}, {"rehearsal": {"run": 1}}),
    (("dry-run", "checkout"), {}, {"approvalDryRun": {"run": 1, "to": None}}),
)


@pytest.mark.parametrize(("words", "status", "change"), WRITES, ids=lambda value: str(value)[:30])
def test_whatever_is_newer_can_be_steered_and_loses_nothing(
    newer_server: FakeHttp, words: tuple[str, ...], status: JSON, change: JSON
) -> None:
    """Nobody is kept from a rollback by a word in another field; only these fields are written."""
    newer_server.rollout = newer(status)
    code, said = typed(*words)
    assert code == 0, said
    assert [written["spec"] for _, written in newer_server.written] == [change]


@pytest.mark.parametrize(
    "words",
    [
        APPROVE,
        ("reject", "checkout", "--role=security", "--reason=no"),
        ("checkpoint", "checkout", "hour-48", "--go", "--summary=fine"),
    ],
    ids=" ".join,
)
def test_whatever_is_newer_can_be_decided(newer_server: FakeHttp, words: tuple[str, ...]) -> None:
    """The API server judges what this command does not know."""
    code, said = typed(*words)
    assert code == 0, said
    ((_, change),) = newer_server.written
    assert change["spec"]["decidedBy"] == {"username": "hudson"}
    assert "request" not in change["spec"]


def test_own_go_is_withdrawn_where_the_rest_is_newer(newer_server: FakeHttp) -> None:
    """What was given can always be taken back."""
    newer_server.approvals = [raw_approval(type="Novel", decided=GO_BY_HUDSON, state="Go")]
    code, said = typed("withdraw", "checkout", "--role=security", "--reason=no")
    assert (code, len(newer_server.written)) == (0, 1), said


def test_what_is_left_out_is_said_with_its_value(newer_server: FakeHttp) -> None:
    """Anyone who decides knows that the command does not see all."""
    _, said = typed("rollback", "checkout", "--reason=why")
    (warning,) = [line for line in said.splitlines() if line.startswith("Warning: Rollout")]
    assert "Field required" not in warning
    assert warning.startswith("Warning: Rollout shop/checkout: this command does not know ")
    for part in (
        'spec.approvals.rule: "Novel"',
        'spec.triggers[0].action: "Novel"',
        "status.phase",
    ):
        assert part in warning


def test_smallest_part_is_left_out() -> None:
    """A field where there can be none of it, else what it is a field of; the rest is kept."""
    raw = newer(gates=[{"name": "errors", "metric": "errors", "below": {"novel": 1}}])
    rollout = rollout_from(raw)
    assert [trigger.name for trigger in rollout.spec.triggers] == ["errors", "slow"]
    assert rollout.spec.gates == ()
    assert rollout.spec.approvals is not None
    assert [role.name for role in rollout.spec.approvals.roles] == ["security"]
    assert raw["spec"]["triggers"] == SPEC["triggers"]


@pytest.mark.parametrize("status", [{"percent": "10%"}, {"rolledBack": "Novel"}])
def test_where_the_flag_stands_is_never_left_out(newer_server: FakeHttp, status: JSON) -> None:
    """To take it for absent would say something else than what is."""
    newer_server.rollout = newer(status)
    code, said = typed("rollback", "checkout", "--reason=why")
    assert (code, newer_server.written) == (1, [])
    assert "Rollout shop/checkout cannot be read" in said


def test_request_for_something_else_is_not_taken_for_a_step(newer_server: FakeHttp) -> None:
    """A GO to it would mean what nobody has read."""
    newer_server.approvals = [raw_approval(purpose="Novel")]
    code, said = typed(*APPROVE)
    assert (code, newer_server.written) == (1, [])
    assert "purpose" in said


def test_known_object_is_read_whole() -> None:
    """Nothing is left out of what the command knows."""
    _, left_out = known(raw_rollout(), rollout_from)
    assert left_out == ()


def test_edit_of_what_the_command_does_not_know_is_not_called_free(
    newer_server: FakeHttp, tmp_path: Path
) -> None:
    """The cluster knows the field, and it may well be a part of the plan."""
    spec = newer()["spec"] | {"novel": {"depth": "9"}}
    spec["triggers"] = [{**SPEC["triggers"][0], "novel": 1}, SPEC["triggers"][1]]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps({**newer(), "spec": spec}))
    code, said = typed("diff", str(file))
    assert code == 0, said
    assert "the plan stays the same as far as this command knows it" in said
    assert (
        "unknown     novel.depth, triggers[errors].novel change: a newer kubectl-surefoot" in said
    )
    assert "nothing is lost" not in said
    assert said.count("Warning") == 2, "of what is there, and of what the file says"
