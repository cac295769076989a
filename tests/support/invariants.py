"""The safety invariants of the write protocol, judged from recorded writes alone.

The order is that in which the API server accepted the writes. Nothing the operator thinks is
trusted: not its conditions, not its account of the soak, not its view of who may sign.

S1 to S13 are those of the write protocol. Three more are about what a plan may ask for besides:

- S14 No Start, advance or completion is decided or applied within a freeze, nor across one.
- S15 None is decided or applied while a Rollout that the plan depends on is not where it must be.
- S16 None is decided by comparing with a baseline that was not recorded in this attempt.
"""

import copy
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from surefoot.api.v1alpha1.approval import Approval, ApprovalRequest, Decision, Purpose
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.meta import TRANSITION_ID_ANNOTATION
from surefoot.api.v1alpha1.rollout import (
    ApprovalRule,
    ApprovalsPolicy,
    Freeze,
    Gate,
    Rollout,
    RolloutSpec,
    Trigger,
)
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, PendingTransition, Transition
from surefoot.domain.facts.snapshot import Admission, ConfigMap
from surefoot.domain.facts.upstreams import RolloutName, Upstream
from surefoot.domain.record.transitions import entry_hash
from tests.support.world import Write

Request = Approval | Checkpoint


class InvariantError(AssertionError):
    """A safety invariant does not hold. The message begins with its number."""


def demand(holds: bool, number: str, why: str) -> None:
    """Raise `InvariantError` unless it holds."""
    if not holds:
        raise InvariantError(f"{number}: {why}")


@dataclass(frozen=True)
class Intent:
    """A status write that recorded a transition, and everything as it was then."""

    at: datetime
    pending: PendingTransition
    rollout: Rollout
    before: Rollout
    requests: dict[str, Request]
    halted: bool
    admission: Admission
    percent: int | None
    committed_at: datetime | None


@dataclass
class Judge:
    """Watches the writes go by. ``planners`` may not sign."""

    planners: frozenset[str] = frozenset()
    rollout: Rollout | None = None
    requests: dict[str, Request] = field(default_factory=dict)
    words: dict[str, dict[str, tuple[datetime, Decision]]] = field(default_factory=dict)
    forged: set[tuple[str, int]] = field(default_factory=set)
    """Requests, by name and generation, that were decided as GO while nobody saw to who it was."""
    halted: bool = False
    admission: Admission = Admission.UNENFORCED
    data: dict[str, str] = field(default_factory=dict)
    percent: int | None = None
    """What the operator itself wrote last."""
    intents: dict[str, list[Intent]] = field(default_factory=dict)
    committed_at: datetime | None = None
    taken: set[tuple[str, int | None, int]] = field(default_factory=set)
    ended: set[int] = field(default_factory=set)
    """Attempts in which a rollback was recorded."""
    upstreams: dict[RolloutName, Upstream | None] = field(default_factory=dict)
    baselines: set[tuple[int, int, str, float]] = field(default_factory=set)
    """What was recorded: attempt, percentage, metric, median."""
    seen: int = 0

    def fork(self) -> "Judge":
        """A judge that has seen the same so far."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | set):
                setattr(other, name, value.copy())
        other.words = {name: words.copy() for name, words in self.words.items()}
        other.intents = {name: intents.copy() for name, intents in self.intents.items()}
        return other

    def watch(self, log: list[Write]) -> None:
        """Judge what was written since the last time."""
        for write in log[self.seen :]:
            self._take(write)
        self.seen = len(log)

    def _take(self, write: Write) -> None:
        match write.what:
            case Rollout() as rollout:
                self._rollout(write, rollout)
            case Approval() | Checkpoint() as request:
                self._request(write, request)
            case ConfigMap() as config_map:
                self._config_map(write, config_map)
            case Admission() as admission:
                self.admission = admission
            case (RolloutName() as name, upstream):
                self.upstreams[name] = upstream
            case _:
                self.halted = write.what is not None

    # The Rollout's status.

    def _rollout(self, write: Write, rollout: Rollout) -> None:
        before, self.rollout = self.rollout, rollout
        if before is None or write.by != "operator":
            return
        _history_is_append_only(before.status.history, rollout.status.history)
        self._note_baselines(before, rollout)
        if rollout.status.completed_at is not None and before.status.completed_at is None:
            _nothing_froze(rollout.spec, write.at, write.at)
            self._upstreams_are_there(rollout)
        pending = rollout.status.pending
        if rollout.status.committed != before.status.committed:
            self.committed_at = write.at
        if pending is None or pending == before.status.pending:
            return
        intent = Intent(
            at=write.at,
            pending=pending,
            rollout=rollout,
            before=before,
            requests=dict(self.requests),
            halted=self.halted,
            admission=self.admission,
            percent=self.percent,
            committed_at=self.committed_at,
        )
        self.intents.setdefault(pending.transition_id, []).append(intent)
        if pending.type == "Rollback":
            self.ended.add(pending.attempt)
        else:
            self._nobody_said_stop(intent)
            _nothing_froze(rollout.spec, write.at, write.at)
            self._upstreams_are_there(rollout)
        if pending.type == "Advance":
            self._soak_was_long_enough(intent)
            self._reports_are_go(intent)
            self._quorum_has_signed(intent)
            _rehearsal_is_fresh(intent)
            _evidence_is_healthy(intent)
            self._comparisons_are_of_this_attempt(intent)

    def _nobody_said_stop(self, intent: Intent) -> None:
        spec, to = intent.rollout.spec, intent.pending.to
        demand(not spec.paused, "S7", "it was paused")
        demand(not intent.halted, "S7", "it was halted")
        known = intent.admission in {Admission.ENFORCED, Admission.UNENFORCED}
        demand(known, "S7", f"admission was {intent.admission}")
        demand(spec.rollback is None or spec.rollback.to >= to, "S7", "a rollback was asked for")
        demand(intent.rollout.metadata.deletion_timestamp is None, "S7", "it was being deleted")
        for name, request in intent.requests.items():
            if self._is_about(request, intent):
                for signer, (_, decision) in self.words.get(name, {}).items():
                    stands = decision is Decision.NO_GO and not self._has_lifted(signer, request)
                    stands = stands and _may_decide(signer, request)
                    stands = stands and not self._is_resolved(signer, request, intent)
                    demand(not stands, "S7", f"{signer} said NO-GO on {name}")

    def _is_about(self, request: Request, intent: Intent) -> bool:
        asked = request.spec.request
        if isinstance(asked, ApprovalRequest):
            return (
                asked.purpose is Purpose.ADVANCE
                and asked.from_ < intent.pending.to
                and (intent.pending.from_ or 0) < asked.to
            )
        return asked.percent < intent.pending.to and asked.conditions_of is None

    def _has_lifted(self, signer: str, request: Request) -> bool:
        """Whether the signer said GO later, to another request about as much of the same."""
        mine = self.words[request.metadata.name][signer][0]
        return any(
            words[signer] > (mine, Decision.GO) and words[signer][1] is Decision.GO
            for name, words in self.words.items()
            if signer in words
            and _question(self.requests[name]) == _question(request)
            and _lowest(self.requests[name]) >= _lowest(request)
        )

    def _is_resolved(self, signer: str, request: Request, intent: Intent) -> bool:
        """Whether a meeting said GO since, and every role acknowledged it that had spoken before.

        Another person than who said NO-GO chairs and acknowledges, unless they do it themselves.
        """
        if not isinstance(request, Approval):
            return False
        said = self.words[request.metadata.name][signer][0]
        return any(
            meeting.spec.request.type is CheckpointType.DECISION_MEETING
            and said < self.words[item.name][_signer(meeting)][0]
            and _signer(meeting) not in self.planners
            and self._spoke_before(self.words[item.name][_signer(meeting)][0], intent)
            <= _acknowledged(meeting, intent)
            for item in _counted(intent, "Checkpoint")
            for meeting in [intent.requests[item.name]]
            if isinstance(meeting, Checkpoint)
        )

    def _spoke_before(self, moment: datetime, intent: Intent) -> set[str]:
        """The roles whose last word on the step was before this."""
        return {
            request.spec.request.role
            for name, request in intent.requests.items()
            if isinstance(request, Approval) and self._is_about(request, intent)
            for signer, (at, _) in self.words.get(name, {}).items()
            if at < moment and _may_decide(signer, request) and _bound(request) == _expected(intent)
        }

    def _soak_was_long_enough(self, intent: Intent) -> None:
        soak = _hold(intent.rollout.spec, intent.pending.from_, "soak")
        demand(intent.committed_at is not None, "S4", "nothing was committed before")
        assert intent.committed_at is not None
        passed = intent.at - intent.committed_at
        demand(passed >= parse_duration(soak or "0s"), "S4", f"{passed} is less than {soak}")

    def _reports_are_go(self, intent: Intent) -> None:
        plans = _hold(intent.rollout.spec, intent.pending.from_, "checkpoints") or ()
        named = {d.role: d for d in _counted(intent, "Checkpoint")}
        for plan in plans:
            demand(plan.name in named, "S5", f"checkpoint {plan.name} is not in the evidence")
            request = intent.requests[named[plan.name].name]
            same = (request.metadata.uid, request.metadata.resource_version) == (
                named[plan.name].uid,
                named[plan.name].resource_version,
            )
            demand(same, "S5", f"checkpoint {plan.name} was another when it was counted")
            demand(request.spec.decision is Decision.GO, "S5", f"{plan.name} is not GO")
            _is_bound(request, intent, "S5")

    def _quorum_has_signed(self, intent: Intent) -> None:
        policy = _policy(intent.rollout.spec, intent.pending.from_)
        if policy is None or not policy.roles:
            return
        needed = policy.quorum if policy.rule is ApprovalRule.QUORUM else len(policy.roles)
        people = set()
        for decision in _counted(intent, "Approval"):
            request = intent.requests[decision.name]
            demand(request.spec.decision is Decision.GO, "S6", f"{decision.name} is not GO")
            demand(not _is_dry_run(request), "S6", f"{decision.name} is a dry run")
            version = request.metadata.resource_version
            demand(version == decision.resource_version, "S6", "another version was counted")
            _is_bound(request, intent, "S6")
            signer = _signer(request)
            written = (decision.name, request.metadata.generation)
            demand(written not in self.forged, "S6", f"{decision.name} may be forged")
            demand(signer not in self.planners, "S6", f"{signer} planned it")
            given = self.words[decision.name][signer][0]
            age = intent.at - given
            demand(age < parse_duration(policy.max_age), "S6", f"{decision.name} is {age} old")
            people.add(signer.lower())
        if policy.rule is ApprovalRule.ALL:
            needed = len({role.name for role in policy.roles} - self._stood_in(intent))
        demand(len(people) >= (needed or 0), "S6", f"{len(people)} people of {needed} have signed")

    def _stood_in(self, intent: Intent) -> set[str]:
        """The roles whose NO-GO a meeting resolved, and that nobody signs for instead."""
        signed = {item.role for item in _counted(intent, "Approval")}
        return {
            request.spec.request.role
            for name, request in intent.requests.items()
            if isinstance(request, Approval) and self._is_about(request, intent)
            for signer, (_, decision) in self.words.get(name, {}).items()
            if decision is Decision.NO_GO and self._is_resolved(signer, request, intent)
        } - signed

    def _upstreams_are_there(self, rollout: Rollout) -> None:
        for awaited in rollout.spec.depends_on:
            name = RolloutName(awaited.namespace or rollout.metadata.namespace, awaited.rollout)
            found = self.upstreams.get(name)
            demand(found is not None, "S15", f"{name} does not exist")
            assert found is not None
            demand(not found.rolled_back, "S15", f"{name} was rolled back")
            demand(not found.deleting, "S15", f"{name} is being deleted")
            far = found.completed if awaited.at_least is None else found.percent is not None
            demand(far, "S15", f"{name} has not come so far")
            short = (found.percent or 0) < (awaited.at_least or 0)
            demand(not short, "S15", f"{name} is at {found.percent}%")

    def _note_baselines(self, before: Rollout, after: Rollout) -> None:
        """What is new on the status was recorded now; what was there before is of before."""
        self.baselines |= {
            (after.status.attempt or 0, entry.percent, entry.metric, float(entry.median))
            for entry in after.status.baselines
            if entry not in before.status.baselines
        }

    def _comparisons_are_of_this_attempt(self, intent: Intent) -> None:
        pending, spec = intent.pending, intent.rollout.spec
        windows = {window.used_by: window for window in pending.evidence.windows}
        gates: list[tuple[str, Gate | Trigger]] = [("gate", gate) for gate in _gates(intent)]
        for kind, bound in (*gates, *(("trigger", each) for each in spec.triggers)):
            if bound.relative_to is None or pending.from_ == 0:
                continue
            metric = bound.metric or bound.name
            mine = {
                percent: f"the median {median:.6g} at {percent}%"
                for attempt, percent, of, median in self.baselines
                if (attempt, of) == (pending.attempt, metric)
            }
            window = windows.get(f"{kind} {bound.name}")
            if window is None:
                first = set(mine) == {pending.from_}
                demand(first, "S16", f"{kind} {bound.name} was not compared with {mine}")
                continue
            said = f"{kind} {bound.name} was compared with {window.compared_with}, not {mine}"
            demand(window.compared_with in mine.values(), "S16", said)

    # Checkpoints and Approvals.

    def _request(self, write: Write, request: Request) -> None:
        name = request.metadata.name
        before = self.requests.get(name)
        self.requests[name] = request
        if before is not None and before.status.state.value == "Used":
            demand(before.spec == request.spec, "S9", f"{name} was used and has changed")
            demand(
                before.status.counted_for == request.status.counted_for
                and request.status.state.value == "Used",
                "S9",
                f"{name} was used for something else",
            )
        demand(
            not (_is_dry_run(request) and request.status.state.value == "Used"),
            "S12",
            f"{name} is a dry run and was used",
        )
        if write.by != "operator" and request.spec.decision is not None:
            signer = _signer(request)
            is_go = request.spec.decision is Decision.GO
            if is_go and self.admission is Admission.NOT_ENFORCED:
                self.forged.add((name, request.metadata.generation))
                return
            self.words.setdefault(name, {})[signer] = (write.at, request.spec.decision)

    # The ConfigMap.

    def _config_map(self, write: Write, config_map: ConfigMap) -> None:
        before, self.data = self.data, dict(config_map.data)
        if write.by != "operator" or self.data == before:
            return
        document = next(text for key, text in self.data.items() if key.endswith(".json"))
        to = int(json.loads(document)["percent"])
        identifier = config_map.annotations[TRANSITION_ID_ANNOTATION]
        last, self.percent = self.percent, to
        assert self.rollout is not None
        committed = self.rollout.status.committed
        if committed is not None and identifier == committed.transition_id:
            demand(to == self.rollout.status.percent, "S3", "restored to another percentage")
            return
        intents = self.intents.get(identifier, [])
        demand(len(intents) == 1, "S1", f"{len(intents)} intents for {identifier}")
        intent = intents[0]
        demand(intent.pending.to == to, "S1", "applied to another percentage than recorded")
        demand((intent.pending.from_ or 0) == (last or 0), "S1", f"not from {last}%")
        if intent.pending.type == "Rollback":
            demand(to < (last or 0), "S3", "a rollback that does not go down")
            return
        demand(intent.pending.attempt not in self.ended, "S11", "advanced after a rollback")
        key = (intent.pending.plan_hash, intent.pending.step, intent.pending.attempt)
        demand(key not in self.taken, "S2", f"taken twice: {key}")
        _nothing_froze(intent.rollout.spec, intent.at, write.at)
        self._upstreams_are_there(intent.rollout)
        self.taken.add(key)
        percents = [step.percent for step in intent.rollout.spec.steps]
        allowed = {b for a, b in zip([0, *percents], percents, strict=False) if a == (last or 0)}
        demand(to in allowed | {percents[0] if last is None else to + 1}, "S3", f"{last} to {to}%")


def _counted(intent: Intent, kind: str) -> list[DecisionEvidence]:
    """The decisions of the plan that were counted; not what was acknowledged, or met, beside."""
    found = intent.pending.evidence.decisions
    return [item for item in found if item.kind == kind and item.purpose is None]


def _acknowledged(meeting: Checkpoint, intent: Intent) -> set[str]:
    """The roles that have acknowledged this very decision of a meeting, by people of theirs."""
    found = set()
    for item in intent.pending.evidence.decisions:
        request = intent.requests[item.name]
        if item.purpose != "Acknowledge" or not isinstance(request, Approval):
            continue
        meant = request.spec.request.acknowledges
        assert meant is not None
        same = (meant.uid, meant.generation) == (meeting.metadata.uid, meeting.metadata.generation)
        if same and request.spec.decision is Decision.GO and _may_decide(_signer(request), request):
            found.add(request.spec.request.role)
    return found


def _may_decide(signer: str, request: Request) -> bool:
    asked = request.spec.request
    people = asked.users if isinstance(asked, ApprovalRequest) else asked.reporter.users
    return signer in people and signer not in asked.excluded_users


def _signer(request: Request) -> str:
    assert request.spec.decided_by is not None, "the API server takes no decision without a signer"
    return request.spec.decided_by.username


def _is_dry_run(request: Request) -> bool:
    asked = request.spec.request
    return isinstance(asked, ApprovalRequest) and asked.purpose is Purpose.DRY_RUN


def _question(request: Request) -> tuple[Any, ...]:
    asked = request.spec.request
    if isinstance(asked, ApprovalRequest):
        return ("Approval", asked.role, asked.purpose)
    return ("Checkpoint", asked.name)


def _lowest(request: Request) -> int:
    """Above which percentage a word on a checkpoint is about everything; 0 for an approval."""
    asked = request.spec.request
    return 0 if isinstance(asked, ApprovalRequest) else asked.percent


def _bound(request: Request) -> tuple[Any, ...]:
    asked = request.spec.request
    return (asked.rollout.uid, asked.plan_hash, asked.attempt)


def _expected(intent: Intent) -> tuple[Any, ...]:
    return (intent.rollout.metadata.uid, intent.pending.plan_hash, intent.pending.attempt)


def _is_bound(request: Request, intent: Intent, number: str) -> None:
    bound, expected = _bound(request), _expected(intent)
    demand(bound == expected, number, f"{request.metadata.name} was for {bound}, not {expected}")


def _hold(spec: RolloutSpec, percent: int | None, what: str) -> Any:
    step = next(step for step in spec.steps if step.percent == percent)
    own = getattr(step.hold, what, None)
    common = spec.hold if step.percent > 0 else None
    return own if own is not None else getattr(common, what, None)


def _policy(spec: RolloutSpec, percent: int | None) -> ApprovalsPolicy | None:
    named: ApprovalsPolicy | None = _hold(spec, percent, "approvals")
    return named or spec.approvals


def _rehearsal_is_fresh(intent: Intent) -> None:
    """Where the plan asks for one: it passed, for this plan and attempt, not too long ago."""
    plan, last = intent.rollout.spec.rehearsal, intent.rollout.status.rehearsal
    if plan is None:
        return
    demand(last is not None, "Rehearsal", "none was run")
    assert last is not None
    demand(last.outcome == "Passed", "Rehearsal", f"run {last.run} {last.outcome}")
    expected = (intent.pending.plan_hash, intent.pending.attempt)
    demand((last.plan_hash, last.attempt) == expected, "Rehearsal", "it was of another plan")
    age = intent.at - last.at
    demand(age < parse_duration(plan.max_age), "Rehearsal", f"run {last.run} was {age} old")


def _evidence_is_healthy(intent: Intent) -> None:
    if intent.pending.from_ == 0:
        return
    windows = {window.used_by: window for window in intent.pending.evidence.windows}
    for gate in _gates(intent):
        name = gate.name
        window = windows.get(f"gate {name}")
        if window is None and gate.relative_to is not None:
            continue  # S16 says whether there was nothing to compare with
        demand(window is not None, "S10", f"gate {name} has no evidence")
        assert window is not None
        demand(window.outcome == "Value", "S10", f"gate {name} was {window.outcome}")
        demand(window.last not in {None, "nan", "inf", "-inf"}, "S10", f"gate {name} had no number")
    for trigger in intent.rollout.spec.triggers:
        window = windows.get(f"trigger {trigger.name}")
        if window is None and trigger.relative_to is not None:
            continue
        demand(window is not None, "S10", f"trigger {trigger.name} has no evidence")
        assert window is not None
        demand(window.outcome == "Value", "S10", f"trigger {trigger.name} was {window.outcome}")


def _gates(intent: Intent) -> list[Gate]:
    """The gates needed to leave the step."""
    names = _hold(intent.rollout.spec, intent.pending.from_, "gates")
    return [gate for gate in intent.rollout.spec.gates if names is None or gate.name in names]


def _nothing_froze(spec: RolloutSpec, since: datetime, until: datetime) -> None:
    """No freeze was in force at any half minute from the decision to what came of it."""
    if spec.schedule is None:
        return
    zone, at = ZoneInfo(spec.schedule.time_zone), since
    while at <= until:
        local = at.astimezone(zone).replace(tzinfo=None)
        for freeze in spec.schedule.freeze:
            demand(not _lies_within(freeze, local), "S14", f"freeze {freeze.name} at {local}")
        at += timedelta(seconds=30)


def _lies_within(freeze: Freeze, local: datetime) -> bool:
    """Whether the clock on the wall shows a time of the window. Not for days of changed clocks."""
    if freeze.from_[0].isdigit():
        start, end = (datetime.fromisoformat(text) for text in (freeze.from_, freeze.to))
        return start <= local < end
    week = timedelta(weeks=1)
    at, first, last = map(_into_the_week, (f"{local:%a %H:%M}", freeze.from_, freeze.to))
    return (at - first) % week < (last - first) % week


def _into_the_week(text: str) -> timedelta:
    day, hour, minute = text.replace(":", " ").split()
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)
    return timedelta(days=days, hours=int(hour), minutes=int(minute))


def _history_is_append_only(before: tuple[Transition, ...], after: tuple[Transition, ...]) -> None:
    kept = [item for item in before if item in after]
    dropped = before[: len(before) - len(kept)]
    demand(tuple(kept) == before[len(dropped) :], "S9", "history was rewritten")
    demand(after[: len(kept)] == tuple(kept), "S9", "history was reordered")
    demand(not dropped or len(after) == 20, "S9", "history was dropped within its bound")
    identifiers = [item.transition_id for item in after]
    demand(len(set(identifiers)) == len(identifiers), "S9", "a history entry is there twice")
    for one, other in itertools.pairwise(after):
        demand(other.prev_hash == one.hash, "S9", "the chain is broken")
    for item in after[len(kept) :]:
        demand(item.hash == entry_hash(item), "S9", "an entry does not match its hash")


def judged(log: Iterable[Write], planners: frozenset[str] = frozenset()) -> Judge:
    """Judge a whole record."""
    judge = Judge(planners)
    judge.watch(list(log))
    return judge
