"""A stand-in for Argo CD's sync: what it applies, how it compares, and when it heals.

It applies with kubectl's own code, as Argo CD does: client-side, or server-side as
``argocd-controller`` with forced conflicts. It compares as Argo CD's engine does: by a three-way
merge with the last applied manifest where there is one, else with the manifest itself; or by a dry
run of a server-side apply. The status is ignored, as by default. Its account may do everything, as
its controller's may.
"""

import copy
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from surefoot.testbed.bed import TestBed
from tests.gitops.argocd import merge_patch
from tests.support.requests import may
from tests.support.testbed import SURELY, wait_until

JSON = dict[str, Any]

CONTROLLER = "argocd-controller"
ACCOUNT = ("argocd", "argocd-application-controller")
USER = f"system:serviceaccount:{':'.join(ACCOUNT)}"
TRACKING = "argocd.argoproj.io/tracking-id"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OF_THE_SERVER = ("creationTimestamp", "managedFields", "resourceVersion", "generation", "uid")


def install_account(bed: TestBed) -> Path:
    """Argo CD's account with the rights that its installation gives it; its kubeconfig."""
    namespace, name = ACCOUNT
    for command in (
        ("create", "namespace", namespace),
        ("create", "serviceaccount", name, "-n", namespace),
        (
            *("create", "clusterrolebinding", name, "--clusterrole=cluster-admin"),
            f"--serviceaccount={namespace}:{name}",
        ),
    ):
        bed.kubectl(*command)
    with bed.client() as admin:
        wait_until(lambda: may(admin, "create", "rollouts", user=USER), SURELY, "its role to act")
    return bed.kubeconfig_for_service_account(namespace, name)


@dataclass
class Application:
    """One Application with one manifest in Git."""

    bed: TestBed
    kubeconfig: Path
    client: httpx.Client
    """Of the same account."""
    namespace: str
    manifest: JSON
    server_side: bool
    self_heal: bool
    ignored: tuple[str, ...] = ()
    """JSON pointers of `ignoreDifferences`, with RespectIgnoreDifferences=true."""
    syncs: int = field(default=0)

    @property
    def path(self) -> str:
        """Where the object is."""
        return (
            f"/apis/surefoot.dev/v1alpha1/namespaces/{self.namespace}/rollouts/"
            f"{self.manifest['metadata']['name']}"
        )

    def desired(self, live: JSON | None) -> JSON:
        """What is applied: Git's manifest, the tracking id, and live values that are ignored."""
        wanted = copy.deepcopy(self.manifest)
        metadata = wanted["metadata"]
        metadata["namespace"] = self.namespace
        tracked = f"shop:surefoot.dev/Rollout:{self.namespace}/{metadata['name']}"
        metadata["annotations"] = {**metadata.get("annotations", {}), TRACKING: tracked}
        for pointer in self.ignored if live is not None else ():
            _copy(pointer, live, wanted)
        return wanted

    def sync(self) -> None:
        """Apply what is in Git."""
        how = ["--server-side", "--force-conflicts"] if self.server_side else []
        done = subprocess.run(
            [
                *(str(_kubectl_of(self.bed)), "apply", "-f", "-", f"--field-manager={CONTROLLER}"),
                *how,
            ],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            input=json.dumps(self.desired(self.live())),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        self.syncs += 1

    def live(self) -> JSON | None:
        """The object as it is."""
        answer = self.client.get(self.path)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        found = answer.raise_for_status().json()
        assert isinstance(found, dict)
        return found

    def differences(self) -> JSON:
        """What a refresh finds to be other than in Git, as a merge patch; empty when Synced."""
        live = self.live()
        if live is None:
            return self.manifest
        predicted = self._dry_run(live) if self.server_side else self._three_way(live)
        return merge_patch(self._normal(live), self._normal(predicted))

    def refresh(self, times: int = 1) -> JSON:
        """Compare so often, and heal what differs where that is asked for. The last difference."""
        found: JSON = {}
        for _ in range(times):
            found = self.differences()
            if found and self.self_heal:
                self.sync()
                found = self.differences()
        return found

    def _three_way(self, live: JSON) -> JSON:
        wanted = self.desired(live)
        last = live["metadata"].get("annotations", {}).get(LAST_APPLIED)
        original = json.loads(last) if last else wanted
        removed = _removed(original, wanted)
        return _merged(live, _merged(wanted, removed, keep_none=True))

    def _dry_run(self, live: JSON) -> JSON:
        answer = self.client.patch(
            self.path,
            params={"fieldManager": CONTROLLER, "force": "true", "dryRun": "All"},
            content=json.dumps(self.desired(live)),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        predicted = answer.raise_for_status().json()
        assert isinstance(predicted, dict)
        return _without_mutations(predicted, live)

    def _normal(self, obj: JSON) -> JSON:
        normal = copy.deepcopy(obj)
        normal.pop("status", None)
        for name in OF_THE_SERVER:
            normal["metadata"].pop(name, None)
        normal["metadata"].get("annotations", {}).pop(LAST_APPLIED, None)
        for pointer in self.ignored:
            _remove(pointer, normal)
        return normal


def _without_mutations(predicted: JSON, live: JSON) -> JSON:
    """The annotations that admission adds are not Argo CD's, so they are as they were."""
    owned: set[str] = set()
    for entry in predicted["metadata"]["managedFields"]:
        if entry["manager"] == CONTROLLER:
            fields = entry["fieldsV1"].get("f:metadata", {}).get("f:annotations", {})
            owned |= {key.removeprefix("f:") for key in fields}
    before, after = live["metadata"]["annotations"], predicted["metadata"]["annotations"]
    kept = {key: value for key, value in after.items() if key in owned}
    others = {key: value for key, value in before.items() if key not in owned}
    return predicted | {"metadata": predicted["metadata"] | {"annotations": {**others, **kept}}}


def _kubectl_of(bed: TestBed) -> Path:
    done = bed.kubectl("version", "--client", "-o", "json")
    return Path(done.args[0])


def _removed(original: JSON, wanted: JSON) -> JSON:
    """What was applied before and is gone from Git, as a merge patch that removes it."""
    patch: JSON = {}
    for key, value in original.items():
        if key not in wanted:
            patch[key] = None
        elif isinstance(value, dict) and isinstance(wanted[key], dict):
            inner = _removed(value, wanted[key])
            if inner:
                patch[key] = inner
    return patch


def _merged(target: JSON, patch: JSON, *, keep_none: bool = False) -> JSON:
    """RFC 7386; with ``keep_none`` the result is a merge patch itself."""
    merged = copy.deepcopy(target)
    for key, value in patch.items():
        if isinstance(value, dict):
            inner = merged.get(key)
            merged[key] = _merged(
                inner if isinstance(inner, dict) else {}, value, keep_none=keep_none
            )
        elif value is None and not keep_none:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _steps(pointer: str) -> list[str]:
    return pointer.removeprefix("/").split("/")


def _inner(obj: JSON, steps: Iterable[str]) -> JSON | None:
    for step in steps:
        obj = obj.get(step)  # type: ignore[assignment]
        if not isinstance(obj, dict):
            return None
    return obj


def _remove(pointer: str, obj: JSON) -> None:
    *above, last = _steps(pointer)
    inner = _inner(obj, above)
    if inner is not None:
        inner.pop(last, None)


def _copy(pointer: str, live: JSON | None, wanted: JSON) -> None:
    *above, last = _steps(pointer)
    source, target = _inner(live or {}, above), _inner(wanted, above)
    if target is None:
        return
    if source is not None and last in source:
        target[last] = copy.deepcopy(source[last])
    else:
        target.pop(last, None)
