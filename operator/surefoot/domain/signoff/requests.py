"""What checkpoints and approvals have in common: what was asked, what was decided, what counts.

The identity of a request is `spec.request`, never its name. A decision is known from the moment the
operator first saw it; a request that was decided while nobody watched counts from its creation.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalRequest,
    ApprovalSpec,
    Decision,
    PastDecision,
    Purpose,
    RequestState,
    Signing,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType, People
from surefoot.api.v1alpha1.meta import GROUP, SIGNER_PATTERN, DecisionReference
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, SignatureEvidence
from surefoot.domain.derive.state import State
from surefoot.domain.facts.snapshot import Admission

Request = Approval | Checkpoint
FINAL = frozenset({RequestState.VOID, RequestState.EXPIRED, RequestState.USED})
KEPT_DECISIONS = 16
_PLAIN_NAME = re.compile(SIGNER_PATTERN)
_NOT_PEOPLE = "system:"
GIVEN_WITHOUT_ADMISSION = (
    "it was given while admission was not enforced, so that nobody knows who gave it"
)


@dataclass(frozen=True, slots=True)
class ObservedDecision:
    """The decision that a request carries now, and since when the operator knows it.

    ``history`` is every decision seen, this one included.
    """

    decision: Decision
    by: str
    reason: str
    at: datetime
    history: tuple[PastDecision, ...]

    @property
    def was_changed(self) -> bool:
        """Whether another decision stood here before."""
        return len(self.history) > 1

    @property
    def verified(self) -> bool:
        """Whether admission established who decided, when it was first seen."""
        return self.history[-1].verified


def current_decision(situation: State, request: Request) -> ObservedDecision | None:
    """The decision on a request, or None while there is none."""
    spec = request.spec
    if spec.decision is None or spec.decided_by is None:
        return None
    by, reason = spec.decided_by.username, _reason(request)
    history = request.status.decisions
    if not is_recorded(request):
        entry = PastDecision(
            decision=spec.decision,
            by=by,
            verified=situation.verified and not _may_be_brought(request),
            reason=reason,
            generation=request.metadata.generation,
            seen_at=_first_seen(situation, request),
        )
        history = _bounded((*history, entry))
    return ObservedDecision(spec.decision, by, reason, history[-1].seen_at, history)


def is_recorded(request: Request) -> bool:
    """Whether the last decision on record is the one that the request carries.

    `spec.request` can not change, so with the generation anything of the decision has.
    """
    spec, history = request.spec, request.status.decisions
    if not history or spec.decided_by is None:
        return False
    carried = (spec.decision, spec.decided_by.username, request.metadata.generation)
    last = history[-1]
    return (last.decision, last.by, last.generation) == carried


def may_be_recorded(situation: State, request: Request) -> bool:
    """Whether it can be said who decided: not while nobody knows whether admission is enforced."""
    is_new = request.spec.decision is not None and not is_recorded(request)
    return not is_new or situation.snapshot.admission is not Admission.UNKNOWN


def _reason(request: Request) -> str:
    return (request.spec.reason if isinstance(request, Approval) else request.spec.summary) or ""


def _may_be_brought(request: Request) -> bool:
    """Whether admission lets somebody else write this down: its detached signature says who it is.

    Only in the name of a user who was asked, and only where a signature is required. A member of a
    group writes their decision themselves, and so does everybody a NO-GO without a signature.
    """
    spec = request.spec
    return (
        isinstance(spec, ApprovalSpec)
        and _is_signed(request)
        and spec.request.signing is Signing.REQUIRED
        and spec.decided_by is not None
        and spec.decided_by.username in spec.request.users
    )


def _is_signed(request: Request) -> bool:
    return isinstance(request, Approval) and request.spec.signature is not None


def _first_seen(situation: State, request: Request) -> datetime:
    watched = request.metadata.uid in situation.snapshot.watched_requests
    if request.status.decisions or watched:
        return situation.now
    return request.metadata.creation_timestamp or situation.now


def _bounded(history: tuple[PastDecision, ...]) -> tuple[PastDecision, ...]:
    """The last decisions. What a later one of the same signer replaced goes first, then a GO.

    So a NO-GO can not be pushed out by deciding often.
    """
    while len(history) > KEPT_DECISIONS:
        later = [{signer(other) for other in history[at + 1 :]} for at in range(len(history))]
        place = next(
            (i for i, entry in enumerate(history) if signer(entry) in later[i]),
            next((i for i, entry in enumerate(history) if entry.decision is Decision.GO), 0),
        )
        history = history[:place] + history[place + 1 :]
    return history


def counts_for_nothing(dry_run: int) -> str:
    """What is said wherever somebody meets a request of a dry run."""
    return f"dry run {dry_run} of the approval: it counts for nothing; answer as you would for real"


def is_dry_run(request: Request) -> bool:
    """Whether it only tries the process of approval."""
    asked = request.spec.request
    return isinstance(asked, ApprovalRequest) and asked.purpose is Purpose.DRY_RUN


def state_of(decision: ObservedDecision | None) -> RequestState:
    """The state of a request by its decision alone."""
    if decision is None:
        return RequestState.PENDING
    return RequestState.GO if decision.decision is Decision.GO else RequestState.NO_GO


def free_names(base: str, first_round: int) -> tuple[str, ...]:
    """Names to try for a request: the plain one first, or the round's, then those after it."""
    rounds = range(max(2, first_round), first_round + 20)
    names = tuple(f"{base}-r{number}" for number in rounds)
    return (base, *names) if first_round == 1 else names


def plural_of(request: Request) -> str:
    """The resource's name as kubectl takes it without doubt."""
    return f"{'approvals' if isinstance(request, Approval) else 'checkpoints'}.{GROUP}"


def decide_command(request: Request) -> str:
    """What to type to decide a request; what a person has to say is left as `…`."""
    where = f"{request.metadata.name} -n {request.metadata.namespace}"
    if isinstance(request, Approval) and request.spec.request.signing is Signing.REQUIRED:
        options = "".join(f' --{_dashed(part)} "…"' for part in _to_be_said(request))
        return f"surefoot sign {where} --decision GO{options}"
    said = "".join(f',"{part}":"…"' for part in _to_be_said(request))
    return (
        f"kubectl patch {plural_of(request)} {where} --type=merge "
        f'-p \'{{"spec":{{"decision":"GO"{said}}}}}\''
    )


def _to_be_said(request: Request) -> tuple[str, ...]:
    """What a GO must say, as fields of the spec."""
    if isinstance(request, Checkpoint):
        is_handoff = request.spec.request.type is CheckpointType.HANDOFF
        return ("summary", "requiredAction") if is_handoff else ("summary",)
    return ("reason", *(section.value for section in request.spec.request.required_sections))


def _dashed(name: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: f"-{capital[0].lower()}", name)


def format_people(users: Iterable[str], groups: Iterable[str]) -> str:
    """The people who may act, in words."""
    named = [*users, *(f"group {group}" for group in groups)]
    return ", ".join(named) or "nobody"


def is_eligible(request: Request, by: str) -> bool:
    """Whether the signer may decide this request, as far as the operator can tell."""
    return is_persons_name(by) and not is_excluded(request, by) and is_asked(request, by)


def is_persons_name(name: str) -> bool:
    """Whether this names a person, and can not be mistaken for another's name."""
    return _PLAIN_NAME.fullmatch(name) is not None and not name.startswith(_NOT_PEOPLE)


def not_a_name(by: str) -> str:
    """Why a name that is not a person's does not count, so that look-alikes can be told apart."""
    return (
        f"{by!a} is not a person's name: it must be printable ASCII without spaces and commas, and "
        f"not begin with {_NOT_PEOPLE}"
    )


def is_excluded(request: Request, by: str) -> bool:
    """Whether the request says that this person may not decide it."""
    return by.lower() in {name.lower() for name in request.spec.request.excluded_users}


def is_asked(request: Request, by: str) -> bool:
    """Whether the person is one of those who were asked, as far as the operator can tell.

    Membership in a group is known to the API server only.
    """
    people = people_asked(request)
    return by in people.users or bool(people.groups)


def has_unverified_membership(
    situation: State, request: Request, decision: ObservedDecision
) -> bool:
    """Whether nobody has seen that the signer is in a group that was asked.

    A detached signature says who signed, and not in which groups they are. Admission knows those of
    whoever writes; it was not in force then.
    """
    is_unseen = _is_signed(request) and situation.verified and not decision.verified
    return is_unseen and decision.by not in people_asked(request).users


def is_signer_authenticated(situation: State, request: Request, decision: ObservedDecision) -> bool:
    """Whether it is the signer's word: by admission, or because a detached signature says so.

    Where the administrator stated that admission is not enforced, names are believed.
    """
    return decision.verified or _is_signed(request) or not situation.verified


def exactly(request: Request) -> DecisionReference:
    """The decision that a request carries now, and no other that it ever carries."""
    metadata = request.metadata
    return DecisionReference(name=metadata.name, uid=metadata.uid, generation=metadata.generation)


def why_report_is_void(
    situation: State, request: Checkpoint, decision: ObservedDecision | None
) -> str | None:
    """Why a report is not the word of somebody who was asked; None if it may be."""
    if decision is None:
        return None
    if not is_persons_name(decision.by):
        return not_a_name(decision.by)
    if not is_eligible(request, decision.by):
        return f"{decision.by} may not report on this"
    is_go = decision.decision is Decision.GO
    if is_go and not is_signer_authenticated(situation, request, decision):
        return GIVEN_WITHOUT_ADMISSION
    return None


def counted(
    request: Request,
    decision: ObservedDecision,
    role: str,
    *,
    purpose: str | None = None,
    signature: SignatureEvidence | None = None,
) -> DecisionEvidence:
    """A decision as it is counted, for the record."""
    metadata = request.metadata
    return DecisionEvidence(
        kind="Approval" if isinstance(request, Approval) else "Checkpoint",
        name=metadata.name,
        uid=metadata.uid,
        resource_version=metadata.resource_version,
        generation=metadata.generation,
        role=role,
        purpose=purpose,
        decision=decision.decision.value,
        by=decision.by,
        verified=decision.verified,
        decided_at=decision.at,
        reason=decision.reason[:1024],
        signature=signature,
    )


def people_asked(request: Request) -> ApprovalRequest | People:
    """Who may sign or report."""
    asked = request.spec.request
    return asked if isinstance(asked, ApprovalRequest) else asked.reporter


def signer(entry: PastDecision) -> str:
    """Who decided; names that differ in case are one person."""
    return entry.by.lower()
