"""Objects as the API server writes them, read into models and facts."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.meta import READING
from surefoot.api.v1alpha1.names import FIELD_MANAGER
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.ports import Kind, ObjectHead, ObjectKey, Observable
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.errors import UnreadableObject

M = TypeVar("M", Rollout, Checkpoint, Approval)


def is_object(raw: Mapping[str, Any]) -> bool:
    """Whether this has the metadata that every object has."""
    metadata = raw.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("name"), str)


def metadata_of(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of an object. Raises `UnreadableObject` where there is none."""
    if not is_object(raw):
        raise UnreadableObject("the answer of the API server is not an object: it has no name")
    metadata: Mapping[str, Any] = raw["metadata"]
    return metadata


def head_of(raw: Mapping[str, Any]) -> ObjectHead:
    """Which version of which object this is."""
    metadata = metadata_of(raw)
    return ObjectHead(
        ObjectKey(metadata.get("namespace", ""), metadata["name"]),
        metadata.get("uid", ""),
        metadata.get("resourceVersion", ""),
    )


def read(kind: Kind, raw: Mapping[str, Any]) -> Observable:
    """Read an object of a kind. Raises `UnreadableObject`, naming it and what is wrong with it."""
    if kind is Kind.CONFIG_MAP:
        return config_map_from(raw)
    return _READERS[kind](raw)


def rollout_from(raw: Mapping[str, Any]) -> Rollout:
    """Read a Rollout. Raises `UnreadableObject`."""
    return _model_from(Kind.ROLLOUT, Rollout, raw)


def as_written(
    judged: Rollout, status: RolloutStatus, sent: Mapping[str, Any], answer: Mapping[str, Any]
) -> Rollout | None:
    """The Rollout after its status was written over exactly the version that was judged.

    A write of a status changes nothing else of that version. So where the answer has the status as
    it was sent, everything in it is known already. None where it has not: somebody dropped a field
    or set one, and the answer must be read.
    """
    metadata, known = metadata_of(answer), judged.metadata
    is_same = (metadata.get("uid"), metadata.get("generation")) == (known.uid, known.generation)
    version = metadata.get("resourceVersion")
    if judged.left_out or not is_same or not version or answer.get("status") != sent:
        return None
    written = known.model_copy(update={"resource_version": version})
    return judged.model_copy(update={"metadata": written, "status": status})


def checkpoint_from(raw: Mapping[str, Any]) -> Checkpoint:
    """Read a Checkpoint. Raises `UnreadableObject`."""
    return _model_from(Kind.CHECKPOINT, Checkpoint, raw)


def approval_from(raw: Mapping[str, Any]) -> Approval:
    """Read an Approval. Raises `UnreadableObject`."""
    return _model_from(Kind.APPROVAL, Approval, raw)


def read_or_fault(
    reader: Callable[[Mapping[str, Any]], M], raw: Mapping[str, Any]
) -> M | UnreadableObject:
    """Read an object of a list, or say why it cannot be read: that does not hide the others."""
    try:
        return reader(raw)
    except UnreadableObject as error:
        return error


_READERS: dict[Kind, Callable[[Mapping[str, Any]], Observable]] = {
    Kind.ROLLOUT: rollout_from,
    Kind.CHECKPOINT: checkpoint_from,
    Kind.APPROVAL: approval_from,
}


def _model_from(kind: Kind, model: type[M], raw: Mapping[str, Any]) -> M:
    # Items of a list lack these two; anyone who listed knows what they are.
    whole = {**raw, "apiVersion": "surefoot.dev/v1alpha1", "kind": kind.value}
    try:
        return model.model_validate(whole, context=READING)
    except ValidationError as error:
        lenient = _without_unreadable_parts(whole, error) if model is Rollout else None
        if lenient is not None:
            return lenient  # type: ignore[return-value]  # it is a Rollout, as the model is
        raise unreadable(kind, raw, _faults(error.errors())) from error
    except Exception as error:  # whatever a stored value provokes, it concerns this object only
        raise unreadable(kind, raw, f"{type(error).__name__}: {error}") from error


def unreadable(kind: Kind, raw: Mapping[str, Any], fault: str) -> UnreadableObject:
    """The error for an object that no model can read, with all that can be told of it."""
    head = head_of(raw)
    return UnreadableObject(
        f"{kind.value} {head.key} cannot be read: {fault}",
        kind=kind.value,
        namespace=head.key.namespace,
        name=head.key.name,
        uid=head.uid,
        resource_version=head.resource_version,
        rollout=_text_at(raw, "spec", "request", "rollout", "name"),
        decision=_text_at(raw, "spec", "decision"),
    )


def _text_at(raw: Any, *path: str) -> str:
    for name in path:
        raw = raw.get(name) if isinstance(raw, Mapping) else None
    return raw if isinstance(raw, str) else ""


def _faults(errors: Sequence[ErrorDetails]) -> str:
    return "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors[:3])


LEAST_STATUS = frozenset({
    "percent", "committed", "pending", "since", "holdSince", "attempt", "planHash", "voidBefore",
    "rolledBack", "completedAt", "abandonedStarts",
})  # fmt: skip
"""Where the flag stands and what may not happen any more. A Rollout cannot be read without these:
to take one of them for absent could move the flag."""

MADE_AGAIN = frozenset({
    "observedGeneration", "observedAt", "phase", "reason", "progress", "waitingOn",
    "waitingOnShort", "plan", "step", "drift", "nextPercent", "earliestAdvance", "requestedBy",
    "conditions", "soak", "baselines", "rehearsal", "approvals", "approvalDryRun", "metrics",
    "triggers", "cohorts", "balance", "blockedBy", "warnings", "unreadable", "readiness",
    "compliance", "history", "paused",
})  # fmt: skip
"""What a status says besides. Where an earlier version wrote one of these in another form, it is
left out: it is found out again, or was a record. A lost soak or baseline only takes longer."""

_MOST_TRIES = 4


def _without_unreadable_parts(whole: dict[str, Any], error: ValidationError) -> Rollout | None:
    """The Rollout less the parts of its status that cannot be read; None where that is no remedy.

    What was left out is said in `Rollout.left_out`.
    """
    left_out: list[str] = []
    for _ in range(_MOST_TRIES):
        remedied = _less(whole, error.errors())
        if remedied is None:
            return None
        left_out.append(_faults(error.errors()))
        whole = remedied
        try:
            rollout = Rollout.model_validate(whole, context=READING)
        except ValidationError as further:
            error = further
            continue
        return rollout.without("; ".join(left_out))
    return None


def _less(whole: dict[str, Any], errors: Sequence[ErrorDetails]) -> dict[str, Any] | None:
    places = [_removable(error["loc"]) for error in errors]
    status: Any = copy.deepcopy(whole.get("status"))
    # From the back, so that the places of list items stay true while earlier ones are removed.
    for place in sorted({removable for removable in places if removable is not None}, reverse=True):
        if place.item >= 0:
            del status[place.field][place.item]
        elif place.field == "pending":
            del status["pending"]["evidence"]
        else:
            del status[place.field]
    return None if None in places else {**whole, "status": status}


class _Place(NamedTuple):
    """A part of a status: a field, or an item of a list."""

    field: str
    item: int = -1


def _removable(loc: tuple[int | str, ...]) -> _Place | None:
    """The smallest part around a fault that may be left out: an item of a list, or a field."""
    match loc:
        case ("status", "pending", "evidence", *_):
            return _Place("pending")
        case ("status", str(field), int(index), *_) if field in MADE_AGAIN:
            return _Place(field, index)
        case ("status", str(field), *_) if field in MADE_AGAIN:
            return _Place(field)
        case _:
            return None


def config_map_from(raw: Mapping[str, Any]) -> ConfigMap:
    """Read the facts about a ConfigMap. Raises `UnreadableObject`."""
    metadata = metadata_of(raw)
    owners = metadata.get("ownerReferences") or ()
    return ConfigMap(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        resource_version=metadata.get("resourceVersion", ""),
        data=raw.get("data") or {},
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        has_binary_data=bool(raw.get("binaryData")),
        immutable=bool(raw.get("immutable")),
        deleting="deletionTimestamp" in metadata,
        manager=last_manager(metadata.get("managedFields") or ()),
        owner_uids=tuple(owner.get("uid", "") for owner in owners),
        kept=any(is_to_namespace(owner) for owner in owners),
    )


def is_to_namespace(reference: Mapping[str, Any]) -> bool:
    """Whether an ownerReference of something in a namespace is to that namespace: to no other."""
    return reference.get("kind") == "Namespace" and reference.get("apiVersion") == "v1"


def last_manager(managed_fields: Any) -> str:
    """Who else made the newest change; empty where that was the operator, or left no trace.

    Times are whole seconds: within one second another manager's change is taken for the later one,
    since nobody asks for the author of the operator's own writes. Who only removes fields owns
    none afterwards and is not listed.
    """
    entries = [(entry.get("time") or "", entry.get("manager") or "") for entry in managed_fields]
    newest = max((at for at, _ in entries), default="")
    others = [who for at, who in entries if at == newest and who != FIELD_MANAGER]
    return others[-1] if others else ""
