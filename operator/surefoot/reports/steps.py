"""One step of a Rollout, by the percentage that it leads to: taken, asked about, or ahead."""

from dataclasses import dataclass
from enum import StrEnum

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.rollout_status import DecisionEvidence, Transition, TransitionType
from surefoot.domain.facts.steps import HoldPolicy, hold_of, index_of, next_index, previous_percent
from surefoot.domain.signoff.requests import Request
from surefoot.errors import ReportError
from surefoot.reports.dossier import Dossier

UPWARDS = frozenset({TransitionType.START, TransitionType.ADVANCE, TransitionType.COMPLETE})
"""What takes a step."""


class Stage(StrEnum):
    """How a step stands."""

    TAKEN = "Taken"
    ASKED = "Asked"
    AHEAD = "Ahead"


@dataclass(frozen=True, slots=True)
class Step:
    """A step from one percentage to another; ``to`` is None for the one to Completed.

    ``entry`` is the transition that took it; None where it was not taken, or where the record does
    not reach back to it. ``earlier`` took it before, and a rollback undid them.
    """

    from_: int | None
    to: int | None
    stage: Stage
    entry: Transition | None = None
    earlier: tuple[Transition, ...] = ()

    @property
    def asked_to(self) -> int:
        """The percentage as requests name it: from 100 to 100 means Completed."""
        return 100 if self.to is None else self.to


def goal(to: int | None) -> str:
    """Where a step leads, in words."""
    return "complete" if to is None else f"{to}%"


def step_of(dossier: Dossier, to: int | None) -> Step:
    """The step to this percentage, None for Completed. Raises `ReportError` where there is none."""
    takings = tuple(entry for entry in dossier.history if _leads_to(entry, to))
    is_planned = to is None or index_of(dossier.rollout.spec, to) is not None
    if not is_planned and not takings:
        raise ReportError(_no_such_step(dossier, to))
    if _stands(dossier, to) or not is_planned:
        if not takings and dossier.is_whole and dossier.history:
            raise ReportError(_passed_by(dossier, to))
        entry = takings[-1] if takings else None
        from_ = entry.from_ if entry is not None else _from(dossier, to)
        return Step(from_, to, Stage.TAKEN, entry, takings[:-1])
    percent = dossier.rollout.status.percent
    if _comes_next(dossier, to):
        return Step(percent, to, Stage.ASKED, earlier=takings)
    return Step(_from(dossier, to), to, Stage.AHEAD, earlier=takings)


def undone_by(dossier: Dossier, entry: Transition) -> Transition | None:
    """The rollback that went below what this entry had reached; None where none did."""
    at = dossier.history.index(entry)
    is_end = entry.type is TransitionType.COMPLETE
    return next(
        (
            later
            for later in dossier.history[at + 1 :]
            if later.type is TransitionType.ROLLBACK and (is_end or later.to < entry.to)
        ),
        None,
    )


def evidence_of(step: Step) -> dict[str, DecisionEvidence]:
    """What the transition used, by UID."""
    decisions = step.entry.evidence.decisions if step.entry is not None else ()
    return {each.uid: each for each in decisions}


def is_counted(step: Step, request: Request) -> bool:
    """Whether the transition used it; where that is not on record, whether one did."""
    if step.entry is None:
        return request.status.state is RequestState.USED
    is_named = request.status.counted_for == step.entry.transition_id
    return is_named or request.metadata.uid in evidence_of(step)


def belongs(dossier: Dossier, step: Step, request: Request) -> bool:
    """Whether it was asked in the attempt in which the step was taken, or is to be."""
    asked = request.spec.request
    if step.stage is not Stage.TAKEN:
        return asked.attempt == (dossier.rollout.status.attempt or 0)
    if step.entry is None:
        return is_counted(step, request)
    of_it = (asked.plan_hash, asked.attempt) == (step.entry.plan_hash, step.entry.attempt)
    return is_counted(step, request) or (of_it and request.status.state is not RequestState.USED)


def hold_before(dossier: Dossier, step: Step) -> HoldPolicy:
    """What the plan asks for before the step may be taken."""
    spec = dossier.rollout.spec
    return hold_of(spec, index_of(spec, step.from_) if step.from_ is not None else None)


def counted_for(step: Step) -> str:
    """Which transition used something, in words."""
    return f"counted for {step.entry.transition_id}" if step.entry is not None else "counted"


def _leads_to(entry: Transition, to: int | None) -> bool:
    if entry.type not in UPWARDS:
        return False
    return (entry.type is TransitionType.COMPLETE) == (to is None) and to in (None, entry.to)


def _stands(dossier: Dossier, to: int | None) -> bool:
    """Whether the rollout is there, or beyond."""
    status = dossier.rollout.status
    if to is None:
        return status.completed_at is not None
    return status.percent is not None and status.percent >= to


def _comes_next(dossier: Dossier, to: int | None) -> bool:
    spec, percent = dossier.rollout.spec, dossier.rollout.status.percent
    index = next_index(spec, percent)
    return to == (None if index is None else spec.steps[index].percent)


def _from(dossier: Dossier, to: int | None) -> int | None:
    """The percentage that the plan has before; None where the step is the first."""
    if to is None:
        return 100
    spec = dossier.rollout.spec
    return None if index_of(spec, to) == 0 else previous_percent(spec, to)


def _no_such_step(dossier: Dossier, to: int | None) -> str:
    rollout = dossier.rollout
    steps = ", ".join(str(step.percent) for step in rollout.spec.steps)
    return (
        f"Rollout {rollout.metadata.name} has no step to {goal(to)}, and its record has none: "
        f"its steps are {steps}, and complete for the end"
    )


def _passed_by(dossier: Dossier, to: int | None) -> str:
    return (
        f"Rollout {dossier.rollout.metadata.name} never took a step to {goal(to)}: its record, "
        f"which is whole, has none; it stands at {dossier.rollout.status.percent}%"
    )
