"""Everything about a Rollout in titled sections that fit a screen or two. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from surefoot.api.v1alpha1.durations import in_words
from surefoot.plugin.amounts import (
    ago,
    away,
    conditions_of,
    hold_of,
    lasts,
    moment_of,
    soak_of,
    written,
)
from surefoot.plugin.explanation import FOR_TOOLS, in_lines
from surefoot.plugin.metrics import bounds_of_trigger, in_unit_of
from surefoot.plugin.output import Cell, Line, columns, table_cells
from surefoot.plugin.summary import TRIGGER_COLOURS, bar, triggers_of

MOST = 12
"""Rows of one section; `-o yaml` has them all."""
CONDITION_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}
STATE_COLOURS = {"Go": "green", "Used": "green", "NoGo": "red", "Void": "yellow"}
JSON = Mapping[str, Any]


def describe(
    raw: JSON,
    checkpoints: Sequence[JSON] | None,
    approvals: Sequence[JSON] | None,
    now: datetime,
    marks: tuple[str, str],
) -> Iterator[Line]:
    """All sections. None for requests that this person may not list."""
    yield from _section("Where it stands", in_lines(raw, now, marks))
    yield from _section("Plan", _plan(raw, now, marks))
    yield from _section("Conditions", _conditions(raw))
    yield from _section("Checkpoints", _requests(checkpoints, now))
    yield from _section("Approvals", _requests(approvals, now))
    yield from _section("Triggers", _triggers(raw, now))
    yield from _section("History, the newest first", _history(raw, now))
    yield from _section("The object", _object(raw))


def _section(title: str, lines: Iterable[Line]) -> Iterator[Line]:
    found = list(lines)
    if not found:
        return
    yield (Cell(title, "bright_blue"),)
    yield from found
    yield ""


def _plan(raw: JSON, now: datetime, marks: tuple[str, str]) -> Iterator[Line]:
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    target = spec.get("target") or {}
    flags = ", ".join(map(str, target.get("flags") or ()))
    yield f"  ConfigMap {target.get('configMapName')}, flags {flags}"
    steps, here = spec.get("steps") or (), status.get("percent")
    for step in steps[:MOST]:
        percent = step.get("percent")
        reached = isinstance(here, int) and isinstance(percent, int) and percent <= here
        mark = "▶" if percent == here else "✓" if reached else " "
        if marks[0] != "█":
            mark = {"▶": ">", "✓": "x"}.get(mark, mark)
        yield f"  {mark} {percent:>3}%  {bar(percent, 10, marks)}  {_hold(spec, percent)}"
    yield from _more(len(steps))
    soak = soak_of(status, now)
    if soak is not None:
        share = int(soak.healthy / soak.required * 100) if soak.required else 100
        yield f"  soak   {bar(share, 10, marks)}  {soak.fraction}, {soak.in_words()}"


def _hold(spec: JSON, percent: object) -> str:
    hold = hold_of(spec, percent)
    said = [f"{field} {hold[field]}" for field in ("soak", "warmUp", "baseline") if field in hold]
    said += [f"checkpoint {each.get('name')}" for each in hold.get("checkpoints") or ()]
    policy = hold.get("approvals") or spec.get("approvals") or {}
    roles = [str(each.get("name")) for each in policy.get("roles") or ()]
    if roles:
        said.append(f"signed by {', '.join(roles)}")
    return "; ".join(said)


def _more(number: int) -> Iterator[Line]:
    if number > MOST:
        yield f"  … and {number - MOST} more: -o yaml has them all"


def _conditions(raw: JSON) -> Iterator[Line]:
    found = conditions_of(raw.get("status") or {})
    asked = [c for c in found if c.get("reason") != "NotRequired"]
    for condition in asked:
        state = str(condition.get("status"))
        kind = str(condition.get("type"))
        mark = " " if kind in FOR_TOOLS else "" if state == "True" else "!"
        yield (
            f"  {mark:<1} {kind:<21}",
            Cell(f"{state:<8}", None if kind in FOR_TOOLS else CONDITION_COLOURS.get(state)),
            str(condition.get("reason")),
        )
    rest = len(found) - len(asked)
    if rest:
        yield f"    {rest} more that the plan does not ask for"


def _requests(requests: Sequence[JSON] | None, now: datetime) -> Iterator[Line]:
    if requests is None:
        yield "  You may not list them."
        return
    newest = sorted(requests, key=lambda each: str(each["metadata"].get("creationTimestamp")))
    if not newest:
        return
    rows = [_request(each, now) for each in newest[::-1][:MOST]]
    for line in table_cells(("Name", "State", "By", "When"), rows, columns() - 2):
        yield ("  ", *line)
    yield from _more(len(requests))


def _request(request: JSON, now: datetime) -> list[Cell]:
    spec, status = request.get("spec") or {}, request.get("status") or {}
    state = str(status.get("state") or "Pending")
    decided = moment_of(status.get("decidedAt"))
    due = moment_of((spec.get("request") or {}).get("dueAt"))
    when = ago(decided, now) if decided is not None else ""
    if decided is None and due is not None:
        when = f"due {away(due, now)}" if due > now else f"late by {in_words(now - due)}"
    by = (spec.get("decidedBy") or {}).get("username") or ""
    return [
        Cell(request["metadata"]["name"]),
        Cell(state, STATE_COLOURS.get(state)),
        Cell(by),
        Cell(when),
    ]


def _triggers(raw: JSON, now: datetime) -> Iterator[Line]:
    triggers = triggers_of(raw.get("status") or {})
    for trigger in triggers[:MOST]:
        state, since = trigger["state"], moment_of(trigger.get("since"))
        when = f" {lasts(since, now)}" if since is not None else ""
        number = in_unit_of(bounds_of_trigger(raw, trigger["name"]), trigger.get("value"))
        value = f", value {number}" if number is not None else ""
        yield (f"  {trigger['name']} ", Cell(state, TRIGGER_COLOURS.get(state)), when, value)
    yield from _more(len(triggers))


def _history(raw: JSON, now: datetime) -> Iterator[Line]:
    history = (raw.get("status") or {}).get("history") or ()
    for entry in list(reversed(history))[:MOST]:
        at = moment_of(entry.get("at"))
        start = f"{entry['from']}%" if "from" in entry else "0%"
        moved = f"{start} → {entry.get('to')}%"
        by = ", ".join(map(str, entry.get("by") or ()))
        when = "" if at is None else f"{written(at)} ({ago(at, now)})"
        yield f"  {when}  {entry.get('type')} {moved} {entry.get('reason')} by {by or '-'}"
    yield from _more(len(history))


def _object(raw: JSON) -> Iterator[Line]:
    metadata, status = raw["metadata"], raw.get("status") or {}
    yield f"  generation {metadata.get('generation')}, attempt {status.get('attempt', 0)}"
    yield f"  plan       {status.get('planHash') or 'not judged yet'}"
    for name, value in (metadata.get("labels") or {}).items():
        yield f"  label      {name}={value}"
