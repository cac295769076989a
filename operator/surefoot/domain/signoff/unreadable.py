"""A NO-GO on a request that no model can read is still somebody's NO-GO."""

from surefoot.api.v1alpha1.approval import Decision
from surefoot.api.v1alpha1.meta import GROUP
from surefoot.domain.derive.state import State
from surefoot.domain.facts.verdicts import UnmetRequirement, Verdict, blocks


def with_unreadable_no_gos(state: State, kind: str, verdict: Verdict) -> Verdict:
    """The verdict on the requests of a kind, which a NO-GO that cannot be read blocks as well."""
    no_gos = tuple(
        UnmetRequirement(
            "UnreadableNoGo",
            f"{kind} {fact.name} says NO-GO and cannot be read: {fact.message}",
            f"kubectl describe {kind.lower()}s.{GROUP} {fact.name} "
            f"-n {state.rollout.metadata.namespace}",
            stops=True,
        )
        for fact in state.snapshot.unreadable
        if fact.kind == kind and fact.decision == Decision.NO_GO.value
    )
    return blocks(verdict.condition, *no_gos, *verdict.unmet) if no_gos else verdict
