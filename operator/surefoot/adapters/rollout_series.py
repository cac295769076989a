"""The series of each Rollout, made from a few numbers when they are asked for.

The library's own gauges take a kilobyte for each of some twenty series of a Rollout: more than the
Rollout itself. Here a Rollout takes some hundred bytes.
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from surefoot.api.v1alpha1.rollout_status import RolloutStatus, Severity, TriggerState
from surefoot.application.ports import ObjectKey

_LEVELS = (Severity.WARNING, Severity.CRITICAL)
_FOR_TOOLS = frozenset({"Ready", "Reconciling", "Stalled"})
_ROLLOUT = ("namespace", "rollout")


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is shown of one Rollout. It is replaced whole: another thread may be reading."""

    percent: int | None = None
    waiting: int | None = None
    """Signatures that it waits for."""
    conditions: tuple[str, ...] = ()
    blocking: tuple[bool, ...] = ()
    triggers: tuple[tuple[str, TriggerState], ...] = ()
    overdue: tuple[int, ...] | None = None


_NOTHING = _Shown()


@dataclass(frozen=True, slots=True)
class Family:
    """A metric of Rollouts: its name, what it means, and its labels."""

    name: str
    meaning: str
    labels: tuple[str, ...]


PERCENT = Family("surefoot_rollout_percent", "Committed percentage", _ROLLOUT)
BLOCKED = Family(
    "surefoot_rollout_blocked", "1 where the condition blocks", (*_ROLLOUT, "condition")
)
TRIGGER = Family(
    "surefoot_trigger_state",
    "1 for the state that the trigger is in",
    (*_ROLLOUT, "trigger", "state"),
)
APPROVALS = Family("surefoot_approvals_pending", "Signatures waited for", _ROLLOUT)
OVERDUE = Family(
    "surefoot_requests_overdue",
    "Reports and signatures past their time, by how urgent they have become",
    (*_ROLLOUT, "severity"),
)
FAMILIES = (PERCENT, BLOCKED, TRIGGER, APPROVALS, OVERDUE)

Values = Iterator[tuple[tuple[str, ...], float]]


class RolloutSeries(Collector):
    """What is shown of all Rollouts."""

    def __init__(self) -> None:
        self._shown: dict[ObjectKey, _Shown] = {}

    def judged(self, key: ObjectKey, status: RolloutStatus) -> None:
        """What a pass found."""
        before = self._shown.get(key, _NOTHING)
        conditions = [each for each in status.conditions if each.type not in _FOR_TOOLS]
        late = [blocker.escalated_to for blocker in status.blocked_by]
        self._shown[key] = _Shown(
            percent=before.percent if status.percent is None else status.percent,
            waiting=before.waiting,
            conditions=tuple(sys.intern(each.type) for each in conditions),
            blocking=tuple(each.status != "True" for each in conditions),
            triggers=tuple((each.name, each.state) for each in status.triggers),
            overdue=tuple(late.count(level) for level in _LEVELS),
        )

    def approvals_pending(self, key: ObjectKey, count: int) -> None:
        """How many signatures a Rollout waits for."""
        self._shown[key] = replace(self._shown.get(key, _NOTHING), waiting=count)

    def forgot(self, key: ObjectKey) -> None:
        """A Rollout is gone."""
        self._shown.pop(key, None)

    def collect(self) -> Iterator[Metric]:
        """All of it, as metrics."""
        for family in FAMILIES:
            metric = Metric(family.name, family.meaning, "gauge")
            metric.samples = _Samples(self._samples(family))
            yield metric

    def _samples(self, family: Family) -> Iterator[Sample]:
        for key, shown in list(self._shown.items()):
            for labels, value in _values(family, shown):
                named = dict(zip(family.labels, (*key, *labels), strict=True))
                yield Sample(family.name, named, value)


class _Samples(list[Sample]):
    """Samples that are made one after the other: together they would take as much as gauges do."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        super().__init__()
        self._samples = samples

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples)


def _values(family: Family, shown: _Shown) -> Values:
    """The labels beside the Rollout's own, and the value, of each series."""
    if family is PERCENT and shown.percent is not None:
        yield (), float(shown.percent)
    elif family is BLOCKED:
        for condition, blocks in zip(shown.conditions, shown.blocking, strict=True):
            yield (condition,), float(blocks)
    elif family is TRIGGER:
        for name, present in shown.triggers:
            for state in TriggerState:
                yield (name, state.value), float(state is present)
    elif family is APPROVALS and shown.waiting is not None:
        yield (), float(shown.waiting)
    elif family is OVERDUE and shown.overdue is not None:
        for level, count in zip(_LEVELS, shown.overdue, strict=True):
            yield (level.value,), float(count)
