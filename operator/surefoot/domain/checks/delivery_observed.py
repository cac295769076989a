"""DeliveryObserved: a later version asks consumers; a plan that asks for it is not valid yet."""

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import LEAVING_A_STEP, Check, Group
from surefoot.domain.facts.verdicts import ConditionType, not_required

DELIVERY_OBSERVED = Check(
    type=ConditionType.DELIVERY_OBSERVED,
    group=Group.HOLD,
    applies_to=LEAVING_A_STEP,
    phase=Phase.SOAKING,
    judge=lambda _state, _earlier: not_required(ConditionType.DELIVERY_OBSERVED),
    waits="it blocks nothing yet",
)
