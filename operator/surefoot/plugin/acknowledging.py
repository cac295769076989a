"""acknowledge: confirm the outcome of a handoff or a meeting, or refuse to."""

from collections.abc import Sequence

from surefoot.adapters.kubernetes.http import JSON
from surefoot.api.v1alpha1.approval import Approval, Decision
from surefoot.api.v1alpha1.checkpoint import Checkpoint, CheckpointType
from surefoot.domain.signoff.requests import FINAL, decide_command
from surefoot.errors import Refused
from surefoot.plugin import output, questions
from surefoot.plugin.deciding import Answer, Prepared, write
from surefoot.plugin.reading import approval_from, checkpoint_from, readable
from surefoot.plugin.session import Declined, Person, Session


async def acknowledge(session: Session, answer: Answer) -> int:
    """Answer all that this person is asked to acknowledge under the name of the answer."""
    me = await session.whoami()
    named = questions.acknowledgements_named(await session.requests("approvals"), answer.subject)
    raw = {each["metadata"]["name"]: each for each in named}
    read = readable(named, approval_from)
    asked = {each.metadata.name: (raw[each.metadata.name], each) for each in read}
    current = [request for _, request in asked.values() if request.status.state not in FINAL]
    if not current:
        earlier = [request for _, request in asked.values()]
        raise Declined(await _why_nobody_is_asked(session, answer.subject, earlier))
    mine = _of_person(current, me, answer)
    left = [each for each in mine if each.spec.decision is not answer.decision]
    for each in mine:
        if each not in left and each.spec.decided_by is not None:
            by = each.spec.decided_by.username
            output.say(f"{answer.decision.value} by {by} already: {questions.about(each)}")
    if not left:
        return 0
    prepared = [Prepared("approvals", asked[each.metadata.name][0], each) for each in left]
    return await write(session, prepared, answer, me, [])


def _of_person(current: Sequence[Approval], me: Person, answer: Answer) -> list[Approval]:
    """Those that are this person's to answer. `Declined` where there is none, or needs a key."""
    mine = [each for each in current if questions.is_asked_of(each, me.username, me.groups)]
    if not mine:
        who_may = "; ".join(
            f"as {each.spec.request.role} {questions.may_be_answered_by(each)}" for each in current
        )
        raise Declined(f"{me.username} may not acknowledge {answer.subject}, but {who_may}")
    keyed = next((each for each in mine if questions.needs_a_signature(each)), None)
    if keyed is not None and answer.decision is Decision.GO:
        raise Declined(
            f"{questions.about(keyed)} needs a detached signature: {decide_command(keyed)}"
        )
    return mine


async def _why_nobody_is_asked(session: Session, name: str, earlier: Sequence[Approval]) -> str:
    if earlier:
        last = max(earlier, key=lambda each: each.spec.request.round)
        status = last.status
        used = f"it was used by {status.counted_for}" if status.counted_for else "it has expired"
        why = status.void_reason or used
        return f"nobody is asked to acknowledge {name} now: {last.metadata.name} is over: {why}"
    checkpoint = await _checkpoint(session, name)
    if checkpoint is None:
        return f"there is no Checkpoint {name} to be acknowledged {session.where}"
    return _why_not_yet(checkpoint)


async def _checkpoint(session: Session, name: str) -> Checkpoint | None:
    """The Checkpoint of this name; None also where this person may not look at any."""
    try:
        found: list[JSON] = await session.requests("checkpoints")
    except Refused:
        return None
    return next((checkpoint_from(each) for each in found if each["metadata"]["name"] == name), None)


def _why_not_yet(checkpoint: Checkpoint) -> str:
    name, spec = checkpoint.metadata.name, checkpoint.spec
    if spec.request.type is CheckpointType.REPORT:
        return f"{name} is a report: only handoffs and meetings are acknowledged"
    if spec.decision is None or spec.decided_by is None:
        people = questions.may_be_answered_by(checkpoint)
        return f"{name} is not decided yet, so that there is nothing to acknowledge: {people} must"
    if spec.decision is Decision.NO_GO:
        return f"{name} is NO-GO by {spec.decided_by.username}: there is nothing to acknowledge"
    why = (
        checkpoint.status.void_reason or "the operator has not seen it, or its conditions are open"
    )
    return f"nobody is asked to acknowledge {name} yet: {why}"
