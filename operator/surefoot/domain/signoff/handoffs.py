"""Handoffs: work is handed over when its receiver has acknowledged the message and what to do."""

from surefoot.api.v1alpha1.approval import Decision
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.domain.signoff.acknowledgements import Party

RECEIVER = "receiver"


def parties(checkpoint: Checkpoint) -> tuple[Party, ...]:
    """Who must acknowledge a handoff: its receiver. Nobody takes over from themselves."""
    spec = checkpoint.spec
    receiver = spec.request.receiver
    if receiver is None or spec.decision is not Decision.GO or spec.decided_by is None:
        return ()
    return (Party(RECEIVER, receiver, excluded=frozenset({spec.decided_by.username})),)
