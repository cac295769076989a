"""Why a Rollout does not move, and what to type: read off its status. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from surefoot.api.v1alpha1.durations import format_elapsed, in_words, parse_elapsed
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    ApprovalDryRunStatus,
    Balance,
    Blocker,
    RoleStatus,
    RolloutStatus,
    SoakStatus,
    Transition,
)
from surefoot.domain.record.requesters import format_by, is_requested, named

JSON = dict[str, Any]
FOR_TOOLS = frozenset({"Ready", "Reconciling", "Stalled"})


def soak_of(soak: SoakStatus | None, now: datetime) -> JSON | None:
    """The account as of now: since it was written, time went on while it runs."""
    if soak is None:
        return None
    required, healthy = parse_elapsed(soak.required), parse_elapsed(soak.healthy)
    if soak.running:
        healthy += max(timedelta(0), now - soak.observed_at)
    healthy = min(required, healthy)
    return {
        "required": soak.required,
        "healthy": format_elapsed(healthy),
        "left": in_words(required - healthy),
        "running": soak.running,
        "complete": healthy >= required,
    }


def said_of_soak(account: JSON) -> str:
    """The account in a line."""
    if account["complete"]:
        return f"{account['required']}, complete"
    goes = "running" if account["running"] else "not running now"
    return f"{account['left']} left of {account['required']}, {goes}"


def explanation(rollout: Rollout, now: datetime) -> JSON:
    """Everything that is said of it, as JSON values."""
    status = rollout.status
    requester = status.requested_by
    return {
        "namespace": rollout.metadata.namespace,
        "name": rollout.metadata.name,
        "phase": status.phase.value if status.phase else "Pending",
        "percent": status.percent,
        "nextPercent": status.next_percent,
        "progress": status.progress,
        "attempt": status.attempt,
        "since": _moment(status.since),
        "waitingOn": status.waiting_on,
        "earliestAdvance": _moment(status.earliest_advance),
        "isJudged": status.observed_generation == rollout.metadata.generation,
        "requestedBy": None if requester is None else requester.to_wire(),
        "lastRequest": _request_of(status),
        "soak": soak_of(status.soak, now),
        "missing": [
            {
                "condition": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "blockedBy": [
                    entry.to_wire()
                    for entry in status.blocked_by
                    if entry.condition == condition.type
                ],
            }
            for condition in status.conditions
            if condition.status != "True" and condition.type not in FOR_TOOLS
        ],
        "roles": [role.to_wire() for role in status.approvals],
        "approvalDryRun": status.approval_dry_run.to_wire() if status.approval_dry_run else None,
        "triggers": [trigger.to_wire() for trigger in status.triggers],
        "metrics": [metric.to_wire() for metric in status.metrics],
        "cohorts": [cohort.to_wire() for cohort in status.cohorts],
        "balance": None if status.balance is None else status.balance.to_wire(),
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def in_lines(rollout: Rollout, now: datetime) -> Iterator[str]:
    """The same for people."""
    status = rollout.status
    yield from _head(rollout, now)
    if status.soak is not None:
        account = soak_of(status.soak, now)
        if account is not None:
            yield f"  soak        {said_of_soak(account)}"
    if status.requested_by is not None:
        by = status.requested_by
        behalf = f" on behalf of {by.on_behalf_of}" if by.on_behalf_of else ""
        yield f"  asked by    {by.username}{behalf}{'' if by.verified else ' (not verified)'}"
    last = _last_request(status)
    if last is not None:
        ago = in_words(max(timedelta(0), now - last.at))
        yield f"  last asked  {last.type.value} by {format_by(last)}, {ago} ago"
    yield from _missing(rollout)
    if status.approvals:
        yield "Signatures for the step ahead:"
    yield from _roles(status.approvals)
    if status.approval_dry_run is not None:
        yield from _dry_run(status.approval_dry_run)
    yield from _cohorts(status)
    restless = [trigger for trigger in status.triggers if trigger.state.value != "Quiet"]
    if restless:
        yield "Triggers that are not quiet:"
        yield from (f"  {each.name} is {each.state.value}: {each.message}" for each in restless)


def _last_request(status: RolloutStatus) -> Transition | None:
    """What a person asked for last: a retry, a rollback, a changed plan, a pause or its end."""
    return next((entry for entry in reversed(status.history) if is_requested(entry)), None)


def _request_of(status: RolloutStatus) -> JSON | None:
    last = _last_request(status)
    if last is None:
        return None
    return {
        "type": last.type.value,
        "at": _moment(last.at),
        "by": ", ".join(named(last)) or None,
        "verified": bool(last.verified),
        "message": last.message,
    }


def _head(rollout: Rollout, now: datetime) -> Iterator[str]:
    status, metadata = rollout.status, rollout.metadata
    where = "before its start" if status.percent is None else f"at {status.percent}%"
    if status.since is not None:
        where += f" for {in_words(now - status.since)}"
    phase = status.phase.value if status.phase else "Pending"
    step = f", step {status.progress}" if status.progress else ""
    yield f"{metadata.name} in {metadata.namespace} is {phase} {where}{step}"
    if status.observed_generation != metadata.generation:
        yield "  The operator has not judged the latest change yet; this is of before it."
    if status.pending is not None:
        by = f" by {format_by(status.pending)}" if is_requested(status.pending) else ""
        yield f"  under way   {status.pending.type.value} to {status.pending.to}%{by}"
    if status.next_percent is not None:
        yield f"  next        {status.next_percent}%"
    if status.waiting_on:
        yield f"  waiting on  {status.waiting_on}"
    if status.earliest_advance is not None:
        ahead = status.earliest_advance - now
        when = f"in {in_words(ahead)}" if ahead > timedelta(0) else f"{in_words(-ahead)} ago"
        yield f"  earliest    {_moment(status.earliest_advance)}, {when}, by the clocks alone"


def _missing(rollout: Rollout) -> Iterator[str]:
    status = rollout.status
    missing = [
        condition
        for condition in status.conditions
        if condition.status != "True" and condition.type not in FOR_TOOLS
    ]
    if not missing:
        yield "Nothing is missing."
        return
    yield "UnmetRequirement:"
    for condition in missing:
        entries = [each for each in status.blocked_by if each.condition == condition.type]
        yield f"  {condition.type}={condition.status} ({condition.reason})"
        if entries:
            yield from (line for entry in entries for line in _entry(entry))
        else:
            yield f"    {condition.message}"


def _entry(entry: Blocker) -> Iterator[str]:
    yield f"    {entry.message}"
    if entry.command:
        yield f"      $ {entry.command}"


def _roles(roles: tuple[RoleStatus, ...]) -> Iterator[str]:
    for role in roles:
        by = f" by {role.by}{'' if role.verified else ' (not verified)'}" if role.by else ""
        until = f" until {_moment(role.expires_at)}" if role.expires_at else ""
        message = f": {role.message}" if role.message else ""
        yield f"  {role.role} {role.state.value}{by}{until}{message}"


def _cohorts(status: RolloutStatus) -> Iterator[str]:
    if status.cohorts:
        yield "Cohorts:"
    for cohort in status.cohorts:
        said = [f"  {cohort.name} is {'in' if cohort.included else 'out'}: {cohort.message}"]
        if cohort.risk is not None:
            said.append(f"{cohort.risk.level.lower()} risk: {cohort.risk.reason}")
        if cohort.share is not None:
            said.append(f"share {cohort.share}")
        if cohort.share_unknown is not None:
            said.append(f"share unknown ({cohort.share_unknown})")
        yield "; ".join(said)
    balance = status.balance
    if balance is not None:
        yield f"  balance: {'; '.join(_said_of(balance))}"


def _said_of(balance: Balance) -> Iterator[str]:
    largest, smallest = balance.largest, balance.smallest
    if largest is not None and smallest is not None:
        times = f", {balance.ratio} times as much" if balance.ratio is not None else ""
        yield f"largest {largest.name} with {largest.share}"
        yield f"smallest {smallest.name} with {smallest.share}{times}"
    if balance.unknown:
        yield f"unknown of {', '.join(balance.unknown)}"


def _dry_run(run: ApprovalDryRunStatus) -> Iterator[str]:
    yield f"The last dry run of the approval{'' if run.ended_at is None else ', which has ended'}:"
    yield f"  {run.message}"
    yield from (f"  obstacle: {each}" for each in run.obstacles)
    yield from _roles(run.roles)
    if run.ended_because is not None:
        yield f"  ended {_moment(run.ended_at)}: {run.ended_because}"
