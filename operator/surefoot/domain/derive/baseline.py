"""Baselines: what each metric was like at a step, so that later steps can be compared with it.

Only time in which a sample was really there counts, after the warm-up, and again where the soak
begins again.
Until it is recorded a baseline is computed again from the provider's data, so that a restart loses
nothing; once it is recorded it stays for the attempt. A baseline belongs to the query that was
asked: of another query under the same name it says nothing.
"""

import hashlib
import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.api.v1alpha1.durations import format_elapsed, in_words, parse_elapsed
from surefoot.api.v1alpha1.rollout import Metric, OnBreach, RelativeTo, RolloutSpec
from surefoot.api.v1alpha1.rollout_status import Baseline, RolloutStatus
from surefoot.domain.derive.state import State
from surefoot.domain.facts.clock import SkippedTime, counted_since
from surefoot.domain.facts.measurements import Measurement, Outcome, Sample
from surefoot.domain.facts.steps import ZERO, HoldPolicy, hold_of, index_of, metrics_by_name
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)
from surefoot.domain.facts.windows import number

MOST_BASELINES = 128
"""As many as the status takes."""
_SUFFIX = " baseline"
"""No metric's name has a space in it."""


def measured_as(metric: str) -> str:
    """The name under which the samples for a metric's baseline are asked for and answered."""
    return f"{metric}{_SUFFIX}"


def metric_of(question: str) -> str:
    """The metric that a question is about, whatever it is asked for."""
    return question.partition(" ")[0]


# Recording.


@dataclass(frozen=True, slots=True)
class BaselineJudgement:
    """Whether this step has its baseline, and all that are recorded, with those of this moment.

    ``left`` is how much time with samples is missing, as of ``counted_to``.
    """

    verdict: Verdict
    baselines: tuple[Baseline, ...]
    left: timedelta = ZERO
    counted_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Collected:
    """The samples of one metric at this step, and for how much time there were some."""

    metric: Metric
    samples: tuple[Sample, ...]
    expected: int
    present: timedelta
    counted_to: datetime
    trouble: str

    @property
    def coverage(self) -> str:
        """Which share of the points had a sample."""
        return f"{len(self.samples) / self.expected:.0%}" if self.expected else "0%"


def counted_from(
    status: RolloutStatus, hold: HoldPolicy, skipped: tuple[SkippedTime, ...] = ()
) -> datetime | None:
    """From when samples count: after the warm-up, and after what started the soak again.

    There are samples of time that never passed here too: of before the step, or of a machine that
    slept. As much as was skipped does not count.
    """
    began = status.hold_since or status.since
    if began is None:
        return None
    warm_from = counted_since(began, skipped) + hold.warm_up
    if hold.on_breach is OnBreach.RESET and status.void_before is not None:
        return max(warm_from, counted_since(status.void_before, skipped))
    return warm_from


def unrecorded(spec: RolloutSpec, status: RolloutStatus) -> tuple[Metric, ...]:
    """The metrics of which this step still has to record a baseline."""
    required = _hold_at(spec, status.percent).baseline
    return tuple(
        metric
        for metric in spec.metrics
        if required > ZERO
        and not any(
            entry.percent == status.percent and parse_elapsed(entry.present) >= required
            for entry in _entries(status, metric)
        )
    )


def judge_baseline(situation: State) -> BaselineJudgement:
    """Whether every metric of the plan had samples for long enough; if so they are recorded."""
    status, hold = situation.status, situation.hold
    if hold.baseline <= ZERO:
        return BaselineJudgement(not_required(ConditionType.BASELINE_RECORDED), status.baselines)
    since = counted_from(status, hold, situation.snapshot.skipped)
    needed = f"{in_words(hold.baseline)} with samples are needed"
    if since is None or not situation.has_started:
        return BaselineJudgement(_lacks("NotStarted", needed), status.baselines)
    wanted = unrecorded(situation.rollout.spec, status)
    if not wanted and situation.rollout.spec.metrics:
        return BaselineJudgement(_recorded(status.baselines, status.percent), status.baselines)
    if not situation.opens_requests:
        return BaselineJudgement(_lacks("NotRecorded", needed), status.baselines)
    collected = [_collect(situation, metric, since) for metric in wanted]
    short = [samples for samples in collected if samples.present < hold.baseline]
    if short:
        return BaselineJudgement(
            verdict=blocks(ConditionType.BASELINE_RECORDED, *_too_few(short, hold.baseline)),
            baselines=status.baselines,
            left=max(hold.baseline - samples.present for samples in short),
            counted_to=max(samples.counted_to for samples in short),
        )
    percent = status.percent or 0
    new = tuple(_entry(samples, percent, situation.now) for samples in collected)
    baselines = _with_new(situation.rollout.spec, status.baselines, new)
    return BaselineJudgement(_recorded(baselines, percent), baselines)


def without_step(baselines: tuple[Baseline, ...], percent: int | None) -> tuple[Baseline, ...]:
    """The baselines of the other steps: that of this one begins again."""
    return tuple(entry for entry in baselines if entry.percent != percent)


def _lacks(reason: str, message: str) -> Verdict:
    return blocks(ConditionType.BASELINE_RECORDED, UnmetRequirement(reason, message))


def _recorded(baselines: tuple[Baseline, ...], percent: int | None) -> Verdict:
    medians = ", ".join(
        f"{entry.metric} {number(float(entry.median))} ({entry.count} samples)"
        for entry in baselines
        if entry.percent == percent
    )
    return passes(ConditionType.BASELINE_RECORDED, "Recorded", f"medians at {percent}%: {medians}")


def _collect(situation: State, metric: Metric, since: datetime) -> _Collected:
    measurement = situation.snapshot.measurements.get(measured_as(metric.name))
    if measurement is None:
        return _Collected(metric, (), 0, ZERO, since, "not measured yet")
    step = measurement.step
    samples = tuple(s for s in measurement.samples if s.is_number and s.at > since)
    return _Collected(
        metric=metric,
        samples=samples,
        expected=max(0, -(-(measurement.end - since) // step)),
        # A point speaks for the time up to it, as far as that counts: never more than there was.
        present=sum((min(step, sample.at - since) for sample in samples), ZERO),
        counted_to=max(since, measurement.end),
        trouble=_trouble(measurement),
    )


def _trouble(measurement: Measurement) -> str:
    if measurement.outcome is Outcome.VALUE:
        return ""
    return measurement.message or measurement.outcome.value


def _too_few(short: Iterable[_Collected], required: timedelta) -> Iterator[UnmetRequirement]:
    """What is missing; metrics that lack the same are named together."""
    lacking: dict[str, list[str]] = {}
    for collected in short:
        present = format_elapsed(collected.present // timedelta(seconds=1) * timedelta(seconds=1))
        why = f"; now: {collected.trouble}" if collected.trouble else ""
        shortage = (
            f"{present} of {in_words(required)} had samples "
            f"({len(collected.samples)} of {collected.expected} points{why})"
        )
        lacking.setdefault(shortage, []).append(collected.metric.name)
    for shortage, names in lacking.items():
        yield UnmetRequirement("TooFewSamples", f"baseline of {', '.join(names)}: {shortage}")


def _entry(collected: _Collected, percent: int, now: datetime) -> Baseline:
    values = sorted(sample.value for sample in collected.samples)
    return Baseline(
        percent=percent,
        metric=collected.metric.name,
        count=len(values),
        coverage=collected.coverage,
        median=_exactly(statistics.median(values)),
        p95=_exactly(values[math.ceil(0.95 * len(values)) - 1]),
        stddev=_exactly(statistics.pstdev(values)),
        present=format_elapsed(collected.present),
        query=_query_of(collected.metric),
        recorded_at=now,
    )


def _exactly(value: float) -> str:
    """As many digits as are certain: later values are compared with what is on record."""
    return f"{value:.15g}"


def _query_of(metric: Metric) -> str:
    text = f"{metric.provider}\n{metric.query}"
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _with_new(
    spec: RolloutSpec, earlier: tuple[Baseline, ...], new: tuple[Baseline, ...]
) -> tuple[Baseline, ...]:
    """All in the order in which they were recorded, within the bound.

    Where there are too many, metrics that the plan no longer has go first; then the oldest that is
    not the first of its metric, which later steps are compared with.
    """
    replaced = {(entry.percent, entry.metric) for entry in new}
    kept = [e for e in (*earlier, *new) if (e.percent, e.metric) not in replaced or e in new]
    if len(kept) > MOST_BASELINES:
        named = {metric.name for metric in spec.metrics}
        kept = [entry for entry in kept if entry.metric in named]
    while len(kept) > MOST_BASELINES:
        metrics = [entry.metric for entry in kept]
        kept.pop(next(i for i, metric in enumerate(metrics) if metric in metrics[:i]))
    return tuple(kept)


def _entries(status: RolloutStatus, metric: Metric) -> tuple[Baseline, ...]:
    query = _query_of(metric)
    return tuple(e for e in status.baselines if e.metric == metric.name and e.query == query)


def _hold_at(spec: RolloutSpec, percent: int | None) -> HoldPolicy:
    return hold_of(spec, index_of(spec, percent))


# Comparing.


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """What the values of a gate or trigger are measured in.

    ``unit`` is 1 for an absolute bound, the median of a baseline for a relative one, and None where
    there is none to compare with. ``description`` is what it is, or why there is none.
    ``is_required`` is False at the step that records the first baseline, where nothing is to be
    compared.
    """

    unit: float | None
    description: str = ""
    is_required: bool = True

    @property
    def ratio_unit(self) -> float:
        """What values are divided by. There must be a unit."""
        if self.unit is None:
            raise ValueError(self.description)
        return self.unit

    def ratio(self, value: float) -> float:
        """A value in this unit. There must be one."""
        return value / self.ratio_unit

    @property
    def suffix(self) -> str:
        """What follows a bound in words; nothing for an absolute one."""
        return f" of {self.description}" if self.description else ""


ABSOLUTE = ReferenceValue(1.0)


def reference_value(
    spec: RolloutSpec, status: RolloutStatus, relative_to: RelativeTo | None, metric_name: str
) -> ReferenceValue:
    """What a bound on this metric is relative to now."""
    if relative_to is None:
        return ABSOLUTE
    metric = metrics_by_name(spec).get(metric_name)
    if metric is None:
        return ABSOLUTE
    percent = status.percent or 0
    entries = _entries(status, metric)
    if relative_to is RelativeTo.PREVIOUS_STEP:
        earlier = tuple(entry for entry in entries if entry.percent < percent)
        baseline = earlier[-1] if earlier else None
    else:
        baseline = entries[0] if entries else None
    if baseline is not None and baseline.percent != percent:
        return _unit_of(baseline)
    if baseline is not None or _hold_at(spec, percent).baseline > ZERO:
        return ReferenceValue(None, f"the first baseline is that of {percent}% itself", False)
    if percent == 0:
        return ReferenceValue(None, "nobody is in at 0%", False)
    return ReferenceValue(
        None,
        f"no baseline of {metric_name} is recorded in this attempt; give {percent}%, or a step "
        "before it, a hold.baseline",
    )


def _unit_of(entry: Baseline) -> ReferenceValue:
    median = float(entry.median)
    description = f"the median {number(median)} at {entry.percent}%"
    if not math.isfinite(median) or median <= 0:
        return ReferenceValue(
            None, f"{description} of {entry.metric} is no baseline that anything is a multiple of"
        )
    return ReferenceValue(median, description)
