"""Fills in names, so that a plain `kubectl patch` is enough. Every guarantee is elsewhere.

A name that is there already is left: a wrong one is then refused, so that who forged it is told
and the audit log keeps it. The stamps of a Rollout are written over: manifests that were exported
carry old ones.
"""

from surefoot.policies import cel
from surefoot.policies.rendering import Mutation, Resources
from surefoot.policies.stamps import STAMP_VARIABLES


def policies() -> tuple[Mutation, ...]:
    """The policies `surefoot-decided-by` and `surefoot-stamps`."""
    return (
        Mutation(
            "surefoot-decided-by",
            matches=(Resources(("approvals", "checkpoints"), ("UPDATE",)),),
            needed=(
                (
                    "not-signed",
                    "object.spec.?decision.hasValue() && !object.spec.?decidedBy.hasValue()",
                ),
            ),
            object=f"{cel.MY_UID} == '' ? "
            "Object{spec: Object.spec{decidedBy: Object.spec.decidedBy{"
            f"username: {cel.ME}"
            "}}} : Object{spec: Object.spec{decidedBy: Object.spec.decidedBy{"
            f"username: {cel.ME}, uid: {cel.MY_UID}"
            "}}}",
        ),
        Mutation(
            "surefoot-stamps",
            matches=(Resources(("rollouts",), ("CREATE", "UPDATE")),),
            needed=(
                (
                    "changed",
                    (
                        "request.operation == 'CREATE' || object.spec != oldObject.spec || "
                        "object.metadata.?annotations != oldObject.metadata.?annotations"
                    ),
                ),
            ),
            variables=STAMP_VARIABLES,
            object="Object{metadata: Object.metadata{annotations: "
            "variables.stamps.transformMap(k, v, v != '', v)}}",
        ),
    )
