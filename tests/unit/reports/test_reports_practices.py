"""The six practices: the incident kept one of them, the proper path keeps all."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.rollout_status import RehearsalStatus
from surefoot.domain.facts.snapshot import Admission
from surefoot.reports.dossier import Dossier
from surefoot.reports.expansions import ahead, taken
from surefoot.reports.practices import Compliance, Practice, practices_of
from surefoot.reports.standards import Standards
from tests.support.world import START, World, a_rollout, hours, steps_of
from tests.unit.reports.conducted import (
    AT_10,
    ROLES,
    a_conflict,
    advance,
    dossier,
    properly,
    rehearsed,
    the_incident,
    the_proper_path,
    with_evidence,
    with_status,
)

STANDARDS = Standards()
COMPLIES, FAILS, UNKNOWN = Compliance.COMPLIES, Compliance.FAILS, Compliance.UNKNOWN


def judged(found: Dossier, practice: Practice, standards: Standards = STANDARDS) -> Compliance:
    """Whether the step to 25% kept to a practice."""
    (expansion,) = taken(found)
    return practices_of(expansion, standards).of(practice).compliance


def test_the_incident_kept_to_the_expansion_rate_alone() -> None:
    """1 of 6, 17%, as its audit found."""
    (expansion,) = taken(the_incident())
    found = practices_of(expansion, STANDARDS)
    assert (found.expansion, found.complied, found.out_of, found.percent) == ("10% → 25%", 1, 6, 17)
    assert [each.practice for each in found.practices if each.compliance is COMPLIES] == [
        Practice.RATE
    ]
    assert UNKNOWN not in {each.compliance for each in found.practices}
    assert "1h42m at 10%, which no trigger watched, 93% below" in found.of(Practice.SOAK).found
    assert found.of(Practice.RATE).found == "2.5 times (10% → 25%)"


def test_expansions_that_are_alike_are_told_apart_by_their_attempt() -> None:
    """The same step of two attempts is two expansions, in whatever list they are."""
    found = the_proper_path()
    again = advance(found).model_copy(update={"attempt": 1})
    (only,), two = taken(found), taken(replace(found, history=(*found.history, again)))
    assert only.name == "10% → 25%"
    assert [each.name for each in two] == ["10% → 25%, attempt 0", "10% → 25%, attempt 1"]


def test_the_proper_path_keeps_to_all() -> None:
    """6 of 6, with who signed."""
    (expansion,) = taken(the_proper_path())
    found = practices_of(expansion, STANDARDS)
    assert (found.complied, found.percent) == (6, 100)
    assert found.of(Practice.APPROVAL).standard == "5 verified GOs, as in the plan"
    assert "security by hudson" in found.of(Practice.APPROVAL).found
    assert found.of(Practice.CHECKPOINT).found == "GO: hour-48, night-shift"


@pytest.mark.parametrize(
    ("given", "practice"),
    [
        ({"soak": "48h31m"}, Practice.SOAK),
        ({"baseline": "7h"}, Practice.BASELINE),
        ({"expansion_factor": 2}, Practice.RATE),
        ({"approvals": 6}, Practice.APPROVAL),
        ({"rehearsal_max_age": "8h"}, Practice.REHEARSAL),
    ],
)
def test_stricter_standards_are_what_it_is_compared_with(
    given: dict[str, Any], practice: Practice
) -> None:
    """Whatever the plan asked for."""
    assert judged(the_proper_path(), practice) is COMPLIES
    assert judged(the_proper_path(), practice, Standards(**given)) is FAILS


@pytest.mark.parametrize(
    ("given", "practice"),
    [
        ({"soak": "48h30m"}, Practice.SOAK),
        ({"baseline": "6h"}, Practice.BASELINE),
        ({"expansion_factor": "2.5"}, Practice.RATE),
        ({"rehearsal_max_age": "8h30m"}, Practice.REHEARSAL),
    ],
)
def test_exactly_the_standard_is_enough(given: dict[str, Any], practice: Practice) -> None:
    """Bounds are inclusive."""
    assert judged(the_proper_path(), practice, Standards(**given)) is COMPLIES


@pytest.mark.parametrize(
    ("left_out", "practice", "without", "shortened"),
    [
        ({"decisions": ()}, Practice.APPROVAL, FAILS, UNKNOWN),
        ({"decisions": (), "conditions": ()}, Practice.CHECKPOINT, UNKNOWN, UNKNOWN),
        (
            {"decisions": (), "conditions": ("PlanValid=Valid",)},
            Practice.CHECKPOINT,
            FAILS,
            UNKNOWN,
        ),
        ({"baselines": ()}, Practice.BASELINE, FAILS, UNKNOWN),
        ({"soak": None}, Practice.SOAK, UNKNOWN, UNKNOWN),
    ],
)
def test_what_was_shortened_away_is_unknown_and_not_missing(
    left_out: dict[str, Any], practice: Practice, without: Compliance, shortened: Compliance
) -> None:
    """An entry that is whole shows that something was not there."""
    found = with_evidence(the_proper_path(), **left_out)
    assert judged(found, practice) is without
    found = with_evidence(the_proper_path(), **left_out, shortened=True)
    assert judged(found, practice) is shortened


def test_without_an_account_a_short_stay_still_shows_that_the_soak_was_too_short() -> None:
    """Healthy time is never longer than the time there was."""
    assert judged(with_evidence(the_incident(), soak=None), Practice.SOAK) is FAILS
    nowhere = with_evidence(the_incident(), soak=None, since=None)
    assert judged(nowhere, Practice.SOAK) is FAILS  # the entry before says when it began
    cut = replace(nowhere, history=(advance(nowhere),))
    assert judged(cut, Practice.SOAK) is UNKNOWN


def test_a_signature_that_nobody_verified_does_not_show_who_gave_it() -> None:
    """Enough of them is unknown; one too few is a failure all the same."""
    world = World(a_rollout(steps=steps_of(10, 25, 50, 100), **_signed()))
    world.settle()
    for role, user in ROLES.items():
        world.sign(f"memory-sync-25-{role}", user)
    world.settle()
    found = dossier(world)
    assert judged(found, Practice.APPROVAL) is UNKNOWN
    assert judged(found, Practice.APPROVAL, Standards(approvals=6)) is FAILS


def _signed() -> dict[str, Any]:
    roles = [{"name": role, "users": [user]} for role, user in ROLES.items()]
    return {"approvals": {"separationOfDuties": "Off", "roles": roles}}


def test_how_many_must_sign_is_the_plans_quorum() -> None:
    """And all roles where it has none."""
    (expansion,) = taken(the_proper_path())
    assert expansion.approvals_asked == 5
    other = with_status(the_proper_path(), plan_hash="sha256:another")
    (expansion,) = taken(other)
    assert expansion.approvals_asked is None
    found = practices_of(expansion, STANDARDS).of(Practice.APPROVAL)
    assert (found.standard, found.compliance) == ("1 verified GO", COMPLIES)
    assert "how many the plan of then asked for is unknown" in found.found
    (expansion,) = taken(with_status(the_incident(), plan_hash="sha256:another"))
    assert (expansion.approvals_asked, expansion.checkpoints_asked) == (0, 0)


@pytest.mark.parametrize(
    ("at", "outcome", "compliance"),
    [
        (hours(40), "Passed", COMPLIES),
        (hours(40), "Failed", FAILS),
        (hours(60), "Passed", UNKNOWN),
        (-timedelta(days=6), "Passed", FAILS),
    ],
)
def test_a_rehearsal_counts_if_it_passed_before_the_step_and_not_long_before(
    at: timedelta, outcome: str, compliance: Compliance
) -> None:
    """Of one that came later nobody knows whether it was the first."""
    run = RehearsalStatus(run=1, at=START + at, took="4s", outcome=outcome)
    assert judged(with_status(the_proper_path(), rehearsal=run), Practice.REHEARSAL) is compliance


def test_a_rehearsal_that_the_step_was_taken_on_is_on_its_evidence() -> None:
    """As fresh as the plan asked; of a plan that asks for less, it is unknown."""
    found = with_status(the_proper_path(), rehearsal=None)
    assert judged(found, Practice.REHEARSAL) is FAILS
    conditions = (*advance(found).evidence.conditions, "RehearsalFresh=Passed")
    found = with_evidence(found, conditions=conditions)
    assert judged(found, Practice.REHEARSAL) is UNKNOWN
    rollout = found.rollout
    for max_age, compliance in (("7d", COMPLIES), ("8d", UNKNOWN)):
        spec = rollout.spec.model_validate(
            rollout.spec.to_wire() | {"rehearsal": {"maxAge": max_age}}
        )
        asked = replace(found, rollout=rollout.model_copy(update={"spec": spec}))
        assert judged(asked, Practice.REHEARSAL) is compliance


def test_the_step_ahead_is_judged_as_of_now() -> None:
    """Before the last signature: five of six, and the soak goes on while it runs."""
    world = properly(taken=False)
    found = rehearsed(dossier(world))
    assert taken(found) == ()
    expansion = ahead(found)
    assert expansion is not None
    judged_now = practices_of(expansion, STANDARDS)
    missing = [each.practice for each in judged_now.practices if each.compliance is not COMPLIES]
    assert (judged_now.taken, missing) == (False, [Practice.APPROVAL])
    later = ahead(replace(found, now=found.now + hours(1)))
    assert later is not None
    assert expansion.healthy is not None
    assert later.healthy == expansion.healthy + hours(1)


def test_a_checkpoint_that_is_go_is_not_all_of_them() -> None:
    """The step ahead needs every one."""
    world = World(
        a_rollout(
            steps=steps_of(10, 25, 100, first={"checkpoints": _two_reports()}),
        ),
        admission=Admission.ENFORCED,
    )
    world.settle()
    world.sign(f"{AT_10}-one", "atlas")
    world.settle()
    expansion = ahead(dossier(world))
    assert expansion is not None
    found = practices_of(expansion, STANDARDS).of(Practice.CHECKPOINT)
    assert (found.compliance, found.found) == (FAILS, "not all are GO; GO: one")


def test_a_meeting_on_a_conflict_is_no_report_on_the_step() -> None:
    """The plan asked for none."""
    assert judged(a_conflict(), Practice.CHECKPOINT) is FAILS


def _two_reports() -> list[dict[str, Any]]:
    return [{"name": name, "reporter": {"users": ["atlas"]}} for name in ("one", "two")]


def test_a_start_and_a_rollback_are_no_expansions() -> None:
    """Nor is a completion: nobody was there, or nobody is added."""
    world = World(a_rollout(steps=steps_of(0, 10, 100)))
    world.run_until(100, hours(1))
    world.settle()
    assert [each.name for each in taken(dossier(world))] == ["10% → 100%"]
    assert ahead(dossier(world)) is None
