"""What is about to be signed or written, shown before it is. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from surefoot.plugin.amounts import soak_of, written
from surefoot.plugin.metrics import readings_of
from surefoot.plugin.summary import triggers_in_short

if TYPE_CHECKING:
    from surefoot.plugin.deciding import Answer, Prepared

JSON = Mapping[str, Any]
LONGEST = 200
"""Characters of what a person says that are shown."""
_SAID = {
    "reason": "reason",
    "summary": "summary",
    "riskAssessment": "risks",
    "metricsSummary": "metrics",
    "securityStatus": "security",
    "requiredAction": "action",
    "report": "report",
}


def decision(prepared: "Prepared", answer: "Answer", username: str, now: datetime) -> Iterator[str]:
    """A decision with everything that it is about, and the evidence as it stands."""
    request: JSON = prepared.raw["spec"]["request"]
    rollout = request["rollout"]["name"]
    as_role = f" as {request['role']}" if request.get("role") else ""
    yield f"{answer.decision.value} by {username}{as_role}"
    yield f"  rollout   {rollout} in {prepared.raw['metadata']['namespace']}: {_move(request)}"
    yield f"  plan      {request.get('planHash')}, attempt {request.get('attempt', 0)}"
    for line in evidence(prepared.rollout, now):
        yield f"  {line}"
    for field, title in _SAID.items():
        if field in answer.said:
            yield f"  {title:<9} {_cut(str(answer.said[field]))}"
    for test in _each(answer.said, "tests"):
        yield f"  test      {test.get('name')} {test.get('passed')}/{test.get('total')}"
    for dissent in _each(answer.said, "dissent"):
        yield f"  dissent   {dissent.get('by')}: {_cut(str(dissent.get('statement')))}"
    for condition in _conditions(answer.said):
        yield f"  asks for  {condition}"
    earlier = prepared.raw["spec"].get("decision")
    was = f"instead of {earlier}" if earlier else "not decided yet"
    yield f"  object    {prepared.raw['kind']} {prepared.raw['metadata']['name']}, {was}"


def _move(request: JSON) -> str:
    if "acknowledges" in request:
        return f"acknowledges {request['acknowledges'].get('name')}"
    if "to" not in request:
        return f"checkpoint {request.get('name')} at {request.get('percent')}%"
    if request.get("from") == 100:
        return "100% → Completed"
    start = "the start" if request.get("from") is None else f"{request['from']}%"
    return f"{start} → {request['to']}%"


def evidence(raw: JSON | None, now: datetime) -> Iterator[str]:
    """What the status says of the gates, the triggers, the soak and the metrics."""
    status = (raw or {}).get("status") or {}
    soak = soak_of(status, now)
    if soak is not None:
        yield f"soak      {soak.in_words()}"
    for condition in status.get("conditions") or ():
        is_gates = condition.get("type") == "GatesHealthy"
        if is_gates and condition.get("reason") != "NotRequired":
            yield f"gates     {_cut(str(condition.get('message') or condition.get('reason')))}"
    triggers = triggers_in_short(status).text
    if triggers:
        yield f"triggers  {triggers}"
    for reading in readings_of(raw or {})[:5]:
        asked = written(reading.observed_at) or "never"
        yield f"metric    {reading.name} = {_cut(reading.said)}, as of {asked}"


def _each(said: Mapping[str, object], field: str) -> list[JSON]:
    found = said.get(field)
    return found if isinstance(found, list) else []


def _conditions(said: Mapping[str, object]) -> Iterator[str]:
    for each in _each(said, "conditions"):
        blocks = " (before it counts)" if each.get("blocking") else ""
        yield f"{each.get('name')}: {_cut(str(each.get('text')))}{blocks}"


def _cut(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= LONGEST else f"{one_line[: LONGEST - 1]}…"


def change(raw: JSON, spec: JSON, effect: str) -> Iterator[str]:
    """A change of people's fields, from what is there to what will be."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    percent = status.get("percent")
    where = "before its start" if percent is None else f"at {percent}%"
    yield f"{metadata['name']} in {metadata['namespace']}, {where}: {effect}"
    yield from _changes("spec", raw.get("spec") or {}, spec)


def _changes(path: str, before: JSON, change: JSON) -> Iterator[str]:
    """A line for each field that is written; what a part of it does not name stays."""
    for field, value in change.items():
        name, was = f"{path}.{field}", before.get(field)
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            yield from _changes(name, was, value)
        else:
            yield f"  {name}: {_value(was)} → {_value(value)}"


def _value(value: object) -> str:
    if value is None:
        return "absent"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_value(each)}" for name, each in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else _cut(str(value))
