"""AdmissionEnforced: the policies that bind signatures to people are in force, or need not be."""

from surefoot.api.v1alpha1.rollout_status import Phase
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group, Judgements
from surefoot.domain.derive.state import State
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    passes,
)


def judge(state: State, _: Judgements) -> Verdict:
    """Whether signatures are verified by admission, or the administrator stated that none are."""
    return _verdict(state.snapshot.admission, state.snapshot.admission_fault)


def _verdict(admission: Admission, fault: str) -> Verdict:
    match admission:
        case Admission.ENFORCED:
            return passes(
                ConditionType.ADMISSION_ENFORCED, "Enforced", "signatures are verified by admission"
            )
        case Admission.UNENFORCED:
            return passes(
                ConditionType.ADMISSION_ENFORCED,
                "Unenforced",
                "the administrator stated admission: Unenforced; signatures are not verified",
            )
        case Admission.NOT_ENFORCED:
            return blocks(
                ConditionType.ADMISSION_ENFORCED,
                UnmetRequirement(
                    "NotEnforced",
                    f"the admission policies are not in force: {fault or 'they are not installed'}",
                    # The first creates what is missing, the second takes back what was added.
                    "kubectl apply --server-side --force-conflicts -k manifests/policies && "
                    "kubectl replace -k manifests/policies",
                ),
            )
        case Admission.UNKNOWN:
            return blocks(
                ConditionType.ADMISSION_ENFORCED,
                UnmetRequirement(
                    "Unknown",
                    "it is not known whether the admission policies are in force"
                    f"{f': {fault}' if fault else ' yet'}",
                ),
                unknown=True,
            )


ADMISSION_ENFORCED = Check(
    type=ConditionType.ADMISSION_ENFORCED,
    group=Group.GUARD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=judge,
    withdraws="admission is not enforced",
)
