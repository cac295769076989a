"""The flags: what carries them is written by the operator, and by nobody else.

The selector looks at the object and at what it was, so taking the label off does not escape it, and
a mistake in an expression cannot touch any other ConfigMap.
"""

from surefoot.api.v1alpha1.meta import MANAGED_LABEL, ROLLOUT_ANNOTATION
from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings

PROBE = "probe"
"""A value of the label that is refused to everybody: by it the operator sees the policy live."""

_CONTENT = ("data", "binaryData", "immutable", "spec")
_ONLY_BOOKKEEPING = " && ".join(
    [
        *(f"dyn(object).?{part} == dyn(oldObject).?{part}" for part in _CONTENT),
        *(
            f"object.metadata.?{part} == oldObject.metadata.?{part}"
            for part in ("labels", "annotations")
        ),
    ]
)


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-configmaps`."""
    everything = ("CREATE", "UPDATE", "DELETE")
    return Policy(
        "surefoot-configmaps",
        matches=(
            Resources(("configmaps",), everything, group="", version="v1"),
            Resources(("featureflags",), everything, group="core.openfeature.dev", version="*"),
        ),
        object_selector={
            "matchExpressions": [{"key": MANAGED_LABEL, "operator": "Exists"}],
        },
        variables=(
            ("isOperator", cel.is_one_of([settings.operator])),
            ("isCollector", cel.is_one_of(settings.all_collectors)),
            ("known", "request.operation == 'CREATE' ? object : oldObject"),
            (
                "isCarrier",
                (f"variables.known.metadata.?annotations[?'{ROLLOUT_ANNOTATION}'].hasValue()"),
            ),
            (
                "rollout",
                (
                    "'rollout ' + variables.known.metadata.?annotations"
                    f"[?'{ROLLOUT_ANNOTATION}'].orValue('')"
                ),
            ),
        ),
        checks=(
            Check(
                "request.operation == 'DELETE' || "
                f"object.metadata.?labels[?'{MANAGED_LABEL}'].orValue('') != '{PROBE}'",
                "this is a probe: the policy lives",
            ),
            Check(
                "variables.isOperator || (variables.isCollector && "
                f"(request.operation == 'DELETE' || (request.operation == 'UPDATE' && "
                f"{_ONLY_BOOKKEEPING})))",
                "what carries a flag is written by the operator only: change its Rollout instead",
                "variables.isCarrier ? request.kind.kind + ' ' + "
                "variables.known.metadata.?name.orValue('') + ' carries the flags of ' + "
                "variables.rollout + ' and is written by the operator only: to change the "
                "percentage, change that Rollout' : "
                f"'the label {MANAGED_LABEL} is the operator\\'s: a Rollout whose target is this "
                "name has it created'",
            ),
        ),
    )
