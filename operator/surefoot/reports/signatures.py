"""The signatures on a step: what each role was asked, what it answered, and whether that counts."""

from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval, Decision, Purpose, RequestState
from surefoot.api.v1alpha1.rollout import Role
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, RoleStatus
from surefoot.domain.signoff.requests import format_people, is_recorded
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part
from surefoot.reports.requests import (
    all_said,
    asked_of,
    is_as_counted,
    part_of,
)
from surefoot.reports.steps import (
    Stage,
    Step,
    belongs,
    counted_for,
    evidence_of,
    hold_before,
    is_counted,
)


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


def approvals_of(dossier: Dossier, step: Step) -> tuple[Approval, ...]:
    """The Approvals by which roles were asked about this step, in whatever round."""
    named = {each.approval for each in dossier.rollout.status.approvals}
    found = [
        approval
        for approval in dossier.approvals
        if approval.spec.request.purpose is Purpose.ADVANCE
        and _leads_there(step, approval)
        and (
            belongs(dossier, step, approval)
            or (step.stage is Stage.ASKED and approval.metadata.name in named)
        )
    ]
    return tuple(sorted(found, key=lambda each: (part_of(each), each.spec.request.round)))


def _leads_there(step: Step, approval: Approval) -> bool:
    asked = approval.spec.request
    return asked.to == step.asked_to and (asked.from_ == 100) == (step.to is None)


def signatures_of(
    dossier: Dossier, step: Step, approvals: tuple[Approval, ...]
) -> tuple[Signature, ...]:
    """One for each request, for each that no object is left of, for each role not asked yet."""
    found = (*_of_requests(dossier, step, approvals), *_of_the_record(step, approvals))
    return tuple(sorted(found, key=lambda each: each.role))


def _of_requests(dossier: Dossier, step: Step, approvals: tuple[Approval, ...]) -> list[Signature]:
    evidence = evidence_of(step)
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
        # Perhaps a NO-GO that was given on the way to another percentage, and stands here too.
        by_name = {each.metadata.name: each for each in dossier.approvals}
        found += [_by_judgement(each, by_name.get(each.approval or "")) for each in judged.values()]
        said = {each.role for each in found}
        found += [_planned(role) for role in roles_of(dossier, step) if role.name not in said]
    return found


def roles_of(dossier: Dossier, step: Step) -> tuple[Role, ...]:
    """The roles that the plan asks to sign for the step."""
    policy = hold_before(dossier, step).approvals
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
        "why": counted_for(step),
    }


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
        for each in evidence_of(step).values()
        if each.kind == "Approval" and each.purpose is None and each.uid not in left
    ]


def _as_it_says(step: Step, approval: Approval) -> Signature:
    """A signature by its own object alone."""
    spec, status = approval.spec, approval.status
    if spec.decision is None or spec.decided_by is None:
        return Signature(
            **_asked(approval), state=status.state.value, counts=False, why=_why_not(approval)
        )
    was_counted = is_counted(step, approval)
    is_same = not was_counted or status.used_generation in (None, approval.metadata.generation)
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
        counts=was_counted or (None if status.state is RequestState.GO else False),
        why=counted_for(step) if was_counted else _why_not(approval),
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
        new = _not_judged(approval)
        # A NO-GO may stand beside what another has said on the same request since.
        return [new] if now.by is None else [new, _by_judgement(now, approval)]
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


def _not_judged(approval: Approval) -> Signature:
    """What a request says, where the operator says something else of the role."""
    said = _as_it_says(Step(None, None, Stage.ASKED), approval)
    why = said.why or "the operator has not judged it"
    return said.model_copy(update={"counts": None, "why": why})


def _counts(now: RoleStatus) -> bool:
    """The operator's message says what is in the way; without one, nothing is."""
    return now.state is RequestState.GO and not now.message


def _by_judgement(now: RoleStatus, approval: Approval | None) -> Signature:
    """A role as the operator judges it, with the words that it goes by where they are left."""
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
        asked_of=format_people(role.users, role.groups),
        state=RequestState.PENDING.value,
        counts=False,
        why="nobody is asked yet",
    )
