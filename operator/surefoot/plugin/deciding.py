"""approve, reject, withdraw, checkpoint: decisions, always in the name of the one who types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from surefoot.adapters.kubernetes.http import JSON
from surefoot.api.v1alpha1.approval import Approval, Decision
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointSpec, lacks_required_action
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.domain.signoff.requests import Request, decide_command
from surefoot.errors import SurefootError, Unavailable
from surefoot.plugin import output, preview, questions
from surefoot.plugin.reading import approval_from, checkpoint_from, readable, rollout_from
from surefoot.plugin.session import Declined, Person, Session, confirm, tell_each

OF_AN_EARLIER_DECISION = (
    "riskAssessment",
    "metricsSummary",
    "securityStatus",
    "report",
    "requiredAction",
    "tests",
    "dissent",
)
"""What belonged to the decision that is replaced. On a draft it stays: it was written for now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says, as this role or on the checkpoint of this name.

    ``dry_run``: to the request of the dry run, and not to the one that counts.
    """

    decision: Decision
    subject: str
    said: Mapping[str, object]
    asks: bool
    withdraws: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """An answer that is ready to be written into a request."""

    plural: str
    raw: JSON
    request: Request
    rollout: JSON | None = None
    """The Rollout that it is about, where it was read."""


async def decide(session: Session, name: str | None, selector: str | None, answer: Answer) -> int:
    """Decide as a role on one Rollout, or on all with these labels."""
    me = await session.whoami()
    rollouts = await session.rollouts(name, selector)
    if not rollouts:
        raise Declined(f"there is no Rollout with {selector} {session.where}")
    prepared: list[Prepared] = []
    faults: list[SurefootError] = []
    for raw in rollouts:
        try:
            prepared.append(await _approval(session, raw, answer, me))
        except Unavailable:
            raise
        except SurefootError as error:
            faults.append(error)
    return await write(session, prepared, answer, me, faults)


async def report(session: Session, name: str, answer: Answer) -> int:
    """Report on a checkpoint of a Rollout."""
    me = await session.whoami()
    raw = await session.rollout(name)
    rollout = rollout_from(raw)
    known = {each["metadata"]["name"]: each for each in await session.requests("checkpoints", raw)}
    asked = readable(known.values(), checkpoint_from)
    found = questions.current_checkpoint(rollout, asked, answer.subject)
    if found is None:
        now = session.now()
        raise Declined(questions.why_checkpoint_is_not_asked(raw, rollout, answer.subject, now))
    lacks_action = answer.decision is Decision.GO and "requiredAction" not in answer.said
    if lacks_action and lacks_required_action(_without_decision(found)):
        raise Declined(
            f"{answer.subject} is a handoff: its GO must also say what the receiver has to do: "
            f"--required-action {questions.LEFT_OPEN}"
        )
    prepared = Prepared("checkpoints", known[found.metadata.name], found, raw)
    return await write(session, [prepared], answer, me, [])


def _without_decision(found: Checkpoint) -> CheckpointSpec:
    """What is left of a Checkpoint's words when it is decided: those of a draft only."""
    is_draft = found.spec.decision is None
    return found.spec if is_draft else found.spec.model_copy(update={"required_action": None})


async def _approval(session: Session, raw: JSON, answer: Answer, me: Person) -> Prepared:
    """The Approval that is meant. `Declined` where there is none, or it cannot be signed so."""
    rollout = rollout_from(raw)
    known = {each["metadata"]["name"]: each for each in await session.requests("approvals", raw)}
    asked = readable(known.values(), approval_from)
    if answer.withdraws:
        found = questions.unused_go(rollout, asked, answer.subject, me.username)
        if found is None:
            raise Declined(
                f"{me.username} has no GO as {answer.subject} for {rollout.metadata.name} that "
                "could be withdrawn: none was given, or it is used, void or expired"
            )
    else:
        subject, dry_run = answer.subject, answer.dry_run
        found = questions.current_approval(rollout, asked, subject, dry_run=dry_run)
        if found is None:
            now = session.now()
            raise Declined(
                questions.why_role_is_not_asked(raw, rollout, subject, now, dry_run=dry_run)
            )
    if answer.decision is Decision.GO:
        _can_be_go(rollout, found, answer, me)
    return Prepared("approvals", known[found.metadata.name], found, raw)


def _can_be_go(rollout: Rollout, approval: Approval, answer: Answer, me: Person) -> None:
    """Say what would make the GO worth nothing before it is written. Raises `Declined`."""
    name = rollout.metadata.name
    if questions.needs_a_signature(approval):
        raise Declined(
            f"the GO of {answer.subject} for {name} needs a detached signature: "
            f"{decide_command(approval)}"
        )
    lacking = questions.what_lacks(approval, answer.said)
    if lacking is not None:
        raise Declined(f"{name}: {lacking}")
    other = questions.role_signed_by(
        rollout, me.username, beside=answer.subject, dry_run=answer.dry_run
    )
    if other is not None:
        raise Declined(
            f"{me.username} already signs for {name} as {other}, and nobody fills two roles"
        )


async def write(
    session: Session,
    prepared: list[Prepared],
    answer: Answer,
    me: Person,
    faults: list[SurefootError],
) -> int:
    """Have each judged, show it, ask whether it is meant, write it, and tell what changed.

    Answers with the exit code for all.
    """
    acceptable = []
    for each in prepared:
        try:
            await session.try_change(each.plural, each.raw, {"spec": half_of(each.raw, answer, me)})
        except Unavailable:
            raise
        except SurefootError as error:
            faults.append(error)
        else:
            acceptable.append(each)
    now = session.now()
    shown = [
        line for each in acceptable for line in preview.decision(each, answer, me.username, now)
    ]
    question = f"Sign {answer.decision.value} as {me.username}?"
    if acceptable and not confirm(question, asks=answer.asks, shown=shown):
        raise Declined("nothing was written")
    for each in acceptable:
        try:
            await session.change(each.plural, each.raw, {"spec": half_of(each.raw, answer, me)})
        except Unavailable:
            raise
        except SurefootError as error:
            faults.append(error)
        else:
            output.say(f"{answer.decision.value} by {me.username}: {questions.about(each.request)}")
    return tell_each(faults)


def half_of(raw: JSON, answer: Answer, me: Person) -> dict[str, Any]:
    """The person's half. What a decision that is replaced had said, asked for or signed goes."""
    goes: dict[str, Any] = {"conditions": None}
    if raw["kind"] == "Approval":
        goes["signature"] = None
    if "decision" in raw["spec"]:
        goes |= {name: None for name in OF_AN_EARLIER_DECISION if name in raw["spec"]}
    # Written out and not left to the policies, which fill it in only where there are such.
    signer = {"username": me.username}
    return goes | {"decision": answer.decision.value, "decidedBy": signer, **answer.said}
