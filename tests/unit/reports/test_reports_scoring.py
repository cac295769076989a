"""The score: computed from the record by stated rules, within its bounds, never up by hiding."""

from dataclasses import replace

import pytest

from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Transition, TransitionType
from surefoot.reports.dossier import Dossier
from surefoot.reports.facts import facts_of
from surefoot.reports.scoring import Category, Score, score_of
from surefoot.reports.standards import Standards, Weights
from tests.support.world import World, a_rollout, hours, minutes
from tests.unit.reports.conducted import (
    advance,
    dossier,
    the_incident,
    the_proper_path,
    with_evidence,
)


def score(found: Dossier, standards: Standards | None = None) -> Score:
    """The score of a dossier."""
    return score_of(facts_of(found, standards or Standards()))


def category(found: Score, name: str) -> Category:
    """One category."""
    return next(each for each in found.categories if each.name == name)


def with_entry(found: Dossier, kind: TransitionType, **more: object) -> Dossier:
    """The same, with one more entry at the end."""
    last = found.history[-1]
    entry = Transition.model_validate(
        {
            "transitionId": "more",
            "type": kind,
            "from": last.to,
            "to": last.to,
            "at": last.at + minutes(5),
            "reason": "Test",
            "prevHash": last.hash,
            "hash": "sha256:more",
        }
        | more
    )
    return replace(found, history=(*found.history, entry))


def test_the_incident_scores_low_and_the_proper_path_full() -> None:
    """What the incident has is the rate, that it stayed up, and that nobody went past."""
    low, full = score(the_incident()), score(the_proper_path())
    assert (low.total, full.total) == (1.33, 10.0)
    assert [each.score for each in low.categories] == [6.0, 0.0, 0.0, None, 0.0, 0.0]


@pytest.mark.parametrize("found", [the_incident(), the_proper_path()])
def test_the_rows_add_up_to_the_total(found: Dossier) -> None:
    """As those of a table must."""
    made = score(found)
    assert made.total is not None
    rows = sum(each.contribution or 0 for each in made.categories)
    assert abs(rows - made.total) < 0.01
    for each in made.categories:
        points, out_of = sum(c.points for c in each.criteria), sum(c.out_of for c in each.criteria)
        assert each.score is None or abs(each.score - 10 * points / out_of) < 0.01


def test_a_category_that_nothing_was_asked_of_is_left_out_and_the_rest_is_the_whole() -> None:
    """It says so, and never counts as 0 or as 10."""
    made = score(the_incident())
    workload = category(made, "Workload distribution")
    assert (workload.score, workload.contribution, made.weights_used) == (None, None, 90)
    assert workload.left_out_because.startswith("unknown")
    (note,) = made.notes
    assert note.startswith("Workload distribution is left out: unknown: the plan asks for nothing")
    assert note.endswith("the other weights, 90 in all, are taken for the whole")


def test_weights_decide_what_counts() -> None:
    """All on one category makes its score the total."""
    only = Weights(execution=100, coordination=0, decision=0, workload=0, monitoring=0, risk=0)
    assert score(the_incident(), Standards(weights=only)).total == 6.0
    nothing = Weights(execution=0, coordination=0, decision=0, workload=100, monitoring=0, risk=0)
    assert score(the_incident(), Standards(weights=nothing)).total is None


def test_cohorts_and_coverage_are_scored_where_the_plan_has_them() -> None:
    """Each only where it is asked for."""
    found = the_proper_path()
    cohort = {"name": "pay", "match": {"attribute": "workload", "in": ["pay"]}, "from": 50}
    wire = found.rollout.spec.to_wire() | {
        "cohorts": [cohort],
        "coverage": {"metric": "errors"},
    }
    rollout = found.rollout.model_copy(update={"spec": RolloutSpec.model_validate(wire)})
    planned = replace(found, rollout=rollout)
    assert category(score(planned), "Workload distribution").score == 5.0
    conditions = (*advance(found).evidence.conditions[:-1], "CoverageObserved=WithinTolerance")
    observed = with_evidence(planned, conditions=conditions)
    assert category(score(observed), "Workload distribution").score == 10.0


def test_before_any_expansion_there_is_no_score() -> None:
    """Neither good nor bad."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle()
    made = score(dossier(world))
    assert (made.total, made.categories) == (None, ())
    assert "no expansion" in made.notes[0]


def test_a_rollback_and_a_change_past_the_operator_cost_points() -> None:
    """Two each, of the execution's ten."""
    undone = with_entry(the_proper_path(), TransitionType.ROLLBACK, to=10)
    assert category(score(undone), "Deployment execution quality").score == 8.0
    touched = with_entry(the_proper_path(), TransitionType.DRIFT_CORRECTED)
    assert category(score(touched), "Deployment execution quality").score == 8.0


def test_a_record_that_is_not_whole_shows_less() -> None:
    """That nobody went past the operator is then not known."""
    found = the_proper_path()
    cut = replace(found, history=found.history[1:])
    (untouched,) = [
        each
        for each in category(score(cut), "Deployment execution quality").criteria
        if each.rule.startswith("nobody")
    ]
    assert (untouched.points, untouched.found) == (0.0, "unknown: the record is not whole")


def test_late_and_open_checkpoints_are_not_in_time() -> None:
    """One of two is half of three points."""
    found = the_proper_path()
    late, fine = found.checkpoints
    status = late.status.model_copy(update={"late": True})
    changed = replace(found, checkpoints=(late.model_copy(update={"status": status}), fine))
    coordination = category(score(changed), "Task coordination")
    assert coordination.score == 8.5
    assert [each.found for each in coordination.criteria][2] == "1 of 2 checkpoints"


def test_the_score_is_of_all_expansions_on_the_record() -> None:
    """One kept to the rate, one did not."""
    world = World(a_rollout(steps=[{"percent": 10}, {"percent": 25}, {"percent": 100}]))
    world.run_until(100, hours(1))
    (rate,) = [
        each
        for each in category(score(dossier(world)), "Deployment execution quality").criteria
        if "rate" in each.rule
    ]
    assert (rate.points, rate.found) == (1.0, "1 of 2 expansions")
