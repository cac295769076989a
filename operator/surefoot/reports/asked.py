"""What people asked for beside their signatures: retries, rollbacks, changed plans, pauses."""

from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.domain.record.requesters import format_by, is_requested, named
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part


class AskedByPerson(Part):
    """Something that a person asked for."""

    at: datetime
    what: str
    percent: int
    """Where the flag stood afterwards."""
    by: str | None
    """None where the name was not recorded."""
    verified: bool | None
    """Whether admission established who it was; None where nobody was named."""
    message: str
    transition_id: str


def asked_by_people(dossier: Dossier) -> tuple[AskedByPerson, ...]:
    """Everything of this kind on the record, oldest first."""
    return tuple(
        AskedByPerson(
            at=entry.at,
            what=entry.type.value,
            percent=entry.to,
            by=", ".join(named(entry)) or None,
            verified=bool(entry.verified) if named(entry) else None,
            message=entry.message,
            transition_id=entry.transition_id,
        )
        for entry in dossier.history
        if is_requested(entry)
    )


def asked_before(dossier: Dossier, entry: Transition) -> tuple[Transition, ...]:
    """What people asked for between the move before an entry and the entry, oldest first."""
    found: list[Transition] = []
    for each in dossier.history:
        if each.transition_id == entry.transition_id:
            break
        if each.from_ != each.to:
            found.clear()
        elif is_requested(each):
            found.append(each)
    return tuple(found)


def in_words(entry: Transition) -> str:
    """What was asked for, and by whom, such as `Resumed by hudson`."""
    return f"{entry.type.value} by {format_by(entry)}"
