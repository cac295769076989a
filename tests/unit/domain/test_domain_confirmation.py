"""Whether fresh reads confirm a decision: every fact that it was made on is compared."""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import RehearsalStatus
from surefoot.domain.confirmation import DRIFT, SAME_MOMENT, Judged
from surefoot.domain.facts.clock import SkippedTime
from surefoot.domain.facts.measurements import QueryFacts
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.facts.snapshot import Admission, Claim, Halt, Snapshot, UnreadableFact
from surefoot.domain.facts.upstreams import RolloutName
from tests.support.world import (
    START,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    hours,
    minutes,
    seconds,
    steady,
)

NOW = START + hours(1)


@pytest.fixture(scope="module")
def facts() -> Snapshot:
    """Facts about a Rollout that has begun, with an answer, a report and an approval."""
    world = World(
        a_rollout(
            hold={
                "soak": "1h",
                "approvals": {"roles": [a_role("lead", "cora")], "opens": "Step"},
                "checkpoints": [a_checkpoint("docs", "hudson")],
            },
            metrics=[a_metric()],
            gates=[a_gate()],
        ),
        metrics={"errors": steady(0.0)},
    )
    world.run(minutes(3))
    known = world.snapshot()
    assert known.config_map is not None
    assert known.approvals
    assert known.checkpoints
    assert known.measurements
    return known


def _with(facts: Snapshot, fact: str, value: Any) -> Snapshot:
    changes: dict[str, Any] = {fact: value}
    return replace(facts, **changes)


def _other_version(content: Any) -> Any:
    metadata = content.metadata.model_copy(update={"resource_version": "999"})
    return content.model_copy(update={"metadata": metadata})


def _annotated(content: Any) -> Any:
    """Another annotation, which the API server never stores without another version."""
    annotations = {**content.metadata.annotations, "example.org/nobody-thinks-of": "it"}
    metadata = content.metadata.model_copy(update={"annotations": annotations})
    return content.model_copy(update={"metadata": metadata})


def _other_config_map(facts: Snapshot) -> Any:
    assert facts.config_map is not None
    return replace(facts.config_map, resource_version="999")


def _later_answers(facts: Snapshot) -> Any:
    return {
        question: replace(answer, end=answer.end + answer.step)
        for question, answer in facts.measurements.items()
    }


CHANGED: Mapping[str, Any] = {
    "rollout": lambda facts: _other_version(facts.rollout),
    "config_map": _other_config_map,
    "measurements": _later_answers,
    "unanswered_since": lambda _: {"errors for 0s": START},
    "queries": lambda _: {"errors": QueryFacts(fault="it does not parse")},
    "providers": lambda _: frozenset({"another"}),
    "evaluation_interval": lambda _: seconds(7),
    "status_refresh": lambda _: seconds(7),
    "clock_uncertainty": lambda facts: facts.clock_uncertainty + 2 * DRIFT,
    "clock_disagreement": lambda _: "by an hour",
    "skipped": lambda _: (SkippedTime(START, START + hours(1)),),
    "admission": lambda _: Admission.NOT_ENFORCED,
    "checkpoints": lambda facts: tuple(map(_other_version, facts.checkpoints)),
    "approvals": lambda facts: tuple(map(_other_version, facts.approvals)),
    "watched_requests": lambda _: frozenset({"uid-of-another"}),
    "signatures": lambda _: {"uid": SignatureFact(fault="forged")},
    "signers": lambda _: frozenset({"cora"}),
    "claims": lambda _: (Claim("another", "uid-another", START, started=True),),
    "halt": lambda _: Halt("agents", "incident"),
    "upstreams": lambda _: {RolloutName("agents", "base"): None},
    "shared_namespaces": lambda _: frozenset({"shared"}),
    "rehearsed": lambda _: RehearsalStatus(run=1, outcome="Failed", at=START, took="1s"),
    "unreadable": lambda _: (UnreadableFact("Approval", "odd", "it cannot be read"),),
    "admission_fault": lambda _: "a policy was changed",
    "escalate_after": lambda _: hours(1),
}


def test_every_fact_has_a_case() -> None:
    """A fact that is added to the snapshot is compared, and that is tried here."""
    assert CHANGED.keys() == {field.name for field in fields(Snapshot)}


def judged(facts: Snapshot) -> Judged:
    world = World(facts.rollout)
    plan = replace(world.decide(), next_change=None)
    return Judged(facts, plan, NOW)


def test_same_facts_confirm_it(facts: Snapshot) -> None:
    """Also a moment later, and where the time is known better than before."""
    assert judged(facts).stands(facts, NOW)
    assert judged(facts).stands(replace(facts), NOW + SAME_MOMENT)
    doubtful = replace(facts, clock_uncertainty=seconds(1))
    assert judged(doubtful).stands(facts, NOW)


@pytest.mark.parametrize("fact", CHANGED)
def test_changed_fact_does_not_confirm_it(facts: Snapshot, fact: str) -> None:
    """Whichever it is."""
    assert not judged(facts).stands(_with(facts, fact, CHANGED[fact](facts)), NOW)


@pytest.mark.parametrize("kind", ["rollout", "approvals", "checkpoints"])
def test_annotation_that_nobody_knows_does_not_confirm_it(facts: Snapshot, kind: str) -> None:
    """Whatever is in an object counts, not only what is judged today."""
    known = getattr(facts, kind)
    changed = _annotated(known) if kind == "rollout" else tuple(map(_annotated, known))
    assert not judged(facts).stands(_with(facts, kind, changed), NOW)


def test_decision_does_not_stand_for_ever(facts: Snapshot) -> None:
    """After a second time itself is another fact."""
    assert not judged(facts).stands(facts, NOW + SAME_MOMENT + timedelta(microseconds=1))


def test_decision_does_not_stand_beyond_a_moment_that_changes_something(facts: Snapshot) -> None:
    """Such as the begin of a freeze: it has begun once it may have begun."""
    begins = NOW + seconds(0.5)
    known = replace(facts, clock_uncertainty=seconds(0.2))
    before = Judged(known, replace(judged(known).plan, next_change=begins), NOW)
    assert before.stands(known, NOW + seconds(0.25))
    assert not before.stands(known, NOW + seconds(0.3))
