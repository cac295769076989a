"""What belongs to a Rollout, as a tree with states. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from surefoot.plugin.amounts import ago, away, moment_of
from surefoot.plugin.describing import STATE_COLOURS
from surefoot.plugin.output import Cell, Line
from surefoot.plugin.summary import COLOURS, phase_of

JSON = Mapping[str, Any]
LINES = ("├─ ", "└─ ", "│  ", "   ")
ASCII_LINES = ("|- ", "`- ", "|  ", "   ")


def tree(
    raw: JSON,
    config_map: JSON | str,
    checkpoints: Sequence[JSON] | str,
    approvals: Sequence[JSON] | str,
    now: datetime,
    *,
    ascii_only: bool,
) -> Iterator[Line]:
    """The lines. A text instead of objects says why there are none to be shown."""
    marks = ASCII_LINES if ascii_only else LINES
    metadata, status = raw["metadata"], raw.get("status") or {}
    phase = phase_of(status)
    percent = status.get("percent")
    yield (
        f"Rollout {metadata['name']}  ",
        Cell(phase, COLOURS.get(phase)),
        "" if percent is None else f"  {percent}%",
        f"  {status['progress']}" if status.get("progress") else "",
    )
    yield (marks[0], *_config_map(raw, config_map))
    yield from _branch("Checkpoints", checkpoints, now, marks, is_last=False)
    yield from _branch("Approvals", approvals, now, marks, is_last=True)


def _config_map(raw: JSON, config_map: JSON | str) -> Iterator[Cell]:
    target = (raw.get("spec") or {}).get("target") or {}
    yield Cell(f"ConfigMap {target.get('configMapName')}  ")
    if isinstance(config_map, str):
        yield Cell(config_map, "yellow")
        return
    data = config_map.get("data") or {}
    percent = (raw.get("status") or {}).get("percent")
    values = {flag: str(data.get(flag, "-")) for flag in target.get("flags") or ()}
    said = ", ".join(f"{flag}={value}" for flag, value in values.items())
    agrees = all(value == str(percent) for value in values.values())
    yield Cell(said, "green" if agrees else "yellow")
    if not agrees:
        yield Cell(f"  (the status says {percent}%)")


def _branch(
    title: str,
    requests: Sequence[JSON] | str,
    now: datetime,
    marks: Sequence[str],
    *,
    is_last: bool,
) -> Iterator[Line]:
    head, below = (marks[1], marks[3]) if is_last else (marks[0], marks[2])
    if isinstance(requests, str) or not requests:
        why = requests if isinstance(requests, str) else "none"
        yield (head, f"{title}  ", Cell(why, "yellow" if requests else None))
        return
    yield (head, title)
    ordered = sorted(requests, key=lambda each: str(each["metadata"].get("creationTimestamp")))
    for each in ordered:
        end = marks[1] if each is ordered[-1] else marks[0]
        yield (below, end, *_request(each, now))


def _request(request: JSON, now: datetime) -> Iterator[Cell]:
    spec, status = request.get("spec") or {}, request.get("status") or {}
    state = str(status.get("state") or "Pending")
    yield Cell(f"{request['metadata']['name']}  ")
    yield Cell(state, STATE_COLOURS.get(state))
    by, at = (spec.get("decidedBy") or {}).get("username"), moment_of(status.get("decidedAt"))
    if by:
        yield Cell(f"  {spec.get('decision')} by {by}{f', {ago(at, now)}' if at else ''}")
    elif not spec.get("decision"):
        asked = spec.get("request") or {}
        people = asked.get("reporter") or asked
        users = [*(people.get("users") or ()), *(f"group {g}" for g in people.get("groups") or ())]
        due = moment_of(asked.get("dueAt"))
        late = f", due {away(due, now)}" if due is not None else ""
        yield Cell(f"  asked of {', '.join(map(str, users)) or 'nobody'}{late}")
    if status.get("voidReason"):
        yield Cell(f"  ({status['voidReason']})")
