"""Moments and accounts of a status as of now: time goes on after they were written. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from surefoot.api.v1alpha1.durations import format_elapsed, in_words, parse_elapsed

JSON = dict[str, Any]
_SOAK_LEFT = re.compile(r"\bsoak [0-9dhms]+ left\b")
_GROWING = re.compile(r"\b(?P<amount>(?:[0-9]+[dhms])+) (?P<word>late|old)\b")
_SHRINKING = re.compile(r"\b(?P<word>opens in|due in|counting in) (?P<amount>(?:[0-9]+[dhms])+)\b")
_TRUTH = timedelta(seconds=2)
"""Two moments that differ by no more are the same: statuses are written to the second."""


def moment_of(text: object) -> datetime | None:
    """A moment of a status; None where there is none, or none that can be read."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


@overload
def written(moment: datetime) -> str: ...


@overload
def written(moment: datetime | None) -> str | None: ...


def written(moment: datetime | None) -> str | None:
    """A moment as Kubernetes writes it."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something happened, in words.

    The API server tells its time in whole seconds, so that what has just happened may be a second
    ahead of it. What is further ahead was written by another clock, and that is said.
    """
    return "just now" if now <= moment <= now + _TRUTH else away(moment, now)


def away(moment: datetime, now: datetime) -> str:
    """How far a moment that may be ahead is away. One that is over is further away with time."""
    if moment > now:
        return f"in {in_words(moment - now)}"
    return f"{in_words(now - moment)} ago"


def lasts(moment: datetime, now: datetime) -> str:
    """For how long something has been so."""
    return f"for {in_words(now - moment)}"


def length_of(text: object) -> timedelta:
    """A length of a status or a plan; none where it cannot be read."""
    try:
        return parse_elapsed(str(text))
    except ValueError:
        return timedelta(0)


@dataclass(frozen=True, slots=True)
class Soak:
    """The account of healthy time as of now."""

    required: timedelta
    healthy: timedelta
    running: bool

    @property
    def left(self) -> timedelta:
        """How much is missing."""
        return self.required - self.healthy

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return self.healthy >= self.required

    @property
    def fraction(self) -> str:
        """`31h/48h`: rounded down, never more than there was."""
        return f"{_rounded_down(self.healthy)}/{in_words(self.required)}"

    def in_words(self) -> str:
        """The account in a sentence."""
        if self.is_complete:
            return f"{in_words(self.required)} of healthy time, complete"
        goes = "running" if self.running else "not running now"
        return f"{in_words(self.left)} left of {in_words(self.required)}, {goes}"

    def as_json(self) -> JSON:
        """The account as JSON values."""
        return {
            "required": format_elapsed(self.required),
            "healthy": format_elapsed(self.healthy),
            "left": in_words(self.left),
            "running": self.running,
            "complete": self.is_complete,
        }


def _rounded_down(length: timedelta) -> str:
    minutes = length // timedelta(minutes=1)
    if minutes >= 24 * 60:
        return f"{minutes // 60}h"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60}m" if minutes % 60 else f"{minutes // 60}h"
    return f"{minutes}m" if minutes else f"{length // timedelta(seconds=1)}s"


def soak_of(status: Mapping[str, Any], now: datetime) -> Soak | None:
    """The account as of now: since it was written, time went on while it runs."""
    account = status.get("soak")
    if not isinstance(account, Mapping):
        return None
    required, healthy = length_of(account.get("required")), length_of(account.get("healthy"))
    running, since = bool(account.get("running")), moment_of(account.get("observedAt"))
    if running and since is not None:
        healthy += max(timedelta(0), now - since)
    return Soak(required, min(required, healthy), running)


def waiting_on(status: Mapping[str, Any], now: datetime) -> str:
    """What it waits for, with the soak as of now, so that one answer says one thing."""
    said, soak = live(status.get("waitingOn"), status, now), soak_of(status, now)
    said = " ".join(said.split())
    if soak is None or not soak.running:
        return said
    left = "soak complete" if soak.is_complete else f"soak {in_words(soak.left)} left"
    return _SOAK_LEFT.sub(left, said, count=1)


def live(message: object, status: Mapping[str, Any], now: datetime) -> str:
    """A message of a status with its amounts of time as of now: who was late is later by now."""
    said, at = str(message or ""), moment_of(status.get("observedAt"))
    if at is None or now <= at:
        return said
    passed = now - at

    def grown(match: re.Match[str]) -> str:
        return f"{in_words(length_of(match['amount']) + passed)} {match['word']}"

    def shrunk(match: re.Match[str]) -> str:
        left = length_of(match["amount"]) - passed
        if left < timedelta(0) and match["word"] == "due in":
            return f"{in_words(-left)} late"
        return f"{match['word']} {in_words(max(timedelta(0), left))}"

    return _SHRINKING.sub(shrunk, _GROWING.sub(grown, said))


def earliest_of(status: Mapping[str, Any]) -> datetime | None:
    """The earliest time of the next step, by the clocks alone."""
    return moment_of(status.get("earliestAdvance"))


def what_earliest_hangs_on(raw: Mapping[str, Any]) -> str:
    """Which clock ends then, as far as a status and its plan tell."""
    status, spec = raw.get("status") or {}, raw.get("spec") or {}
    earliest, since = earliest_of(status), moment_of(status.get("since"))
    if earliest is None:
        return ""
    account = status.get("soak") or {}
    written_at = moment_of(account.get("observedAt"))
    if written_at is not None:
        left = length_of(account.get("required")) - length_of(account.get("healthy"))
        if left > timedelta(0) and abs(written_at + left - earliest) <= _TRUTH:
            return "the soak is complete then"
    hold = hold_of(spec, status.get("percent"))
    warm = None if since is None else since + length_of(hold.get("warmUp", "0s"))
    if "warmUp" in hold and warm is not None and abs(warm - earliest) <= _TRUTH:
        return "the warm-up is over then"
    for kind, why in (
        ("WithinSchedule", "a freeze ends then"),
        ("NotPaused", "a halt ends then"),
        ("SoakComplete", "the soak is complete then, with what it waits for"),
        ("GatesHealthy", "the gates' windows are full then"),
        ("CheckpointsPassed", "a checkpoint opens then"),
        ("BaselineRecorded", "the baseline is recorded then"),
    ):
        if any(c.get("type") == kind and c.get("status") != "True" for c in conditions_of(status)):
            return why
    return "the clocks alone hold it until then"


def conditions_of(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditions of a status, those that can be read."""
    return [each for each in status.get("conditions") or () if isinstance(each, Mapping)]


def hold_of(spec: Mapping[str, Any], percent: object) -> Mapping[str, Any]:
    """What holds at a step: the plan's hold, overridden field by field by the step's own."""
    for step in spec.get("steps") or ():
        if step.get("percent") == percent:
            return {**(spec.get("hold") or {}), **(step.get("hold") or {})}
    return spec.get("hold") or {}
