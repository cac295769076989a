"""Whether the CRDs of a cluster are older or newer than the command."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from surefoot.adapters.kubernetes.http import Http
from surefoot.crdgen.definitions import DEFINITIONS
from surefoot.errors import NotFound, Refused
from surefoot.plugin import helping
from surefoot.plugin.commands.options import Format
from surefoot.plugin.served import PATH, Differences, differences
from surefoot.plugin.session import Session
from tests.unit.plugin.things import NOW

JSON = dict[str, Any]


def a_document() -> JSON:
    """What an API server publishes that has these CRDs, with a kind of somebody else."""
    schemas = {
        f"dev.surefoot.v1alpha1.{each.kind}": {
            **each.manifest()["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
            "x-kubernetes-group-version-kind": [
                {"group": "surefoot.dev", "version": "v1alpha1", "kind": each.kind}
            ],
        }
        for each in DEFINITIONS
    }
    meta = {"properties": {"name": {"type": "string"}}}
    for schema in schemas.values():
        schema["properties"] = {**schema["properties"], "metadata": meta}
    document = {"openapi": "3.0.0", "components": {"schemas": {**schemas, "ObjectMeta": meta}}}
    copied: JSON = json.loads(json.dumps(document))  # parts of it are one and the same
    return copied


def spec_of(document: JSON, kind: str = "Rollout") -> JSON:
    """The fields of a spec."""
    schema = document["components"]["schemas"][f"dev.surefoot.v1alpha1.{kind}"]
    found: JSON = schema["properties"]["spec"]["properties"]
    return found


def test_crds_of_this_release_are_known() -> None:
    """What the API server adds of its own is no difference."""
    assert differences(a_document()) == Differences((), ())
    assert differences(a_document()).in_words() == "as this command knows them"


def test_newer_crds_are_told_by_what_they_have_more() -> None:
    """Fields, parts of lists and values; of a new part the whole alone."""
    document = a_document()
    spec = spec_of(document)
    spec["novel"] = {"properties": {"depth": {"enum": ["a"]}}}
    trigger = spec["triggers"]["items"]["properties"]
    trigger["novel"] = {"type": "string"}
    trigger["action"]["enum"].append("Novel")
    found = differences(document)
    assert found.newer == (
        "Rollout.spec.novel",
        "Rollout.spec.triggers[].action=Novel",
        "Rollout.spec.triggers[].novel",
    )
    assert found.older == ()
    assert found.in_words().startswith("newer than this command, which does not know Rollout.spec.")


def test_older_crds_are_told_by_what_they_lack() -> None:
    """A kind, a field, a value."""
    document = a_document()
    del spec_of(document)["scorecard"]
    spec_of(document, "Approval")["decision"]["enum"].remove("NO-GO")
    del document["components"]["schemas"]["dev.surefoot.v1alpha1.Checkpoint"]
    found = differences(document)
    assert found.older == ("Approval.spec.decision=NO-GO", "Checkpoint", "Rollout.spec.scorecard")
    assert found.in_words().startswith("older than this command, without Approval.spec.decision")


def test_crds_that_are_both_are_told_so_in_few_words() -> None:
    """Of many differences the first are named."""
    names = tuple("abcde")
    assert Differences(names, ("x",)).in_words() == (
        "newer than this command, which does not know a, b, c and 2 more; "
        "and older than this command, without x"
    )


class FakeHttp:
    """An API server with these CRDs, of whose Deployments nobody may know."""

    def __init__(self, document: bytes | None) -> None:
        self._document = document

    async def get(self, what: str, path: str) -> JSON:
        """The versions."""
        if path == "/version":
            return {"gitVersion": "v1.37.2"}
        if path.startswith("/apis/surefoot.dev"):
            return {"versions": [{"version": "v1alpha1"}]}
        raise Refused("list deployments: 403", status=403)

    async def raw(self, what: str, path: str, params: Mapping[str, str]) -> bytes:
        """The OpenAPI document."""
        assert path == PATH
        if self._document is None:
            raise NotFound("404", status=404)
        return self._document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (json.dumps(a_document()).encode(), "CRDs        v1alpha1, as this command knows them\n"),
        (None, "CRDs        v1alpha1, of a schema that cannot be read: 404\n"),
        (b"<html>", "CRDs        v1alpha1, of a schema that cannot be read: "),
    ],
)
async def test_version_says_how_the_crds_compare(
    document: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also to somebody who may read no CustomResourceDefinition."""
    session = Session(cast("Http", FakeHttp(document)), lambda: NOW, "surefoot-system")
    assert await helping.version(session, Format.TEXT) == 0
    assert said in capsys.readouterr().out
