"""The loop: from one moment at which something may happen to the next.

Nothing is decided here. Between two moments nothing changes that a decision could depend on: no
curve, no person, and no clock of the core, which is asked for them. A length of healthy time is
accounted for from the data when it is over, as after an operator's absence.
"""

import copy
import heapq
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError

from surefoot.api.v1alpha1.approval import Decision
from surefoot.api.v1alpha1.durations import parse_duration, parse_elapsed
from surefoot.api.v1alpha1.rollout import RehearsalMode, Rollout
from surefoot.api.v1alpha1.rollout_status import Phase, RolloutStatus, TransitionType
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.facts.questions import conditions_of, length_of, metric_name
from surefoot.domain.facts.snapshot import Admission, Halt
from surefoot.domain.plan import Plan
from surefoot.lint.linter import read_queries
from surefoot.simulate import people
from surefoot.simulate.cluster import INTERVAL, Cluster
from surefoot.simulate.curves import Bounds, Curve, Piece, bounds_of
from surefoot.simulate.run import DOWN, Reached, Run
from surefoot.simulate.scenario import (
    ALL,
    EACH_STEP,
    FIRST_APPROVAL,
    BadScenario,
    Event,
    MetricChange,
    Scenario,
    delay_of,
)

MOST_LOOKS = 200_000
"""Moments of one simulation; what has more is made to have more."""
_CLOCK_REASONS = {(check.type.value, reason) for check in CHECKS for reason in check.clock_reasons}


def simulate(rollout: Rollout, scenario: Scenario) -> Run:
    """Play a plan. Raises `BadScenario` where the scenario does not fit it."""
    return Simulation(rollout, scenario).play()


class Simulation:
    """A plan, a scenario, and the moment that has come."""

    def __init__(self, rollout: Rollout, scenario: Scenario) -> None:
        self._scenario = scenario
        rollout = _merged(rollout, scenario.plan)
        self._original = rollout.to_wire()["spec"]
        queries = read_queries(rollout)
        self._shares = {name for name, read in queries.items() if read.facts.is_ratio}
        start = scenario.begins
        self._curves: dict[str, Curve] = {}
        self._cluster = Cluster(rollout, self._curves, now=start, author=scenario.author)
        self._run = Run(start, start)
        self._ahead: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._due: set[datetime] = set()
        self._is_down = False
        self._asked: set[str] = set()
        self._expected: set[tuple[int, Any]] = set()
        self._attempts = 0
        self._said: tuple[object, ...] = ()
        self._missing: tuple[str, ...] = ()
        self._for = self._lengths()
        for metric in rollout.spec.metrics:
            self._curves[metric.name] = Curve([Piece(start, self._healthy(metric.name))])
        self._change_from(start)
        for event in scenario.events:
            if event.percent is None and event.at not in {EACH_STEP, FIRST_APPROVAL}:
                self._at(start + parse_duration(event.at) + parse_duration(event.after), event)

    # Time.

    def play(self) -> Run:
        """From the beginning to the end."""
        cluster, end = self._cluster, self._scenario.ends
        idle = 0
        for _ in range(MOST_LOOKS):
            self._do_what_is_due()
            plan = None if self._is_down else self._look()
            if self._run.completed_at is not None and not self._ahead:
                break
            moment, is_known = self._next(plan)
            idle = 0 if is_known else idle + 1
            if moment >= end or (idle > 2 and not self._soaks()):
                self._pass_to(min(moment, end) if moment >= end else cluster.now)
                break
            self._pass_to(moment)
        self._finish()
        return self._run

    def _pass_to(self, moment: datetime) -> None:
        length = moment - self._cluster.now
        status = self._cluster.status
        phase = DOWN if self._is_down else (status.phase or Phase.PENDING).value
        if status.completed_at is None:
            self._run.spent[phase] = self._run.spent.get(phase, timedelta(0)) + length
            self._missing = tuple(dict.fromkeys(entry.condition for entry in status.blocked_by))
            for condition in self._missing:
                waited = self._run.waited.get(condition, timedelta(0))
                self._run.waited[condition] = waited + length
        self._run.at_risk += (status.percent or 0) * (length / timedelta(hours=1))
        self._cluster.now = moment

    def _next(self, plan: Plan | None) -> tuple[datetime, bool]:
        """The next moment at which something may happen, and whether anything is known to."""
        now = self._cluster.now
        self._due = {moment for moment in self._due if moment > now}
        known = [self._ahead[0][0]] if self._ahead else []
        if plan is not None:
            known += self._due
            soon = now + INTERVAL
            if any(now < each <= soon for each in known):
                known.append(now + plan.requeue_after)
            else:
                known += self._clocks(plan)
        moment = min((each for each in known if each > now), default=None)
        furthest = now + self._cluster.reach
        if moment is None or moment > furthest:
            return furthest, moment is not None
        return moment, True

    def _clocks(self, plan: Plan) -> Iterator[datetime]:
        """The moments that the core itself waits for."""
        cluster = self._cluster
        if cluster.status.completed_at is not None:
            return
        if cluster.status.earliest_advance is not None:
            yield cluster.status.earliest_advance
        if plan.status.earliest_advance is not None:
            yield plan.status.earliest_advance
        if plan.next_change is not None:
            yield plan.next_change

    def _soaks(self) -> bool:
        """Whether healthy time is counted, so that time alone brings it on."""
        soak, status = self._cluster.status.soak, self._cluster.status
        if soak is None or not soak.running or status.completed_at is not None:
            return False
        return parse_elapsed(soak.healthy) < parse_elapsed(soak.required)

    def _change_from(self, moment: datetime) -> None:
        """Something that metrics are judged by changes: look at each window when it is full."""
        start = self._run.began
        for length in self._for:
            full = moment + length
            first = start + -(-(full - start) // INTERVAL) * INTERVAL
            self._due.update((first, first + INTERVAL, first + 2 * INTERVAL))

    def _lengths(self) -> tuple[timedelta, ...]:
        spec = self._cluster.spec
        lengths = {timedelta(0)}
        queries = read_queries(self._cluster.rollout)
        for trigger in spec.triggers:
            own = length_of(trigger.for_)
            read = queries.get(metric_name(trigger))
            looks_back = read.facts.longest_range if read is not None else timedelta(0)
            lengths |= {own, length_of(trigger.settle) + looks_back}
            lengths.add(length_of(trigger.settle) + looks_back + own)
        for gate in spec.gates:
            lengths |= {length_of(part.for_) for part in conditions_of(gate)}
        return tuple(sorted(lengths))

    # What the operator does.

    def _look(self) -> Plan:
        cluster = self._cluster
        before = cluster.status
        plan = cluster.settle()
        # People who answer at once are seen at once.
        for _ in range(50):
            self._tell(before, cluster.status)
            before = cluster.status
            if not self._people_act():
                break
            plan = cluster.settle()
        self._run.decisions = cluster.decisions
        return plan

    def _tell(self, before: RolloutStatus, after: RolloutStatus) -> None:
        """Put on the timeline what the status says now and did not say before."""
        known = {item.transition_id for item in before.history}
        for item in after.history:
            if item.transition_id not in known:
                self._tell_of(item.type, item.from_, item.to, item.message)
        for trigger in after.triggers:
            was = next((t.state for t in before.triggers if t.name == trigger.name), None)
            if trigger.state == "Firing" and was != "Firing":
                self._note("trigger", f"trigger {trigger.name} fires: {trigger.message}")
        missing = tuple(
            (entry.condition, entry.reason)
            for entry in after.blocked_by
            if (entry.condition, entry.reason) not in _CLOCK_REASONS
        )
        if (after.phase, missing) != self._said and after.completed_at is None:
            self._said = (after.phase, missing)
            phase = after.phase.value if after.phase else "Pending"
            self._note("waits", f"{phase}: {after.waiting_on}" if after.waiting_on else phase)

    def _tell_of(self, kind: TransitionType, from_: int | None, to: int, message: str) -> None:
        moves = {TransitionType.START, TransitionType.ADVANCE, TransitionType.ROLLBACK}
        if kind in moves:
            self._run.percent = to
            self._run.reached.append(Reached(to, self._cluster.now, self._missing))
            self._note("flag", f"{kind.value} {from_ or 0}% → {to}%: {message}")
            if kind is TransitionType.ROLLBACK:
                self._run.rollbacks += 1
                self._run.completed_at = None
            self._arrive(to, back=kind is TransitionType.ROLLBACK)
        elif kind is TransitionType.COMPLETE:
            self._run.completed_at = self._cluster.now
            self._note("flag", f"Complete: {message}")
        else:
            self._note("flag", f"{kind.value}: {message}")

    def _arrive(self, percent: int, *, back: bool) -> None:
        """The flag stands somewhere else: what waits for that happens, and what shows it."""
        now = self._cluster.now
        coverage = self._cluster.spec.coverage
        if coverage is not None and coverage.metric in self._curves:
            self._curves[coverage.metric].go_on(Piece(now, percent / 100))
        self._change_from(now)
        for number, event in enumerate(self._scenario.events):
            is_here = event.percent == percent or (event.at == EACH_STEP and 0 < percent < 100)
            key = (number, percent)
            if is_here and not back and key not in self._expected:
                self._expected.add(key)
                self._at(now + parse_duration(event.after), event)

    # What people do.

    def _people_act(self) -> bool:
        """Whether somebody did something at this moment."""
        cluster, now = self._cluster, self._cluster.now
        acted = False
        for name, request in tuple(cluster.requests.items()):
            if not people.is_open(request) or name in self._asked:
                continue
            moment = people.answer_at(self._scenario.people, request)
            if people.is_signature(request):
                acted |= self._is_refused(name)
                if cluster.requests[name].spec.decision is not None:
                    continue
            self._asked.add(name)
            if moment is not None and moment <= now:
                acted |= self._answer(name)
            elif moment is not None:
                self._push(moment, partial(self._answer, name))
        self._rehearse()
        self._retry()
        return acted

    def _is_refused(self, name: str) -> bool:
        """Whether an event says NO-GO to this request, now; later ones are planned."""
        refused = False
        for number, event in enumerate(self._scenario.events):
            if event.at == FIRST_APPROVAL and (number, None) not in self._expected:
                if event.no_go not in {None, ALL, people.about(self._cluster.requests[name])}:
                    continue
                self._expected.add((number, None))
                moment = self._cluster.now + parse_duration(event.after)
                if moment <= self._cluster.now and event.no_go is not None:
                    refused |= self._answer(name, Decision.NO_GO)
                else:
                    self._at(moment, event)
        return refused

    def _answer(self, name: str, decision: Decision = Decision.GO) -> bool:
        cluster = self._cluster
        request = cluster.requests[name]
        if not people.is_open(request):
            return False
        found = people.answer(request, cluster.requests, cluster.now, decision)
        if found is None:
            self._note("person", f"nobody may answer {people.about(request)}")
            return False
        cluster.decide_request(name, found.changes)
        self._note("person", f"{found.by} says {found.decision} for {found.about}")
        return True

    def _rehearse(self) -> None:
        cluster = self._cluster
        plan = cluster.spec.rehearsal
        missing = {entry.condition for entry in cluster.status.blocked_by}
        delay = delay_of(self._scenario.people.rehearsals)
        if plan is None or plan.mode is RehearsalMode.AUTOMATIC or delay is None:
            return
        if "RehearsalFresh" not in missing:
            return
        run = (cluster.status.rehearsal.run if cluster.status.rehearsal else 0) + 1
        key = (run, "rehearsal")
        if key not in self._expected:
            self._expected.add(key)
            self._push(cluster.now + delay, lambda: self._ask_for_rehearsal(run))

    def _ask_for_rehearsal(self, run: int) -> None:
        self._edit({"rehearsal": {"run": run}}, "somebody asks for a rehearsal", plans=False)

    def _retry(self) -> None:
        cluster = self._cluster
        crew = self._scenario.people
        delay = delay_of(crew.retry)
        attempt = cluster.status.attempt or 0
        key = (attempt, "retry")
        is_back = cluster.status.rolled_back and cluster.status.pending is None
        if delay is None or not is_back or self._attempts >= crew.retries or key in self._expected:
            return
        self._expected.add(key)
        self._attempts += 1
        words = "somebody asks for another attempt"
        self._push(
            cluster.now + delay,
            lambda: self._edit({"attempt": attempt + 1}, words, plans=False),
        )

    # What happens.

    def _at(self, moment: datetime, event: Event) -> None:
        self._push(moment, lambda: self._happen(event))
        if event.for_ is not None:
            self._push(moment + parse_duration(event.for_), lambda: self._end(event))

    def _push(self, moment: datetime, what: Callable[[], object]) -> None:
        moment = max(moment, self._cluster.now)
        heapq.heappush(self._ahead, (moment, next(self._order), lambda: (what(), None)[1]))

    def _do_what_is_due(self) -> None:
        while self._ahead and self._ahead[0][0] <= self._cluster.now:
            heapq.heappop(self._ahead)[2]()

    def _happen(self, event: Event) -> None:
        cluster = self._cluster
        match event.what:
            case "metric", MetricChange() as change:
                self._change_metric(event, change)
            case "prometheus", _:
                self._note("event", "Prometheus is down")
                cluster.provider_is_down = True
                self._lose_samples(event)
            case "operator", _:
                self._note("event", "the operator is down")
                self._is_down = True
            case "no_go", str(role):
                self._say_no(role)
            case "pause", _:
                self._edit({"paused": True}, "somebody pauses it", plans=False)
            case "rollback", int(percent):
                ceiling = {"to": percent, "reason": "asked for in a simulation"}
                words = f"somebody asks for a rollback to {percent}%"
                self._edit({"rollback": ceiling}, words, plans=False)
            case "change", dict(change):
                self._edit(change, "the author applies another plan", plans=True)
            case name, value:
                self._change_surroundings(name, value)
        self._change_from(cluster.now)

    def _change_surroundings(self, name: str, value: Any) -> None:
        cluster = self._cluster
        match name:
            case "halt":
                self._note("event", "somebody halts the namespace")
                cluster.halt = Halt(cluster.rollout.metadata.namespace, "halted in a simulation")
            case "tamper":
                self._note("event", f"somebody writes {value!r} into the ConfigMap")
                cluster.tamper(value)
            case "policies":
                self._note("event", "the admission policies are gone")
                cluster.admission = Admission.NOT_ENFORCED
            case "rehearsal":
                self._note("event", "the next rehearsal will fail")
                cluster.rehearsals_to_fail += 1
            case "clock":
                self._note("event", "the API server's answers disagree about the time")
                cluster.clock_disagreement = "answers disagree in a simulation"
            case "upstream":
                self._note("event", f"what it depends on stands at {value}%")
                cluster.move_upstreams(value)

    def _end(self, event: Event) -> None:
        """What an event did is undone."""
        cluster = self._cluster
        match event.what:
            case "metric", MetricChange() as change:
                self._change_metric(event, MetricChange(name=change.name, says="healthy"))
            case "prometheus", _:
                self._note("event", "Prometheus is up again")
                cluster.provider_is_down = False
                for name in self._curves:
                    self._curves[name].go_on(Piece(cluster.now, self._healthy(name)))
            case "operator", _:
                self._note("event", "the operator is up again")
                self._is_down = False
                cluster.miss()
            case "pause", _:
                self._edit({"paused": None}, "somebody resumes it", plans=False)
            case "rollback", _:
                self._edit({"rollback": None}, "the ceiling is taken away", plans=False)
            case "change", dict(change):
                nothing = dict.fromkeys(change)
                before = {name: self._original.get(name) for name in change}
                self._edit(nothing, "the plan is as it was", before, plans=True)
            case name, _:
                self._restore_surroundings(name)
        self._change_from(cluster.now)

    def _restore_surroundings(self, name: str) -> None:
        cluster = self._cluster
        match name:
            case "halt":
                self._note("event", "the halt is over")
                cluster.halt = None
            case "policies":
                self._note("event", "the admission policies are there again")
                cluster.admission = Admission.ENFORCED
            case "clock":
                self._note("event", "the API server's answers agree again")
                cluster.clock_disagreement = ""
            case "upstream":
                self._note("event", "what it depends on is complete")
                cluster.move_upstreams(100)

    def _say_no(self, role: str) -> None:
        for name, request in self._cluster.requests.items():
            fits = role in {ALL, people.about(request)}
            if fits and people.is_signature(request) and people.is_open(request):
                self._answer(name, Decision.NO_GO)
                return
        self._note("event", f"nobody is asked to sign{'' if role == ALL else f' for {role}'} now")

    def _lose_samples(self, event: Event) -> None:
        """A provider that is down takes no samples: the time is missing afterwards as well."""
        if event.for_ is not None:
            for curve in self._curves.values():
                curve.go_on(Piece(self._cluster.now, None))

    def _change_metric(self, event: Event, change: MetricChange) -> None:
        names, uses_triggers = self._metrics(change.name)
        if not names:
            self._note("event", f"the plan has no metric {change.name}: nothing changes")
            return
        now = self._cluster.now
        ends = now + parse_duration(event.for_) if event.for_ else self._scenario.ends
        for name in names:
            piece = self._piece(name, change, now, uses_triggers)
            self._curves[name].go_on(piece)
            for moment in piece.changes(ends, INTERVAL):
                self._change_from(moment)
        said = change.says if isinstance(change.says, str) else f"{change.says:g}"
        self._note("event", f"{', '.join(names)}: {_SAYS.get(said, said)}")

    def _piece(self, name: str, change: MetricChange, now: datetime, uses_triggers: bool) -> Piece:
        healthy = self._healthy(name)
        over = parse_duration(change.over)
        before = self._curves[name].value(now) if over else None
        if isinstance(change.says, float):
            return Piece(now, change.says, before, over)
        match change.says:
            case "none":
                return Piece(now, None)
            case "flapping":
                return Piece(now, healthy, period=parse_duration(change.every))
            case "breach":
                return Piece(now, self._bounds(name, uses_triggers).breach(healthy), before, over)
            case _:
                return Piece(now, healthy, before, over)

    def _metrics(self, name: str) -> tuple[tuple[str, ...], bool]:
        """The metrics that are meant, and whether they are meant as those of triggers."""
        spec = self._cluster.spec
        if name == ALL:
            return tuple(self._curves), True
        if name == "trigger":
            users = [metric_name(each) for each in spec.triggers]
            return tuple(each for each in users[:1] if each in self._curves), True
        if name == "coverage":
            return ((spec.coverage.metric,) if spec.coverage is not None else ()), True
        if name == "gate":
            users = [metric_name(part) for gate in spec.gates for part in conditions_of(gate)]
            return tuple(each for each in users[:1] if each in self._curves), False
        if name not in self._curves:
            known = ", ".join(self._curves) or "none"
            raise BadScenario(f"the plan has no metric {name}; there are: {known}")
        return (name,), True

    def _bounds(self, name: str, triggers: bool = True) -> Bounds:
        return bounds_of(self._cluster.spec, name, triggers)

    def _healthy(self, name: str) -> float:
        coverage = self._cluster.spec.coverage
        if coverage is not None and coverage.metric == name:
            return (self._cluster.status.percent or 0) / 100
        return self._bounds(name).healthy(name in self._shares)

    def _edit(
        self,
        changes: dict[str, Any],
        words: str,
        afterwards: dict[str, Any] | None = None,
        *,
        plans: bool,
    ) -> None:
        cluster = self._cluster
        author = self._scenario.author
        spec = merge(merge(cluster.spec.to_wire(), changes), afterwards or {})
        try:
            cluster.change(spec, author if plans else "somebody", plans=plans)
        except ValidationError as error:
            raise BadScenario(_of_validation("the plan, changed so,", error)) from error
        for metric in cluster.spec.metrics:
            known = Curve([Piece(self._run.began, self._healthy(metric.name))])
            self._curves.setdefault(metric.name, known)
        if plans:
            self._for = self._lengths()
        self._note("event", words)

    # The end.

    def _note(self, kind: str, text: str) -> None:
        self._run.note(self._cluster.now, kind, text, self._cluster.status.percent)

    def _finish(self) -> None:
        run, status = self._run, self._cluster.status
        run.ended = run.completed_at or self._cluster.now
        run.percent = status.percent or 0
        run.decisions = self._cluster.decisions
        run.waits_for = "" if status.completed_at is not None else status.waiting_on


_SAYS = {
    "breach": "beyond the bound",
    "healthy": "healthy again",
    "none": "no data",
    "flapping": "data come and go",
}


def _merged(rollout: Rollout, plan: dict[str, Any]) -> Rollout:
    if not plan:
        return rollout
    try:
        wire = rollout.to_wire()
        return Rollout.model_validate({**wire, "spec": merge(wire["spec"], plan)})
    except ValidationError as error:
        raise BadScenario(_of_validation("the plan, as the scenario has it,", error)) from error


def _of_validation(what: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{what} is not valid: {where}: {first['msg'].removeprefix('Value error, ')}"


def merge(into: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge as JSON merge patches do: null removes, mappings are merged, all else replaces."""
    merged = copy.copy(into)
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged
