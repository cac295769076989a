"""Why a Rollout moves or does not, and what to type: read off its status as of now. Pure.

It reads the object as it is and no model, so that it starts at once, and a status of an older or a
newer version is explained as far as it goes.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from surefoot.api.v1alpha1.durations import in_words
from surefoot.plugin.amounts import (
    ago,
    away,
    conditions_of,
    earliest_of,
    lasts,
    live,
    moment_of,
    soak_of,
    waiting_on,
    what_earliest_hangs_on,
    written,
)
from surefoot.plugin.entries import by_of, is_requested, names_in, verified_in
from surefoot.plugin.metrics import Reading, readings_of
from surefoot.plugin.output import Cell, Line
from surefoot.plugin.summary import COLOURS, TRIGGER_COLOURS, bar, phase_of, triggers_of

JSON = dict[str, Any]
FOR_TOOLS = frozenset({"Ready", "Reconciling", "Stalled"})
ROLE_COLOURS = {"Go": "green", "Used": "green", "NoGo": "red", "Void": "yellow"}


def explanation(raw: Mapping[str, Any], now: datetime) -> JSON:
    """Everything that is said of it, as JSON values."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    soak = soak_of(status, now)
    return {
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "phase": phase_of(status),
        "percent": status.get("percent"),
        "nextPercent": status.get("nextPercent"),
        "progress": status.get("progress"),
        "attempt": status.get("attempt"),
        "since": written(moment_of(status.get("since"))),
        "asOf": written(moment_of(status.get("observedAt"))),
        "waitingOn": waiting_on(status, now),
        "earliestAdvance": written(earliest_of(status)),
        "earliestHangsOn": what_earliest_hangs_on(raw) or None,
        "isJudged": _is_judged(raw),
        "requestedBy": status.get("requestedBy"),
        "lastRequest": _request_of(status),
        "soak": None if soak is None else soak.as_json(),
        "missing": [
            {
                "condition": condition.get("type"),
                "status": condition.get("status"),
                "reason": condition.get("reason"),
                "message": condition.get("message"),
                "blockedBy": _blockers(status, condition),
            }
            for condition in _missing(status)
        ],
        "roles": status.get("approvals") or [],
        "approvalDryRun": status.get("approvalDryRun"),
        "triggers": status.get("triggers") or [],
        "metrics": [
            {**each.metric, "bounds": [bound.as_json() for bound in each.bounds]}
            for each in readings_of(raw)
        ],
        "cohorts": status.get("cohorts") or [],
        "balance": status.get("balance"),
    }


def _is_judged(raw: Mapping[str, Any]) -> bool:
    observed = (raw.get("status") or {}).get("observedGeneration")
    return bool(observed == raw["metadata"].get("generation"))


def _missing(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        condition
        for condition in conditions_of(status)
        if condition.get("status") != "True" and condition.get("type") not in FOR_TOOLS
    ]


def _blockers(status: Mapping[str, Any], condition: Mapping[str, Any]) -> list[JSON]:
    return [
        dict(entry)
        for entry in status.get("blockedBy") or ()
        if entry.get("condition") == condition.get("type")
    ]


def in_lines(raw: Mapping[str, Any], now: datetime, marks: tuple[str, str]) -> Iterator[Line]:
    """The same for people."""
    status = raw.get("status") or {}
    yield from _head(raw, now, marks)
    yield from _why(raw, now)
    yield from _requests(status, now)
    yield from _unmet(raw, now)
    roles = status.get("approvals") or ()
    if roles:
        yield "Signatures for the step ahead:"
        yield from _roles(roles)
    if status.get("approvalDryRun"):
        yield from _dry_run(status["approvalDryRun"])
    yield from _measured(raw, now, marks)
    yield from _triggers(status, now)
    yield from _cohorts(status)
    for warning in status.get("warnings") or ():
        yield f"Warning: {warning.get('message')}"


def _head(raw: Mapping[str, Any], now: datetime, marks: tuple[str, str]) -> Iterator[Line]:
    status, metadata = raw.get("status") or {}, raw["metadata"]
    percent, since = status.get("percent"), moment_of(status.get("since"))
    where = "before its start" if percent is None else f"at {percent}%"
    if since is not None:
        where += f" for {in_words(now - since)}"
    phase = phase_of(status)
    step = f", step {status['progress']}" if status.get("progress") else ""
    yield (
        f"{metadata['name']} in {metadata.get('namespace')} is ",
        Cell(phase, COLOURS.get(phase)),
        f" {where}{step}",
    )
    if percent is not None:
        steps = [s.get("percent") for s in (raw.get("spec") or {}).get("steps") or ()]
        plan = " → ".join(f"[{s}%]" if s == percent else f"{s}%" for s in steps)
        yield (f"  {bar(percent, 20, marks)}  {plan}",)
    if not _is_judged(raw):
        yield "  The operator has not judged the latest change yet; this is of before it."
    if metadata.get("deletionTimestamp"):
        yield "  It is being deleted, and no step is taken any more."


def _why(raw: Mapping[str, Any], now: datetime) -> Iterator[Line]:
    """In sentences: what it does or waits for, and the earliest time."""
    status = raw.get("status") or {}
    pending, said = status.get("pending"), waiting_on(status, now)
    if status.get("completedAt"):
        yield "  It is complete: nothing is left to be done."
        return
    if pending:
        by = f" for {by_of(pending)}" if is_requested(pending) else ""
        is_kept = said and not said.endswith("is being applied")
        stands = f"is recorded{by}, and this keeps it: {said}" if is_kept else f"is under way{by}"
        yield f"  It moves: {pending.get('type')} to {pending.get('to')}% {stands}."
    elif said:
        yield f"  It does not move to {_next(status)}: {said}."
    elif not _missing(status) and status.get("conditions"):
        yield f"  Nothing is missing: it moves to {_next(status)} next."
    earliest = earliest_of(status)
    if earliest is not None:
        yield (
            f"  Earliest: {written(earliest)}, {away(earliest, now)}, by the clocks alone: "
            f"{what_earliest_hangs_on(raw)}."
        )
    soak = soak_of(status, now)
    if soak is not None:
        yield f"  Soak: {soak.in_words()}."
    observed = moment_of(status.get("observedAt"))
    if observed is not None:
        yield f"  The operator wrote this status at {written(observed)}, {ago(observed, now)}."


def _next(status: Mapping[str, Any]) -> str:
    ahead = status.get("nextPercent")
    return "Completed" if ahead is None else f"{ahead}%"


def _requests(status: Mapping[str, Any], now: datetime) -> Iterator[Line]:
    by = status.get("requestedBy")
    if by:
        behalf = f" on behalf of {by['onBehalfOf']}" if by.get("onBehalfOf") else ""
        yield f"  Asked for by {by.get('username')}{behalf}{verified_in(by)}."
    last = _last_request(status)
    at = moment_of(last.get("at")) if last else None
    if last and at is not None:
        yield f"  Last asked: {last.get('type')} by {by_of(last)}, {ago(at, now)}."


def _last_request(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a person asked for last: a retry, a rollback, a changed plan, a pause or its end."""
    return next((e for e in reversed(status.get("history") or ()) if is_requested(e)), None)


def _request_of(status: Mapping[str, Any]) -> JSON | None:
    last = _last_request(status)
    if last is None:
        return None
    return {
        "type": last.get("type"),
        "at": written(moment_of(last.get("at"))),
        "by": ", ".join(names_in(last)) or None,
        "verified": bool(last.get("verified")),
        "message": last.get("message"),
    }


def _unmet(raw: Mapping[str, Any], now: datetime) -> Iterator[Line]:
    status = raw.get("status") or {}
    missing = _missing(status)
    if not missing:
        if status.get("conditions"):
            yield "Nothing is missing."
        return
    yield "What is missing:"
    soak = soak_of(status, now)
    for condition in missing:
        kind = str(condition.get("type"))
        reason = f" ({condition.get('reason')})"
        yield (f"  {kind} is ", Cell(str(condition.get("status")), "yellow"), reason)
        entries = _blockers(status, condition)
        if kind == "SoakComplete" and soak is not None and soak.running:
            yield f"    {soak.in_words()}"
            continue
        for entry in entries or [{"message": condition.get("message")}]:
            urgent = f" [{entry['escalatedTo']}]" if entry.get("escalatedTo") else ""
            yield f"    {live(entry.get('message'), status, now)}{urgent}"
            if entry.get("command"):
                yield f"      $ {entry.get('pluginCommand') or entry['command']}"


def _roles(roles: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    for role in roles:
        by = f" by {role['by']}{verified_in(role)}" if role.get("by") else ""
        expires = written(moment_of(role.get("expiresAt")))
        until = f" until {expires}" if expires else ""
        message = f": {role['message']}" if role.get("message") else ""
        state = str(role.get("state"))
        yield (f"  {role.get('role')} ", Cell(state, ROLE_COLOURS.get(state)), by, until, message)


def _measured(raw: Mapping[str, Any], now: datetime, marks: tuple[str, str]) -> Iterator[Line]:
    readings = readings_of(raw)
    if readings:
        yield "Metrics, with their bounds:"
    for reading in readings:
        yield from _reading(reading, now, marks)


def _reading(reading: Reading, now: datetime, marks: tuple[str, str]) -> Iterator[Line]:
    asked = reading.observed_at
    when = f", asked {ago(asked, now)}" if asked is not None else ""
    colour = "red" if reading.is_breached else None if reading.value is not None else "yellow"
    yield (f"  {reading.name} = ", Cell(reading.said, colour), when)
    for bound in reading.bounds:
        plot = f"{bound.plot(reading.value, marks)}  " if reading.value is not None else ""
        yield (f"    {plot}{bound.in_words(reading.value)}",)


def _triggers(status: Mapping[str, Any], now: datetime) -> Iterator[Line]:
    triggers = triggers_of(status)
    restless = [trigger for trigger in triggers if trigger["state"] != "Quiet"]
    if restless:
        yield "Triggers that are not quiet:"
    elif triggers:
        yield (
            f"Triggers: all {len(triggers)} are quiet." if triggers[1:] else "The trigger is quiet."
        )
    for trigger in restless:
        since = moment_of(trigger.get("since"))
        when = f" {lasts(since, now)}" if since is not None else ""
        state = trigger["state"]
        message = f": {trigger['message']}" if trigger.get("message") else ""
        yield (f"  {trigger['name']} is ", Cell(state, TRIGGER_COLOURS.get(state)), when, message)


def _cohorts(status: Mapping[str, Any]) -> Iterator[Line]:
    if status.get("cohorts"):
        yield "Cohorts:"
    for cohort in status.get("cohorts") or ():
        taken = "in" if cohort.get("included") else "out"
        said = [f"  {cohort.get('name')} is {taken}: {cohort.get('message') or ''}"]
        if cohort.get("risk"):
            risk = cohort["risk"]
            said.append(f"{str(risk.get('level')).lower()} risk: {risk.get('reason')}")
        if cohort.get("share") is not None:
            said.append(f"share {cohort['share']}")
        if cohort.get("shareUnknown") is not None:
            said.append(f"share unknown ({cohort['shareUnknown']})")
        yield "; ".join(said)
    if status.get("balance"):
        yield f"  balance: {'; '.join(_balance(status['balance']))}"


def _balance(balance: Mapping[str, Any]) -> Iterator[str]:
    largest, smallest = balance.get("largest"), balance.get("smallest")
    if largest and smallest:
        times = f", {balance['ratio']} times as much" if balance.get("ratio") is not None else ""
        yield f"largest {largest.get('name')} with {largest.get('share')}"
        yield f"smallest {smallest.get('name')} with {smallest.get('share')}{times}"
    if balance.get("unknown"):
        yield f"unknown of {', '.join(balance['unknown'])}"


def _dry_run(run: Mapping[str, Any]) -> Iterator[Line]:
    yield f"The last dry run of the approval{', which has ended' if run.get('endedAt') else ''}:"
    yield f"  {run.get('message')}"
    yield from (f"  obstacle: {each}" for each in run.get("obstacles") or ())
    yield from _roles(run.get("roles") or ())
    if run.get("endedBecause"):
        yield f"  ended {written(moment_of(run.get('endedAt')))}: {run['endedBecause']}"
