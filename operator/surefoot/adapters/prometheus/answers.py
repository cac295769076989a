"""What an answer of the query API is worth. Pure: bytes and values in, verdicts out.

Nothing of a body reaches a message, except the words in which Prometheus itself refuses a query.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeGuard

from surefoot.adapters.prometheus.queries import INPUT_LABEL, Input
from surefoot.adapters.prometheus.words import one_line
from surefoot.api.v1alpha1.durations import format_elapsed, in_words
from surefoot.domain.facts.measurements import Outcome, RangeQuery, Sample
from surefoot.domain.facts.questions import MOST_INTERVALS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OFF_GRID = 0.0011
"""Seconds: answers are rounded to milliseconds."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Window:
    """The grid that is really asked for: ``intervals`` steps that end exactly at ``end``."""

    end: datetime
    step: timedelta
    intervals: int

    @classmethod
    def of(cls, query: RangeQuery) -> "Window":
        """The window of a query, cut at its old side to what Prometheus will answer.

        Questions are made so that nothing is cut but time that a restart has to look back over.
        """
        intervals = (query.end - query.start) // query.step
        return cls(query.end.astimezone(UTC), query.step, min(intervals, MOST_INTERVALS))

    @property
    def start(self) -> datetime:
        """The oldest point."""
        return self.end - self.intervals * self.step

    def points(self) -> Callable[[float], datetime | None]:
        """What tells the grid point that a time of the answer means, or ``None`` for none."""
        start, step = self.start, self.step
        first, length = (start - _EPOCH).total_seconds(), step.total_seconds()

        def point_at(seconds: float) -> datetime | None:
            try:
                index = round((seconds - first) / length)
            except (OverflowError, ValueError):
                return None
            on_grid = 0 <= index <= self.intervals
            on_grid = on_grid and abs(first + index * length - seconds) < _OFF_GRID
            return start + index * step if on_grid else None

        return point_at


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a question; ``text`` goes on after the provider's name.

    ``sampled_at`` is the time of the oldest of the newest samples that it is made of, where that
    was asked for.
    """

    outcome: Outcome
    text: str
    samples: tuple[Sample, ...] = ()
    sampled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its result, and what is said about it."""

    result_type: str
    result: Sequence[object]
    warnings: tuple[str, ...] = ()


def open_answer(status: int, media_type: str, body: bytes) -> Answer | Verdict:
    """Tell a usable answer from all others, by its status and its outer shape."""
    if status != 200:
        return refusal(status, body)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        answered_type = one_line(media_type.partition(";")[0], 60) or "something"
        return _unusable(f"answered {answered_type} where JSON was expected: is the address right?")
    match content:
        case {"status": "success", "data": {"resultType": str(kind), "result": list(result)}}:
            return Answer(kind, result, _warnings(content))
        case _:
            return _unusable("answered JSON that is not of the query API: is the address right?")


def refusal(status: int, body: bytes) -> Verdict:
    """What a status other than 200 means."""
    if 300 <= status < 400:
        return _unusable(
            f"redirects (HTTP {status}), which is not followed: give the final address"
        )
    if status in {400, 422}:
        return Verdict(Outcome.INVALID, f"refused the query (HTTP {status}): {_own_words(body)}")
    if status in {414, 431}:
        return Verdict(Outcome.INVALID, f"refused the query as too long (HTTP {status})")
    if status in {401, 403}:
        return _unusable(f"refused the credentials (HTTP {status})")
    if status == 404:
        return _unusable("has no query API at its address (HTTP 404)")
    if status == 429:
        return _unusable("asks to be left alone for now (HTTP 429)")
    return _unusable(f"answered HTTP {status}")


def judge_range(answer: Answer, window: Window) -> Verdict:
    """What the answer to a range query says about the newest point of its window."""
    if answer.warnings:
        return _partial(answer.warnings)
    if answer.result_type != "matrix":
        return _unusable(f"answered a {one_line(answer.result_type, 20)}, not a matrix")
    if len(answer.result) > 1:
        return _several(answer.result)
    match answer.result:
        case []:
            return _judge_samples((), window)
        case [{"values": list(pairs)}]:
            samples = _samples(pairs, window)
            return samples if isinstance(samples, Verdict) else _judge_samples(samples, window)
        case [{"histograms": list()}]:
            return Verdict(
                Outcome.INVALID,
                "answered with histograms: take a number of them, as with histogram_quantile",
            )
        case _:
            return _unusable("answered a series without values")


def judge_age(
    answer: Answer,
    *,
    inputs: Sequence[Input],
    at: datetime,
    limit: timedelta,
) -> Verdict | datetime:
    """Why the samples behind a value are too old; their time when they are not.

    Each input counts by its newest sample, and the oldest of them decides. Inputs without any
    sample are left out, as `x or vector(0)` is a legitimate way to count what never happened; but
    when nothing at all was read, the value comes from nowhere.
    """
    if answer.warnings:
        return _partial(answer.warnings)
    if answer.result_type != "vector":
        return _unusable(f"answered a {one_line(answer.result_type, 20)}, not a vector")
    times = [_newest(entry, inputs) for entry in answer.result]
    pairs = [pair for pair in times if pair is not None]
    if len(pairs) < len(times):
        return _unusable("answered the question for the age of its samples in an unknown way")
    if not pairs:
        return Verdict(
            Outcome.STALE,
            f"reads {_names([query_input.text for query_input in inputs])}, of which there is "
            f"no sample: one at most {in_words(limit)} old is needed",
        )
    newest, source = min(pairs, key=lambda pair: pair[0])
    age = at - newest
    if age <= limit:
        return newest
    return Verdict(
        Outcome.STALE,
        f"reads {_names([source.text])}, whose newest sample is {_exactly(age)} old: "
        f"at most {in_words(limit)} is allowed",
    )


def _unusable(text: str) -> Verdict:
    return Verdict(Outcome.UNREACHABLE, text)


def _partial(warnings: tuple[str, ...]) -> Verdict:
    more = f" and {len(warnings) - 1} more" if len(warnings) > 1 else ""
    return Verdict(
        Outcome.PARTIAL,
        f"answered from part of its data, with the warning: {one_line(warnings[0], 200)}{more}",
    )


def _warnings(content: Mapping[str, object]) -> tuple[str, ...]:
    warnings = content.get("warnings") or []
    return (
        tuple(str(warning) for warning in warnings)
        if isinstance(warnings, list)
        else (str(warnings),)
    )


def _own_words(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    match content:
        case {"status": "error", "errorType": str(kind), "error": str(words)}:
            return one_line(f"{kind}: {words}" if kind not in words else words, 200)
        case _:
            return "it does not say why; is that the address of a Prometheus?"


def _several(result: Sequence[object]) -> Verdict:
    labels = [_labels(series) for series in result]
    common = frozenset.intersection(*labels)
    told_apart = _names([_written(label_set - common) for label_set in labels])
    return Verdict(
        Outcome.MANY_SERIES,
        f"answered {len(result)} series where one is needed: {told_apart}; "
        f"aggregate them, as with sum(…) or max(…)",
    )


def _names(names: Sequence[str]) -> str:
    shown = [one_line(name, 120) for name in names[:_NAMED]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _labels(series: object) -> frozenset[tuple[str, str]]:
    match series:
        case {"metric": dict(labels)}:
            return frozenset((str(name), str(value)) for name, value in labels.items())
        case _:
            return frozenset()


def _written(labels: frozenset[tuple[str, str]]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels)) + "}"


def _samples(pairs: Sequence[object], window: Window) -> tuple[Sample, ...] | Verdict:
    samples: list[Sample] = []
    point_at = window.points()
    for pair in pairs:
        if not _is_time_and_value(pair):
            return _unusable("answered a point that is not a time and a value")
        at, value = point_at(pair[0]), _number(pair[1])
        if value is None:
            return _unusable("answered a value that is not a number")
        if at is None or (samples and at <= samples[-1].at):
            asked = f"from {_clock(window.start)} to {_clock(window.end)}"
            return _unusable(
                f"answered other points than those asked for: "
                f"{asked}, every {format_elapsed(window.step)}"
            )
        samples.append(Sample(at, value))
    return tuple(samples)


def _is_time_and_value(pair: object) -> TypeGuard[tuple[float, str]]:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], int | float)
        and isinstance(pair[1], str)
    )


def _number(text: str) -> float | None:
    """Read `1e-3`, `NaN`, `+Inf`; not `1_000` or blanks, which only Python takes for numbers."""
    try:
        return None if "_" in text or text != text.strip() else float(text)
    except ValueError:
        return None


def _judge_samples(samples: tuple[Sample, ...], window: Window) -> Verdict:
    coverage = f"{len(samples)} of {window.intervals + 1} points have a value"
    if not samples:
        return Verdict(Outcome.NO_DATA, f"has no data at {_clock(window.end)}: {coverage}")
    newest = samples[-1]
    if newest.at != window.end:
        text = f"has no data at {_clock(window.end)}: the newest value is of {_clock(newest.at)}"
        return Verdict(Outcome.NO_DATA, f"{text}, {coverage}", samples)
    if not newest.is_number:
        text = f"answered {_figure(newest.value)} at {_clock(newest.at)}, which is not a number"
        return Verdict(Outcome.NOT_A_NUMBER, f"{text}; {coverage}", samples)
    text = f"answered {newest.value:g} at {_clock(newest.at)}; {coverage}"
    return Verdict(Outcome.VALUE, text, samples)


def _newest(entry: object, inputs: Sequence[Input]) -> tuple[datetime, Input] | None:
    match entry:
        case {"metric": dict(labels), "value": [int() | float(), str(text)]}:
            source = {str(i): query_input for i, query_input in enumerate(inputs)}.get(
                str(labels.get(INPUT_LABEL))
            )
            seconds = _number(text)
        case _:
            return None
    if source is None or seconds is None or not math.isfinite(seconds):
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds), source
    except OverflowError:
        return None


def _figure(value: float) -> str:
    """A number as Prometheus writes it where it is none."""
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"


def _exactly(age: timedelta) -> str:
    """To the second, so that it differs from a limit that it exceeds."""
    return format_elapsed(timedelta(seconds=math.ceil(age.total_seconds())))


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
