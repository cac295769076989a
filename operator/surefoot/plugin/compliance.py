"""The compliance report: the operator's own answers, read off the status. Pure.

It never says more than the operator: what it has not judged, or not lately, is not allowed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    Blocker,
    Compliance,
    ComplianceCheck,
    ComplianceOutcome,
    RolloutStatus,
)
from surefoot.plugin.amounts import written

JSON = dict[str, Any]
_WORDS = {
    ComplianceOutcome.PASSED: "PASS",
    ComplianceOutcome.FAILED: "FAIL",
    ComplianceOutcome.NOT_ASKED: "NOT ASKED",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What is reported of one Rollout.

    ``unanswered`` says why there is no answer; then there are no checks either. ``further`` is what
    is in the way besides the six checks. With ``strict``, what is not asked for is a blocker too.
    """

    rollout: Rollout
    compliance: Compliance | None
    unanswered: str
    further: tuple[Blocker, ...]
    strict: bool

    @property
    def checks(self) -> tuple[ComplianceCheck, ...]:
        """The six; none where there is no answer."""
        return self.compliance.checks if self.compliance is not None else ()

    @property
    def blockers(self) -> tuple[str, ...]:
        """The names of all that is in the way, the six first."""
        blocking = {ComplianceOutcome.FAILED, *self._unasked}
        names = [check.name for check in self.checks if check.outcome in blocking]
        return tuple(dict.fromkeys((*names, *(each.condition for each in self.further))))

    @property
    def _unasked(self) -> tuple[ComplianceOutcome, ...]:
        return (ComplianceOutcome.NOT_ASKED,) if self.strict else ()

    @property
    def allowed(self) -> bool:
        """Whether the expansion would be allowed."""
        return self.compliance is not None and self.compliance.passed and not self.blockers

    def in_lines(self) -> Iterator[str]:
        """For people."""
        metadata, status = self.rollout.metadata, self.rollout.status
        title = f"{metadata.name} in {metadata.namespace}"
        if self.compliance is None:
            yield f"{title}: {self.unanswered}"
            yield "BLOCKED: there is no answer to go by"
            return
        judged = written(status.observed_at) or ""
        yield f"{title}: compliance of {_step(self.compliance)}, as judged at {judged}"
        longest = max(len(check.name) for check in self.checks)
        for check in self.checks:
            yield f"  {_WORDS[check.outcome]:<9}  {check.name:<{longest}}  {check.message}"
        if self.further:
            yield "Further blockers:"
            yield from (f"  {each.condition}: {each.message}" for each in self.further)
        commands = dict.fromkeys(e.plugin_command or e.command for e in status.blocked_by)
        if any(commands) and not self.allowed:
            yield "What helps:"
            yield from (f"  $ {command}" for command in commands if command)
        yield self._ending()

    def _ending(self) -> str:
        if self.allowed:
            return "ALLOWED: nothing is in the way of this step"
        count = len(self.blockers)
        return f"BLOCKED by {count}: {', '.join(self.blockers)}"

    def as_json(self) -> JSON:
        """For programs."""
        compliance, status = self.compliance, self.rollout.status
        return {
            "namespace": self.rollout.metadata.namespace,
            "name": self.rollout.metadata.name,
            "from": compliance.from_ if compliance is not None else status.percent,
            "to": compliance.to if compliance is not None else None,
            "observedAt": written(status.observed_at),
            "allowed": self.allowed,
            "strict": self.strict,
            "unanswered": self.unanswered or None,
            "checks": [check.to_wire() for check in self.checks],
            "blockers": list(self.blockers),
            "further": [each.to_wire() for each in self.further],
        }


def report_on(rollout: Rollout, now: datetime, *, strict: bool, max_age: timedelta) -> Report:
    """The report as of ``now``; a judgement older than ``max_age`` is no answer."""
    unanswered = _why_unanswered(rollout, now, max_age)
    compliance = None if unanswered else rollout.status.compliance
    further = tuple(_further(rollout.status, compliance)) if compliance is not None else ()
    return Report(rollout, compliance, unanswered, further, strict)


def _why_unanswered(rollout: Rollout, now: datetime, max_age: timedelta) -> str:
    """Why the status says nothing about a step ahead; empty where it does."""
    status, generation = rollout.status, rollout.metadata.generation
    if rollout.metadata.deletion_timestamp is not None:
        return "it is being deleted, and no step is taken any more"
    if status.observed_generation != generation:
        return (
            f"the operator has not judged this plan: it is generation {generation}, judged was "
            f"{status.observed_generation or 'none'}"
        )
    if status.observed_at is None:
        return "the operator has not judged it since the last step"
    age = now - status.observed_at
    if age > max_age:
        return (
            f"the operator has not judged this plan for {in_words(age)}, more than "
            f"{in_words(max_age)}: see whether it runs"
        )
    if status.completed_at is not None:
        return "it is Completed, and no step is ahead"
    if status.compliance is None:
        return "the operator reports no compliance: it is older than this command"
    return ""


def _step(compliance: Compliance) -> str:
    left = "the start" if compliance.from_ is None else f"{compliance.from_}%"
    reached = "Completed" if compliance.to is None else f"{compliance.to}%"
    return f"{left} → {reached}"


def _further(status: RolloutStatus, compliance: Compliance) -> Iterator[Blocker]:
    """What is in the way besides the six, in the operator's words."""
    for name in compliance.further_blockers:
        entries = [entry for entry in status.blocked_by if entry.condition == name]
        yield from entries or _of_condition(status, name)


def _of_condition(status: RolloutStatus, name: str) -> Iterator[Blocker]:
    for condition in status.conditions:
        if condition.type == name:
            yield Blocker(condition=name, reason=condition.reason, message=condition.message)
