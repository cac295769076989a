"""`python -m deploy.compatibility`: what of crds/ could break objects that clusters have.

`deploy/baseline` has the CustomResourceDefinitions of the last version that clusters have, without
descriptions, and `accepted.yaml` the changes since then that were made knowingly, each with its
reason. Any other change that is not compatible is named, and the exit code is 1. `--accept REASON`
adds those to `accepted.yaml`; `--release` makes today's CRDs the baseline.

A change is compatible if every object that was valid stays valid, and keeps all of its fields.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from deploy.project import ROOT

CRDS = ROOT / "crds"
BASELINE = ROOT / "deploy" / "baseline"
ACCEPTED = BASELINE / "accepted.yaml"

Schema = Mapping[str, Any]
Found = Mapping[str, Sequence[str]]
"""What has changed, and in which kinds and fields."""

AT_LEAST = ("minimum", "minLength", "minItems", "minProperties")
AT_MOST = ("maximum", "maxLength", "maxItems", "maxProperties")
FIXED = (
    *("type", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
    *("x-kubernetes-map-type", "x-kubernetes-int-or-string"),
)
"""What may not change at all."""
MAY_GO = (
    *("pattern", "format", "multipleOf", "uniqueItems", "exclusiveMinimum", "exclusiveMaximum"),
    *("not", "oneOf", "anyOf", "allOf"),
)
"""What may be taken away and neither added nor changed."""
MAY_COME = ("nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource")
"""What may be added and not taken away."""
FOLLOWED = frozenset(
    {"properties", "items", "additionalProperties", "required", "enum", "x-kubernetes-validations"}
)
"""What `incompatible` looks into."""
SAID = frozenset({"description", "title", "example", "externalDocs"})
"""What people read and nothing depends on."""


class Change(NamedTuple):
    """A change that is not compatible, and the field in which it was made."""

    where: str
    what: str


def changes(before: Schema, after: Schema) -> Iterator[Change]:
    """What of a CustomResourceDefinition is not compatible any more."""
    old, new = before["spec"], after["spec"]
    for field in ("group", "scope"):
        if old[field] != new[field]:
            yield Change(f"spec.{field}", f"was {old[field]}, and is {new[field]}")
    for field in ("kind", "plural", "listKind", "singular"):
        if old["names"].get(field) != new["names"].get(field):
            yield Change(f"spec.names.{field}", "has changed")
    versions = {version["name"]: version for version in new["versions"]}
    for version in old["versions"]:
        name = version["name"]
        if name not in versions or (version["served"] and not versions[name]["served"]):
            yield Change(name, "the version is no longer served")
            continue
        if missing := (version.get("subresources") or {}).keys() - (
            versions[name].get("subresources") or {}
        ):
            yield Change(name, f"the version has lost {', '.join(sorted(missing))}")
        yield from incompatible(
            version["schema"]["openAPIV3Schema"], versions[name]["schema"]["openAPIV3Schema"], ""
        )


def incompatible(old: Schema, new: Schema, path: str) -> Iterator[Change]:
    """What a schema no longer takes, or drops, by the path of the field."""
    at = path or "(object)"
    yield from (Change(at, fault) for fault in _tightened(old, new))
    if "properties" in old:
        fields = new.get("properties", {})
        for name, schema in old["properties"].items():
            below = f"{path}.{name}" if path else name
            if name in fields:
                yield from incompatible(schema, fields[name], below)
            elif not new.get("x-kubernetes-preserve-unknown-fields"):
                yield Change(below, "the field is gone")
    for part, shown in (("items", "[]"), ("additionalProperties", "{}")):
        if not isinstance(old.get(part), dict):
            if old.get(part) != new.get(part):
                yield Change(at, f"{part} has changed")
        elif not isinstance(new.get(part), dict):
            yield Change(at, f"{part} is gone")
        else:
            yield from incompatible(old[part], new[part], f"{path}{shown}")


def _tightened(old: Schema, new: Schema) -> Iterator[str]:
    """What the values of one field may no longer be."""
    yield from _bounds(old, new)
    yield from _words(old, new)
    yield from _lists(old, new)
    for name in sorted((old.keys() | new.keys()) - _KNOWN):
        if old.get(name) != new.get(name):
            yield f"{name} has changed, of which this check knows nothing"


def _bounds(old: Schema, new: Schema) -> Iterator[str]:
    for name in AT_LEAST:
        if name in new and new[name] > old.get(name, float("-inf")):
            yield f"{name} {new[name]} {_instead_of(old, name)}"
    for name in AT_MOST:
        if name in new and new[name] < old.get(name, float("inf")):
            yield f"{name} {new[name]} {_instead_of(old, name)}"


def _words(old: Schema, new: Schema) -> Iterator[str]:
    for name in FIXED:
        if old.get(name) != new.get(name):
            yield f"{name} was {json.dumps(old.get(name))}, and is {json.dumps(new.get(name))}"
    for name in MAY_GO:
        if name in new and old.get(name) != new[name]:
            yield f"{name} {json.dumps(new[name])} {_instead_of(old, name)}"
    for name in MAY_COME:
        if old.get(name) and not new.get(name):
            yield f"{name} is gone"


def _lists(old: Schema, new: Schema) -> Iterator[str]:
    if "enum" in new and "enum" not in old:
        yield "enum is new"
    elif "enum" in new and (lost := [each for each in old["enum"] if each not in new["enum"]]):
        yield f"enum has lost {', '.join(map(str, lost))}"
    if wanted := sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{', '.join(wanted)} is required now"
    known = {rule["rule"] for rule in old.get("x-kubernetes-validations", ())}
    for rule in new.get("x-kubernetes-validations", ()):
        if rule["rule"] not in known:
            yield f"a rule is new: {rule.get('message') or rule['rule']}"


_KNOWN = FOLLOWED | SAID | {*AT_LEAST, *AT_MOST, *FIXED, *MAY_GO, *MAY_COME}


def _instead_of(old: Schema, name: str) -> str:
    return f"instead of {json.dumps(old[name])}" if name in old else "is new"


def found(crds: Path = CRDS, baseline: Path = BASELINE) -> Found:
    """The changes that are not compatible, each with the places where it was made."""
    answer: dict[str, list[str]] = {}
    for path in sorted(baseline.glob("*.json")):
        today = next(crds.glob(f"{path.stem}.*.yaml"), None)
        if today is None:
            answer.setdefault("the kind is gone", []).append(path.stem)
            continue
        before = json.loads(path.read_text("utf-8"))
        for change in changes(before, yaml.safe_load(today.read_text("utf-8"))):
            answer.setdefault(change.what, []).append(f"{path.stem} {change.where}")
    return answer


def accepted(path: Path = ACCEPTED) -> Found:
    """The changes that were made knowingly, with their places. Each has to have a reason."""
    entries = yaml.safe_load(path.read_text("utf-8")) or []
    return {each["change"]: each["places"] for each in entries if each["because"].strip()}


def complaints(found: Found, accepted: Found) -> list[str]:
    """What is not accepted, and what is accepted and is no change."""
    return [
        *(f"{place}: {what}" for what, place in _pairs(found, but_not=accepted)),
        *(
            f"{ACCEPTED.name} accepts a change that there is not: {place}: {what}"
            for what, place in _pairs(accepted, but_not=found)
        ),
    ]


def _pairs(found: Found, *, but_not: Found) -> Iterator[tuple[str, str]]:
    for what, places in found.items():
        for place in places:
            if place not in but_not.get(what, ()):
                yield what, place


def accept(reason: str) -> None:
    """Add to `accepted.yaml` what is not in there, and drop from it what is no change."""
    entries = yaml.safe_load(ACCEPTED.read_text("utf-8")) or []
    reasons = {each["change"]: each["because"] for each in entries}
    made = [
        {"change": what, "because": reasons.get(what, reason), "places": list(places)}
        for what, places in found().items()
    ]
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=100)
    ACCEPTED.write_text(text, "utf-8")


def without_descriptions(node: Any, *, of_fields: bool = False) -> Any:
    """A schema without what is said for people. A field may be called `description` itself."""
    if isinstance(node, dict):
        return {
            name: without_descriptions(value, of_fields=name == "properties")
            for name, value in node.items()
            if of_fields or name != "description"
        }
    if isinstance(node, list):
        return [without_descriptions(item) for item in node]
    return node


def release() -> None:
    """Make today's CRDs what the next changes are compared with."""
    for path in sorted(CRDS.glob("*.yaml")):
        crd = without_descriptions(yaml.safe_load(path.read_text("utf-8")))
        text = json.dumps(crd, indent=1, sort_keys=True)
        (BASELINE / f"{path.name.partition('.')[0]}.json").write_text(f"{text}\n", "utf-8")
    ACCEPTED.write_text("[]\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what is not compatible; the exit code is 1 where something is not accepted."""
    parser = argparse.ArgumentParser(prog="python -m deploy.compatibility", description=__doc__)
    parser.add_argument("--accept", metavar="REASON", help="accept all changes, with this reason")
    parser.add_argument("--release", action="store_true", help="make today's CRDs the baseline")
    options = parser.parse_args(arguments)
    if options.release:
        release()
    if options.accept:
        accept(options.accept)
    said = complaints(found(), accepted())
    if not said:
        return 0
    print("\n".join(said), file=sys.stderr)
    print(
        "These changes of the CRDs can break objects that clusters have. Make them compatible; or "
        "say why nobody is hurt: python -m deploy.compatibility --accept REASON",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
