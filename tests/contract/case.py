"""A case of the constraint table, and the two who are asked about it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pydantic

from surefoot.api.v1alpha1.meta import API_VERSION, ApiModel
from tests.contract.manifests import MINIMAL, Manifest, changed
from tests.contract.models import KINDS

NAMESPACE = "default"
"""Cases are only ever tried (dry run), so they need no namespace of their own."""


@dataclass(frozen=True)
class Case:
    """A change to a manifest, and whether the contract lets it pass.

    ``says``: part of what the refusal must say, no matter who refuses.
    ``breaks``: the model with the rule that is broken, for refusals by a rule.
    """

    name: str
    kind: str
    change: Mapping[str, Any]
    accepted: bool
    says: str = ""
    breaks: type[ApiModel] | None = None
    base: Mapping[str, Manifest] = field(default_factory=lambda: MINIMAL)

    @property
    def manifest(self) -> Manifest:
        """The manifest to try."""
        return changed(self.base[self.kind], self.change)

    def is_told_by(self, verdict: "Verdict") -> bool:
        """Whether the verdict is the table's, for the table's reason."""
        agreed = verdict.accepted == self.accepted
        return agreed and (self.accepted or self.says.lower() in verdict.message.lower())


@dataclass(frozen=True)
class Verdict:
    """Whether a manifest was taken, and what was said if not."""

    accepted: bool
    message: str = ""


def python_says(manifest: Manifest) -> Verdict:
    """Ask the models."""
    try:
        KINDS[manifest["kind"]].model_validate(manifest)
    except pydantic.ValidationError as error:
        return Verdict(False, str(error))
    return Verdict(True)


def api_server_says(api: httpx.Client, manifest: Manifest) -> Verdict:
    """Ask the API server what `kubectl apply --server-side --dry-run=server` would."""
    answer = apply(api, NAMESPACE, manifest, dryRun="All")
    return Verdict(answer.is_success, "" if answer.is_success else answer.json()["message"])


def apply(
    api: httpx.Client, namespace: str, manifest: Manifest, subresource: str = "", **options: str
) -> httpx.Response:
    """Apply a manifest as one field manager, whatever the answer."""
    name = manifest["metadata"]["name"]
    return api.patch(
        f"{collection(manifest['kind'], namespace)}/{name}{subresource}",
        params={"fieldManager": "contract", "force": "true", **options},
        content=json.dumps(manifest),
        headers={"Content-Type": "application/apply-patch+yaml"},
    )


def collection(kind: str, namespace: str) -> str:
    """The URL path of all objects of a kind."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{kind.lower()}s"
