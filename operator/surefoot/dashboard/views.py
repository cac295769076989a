"""What pages show, put together from objects as they were read. Pure.

Templates only print; every decision about words is made here or in the modules of the plugin that
the terminal uses as well, so that both say the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from surefoot.adapters.kubernetes.objects import approval_from, checkpoint_from, rollout_from
from surefoot.api.v1alpha1.durations import in_words
from surefoot.errors import UnreadableObject
from surefoot.plugin import waiting
from surefoot.plugin.amounts import (
    ago,
    away,
    conditions_of,
    earliest_of,
    moment_of,
    soak_of,
    written,
)
from surefoot.plugin.entries import by_of, verified_in
from surefoot.plugin.explanation import FOR_TOOLS
from surefoot.plugin.metrics import readings_of
from surefoot.plugin.reading import known, words_of
from surefoot.plugin.session import Person
from surefoot.plugin.summary import COLOURS, in_short, phase_of, triggers_of
from surefoot.reports.course import course_of
from surefoot.reports.dossier import dossier_of
from surefoot.reports.drawings import CourseDrawing
from surefoot.reports.facts import facts_of
from surefoot.reports.standards import Standards

JSON = Mapping[str, Any]
TONES = {"red": "bad", "green": "good", "yellow": "open", "magenta": "open", "cyan": "calm"}
SHOWN_ENTRIES = 30
ROOM_AHEAD = 1.15
"""How much longer than what happened a picture is, for what is planned next."""
GOOD_STATES = frozenset({"Go", "GO", "Used", "Met"})
BAD_STATES = frozenset({"NoGo", "NO-GO", "Void", "Expired"})


@dataclass(frozen=True, slots=True)
class Row:
    """One Rollout on the overview."""

    namespace: str
    name: str
    percent: int | None
    progress: str
    phase: str
    tone: str
    waiting: str
    earliest: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A condition that does not hold, with what helps: messages, each with its command."""

    condition: str
    status: str
    reason: str
    helps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of a list: what, how it stands (with a tone), and more words."""

    name: str
    state: str
    tone: str
    words: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the history."""

    at: str
    ago: str
    what: str
    by: str
    words: str
    evidence: tuple[tuple[str, str], ...]
    key: str
    """What tells it from the others, also when more have come."""


@dataclass(frozen=True, slots=True)
class Detail:
    """The page of one Rollout."""

    row: Row
    head: tuple[tuple[str, str], ...]
    soak_share: int | None
    missing: tuple[Missing, ...]
    roles: tuple[Fact, ...]
    checkpoints: tuple[Fact, ...]
    triggers: tuple[Fact, ...]
    metrics: tuple[Fact, ...]
    history: tuple[Entry, ...]
    drawing: CourseDrawing | None
    unreadable: str = ""

    @property
    def watched(self) -> tuple[tuple[str, Fact], ...]:
        """Metrics and triggers, each with what it is: both may have one name."""
        metrics = (("metric", each) for each in self.metrics)
        return (*metrics, *(("trigger", each) for each in self.triggers))


def rows(rollouts: Iterable[JSON], now: datetime) -> list[Row]:
    """The overview, those that need somebody first."""
    order = {"bad": 0, "open": 1, "calm": 2, "good": 3, "": 4}
    found = [row_of(raw, now) for raw in rollouts]
    return sorted(found, key=lambda row: (order.get(row.tone, 4), row.namespace, row.name))


def row_of(raw: JSON, now: datetime) -> Row:
    """One Rollout in a line."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    phase, percent = phase_of(status), status.get("percent")
    earliest = earliest_of(status)
    return Row(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        percent=percent if isinstance(percent, int) else None,
        progress=str(status.get("progress") or ""),
        phase=phase,
        tone=TONES.get(COLOURS.get(phase, ""), ""),
        waiting=in_short(raw, now),
        earliest="" if earliest is None else away(earliest, now),
    )


def stands(row: Row) -> str:
    """Where it stands, in a few words: all that is told when it changes."""
    where = "before its start" if row.percent is None else f"at {row.percent}%"
    return f"{row.name} is {row.phase} {where}"


def inbox(
    me: Person,
    rollouts: Iterable[JSON],
    approvals: Iterable[JSON],
    checkpoints: Iterable[JSON],
    now: datetime,
) -> list[dict[str, Any]]:
    """What waits for this person, as the plugin's `inbox` has it."""
    return waiting.waiting_for(
        me.username,
        me.groups,
        rollouts=_models(rollouts, rollout_from),
        approvals=_models(approvals, approval_from),
        checkpoints=_models(checkpoints, checkpoint_from),
        now=now,
    )


def _models(raw_objects: Iterable[Any], read: Any) -> list[Any]:
    """Those that can be read; the operator names the others on the status."""
    found = []
    for raw in raw_objects:
        try:
            found.append(known(raw, read)[0])
        except UnreadableObject:
            continue
    return found


def detail(
    raw: dict[str, Any],
    approvals: Sequence[dict[str, Any]],
    checkpoints: Sequence[dict[str, Any]],
    now: datetime,
) -> Detail:
    """Everything about one Rollout. ``approvals`` and ``checkpoints`` are those that name it."""
    status = raw.get("status") or {}
    soak = soak_of(status, now)
    drawing, unreadable = _drawing(raw, approvals, checkpoints, now)
    return Detail(
        row=row_of(raw, now),
        head=tuple(_head(raw, now)),
        soak_share=None if soak is None else _share(soak.healthy, soak.required),
        missing=tuple(_missing(status)),
        roles=tuple(_role(each, now) for each in status.get("approvals") or ()),
        checkpoints=tuple(_checkpoint(each, now) for each in checkpoints if _is_asked(each)),
        triggers=tuple(
            Fact(
                each["name"],
                each["state"],
                "good"
                if each["state"] == "Quiet"
                else "bad"
                if each["state"] == "Firing"
                else "open",
                str(each.get("message") or ""),
            )
            for each in triggers_of(status)
        ),
        metrics=tuple(_metrics(raw, now)),
        history=tuple(_history(status, now)),
        drawing=drawing,
        unreadable=unreadable,
    )


def _share(part: timedelta, whole: timedelta) -> int:
    return 100 if whole <= timedelta(0) else int(100 * min(1.0, part / whole))


def _head(raw: JSON, now: datetime) -> Iterable[tuple[str, str]]:
    status, spec = raw.get("status") or {}, raw.get("spec") or {}
    since = moment_of(status.get("since"))
    if since is not None:
        yield "here since", f"{in_words(now - since)}"
    if status.get("nextPercent") is not None:
        yield "next", f"{status['nextPercent']}%"
    soak = soak_of(status, now)
    if soak is not None:
        yield "soak", soak.in_words()
    earliest = earliest_of(status)
    if earliest is not None:
        yield "earliest", f"{away(earliest, now)}, by the clocks alone"
    requester = status.get("requestedBy") or {}
    if requester.get("username"):
        yield "asked by", f"{requester['username']}{verified_in(requester)}"
    yield "attempt", str(status.get("attempt", 0))
    target = spec.get("target") or {}
    yield (
        "flags",
        f"{', '.join(map(str, target.get('flags') or ()))} in {target.get('configMapName')}",
    )


def _missing(status: JSON) -> Iterable[Missing]:
    entries = [each for each in status.get("blockedBy") or () if isinstance(each, Mapping)]
    for condition in conditions_of(status):
        kind = str(condition.get("type"))
        if condition.get("status") == "True" or kind in FOR_TOOLS:
            continue
        helps = tuple(
            (
                str(each.get("message") or ""),
                str(each.get("pluginCommand") or each.get("command") or ""),
            )
            for each in entries
            if each.get("condition") == kind
        )
        said = str(condition.get("message") or "")
        yield Missing(
            kind,
            str(condition.get("status")),
            str(condition.get("reason") or ""),
            helps or ((said, ""),),
        )


def _tone(state: str) -> str:
    return "good" if state in GOOD_STATES else "bad" if state in BAD_STATES else "open"


def _role(role: JSON, now: datetime) -> Fact:
    state = str(role.get("state"))
    words = []
    if role.get("by"):
        words.append(f"by {role['by']}{verified_in(role)}")
    expires = moment_of(role.get("expiresAt"))
    if expires is not None:
        words.append(f"{'counts until ' if expires > now else 'expired '}{away(expires, now)}")
    if role.get("message"):
        words.append(str(role["message"]))
    return Fact(str(role.get("role")), state, _tone(state), "; ".join(words))


def _is_asked(raw: JSON) -> bool:
    return (raw.get("status") or {}).get("state") not in {"Void", "Expired"}


def _checkpoint(raw: JSON, now: datetime) -> Fact:
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    request = spec.get("request") or {}
    state = str(spec.get("decision") or status.get("state") or "Pending")
    words = []
    if spec.get("decidedBy"):
        words.append(f"by {spec['decidedBy'].get('username')}")
    due = moment_of(request.get("dueAt"))
    if due is not None and not spec.get("decision"):
        words.append(f"due {away(due, now)}{', late' if due < now else ''}")
    if spec.get("summary"):
        words.append(str(spec["summary"]))
    name = f"{request.get('name')} at {request.get('percent')}%"
    return Fact(name, state, _tone(state), "; ".join(words))


def _metrics(raw: JSON, now: datetime) -> Iterable[Fact]:
    for reading in readings_of(raw):
        words = [bound.in_words(reading.value) for bound in reading.bounds]
        if reading.observed_at is not None:
            words.append(f"asked {ago(reading.observed_at, now)}")
        has_value = reading.value is not None and reading.metric.get("outcome") == "Value"
        tone = "bad" if reading.is_breached else "good" if has_value else "open"
        yield Fact(reading.name, reading.said, tone, "; ".join(words))


def _history(status: JSON, now: datetime) -> Iterable[Entry]:
    for entry in reversed((status.get("history") or ())[-SHOWN_ENTRIES:]):
        at = moment_of(entry.get("at"))
        start, end = entry.get("from"), entry.get("to")
        moved = f" {start if start is not None else 0}% → {end}%" if start != end else f" at {end}%"
        yield Entry(
            at=written(at) or "",
            ago="" if at is None else ago(at, now),
            what=f"{entry.get('type')}{moved}",
            by=by_of(entry),
            words=str(entry.get("message") or entry.get("reason") or ""),
            evidence=tuple(_evidence(entry)),
            key=f"{entry.get('at')}-{entry.get('type')}",
        )


def _evidence(entry: JSON) -> Iterable[tuple[str, str]]:
    evidence = entry.get("evidence") or {}
    for each in evidence.get("decisions") or ():
        said = (
            f"{each.get('decision')} by {each.get('by') or 'somebody unknown'}{verified_in(each)}"
        )
        reason = f": {each['reason']}" if each.get("reason") else ""
        yield str(each.get("role") or each.get("name")), f"{said}{reason}"
    for each in evidence.get("gates") or ():
        yield f"gate {each.get('name')}", str(each.get("message") or each.get("value") or "")
    for each in evidence.get("triggers") or ():
        yield f"trigger {each.get('name')}", str(each.get("message") or each.get("state") or "")
    soak = evidence.get("soak") or {}
    if soak:
        yield "soak", f"{soak.get('healthy')} healthy of {soak.get('required')}"
    if entry.get("planHash"):
        yield "plan", str(entry["planHash"])
    if entry.get("hash"):
        yield "hash", str(entry["hash"])


def _drawing(
    raw: dict[str, Any],
    approvals: Iterable[dict[str, Any]],
    checkpoints: Iterable[dict[str, Any]],
    now: datetime,
) -> tuple[CourseDrawing | None, str]:
    try:
        rollout, left_out = known(raw, rollout_from)
    except UnreadableObject as error:
        return None, str(error)
    dossier = dossier_of(
        rollout, _models(checkpoints, checkpoint_from), _models(approvals, approval_from), now
    )
    course = course_of(facts_of(dossier, Standards()))
    unknown = words_of(left_out) if left_out else ""
    if course is None:
        return None, unknown
    # An audit compares with a standard; here it would make the picture too wide to be read.
    shown = (now - course.begins) * ROOM_AHEAD
    ends = course.begins + max(shown, timedelta(seconds=1))
    return CourseDrawing(course.model_copy(update={"standard": (), "ends": ends})), unknown


def plots(raw: JSON, samples: Mapping[str, Sequence[tuple[float, float]]]) -> list[dict[str, Any]]:
    """What the browser draws: of each metric its samples, and its bounds as lines."""
    return [
        {
            "name": reading.name,
            "times": [at for at, _ in samples.get(reading.name, ())],
            "values": [value for _, value in samples.get(reading.name, ())],
            "bounds": [
                {"name": f"{bound.what}: {bound.text}", "at": bound.limit}
                for bound in reading.bounds
            ],
        }
        for reading in readings_of(raw)
    ]
