"""Objects as the API server writes them, read into models and facts."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.ports import Kind, ObjectHead, ObjectKey, Observable
from surefoot.domain.facts.snapshot import ConfigMap
from surefoot.errors import UnreadableObject

FIELD_MANAGER = "surefoot"
"""The operator's name in managedFields."""

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


def checkpoint_from(raw: Mapping[str, Any]) -> Checkpoint:
    """Read a Checkpoint. Raises `UnreadableObject`."""
    return _model_from(Kind.CHECKPOINT, Checkpoint, raw)


def approval_from(raw: Mapping[str, Any]) -> Approval:
    """Read an Approval. Raises `UnreadableObject`."""
    return _model_from(Kind.APPROVAL, Approval, raw)


_READERS: dict[Kind, Callable[[Mapping[str, Any]], Observable]] = {
    Kind.ROLLOUT: rollout_from,
    Kind.CHECKPOINT: checkpoint_from,
    Kind.APPROVAL: approval_from,
}


def _model_from(kind: Kind, model: type[M], raw: Mapping[str, Any]) -> M:
    # Items of a list lack these two; whoever listed knows what they are.
    whole = {**raw, "apiVersion": "surefoot.dev/v1alpha1", "kind": kind.value}
    try:
        return model.model_validate(whole)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:3]
        )
        raise UnreadableObject(
            f"{kind.value} {head_of(raw).key} can not be read: {faults}"
        ) from error


def config_map_from(raw: Mapping[str, Any]) -> ConfigMap:
    """Read the facts about a ConfigMap. Raises `UnreadableObject`."""
    metadata = metadata_of(raw)
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
        owner_uids=tuple(owner.get("uid", "") for owner in metadata.get("ownerReferences") or ()),
    )


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
