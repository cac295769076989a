"""NotPaused: neither `spec.paused` nor a halt stops the rollout."""

from datetime import datetime

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    passes,
)


def judge(state: State, _: Judgements) -> Verdict:
    """Whether neither a person nor a halt stops it."""
    metadata, halt = state.rollout.metadata, state.halt
    unmet = []
    if halt is not None:
        until = f" until {halt.until:%Y-%m-%d %H:%M UTC}" if halt.until else ""
        by = f" by {halt.by[:256]} (not verified)" if halt.by else ""
        unmet.append(
            UnmetRequirement(
                "Halted",
                f"halted in {halt.namespace}{by}{until}: {halt.reason or 'no reason was given'}",
                f"kubectl delete configmap surefoot-halt -n {halt.namespace}",
            )
        )
    if state.rollout.spec.paused:
        unmet.append(
            UnmetRequirement(
                "Paused",
                "spec.paused is true",
                f"kubectl patch rollouts.surefoot.dev {metadata.name} -n {metadata.namespace} "
                '--type=merge -p \'{"spec":{"paused":null}}\'',
            )
        )
    if unmet:
        return blocks(ConditionType.NOT_PAUSED, *unmet)
    return passes(ConditionType.NOT_PAUSED, "Running", "nobody paused or halted it")


def _end_of_the_halt(state: State, _: Verdict) -> datetime | None:
    return state.halt.until if state.halt is not None else None


def _earliest(state: State, _: Verdict, _not_before: datetime) -> datetime | None:
    return state.halt.until if state.halt is not None else None


NOT_PAUSED = Check(
    type=ConditionType.NOT_PAUSED,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.PAUSED,
    judge=judge,
    withdraws="it is paused or halted",
    next_change=_end_of_the_halt,
    earliest=_earliest,
)
