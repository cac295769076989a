"""Attempts that were refused: by the API server's own audit log, and what the record itself shows.

A refused write never reaches an object, so that only the API server knows of it. Its audit log is
JSON lines of `audit.k8s.io/v1` events; writes to this Rollout, its requests and its ConfigMap are
picked out.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.verdicts import ConditionType
from surefoot.errors import AuditError
from surefoot.reports.decisions import Uncounted, step_name, uncounted
from surefoot.reports.dossier import Dossier
from surefoot.reports.rendering import Part

JSON = dict[str, Any]

REFUSED = frozenset({403, 422})
"""Not allowed, or not valid. 409 is no refusal: somebody else wrote first."""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
HOW_TO_GET_IT = (
    "unknown: only the API server knows what it refused. Have it write an audit log "
    "(--audit-log-path, and an --audit-policy-file with level Metadata or more for surefoot.dev "
    "and configmaps), and give it with --audit-log FILE"
)
_MAY_BE_REFUSED = re.compile(r'"code"\s*:\s*(403|422)\b')
_BY_POLICY = re.compile(
    r"ValidatingAdmissionPolicy '(?P<policy>[^']*)' with binding '[^']*' "
    r"denied request: (?P<said>.*)",
    re.DOTALL,
)
_MOMENT = TypeAdapter(datetime)


class Refusal(Part):
    """A write that the API server refused."""

    at: datetime | None
    by: str
    """Who, as the API server authenticated them; where they impersonated, whom."""
    through: str | None
    """Who impersonated them."""
    verb: str
    object: str
    code: int
    refused_by: str
    """The policy, or what else refused it."""
    said: str
    client: str | None
    """What the client said it was."""


class AuditLog(Part):
    """What a log has on this Rollout."""

    source: str
    covers_from: datetime | None
    covers_to: datetime | None
    unreadable_lines: int
    refusals: tuple[Refusal, ...]


class DriftCorrected(Part):
    """Somebody changed the flag past the operator, and it was set back."""

    at: datetime
    by: str | None
    """The field manager that had changed it."""
    times: int
    restored_to: int


class PlanChange(Part):
    """The plan was changed while it ran."""

    at: datetime
    percent: int
    fields: tuple[str, ...]
    message: str


class NotEnforced(Part):
    """A moment of the record at which admission was not enforced."""

    at: datetime
    when: str
    admission: str


class Refusals(Part):
    """Attempts past the process."""

    log: AuditLog | None
    log_unknown: str
    """Why there is no log, and how to get one; empty where there is one."""
    drift: tuple[DriftCorrected, ...]
    plan_changes: tuple[PlanChange, ...]
    uncounted: tuple[Uncounted, ...]
    not_enforced: tuple[NotEnforced, ...]


def refusals_of(dossier: Dossier, log: AuditLog | None) -> Refusals:
    """What the record and the log show."""
    history = dossier.history
    return Refusals(
        log=log,
        log_unknown="" if log is not None else HOW_TO_GET_IT,
        drift=tuple(
            DriftCorrected(
                at=each.at,
                by=each.evidence.manager or None,
                times=each.evidence.count or 1,
                restored_to=each.to,
            )
            for each in history
            if each.type is TransitionType.DRIFT_CORRECTED
        ),
        plan_changes=tuple(
            PlanChange(
                at=each.at,
                percent=each.to,
                fields=each.evidence.changed_fields,
                message=each.message,
            )
            for each in history
            if each.type is TransitionType.PLAN_CHANGED
        ),
        uncounted=uncounted(dossier),
        not_enforced=tuple(_not_enforced(dossier)),
    )


def _not_enforced(dossier: Dossier) -> Iterator[NotEnforced]:
    for each in dossier.history:
        how = each.evidence.admission
        if how and how != Admission.ENFORCED.value:
            yield NotEnforced(
                at=each.at, when=f"{each.type.value}, {step_name(each)}", admission=how
            )
    for condition in dossier.rollout.status.conditions:
        is_enforced = condition.status == "True" and condition.reason == Admission.ENFORCED.value
        if condition.type == ConditionType.ADMISSION_ENFORCED.value and not is_enforced:
            since = condition.last_transition_time
            yield NotEnforced(at=since, when="since then, until now", admission=condition.reason)


def audit_log(dossier: Dossier, lines: Iterable[str], source: str) -> AuditLog:
    """Pick what was refused out of a log, line by line; it may be large.

    Raises `AuditError` where the first line that can be read is no such event.
    """
    names = _names(dossier)
    refusals: dict[str, Refusal] = {}
    first: JSON | None = None
    last = ""
    unreadable = 0
    for line in lines:
        if not line.strip():
            continue
        last = line
        if first is not None and not _MAY_BE_REFUSED.search(line):
            continue
        event = _read(line)
        if event is None:
            unreadable += 1
            continue
        if first is None:
            first = _checked(event, source)
        if _is_refusal(event) and _concerns(dossier, names, event):
            key = str(event.get("auditID") or len(refusals))
            refusals[key] = _refusal(event)
    if first is None:
        raise AuditError(f"{source} has no event of audit.k8s.io: give the API server's audit log")
    return AuditLog(
        source=source,
        covers_from=_moment(first),
        covers_to=_moment(_read(last) or {}),
        unreadable_lines=unreadable,
        refusals=tuple(
            sorted(refusals.values(), key=lambda each: each.at.timestamp() if each.at else 0)
        ),
    )


def _read(line: str) -> JSON | None:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _checked(event: JSON, source: str) -> JSON:
    if not str(event.get("apiVersion", "")).startswith("audit.k8s.io/"):
        raise AuditError(
            f"{source} is no audit log of an API server: its first line is no event of audit.k8s.io"
        )
    return event


def _map(value: Any) -> JSON:
    return value if isinstance(value, dict) else {}


def _is_refusal(event: JSON) -> bool:
    return (
        event.get("stage") == "ResponseComplete"
        and event.get("verb") in WRITES
        and _map(event.get("responseStatus")).get("code") in REFUSED
        and "dryRun=" not in str(event.get("requestURI", ""))
    )


_Names = dict[str, frozenset[str]]


def _names(dossier: Dossier) -> _Names:
    """The objects that are this Rollout's, by resource: those there are, or were on the record."""
    recorded = [decision for entry in dossier.history for decision in entry.evidence.decisions]
    return {
        "rollouts": frozenset({dossier.rollout.metadata.name}),
        "configmaps": frozenset({dossier.rollout.spec.target.config_map_name}),
        "approvals": frozenset(
            {each.metadata.name for each in dossier.approvals}
            | {each.name for each in recorded if each.kind == "Approval"}
        ),
        "checkpoints": frozenset(
            {each.metadata.name for each in dossier.checkpoints}
            | {each.name for each in recorded if each.kind == "Checkpoint"}
        ),
    }


def _concerns(dossier: Dossier, names: _Names, event: JSON) -> bool:
    """Whether it was about this Rollout; what was to be created is known by what it says."""
    reference = _map(event.get("objectRef"))
    if reference.get("namespace") != dossier.rollout.metadata.namespace:
        return False
    resource = str(reference.get("resource"))
    body = _map(event.get("requestObject"))
    name = reference.get("name") or _map(body.get("metadata")).get("name")
    if name in names.get(resource, ()):
        return True
    asked = _map(_map(_map(body.get("spec")).get("request")).get("rollout"))
    is_request = resource in {"approvals", "checkpoints"}
    return is_request and asked.get("name") == dossier.rollout.metadata.name


def _refusal(event: JSON) -> Refusal:
    reference, answer = _map(event.get("objectRef")), _map(event.get("responseStatus"))
    user = str(_map(event.get("user")).get("username") or "unknown")
    acted_for = _map(event.get("impersonatedUser")).get("username")
    refused_by, said = _why(int(answer["code"]), str(answer.get("message") or ""))
    body = _map(event.get("requestObject"))
    name = reference.get("name") or _map(body.get("metadata")).get("name") or "unnamed"
    below = f"/{reference['subresource']}" if reference.get("subresource") else ""
    return Refusal(
        at=_moment(event),
        by=str(acted_for or user),
        through=user if acted_for else None,
        verb=str(event["verb"]),
        object=f"{reference.get('resource')}/{name}{below}",
        code=int(answer["code"]),
        refused_by=refused_by,
        said=said,
        client=str(event["userAgent"]) if event.get("userAgent") else None,
    )


def _why(code: int, message: str) -> tuple[str, str]:
    by_policy = _BY_POLICY.search(message)
    if by_policy is not None:
        return f"policy {by_policy['policy']}", by_policy["said"]
    said = message or "the log does not say why"
    if "denied the request" in message:
        return "a webhook", said
    return ("RBAC" if code == 403 else "the rules of the kind"), said


def _moment(event: JSON) -> datetime | None:
    try:
        return _MOMENT.validate_python(event.get("requestReceivedTimestamp"))
    except ValidationError:
        return None
