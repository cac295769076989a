"""The approval document of a step: what was decided, by whom, why, and on what evidence.

Every part is read from the objects and the history. Of a step that was taken, people's words are
those of the objects as they were counted; where an object is gone, or was changed since, only what
the history entry keeps is known.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, ClassVar

from pydantic import Field

from surefoot.api.v1alpha1.approval import Decision, RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.record.requesters import format_by
from surefoot.domain.signoff.requests import Request
from surefoot.reports.checkpoints import CheckpointReport, checkpoints_of, reports_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part, Report
from surefoot.reports.requests import all_said, is_as_counted, part_of, requested_by
from surefoot.reports.signatures import Signature, approvals_of, roles_of, signatures_of
from surefoot.reports.steps import (
    UPWARDS,
    Stage,
    Step,
    evidence_of,
    goal,
    hold_before,
    step_of,
    undone_by,
)

NO_GO = "NoGo"
_OVER = frozenset({RequestState.VOID, RequestState.EXPIRED})


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
    from_: Annotated[int | None, Field(alias="from")]
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
    is_recorded: bool
    """Whether the record says what the step was taken on; always so before it is taken."""
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
    approvals = approvals_of(dossier, step)
    checkpoints = checkpoints_of(dossier, step)
    signatures = signatures_of(dossier, step, approvals)
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
        checkpoints=reports_of(dossier, step, checkpoints),
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
        is_recorded=step.stage is not Stage.TAKEN or _says_on_what(step),
        notes=tuple(_notes(dossier, step)),
    )


def _in_words(step: Step) -> str:
    begin = "" if step.from_ is None or step.to is None else f"from {step.from_}% "
    return f"{begin}to {goal(step.to)}"


def _plan_hash(dossier: Dossier, step: Step) -> str | None:
    if step.stage is Stage.TAKEN:
        return step.entry.plan_hash or None if step.entry is not None else None
    return dossier.rollout.status.plan_hash or None


def _attempt(dossier: Dossier, step: Step) -> int | None:
    if step.stage is Stage.TAKEN:
        return step.entry.attempt if step.entry is not None else None
    return dossier.rollout.status.attempt or 0


# What goes with them


def _conditions(step: Step, requests: Iterable[Request]) -> tuple[AskedFor, ...]:
    return tuple(
        asked
        for request in requests
        if request.spec.decision is Decision.GO and request.status.state not in _OVER
        for asked in _asked_for(step, request)
    )


def _asked_for(step: Step, request: Request) -> Iterable[AskedFor]:
    evidence = evidence_of(step).get(request.metadata.uid)
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
    pending = dossier.rollout.status.pending
    if pending is not None and pending.type in UPWARDS and pending.to == step.to:
        at = _moment(pending.recorded_at)
        return "GO", f"decided at {at}; transition {pending.transition_id} is being written"
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
        f"{said}; a rollback to {undone.to}% by {format_by(undone)} undid it at "
        f"{_moment(undone.at)} "
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
    roles, policy = roles_of(dossier, step), hold_before(dossier, step).approvals
    if not roles:
        return "the step is not taken; nobody has to sign for it"
    agreed = len({each.role for each in signatures if each.counts} & {r.name for r in roles})
    needed = policy.quorum if policy is not None and policy.quorum is not None else len(roles)
    said = f"{agreed} of {needed} needed signatures count"
    if needed != len(roles):
        said += f" ({len(roles)} roles may sign)"
    if agreed >= needed and missing:
        said += ", and the step is not taken: something else is missing"
    return said


def _missing(dossier: Dossier, step: Step) -> tuple[StillMissing, ...]:
    status = dossier.rollout.status
    if step.stage is Stage.AHEAD and status.phase is not Phase.COMPLETED:
        stands = "it has not started" if status.percent is None else f"it is at {status.percent}%"
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


def _says_on_what(step: Step) -> bool:
    """A shortened entry has its decisions, unless not even these had room."""
    evidence = step.entry.evidence if step.entry is not None else None
    return evidence is not None and (not evidence.shortened or bool(evidence.decisions))


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
