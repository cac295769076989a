"""Every check of the core, removed once and failed once: what each costs, and what it is worth."""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.simulate.engine import simulate
from surefoot.simulate.run import Run
from surefoot.simulate.scenario import Event, People, Scenario

Spec = dict[str, Any]
_HOUR = timedelta(hours=1)
_HALF = timedelta(minutes=30)
NOT_ASKED = "the plan does not ask for it"


@dataclass(frozen=True, slots=True)
class Fault:
    """How one check is removed and failed. A check that cannot be removed says why."""

    remove: Callable[[Spec], Spec] | str
    words: str
    """How it fails, in words."""
    people: Mapping[str, str] | None = None
    events: Callable[[timedelta, datetime], tuple[dict[str, Any], ...]] = lambda _at, _when: ()
    fails_anyway: bool = False
    """Whether it can fail in a plan that does not ask for it."""
    """What happens, given when the first advance would be, after the beginning and as a moment."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault came to. ``run`` is None where it was not played, and ``words`` say why."""

    check: str
    fault: str
    run: Run | None
    words: str = ""

    @property
    def outcome(self) -> str:
        """How it ended, or why it was not played."""
        return self.words or ("" if self.run is None else self.run.conclusion())

    def as_json(self, usual: Run) -> dict[str, Any]:
        """The same for programs."""
        return {
            "check": self.check,
            "fault": self.fault,
            "cost": self.cost(usual),
            "rollbacks": "" if self.run is None else self.run.rollbacks,
            "outcome": self.outcome,
        }

    def cost(self, usual: Run) -> str:
        """How much later than usual it is complete."""
        if self.run is None:
            return ""
        if self.run.took is None or usual.took is None:
            return "never" if usual.took is not None else "as before"
        later = self.run.took - usual.took
        sign = "-" if later < timedelta(0) else "+"
        return f"{sign}{in_words(abs(later))}" if later else "nothing"


def single_faults(rollout: Rollout, scenario: Scenario) -> tuple[Run, Iterator[Outcome]]:
    """The run without a fault, and then one after the other with each."""
    usual = simulate(rollout, scenario)
    return usual, _outcomes(rollout, scenario, _first_advance(usual))


def _first_advance(run: Run) -> datetime:
    return run.reached[1].at if len(run.reached) > 1 else run.began + _HOUR


def _outcomes(rollout: Rollout, scenario: Scenario, advance: datetime) -> Iterator[Outcome]:
    for check in CHECKS:
        fault = FAULTS[check.type]
        yield _removed(rollout, scenario, check.type, fault)
        yield _failed(rollout, scenario, check.type, fault, advance)
    for name, words in (("prometheus", "is down for 1h"), ("operator", "is down for 1h")):
        at = max(timedelta(0), advance - scenario.begins - _HALF)
        event = Event.model_validate({"at": _text(at), "for": "1h", name: "down"})
        yield Outcome(name.capitalize(), words, _play(rollout, scenario, (event,)))


def _removed(rollout: Rollout, scenario: Scenario, check: ConditionType, fault: Fault) -> Outcome:
    if isinstance(fault.remove, str):
        return Outcome(check.value, "removed", None, fault.remove)
    wire = rollout.to_wire()
    spec = fault.remove(copy.deepcopy(wire["spec"]))
    if spec == wire["spec"]:
        return Outcome(check.value, "removed", None, NOT_ASKED)
    try:
        other = Rollout.model_validate({**wire, "spec": spec})
    except ValidationError:
        return Outcome(check.value, "removed", None, "the rest of the plan needs it")
    return Outcome(check.value, "removed", simulate(other, scenario))


def _failed(
    rollout: Rollout, scenario: Scenario, check: ConditionType, fault: Fault, advance: datetime
) -> Outcome:
    spec = rollout.to_wire()["spec"]
    is_asked_for = (
        isinstance(fault.remove, str)
        or fault.fails_anyway
        or fault.remove(copy.deepcopy(spec)) != spec
    )
    at = max(timedelta(0), advance - scenario.begins - _HALF)
    events = tuple(
        Event.model_validate({"at": _text(at), **event}) for event in fault.events(at, advance)
    )
    if not is_asked_for:
        return Outcome(check.value, fault.words, None, NOT_ASKED)
    if not events and fault.people is None:
        return Outcome(check.value, fault.words, None, "it follows from the plan or from others")
    crew = scenario.people.model_copy(update=dict(fault.people or {}))
    retrying = {"retry": "1h"} if crew.retry == "never" else {}
    crew = People.model_validate({**crew.model_dump(), **retrying})
    return Outcome(check.value, fault.words, _play(rollout, scenario, events, crew))


def _play(
    rollout: Rollout, scenario: Scenario, events: tuple[Event, ...], crew: People | None = None
) -> Run:
    other = scenario.model_copy(
        update={"events": (*scenario.events, *events), "people": crew or scenario.people}
    )
    return simulate(rollout, other)


def _text(length: timedelta) -> str:
    return f"{int(length.total_seconds())}s"


# How each is removed.


def _without(*names: str) -> Callable[[Spec], Spec]:
    """What is there and empty asks for nothing, and is not removed."""
    return lambda spec: {
        name: value for name, value in spec.items() if name not in names or not value
    }


def _without_of_holds(*names: str) -> Callable[[Spec], Spec]:
    def remove(spec: Spec) -> Spec:
        holds = [spec.get("hold"), *(step.get("hold") for step in spec["steps"])]
        for hold in holds:
            for name in names if hold else ():
                hold.pop(name, None)
        return spec

    return remove


def _both(*removals: Callable[[Spec], Spec]) -> Callable[[Spec], Spec]:
    def remove(spec: Spec) -> Spec:
        for each in removals:
            spec = each(spec)
        return spec

    return remove


def _without_limit(spec: Spec) -> Spec:
    limits = spec.get("limits") or {}
    if "maxExpansionFactor" not in limits:
        return spec
    return {**spec, "limits": {**limits, "maxExpansionFactor": 100}}


def _metric(name: str, says: str) -> Callable[[timedelta, datetime], tuple[dict[str, Any], ...]]:
    return lambda _at, _when: ({"for": "1h", "metric": {"name": name, "says": says}},)


def _event(**event: Any) -> Callable[[timedelta, datetime], tuple[dict[str, Any], ...]]:
    return lambda _at, _when: (event,)


def _frozen(_at: timedelta, when: datetime) -> tuple[dict[str, Any], ...]:
    window = {
        "name": "simulated",
        "from": f"{when - _HALF:%Y-%m-%d %H:%M}",
        "to": f"{when + 24 * _HOUR:%Y-%m-%d %H:%M}",
    }
    return ({"at": "0s", "change": {"schedule": {"timeZone": "UTC", "freeze": [window]}}},)


_ALWAYS = "it is always there"

FAULTS: Final[Mapping[ConditionType, Fault]] = {
    ConditionType.PLAN_VALID: Fault(
        _ALWAYS,
        "names a gate that does not exist, for 1h",
        events=_event(**{"for": "1h", "change": {"hold": {"gates": ["no-such-gate"]}}}),
    ),
    ConditionType.TARGET_IN_SYNC: Fault(
        _ALWAYS, "somebody edits the ConfigMap", events=_event(tamper="1")
    ),
    ConditionType.ADMISSION_ENFORCED: Fault(
        _ALWAYS,
        "the policies are gone for 1h",
        events=_event(**{"for": "1h", "policies": "missing"}),
    ),
    ConditionType.CLOCK_TRUSTED: Fault(
        _ALWAYS, "answers disagree for 1h", events=_event(**{"for": "1h", "clock": "disagrees"})
    ),
    ConditionType.NOT_PAUSED: Fault(
        _ALWAYS, "paused for 1h", events=_event(**{"for": "1h", "pause": True})
    ),
    ConditionType.NOT_ROLLED_BACK: Fault(
        _ALWAYS,
        "rolled back by a person, tried again after 1h",
        people={"retry": "1h"},
        events=_event(**{"for": "30m", "rollback": 0}),
    ),
    ConditionType.TRIGGERS_QUIET: Fault(
        _without("triggers"), "breached for 1h", events=_metric("trigger", "breach")
    ),
    ConditionType.WITHIN_EXPANSION_LIMIT: Fault(_without_limit, "broken by the plan"),
    ConditionType.SOAK_COMPLETE: Fault(
        _without_of_holds("soak"), "no data for 1h", events=_metric("*", "none")
    ),
    ConditionType.BASELINE_RECORDED: Fault(
        _without_of_holds("baseline"),
        "no data for the first 3h",
        events=lambda _at, _when: (
            {"at": "0s", "for": "3h", "metric": {"name": "*", "says": "none"}},
        ),
    ),
    ConditionType.DELIVERY_OBSERVED: Fault(_without("delivery"), "not observed"),
    ConditionType.GATES_HEALTHY: Fault(
        _both(_without("gates"), _without_of_holds("gates")),
        "a gate's metric breaches for 1h",
        events=_metric("gate", "breach"),
    ),
    ConditionType.COVERAGE_OBSERVED: Fault(
        _without("coverage"), "another share is in for 1h", events=_metric("coverage", "none")
    ),
    ConditionType.CHECKPOINTS_PASSED: Fault(
        _without_of_holds("checkpoints"), "reports a day late", people={"checkpoints": "1d"}
    ),
    ConditionType.APPROVED: Fault(
        _both(_without("approvals"), _without_of_holds("approvals")),
        "signed a day late",
        people={"approvals": "1d"},
    ),
    ConditionType.REHEARSAL_FRESH: Fault(
        _without("rehearsal"),
        "the first rehearsal fails",
        events=_event(at="0s", rehearsal="fails"),
    ),
    ConditionType.WITHIN_SCHEDULE: Fault(
        _without("schedule"), "a freeze of a day", events=_frozen, fails_anyway=True
    ),
    ConditionType.DEPENDENCIES_MET: Fault(
        _without("dependsOn"),
        "upstreams at 0% for 1h",
        events=_event(**{"for": "1h", "upstream": 0}),
    ),
    ConditionType.SCORECARD_PASSED: Fault(_without("scorecard"), "too few points"),
}
