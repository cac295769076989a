"""ClockTrusted: the API server's answers agree about the time, on which every wait depends."""

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
    """Whether it is known what time it is. The soak is read back once it is."""
    disagreement = state.snapshot.clock_disagreement
    if disagreement:
        unmet = UnmetRequirement("AnswersDisagree", f"{disagreement}; no soak is counted meanwhile")
        return blocks(ConditionType.CLOCK_TRUSTED, unmet, unknown=True)
    return passes(
        ConditionType.CLOCK_TRUSTED, "AnswersAgree", "the API server's answers agree about the time"
    )


CLOCK_TRUSTED = Check(
    type=ConditionType.CLOCK_TRUSTED,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=judge,
    waits="a wrong answer says nothing about the advance, and is soon told from the right ones",
)
