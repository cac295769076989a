"""The annotation `surefoot.dev/rollout-uid` is written by the operator, on any ConfigMap.

It says which Rollout a ConfigMap belongs to. Before a Rollout has started, the operator takes a
ConfigMap with its UID for one that it created itself and whose answer was lost; and the operator's
own account may restore a lost label only by this mark. So nobody else may set, change or remove it.

The other annotations are people's to copy: a manifest from Git may carry those of a released
ConfigMap, and `surefoot.dev/adopt` is how one is offered.
"""

from surefoot.api.v1alpha1.meta import ADOPT_ANNOTATION, ROLLOUT_UID_ANNOTATION
from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings

_OF = f"metadata.?annotations[?'{ROLLOUT_UID_ANNOTATION}']"


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-rollout-uid`."""
    return Policy(
        "surefoot-rollout-uid",
        matches=(Resources(("configmaps",), ("CREATE", "UPDATE"), group="", version="v1"),),
        # Every write of a ConfigMap in the cluster gets this far, and hardly any further.
        only=(
            (
                "changes-the-uid",
                (
                    f"object.{_OF} != "
                    f"(request.operation == 'UPDATE' ? oldObject.{_OF} : optional.none())"
                ),
            ),
        ),
        checks=(
            Check(
                cel.is_one_of([settings.operator]),
                f"the annotation {ROLLOUT_UID_ANNOTATION} is written by the operator only",
                f"'the annotation {ROLLOUT_UID_ANNOTATION} of ConfigMap ' + "
                "object.metadata.?name.orValue('') + ' says which Rollout it belongs to, and may "
                "be set, changed or removed by the operator only. To have a Rollout adopt the "
                f"ConfigMap, annotate it with {ADOPT_ANNOTATION}'",
            ),
        ),
    )
