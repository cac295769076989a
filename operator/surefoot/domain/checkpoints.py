"""Checkpoints: reports that must be GO before the step is left."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.approval import Decision, PastDecision, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointRequest, CheckpointSpec
from surefoot.api.v1alpha1.durations import in_words, parse_duration
from surefoot.api.v1alpha1.meta import ObjectReference
from surefoot.api.v1alpha1.rollout import CheckpointPlan, DueFrom
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence
from surefoot.domain.no_go import standing_no_go
from surefoot.domain.plan import OpenRequest
from surefoot.domain.requests import (
    FINAL,
    GIVEN_WITHOUT_ADMISSION,
    Decided,
    decide_command,
    decided,
    free_names,
    is_eligible,
    is_known_to_be_theirs,
    is_persons_name,
    not_a_name,
    unmet_conditions,
    who,
)
from surefoot.domain.situation import Situation
from surefoot.domain.verdicts import Aspect, Missing, Verdict, blocks, not_required, passes

NoGo = tuple[Checkpoint, PastDecision]
"""A NO-GO that stands, and where it was given."""


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """One checkpoint of the step: the request that is current, and what it says.

    ``no_go`` is a NO-GO that stands, perhaps on an earlier round or another plan. ``reporters`` are
    all who reported in this attempt, in lower case. ``unmet`` names what its GO asks for first.
    """

    plan: CheckpointPlan
    request: Checkpoint | None
    decision: Decided | None
    void_reason: str | None
    unmet: tuple[str, ...]
    no_go: NoGo | None
    reporters: frozenset[str]
    due_at: datetime | None

    @property
    def is_go(self) -> bool:
        """Whether it is GO and nothing stands against that."""
        return (
            self.no_go is None
            and self.void_reason is None
            and not self.unmet
            and self.decision is not None
            and self.decision.decision is Decision.GO
        )


@dataclass(frozen=True, slots=True)
class CheckpointsJudgement:
    """What the step's checkpoints say, and which of them must be opened.

    ``against`` are the NO-GOs that stand, also on checkpoints that the plan no longer has.
    """

    verdict: Verdict
    views: tuple[CheckpointView, ...]
    opens: tuple[OpenRequest, ...]
    against: tuple[NoGo, ...]

    @property
    def evidence(self) -> tuple[DecisionEvidence, ...]:
        """The reports that say GO, as they are."""
        return tuple(
            DecisionEvidence(
                kind="Checkpoint",
                name=view.request.metadata.name,
                uid=view.request.metadata.uid,
                resource_version=view.request.metadata.resource_version,
                generation=view.request.metadata.generation,
                role=view.plan.name,
                decision=view.decision.decision.value,
                by=view.decision.by,
                verified=view.decision.verified,
                decided_at=view.decision.at,
                reason=view.decision.reason[:1024],
            )
            for view in self.views
            if view.is_go and view.request is not None and view.decision is not None
        )

    @property
    def reporters(self) -> frozenset[str]:
        """Who has reported on the step, in lower case."""
        return frozenset().union(*(view.reporters for view in self.views))

    @property
    def replaced_at(self) -> datetime | None:
        """When a report was last replaced: by another decision, or by a new round."""
        moments = []
        for view in self.views:
            if view.decision is not None and view.decision.was_changed:
                moments.append(view.decision.at)
            if view.request is not None and view.request.spec.request.round > 1:
                created = view.request.metadata.creation_timestamp
                moments += [created] if created is not None else []
        return max(moments, default=None)


def judge_checkpoints(situation: Situation) -> CheckpointsJudgement:
    """What the checkpoints of the step being left say."""
    plans = situation.hold.checkpoints
    removed = _no_gos_of_removed(situation, {plan.name for plan in plans})
    if not plans and not removed:
        return CheckpointsJudgement(not_required(Aspect.CHECKPOINTS_PASSED), (), (), ())
    views = tuple(_view(situation, plan) for plan in plans)
    passed = {view.plan.name for view in views if view.is_go}
    opens = tuple(
        _opening(situation, view)
        for view in views
        if situation.opens_requests and _is_due_to_open(situation, view, passed)
    )
    against = (*(view.no_go for view in views if view.no_go is not None), *removed)
    missing = [_missing(situation, view, passed) for view in views if not view.is_go]
    missing += [_no_go(no_go) for no_go in removed]
    if missing:
        verdict = blocks(Aspect.CHECKPOINTS_PASSED, *missing)
        return CheckpointsJudgement(verdict, views, opens, against)
    said = ", ".join(f"{view.plan.name} GO" for view in views)
    verdict = passes(Aspect.CHECKPOINTS_PASSED, "CheckpointsPassed", said)
    return CheckpointsJudgement(verdict, views, opens, against)


def _asked(situation: Situation) -> tuple[Checkpoint, ...]:
    """Every checkpoint about this percentage, of whatever plan, attempt and round."""
    return tuple(
        checkpoint
        for checkpoint in situation.snapshot.checkpoints
        if checkpoint.spec.request.rollout.uid == situation.rollout.metadata.uid
        and checkpoint.spec.request.percent == situation.percent
    )


def _no_gos_of_removed(situation: Situation, planned: set[str]) -> tuple[NoGo, ...]:
    """NO-GOs on checkpoints that are not in the plan: removing the question does not answer it."""
    removed: dict[str, list[tuple[Checkpoint, Decided | None]]] = {}
    for checkpoint in _asked(situation):
        if checkpoint.spec.request.name not in planned:
            pair = (checkpoint, decided(situation, checkpoint))
            removed.setdefault(checkpoint.spec.request.name, []).append(pair)
    found = (standing_no_go(situation, known) for _, known in sorted(removed.items()))
    return tuple(no_go for no_go in found if no_go is not None)


def _view(situation: Situation, plan: CheckpointPlan) -> CheckpointView:
    known = [
        (checkpoint, decided(situation, checkpoint))
        for checkpoint in _asked(situation)
        if checkpoint.spec.request.name == plan.name
    ]
    current = max(
        (pair for pair in known if _is_current(situation, pair[0])),
        key=lambda pair: pair[0].spec.request.round,
        default=None,
    )
    request, decision = current or (None, None)
    return CheckpointView(
        plan=plan,
        request=request,
        decision=decision,
        void_reason=_void_reason(situation, request, decision),
        unmet=unmet_conditions(request) if request is not None else (),
        no_go=standing_no_go(situation, known),
        reporters=frozenset(
            entry.by.lower()
            for checkpoint, reported in known
            if checkpoint.spec.request.attempt == situation.attempt and reported is not None
            for entry in reported.history
        ),
        due_at=_due_at(situation, plan),
    )


def _is_current(situation: Situation, checkpoint: Checkpoint) -> bool:
    request = checkpoint.spec.request
    return (
        request.plan_hash == situation.plan_hash
        and request.attempt == situation.attempt
        and checkpoint.status.state not in FINAL
    )


def _void_reason(
    situation: Situation, request: Checkpoint | None, decision: Decided | None
) -> str | None:
    if request is None or decision is None:
        return None
    if not is_persons_name(decision.by):
        return not_a_name(decision.by)
    if not is_eligible(request, decision.by):
        return f"{decision.by} may not report on this"
    if decision.decision is Decision.NO_GO:
        return None
    if not is_known_to_be_theirs(situation, request, decision):
        return GIVEN_WITHOUT_ADMISSION
    fired = situation.void_before
    if fired is not None and decision.at <= fired:
        return "a trigger fired since"
    return None


def _base(situation: Situation, plan: CheckpointPlan) -> datetime | None:
    return situation.began if plan.due_from is DueFrom.STEP else situation.started_at


def _after_base(situation: Situation, plan: CheckpointPlan, length: str | None) -> datetime | None:
    base = _base(situation, plan)
    return None if base is None or length is None else base + parse_duration(length)


def _due_at(situation: Situation, plan: CheckpointPlan) -> datetime | None:
    return _after_base(situation, plan, plan.due_after)


def opens_at(situation: Situation, plan: CheckpointPlan) -> datetime | None:
    """When a checkpoint may be opened at the earliest; None before Start."""
    return _after_base(situation, plan, plan.opens_after)


def _waits_for(plan: CheckpointPlan, passed: set[str], here: set[str]) -> tuple[str, ...]:
    """The checkpoints of this step that must be GO first; those of earlier steps were."""
    return tuple(name for name in plan.after if name in here and name not in passed)


def _is_due_to_open(situation: Situation, view: CheckpointView, passed: set[str]) -> bool:
    if view.request is not None and view.void_reason is None:
        return False
    here = {plan.name for plan in situation.hold.checkpoints}
    if _waits_for(view.plan, passed, here):
        return False
    moment = opens_at(situation, view.plan)
    return moment is not None and moment <= situation.now


def _opening(situation: Situation, view: CheckpointView) -> OpenRequest:
    plan, metadata = view.plan, situation.rollout.metadata
    rounds = [
        checkpoint.spec.request.round
        for checkpoint in _asked(situation)
        if checkpoint.spec.request.name == plan.name
    ]
    number = max(rounds, default=0) + 1
    request = CheckpointRequest(
        rollout=ObjectReference(name=metadata.name, uid=metadata.uid),
        plan_hash=situation.plan_hash,
        attempt=situation.attempt,
        round=number,
        step=situation.index,
        percent=situation.percent or 0,
        name=plan.name,
        type=plan.type,
        reporter=plan.reporter,
        receiver=plan.receiver,
        opens_at=opens_at(situation, plan),
        due_at=view.due_at,
    )
    base = f"{metadata.name}-{situation.percent}-{plan.name}"
    return OpenRequest(free_names(base, number), CheckpointSpec(request=request))


def _missing(situation: Situation, view: CheckpointView, passed: set[str]) -> Missing:
    reporters = who(view.plan.reporter.users, view.plan.reporter.groups)
    if view.no_go is not None:
        return _no_go(view.no_go)
    here = {plan.name for plan in situation.hold.checkpoints}
    waits = _waits_for(view.plan, passed, here)
    if waits:
        return Missing(
            "AwaitingPredecessor",
            f"checkpoint {view.plan.name} ({reporters}) follows {', '.join(waits)}",
        )
    if view.request is None or view.void_reason is not None:
        return _not_open(situation, view, reporters)
    if view.decision is not None and view.unmet:
        return Missing(
            "ConditionsUnmet",
            f"the GO of checkpoint {view.plan.name} asks for {', '.join(view.unmet)} first; this "
            "version can not follow that up: report again without it once it is met",
            decide_command(view.request),
        )
    late = view.due_at is not None and situation.now > view.due_at
    due = ""
    if view.due_at is not None:
        distance = in_words(abs(view.due_at - situation.now))
        due = f", {distance} late" if late else f", due in {distance}"
    return Missing(
        "CheckpointLate" if late else "CheckpointMissing",
        f"checkpoint {view.plan.name} is not approved: {reporters} has not reported{due}",
        decide_command(view.request),
    )


def _no_go(no_go: NoGo) -> Missing:
    request, entry = no_go
    return Missing(
        "NoGo",
        f"checkpoint {request.spec.request.name} is NO-GO by {entry.by}: {entry.reason}; it holds "
        "until its signer decides again",
        decide_command(request),
    )


def _not_open(situation: Situation, view: CheckpointView, reporters: str) -> Missing:
    if view.void_reason is not None:
        return Missing(
            "CheckpointVoid",
            f"checkpoint {view.plan.name} must be reported anew by {reporters}: {view.void_reason}",
        )
    moment = opens_at(situation, view.plan)
    when = ""
    if moment is not None and moment > situation.now:
        when = f", opens in {in_words(moment - situation.now)}"
    return Missing(
        "CheckpointMissing", f"checkpoint {view.plan.name} ({reporters}) is missing{when}"
    )


def is_late(view: CheckpointView, now: datetime) -> bool:
    """Whether the report is, or was, later than due."""
    if view.due_at is None:
        return False
    return (view.decision.at if view.decision else now) > view.due_at


def next_moment(situation: Situation) -> timedelta | None:
    """How long until a checkpoint opens or becomes late; None if nothing of the kind is ahead."""
    ahead = [
        moment - situation.now
        for plan in situation.hold.checkpoints
        for moment in (opens_at(situation, plan), _due_at(situation, plan))
        if moment is not None and moment > situation.now
    ]
    return min(ahead, default=None)


def state_now(view: CheckpointView) -> RequestState:
    """The state that the current request has by now."""
    if view.void_reason is not None:
        return RequestState.VOID
    if view.decision is None:
        return RequestState.PENDING
    return RequestState.GO if view.decision.decision is Decision.GO else RequestState.NO_GO
