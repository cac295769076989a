"""Which request is meant, and whether it is this person's to answer. Pure."""

from collections.abc import Iterable
from datetime import datetime

from surefoot.adapters.kubernetes.http import JSON
from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalRequest,
    Decision,
    Purpose,
    RequestState,
    Signing,
    lacking_sections,
)
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.api.v1alpha1.rollout import ApprovalsPolicy, Rollout
from surefoot.domain.signoff.requests import (
    FINAL,
    Request,
    decide_command,
    format_people,
    is_dry_run,
    is_excluded,
    is_persons_name,
)
from surefoot.plugin.amounts import live, waiting_on

LEFT_OPEN = '"…"'
"""What stands in a command where only the person knows what to say."""
OPTIONS = {
    "reason": "--reason",
    "riskAssessment": "--risk-assessment",
    "metricsSummary": "--metrics-summary",
    "securityStatus": "--security-status",
}


def is_current(rollout: Rollout, request: Request) -> bool:
    """Whether the operator asks this now: for this plan, this attempt and where it stands."""
    asked, status = request.spec.request, rollout.status
    is_open = request.status.state not in FINAL
    is_of_plan = asked.plan_hash == status.plan_hash and asked.attempt == (status.attempt or 0)
    is_of_rollout = asked.rollout.uid == rollout.metadata.uid
    return is_of_rollout and is_open and is_of_plan and _is_here(rollout, request)


def _is_here(rollout: Rollout, request: Request) -> bool:
    """Whether it is about where the Rollout stands, or about the dry run that is on."""
    if is_dry_run(request):
        latest, asked = rollout.status.approval_dry_run, request.spec.request
        return (
            isinstance(asked, ApprovalRequest)
            and latest is not None
            and latest.run == asked.dry_run
            and latest.ended_at is None
        )
    return _is_about_another(request) or _percent_left(request) == rollout.status.percent


def _is_about_another(request: Request) -> bool:
    """Whether it is about what somebody decided, and not about where the rollout stands."""
    asked = request.spec.request
    if isinstance(asked, ApprovalRequest):
        return asked.purpose is Purpose.ACKNOWLEDGE
    return asked.conditions_of is not None


def _percent_left(request: Request) -> int:
    asked = request.spec.request
    return asked.from_ if isinstance(asked, ApprovalRequest) else asked.percent


def is_acknowledgement(request: Request) -> bool:
    """Whether it asks for an acknowledgement and not for a decision on a step."""
    asked = request.spec.request
    return isinstance(asked, ApprovalRequest) and asked.purpose is Purpose.ACKNOWLEDGE


def is_asked_of(request: Request, username: str, groups: Iterable[str]) -> bool:
    """Whether this person is one of those who may answer."""
    asked = request.spec.request
    people = asked if isinstance(asked, ApprovalRequest) else asked.reporter
    is_meant = username in people.users or not set(people.groups).isdisjoint(groups)
    return is_meant and is_persons_name(username) and not is_excluded(request, username)


def role_signed_by(
    rollout: Rollout, username: str, *, beside: str = "", dry_run: bool = False
) -> str | None:
    """The role, other than ``beside``, whose GO is this person's: nobody fills two.

    What somebody says in a dry run and what they say for real do not keep each other from counting.
    """
    latest = rollout.status.approval_dry_run
    of_dry_run = latest.roles if latest is not None else ()
    return next(
        (
            entry.role
            for entry in (of_dry_run if dry_run else rollout.status.approvals)
            if entry.state is RequestState.GO
            and entry.role != beside
            and (entry.by or "").lower() == username.lower()
        ),
        None,
    )


def current_approval(
    rollout: Rollout, approvals: Iterable[Approval], role: str, *, dry_run: bool = False
) -> Approval | None:
    """The Approval by which a role is asked now: for real, or in the dry run."""
    asked = [
        approval
        for approval in approvals
        if approval.spec.request.role == role
        and not is_acknowledgement(approval)
        and is_dry_run(approval) == dry_run
        and is_current(rollout, approval)
    ]
    return max(asked, key=lambda approval: approval.spec.request.round, default=None)


def unused_go(
    rollout: Rollout, approvals: Iterable[Approval], role: str, username: str
) -> Approval | None:
    """The GO of this person, as this role, that nothing has used."""
    given = [
        approval
        for approval in approvals
        if approval.spec.request.rollout.uid == rollout.metadata.uid
        and approval.spec.request.role == role
        and not is_acknowledgement(approval)
        and not is_dry_run(approval)
        and approval.status.state not in FINAL
        and approval.spec.decision is Decision.GO
        and approval.spec.decided_by is not None
        and approval.spec.decided_by.username == username
    ]
    return max(given, key=lambda approval: approval.spec.request.round, default=None)


def current_checkpoint(
    rollout: Rollout, checkpoints: Iterable[Checkpoint], name: str
) -> Checkpoint | None:
    """The Checkpoint of this name in the plan that is asked now, or the object of this name."""
    asked = [
        checkpoint
        for checkpoint in checkpoints
        if name in (_name_to_type(checkpoint), checkpoint.metadata.name)
        and is_current(rollout, checkpoint)
    ]
    return max(asked, key=lambda checkpoint: checkpoint.spec.request.round, default=None)


def acknowledgements_named(approvals: Iterable[JSON], name: str) -> list[JSON]:
    """The acknowledgements of the Checkpoint of this name; or the one of this name itself."""
    return [
        approval
        for approval in approvals
        if (acknowledged := approval["spec"]["request"].get("acknowledges")) is not None
        and name in (approval["metadata"]["name"], acknowledged["name"])
    ]


def _name_to_type(checkpoint: Checkpoint) -> str:
    """What tells it from others: several GOs may ask for conditions, each has its report."""
    asked = checkpoint.spec.request
    return asked.name if asked.conditions_of is None else checkpoint.metadata.name


def why_role_is_not_asked(
    raw: JSON, rollout: Rollout, role: str, now: datetime, *, dry_run: bool = False
) -> str:
    """Why there is nothing to sign as this role, for real or in a dry run.

    What is said of times is as of now, as `get` and `explain` say it.
    """
    name = rollout.metadata.name
    planned = sorted({each.name for policy in _policies(rollout) for each in policy.roles})
    if role not in planned:
        there = f"its roles are {', '.join(planned)}" if planned else "it asks nobody to sign"
        return f"Rollout {name} has no role {role}: {there}"
    if dry_run:
        return f"no dry run asks for {role} of {name} now: {_how_the_dry_run_stands(rollout)}"
    said = next((each.message for each in rollout.status.approvals if each.role == role), "")
    status = raw.get("status") or {}
    said = " ".join(live(said, status, now).split())
    why = said or waiting_on(status, now) or "the step ahead does not need it"
    return f"nobody is asked to sign for {name} as {role} now: {why}"


def _how_the_dry_run_stands(rollout: Rollout) -> str:
    latest = rollout.status.approval_dry_run
    if latest is None:
        return f"`dry-run {rollout.metadata.name}` begins one"
    if latest.ended_because is not None:
        return f"dry run {latest.run} has ended: {latest.ended_because}"
    return latest.message


def _policies(rollout: Rollout) -> list[ApprovalsPolicy]:
    spec = rollout.spec
    holds = [spec.hold, *(step.hold for step in spec.steps)]
    found = [spec.approvals, *(hold.approvals for hold in holds if hold is not None)]
    return [policy for policy in found if policy is not None]


def why_checkpoint_is_not_asked(raw: JSON, rollout: Rollout, name: str, now: datetime) -> str:
    """Why there is nothing to report on under this name."""
    spec = rollout.spec
    holds = [spec.hold, *(step.hold for step in spec.steps)]
    planned = sorted({each.name for hold in holds if hold for each in hold.checkpoints or ()})
    if name not in planned:
        there = f"its checkpoints are {', '.join(planned)}" if planned else "it has none"
        return f"Rollout {rollout.metadata.name} has no checkpoint {name}: {there}"
    why = waiting_on(raw.get("status") or {}, now) or "it is not asked where the rollout stands"
    return f"checkpoint {name} of {rollout.metadata.name} is not open now: {why}"


def what_lacks(approval: Approval, said: Iterable[str]) -> str | None:
    """What this role must say with a GO and was not given, as options; None if nothing."""
    given = set(said)
    lacking = [part for part in lacking_sections(approval.spec) if part.value not in given]
    if not lacking:
        return None
    options = " ".join(f"{OPTIONS[part.value]} {LEFT_OPEN}" for part in lacking)
    return f"the GO of {approval.spec.request.role} must also say {options}"


def needs_a_signature(approval: Approval) -> bool:
    """Whether a GO is signed with a key, and not by the account alone."""
    return approval.spec.request.signing is Signing.REQUIRED


def command_for(request: Request) -> str:
    """The whole command that answers a request, but for what only the person knows."""
    if isinstance(request, Checkpoint):
        asked = request.spec.request
        is_handoff = asked.type is CheckpointType.HANDOFF
        return (
            f"kubectl surefoot checkpoint {asked.rollout.name} {_name_to_type(request)} "
            f"-n {request.metadata.namespace} --go --summary {LEFT_OPEN}"
            f"{f' --required-action {LEFT_OPEN}' if is_handoff else ''}"
        )
    if needs_a_signature(request):
        return decide_command(request)
    if is_acknowledgement(request):
        return (
            f"kubectl surefoot acknowledge {request.metadata.name} "
            f"-n {request.metadata.namespace} --reason {LEFT_OPEN}"
        )
    parts = ["reason", *(part.value for part in request.spec.request.required_sections)]
    said = " ".join(f"{OPTIONS[part]} {LEFT_OPEN}" for part in parts)
    where = f"{request.spec.request.rollout.name} -n {request.metadata.namespace}"
    dry = " --dry-run" if is_dry_run(request) else ""
    return f"kubectl surefoot approve {where} --role {request.spec.request.role}{dry} {said}"


def about(request: Request) -> str:
    """What is asked, in words."""
    asked = request.spec.request
    if not isinstance(asked, ApprovalRequest):
        if asked.conditions_of is not None:
            return f"{asked.rollout.name}: what the GO {asked.conditions_of.name} asks for is met"
        return f"{asked.rollout.name} at {asked.percent}%: checkpoint {asked.name}"
    if asked.acknowledges is not None:
        return (
            f"{asked.rollout.name}: acknowledgement of {asked.acknowledges.name}, as {asked.role}"
        )
    what = "100% → Completed" if asked.from_ == 100 else f"{asked.from_}% → {asked.to}%"
    dry = "dry run, counts for nothing: " if is_dry_run(request) else ""
    return f"{dry}{asked.rollout.name} {what}, as {asked.role}"


def may_be_answered_by(request: Request) -> str:
    """Who may answer, and who of them may not, in words."""
    asked = request.spec.request
    people = asked if isinstance(asked, ApprovalRequest) else asked.reporter
    said = format_people(people.users, people.groups)
    return f"{said}, but not {', '.join(asked.excluded_users)}" if asked.excluded_users else said
