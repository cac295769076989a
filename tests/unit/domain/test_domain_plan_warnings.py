"""What can hardly be meant is said, with the value seen; and nothing is refused for it."""

from typing import Any

import pytest

from surefoot.adapters.prometheus.queries import read
from surefoot.domain.facts.measurements import UNKNOWN_QUERY, Measurement, Outcome, Sample
from surefoot.domain.plan_warnings import MOST_WARNINGS, PlanWarning, plan_warnings
from tests.support.world import START, a_gate, a_metric, a_rollout, a_trigger, seconds

ERRORS = "(sum(rate(errors_total[5m])) or vector(0)) / (sum(rate(requests_total[5m])) > 0)"


def warned(
    query: str = ERRORS, value: float | None = None, *, known: bool = True, **spec: Any
) -> list[PlanWarning]:
    """The warnings on a plan with one metric, `errors`."""
    rollout = a_rollout(**{"metrics": [a_metric(query=query)]} | spec)
    samples = () if value is None else (Sample(START, value),)
    outcome = Outcome.NO_DATA if value is None else Outcome.VALUE
    answer = Measurement(START, START, seconds(30), samples, outcome, "", START)
    facts = read(query).facts if known else UNKNOWN_QUERY
    return list(plan_warnings(rollout.spec, {"errors": facts}, {"errors": answer}))


def test_bound_that_a_share_never_reaches_is_said_with_the_value_seen() -> None:
    """`above: 5` on an error rate was meant as 5%."""
    assert warned(value=0.002, triggers=[a_trigger(above=5)]) == [
        PlanWarning(
            "BoundCannotBeMeant",
            "trigger errors never fires: above 5, but the query of errors is a share, which lies "
            'between 0 and 1; it is 0.002 now; "5%" would be a percentage',
            "spec.triggers[errors].above",
        )
    ]


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ({"triggers": [a_trigger(above=1)]}, "spec.triggers[errors].above"),
        ({"triggers": [a_trigger(above="-1%")]}, "spec.triggers[errors].above"),
        ({"triggers": [a_trigger(below=2)]}, "spec.triggers[errors].below"),
        ({"triggers": [a_trigger(below=0)]}, "spec.triggers[errors].below"),
        ({"gates": [a_gate(atMost=5)]}, "spec.gates[errors].atMost"),
        ({"gates": [a_gate(atMost="120%")]}, "spec.gates[errors].atMost"),
        ({"gates": [{"name": "errors", "atLeast": 95}]}, "spec.gates[errors].atLeast"),
        ({"gates": [{"name": "errors", "atLeast": 0}]}, "spec.gates[errors].atLeast"),
        (
            {"gates": [{"name": "g", "passing": 1, "of": [a_gate(atMost=5)]}]},
            "spec.gates[g].of[errors].atMost",
        ),
    ],
)
def test_every_bound_that_is_always_or_never_kept_is_said(user: dict[str, Any], path: str) -> None:
    """With the place in the plan."""
    assert [(w.reason, w.path) for w in warned(**user)] == [("BoundCannotBeMeant", path)]


@pytest.mark.parametrize(
    ("query", "value", "trigger"),
    [
        (ERRORS, 0.2, a_trigger(above="5%")),
        (ERRORS, None, a_trigger(below="99%")),
        (ERRORS, 3.5, a_trigger(above=5)),
        (ERRORS, None, a_trigger(above=5, relativeTo="Baseline")),
        ("max(queue_length)", 3.0, a_trigger(above=5)),
        (
            "(sum(rate(latency_seconds_sum[5m])) or vector(0)) / sum(rate(latency_count[5m]))",
            None,
            a_trigger(above=5),
        ),
    ],
)
def test_bound_that_can_be_meant_is_not_warned_of(
    query: str, value: float | None, trigger: dict[str, Any]
) -> None:
    """A value above 1 was seen, it is no share, or it is a factor of a baseline."""
    assert warned(query, value, triggers=[trigger]) == []


def test_gate_looser_than_the_trigger_beside_it_is_said() -> None:
    """It holds where the trigger fires already."""
    trigger = a_trigger("t", metric="errors", above="5%")
    assert warned(value=0.01, gates=[a_gate(atMost="10%")], triggers=[trigger]) == [
        PlanWarning(
            "GateLooserThanTrigger",
            "gate errors holds atMost 10%, where trigger t fires above 5% already; it is 1% now",
            "spec.gates[errors].atMost",
        )
    ]
    assert warned(value=0.01, gates=[a_gate(atMost="5%")], triggers=[trigger]) == []


def test_gate_below_what_a_trigger_asks_for_is_said() -> None:
    """The other side, and factors of a baseline among themselves."""
    for relative in ({}, {"relativeTo": "Baseline"}):
        gate = {"name": "errors", "atLeast": "50%"} | relative
        [warning] = warned(gates=[gate], triggers=[a_trigger(below="60%", **relative)])
        assert (warning.reason, warning.path) == (
            "GateLooserThanTrigger",
            "spec.gates[errors].atLeast",
        )
    absolute, factor = a_gate(atMost="90%"), a_trigger(above="50%", relativeTo="Baseline")
    assert warned(gates=[absolute], triggers=[factor]) == []


@pytest.mark.parametrize(
    ("gate", "trigger", "said"),
    [
        (
            {"atLeast": "60%"},
            {"above": "50%"},
            "holds atLeast 60%, where trigger t fires above 50%",
        ),
        ({"atMost": "40%"}, {"below": "50%"}, "holds atMost 40%, where trigger t fires below 50%"),
    ],
)
def test_gate_that_holds_only_where_a_trigger_fires_is_said(
    gate: dict[str, Any], trigger: dict[str, Any], said: str
) -> None:
    """The wrong side was taken for one of them, and no step would ever be left."""
    beside = [a_trigger("t", metric="errors", **{"above": None, **trigger})]
    [warning] = warned(gates=[{"name": "errors", **gate}], triggers=beside)
    assert warning.reason == "GateLooserThanTrigger"
    assert said in warning.message
    within = dict.fromkeys(gate, "50%")
    assert warned(gates=[{"name": "errors", **within}], triggers=beside) == []


@pytest.mark.parametrize(
    ("query", "is_warned"),
    [
        ("sum(rate(errors_total[5m]))", True),
        ("sum(rate(errors_total[5m])) / (sum(rate(requests_total[5m])) > 0)", True),
        ("100 * sum(increase(errors_total[1h]))", True),
        (ERRORS, False),
        ("sum(rate(errors_total[5m])) or vector(0)", False),
        ("sum(cost_per_request)", False),
        ("histogram_quantile(0.99, sum by (le) (rate(latency_bucket[5m])))", False),
    ],
)
def test_count_without_a_default_is_said(query: str, is_warned: bool) -> None:
    """What never happened has no series, and a gate on it waits forever."""
    reasons = [warning.reason for warning in warned(query, gates=[a_gate()])]
    assert reasons == (["SeriesMayNotExist"] if is_warned else [])
    assert warned(query) == []


@pytest.mark.parametrize(
    "plan",
    [
        {"gates": [a_gate(atLeast=2, atMost=None)]},
        {"triggers": [a_trigger(below=2)]},
        {"gates": [a_gate(atMost="150%", relativeTo="Baseline")]},
        {"triggers": [a_trigger(above="200%", relativeTo="PreviousStep")]},
    ],
)
def test_count_that_should_be_there_needs_no_default(plan: dict[str, Any]) -> None:
    """A zero would be no good news: it is below the bound, or nothing can be compared with it."""
    assert warned("sum(rate(orders_total[5m]))", **plan) == []


def test_query_that_is_not_parsed_yet_is_not_warned_of() -> None:
    """Nothing is known of it."""
    assert warned("sum(rate(x[5m]))", known=False, triggers=[a_trigger(above=5)]) == []


def test_warnings_are_few() -> None:
    """As many as the status takes."""
    triggers = [a_trigger(f"t{n}", metric="errors", above=5) for n in range(30)]
    assert len(warned(triggers=triggers)) == MOST_WARNINGS


@pytest.mark.parametrize(
    ("user", "path"),
    [
        ({"triggers": [a_trigger(above="-120%", relativeTo="Baseline")]}, "triggers[errors].above"),
        ({"triggers": [a_trigger(below=-1, relativeTo="PreviousStep")]}, "triggers[errors].below"),
        ({"gates": [a_gate(atMost="-200%", relativeTo="Baseline")]}, "gates[errors].atMost"),
        (
            {"gates": [{"name": "errors", "atLeast": "-0.5", "relativeTo": "PreviousStep"}]},
            "gates[errors].atLeast",
        ),
    ],
)
def test_factor_of_a_baseline_that_is_negative_is_said(user: dict[str, Any], path: str) -> None:
    """A baseline is above 0, so that nobody means a multiple of it below 0."""
    assert [(w.reason, w.path) for w in warned(**user)] == [("BoundCannotBeMeant", f"spec.{path}")]
    assert "is a factor of a baseline" in warned(**user)[0].message


@pytest.mark.parametrize("factor", ["0%", "120%", 2])
def test_factor_that_is_not_negative_is_none(factor: Any) -> None:
    """Nothing is wrong with it."""
    assert warned(gates=[a_gate(atMost=factor, relativeTo="Baseline")]) == []
