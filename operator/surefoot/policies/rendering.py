"""From rules to manifests, with every default of the API server written out.

A policy that is read back is then equal to the one that was shipped, or it was changed.
"""

from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]

API = "admissionregistration.k8s.io/v1"
LABELS = {"app.kubernetes.io/name": "surefoot", "app.kubernetes.io/part-of": "surefoot"}


@dataclass(frozen=True, slots=True)
class Resources:
    """What a policy looks at: ``operations`` on ``resources`` of one API group."""

    resources: tuple[str, ...]
    operations: tuple[str, ...]
    group: str = "surefoot.dev"
    version: str = "v1alpha1"

    def rule(self) -> Manifest:
        """As `resourceRules` has it."""
        return {
            "apiGroups": [self.group],
            "apiVersions": [self.version],
            "operations": list(self.operations),
            "resources": list(self.resources),
            "scope": "*",
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One validation: ``holds`` or the request is refused.

    ``message`` is what a person reads; ``says`` is CEL for the same with names in it, and
    ``message`` stands in where that cannot be evaluated.
    """

    holds: str
    message: str
    says: str = ""

    def validation(self) -> Manifest:
        """As `validations` has it."""
        return {
            "expression": self.holds,
            "message": self.message,
            **({"messageExpression": self.says} if self.says else {}),
            "reason": "Forbidden",
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """A validating policy. ``checks`` are tried in order, and the first refusal is shown.

    ``only`` are named conditions on which the policy looks at a request at all.
    """

    name: str
    matches: tuple[Resources, ...]
    checks: tuple[Check, ...]
    variables: tuple[tuple[str, str], ...] = ()
    audits: tuple[tuple[str, str], ...] = ()
    only: tuple[tuple[str, str], ...] = ()
    object_selector: Manifest = field(default_factory=dict)
    namespace_selector: Manifest = field(default_factory=dict)

    def manifests(self) -> tuple[Manifest, Manifest]:
        """The policy, and the binding that puts it into force everywhere."""
        return (
            {
                **_head("ValidatingAdmissionPolicy", self.name),
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": _constraints(
                        self.matches, self.object_selector, self.namespace_selector
                    ),
                    **_conditions(self.only),
                    **_variables(self.variables),
                    "validations": [check.validation() for check in self.checks],
                    **(
                        {
                            "auditAnnotations": [
                                {"key": key, "valueExpression": value} for key, value in self.audits
                            ]
                        }
                        if self.audits
                        else {}
                    ),
                },
            },
            {
                **_head("ValidatingAdmissionPolicyBinding", self.name),
                "spec": {"policyName": self.name, "validationActions": ["Deny", "Audit"]},
            },
        )


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mutating policy.

    It matches only what needs a stamp: what it matches can fail to be served for seconds after an
    API server has started, and no rollback may wait for that. ``patches`` is CEL for a list of JSON
    patches: an apply configuration would have to make sense of the whole object, and the mistake of
    a person who wrote text for a number would be answered by the policy and not by the schema.
    """

    name: str
    matches: tuple[Resources, ...]
    needed: tuple[tuple[str, str], ...]
    patches: str
    variables: tuple[tuple[str, str], ...] = ()

    def manifests(self) -> tuple[Manifest, Manifest]:
        """The policy, and the binding that puts it into force everywhere."""
        return (
            {
                **_head("MutatingAdmissionPolicy", self.name),
                "spec": {
                    "failurePolicy": "Fail",
                    "matchConstraints": _constraints(self.matches, {}, {}),
                    **_conditions(self.needed),
                    **_variables(self.variables),
                    "mutations": [
                        {
                            "patchType": "JSONPatch",
                            "jsonPatch": {"expression": self.patches},
                        }
                    ],
                    "reinvocationPolicy": "IfNeeded",
                },
            },
            {
                **_head("MutatingAdmissionPolicyBinding", self.name),
                "spec": {"policyName": self.name},
            },
        )


def _head(kind: str, name: str) -> Manifest:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "labels": dict(LABELS)}}


def _constraints(
    matches: tuple[Resources, ...], object_selector: Manifest, namespace_selector: Manifest
) -> Manifest:
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": namespace_selector,
        "objectSelector": object_selector,
        "resourceRules": [match.rule() for match in matches],
    }


def _conditions(conditions: tuple[tuple[str, str], ...]) -> Manifest:
    if not conditions:
        return {}
    return {"matchConditions": [{"name": name, "expression": cel} for name, cel in conditions]}


def _variables(variables: tuple[tuple[str, str], ...]) -> Manifest:
    if not variables:
        return {}
    return {"variables": [{"name": name, "expression": value} for name, value in variables]}
