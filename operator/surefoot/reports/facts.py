"""What parts of an audit are made from: the dossier, and all that follows from it at once."""

from dataclasses import dataclass

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.checkpoint import Checkpoint
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

    @property
    def left(self) -> frozenset[tuple[int, int]]:
        """What expansions left behind: attempt and percentage."""
        return frozenset(
            (each.entry.attempt, each.from_) for each in self.taken if each.entry is not None
        )

    @property
    def handoffs_due(self) -> tuple[Handoff, ...]:
        """The handoffs of percentages that were left; those of the step ahead still have time."""
        return tuple(each for each in self.handoffs if (each.attempt, each.percent) in self.left)

    @property
    def checkpoints_due(self) -> tuple[Checkpoint, ...]:
        """The plan's checkpoints at percentages that were left, but for rounds asked again."""
        return tuple(
            each
            for each in self.dossier.checkpoints
            if (each.spec.request.attempt, each.spec.request.percent) in self.left
            and each.spec.request.conditions_of is None
            and (each.spec.decision is not None or each.status.state is not RequestState.VOID)
        )

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
