"""The operator's own account writes and deletes flags, and no other ConfigMap.

RBAC cannot say this: the names of the flags are in the plans. Without this policy a stolen token
could rewrite every ConfigMap of the cluster, the operator's own configuration included.

A ConfigMap counts as a flag while it carries the managed label. Outside of that there are four
transitions, and each of them starts from a mark that the operator cannot set by itself:

    adoption     a person offered the ConfigMap with the annotation `surefoot.dev/adopt`
    restoration  the label was taken off while no policy acted, but `surefoot.dev/rollout-uid`,
                 which people may not write (`rollout_uid`), is still there
    release      the label goes, and the ConfigMap is offered to a Rollout of the same name
    abandonment  an offered ConfigMap is told that a transition must not be applied any more

The account can write only percentages and JSON documents, so a new ConfigMap cannot be one that
another component of the cluster takes its orders from. Nor can it be a halt.
"""

from surefoot.api.v1alpha1.meta import (
    ABANDONED_ANNOTATION,
    ADOPT_ANNOTATION,
    HALT_CONFIGMAP,
    MANAGED_LABEL,
    ROLLOUT_ANNOTATION,
    ROLLOUT_UID_ANNOTATION,
)
from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings

CURSOR_PREFIX = "surefoot-record-"
"""The names of the ConfigMaps in which the operator keeps what each sink has received."""

_UID, _ADOPT = f"'{ROLLOUT_UID_ANNOTATION}'", f"'{ADOPT_ANNOTATION}'"
_ROLLOUT, _ABANDONED = f"'{ROLLOUT_ANNOTATION}'", f"'{ABANDONED_ANNOTATION}'"
_IS_UPDATE = "request.operation == 'UPDATE'"

_HAS_A_MARK = f"({_UID} in variables.before || {_ADOPT} in variables.before)"
_KEEPS_ITS_ROLLOUT = (
    f"({_UID} in variables.before && variables.after[?{_UID}] == variables.before[?{_UID}])"
)
_IS_OFFERED_TO_ITS_ROLLOUT = (
    f"({_ADOPT} in variables.before && variables.after[?{_ROLLOUT}] == variables.before[?{_ADOPT}])"
)
_IS_RELEASED = (
    f"({_ROLLOUT} in variables.before && "
    f"variables.after[?{_ADOPT}] == variables.before[?{_ROLLOUT}] && !({_UID} in variables.after))"
)
_ONLY_IS_ABANDONED = " && ".join(
    [
        *(f"object.?{part} == oldObject.?{part}" for part in ("data", "binaryData", "immutable")),
        *(
            f"object.metadata.?{part} == oldObject.metadata.?{part}"
            for part in ("labels", "ownerReferences", "finalizers")
        ),
        (
            "variables.after.all(k, "
            f"k == {_ABANDONED} || variables.before[?k] == optional.of(variables.after[k]))"
        ),
        "variables.before.all(k, k in variables.after)",
    ]
)


def _labelled(operation_without: str, which: str) -> str:
    return (
        f"request.operation != '{operation_without}' && "
        f"'{MANAGED_LABEL}' in {which}.metadata.?labels.orValue({{}})"
    )


def _part(operation_without: str, which: str, path: str) -> str:
    return f"request.operation == '{operation_without}' ? {{}} : {which}.?{path}.orValue({{}})"


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-own-account`."""
    name = "variables.name"
    return Policy(
        "surefoot-own-account",
        matches=(
            Resources(("configmaps",), ("CREATE", "UPDATE", "DELETE"), group="", version="v1"),
        ),
        # Nothing that is wrong in here can be in the way of anybody else.
        only=(("the-operator", cel.is_one_of([settings.operator])),),
        variables=(
            (
                "name",
                "(request.operation == 'DELETE' ? oldObject : object).metadata.?name.orValue('')",
            ),
            ("wasManaged", _labelled("CREATE", "oldObject")),
            ("isManaged", _labelled("DELETE", "object")),
            ("before", _part("CREATE", "oldObject", "metadata.?annotations")),
            ("after", _part("DELETE", "object", "metadata.?annotations")),
            ("dataBefore", _part("CREATE", "oldObject", "data")),
            ("dataAfter", _part("DELETE", "object", "data")),
            (
                "isCursor",
                (
                    f"request.namespace == '{settings.namespace}' && "
                    f"{name}.startsWith('{CURSOR_PREFIX}')"
                ),
            ),
        ),
        checks=(
            Check(
                f"variables.name != '{HALT_CONFIGMAP}'",
                "a halt is declared and lifted by people: the operator does not write it",
            ),
            Check(
                f"{cel.on('CREATE', 'variables.isManaged')} || variables.isCursor",
                f"the operator creates only ConfigMaps that carry the label {MANAGED_LABEL}",
                f"'the operator may not create ConfigMap ' + {name} + ': it creates only "
                f"ConfigMaps that carry the label {MANAGED_LABEL}'",
            ),
            Check(
                f"!({_IS_UPDATE} && variables.isManaged) || variables.wasManaged || "
                f"{_KEEPS_ITS_ROLLOUT} || {_IS_OFFERED_TO_ITS_ROLLOUT}",
                f"the operator does not write over a ConfigMap without the label {MANAGED_LABEL}: "
                "delete it, and it is created again, or offer it with the annotation "
                f"{ADOPT_ANNOTATION}",
                f"'ConfigMap ' + {name} + ' carries no mark of the operator, so the operator does "
                "not write over it: delete it, and it is created again, or hand it over with: "
                f"kubectl annotate configmap --namespace ' + request.namespace + ' ' + {name} + "
                f"' {ADOPT_ANNOTATION}=' + "
                f"variables.after[?{_ROLLOUT}].orValue('ROLLOUT')",
            ),
            Check(
                f"!({_IS_UPDATE} && variables.wasManaged) || variables.isManaged || {_IS_RELEASED}",
                f"the operator takes the label {MANAGED_LABEL} off a ConfigMap only to offer it "
                "to a Rollout of the same name",
                f"'the operator may take the label {MANAGED_LABEL} off ConfigMap ' + {name} + "
                f"' only to offer it to a Rollout of the same name'",
            ),
            Check(
                f"!({_IS_UPDATE} && !variables.wasManaged && !variables.isManaged) || "
                f"variables.isCursor || ({_HAS_A_MARK} && {_ONLY_IS_ABANDONED})",
                f"the operator does not write ConfigMaps without the label {MANAGED_LABEL}",
                f"'the operator may not write ConfigMap ' + {name} + ', which does not carry the "
                f"label {MANAGED_LABEL}'",
            ),
            Check(
                f"request.operation != 'DELETE' || variables.wasManaged || {_HAS_A_MARK}",
                f"the operator deletes only ConfigMaps that carry the label {MANAGED_LABEL}",
                f"'the operator may not delete ConfigMap ' + {name} + ', which does not carry the "
                f"label {MANAGED_LABEL}'",
            ),
            Check(
                "variables.isCursor || (variables.dataAfter.all(k, k.endsWith('.json') || "
                "variables.dataBefore[?k] == optional.of(variables.dataAfter[k]) || "
                # The size first, so that a long text of somebody else costs nothing.
                "(variables.dataAfter[k].size() <= 3 && "
                "variables.dataAfter[k].matches('^[0-9]+$'))) && "
                "(request.operation == 'DELETE' || !object.?binaryData.hasValue() || "
                "(request.operation == 'UPDATE' && object.?binaryData == oldObject.?binaryData)))",
                "the operator writes percentages and JSON documents only",
                f"'the operator may write only percentages and JSON documents, and ConfigMap ' + "
                f"{name} + ' would hold something else'",
            ),
        ),
    )
