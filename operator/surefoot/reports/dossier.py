"""Everything that is known about one Rollout: the objects as they are, and its history."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import Transition
from surefoot.domain.record.verification import GAP, verify
from surefoot.domain.signoff.requests import is_dry_run
from surefoot.errors import RecordError


@dataclass(frozen=True, slots=True)
class Dossier:
    """What reports are built from.

    ``dry_runs`` are Approvals that count for nothing, and stand apart from those that do.

    ``history`` is oldest first: what the object keeps, and before it what an exported record adds.
    ``now`` is the API server's time when the objects were read.
    """

    rollout: Rollout
    checkpoints: tuple[Checkpoint, ...]
    approvals: tuple[Approval, ...]
    history: tuple[Transition, ...]
    now: datetime
    dry_runs: tuple[Approval, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the history is there from its very first entry, without a gap."""
        before = ("", *(entry.hash for entry in self.history))
        return all(
            entry.prev_hash == hash_ for entry, hash_ in zip(self.history, before, strict=False)
        )


def dossier_of(
    rollout: Rollout,
    checkpoints: Iterable[Checkpoint],
    approvals: Iterable[Approval],
    now: datetime,
) -> Dossier:
    """What the cluster has of this Rollout; requests of another of the same name are left out."""
    uid = rollout.metadata.uid
    asked = tuple(each for each in approvals if each.spec.request.rollout.uid == uid)
    return Dossier(
        rollout=rollout,
        checkpoints=tuple(each for each in checkpoints if each.spec.request.rollout.uid == uid),
        approvals=tuple(each for each in asked if not is_dry_run(each)),
        dry_runs=tuple(filter(is_dry_run, asked)),
        history=rollout.status.history,
        now=now,
    )


def with_record(dossier: Dossier, texts: Iterable[str], source: str) -> Dossier:
    """The dossier with the entries that an exported record has beyond those on the object.

    Raises `RecordError` where ``source``'s lines were tampered with, or are of other Rollouts only.
    """
    lines = [text for text in texts if text.strip()]
    found = verify(lines)
    if found.faults:
        raise RecordError(
            f"{source} is not intact: {found.faults[0]}; take a whole copy from the sink, or check "
            f"it with `kubectl surefoot record verify {source}`"
        )
    uid = dossier.rollout.metadata.uid
    exported = {entry.hash: entry for entry in _entries(lines, uid)}
    if not exported:
        raise RecordError(
            f"{source} has no entries of Rollout {dossier.rollout.metadata.namespace}/"
            f"{dossier.rollout.metadata.name} ({uid})"
        )
    kept = {entry.hash: entry for entry in dossier.history}
    merged = sorted({**exported, **kept}.values(), key=lambda entry: entry.at)
    return replace(dossier, history=tuple(merged))


def _entries(lines: Iterable[str], uid: str) -> Iterable[Transition]:
    for text in lines:
        line = json.loads(text)
        if line["type"] != GAP and line["rollout"]["uid"] == uid:
            yield Transition.model_validate(line["entry"])
