"""The approval document of a step: what was decided, by whom, why, and on what evidence.

Every part is read from the objects and the history. Of a step that was taken, people's words are
those of the objects as they were counted; where an object is gone, or was changed since, only what
the history entry keeps is known.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from surefoot.api.v1alpha1.approval import Approval, Decision, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import CheckpointPlan, Role
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, Phase, RoleStatus
from surefoot.domain.requests import Request, is_recorded, who
from surefoot.domain.steps import HoldPolicy, hold_of, index_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part, Report
from surefoot.reports.requests import (
    all_said,
    asked_of,
    is_acknowledgement,
    is_as_counted,
    part_of,
    requested_by,
)
from surefoot.reports.steps import Stage, Step, goal, step_of, undone_by

CONDITIONS = "Conditions"
"""The purpose by which evidence tells a report that conditions are met."""
ACKNOWLEDGE = "Acknowledge"
NO_GO = "NoGo"
_OVER = frozenset({RequestState.VOID, RequestState.EXPIRED})


class Signature(Part):
    """What one role was asked, and what was answered. ``None`` is unknown.

    ``decision`` is empty while nobody has decided, and then all that follows from it too. ``key``
    is empty where there is no detached signature, and the sections where they say nothing.
    """

    role: str
    type: str | None
    approval: str | None
    asked_of: str | None
    state: str | None
    decision: str = ""
    by: str = ""
    verified: bool | None = None
    key: str | None = ""
    decided_at: datetime | None = None
    expires_at: datetime | None = None
    counts: bool | None
    """Whether it counts; for a step that was taken, whether it was counted."""
    why: str
    """Until when it counts, or why it does not."""
    rationale: str | None = ""
    metrics_summary: str | None = ""
    security_status: str | None = ""
    risk_assessment: str | None = ""


class Acknowledgement(Part):
    """What a party of a handoff or meeting says of its outcome."""

    party: str
    approval: str
    asked_of: str | None
    state: str | None
    decision: str = ""
    by: str = ""
    verified: bool | None = None
    decided_at: datetime | None = None
    reason: str | None = ""


class Test(Part):
    """A test result of a report."""

    name: str
    passed: int
    total: int


class CheckpointReport(Part):
    """A checkpoint of the step being left. ``decision`` is empty while nobody has decided."""

    name: str
    type: str | None
    checkpoint: str | None
    asked_of: str | None
    due_at: datetime | None = None
    late: bool | None = None
    state: str | None
    decision: str = ""
    by: str = ""
    verified: bool | None = None
    decided_at: datetime | None = None
    counts: bool | None
    why: str
    summary: str | None = ""
    report: str | None = ""
    required_action: str | None = ""
    known_before: str | None = ""
    """What was known when it was asked for; for a meeting on a conflict, what each party said."""
    tests: tuple[Test, ...] | None = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()


class AskedFor(Part):
    """Something that a GO asks for, and who reported it as met."""

    of: str
    name: str
    text: str
    blocking: bool
    met: bool | None
    by: str | None = None
    at: datetime | None = None


class Dissent(Part):
    """Somebody who did not agree, and what they said."""

    by: str
    where: str
    statement: str
    at: datetime | None


class Measure(Part):
    """A metric as it was when the step was taken, or as it is now."""

    metric: str
    used_by: str | None = None
    outcome: str
    last: str | None
    min: str | None = None
    max: str | None = None
    count: int | None = None
    coverage: str | None = None
    compared_with: str | None = None
    observed_at: datetime | None = None


class BaselineRecorded(Part):
    """What was recorded of a metric at the step being left."""

    metric: str
    median: str
    p95: str
    count: int
    coverage: str


class RiskKnown(Part):
    """A risk that the plan names."""

    name: str
    severity: str
    probability: str
    mitigation: str
    status: str


class StillMissing(Part):
    """One thing that the step waits for, and what to type."""

    condition: str
    message: str
    command: str | None


class Earlier(Part):
    """A time that the step was taken before."""

    transition_id: str
    at: datetime
    attempt: int
    undone_by: str | None
    undone_at: datetime | None


class Document(Report):
    """The approval document of one step."""

    template: ClassVar[str] = "document.md.j2"

    namespace: str
    rollout: str
    uid: str
    from_: int | None
    to: str
    stage: Stage
    verdict: str
    """GO, NO-GO or NOT DECIDED."""
    decided: str
    """The verdict in a sentence."""
    transition_id: str | None
    taken_at: datetime | None
    taken_by: tuple[str, ...]
    plan_hash: str | None
    attempt: int | None
    requested_by: str | None
    as_of: datetime
    signatures: tuple[Signature, ...]
    checkpoints: tuple[CheckpointReport, ...]
    conditions: tuple[AskedFor, ...]
    dissent: tuple[Dissent, ...]
    soak_required: str | None
    soak_healthy: str | None
    measures: tuple[Measure, ...]
    baselines: tuple[BaselineRecorded, ...]
    risks: tuple[RiskKnown, ...] | None
    held: tuple[str, ...]
    """The conditions that held when it was taken, with their reasons."""
    missing: tuple[StillMissing, ...]
    earlier: tuple[Earlier, ...]
    notes: tuple[str, ...]
    """What could not be known, and why."""


def document_of(dossier: Dossier, to: int | None) -> Document:
    """The document of the step to this percentage, None for Completed.

    Raises `ReportError` where neither the plan nor the record has such a step.
    """
    step = step_of(dossier, to)
    status = dossier.rollout.status
    entry = step.entry
    taken = step.stage is Stage.TAKEN
    approvals = _approvals(dossier, step)
    checkpoints = _checkpoints(dossier, step)
    signatures = (*_signatures(dossier, step, approvals), *_of_the_record(step, approvals))
    reports = (
        *(_report(dossier, step, each) for each in checkpoints),
        *_reports_of_the_record(step, checkpoints),
        *_not_yet_asked(dossier, step, checkpoints),
    )
    missing = () if taken else _missing(dossier, step)
    verdict, said = _verdict(dossier, step, signatures, missing)
    soak = entry.evidence.soak if entry is not None else None
    if step.stage is Stage.ASKED:
        soak = status.soak
    return Document(
        title=f"{dossier.rollout.metadata.name} {_in_words(step)}: approval document",
        namespace=dossier.rollout.metadata.namespace,
        rollout=dossier.rollout.metadata.name,
        uid=dossier.rollout.metadata.uid,
        from_=step.from_,
        to=goal(to),
        stage=step.stage,
        verdict=verdict,
        decided=said,
        transition_id=entry.transition_id if entry is not None else None,
        taken_at=entry.at if entry is not None else None,
        taken_by=entry.by if entry is not None else (),
        plan_hash=_plan_hash(dossier, step),
        attempt=_attempt(dossier, step),
        requested_by=requested_by(dossier),
        as_of=dossier.now,
        signatures=signatures,
        checkpoints=reports,
        conditions=_conditions(step, (*approvals, *checkpoints)),
        dissent=_dissent(dossier, (*approvals, *checkpoints)),
        soak_required=soak.required if soak is not None else None,
        soak_healthy=soak.healthy if soak is not None else None,
        measures=_measures(dossier, step),
        baselines=_baselines(dossier, step),
        risks=_risks(dossier, step),
        held=entry.evidence.conditions if entry is not None else (),
        missing=missing,
        earlier=tuple(_earlier(dossier, step)),
        notes=tuple(_notes(dossier, step)),
    )


def _in_words(step: Step) -> str:
    begin = "" if step.from_ is None or step.to is None else f"from {step.from_} "
    return f"{begin}to {goal(step.to)}"


def _plan_hash(dossier: Dossier, step: Step) -> str | None:
    if step.stage is Stage.TAKEN:
        return step.entry.plan_hash or None if step.entry is not None else None
    return dossier.rollout.status.plan_hash or None


def _attempt(dossier: Dossier, step: Step) -> int | None:
    if step.stage is Stage.TAKEN:
        return step.entry.attempt if step.entry is not None else None
    return dossier.rollout.status.attempt or 0


# Which requests are about the step


def _counted(step: Step) -> dict[str, DecisionEvidence]:
    """What the transition used, by UID."""
    decisions = step.entry.evidence.decisions if step.entry is not None else ()
    return {each.uid: each for each in decisions}


def _is_counted(step: Step, request: Request) -> bool:
    if step.entry is None:
        return request.status.state is RequestState.USED
    is_named = request.status.counted_for == step.entry.transition_id
    return is_named or request.metadata.uid in _counted(step)


def _approvals(dossier: Dossier, step: Step) -> tuple[Approval, ...]:
    """The Approvals by which roles were asked about this step, in whatever round."""
    named = {each.approval for each in dossier.rollout.status.approvals}
    found = [
        approval
        for approval in dossier.approvals
        if not is_acknowledgement(approval)
        and _leads_there(step, approval)
        and (
            _belongs(dossier, step, approval)
            or (step.stage is Stage.ASKED and approval.metadata.name in named)
        )
    ]
    return tuple(sorted(found, key=lambda each: (part_of(each), each.spec.request.round)))


def _leads_there(step: Step, approval: Approval) -> bool:
    asked = approval.spec.request
    return asked.to == step.asked_to and (asked.from_ == 100) == (step.to is None)


def _checkpoints(dossier: Dossier, step: Step) -> tuple[Checkpoint, ...]:
    """The Checkpoints of the percentage being left, in whatever round."""
    found = [
        checkpoint
        for checkpoint in dossier.checkpoints
        if checkpoint.spec.request.conditions_of is None
        and checkpoint.spec.request.percent == step.from_
        and _belongs(dossier, step, checkpoint)
    ]
    return tuple(sorted(found, key=_when_asked))


def _when_asked(checkpoint: Checkpoint) -> tuple[str, str, int]:
    asked, created = checkpoint.spec.request, checkpoint.metadata.creation_timestamp
    return (created.isoformat() if created else "", asked.name, asked.round)


def _belongs(dossier: Dossier, step: Step, request: Request) -> bool:
    """Whether it was asked in the attempt that the document is about."""
    asked = request.spec.request
    if step.stage is not Stage.TAKEN:
        return asked.attempt == (dossier.rollout.status.attempt or 0)
    if step.entry is None:
        return _is_counted(step, request)
    of_it = (asked.plan_hash, asked.attempt) == (step.entry.plan_hash, step.entry.attempt)
    return _is_counted(step, request) or (of_it and request.status.state is not RequestState.USED)


# Signatures


def _signatures(
    dossier: Dossier, step: Step, approvals: tuple[Approval, ...]
) -> Iterable[Signature]:
    """A row for each request, and for each role of a step ahead that nobody was asked as yet."""
    evidence = _counted(step)
    judged = {}
    if step.stage is Stage.ASKED:
        judged = {each.role: each for each in dossier.rollout.status.approvals}
    found: list[Signature] = []
    for approval in approvals:
        now = judged.get(part_of(approval))
        if approval.metadata.uid in evidence:
            found.append(_as_counted(step, approval, evidence[approval.metadata.uid]))
        elif now is not None and now.approval == approval.metadata.name:
            found += _as_judged(approval, judged.pop(part_of(approval)))
        else:
            found.append(_as_it_says(step, approval))
    if step.stage is not Stage.TAKEN:
        known = {part_of(each) for each in approvals}
        found += [_role_not_asked(role) for role in judged.values() if role.role not in known]
        planned = [role for role in _roles(dossier, step) if role.name not in known | {*judged}]
        found += [_planned(role) for role in planned]
    return sorted(found, key=lambda each: each.role)


def _hold(dossier: Dossier, step: Step) -> HoldPolicy:
    spec = dossier.rollout.spec
    return hold_of(spec, index_of(spec, step.from_) if step.from_ is not None else None)


def _roles(dossier: Dossier, step: Step) -> tuple[Role, ...]:
    policy = _hold(dossier, step).approvals
    return policy.roles if policy is not None else ()


def _words(approval: Approval) -> dict[str, str]:
    spec = approval.spec
    return {
        "rationale": spec.reason or "",
        "metrics_summary": spec.metrics_summary or "",
        "security_status": spec.security_status or "",
        "risk_assessment": spec.risk_assessment or "",
    }


_UNKNOWN_WORDS = {"metrics_summary": None, "security_status": None, "risk_assessment": None}


def _asked(approval: Approval) -> dict[str, str]:
    return {
        "role": part_of(approval),
        "type": approval.spec.request.type.value,
        "approval": approval.metadata.name,
        "asked_of": asked_of(approval),
    }


def _as_counted(step: Step, approval: Approval, evidence: DecisionEvidence) -> Signature:
    """A signature that the transition used, with the words that go with it where they are left."""
    is_same = is_as_counted(approval, evidence)
    words: dict[str, str | None] = {**_UNKNOWN_WORDS, "rationale": None}
    if is_same:
        words |= _words(approval)
    words["rationale"] = words["rationale"] or evidence.reason or None
    unsigned = is_same and approval.spec.signature is None
    return Signature(
        **_asked(approval),
        **_of_evidence(step, evidence, is_unsigned=unsigned),
        expires_at=approval.status.expires_at if is_same else None,
        **words,
    )


def _of_evidence(step: Step, evidence: DecisionEvidence, *, is_unsigned: bool) -> dict[str, object]:
    entry = step.entry
    is_whole = entry is not None and not entry.evidence.shortened
    key: str | None = "" if is_unsigned or is_whole else None
    return {
        "state": RequestState.USED.value,
        "decision": evidence.decision,
        "by": evidence.by,
        "verified": evidence.verified,
        "key": evidence.signature.key if evidence.signature is not None else key,
        "decided_at": evidence.decided_at,
        "counts": True,
        "why": _counted_for(step),
    }


def _counted_for(step: Step) -> str:
    return f"counted for {step.entry.transition_id}" if step.entry is not None else "counted"


def _of_the_record(step: Step, approvals: tuple[Approval, ...]) -> list[Signature]:
    """What the transition used and no object is left of."""
    left = {approval.metadata.uid for approval in approvals}
    return [
        Signature(
            role=each.role,
            type=None,
            approval=each.name,
            asked_of=None,
            **_of_evidence(step, each, is_unsigned=False),
            rationale=each.reason or None,
            **_UNKNOWN_WORDS,
        )
        for each in _counted(step).values()
        if each.kind == "Approval" and each.purpose is None and each.uid not in left
    ]


def _as_it_says(step: Step, approval: Approval) -> Signature:
    """A signature by its own object alone."""
    spec, status = approval.spec, approval.status
    if spec.decision is None or spec.decided_by is None:
        return Signature(
            **_asked(approval), state=status.state.value, counts=False, why=_why_not(approval)
        )
    counted = _is_counted(step, approval)
    is_same = not counted or status.used_generation in (None, approval.metadata.generation)
    if not is_same:
        unknown = {**_UNKNOWN_WORDS, "rationale": None}
        return Signature(
            **_asked(approval), state=status.state.value, counts=True, why="counted", **unknown
        )
    last = status.decisions[-1] if is_recorded(approval) else None
    return Signature(
        **_asked(approval),
        state=status.state.value,
        decision=spec.decision.value,
        by=spec.decided_by.username,
        verified=last.verified if last is not None else None,
        key="" if spec.signature is None else None,
        decided_at=last.seen_at if last is not None else None,
        expires_at=status.expires_at,
        counts=counted or (None if status.state is RequestState.GO else False),
        why=_counted_for(step) if counted else _why_not(approval),
        **_words(approval),
    )


def _why_not(approval: Approval) -> str:
    status = approval.status
    if status.void_reason:
        return status.void_reason
    if status.state is RequestState.EXPIRED:
        return "it has expired"
    if status.state is RequestState.USED:
        return f"it was used by {status.counted_for}"
    return "nobody has signed" if approval.spec.decision is None else ""


def _as_judged(approval: Approval, now: RoleStatus) -> list[Signature]:
    """The signature that is current, as the operator judges it."""
    signer = approval.spec.decided_by
    is_same = (now.by or None) == (signer.username if signer is not None else None)
    if not is_same:
        # A NO-GO that stands beside what another has said on the same request since.
        own = [_role_not_asked(now, approval)]
        return own if signer is None else [_as_it_says_of_another(approval), *own]
    return [
        Signature(
            **_asked(approval),
            state=now.state.value,
            decision=approval.spec.decision.value if approval.spec.decision is not None else "",
            by=now.by or "",
            verified=now.verified,
            key=now.key or ("" if approval.spec.signature is None else None),
            decided_at=now.decided_at,
            expires_at=now.expires_at,
            counts=_counts(now),
            why=now.message,
            **(_words(approval) if signer is not None else {}),
        )
    ]


def _as_it_says_of_another(approval: Approval) -> Signature:
    step = Step(None, None, Stage.ASKED)
    return _as_it_says(step, approval).model_copy(update={"counts": None})


def _counts(now: RoleStatus) -> bool:
    """The operator's message says what is in the way; without one, nothing is."""
    return now.state is RequestState.GO and not now.message


def _role_not_asked(now: RoleStatus, approval: Approval | None = None) -> Signature:
    said = [] if approval is None else [each for each in all_said(approval) if each.by == now.by]
    decision = {RequestState.GO: Decision.GO, RequestState.NO_GO: Decision.NO_GO}.get(now.state)
    return Signature(
        role=now.role,
        type=approval.spec.request.type.value if approval is not None else None,
        approval=now.approval,
        asked_of=asked_of(approval) if approval is not None else None,
        state=now.state.value,
        decision=decision.value if decision is not None else "",
        by=now.by or "",
        verified=now.verified,
        key=now.key or "",
        decided_at=now.decided_at,
        expires_at=now.expires_at,
        counts=_counts(now),
        why=now.message,
        rationale=said[-1].reason if said else ("" if decision is None else None),
    )


def _planned(role: Role) -> Signature:
    return Signature(
        role=role.name,
        type=role.type.value,
        approval=None,
        asked_of=who(role.users, role.groups),
        state=RequestState.PENDING.value,
        counts=False,
        why="nobody is asked yet",
    )


# Checkpoints


def _report(dossier: Dossier, step: Step, checkpoint: Checkpoint) -> CheckpointReport:
    spec, status, asked = checkpoint.spec, checkpoint.status, checkpoint.spec.request
    evidence = _counted(step).get(checkpoint.metadata.uid)
    counted = _is_counted(step, checkpoint) if step.stage is Stage.TAKEN else None
    given = [each for each in all_said(checkpoint) if each.stands]
    is_same = evidence is None or is_as_counted(checkpoint, evidence)
    about = CheckpointReport(
        name=asked.name,
        type=asked.type.value,
        checkpoint=checkpoint.metadata.name,
        asked_of=asked_of(checkpoint),
        due_at=asked.due_at,
        late=_is_late(dossier, checkpoint),
        state=status.state.value,
        counts=counted if counted is not None else _is_go(checkpoint),
        why=_counted_for(step) if counted else status.void_reason or "",
        known_before=asked.evidence or "",
        acknowledgements=tuple(_acknowledgements(dossier, step, checkpoint)),
    )
    if evidence is not None:
        about = about.model_copy(update=_decided_by(evidence))
    elif given:
        about = about.model_copy(
            update={
                "decision": given[-1].decision.value,
                "by": given[-1].by,
                "verified": given[-1].verified,
                "decided_at": given[-1].at,
            }
        )
    else:
        return about
    words: dict[str, object] = dict.fromkeys(("report", "required_action", "tests"))
    words["summary"] = evidence.reason or None if evidence is not None else None
    if is_same:
        words = {
            "summary": spec.summary or "",
            "report": spec.report or "",
            "required_action": spec.required_action or "",
            "tests": tuple(Test(name=t.name, passed=t.passed, total=t.total) for t in spec.tests),
        }
    return about.model_copy(update=words)


def _is_go(checkpoint: Checkpoint) -> bool | None:
    """Whether it says GO now; None where that hangs on more than the object shows."""
    if checkpoint.status.state is not RequestState.GO:
        return False
    return None


def _is_late(dossier: Dossier, checkpoint: Checkpoint) -> bool:
    due, status = checkpoint.spec.request.due_at, checkpoint.status
    is_open = status.state is RequestState.PENDING and due is not None and due < dossier.now
    return status.late or is_open


def _decided_by(evidence: DecisionEvidence) -> dict[str, object]:
    return {
        "decision": evidence.decision,
        "by": evidence.by,
        "verified": evidence.verified,
        "decided_at": evidence.decided_at,
    }


def _acknowledgements(
    dossier: Dossier, step: Step, checkpoint: Checkpoint
) -> Iterable[Acknowledgement]:
    left = set()
    for approval in dossier.approvals:
        asked = approval.spec.request
        if asked.acknowledges is None or asked.acknowledges.uid != checkpoint.metadata.uid:
            continue
        left.add(approval.metadata.uid)
        given = [each for each in all_said(approval) if each.stands]
        yield Acknowledgement(
            party=asked.role,
            approval=approval.metadata.name,
            asked_of=asked_of(approval),
            state=approval.status.state.value,
            decision=given[-1].decision.value if given else "",
            by=given[-1].by if given else "",
            verified=given[-1].verified if given else None,
            decided_at=given[-1].at if given else None,
            reason=given[-1].reason if given else "",
        )
    begin = f"{checkpoint.metadata.name}-ack-"
    yield from _acknowledged_by_record(step, begin, left)


def _acknowledged_by_record(step: Step, begin: str, left: set[str]) -> Iterable[Acknowledgement]:
    """Those that no object is left of. Their names are made from the Checkpoint's."""
    for each in _counted(step).values():
        is_one = each.purpose == ACKNOWLEDGE and each.name.startswith(begin)
        if is_one and each.uid not in left:
            yield Acknowledgement(
                party=each.role,
                approval=each.name,
                asked_of=None,
                state=RequestState.USED.value,
                **_decided_by(each),
                reason=each.reason or None,
            )


def _reports_of_the_record(
    step: Step, checkpoints: tuple[Checkpoint, ...]
) -> Iterable[CheckpointReport]:
    """What the transition used and no object is left of."""
    left = {each.metadata.uid for each in checkpoints}
    for each in _counted(step).values():
        if each.kind != "Checkpoint" or each.purpose is not None or each.uid in left:
            continue
        yield CheckpointReport(
            name=each.role,
            type=None,
            checkpoint=each.name,
            asked_of=None,
            state=RequestState.USED.value,
            **_decided_by(each),
            counts=True,
            why=_counted_for(step),
            summary=each.reason or None,
            report=None,
            required_action=None,
            known_before=None,
            tests=None,
            acknowledgements=tuple(_acknowledged_by_record(step, f"{each.name}-ack-", set())),
        )


def _not_yet_asked(
    dossier: Dossier, step: Step, checkpoints: tuple[Checkpoint, ...]
) -> Iterable[CheckpointReport]:
    """Checkpoints of the plan that are not opened yet."""
    if step.stage is Stage.TAKEN:
        return
    known = {each.spec.request.name for each in checkpoints}
    for plan in _hold(dossier, step).checkpoints:
        if plan.name not in known:
            yield _planned_report(plan)


def _planned_report(plan: CheckpointPlan) -> CheckpointReport:
    return CheckpointReport(
        name=plan.name,
        type=plan.type.value,
        checkpoint=None,
        asked_of=who(plan.reporter.users, plan.reporter.groups),
        state=RequestState.PENDING.value,
        counts=False,
        why="it is not open yet",
    )


# What goes with them


def _conditions(step: Step, requests: Iterable[Request]) -> tuple[AskedFor, ...]:
    return tuple(
        asked
        for request in requests
        if request.spec.decision is Decision.GO and request.status.state not in _OVER
        for asked in _asked_for(step, request)
    )


def _asked_for(step: Step, request: Request) -> Iterable[AskedFor]:
    evidence = _counted(step).get(request.metadata.uid)
    if evidence is not None and not is_as_counted(request, evidence):
        return
    known = {each.name: each for each in request.status.conditions}
    for condition in request.spec.conditions:
        state = known.get(condition.name)
        is_met = state is not None and state.met
        yield AskedFor(
            of=part_of(request),
            name=condition.name,
            text=condition.text,
            blocking=condition.blocking,
            met=state.met if state is not None else None,
            by=state.by if state is not None and is_met else None,
            at=state.at if state is not None and is_met else None,
        )


def _dissent(dossier: Dossier, requests: tuple[Request, ...]) -> tuple[Dissent, ...]:
    """Every NO-GO that was said, taken back or not, and what meetings wrote down."""
    uids = {request.metadata.uid for request in requests}
    refusals = [
        approval
        for approval in dossier.approvals
        if approval.spec.request.acknowledges is not None
        and approval.spec.request.acknowledges.uid in uids
    ]
    found = [
        Dissent(by=said.by, where=_where(request), statement=said.reason, at=said.at)
        for request in (*requests, *refusals)
        for said in all_said(request)
        if said.decision is Decision.NO_GO
    ]
    for request in requests:
        if isinstance(request, Checkpoint):
            at = request.status.decided_at
            found += [
                Dissent(by=each.by, where=_where(request), statement=each.statement, at=at)
                for each in request.spec.dissent
            ]
    return tuple(sorted(found, key=lambda each: each.at or dossier.now))


def _where(request: Request) -> str:
    if isinstance(request, Checkpoint):
        return f"{request.spec.request.type.value} {part_of(request)}"
    acknowledged = request.spec.request.acknowledges
    said = f", on {acknowledged.name}" if acknowledged is not None else ""
    return f"NO-GO as {part_of(request)}{said}"


def _measures(dossier: Dossier, step: Step) -> tuple[Measure, ...]:
    if step.entry is not None:
        return tuple(
            Measure(
                metric=each.metric,
                used_by=each.used_by,
                outcome=each.outcome,
                last=each.last,
                min=each.min,
                max=each.max,
                count=each.count,
                coverage=each.coverage,
                compared_with=each.compared_with,
                observed_at=each.observed_at,
            )
            for each in step.entry.evidence.windows
        )
    if step.stage is not Stage.ASKED:
        return ()
    return tuple(
        Measure(
            metric=each.name,
            outcome=each.outcome,
            last=each.value,
            observed_at=each.observed_at,
        )
        for each in dossier.rollout.status.metrics
    )


def _baselines(dossier: Dossier, step: Step) -> tuple[BaselineRecorded, ...]:
    found = step.entry.evidence.baselines if step.entry is not None else ()
    if step.stage is Stage.ASKED:
        status = dossier.rollout.status
        found = tuple(each for each in status.baselines if each.percent == step.from_)
    return tuple(
        BaselineRecorded(
            metric=each.metric,
            median=each.median,
            p95=each.p95,
            count=each.count,
            coverage=each.coverage,
        )
        for each in found
    )


def _risks(dossier: Dossier, step: Step) -> tuple[RiskKnown, ...] | None:
    """What the plan says; None where the step was taken under another plan."""
    if _plan_hash(dossier, step) != (dossier.rollout.status.plan_hash or None):
        return None
    return tuple(
        RiskKnown(
            name=risk.name,
            severity=risk.severity.value,
            probability=risk.probability.value,
            mitigation=risk.mitigation,
            status=risk.status.value,
        )
        for risk in dossier.rollout.spec.risks
    )


# The decision


def _verdict(
    dossier: Dossier,
    step: Step,
    signatures: tuple[Signature, ...],
    missing: tuple[StillMissing, ...],
) -> tuple[str, str]:
    if step.stage is Stage.TAKEN:
        return "GO", _taken(dossier, step)
    against = _against(dossier, step)
    if against:
        return "NO-GO", "; ".join(against)
    return "NOT DECIDED", _counted_out(dossier, step, signatures, missing)


def _taken(dossier: Dossier, step: Step) -> str:
    entry = step.entry
    if entry is None:
        return "the step was taken; by which transition, and when, is unknown"
    said = f"the step was taken at {_moment(entry.at)} by transition {entry.transition_id}"
    undone = undone_by(dossier, entry)
    if undone is None:
        return said
    return (
        f"{said}; a rollback to {undone.to} % undid it at {_moment(undone.at)} "
        f"({undone.transition_id})"
    )


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _against(dossier: Dossier, step: Step) -> list[str]:
    """The NO-GOs that stand, in the operator's words."""
    if step.stage is not Stage.ASKED:
        return []
    status = dossier.rollout.status
    said = [each.message for each in status.blocked_by if each.reason == NO_GO]
    said += [each.message for each in status.approvals if each.state is RequestState.NO_GO]
    return [message for message in dict.fromkeys(said) if message]


def _counted_out(
    dossier: Dossier,
    step: Step,
    signatures: tuple[Signature, ...],
    missing: tuple[StillMissing, ...],
) -> str:
    roles, policy = _roles(dossier, step), _hold(dossier, step).approvals
    if not roles:
        return "the step is not taken; nobody has to sign for it"
    agreed = len({each.role for each in signatures if each.counts} & {r.name for r in roles})
    needed = policy.quorum if policy is not None and policy.quorum is not None else len(roles)
    said = f"{agreed} of {needed} signatures that are needed count"
    if needed != len(roles):
        said += f" ({len(roles)} roles may sign)"
    if agreed >= needed and missing:
        said += ", and the step is not taken: something else is missing"
    return said


def _missing(dossier: Dossier, step: Step) -> tuple[StillMissing, ...]:
    status = dossier.rollout.status
    if step.stage is Stage.AHEAD and status.phase is not Phase.COMPLETED:
        stands = "it has not started" if status.percent is None else f"it is at {status.percent} %"
        before = f"{stands}: it must reach {goal(step.from_)} first"
        if step.from_ is None:
            before = f"{stands}: it must be started"
        return (StillMissing(condition="Earlier", message=before, command=None),)
    return tuple(
        StillMissing(condition=each.condition, message=each.message, command=each.command)
        for each in status.blocked_by
    )


def _earlier(dossier: Dossier, step: Step) -> Iterable[Earlier]:
    for entry in step.earlier:
        undone = undone_by(dossier, entry)
        yield Earlier(
            transition_id=entry.transition_id,
            at=entry.at,
            attempt=entry.attempt,
            undone_by=undone.transition_id if undone is not None else None,
            undone_at=undone.at if undone is not None else None,
        )


def _notes(dossier: Dossier, step: Step) -> Iterable[str]:
    if step.stage is Stage.TAKEN and step.entry is None:
        yield (
            "The history on the object does not reach back to this step: what it was taken on is "
            "unknown here. An exported record may have it: --record FILE."
        )
    elif step.entry is not None and step.entry.evidence.shortened:
        yield "The evidence was shortened to fit the history: what is left out is unknown."
    if step.entry is not None and step.entry.evidence.admission not in ("", "Enforced"):
        yield "Admission was not enforced when the step was taken: names are not verified."
    if dossier.rollout.status.observed_generation < dossier.rollout.metadata.generation:
        yield "The operator has not judged the plan as it is now: what is missing may have changed."
