"""Which changes of a CustomResourceDefinition are told of, and that today's are all accepted."""

import copy
import json
from typing import Any

import pytest
import yaml

from deploy.compatibility import ACCEPTED, BASELINE, accepted, changes, complaints, found

BEFORE: dict[str, Any] = {
    "spec": {
        "group": "surefoot.dev",
        "scope": "Namespaced",
        "names": {"kind": "Rollout", "plural": "rollouts"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "percent": {"type": "integer", "minimum": 0, "maximum": 100},
                            "name": {"type": "string", "nullable": True, "default": "a"},
                            "mode": {"type": "string", "enum": ["Off", "On"]},
                            "steps": {
                                "type": "array",
                                "x-kubernetes-list-type": "atomic",
                                "items": {"type": "object", "properties": {"at": {}}},
                            },
                            "labels": {"additionalProperties": {"type": "string"}},
                        },
                    }
                },
            }
        ],
    }
}
VERSION = "spec.versions.0"
FIELDS = f"{VERSION}.schema.openAPIV3Schema.properties"


def _changed(path: str, value: Any) -> dict[str, Any]:
    """The definition with one part replaced, or taken away where the value is None."""
    after = copy.deepcopy(BEFORE)
    *way, last = path.split(".")
    node: Any = after
    for part in way:
        node = node[int(part)] if part.isdigit() else node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return after


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("spec.group", "surefoot.io", "spec.group: was surefoot.dev, and is surefoot.io"),
        ("spec.scope", "Cluster", "spec.scope: was Namespaced, and is Cluster"),
        ("spec.names.kind", "Release", "spec.names.kind: has changed"),
        (f"{VERSION}.served", False, "v1alpha1: the version is no longer served"),
        (f"{VERSION}.subresources", {}, "v1alpha1: the version has lost status"),
        (f"{FIELDS}.percent", None, "percent: the field is gone"),
        (f"{FIELDS}.steps.items.properties", {}, "steps[].at: the field is gone"),
        (f"{FIELDS}.steps.items", None, "steps: items is gone"),
        (f"{FIELDS}.labels.additionalProperties", False, "labels: additionalProperties is gone"),
        (
            f"{FIELDS}.labels.additionalProperties.type",
            "integer",
            'labels{}: type was "string", and is "integer"',
        ),
        (f"{FIELDS}.percent.minimum", 1, "percent: minimum 1 instead of 0"),
        (f"{FIELDS}.percent.maximum", 99, "percent: maximum 99 instead of 100"),
        (f"{FIELDS}.name.maxLength", 5, "name: maxLength 5 is new"),
        (f"{FIELDS}.name.pattern", "^a$", 'name: pattern "^a$" is new'),
        (f"{FIELDS}.name.default", "b", 'name: default was "a", and is "b"'),
        (f"{FIELDS}.name.nullable", False, "name: nullable is gone"),
        (f"{FIELDS}.mode.enum", ["On"], "mode: enum has lost Off"),
        (f"{FIELDS}.name.enum", ["a"], "name: enum is new"),
        (
            f"{FIELDS}.steps.x-kubernetes-list-type",
            "set",
            'steps: x-kubernetes-list-type was "atomic", and is "set"',
        ),
        (
            f"{VERSION}.schema.openAPIV3Schema.required",
            ["name"],
            "(object): name is required now",
        ),
        (
            f"{FIELDS}.mode.x-kubernetes-validations",
            [{"rule": "self != 'On'", "message": "must be off"}],
            "mode: a rule is new: must be off",
        ),
        (
            f"{FIELDS}.mode.x-kubernetes-surprise",
            True,
            "mode: x-kubernetes-surprise has changed, of which this check knows nothing",
        ),
    ],
)
def test_change_that_breaks_stored_objects_is_told(path: str, value: Any, told: str) -> None:
    """By the field and by what has changed."""
    (change,) = changes(BEFORE, _changed(path, value))
    assert f"{change.where}: {change.what}" == told


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{FIELDS}.percent.minimum", None),
        (f"{FIELDS}.percent.maximum", 101),
        (f"{FIELDS}.percent.description", "how many"),
        (f"{FIELDS}.mode.enum", ["Off", "On", "Auto"]),
        (f"{FIELDS}.mode.enum", None),
        (f"{FIELDS}.other", {"type": "string"}),
        (f"{VERSION}.subresources", {"status": {}, "scale": {}}),
    ],
)
def test_change_that_takes_more_is_not_told(path: str, value: Any) -> None:
    """Whatever was valid stays valid."""
    assert [*changes(BEFORE, _changed(path, value))] == []


def test_every_change_since_the_baseline_is_accepted_with_a_reason() -> None:
    """`make check` says the same, and what to do."""
    assert complaints(found(), accepted()) == []
    entries = yaml.safe_load(ACCEPTED.read_text("utf-8"))
    assert all(len(each["because"].split()) > 5 for each in entries)


def test_baseline_has_every_kind_and_no_acceptance_outlives_its_change() -> None:
    """Else a change could hide behind one that was accepted long ago."""
    crds = [json.loads(path.read_text("utf-8")) for path in BASELINE.glob("*.json")]
    assert sorted(crd["spec"]["names"]["kind"] for crd in crds) == [
        "Approval",
        "Checkpoint",
        "Rollout",
    ]
    assert complaints({}, {"maxLength 5 is new": ["rollouts spec.name"]}) == [
        "accepted.yaml accepts a change that there is not: rollouts spec.name: maxLength 5 is new"
    ]
