"""What parts of an audit are made from: the dossier, and all that follows from it at once."""

from dataclasses import dataclass

from surefoot.api.v1alpha1.rollout_status import Transition, TransitionType
from surefoot.reports.conversations import Conflict, Handoff, conflicts_of, handoffs_of
from surefoot.reports.dossier import Dossier
from surefoot.reports.expansions import Expansion, ahead, taken
from surefoot.reports.practices import ExpansionPractices, practices_of
from surefoot.reports.standards import Standards


@dataclass(frozen=True, slots=True)
class Facts:
    """A dossier with its expansions, each with its practices judged."""

    dossier: Dossier
    standards: Standards
    taken: tuple[Expansion, ...]
    taken_practices: tuple[ExpansionPractices, ...]
    ahead: Expansion | None
    ahead_practices: ExpansionPractices | None
    handoffs: tuple[Handoff, ...]
    conflicts: tuple[Conflict, ...]

    def entries(self, kind: TransitionType) -> tuple[Transition, ...]:
        """The history entries of one type."""
        return tuple(each for each in self.dossier.history if each.type is kind)


def facts_of(dossier: Dossier, standards: Standards) -> Facts:
    """Everything that follows from a dossier."""
    expansions, next_one = taken(dossier), ahead(dossier)
    return Facts(
        dossier=dossier,
        standards=standards,
        taken=expansions,
        taken_practices=tuple(practices_of(each, standards) for each in expansions),
        ahead=next_one,
        ahead_practices=None if next_one is None else practices_of(next_one, standards),
        handoffs=handoffs_of(dossier),
        conflicts=conflicts_of(dossier),
    )
