"""What in the metadata is the operator's: its annotations and labels, finalizers and owners."""

from surefoot.api.v1alpha1.meta import (
    ATTEMPT_BY_ANNOTATION,
    AUTHORS_ANNOTATION,
    CHANGED_BY_ANNOTATION,
    GROUP,
    ON_BEHALF_OF_ANNOTATION,
    REQUESTED_BY_ANNOTATION,
)
from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings

STAMPS = (
    REQUESTED_BY_ANNOTATION,
    AUTHORS_ANNOTATION,
    CHANGED_BY_ANNOTATION,
    ATTEMPT_BY_ANNOTATION,
)
"""Annotations of a Rollout that have a policy of their own."""

_OF_THE_ROLLOUT = cel.texts((*STAMPS, ON_BEHALF_OF_ANNOTATION))
_OURS = (
    f"(k.startsWith('{GROUP}/') || k.startsWith('kopf.zalando.org/') || k.startsWith('kopf.dev/'))"
)
_RESERVED = f"{_OURS} && !(request.kind.kind == 'Rollout' && k in {_OF_THE_ROLLOUT})"


def _changed(field: str, reserved: str) -> str:
    """The reserved keys of a map that the request sets, changes or removes."""
    return (
        f"{cel.given(field)}.map(k, {reserved} && "
        f"variables.{field}Before[?k] != optional.of({cel.given(field)}[k]), k) + "
        f"variables.{field}Before.map(k, {reserved} && !(k in {cel.given(field)}), k)"
    )


def _list(field: str) -> str:
    """A list of the metadata is as it was."""
    before = f"request.operation == 'UPDATE' ? oldObject.metadata.?{field}.orValue([]) : []"
    return f"object.metadata.?{field}.orValue([]) == ({before})"


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-metadata`."""
    return Policy(
        "surefoot-metadata",
        matches=(Resources(("rollouts", "checkpoints", "approvals"), ("CREATE", "UPDATE")),),
        variables=(
            ("isOperator", cel.is_one_of([settings.operator])),
            ("isCollector", cel.is_one_of(settings.all_collectors)),
            ("annotationsBefore", cel.kept("annotations")),
            ("labelsBefore", cel.kept("labels")),
            (
                "changed",
                f"{_changed('annotations', _RESERVED)} + {_changed('labels', _OURS)}",
            ),
        ),
        checks=(
            Check(
                "variables.isOperator || variables.changed.size() == 0",
                "annotations and labels of surefoot.dev are the operator's",
                "variables.changed.join(', ') + ' may be set, changed or removed by the operator "
                "only'",
            ),
            Check(
                f"variables.isOperator || variables.isCollector || {_list('finalizers')}",
                "finalizers may be set or removed by the operator only: one would keep this from "
                "being deleted",
            ),
            Check(
                f"variables.isOperator || variables.isCollector || {_list('ownerReferences')}",
                "ownerReferences may be set or removed by the operator only: with an owner that "
                "does not exist, the garbage collector would delete this",
            ),
        ),
    )
