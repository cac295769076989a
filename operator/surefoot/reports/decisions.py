"""Who decided each step on what evidence, and who approved what."""

from collections.abc import Iterator
from datetime import datetime

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, Transition, TransitionType
from surefoot.domain.record.requesters import format_by, is_requested
from surefoot.domain.signoff.requests import Request
from surefoot.reports.asked import asked_before, in_words
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part

_MOVES = frozenset({TransitionType.START, TransitionType.ADVANCE, TransitionType.ROLLBACK})
_STEPS = frozenset({*_MOVES, TransitionType.COMPLETE})
NOT_ASKED = "not asked"


class Decision(Part):
    """A checkpoint or approval that a step used."""

    of: str
    """The role, or the checkpoint's name in the plan."""
    kind: str
    purpose: str
    decision: str
    by: str | None
    verified: bool
    key: str | None
    """The fingerprint of the key of a detached signature, where there was one."""
    decided_at: datetime | None
    reason: str


class Window(Part):
    """What a gate or trigger saw."""

    metric: str
    used_by: str
    outcome: str
    count: int
    coverage: str
    min: str | None
    max: str | None
    last: str | None
    compared_with: str | None


class StepTaken(Part):
    """A step, who decided it, and on what evidence."""

    step: str
    type: str
    at: datetime
    transition_id: str
    decided_by: str
    reason: str
    message: str
    admission: str | None
    """Whether signatures were verified: Enforced or Unenforced."""
    soak_required: str | None
    soak_healthy: str | None
    compliance: tuple[str, ...]
    """What the compliance check said, as `Name=Outcome`; empty where it was not recorded."""
    people: str
    """What people had to do with it beside the decisions below, in a sentence or two."""
    decisions: tuple[Decision, ...]
    windows: tuple[Window, ...]
    shortened: bool


class MatrixRow(Part):
    """What one role said, step by step."""

    role: str
    cells: tuple[str, ...]


class Matrix(Part):
    """Roles by steps."""

    steps: tuple[str, ...]
    rows: tuple[MatrixRow, ...]


def steps_taken(dossier: Dossier) -> tuple[StepTaken, ...]:
    """Every step of the record, oldest first."""
    return tuple(_step(dossier, entry) for entry in dossier.history if entry.type in _STEPS)


def _step(dossier: Dossier, entry: Transition) -> StepTaken:
    evidence, soak = entry.evidence, entry.evidence.soak
    return StepTaken(
        step=step_name(entry),
        type=entry.type.value,
        at=entry.at,
        transition_id=entry.transition_id,
        decided_by=format_by(entry, otherwise="unknown"),
        reason=entry.reason,
        message=entry.message,
        admission=evidence.admission or None,
        soak_required=soak.required if soak else None,
        soak_healthy=soak.healthy if soak else None,
        compliance=evidence.compliance,
        people=_people(dossier, entry),
        decisions=tuple(_decision(each) for each in evidence.decisions),
        windows=tuple(
            Window(
                metric=each.metric,
                used_by=each.used_by,
                outcome=each.outcome,
                count=each.count,
                coverage=each.coverage,
                min=each.min,
                max=each.max,
                last=each.last,
                compared_with=each.compared_with,
            )
            for each in evidence.windows
        ),
        shortened=evidence.shortened,
    )


def _people(dossier: Dossier, entry: Transition) -> str:
    """It never says that nobody decided, where somebody did or where some of it was left out."""
    before = asked_before(dossier, entry)
    said = []
    if is_requested(entry):
        said.append(f"It was asked for by {format_by(entry)}, which needs no signature.")
    elif entry.evidence.shortened and not entry.evidence.decisions:
        said.append("The entry was shortened: which decisions it used is not on the record.")
    elif not entry.evidence.decisions and not before:
        said.append("No decision of a person is on the record.")
    elif not entry.evidence.decisions:
        said.append("No signature is on the record.")
    if before:
        said.append(f"Before it: {'; '.join(map(in_words, before))}.")
    return " ".join(said)


def step_name(entry: Transition) -> str:
    """Such as `10% → 25%`, `start at 10%`, or `completed`."""
    if entry.type is TransitionType.COMPLETE:
        return "completed"
    if entry.from_ is None:
        return f"start at {entry.to}%"
    return f"{entry.from_}% → {entry.to}%"


def _decision(found: DecisionEvidence) -> Decision:
    return Decision(
        of=found.role,
        kind=found.kind,
        purpose=found.purpose or "",
        decision=found.decision,
        by=found.by or None,
        verified=found.verified,
        key=found.signature.key if found.signature else None,
        decided_at=found.decided_at,
        reason=found.reason,
    )


def matrix_of(dossier: Dossier) -> Matrix:
    """What each role said on each step that was taken, and on the one ahead."""
    columns = [
        (step_name(entry), _counted(entry))
        for entry in dossier.history
        if entry.type in {TransitionType.ADVANCE, TransitionType.COMPLETE}
    ]
    status = dossier.rollout.status
    if status.next_percent is not None or status.approvals:
        target = "completion" if status.next_percent in {None, status.percent} else "next"
        columns.append((f"{target} (ahead)", dict(_ahead(dossier))))
    named = {role for _, said in columns for role in said}
    return Matrix(
        steps=tuple(name for name, _ in columns),
        rows=tuple(
            MatrixRow(role=role, cells=tuple(said.get(role, NOT_ASKED) for _, said in columns))
            for role in sorted(named)
        ),
    )


def _counted(entry: Transition) -> dict[str, str]:
    return {
        each.role: _cell(each.decision, each.by, verified=each.verified)
        for each in entry.evidence.decisions
        if each.kind == "Approval" and each.purpose is None
    }


def _ahead(dossier: Dossier) -> Iterator[tuple[str, str]]:
    for role in dossier.rollout.status.approvals:
        if role.by:
            yield role.role, _cell(role.state.value, role.by, verified=bool(role.verified))
        else:
            yield role.role, role.state.value


def _cell(decision: str, by: str, *, verified: bool) -> str:
    return f"{decision} by {by or 'nobody named'}{'' if verified else ', not verified'}"


class Uncounted(Part):
    """A decision that somebody gave, and that does not count."""

    object: str
    of: str
    decision: str
    by: str | None
    at: datetime
    state: str
    why: str | None


def uncounted(dossier: Dossier) -> tuple[Uncounted, ...]:
    """Decisions on requests that became void or expired, in time order."""
    found = [
        Uncounted(
            object=request.metadata.name,
            of=of,
            decision=past.decision.value,
            by=past.by or None,
            at=past.seen_at,
            state=request.status.state.value,
            why=request.status.void_reason,
        )
        for request, of in _requests(dossier)
        if request.status.state in {RequestState.VOID, RequestState.EXPIRED}
        for past in request.status.decisions
    ]
    return tuple(sorted(found, key=lambda each: each.at))


def _requests(dossier: Dossier) -> Iterator[tuple[Request, str]]:
    for approval in dossier.approvals:
        yield approval, approval.spec.request.role
    for checkpoint in dossier.checkpoints:
        yield checkpoint, checkpoint.spec.request.name
