"""One line for a Rollout: bar, step, phase and what it waits for, off the object itself. Pure."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from surefoot.api.v1alpha1.durations import in_words
from surefoot.plugin.amounts import (
    conditions_of,
    earliest_of,
    moment_of,
    soak_of,
    waiting_on,
    written,
)
from surefoot.plugin.output import Cell, has_room_for_bars

JSON = dict[str, Any]
BLOCKS = ("█", "░")
ASCII = ("#", "-")
COLOURS = {
    "Invalid": "red",
    "RollingBack": "red",
    "RolledBack": "red",
    "Completed": "green",
    "Progressing": "green",
    "Soaking": "cyan",
    "Paused": "yellow",
    "Holding": "yellow",
    "AwaitingCheckpoint": "magenta",
    "AwaitingApproval": "magenta",
}
"""By phase; one that this version does not know has none."""
TRIGGER_COLOURS = {"Firing": "red", "NoData": "yellow", "Pending": "yellow", "Settling": "yellow"}
COLUMNS = ("Name", "Percent", "Progress", "Phase", "Waiting-On")
WIDE = ("Soak", "Triggers", "Earliest", "Ready", "Reason", "Age")
_SOAK = re.compile(r"soak [0-9dhms]+ left(?:, counting in [0-9dhms]+)?|soak complete")


def bar(percent: object, cells: int, marks: tuple[str, str] = BLOCKS) -> str:
    """A bar of so many cells; any percentage above 0 shows at least one."""
    share = percent if isinstance(percent, int) else 0
    full = min(cells, max(share * cells // 100, 1 if share > 0 else 0))
    return marks[0] * full + marks[1] * (cells - full)


def percent_of(percent: object, marks: tuple[str, str]) -> str:
    """`███░░░░░  25%`; empty before the start."""
    said = f"{percent:>3}%" if isinstance(percent, int) else "   -"
    return f"{bar(percent, 8, marks)} {said}" if has_room_for_bars() else said


def phase_of(status: Mapping[str, Any]) -> str:
    """The one word for where it stands."""
    return str(status.get("phase") or "Pending")


def row(raw: Mapping[str, Any], now: datetime, marks: tuple[str, str]) -> list[Cell]:
    """The cells of the columns."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    phase = phase_of(status)
    return [
        Cell(metadata["name"]),
        Cell(percent_of(status.get("percent"), marks), COLOURS.get(phase)),
        Cell(str(status.get("progress") or "")),
        Cell(phase, COLOURS.get(phase)),
        Cell(in_short(raw, now)),
    ]


def in_short(raw: Mapping[str, Any], now: datetime) -> str:
    """What it waits for in as few words as possible; a trigger that is not quiet comes first."""
    status = raw.get("status") or {}
    soak, said = soak_of(status, now), waiting_on(status, now)
    restless = [each for each in triggers_of(status) if each["state"] in {"Firing", "NoData"}]
    parts = [f"{each['name']} {each['state']}" for each in restless[:1]]
    if soak is not None and not soak.is_complete:
        said = _SOAK.sub(f"soak {soak.fraction}", said, count=1)
    if said and not (restless and "trigger" in said):
        parts.append(said.replace("; then ", ", "))
    return ", ".join(parts)


def wide(raw: Mapping[str, Any], now: datetime) -> list[Cell]:
    """The further cells of `-o wide`."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    soak, earliest = soak_of(status, now), earliest_of(status)
    ready: Mapping[str, Any] = next(
        (each for each in conditions_of(status) if each.get("type") == "Ready"), {}
    )
    created = moment_of(metadata.get("creationTimestamp"))
    return [
        Cell("" if soak is None else soak.fraction),
        triggers_in_short(status),
        Cell(written(earliest) or ""),
        Cell(str(ready.get("status") or "")),
        Cell(str(ready.get("reason") or "")),
        Cell("" if created is None else in_words(now - created)),
    ]


def triggers_of(status: Mapping[str, Any]) -> list[JSON]:
    """The triggers of a status, each with its name and state."""
    return [
        {**each, "name": str(each.get("name")), "state": str(each.get("state"))}
        for each in status.get("triggers") or ()
        if isinstance(each, Mapping)
    ]


def triggers_in_short(status: Mapping[str, Any]) -> Cell:
    """`3 Quiet`, or those that are not."""
    triggers = triggers_of(status)
    restless = [each for each in triggers if each["state"] != "Quiet"]
    if not restless:
        return Cell(f"{len(triggers)} Quiet" if triggers else "")
    said = ", ".join(f"{each['name']} {each['state']}" for each in restless)
    return Cell(said, TRIGGER_COLOURS.get(restless[0]["state"]))


def row_of_server(
    titles: Mapping[str, int], cells: list[object], marks: tuple[str, str]
) -> list[Cell]:
    """The cells of the columns as the API server has them, for a row without its object."""

    def at(title: str) -> object:
        index = titles.get(title)
        return None if index is None else cells[index]

    phase = str(at("Phase") or "")
    return [
        Cell(str(at("Name"))),
        Cell(percent_of(at("Percent"), marks), COLOURS.get(phase)),
        Cell(str(at("Progress") or "")),
        Cell(phase, COLOURS.get(phase)),
        Cell(str(at("Waiting-On") or "")),
    ]


def blank_wide(titles: Mapping[str, int], cells: list[object]) -> Iterator[Cell]:
    """The further cells of such a row, as far as the API server has them."""
    for title in WIDE:
        index = titles.get(title)
        yield Cell("" if index is None or cells[index] is None else str(cells[index]))
