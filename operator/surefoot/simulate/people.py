"""People: who answers what is asked, how long they take, and what they write."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, Decision, Purpose, RequestState, Signing
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.simulate.cluster import Request
from surefoot.simulate.scenario import People, delay_of

_SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nsimulated\n-----END SSH SIGNATURE-----\n"
_OPEN = frozenset({RequestState.PENDING})


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody decides on a request, and when."""

    at: datetime
    request: str
    about: str
    by: str
    changes: dict[str, Any]

    @property
    def decision(self) -> str:
        """GO or NO-GO."""
        return str(self.changes["decision"])


def is_open(request: Request) -> bool:
    """Whether nobody has decided it, and it may be."""
    return request.spec.decision is None and request.status.state in _OPEN


def is_signature(request: Request) -> bool:
    """Whether it asks somebody to sign for a step."""
    return isinstance(request, Approval) and request.spec.request.purpose is Purpose.ADVANCE


def about(request: Request) -> str:
    """What is asked, in a word: the role, or the checkpoint's name."""
    asked = request.spec.request
    return asked.role if isinstance(request, Approval) else asked.name  # type: ignore[union-attr]


def answer_at(people: People, request: Request) -> datetime | None:
    """When it is answered; None if never."""
    asked = request.spec.request
    if isinstance(request, Checkpoint):
        is_meeting = request.spec.request.type is CheckpointType.DECISION_MEETING
        usual = people.meetings if is_meeting else people.checkpoints
        opens = request.spec.request.opens_at
    else:
        acknowledges = request.spec.request.purpose is Purpose.ACKNOWLEDGE
        usual, opens = (people.meetings if acknowledges else people.approvals), None
    delay = delay_of(people.named.get(about(request), usual))
    created = request.metadata.creation_timestamp
    if delay is None or created is None or asked is None:
        return None
    return max(created, opens or created) + delay


def answer(
    request: Request, requests: dict[str, Request], at: datetime, decision: Decision = Decision.GO
) -> Answer | None:
    """What somebody who may decide it does decide; None where nobody may."""
    by = _able(request, requests)
    if by is None:
        return None
    name = about(request)
    said = f"{decision.value} of {by} in a simulation"
    changes: dict[str, Any] = {"decision": decision.value, "decidedBy": {"username": by}}
    if isinstance(request, Checkpoint):
        changes |= {"summary": said}
        if request.spec.request.type is CheckpointType.HANDOFF:
            changes["requiredAction"] = "take it over"
        return Answer(at, request.metadata.name, name, by, changes)
    changes |= {"reason": said}
    changes |= {section.value: said for section in request.spec.request.required_sections}
    if request.spec.request.signing is Signing.REQUIRED:
        changes["signature"] = {"value": _SIGNATURE, "expiresAt": "2999-01-01T00:00:00Z"}
    return Answer(at, request.metadata.name, name, by, changes)


def _able(request: Request, requests: dict[str, Request]) -> str | None:
    """Somebody who is asked, may decide it, and has signed for no other role of this step.

    Who could do least else comes first, so that nobody takes the place of the only one.
    """
    asked = request.spec.request
    excluded = {name.lower() for name in asked.excluded_users}
    taken = _taken(request, requests) if is_signature(request) else set[str]()
    users, groups = _asked(request)
    able = [user for user in users if user.lower() not in excluded | taken]
    if able:
        others = [_asked(each)[0] for each in requests.values() if is_open(each)]
        return min(able, key=lambda user: sum(user in names for names in others))
    members = [f"{group.rpartition(':')[2]}-{number}" for group in groups for number in (1, 2, 3)]
    return next((name for name in members if name.lower() not in excluded | taken), None)


def _asked(request: Request) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(request, Approval):
        return request.spec.request.users, request.spec.request.groups
    reporter = request.spec.request.reporter
    return reporter.users, reporter.groups


def _taken(request: Request, requests: dict[str, Request]) -> set[str]:
    """Those who have signed for another role of the same step."""
    return {
        each.spec.decided_by.username.lower()
        for each in requests.values()
        if is_signature(each)
        and each.spec.decided_by is not None
        and each.status.state not in {RequestState.USED, RequestState.VOID, RequestState.EXPIRED}
        and each.metadata.name != request.metadata.name
    }
