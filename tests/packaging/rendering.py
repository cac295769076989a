"""Objects as helm and kustomize render them, in a form that can be compared."""

import subprocess
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.project import ROOT
from deploy.tools import tools

Manifest = dict[str, Any]
CHART = ROOT / "charts" / "surefoot"
NAMESPACE = "surefoot-system"


@cache
def tool(name: str) -> Path:
    """The path of the tool, which `make test` has built."""
    return tools([name])[name]


def helm(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    return subprocess.run(
        [tool("helm"), *arguments], check=check, capture_output=True, text=True, cwd=ROOT
    )


def chart(*arguments: str, namespace: str = NAMESPACE) -> list[Manifest]:
    """What the chart renders with these arguments, its test aside."""
    text = helm("template", "surefoot", str(CHART), "-n", namespace, *arguments).stdout
    return [
        manifest
        for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader)
        if manifest and "helm.sh/hook" not in manifest["metadata"].get("annotations", {})
    ]


def overlay(name: str) -> list[Manifest]:
    """What kustomize builds from a folder of manifests/."""
    built = subprocess.run(
        [tool("kustomize"), "build", ROOT / "manifests" / name],
        check=True,
        capture_output=True,
        text=True,
    )
    return [
        manifest for manifest in yaml.load_all(built.stdout, Loader=yaml.CSafeLoader) if manifest
    ]


def crds() -> list[Manifest]:
    """The generated CRDs."""
    return [
        yaml.load(path.read_text(), yaml.CSafeLoader)
        for path in sorted((ROOT / "crds").glob("*.yaml"))
    ]


Key = tuple[str, str, str, str]


def key_of(manifest: Manifest) -> Key:
    """What an API server tells objects apart by."""
    metadata = manifest["metadata"]
    return (
        manifest["apiVersion"],
        manifest["kind"],
        metadata.get("namespace", ""),
        metadata["name"],
    )


CHARTS_OWN_LABELS = ("app.kubernetes.io/managed-by", "helm.sh/chart")


def comparable(manifests: Iterable[Manifest]) -> Mapping[Key, Manifest]:
    """The objects by their keys, without what only says by which tool they were installed.

    Helm does not install the Namespace of its release. A configuration is compared by what it
    means: kustomize's has comments.
    """
    result = {}
    for manifest in manifests:
        if manifest["kind"] == "Namespace":
            continue
        metadata = {**manifest["metadata"]}
        labels = {
            name: value
            for name, value in metadata.get("labels", {}).items()
            if name not in CHARTS_OWN_LABELS
        }
        annotations = {
            name: value
            for name, value in (metadata.get("annotations") or {}).items()
            if name != "helm.sh/resource-policy"
        }
        if manifest["kind"] == "CustomResourceDefinition":
            labels.setdefault("app.kubernetes.io/name", "surefoot")
        metadata.pop("annotations", None)
        whole = {**manifest, "metadata": {**metadata, "labels": labels}}
        if annotations:
            whole["metadata"]["annotations"] = annotations
        if manifest["kind"] == "ConfigMap":
            whole["data"] = {name: yaml.safe_load(text) for name, text in manifest["data"].items()}
        result[key_of(manifest)] = whole
    return result
