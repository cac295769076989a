"""Beside Argo Rollouts, whose kind is called Rollout as well, every command of ours hits ours."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from surefoot.testbed.bed import TestBed
from tests.gitops.commands import Command, commands_in, documented, sources
from tests.gitops.scenarios import SCENARIOS, rollout_in
from tests.support.testbed import SURELY, wait_until

THEIRS: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "rollouts.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {
            "kind": "Rollout",
            "plural": "rollouts",
            "singular": "rollout",
            "shortNames": ["ro"],
        },
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            }
                        },
                    }
                },
            }
        ],
    },
}
DOCUMENTED = {
    command.text: command for path in documented() for command in commands_in(path) if command.ours
}
PRINTED = {
    blocker["command"]: Command(name, blocker["command"])
    for name in SCENARIOS
    for blocker in rollout_in(name)["status"].get("blockedBy", ())
    if blocker.get("command")
}
PLACEHOLDERS = ("NAME", "NAMESPACE", "SELECTOR", "SOMEBODY", "…", "...")


def test_no_command_is_ambiguous() -> None:
    """Whatever we document or print says sfr, sfc, sfa or the full name."""
    found = [
        f"{command.where}: {command.text}"
        for path in sources()
        for command in commands_in(path)
        if command.ambiguous
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "ambiguous"),
    [
        ("kubectl get rollouts -n shop", ("rollouts",)),
        ("kubectl -n shop get approvals,checkpoints", ("approvals", "checkpoints")),
        ("kubectl explain rollout.spec", ("rollout.spec",)),
        ("kubectl get rollout/checkout", ("rollout/checkout",)),
        ("kubectl get sfr,sfa", ()),
        ("kubectl explain sfr.spec.steps", ()),
        ("kubectl patch rollouts.surefoot.dev checkout", ()),
        ("kubectl rollout restart deployment/surefoot", ()),
        ("kubectl get pods", ()),
    ],
)
def test_scan_knows_an_ambiguous_command(text: str, ambiguous: tuple[str, ...]) -> None:
    """It finds what people would type wrongly, and leaves kubectl's own `rollout` alone."""
    assert Command("here", text).ambiguous == ambiguous


def test_there_are_commands_to_run() -> None:
    """The scan reads the README and the pages, and the core prints commands."""
    assert len(DOCUMENTED) >= 10
    assert len(PRINTED) >= 4


@pytest.fixture(scope="module")
def beside(guarded: TestBed) -> Iterator[TestBed]:
    """A cluster in which Argo Rollouts' kind is installed as well."""
    guarded.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(THEIRS))
    wait_until(
        lambda: "argoproj.io" in guarded.kubectl("explain", "ro").stdout,
        SURELY,
        "their kind to be served",
    )
    yield guarded
    guarded.kubectl("delete", "crd", "rollouts.argoproj.io")


def asked(
    bed: TestBed, words: tuple[str, ...]
) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    """The API groups whose objects a command asks for, and what it said."""
    known = ["x" if word in PLACEHOLDERS else word for word in words[1:]]
    known = [word for word in known if word != "--watch"]
    if known[0] == "patch" and "-p" not in known:
        known += ["--type=merge", "-p", "{}"]
    done = bed.kubectl(*known, "-v=6", check=False)
    paths = re.findall(
        r"https://[^\s\"]+/apis/([\w.]+)/v1alpha1/(?:namespaces|rollouts|\w+s\b)", done.stderr
    )
    return set(paths), done


@pytest.mark.apiserver
def test_bare_name_would_hit_theirs(beside: TestBed) -> None:
    """That is why no command of ours has it."""
    groups, _ = asked(beside, ("kubectl", "get", "rollouts", "-n", "default"))
    assert groups == {"argoproj.io"}


@pytest.mark.apiserver
@pytest.mark.parametrize(
    "command", [*DOCUMENTED.values(), *PRINTED.values()], ids=lambda c: c.where
)
def test_command_hits_ours(beside: TestBed, command: Command) -> None:
    """On a cluster that has both kinds."""
    groups, done = asked(beside, command.words)
    if command.words[1] == "explain":
        assert re.search(r"^GROUP:\s+surefoot\.dev$", done.stdout, re.MULTILINE), done.stderr
    else:
        assert groups == {"surefoot.dev"}, done.stderr
