"""Expansions: every growth of the percentage that the record has, and the one ahead, as facts.

An expansion that was taken is told by its history entry alone: that is sealed. The one ahead is
told by the status as it is now. Both come out in one shape, so that practices judge both alike.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import Decision, RequestState
from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.durations import parse_duration, parse_elapsed
from surefoot.api.v1alpha1.rollout import ApprovalsPolicy, DueFrom, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import (
    Baseline,
    DecisionEvidence,
    RehearsalStatus,
    SoakStatus,
    Transition,
    TransitionType,
)
from surefoot.domain.facts.steps import HoldPolicy, hold_of, index_of
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.reports.dossier import Dossier

NOTHING_ASKED = frozenset({"NotRequired", "NothingAhead", "Completed"})
"""Reasons of a condition that is True because nothing was asked, which shows nothing."""

CONFLICT = "conflict"
"""What a meeting is called that a NO-GO opened."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A GO of a role that counts, or counted."""

    role: str
    by: str
    verified: bool
    """Whether admission established who it was, or a detached signature proves it."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What is known of one growth of the percentage.

    ``at`` is None for the one ahead. ``held`` has the reason of each condition that was True; with
    ``held_is_whole`` one that is not in it was not True. ``healthy`` is None where no soak account
    is known. ``hold`` is what the plan asked for, None where that plan is no longer known.
    """

    from_: int
    to: int
    at: datetime | None
    as_of: datetime
    stood: timedelta | None
    healthy: timedelta | None
    soak_required: timedelta | None
    held: Mapping[str, str]
    held_is_whole: bool
    decisions_are_whole: bool
    """Whether all decisions that were counted are here."""
    checkpoints: tuple[str, ...]
    """The checkpoints that were GO, by their names in the plan; but for a conflict's meeting."""
    resolved_a_conflict: bool
    """Whether a meeting that a NO-GO had opened was GO."""
    signatures: tuple[Signature, ...]
    baselines: tuple[Baseline, ...]
    baselines_are_whole: bool
    rehearsal: RehearsalStatus | None
    """The last rehearsal that the Rollout's status knows, whenever it was."""
    rehearsal_max_age: timedelta | None
    """How old the plan lets a rehearsal be; None where it asks for none or is not known."""
    hold: HoldPolicy | None
    entry: Transition | None
    attempt: int | None = None
    """Its attempt, where the record has the same step of another one."""

    @property
    def name(self) -> str:
        """Such as `10% → 25%`, or `10% → 25%, attempt 1`."""
        step = f"{self.from_}% → {self.to}%"
        return step if self.attempt is None else f"{step}, attempt {self.attempt}"

    def reason(self, condition: ConditionType) -> str | None:
        """Why a condition was True; None where it is not known to have been."""
        return self.held.get(condition.value)

    def shows(self, condition: ConditionType) -> bool:
        """Whether a condition was asked for, and was True."""
        reason = self.reason(condition)
        return reason is not None and reason not in NOTHING_ASKED

    @property
    def approvals_asked(self) -> int | None:
        """How many GOs the plan asked for; None where that plan is no longer known."""
        if self.hold is not None:
            return needed_by(self.hold.approvals)
        return self._none_if_not_asked(ConditionType.APPROVED)

    @property
    def checkpoints_asked(self) -> int | None:
        """How many checkpoints the plan asked for; None where that plan is no longer known."""
        if self.hold is not None:
            return len(self.hold.checkpoints)
        return self._none_if_not_asked(ConditionType.CHECKPOINTS_PASSED)

    @property
    def meetings_asked(self) -> int | None:
        """How many of them are meetings."""
        if self.hold is not None:
            kinds = [each.type for each in self.hold.checkpoints]
            return kinds.count(CheckpointType.DECISION_MEETING)
        return self._none_if_not_asked(ConditionType.CHECKPOINTS_PASSED)

    def _none_if_not_asked(self, condition: ConditionType) -> int | None:
        """Of a plan that is no longer known, the record still shows what it did not ask for."""
        return 0 if self.reason(condition) == "NotRequired" else None


def needed_by(policy: ApprovalsPolicy | None) -> int:
    """How many GOs a policy asks for."""
    if policy is None:
        return 0
    return policy.quorum or len(policy.roles)


def taken(dossier: Dossier) -> tuple[Expansion, ...]:
    """The expansions on the record, oldest first. From 0% nobody was in: that is a start."""
    arrivals: dict[int, datetime] = {}
    found: list[Expansion] = []
    for entry in dossier.history:
        if entry.type is TransitionType.ADVANCE and entry.from_ and entry.to > entry.from_:
            found.append(_taken(dossier, entry, arrivals.get(entry.from_)))
        if entry.from_ != entry.to:
            arrivals[entry.to] = entry.at
    return tuple(_told_apart(found))


def _told_apart(expansions: Sequence[Expansion]) -> Iterator[Expansion]:
    times = Counter(each.name for each in expansions)
    for each in expansions:
        if times[each.name] > 1 and each.entry is not None:
            yield replace(each, attempt=each.entry.attempt)
        else:
            yield each


def _taken(dossier: Dossier, entry: Transition, arrived: datetime | None) -> Expansion:
    evidence, from_ = entry.evidence, entry.from_ or 0
    since = evidence.since or arrived
    decisions, is_whole = evidence.decisions, not evidence.shortened
    reported = [each.role for each in decisions if _is_go(each) and each.kind == "Checkpoint"]
    is_known = bool(entry.plan_hash) and entry.plan_hash == dossier.rollout.status.plan_hash
    return Expansion(
        from_=from_,
        to=entry.to,
        at=entry.at,
        as_of=entry.at,
        stood=None if since is None else max(timedelta(0), entry.at - since),
        healthy=_healthy(evidence.soak, None),
        soak_required=None if evidence.soak is None else parse_elapsed(evidence.soak.required),
        held=_reasons(evidence.conditions),
        held_is_whole=is_whole and bool(evidence.conditions),
        decisions_are_whole=is_whole,
        checkpoints=tuple(each for each in reported if each != CONFLICT),
        resolved_a_conflict=CONFLICT in reported,
        signatures=tuple(_signature(d) for d in decisions if _is_go(d) and d.kind == "Approval"),
        baselines=tuple(each for each in evidence.baselines if each.percent == from_),
        baselines_are_whole=is_whole,
        rehearsal=dossier.rollout.status.rehearsal,
        rehearsal_max_age=_rehearsal_max_age(dossier) if is_known else None,
        hold=_hold_at(dossier.rollout.spec, from_) if is_known else None,
        entry=entry,
    )


def ahead(dossier: Dossier) -> Expansion | None:
    """The expansion that comes next by the status; None where none does, or it starts from 0%."""
    status, spec, now = dossier.rollout.status, dossier.rollout.spec, dossier.now
    if not status.percent or status.next_percent is None or status.next_percent <= status.percent:
        return None
    percent = status.percent
    held = {each.type: each.reason for each in status.conditions if each.status == "True"}
    checkpoints = {
        each.spec.request.name
        for each in dossier.checkpoints
        if each.status.state is RequestState.GO
        and each.spec.request.conditions_of is None
        and each.spec.request.percent == percent
    }
    return Expansion(
        from_=percent,
        to=status.next_percent,
        at=None,
        as_of=now,
        stood=None if status.since is None else max(timedelta(0), now - status.since),
        healthy=_healthy(status.soak, now),
        soak_required=None if status.soak is None else parse_elapsed(status.soak.required),
        held=held,
        held_is_whole=bool(status.conditions),
        decisions_are_whole=True,
        checkpoints=tuple(sorted(checkpoints - {CONFLICT})),
        resolved_a_conflict=CONFLICT in checkpoints,
        signatures=tuple(
            Signature(each.role, each.by or "", bool(each.verified) or each.key is not None)
            for each in status.approvals
            if each.state is RequestState.GO
        ),
        baselines=tuple(each for each in status.baselines if each.percent == percent),
        baselines_are_whole=True,
        rehearsal=status.rehearsal,
        rehearsal_max_age=_rehearsal_max_age(dossier),
        hold=_hold_at(spec, percent),
        entry=None,
    )


def _healthy(soak: SoakStatus | None, now: datetime | None) -> timedelta | None:
    """The account as it was closed; with ``now``, and the time since while it runs."""
    if soak is None:
        return None
    since = now - soak.observed_at if now is not None and soak.running else timedelta(0)
    return parse_elapsed(soak.healthy) + max(timedelta(0), since)


def _reasons(conditions: tuple[str, ...]) -> dict[str, str]:
    return {kind: reason for kind, _, reason in (each.partition("=") for each in conditions)}


def _is_go(decision: DecisionEvidence) -> bool:
    return decision.purpose is None and decision.decision == Decision.GO.value


def _signature(decision: DecisionEvidence) -> Signature:
    is_proved = decision.verified or decision.signature is not None
    return Signature(decision.role, decision.by, is_proved)


def _rehearsal_max_age(dossier: Dossier) -> timedelta | None:
    asked = dossier.rollout.spec.rehearsal
    return None if asked is None else parse_duration(asked.max_age)


def _hold_at(spec: RolloutSpec, percent: int) -> HoldPolicy | None:
    index = index_of(spec, percent)
    return None if index is None else hold_of(spec, index)


def planned_stay(hold: HoldPolicy) -> timedelta:
    """How long the plan means to stay: its longest clock, of soak, baseline and due reports."""
    reports = (
        parse_duration(each.due_after)
        for each in hold.checkpoints
        if each.due_after is not None and each.due_from is DueFrom.STEP
    )
    return max((hold.warm_up + hold.soak, hold.warm_up + hold.baseline, *reports))
