"""How the status changes when something happens: intents, commits, and the history.

intent ──apply──▶ commit        Start, Advance, Rollback: they move the flag
  └────abandon                  an advance that was recorded and must not happen
one status write                Complete, Retry, PlanChanged, DriftCorrected, Paused, Resumed
the record alone                Released: the Rollout is gone
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import rfc8785

from surefoot.api.v1alpha1.durations import format_elapsed
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import (
    Committed,
    DecisionEvidence,
    Evidence,
    PendingTransition,
    RolloutStatus,
    SignatureEvidence,
    Transition,
    TransitionType,
)
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.plan import Announcement
from surefoot.domain.record.requesters import SUREFOOT, UNNAMED, format_by, is_requested

KEPT_ENTRIES = 20
MAX_ENTRY_BYTES = 16 * 1024
MAX_HISTORY_BYTES = 256 * 1024
_HASH = "sha256:"
_SOME_HASH = _HASH + "0" * hashlib.sha256().digest_size * 2


def transition_id(rollout: Rollout, kind: TransitionType, to: int) -> str:
    """The id of a transition decided on this version of the Rollout.

    It follows from what was judged, so that deciding twice on the same facts is deciding once; and
    an abandoned id never returns, because the version it was made from never does.
    """
    metadata = rollout.metadata
    text = "\n".join((metadata.uid, metadata.resource_version, kind.value, str(to)))
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def committed(rollout: Rollout, pending: PendingTransition, now: datetime) -> RolloutStatus:
    """The status once the ConfigMap carries the pending transition.

    ``rollout`` must be freshly read; ``now`` must not be earlier than the moment of the commit, so
    that no soak is ever short.
    """
    rolled_back = pending.type is TransitionType.ROLLBACK
    status = rollout.status.model_copy(
        update={
            "pending": None,
            "percent": pending.to,
            "step": pending.step,
            "since": now,
            "hold_since": now,
            "soak": None,
            "attempt": pending.attempt,
            "rolled_back": rolled_back,
            "completed_at": None,
            "committed": Committed(
                transition_id=pending.transition_id,
                type=pending.type,
                recorded_at=pending.recorded_at,
                cohorts=pending.cohorts,
            ),
            "void_before": now if rolled_back else rollout.status.void_before,
            "triggers": (),
            "compliance": None,
            "observed_at": None,
        }
    )
    return with_entry(
        status,
        Transition(
            transition_id=pending.transition_id,
            type=pending.type,
            step=pending.step,
            from_=pending.from_,
            to=pending.to,
            at=now,
            plan_hash=pending.plan_hash,
            attempt=pending.attempt,
            reason=pending.reason,
            message=pending.message,
            evidence=pending.evidence,
            by=pending.by,
            verified=pending.verified,
            took=format_elapsed(max(now - pending.recorded_at, now - now)),
        ),
    )


def entry(
    rollout: Rollout,
    status: RolloutStatus,
    kind: TransitionType,
    *,
    reason: str,
    message: str,
    now: datetime,
    evidence: Evidence | None = None,
    by: tuple[str, ...] = (SUREFOOT,),
    verified: bool | None = None,
) -> Transition:
    """An entry that does not move the flag. The status must have a percentage.

    ``verified`` says whether admission established who it is ``by``; None where no person is.
    """
    if status.percent is None:
        raise ValueError(f"{rollout.metadata.name} has not started and has no history yet")
    return Transition(
        transition_id=transition_id(rollout, kind, status.percent),
        type=kind,
        step=status.step,
        from_=status.percent,
        to=status.percent,
        at=now,
        plan_hash=status.plan_hash,
        attempt=status.attempt or 0,
        reason=reason,
        message=message,
        evidence=evidence or Evidence(),
        by=by,
        verified=verified,
    )


def with_entry(status: RolloutStatus, new: Transition) -> RolloutStatus:
    """The status with an entry appended, chained by hash to the one before, within the bounds."""
    previous = status.history[-1].hash if status.history else ""
    history = (*status.history, sealed(new, previous))[-KEPT_ENTRIES:]
    while len(history) > 1 and sum(map(_size, history)) > MAX_HISTORY_BYTES:
        history = history[1:]
    return status.model_copy(update={"history": history})


def sealed(new: Transition, previous: str) -> Transition:
    """The entry as it follows the one with this hash, shortened to its bound and hashed."""
    # The size is taken with a hash in place: sealing must not add to it.
    chained = new.model_copy(update={"prev_hash": previous, "hash": _SOME_HASH})
    small = _small_enough(chained)
    return small.model_copy(update={"hash": entry_hash(small)})


def entry_hash(item: Transition) -> str:
    """The hash that seals an entry: sha256 over its RFC 8785 JSON without `hash`.

    What says nothing (empty, false or 0) is left out, so that a later version of Surefoot, whose
    entries have more fields, comes to the same hash.
    """
    return wire_hash(item.to_wire())


def wire_hash(wire: Mapping[str, Any]) -> str:
    """The hash of an entry as it was read, whatever version of Surefoot wrote it.

    Raises ``rfc8785.CanonicalizationError`` for what is no such JSON, such as too large numbers.
    """
    return sealing_hash(_without_silence(dict(wire)), "hash")


def sealing_hash(wire: Mapping[str, Any], seal: str) -> str:
    """sha256 over the RFC 8785 JSON of an object without the field that holds this hash.

    Raises ``rfc8785.CanonicalizationError`` for what is no such JSON, such as too large numbers.
    """
    unsealed = {name: value for name, value in wire.items() if name != seal}
    return f"{_HASH}{hashlib.sha256(rfc8785.dumps(unsealed)).hexdigest()}"


def _without_silence(value: Any) -> Any:
    """The value, in all depths without the fields that say nothing."""
    if isinstance(value, dict):
        fields = {name: _without_silence(field) for name, field in value.items()}
        return {name: field for name, field in fields.items() if field}
    if isinstance(value, list):
        return [_without_silence(item) for item in value]
    return value


@remembered_with
def _size(item: Transition) -> int:
    """The bytes of an entry as JSON. Those of a history stay in it, and are asked for again."""
    return len(item.model_dump_json(by_alias=True, exclude_none=True).encode())


def _small_enough(item: Transition) -> Transition:
    """The entry, with as much left out as its bound demands: reasons, what was measured, decisions.

    Which decisions were used is said as long as possible: they are locked by it. Their detached
    signatures stay as long as what can be measured again can make room for them.
    """
    if _size(item) <= MAX_ENTRY_BYTES:
        return item
    whole, evidence = item, item.evidence
    brief = tuple(d.model_copy(update={"reason": d.reason[:80]}) for d in evidence.decisions)
    bare = tuple(d.model_copy(update={"reason": ""}) for d in brief)
    keyed = tuple(d.model_copy(update={"signature": _key_of(d)}) for d in bare)
    briefest = tuple(d.model_copy(update={"signature": None, "by": d.by[:64]}) for d in bare)
    measured: dict[str, Any] = {"windows": (), "baselines": (), "replaced": None}
    for smaller in (
        {"decisions": brief},
        {"decisions": brief, "windows": evidence.windows[:16]},
        {"decisions": brief, "windows": ()},
        {"decisions": brief, "windows": (), "baselines": ()},
        {"decisions": brief, **measured},
        {"decisions": bare, **measured, "changed_fields": (), "conditions": ()},
        {"decisions": keyed, **measured, "changed_fields": (), "conditions": ()},
        {"decisions": briefest, **measured, "changed_fields": evidence.changed_fields[:16]},
        {"decisions": briefest[:16], **measured, "changed_fields": ()},
        {"decisions": (), **measured, "changed_fields": (), "conditions": (), "cohorts": None},
    ):
        shortened = evidence.model_copy(update={**smaller, "shortened": True})
        item = whole.model_copy(update={"evidence": shortened})
        if _size(item) <= MAX_ENTRY_BYTES:
            return item
    by = tuple(name[:32] for name in item.by[:16])
    return item.model_copy(update={"message": item.message[:512], "by": by})


def _key_of(decision: DecisionEvidence) -> SignatureEvidence | None:
    """Which key signed; the signature itself is on the Approval, which nobody changes once used."""
    if decision.signature is None:
        return None
    return SignatureEvidence(key=decision.signature.key, document="", value="")


def announcement(item: Transition) -> Announcement:
    """A history entry as an event."""
    bad = item.type in {TransitionType.ROLLBACK, TransitionType.DRIFT_CORRECTED}
    moved = f"{item.from_ if item.from_ is not None else 0}% → {item.to}%"
    text = f"{moved}: {item.message}" if item.from_ != item.to else item.message
    by = format_by(item)
    if is_requested(item) and by != UNNAMED:
        text = f"{text}; by {by}"
    return Announcement(item.type.value, text, warning=bad, about=item.transition_id)
