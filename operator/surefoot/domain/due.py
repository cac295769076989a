"""When a status is due to be written: when something changed that somebody acts on.

Values change with every evaluation and are served by the metrics; writing them each time would cost
the API server more than everything else. What follows from metrics may flap: the same fact is
written at most every ten seconds.
"""

from collections.abc import Hashable
from datetime import UTC, datetime, timedelta

from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.domain.checks.table import CHECKS
from surefoot.domain.facts.verdicts import ConditionType

FLAP_PACE = timedelta(seconds=10)
_PACED = frozenset(check.type.value for check in CHECKS if check.is_paced)
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_TOOLS = frozenset({"Ready", "Reconciling", "Stalled"})
_Key = tuple[str, str]


def write_due_in(
    written: RolloutStatus, judged: RolloutStatus, now: datetime, refresh: timedelta
) -> timedelta:
    """How long until the judged status must be written; zero or less means now."""
    if written.observed_at is None:  # as after every commit
        return timedelta(0)
    before, after = acted_on(written), acted_on(judged)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if not all(map(_may_flap, changed)):
        return timedelta(0)
    refreshed = written.observed_at + refresh - now
    if not changed:
        return refreshed
    paced = min(_last_change(written, judged, key) for key in changed) + FLAP_PACE - now
    return min(paced, refreshed)


def _may_flap(key: _Key) -> bool:
    kind, name = key
    return kind in {"trigger", "outcome", "readiness", "compliance", "share", "warning"} or (
        kind in {"condition", "blocker"} and name.partition("/")[0] in _PACED
    )


def _last_change(written: RolloutStatus, judged: RolloutStatus, key: _Key) -> datetime:
    """When a fact that may flap last changed, as far as the written status tells."""
    kind, name = key
    if kind == "trigger":
        moments = [trigger.since for trigger in written.triggers if trigger.name == name]
    elif kind == "condition" and _condition(written, name) != _condition(judged, name):
        moments = [c.last_transition_time for c in written.conditions if c.type == name]
    else:
        moments = [written.observed_at] if written.observed_at else []
    return max(moments, default=_NEVER)


def _condition(status: RolloutStatus, kind: str) -> str | None:
    return next((c.status for c in status.conditions if c.type == kind), None)


def _message(status: RolloutStatus, kind: str) -> str | None:
    return next((c.message for c in status.conditions if c.type == kind), None)


def acted_on(status: RolloutStatus) -> dict[_Key, Hashable]:
    """What somebody acts on, by kind and name."""
    facts: dict[_Key, Hashable] = {
        ("status", "generation"): status.observed_generation,
        ("status", "progress"): status.progress,
        ("status", "attempt"): status.attempt,
        ("status", "plan"): status.plan_hash,
        ("status", "position"): (status.percent, status.step, status.since, status.hold_since),
        ("status", "ended"): (status.rolled_back, status.completed_at),
        ("status", "pending"): status.pending.transition_id if status.pending else None,
        ("status", "history"): tuple(entry.transition_id for entry in status.history),
        ("status", "drift"): status.drift,
        ("status", "baselines"): status.baselines,
        ("status", "rehearsal"): status.rehearsal,
        ("status", "soak"): (status.soak.required, status.soak.not_read_back)
        if status.soak
        else None,
        ("status", "requestedBy"): status.requested_by,
        ("status", "cohorts"): tuple((c.name, c.included, c.message) for c in status.cohorts),
        ("status", "approvalDryRun"): status.approval_dry_run,
        ("status", "upstreams"): _message(status, ConditionType.DEPENDENCIES_MET.value),
    }
    facts |= {
        # The reason of a condition for tools is the phase, which follows from the others.
        ("condition", c.type): c.status if c.type in _FOR_TOOLS else (c.status, c.reason)
        for c in status.conditions
    }
    facts |= {("trigger", t.name): t.state for t in status.triggers}
    facts |= {("share", c.name): c.share is None for c in status.cohorts}
    facts |= {("outcome", m.name): m.outcome for m in status.metrics}
    if status.readiness is not None:
        facts |= {("readiness", item.name): item.points for item in status.readiness.items}
    if status.compliance is not None:
        facts |= {("compliance", check.name): check.outcome for check in status.compliance.checks}
        facts[("compliance", "furtherBlockers")] = status.compliance.further_blockers
    facts |= {("warning", f"{w.path}/{w.reason}"): True for w in status.warnings}
    facts |= {("unreadable", f"{u.kind}/{u.name}"): True for u in status.unreadable}
    facts |= {("approval", role.role): role for role in status.approvals}
    facts |= {
        ("blocker", f"{b.condition}/{b.reason}/{b.command}"): (True, b.escalated_to)
        for b in status.blocked_by
    }
    return facts
