"""What waits for a person, with what they need to know to decide it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from surefoot.api.v1alpha1.approval import Approval, ApprovalRequest
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.signoff.requests import Request, is_dry_run
from surefoot.plugin.amounts import length_of, moment_of, soak_of, written
from surefoot.plugin.metrics import readings_of
from surefoot.plugin.questions import (
    about,
    command_for,
    is_acknowledgement,
    is_asked_of,
    is_current,
    role_signed_by,
)

JSON = dict[str, Any]
Key = tuple[str, str]


def waiting_for(
    username: str,
    groups: frozenset[str],
    *,
    rollouts: Sequence[Rollout],
    approvals: Sequence[Approval],
    checkpoints: Sequence[Checkpoint],
    now: datetime,
) -> list[JSON]:
    """Every undecided request that this person may answer now, oldest first, as JSON values."""
    known = {(each.metadata.namespace, each.metadata.name): each for each in rollouts}
    asked: tuple[Request, ...] = (*checkpoints, *approvals)
    found = [
        (rollout, request)
        for request in asked
        if (rollout := known.get(_rollout_of(request))) is not None
        and request.spec.decision is None
        and is_current(rollout, request)
        and is_asked_of(request, username, groups)
        and not _signs_already(rollout, request, username)
    ]
    found.sort(key=lambda pair: str(pair[1].metadata.creation_timestamp or now))
    return [_item(rollout, request, checkpoints, now) for rollout, request in found]


def _rollout_of(request: Request) -> Key:
    return request.metadata.namespace, request.spec.request.rollout.name


def _signs_already(rollout: Rollout, request: Request, username: str) -> bool:
    """Whether the person's GO in another role counts: a second one would be void at once."""
    asked = request.spec.request
    if not isinstance(asked, ApprovalRequest) or is_acknowledgement(request):
        return False
    other = role_signed_by(rollout, username, beside=asked.role, dry_run=is_dry_run(request))
    return other is not None


def _item(
    rollout: Rollout, request: Request, checkpoints: Sequence[Checkpoint], now: datetime
) -> JSON:
    asked = request.spec.request
    item: JSON = {
        "kind": request.kind,
        "namespace": request.metadata.namespace,
        "name": request.metadata.name,
        "rollout": asked.rollout.name,
        "about": about(request),
        "requestedBy": rollout.status.requested_by.username if rollout.status.requested_by else "",
        "evidence": _evidence(rollout, checkpoints, now),
        "command": command_for(request),
    }
    if isinstance(asked, ApprovalRequest):
        sections = [section.value for section in asked.required_sections]
        known = asked.evidence
        return item | {
            "role": asked.role,
            "from": asked.from_,
            "to": asked.to,
            "dryRun": is_dry_run(request),
            "requiredSections": sections,
            "knownWhenAsked": known,
        }
    due = asked.due_at
    return item | {
        "checkpoint": asked.name,
        "percent": asked.percent,
        "dueAt": written(due),
        "late": due is not None and due < now,
    }


def _evidence(rollout: Rollout, checkpoints: Sequence[Checkpoint], now: datetime) -> JSON:
    status = rollout.status
    account = None if status.soak is None else status.soak.to_wire()
    soak = soak_of({"soak": account}, now)
    gates = next((each for each in status.conditions if each.type == "GatesHealthy"), None)
    return {
        "percent": status.percent,
        "asOf": written(status.observed_at),
        "soak": None if soak is None else soak.as_json(),
        "gates": None
        if gates is None or gates.reason == "NotRequired"
        else {"status": gates.status, "reason": gates.reason, "message": gates.message},
        "triggers": [{"name": each.name, "state": each.state.value} for each in status.triggers],
        "metrics": [each.metric | {"said": each.said} for each in readings_of(rollout.to_wire())],
        "reports": [
            _report(each)
            for each in checkpoints
            if _rollout_of(each) == (rollout.metadata.namespace, rollout.metadata.name)
            and each.spec.decision is not None
            and is_current(rollout, each)
        ],
    }


def _report(checkpoint: Checkpoint) -> JSON:
    spec = checkpoint.spec
    return {
        "checkpoint": spec.request.name,
        "decision": spec.decision.value if spec.decision else None,
        "by": spec.decided_by.username if spec.decided_by else None,
        "summary": spec.summary,
        "report": spec.report,
        "tests": [test.to_wire() for test in spec.tests],
    }


def in_lines(items: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[str]:
    """The same for people."""
    for item in items:
        yield f"{item['about']} (in {item['namespace']}, {item['kind']} {item['name']})"
        if item["requestedBy"]:
            yield f"  asked by  {item['requestedBy']}"
        if item.get("dueAt"):
            yield f"  due       {_due(str(item['dueAt']), now)}"
        yield from _evidence_in_lines(item["evidence"])
        yield f"  $ {item['command']}"
        yield ""


def _due(text: str, now: datetime) -> str:
    """When it is due, and by how much it is late: more with every look."""
    due = moment_of(text)
    if due is None:
        return text
    if due > now:
        return f"{text}, in {in_words(due - now)}"
    return f"{text}, late by {in_words(now - due)}"


def _evidence_in_lines(evidence: Mapping[str, Any]) -> Iterator[str]:
    if evidence["soak"] is not None:
        soak = evidence["soak"]
        goes = "running" if soak["running"] else "not running now"
        of = in_words(length_of(soak["required"]))
        said = f"{of}, complete" if soak["complete"] else f"{soak['left']} left of {of}, {goes}"
        yield f"  soak      {said}"
    gates = evidence["gates"]
    if gates is not None:
        said = gates["message"] or gates["reason"]
        yield f"  gates     {'healthy' if gates['status'] == 'True' else 'not healthy'}: {said}"
    if evidence["triggers"]:
        states = ", ".join(f"{each['name']} {each['state']}" for each in evidence["triggers"])
        yield f"  triggers  {states}"
    for metric in evidence["metrics"]:
        asked = written(moment_of(metric.get("observedAt")))
        when = f", as of {asked}" if asked else ""
        yield f"  metric    {metric['name']} = {metric['said']}{when}"
    for report in evidence["reports"]:
        said = f"{report['summary']}{_tests(report['tests'])}"
        yield f"  report    {report['checkpoint']} {report['decision']} by {report['by']}: {said}"


def _tests(tests: Sequence[Mapping[str, Any]]) -> str:
    said = ", ".join(f"{each['name']} {each['passed']}/{each['total']}" for each in tests)
    return f" ({said})" if said else ""
