"""Fills in names, so that a plain `kubectl patch` is enough. Every guarantee is elsewhere.

A name that is there already is left: a wrong one is then refused, so that who forged it is told
and the audit log keeps it. The stamps of a Rollout are written over: manifests that were exported
carry old ones.

These policies act before the schema does. Each therefore looks at an object only where what it
reads has the right type. Any other object is left to the schema, whose refusal names the field.
"""

from surefoot.policies import cel
from surefoot.policies.rendering import Mutation, Resources
from surefoot.policies.stamps import STAMP_VARIABLES

_HAS_A_SPEC = "type(object.?spec.orValue(0)) == map"


def policies() -> tuple[Mutation, ...]:
    """The policies `surefoot-decided-by` and `surefoot-stamps`."""
    return (
        Mutation(
            "surefoot-decided-by",
            matches=(Resources(("approvals", "checkpoints"), ("UPDATE",)),),
            needed=(
                ("well-formed", _HAS_A_SPEC),
                (
                    "not-signed",
                    "object.spec.?decision.hasValue() && !object.spec.?decidedBy.hasValue()",
                ),
            ),
            patches="[JSONPatch{op: 'add', path: '/spec/decidedBy', value: "
            f"{cel.MY_UID} == '' ? {{'username': {cel.ME}}} : "
            f"{{'username': {cel.ME}, 'uid': {cel.MY_UID}}}"
            "}]",
        ),
        Mutation(
            "surefoot-stamps",
            matches=(Resources(("rollouts",), ("CREATE", "UPDATE")),),
            needed=(
                (
                    "well-formed",
                    (
                        f"{_HAS_A_SPEC} && type(object.spec.?attempt.orValue(0)) == int && "
                        "type(object.spec.?rehearsal.orValue({})) == map"
                    ),
                ),
                (
                    "changed",
                    (
                        "request.operation == 'CREATE' || object.spec != oldObject.spec || "
                        "object.metadata.?annotations != oldObject.metadata.?annotations"
                    ),
                ),
            ),
            variables=STAMP_VARIABLES,
            patches="(object.metadata.?annotations.hasValue() ? [] : "
            "[JSONPatch{op: 'add', path: '/metadata/annotations', value: {}}]) + "
            "variables.stamps.filter(k, variables.stamps[k] != '').map(k, "
            "JSONPatch{op: 'add', path: '/metadata/annotations/' + jsonpatch.escapeKey(k), "
            "value: variables.stamps[k]})",
        ),
    )
