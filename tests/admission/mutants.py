"""Policies with a defect: an expression that says nothing, or a sort of request not looked at.

A mutant is in force in one namespace only, where it stands in for the policy as shipped. When it is
in force tells a canary, a validation of its own that refuses what comes from the field manager
`canary` with the mutant's number.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surefoot.policies import Manifest, PolicySettings, shipped
from tests.admission.attempt import Attempt, Request
from tests.admission.cluster import (
    MUTANT,
    MUTANT_OF,
    SETTINGS,
    World,
    outcome_of,
)
from tests.admission.people import HOME, OPERATOR
from tests.contract.manifests import changed
from tests.support.testbed import SURELY, wait_until

CONSTANTS = ("false", "true", "''", "[]", "{}", "optional.none()")
"""What a variable is replaced by: each of these with which the other expressions compile."""


@dataclass(frozen=True, kw_only=True)
class SettingsAt(PolicySettings):
    """Settings by which the operator's namespace is another than that of its account."""

    home: str

    @property
    def namespace(self) -> str:
        """The namespace that a world has in place of the operator's."""
        return self.home


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy with one defect. ``may_not_compile``: where the defect may be of a wrong type."""

    name: str
    manifest: Manifest
    may_not_compile: bool = False


def validating(world: World) -> dict[str, Manifest]:
    """The validating policies as shipped, by name."""
    settings = SettingsAt(
        home=world.home,
        **{each.name: getattr(SETTINGS, each.name) for each in dataclasses.fields(SETTINGS)},
    )
    return {
        manifest["metadata"]["name"]: manifest
        for manifest in shipped(settings)
        if manifest["kind"] == "ValidatingAdmissionPolicy"
    }


def mutants(policy: Manifest) -> Iterator[Mutant]:
    """Every policy that differs from this one by one defect."""
    spec = policy["spec"]
    for index, validation in enumerate(spec["validations"]):
        change = {f"spec.validations.{index}.expression": "true"}
        yield Mutant(f"does not ask: {validation['message']}", changed(policy, change))
    for index, condition in enumerate(spec.get("matchConditions", ())):
        change = {f"spec.matchConditions.{index}.expression": "true"}
        yield Mutant(f"matches whatever {condition['name']} says", changed(policy, change))
    for index, variable in enumerate(spec.get("variables", ())):
        for constant in CONSTANTS:
            change = {f"spec.variables.{index}.expression": constant}
            mutant = changed(policy, change)
            yield Mutant(f"takes {variable['name']} for {constant}", mutant, may_not_compile=True)
    for index, rule in enumerate(spec["matchConstraints"]["resourceRules"]):
        for part in ("operations", "resources"):
            for value in rule[part] if len(rule[part]) > 1 else ():
                path = f"spec.matchConstraints.resourceRules.{index}.{part}"
                rest = [other for other in rule[part] if other != value]
                what = (
                    f"{value} of {', '.join(rule['resources'])}" if part == "operations" else value
                )
                yield Mutant(f"does not look at {what}", changed(policy, {path: rest}))


class Cage:
    """A world in which one policy is replaced by its mutants, one after the other."""

    def __init__(self, world: World, name: str, table: Sequence[Attempt]) -> None:
        """``name``: the policy's. ``table``: of it, the attempts that the policy looks at."""
        self._world = world
        self._name = name
        self._policy = validating(world)[name]
        self._attempts = sorted(
            (
                attempt
                for attempt in table
                if looks_at(self._policy, attempt.request) and self._is_judged_here(attempt)
            ),
            key=lambda attempt: world.expected(attempt).layer != name,
        )
        # One of each sort: a mutant that does not look at some is still told by the others.
        self._canaries = {
            (one.request.method, one.request.kind, one.request.name): one
            for one in reversed(self._attempts)
            if one.request.edits is None and one.request.method in ("PATCH", "POST")
        }
        self._number = 0

    def _is_judged_here(self, attempt: Attempt) -> bool:
        """Whether the attempt does not depend on a policy that knows another namespace as home."""
        if self._world.home == HOME or not attempt.request.at_home:
            return True
        is_by_operator = attempt.by == OPERATOR
        return is_by_operator == (self._name == "surefoot-own-account")

    def survivors(self) -> tuple[list[str], int]:
        """The mutants that no attempt notices, and how many there were.

        As shipped, the policy must have no fault: with one, every mutant would seem noticed.
        """
        try:
            assert self._puts_in_force(Mutant("as shipped", self._policy))
            faults_as_shipped = [
                f"{attempt.name}: {fault}"
                for attempt in self._attempts
                if (fault := self._world.fault(attempt))
            ]
            assert faults_as_shipped == [], f"{self._name} as shipped"
            unnoticed = [
                f"{self._name} {mutant.name}"
                for mutant in mutants(self._policy)
                if self._puts_in_force(mutant) and not self._is_noticed()
            ]
            return unnoticed, self._number - 1
        finally:
            for manifest in (self._binding(), self._with_canary(self._policy)):
                self._world.cluster.remove(manifest)

    def _is_noticed(self) -> bool:
        return any(self._world.fault(attempt) for attempt in self._attempts)

    def _puts_in_force(self, mutant: Mutant) -> bool:
        answer = self._world.cluster.try_to_put(self._with_canary(mutant.manifest))
        if answer.status_code == 422 and mutant.may_not_compile:
            return False
        answer.raise_for_status()
        self._world.cluster.put(self._binding())
        wait_until(self._a_canary_sings, SURELY, f"{self._name} {mutant.name} to be in force")
        self._number += 1
        return True

    def _a_canary_sings(self) -> bool:
        return any(self._sings(canary) for canary in self._canaries.values())

    def _sings(self, canary: Attempt) -> bool:
        options = {**canary.request.options, "fieldManager": "canary"}
        request = dataclasses.replace(canary.request, options=options)
        answer = self._world.cluster.send(self._world, canary.by, request, dry=True)
        return f"this is mutant {self._number}." in outcome_of(answer, {}).says

    def _with_canary(self, manifest: Manifest) -> Manifest:
        canary = {
            "expression": "request.?options.?fieldManager.orValue('') != 'canary'",
            "message": f"this is mutant {self._number}.",
            "reason": "Forbidden",
        }
        spec = {**manifest["spec"], "validations": [canary, *manifest["spec"]["validations"]]}
        return {**manifest, "metadata": {"name": self._name + MUTANT}, "spec": spec}

    def _binding(self) -> Manifest:
        return {
            "apiVersion": self._policy["apiVersion"],
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": self._name + MUTANT},
            "spec": {
                "policyName": self._name + MUTANT,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": {MUTANT_OF: self._name}}},
            },
        }


def looks_at(policy: Manifest, request: Request) -> bool:
    """Whether the policy is about what this request is about."""
    resource = f"{request.kind.lower()}s{request.subresource}"
    rules = policy["spec"]["matchConstraints"]["resourceRules"]
    return any(resource in rule["resources"] for rule in rules)
