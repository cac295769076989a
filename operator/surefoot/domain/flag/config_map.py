"""The flag in its ConfigMap: what it must look like, and whose it is.

Rendering is deterministic: so drift is any difference, and a transition is applied exactly once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nsmallest
from itertools import chain, islice
from types import MappingProxyType

from surefoot.api.v1alpha1.meta import (
    ABANDONED_ANNOTATION,
    ADOPT_ANNOTATION,
    FORMAT_ANNOTATION,
    MANAGED_BY_LABEL,
    MANAGED_LABEL,
    ON_DELETE_ANNOTATION,
    ROLLOUT_ANNOTATION,
    ROLLOUT_UID_ANNOTATION,
    TRANSITION_ID_ANNOTATION,
)
from surefoot.api.v1alpha1.rollout import OnDelete, Rollout
from surefoot.api.v1alpha1.rollout_status import Committed, CommittedCohort, PendingTransition
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.domain.flag.cohorts import at_start
from surefoot.domain.flag.formats import registry
from surefoot.domain.flag.formats.interface import FlagState
from surefoot.domain.flag.formats.percentage import is_percentage

MANAGED_LABELS = MappingProxyType({MANAGED_BY_LABEL: "surefoot", MANAGED_LABEL: "true"})


@dataclass(frozen=True, slots=True)
class Rendering:
    """The ConfigMap as it must be. ``owned``: it is deleted with its Rollout.

    It has an ownerReference to the Rollout either way, so that tools show it there; if it is not to
    be deleted, another one to its namespace keeps it.
    """

    data: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owned: bool


@remembered_with
def rendering_as_committed(rollout: Rollout) -> Rendering | None:
    """The ConfigMap for the transition last committed; None before the first."""
    committed = rollout.status.committed
    return None if committed is None else rendering_of(rollout, committed)


def rendering_of(rollout: Rollout, transition: PendingTransition | Committed) -> Rendering:
    """The ConfigMap for a transition: the pending one, or the one last committed.

    Raises ``ValueError`` for a committed transition on a status without a percentage.
    """
    if isinstance(transition, PendingTransition):
        percent, step = transition.to, transition.step
    elif rollout.status.percent is None:
        raise ValueError(f"{rollout.metadata.name} has a committed transition but no percentage")
    else:
        percent, step = rollout.status.percent, rollout.status.step
    return Rendering(
        data=registry.render(
            rollout.spec.target.format,
            _state(
                rollout,
                percent,
                step,
                transition.cohorts,
                transition_id=transition.transition_id,
                written_at=transition.recorded_at,
            ),
        ),
        labels=MANAGED_LABELS,
        annotations={
            ROLLOUT_ANNOTATION: rollout.metadata.name,
            ROLLOUT_UID_ANNOTATION: rollout.metadata.uid,
            TRANSITION_ID_ANNOTATION: transition.transition_id,
            ON_DELETE_ANNOTATION: rollout.spec.target.on_delete.value,
            FORMAT_ANNOTATION: rollout.spec.target.format.value,
        },
        owned=rollout.spec.target.on_delete is OnDelete.DELETE,
    )


def _state(
    rollout: Rollout,
    percent: int,
    step: int | None,
    cohorts: tuple[CommittedCohort, ...],
    *,
    transition_id: str,
    written_at: datetime,
) -> FlagState:
    target = rollout.spec.target
    return FlagState(
        flags=target.flags,
        percent=percent,
        bucketing_key=target.bucketing_key,
        excluded=tuple(cohort.match for cohort in cohorts if not cohort.included),
        step=step,
        transition_id=transition_id,
        written_at=written_at,
    )


def carries(config_map: ConfigMap, rendering: Rendering) -> bool:
    """Whether the ConfigMap has the transition of the rendering, and its data exactly."""
    return (
        was_written_for(config_map, rendering.annotations[TRANSITION_ID_ANNOTATION])
        and dict(config_map.data) == dict(rendering.data)
        and not config_map.has_binary_data
        and not config_map.deleting
    )


def was_written_for(config_map: ConfigMap, transition_id: str) -> bool:
    """Whether the operator wrote it for this transition, whatever was done to its data since.

    One without the managed label was not written by the operator, whatever it says.
    """
    return (
        MANAGED_LABEL in config_map.labels
        and config_map.annotations.get(TRANSITION_ID_ANNOTATION) == transition_id
    )


def belongs_to(config_map: ConfigMap, rollout: Rollout) -> bool:
    """Whether the ConfigMap says that it is this Rollout's, by UID."""
    return config_map.annotations.get(ROLLOUT_UID_ANNOTATION) == rollout.metadata.uid


def is_own_start(config_map: ConfigMap, rollout: Rollout) -> bool:
    """Whether the operator itself created the ConfigMap, for a Start that the status remembers.

    Admission lets nobody else write what carries the managed label. Without it a ConfigMap proves
    nothing, whatever its annotations say; and an id that was never decided proves nothing either.
    """
    written = config_map.annotations.get(TRANSITION_ID_ANNOTATION, "")
    pending = rollout.status.pending
    known = {*rollout.status.abandoned_starts, *((pending.transition_id,) if pending else ())}
    return (
        belongs_to(config_map, rollout)
        and config_map.labels.get(MANAGED_LABEL) == MANAGED_LABELS[MANAGED_LABEL]
        and written in known
    )


def is_abandoned(config_map: ConfigMap, transition_id: str) -> bool:
    """Whether the ConfigMap says that nobody may apply this transition."""
    return config_map.annotations.get(ABANDONED_ANNOTATION) == transition_id


ADOPTED = "Adopted"
"""The reason of a Start at the percentage that was found in an offered ConfigMap."""


def may_be_written(config_map: ConfigMap | None, rollout: Rollout) -> bool:
    """Whether this Rollout may write here.

    Once Start is committed the ConfigMap of that name is the Rollout's, whatever it says. Before
    that it may be its own (a create whose answer was lost), absent, unless it was to be adopted, or
    offered for adoption at the percentage that was decided: what somebody did to it since, be it
    that they deleted it, is not written over.
    """
    if rollout.status.committed is not None:
        return True
    pending = rollout.status.pending
    if config_map is None:
        return pending is None or pending.reason != ADOPTED
    return is_own_start(config_map, rollout) or offers_what_was_decided(config_map, rollout)


def may_be_marked(config_map: ConfigMap, rollout: Rollout) -> bool:
    """Whether the operator may note on it, before Start is committed, that one was withdrawn."""
    return is_own_start(config_map, rollout) or is_offered(config_map, rollout)


def offers_what_was_decided(config_map: ConfigMap, rollout: Rollout) -> bool:
    """Whether a ConfigMap still offers the percentage that a recorded Start found in it."""
    pending = rollout.status.pending
    if pending is None or not is_offered(config_map, rollout):
        return False
    return adoption(config_map, rollout).percent == pending.to


def is_offered(config_map: ConfigMap, rollout: Rollout) -> bool:
    """Whether the ConfigMap asks to be adopted by this Rollout."""
    return config_map.annotations.get(ADOPT_ANNOTATION) == rollout.metadata.name


MOST_NAMED = 4
"""Of what is wrong with a ConfigMap as much is said: it may have tens of thousands of keys."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How a ConfigMap differs from its rendering, in words.

    ``by_the_plan`` where only `onDelete` of the plan changed, which is nobody's interference.
    """

    message: str
    by_the_plan: bool


def difference(config_map: ConfigMap | None, rendering: Rendering, owner: str) -> Difference | None:
    """How the ConfigMap differs from what was committed, or None.

    ``owner`` is the Rollout's UID.
    """
    if config_map is None:
        return Difference("the ConfigMap is missing", by_the_plan=False)
    differences = chain(
        _data_differences(config_map, rendering),
        _mark_differences("label", config_map.labels, rendering.labels),
        _mark_differences(
            "annotation",
            config_map.annotations,
            {k: v for k, v in rendering.annotations.items() if k != ON_DELETE_ANNOTATION},
        ),
    )
    named = tuple(islice(differences, MOST_NAMED))
    if named:
        return Difference("; ".join(named), by_the_plan=False)
    says = config_map.annotations.get(ON_DELETE_ANNOTATION)
    if says != rendering.annotations[ON_DELETE_ANNOTATION] or (
        config_map.goes_with(owner) != rendering.owned
    ):
        return Difference("target.onDelete has changed", by_the_plan=True)
    return None


def _data_differences(config_map: ConfigMap, rendering: Rendering) -> tuple[str, ...]:
    if config_map.deleting:
        return ("the ConfigMap is being deleted",)
    if config_map.immutable:
        return ("the ConfigMap is immutable, which hides later changes from its consumers",)
    if config_map.has_binary_data:
        return ("it has binaryData, which was not written by the operator",)
    differences = (
        f"{key} is {_quoted(config_map.data.get(key))}, not {_quoted(expected)}"
        for key, expected in rendering.data.items()
        if config_map.data.get(key) != expected
    )
    foreign = nsmallest(MOST_NAMED, config_map.data.keys() - rendering.data.keys())
    return (*differences, *(f"{key} is not the operator's" for key in foreign))


def _mark_differences(
    what: str, actual: Mapping[str, str], expected: Mapping[str, str]
) -> tuple[str, ...]:
    return tuple(
        f"{what} {key} is {_quoted(actual.get(key))}, not {_quoted(value)}"
        for key, value in expected.items()
        if actual.get(key) != value
    )


def _quoted(text: str | None, length: int = 60) -> str:
    if text is None:
        return "absent"
    return f'"{text if len(text) <= length else text[: length - 1] + "…"}"'


@dataclass(frozen=True, slots=True)
class Adoption:
    """What adopting a ConfigMap would mean: the percentage it stands at, or why it cannot be."""

    percent: int | None
    reason: str
    message: str


def adoption(config_map: ConfigMap, rollout: Rollout) -> Adoption:
    """Whether the Rollout can take this ConfigMap over without moving anybody."""
    target, flags = rollout.spec.target, rollout.spec.target.flags
    own_keys = registry.render(target.format, _state_to_adopt(rollout, 0))
    if config_map.deleting:
        return Adoption(
            None,
            "AdoptedBeingDeleted",
            f"ConfigMap {config_map.name} is being deleted, and the flag goes off with it; wait "
            "until it is gone, or create it again",
        )
    foreign = nsmallest(MOST_NAMED, config_map.data.keys() - own_keys.keys())
    if foreign or config_map.has_binary_data:
        keys = ", ".join(foreign) or "binaryData"
        return Adoption(
            None,
            "AdoptedForeignKeys",
            f"ConfigMap {config_map.name} has keys that are no flags of the plan: {keys}; "
            "add them to target.flags or move them to another ConfigMap",
        )
    flag_values = {flag: config_map.data.get(flag) for flag in flags}
    values = set(flag_values.values())
    text = next(iter(values))
    if len(values) > 1 or text is None or not is_percentage(text):
        assignments = ", ".join(f"{flag}={_quoted(value)}" for flag, value in flag_values.items())
        return Adoption(
            None,
            "AdoptedFlagsDiffer",
            f"ConfigMap {config_map.name} must hold the same whole number from 0 to 100 for every "
            f"flag; found {assignments}",
        )
    percent = int(text)
    percents = [step.percent for step in rollout.spec.steps]
    if percent != 0 and percent not in percents:
        return Adoption(
            None,
            "AdoptedPercentNotAStep",
            f"ConfigMap {config_map.name} stands at {percent}%, which is no step of the plan "
            f"({', '.join(map(str, percents))}); add a step with percent {percent} to adopt it "
            "without moving anybody",
        )
    other = registry.other_audience(
        target.format, _state_to_adopt(rollout, percent), config_map.data
    )
    if other is not None:
        return Adoption(
            None,
            "AdoptedDocumentDiffers",
            f"ConfigMap {config_map.name} has a document {other}",
        )
    return Adoption(percent, "Adoptable", f"adopts {config_map.name} at {percent}%")


def _state_to_adopt(rollout: Rollout, percent: int) -> FlagState:
    """What a Start at this percentage would write, apart from when and by which transition."""
    cohorts = at_start(rollout.spec, percent)
    moment = datetime.fromtimestamp(0, UTC)
    return _state(rollout, percent, None, cohorts, transition_id="", written_at=moment)
