"""Random plans and random sequences of what people, metrics and misfortune do to a rollout."""

import copy
import math
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from surefoot.api.v1alpha1.approval import Purpose
from surefoot.api.v1alpha1.rollout import TriggerAction
from surefoot.api.v1alpha1.rollout_status import Phase, RolloutStatus, TriggerState
from surefoot.domain import decide as decisions
from surefoot.domain.calm import stays_calm
from surefoot.domain.due import acted_on
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.facts.snapshot import Admission, Snapshot
from surefoot.domain.facts.upstreams import RolloutName, Upstream
from surefoot.domain.plan import Calm, Plan
from tests.support.dry_runs import change_nothing
from tests.support.invariants import Judge, demand
from tests.support.world import (
    START,
    ConflictError,
    CrashError,
    Metric,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    steady,
    steps_of,
)

PEOPLE = ("ann", "bob", "cyn", "dan")
PLANNER = "pat"
Op = tuple[Any, ...]


@dataclass
class Recording:
    """A metric whose past does not change: what was said from when on."""

    moments: list[datetime] = field(
        default_factory=lambda: [datetime.min.replace(tzinfo=START.tzinfo)]
    )
    values: list[float | None] = field(default_factory=lambda: [0.0])

    def say(self, moment: datetime, value: float | None) -> None:
        """From this moment on."""
        self.moments.append(moment + timedelta(microseconds=1))
        self.values.append(value)

    def __call__(self, at: datetime) -> float | None:
        """The value at a moment."""
        return self.values[bisect_right(self.moments, at) - 1]


SCHEDULES: dict[str, dict[str, Any]] = {
    "dated": {"freeze": [{"name": "deploy", "from": "2025-10-23 22:01", "to": "2025-10-23 22:06"}]},
    "weekly": {
        "timeZone": "Europe/Berlin",
        "freeze": [{"name": "night", "from": "Fri 00:01", "to": "Fri 00:06"}],
    },
}
"""Both are in force from the first to the sixth minute: the world begins at midnight in Berlin."""

UPSTREAM = RolloutName("agents", "schema-v2")


def standing_at(percent: int, *, rolled_back: bool = False) -> Upstream:
    """The other Rollout at a percentage."""
    return Upstream("uid-schema-v2", "1", percent, percent == 100, rolled_back, False, ())


@dataclass(frozen=True)
class Shape:
    """A plan to be played."""

    percents: tuple[int, ...] = (10, 50, 100)
    soak: str = "0s"
    on_breach: str = "Reset"
    action: str = "Rollback"
    for_: str = "0s"
    watches: bool = True
    gated: bool = False
    reports: bool = False
    roles: int = 1
    quorum: int | None = None
    opens: str = "Step"
    max_age: str = "7d"
    enforced: bool = False
    rehearses: bool = False
    freeze: str | None = None
    depends: bool = False
    relative: bool = False

    def spec(self, variant: int = 0) -> dict[str, Any]:
        """The plan, or a change of it: another approver, trigger, soak; or one that is invalid."""
        people = [*PEOPLE, PLANNER] if variant != 1 else [PLANNER, *PEOPLE]
        roles = [a_role(f"role-{n}", *people) for n in range(self.roles)]
        hold: dict[str, Any] = {"soak": self.soak, "onBreach": self.on_breach}
        if variant == 3:
            hold["soak"] = "3m"
        if self.relative:
            hold["baseline"] = "1m"
        if self.reports:
            hold["checkpoints"] = [a_checkpoint("report", *PEOPLE, "rex")]
        spec: dict[str, Any] = {"steps": steps_of(*self.percents), "hold": hold}
        if roles:
            policy: dict[str, Any] = {"opens": self.opens, "maxAge": self.max_age, "roles": roles}
            if self.quorum:
                policy |= {"rule": "Quorum", "quorum": min(self.quorum, self.roles)}
            spec["approvals"] = policy
        if self.watches:
            bound = "0.5" if variant != 2 else "0.6"
            spec["metrics"] = [a_metric()]
            spec["triggers"] = [a_trigger(above=bound, action=self.action, **{"for": self.for_})]
            if self.gated:
                spec["gates"] = [a_gate()]
        if self.relative:
            cost = {"relativeTo": "Baseline", "for": self.for_}
            dear = a_trigger("cost", above="300%", action=self.action, **cost)
            parts = {"metrics": a_metric("cost"), "triggers": dear}
            parts["gates"] = a_gate("cost", atMost="200%", **cost)
            spec |= {name: [*spec.get(name, []), part] for name, part in parts.items()}
        if variant == 4:
            spec["gates"] = [a_gate("nothing")]
        return spec | self._beside_the_hold()

    def _beside_the_hold(self) -> dict[str, Any]:
        spec: dict[str, Any] = {}
        if self.rehearses:
            spec["rehearsal"] = {"maxAge": "4m", "mode": "Automatic"}
        if self.freeze:
            spec["schedule"] = SCHEDULES[self.freeze]
        if self.depends:
            spec["dependsOn"] = [{"rollout": UPSTREAM.name, "atLeast": 50}]
        return spec


shapes = st.builds(
    Shape,
    percents=st.sampled_from([(10, 50, 100), (0, 10, 100), (100,), (5, 10, 20, 100)]),
    soak=st.sampled_from(["0s", "1m", "2m30s"]),
    on_breach=st.sampled_from(["Reset", "Pause"]),
    action=st.sampled_from(["Rollback", "Hold", "Degrade"]),
    for_=st.sampled_from(["0s", "1m"]),
    watches=st.booleans(),
    gated=st.booleans(),
    reports=st.booleans(),
    roles=st.sampled_from([0, 1, 2, 3]),
    quorum=st.sampled_from([None, None, 1, 2]),
    opens=st.sampled_from(["Step", "AfterHold"]),
    max_age=st.sampled_from(["7d", "4m"]),
    enforced=st.booleans(),
    rehearses=st.booleans(),
    freeze=st.sampled_from([None, None, "dated", "weekly"]),
    depends=st.booleans(),
    relative=st.booleans(),
)

_people = st.sampled_from([*PEOPLE, "rex", PLANNER, "eve"])
_decision = st.sampled_from(["GO", "GO", "GO", "GO", "NO-GO"])
_KNOWN = [Admission.ENFORCED, Admission.NOT_ENFORCED, Admission.UNKNOWN]
ops = st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 6)),
    st.tuples(st.just("tick"), st.integers(1, 6)),
    st.tuples(st.just("sign"), st.integers(0, 7), _people, _decision),
    st.tuples(st.just("sign"), st.integers(0, 7), _people, _decision),
    st.just(("all sign",)),
    st.tuples(st.just("conflict"), st.booleans()),
    st.tuples(st.just("skip"), st.integers(0, 300)),
    st.tuples(st.just("metric"), st.sampled_from([0.0, 0.0, 0.3, 0.9, 0.55, None, math.nan])),
    st.tuples(st.just("provider"), st.booleans()),
    st.tuples(st.just("pause"), st.booleans()),
    st.tuples(st.just("halt"), st.booleans()),
    st.tuples(st.just("ceiling"), st.sampled_from([None, None, 0, 10, 30, 100])),
    st.just(("attempt",)),
    st.tuples(st.just("rehearsals"), st.sampled_from(["Passed", "Failed"])),
    st.tuples(st.just("dry run"), st.sampled_from([None, None, 10, 50, 100])),
    st.tuples(st.just("upstream"), st.sampled_from([None, 10, 60, 100, 100]), st.booleans()),
    st.tuples(st.just("admission"), st.sampled_from(_KNOWN)),
    st.tuples(st.just("plan"), st.integers(0, 4)),
    st.tuples(st.just("tamper"), st.sampled_from(["0", "50", "99", "x", None])),
    st.tuples(st.just("crash"), st.sampled_from(["before", "after"]), st.integers(1, 5)),
    st.tuples(st.just("stale"), st.integers(1, 8)),
    st.just(("look",)),
)
sequences = st.lists(ops, max_size=30)


@dataclass(frozen=True)
class _Calm:
    """What a decision to do nothing asks of the answers, and what it was made on."""

    calm: Calm
    facts: Snapshot
    status: RolloutStatus

    def stays(self, facts: Snapshot, now: datetime) -> bool:
        """Whether only answers have come since, and they need no look."""
        nothing: dict[str, Any] = {"measurements": {}, "unanswered_since": {}}
        is_woken = replace(facts, **nothing) != replace(self.facts, **nothing)
        return not is_woken and stays_calm(self.calm, facts, now)


class Tale:
    """A rollout to which things happen, watched by a judge after every plan."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.metric = Recording()
        metrics: dict[str, Metric] = {"errors": self.metric, "cost": steady(1.0)}
        self.world = World(a_rollout(**shape.spec()), metrics=metrics)
        self.world.annotate(requested_by=PLANNER)
        if shape.enforced:
            self.world.enforce(Admission.ENFORCED)
        self.judge = Judge(frozenset({PLANNER}))
        self.memory: list[Snapshot] = []
        self.calm: _Calm | None = None
        self.calm_looks = 0
        self.look()

    def fork(self) -> "Tale":
        """The same tale so far, to be told on in another way."""
        other = copy.copy(self)
        other.metric = Recording(self.metric.moments.copy(), self.metric.values.copy())
        other.world = self.world.fork()
        other.world.metrics["errors"] = other.metric
        other.judge = self.judge.fork()
        return other

    # The operator.

    def look(self, limit: int = 40) -> None:
        """Reconcile until there is nothing more to do; the operator may die, and comes back."""
        for _ in range(limit):
            if not self._look_once():
                self._is_down_where_it_must()
                return
        summaries = [plan.summary for plan in self.world.plans[-4:]]
        raise AssertionError(f"L4: does not settle: {summaries}")

    def _is_down_where_it_must(self) -> None:
        """L2: once the operator has looked, nothing that calls for a rollback is left undone."""
        status, spec = self.world.status, self.world.rollout.spec
        if not status.percent:
            return
        is_above = spec.rollback is not None and status.percent > spec.rollback.to
        demand(not is_above, "L2", f"it stays at {status.percent}%, above its ceiling")
        down = {each.name for each in spec.triggers if each.action is TriggerAction.ROLLBACK}
        firing = [each.name for each in status.triggers if each.state is TriggerState.FIRING]
        demand(not down & set(firing), "L2", f"it stays at {status.percent}% while {firing} fire")

    def _look_once(self, snapshot: Snapshot | None = None) -> bool:
        world = self.world
        facts = snapshot or world.snapshot()
        self.memory = [*self.memory[-7:], facts]
        plan = decisions.decide(facts, world.now)
        assert plan == decisions.decide(facts, world.now), "decide is not deterministic"
        change_nothing(facts, plan, world.now)
        self._needs_a_look(facts, plan)
        world.plans.append(plan)
        try:
            world.perform(plan, facts.rollout, facts)
        except ConflictError:
            pass
        except CrashError:
            world.crash_before = world.crash_after = None
            world.watched_requests.clear()
        self.judge.watch(world.log)
        return bool(plan.actions)

    def _needs_a_look(self, facts: Snapshot, plan: Plan) -> None:
        """Where an operator would not have looked, there was nothing to be seen."""
        before, now = self.calm, self.world.now
        if before is not None and before.stays(facts, now):
            self.calm_looks += 1
            demand(not plan.actions, "calm", f"{plan.summary}, and nobody would have looked")
            seen, was = acted_on(plan.status), acted_on(before.status)
            changed = [key for key in seen.keys() | was.keys() if seen.get(key) != was.get(key)]
            demand(not changed, "calm", f"{changed} changed, and nobody would have looked")
        if before is None or plan.calm is None or not before.stays(facts, now):
            self.calm = None if plan.calm is None else _Calm(plan.calm, facts, plan.status)

    # What happens.

    def play(self, op: Op) -> None:
        """One thing happens; the operator may or may not look before the next."""
        name, *details = op
        getattr(self, f"_{name.replace(' ', '_')}")(*details)
        self.judge.watch(self.world.log)

    def _tick(self, times: int) -> None:
        for _ in range(times):
            self.world.now += self.world.interval
            self.look()

    def _skip(self, passed: int) -> None:
        self.world.skip(timedelta(seconds=passed))

    def _sign(self, which: int, by: str, decision: str) -> None:
        """Somebody decides one of the requests that are not final."""
        open_requests = self._undecided()
        if not open_requests:
            return
        name = open_requests[which % len(open_requests)]
        self._see(name)
        if name in self._undecided():
            self.world.sign(name, by, decision=decision, reason=f"{by} at {self.world.now}")

    def _metric(self, value: float | None) -> None:
        self.metric.say(self.world.now, value)

    def _provider(self, is_down: bool) -> None:
        self.world.failing = {"errors": (Outcome.UNREACHABLE, "down")} if is_down else {}

    def _pause(self, is_on: bool) -> None:
        self.world.edit(paused=is_on or None)

    def _halt(self, is_on: bool) -> None:
        if is_on:
            self.world.stop()
        elif self.world.halt is not None:
            self.world.unstop()

    def _upstream(self, percent: int | None, rolled_back: bool) -> None:
        """The other Rollout moves, or goes away."""
        if self.shape.depends:
            gone = percent is None
            found = None if gone else standing_at(percent or 0, rolled_back=rolled_back)
            self.world.stand(UPSTREAM, found)

    def _admission(self, admission: Admission) -> None:
        """The policies go or come back; what was decided before, the operator has seen before."""
        if self.shape.enforced:
            self.look()
            self.world.enforce(admission)

    def _rehearsals(self, come_to: str) -> None:
        self.world.rehearsals_come_to = come_to

    def _ceiling(self, to: int | None) -> None:
        self.world.edit(rollback=None if to is None else {"to": to, "reason": "told"})

    def _attempt(self) -> None:
        self.world.edit(attempt=(self.world.rollout.spec.attempt or 0) + 1)

    def _dry_run(self, to: int | None) -> None:
        """Somebody asks for another dry run of the approval."""
        known = self.world.rollout.spec.approval_dry_run
        run = {"run": 1 if known is None else known.run + 1}
        self.world.edit(approvalDryRun=run if to is None else run | {"to": to})

    def _plan(self, variant: int) -> None:
        """The author applies another plan."""
        spec = self.shape.spec(variant)
        parts = ("steps", "hold", "approvals", "metrics", "triggers", "gates")
        self.world.edit(**{part: spec.get(part) for part in parts})

    def _tamper(self, text: str | None) -> None:
        """Somebody changes or deletes the ConfigMap."""
        if self.world.config_map is None:
            return
        if text is None:
            self.world.config_map = None
            self.judge.data = {}
            return
        self.world.tamper(**{"memory-sync": text})

    def _crash(self, side: str, which: int) -> None:
        at = self.world.transition_writes + which
        self.world.crash_before = at if side == "before" else None
        self.world.crash_after = at if side == "after" else None

    def _look(self) -> None:
        self._look_once()

    def _stale(self, back: int) -> None:
        """A leader that slept: what it decides on old facts must lose, or do no harm."""
        old = self.memory[-min(back, len(self.memory))]
        now = self.world.snapshot()
        same = (old.approvals, old.checkpoints, old.halt, old.upstreams) == (
            now.approvals,
            now.checkpoints,
            now.halt,
            now.upstreams,
        )
        plan = decisions.decide(old, self.world.now)
        if same or not plan.moves_the_flag:  # moves are decided on fresh reads
            self._look_once(old)

    def _all_sign(self) -> None:
        """All that is pending gets its GO, each by somebody else; dry runs may stay as they are."""
        for name in self._undecided():
            self._see(name)
        states = self.world.states()
        pending = [
            name
            for name in sorted(states)
            if states[name] == "Pending" and not self._is_dry_run(name)
        ]
        taken = {
            request.spec.decided_by.username
            for name, request in self.world.approvals.items()
            if states[name] == "Go"
            and request.spec.decided_by
            and request.spec.request.purpose is Purpose.ADVANCE
        }
        free = [person for person in PEOPLE if person not in taken]
        for name in pending:
            if name in self.world.checkpoints:
                self.world.sign(name, self._reporter(name))
                continue
            asked = self.world.approvals[name].spec.request
            excluded = asked.excluded_users
            if asked.purpose is Purpose.ACKNOWLEDGE:
                party = [user for user in asked.users if user not in excluded]
                if party:
                    self.world.sign(name, party[0])
                continue
            able = [person for person in free if person not in excluded]
            if able:
                self.world.sign(name, able[-1])
                free.remove(able[-1])

    def _conflict(self, is_acknowledged: bool) -> None:
        """One role says NO-GO, the others GO; a meeting says GO, and perhaps all agree."""
        world = self.world
        pending = [
            name
            for name in self._undecided()
            if world.states()[name] == "Pending"
            and name in world.approvals
            and world.approvals[name].spec.request.purpose is Purpose.ADVANCE
        ]
        for name, by, decision in zip(pending, PEOPLE, ["NO-GO", "GO", "GO", "GO"], strict=False):
            world.sign(name, by, decision=decision, reason=f"{by} at {world.now}")
        world.now += timedelta(seconds=1)
        self.look()
        world.now += timedelta(seconds=1)
        meetings = [name for name in self._undecided() if "-conflict" in name]
        for name in meetings if pending else ():
            if world.states().get(name) == "Pending" and name in world.checkpoints:
                world.sign(name, self._reporter(name))
        self.look()
        world.now += timedelta(seconds=1)
        if is_acknowledged:
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Anyone who may confirms what is to be acknowledged."""
        for name in self._undecided():
            request = self.world.approvals.get(name)
            if request is None or request.spec.request.purpose is not Purpose.ACKNOWLEDGE:
                continue
            asked = request.spec.request
            party = [user for user in asked.users if user not in asked.excluded_users]
            if party and request.spec.decision is None:
                self.world.sign(name, party[0])
        self.look()

    def _reporter(self, name: str) -> str:
        """Somebody who may report: rex, or a chair of a meeting."""
        asked = self.world.checkpoints[name].spec.request
        able = [user for user in asked.reporter.users if user not in asked.excluded_users]
        return "rex" if "rex" in able else able[0]

    def _see(self, name: str) -> None:
        """What somebody else overwrites before the operator saw it, it cannot know."""
        request = (self.world.approvals | self.world.checkpoints)[name]
        known = request.status.decisions
        if request.spec.decision and (
            not known or known[-1].generation != request.metadata.generation
        ):
            self.look()
            self.look()

    def _is_dry_run(self, name: str) -> bool:
        request = self.world.approvals.get(name)
        return request is not None and request.spec.request.purpose is Purpose.DRY_RUN

    def _undecided(self) -> list[str]:
        states = self.world.states()
        return [
            name for name, state in sorted(states.items()) if state in {"Pending", "Go", "NoGo"}
        ]

    # And then everything is well.

    def end_well(self, limit: int = 400) -> None:
        """Faults over: all that people and metrics can do for it is done, and it completes."""
        world = self.world
        world.crash_before = world.crash_after = None
        world.failing = {}
        self.metric.say(world.now, 0.0)
        self._halt(False)
        self._admission(Admission.ENFORCED)
        self._rehearsals("Passed")
        self._upstream(100, False)
        self._plan(0)
        world.edit(paused=None, rollback=None)
        self.look()
        for _ in range(limit):
            if world.status.phase is Phase.COMPLETED and world.percent == 100:
                return
            if world.status.rolled_back:
                self.play(("attempt",))
            world.now += world.interval
            self.look()
            self._take_back_no_gos()
            self._all_sign()
            world.now += timedelta(seconds=1)
            self.look()
        raise AssertionError(f"L4: ends at {world.percent}%: {world.status.waiting_on}")

    def _take_back_no_gos(self) -> None:
        for name, words in self.judge.words.items():
            request = (self.world.approvals | self.world.checkpoints)[name]
            if request.status.state.value == "Used":
                continue
            for signer, (_, decision) in list(words.items()):
                if decision.value == "NO-GO" and request.status.state.value != "Used":
                    request = (self.world.approvals | self.world.checkpoints)[name]
                    self.world.sign(name, signer, reason=f"mended at {self.world.now}")
                    self.judge.watch(self.world.log)
                    self.look()


def a_tale(shape: Shape, story: list[Op]) -> Tale:
    """Play a story to its end, and then let everything be well."""
    tale = Tale(shape)
    for op in story:
        tale.play(op)
    tale.end_well()
    return tale
