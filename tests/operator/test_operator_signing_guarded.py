"""Detached signatures with the policies in force: custodians, signers, couriers, each alone."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from surefoot.adapters.settings import AdmissionMode, Custodians, PolicySection
from surefoot.policies import shipped
from surefoot.policies.files import as_yaml
from surefoot.testbed.bed import TestBed
from tests.support import commands
from tests.support.policies import in_force
from tests.support.requests import bound, client_of_account, may
from tests.support.scene import Scene
from tests.support.ssh import SSH_KEYGEN, SshKey, ed25519_key
from tests.support.testbed import SURELY, wait_until

pytestmark = [pytest.mark.apiserver, SSH_KEYGEN]

CORA = ed25519_key()
CUSTODIANS = PolicySection(custodians=Custodians(users=("forge",)))
APPROVAL = "checkout-100-leads"
COURIER = "courier"
SIGNERS = "surefoot-allowed-signers"
SAID = ("--decision", "GO", "--reason", "numbers are good")


@pytest.fixture
def stage(guarded: TestBed, guarded_scene: Scene) -> Iterator[Scene]:
    """Policies by which forge keeps the allowed signers; cora is the only one of them."""
    guarded.kubectl(
        *("apply", "--server-side", "--force-conflicts", "-f", "-"),
        stdin=as_yaml(shipped(CUSTODIANS.settings)),
    )
    guarded_scene.policies = CUSTODIANS
    guarded.kubectl(
        *("create", "role", "custodian", "-n", "surefoot-system"),
        *("--verb=create,delete", "--resource=configmaps"),
    )
    guarded.kubectl(
        *("create", "rolebinding", "custodian", "-n", "surefoot-system"),
        *("--role=custodian", "--user=forge"),
    )
    keep(guarded, f"cora {CORA.public}\n")
    bound(guarded_scene.client, guarded_scene.namespace, "surefoot-approver", group="leads")
    yield guarded_scene
    by_forge(guarded, "delete", "configmap", SIGNERS)
    guarded.kubectl("delete", "role,rolebinding", "custodian", "-n", "surefoot-system")
    in_force(guarded)


def by_forge(bed: TestBed, *command: str) -> subprocess.CompletedProcess[str]:
    """Run kubectl as the custodian, in the operator's namespace."""
    return bed.kubectl(*command, "-n", "surefoot-system", user="forge", check=False)


def keep(bed: TestBed, text: str) -> None:
    """Have the custodian write the allowed signers, as soon as policies and roles act."""

    def written() -> bool:
        command = ("create", "configmap", SIGNERS, f"--from-literal=allowed_signers={text}")
        return by_forge(bed, *command).returncode == 0

    wait_until(written, SURELY, "forge to be let write the allowed signers")


async def signs(scene: Scene, key: SshKey, directory: Path, *options: str) -> str:
    """`surefoot sign`, by cora with credentials of her own. Answers with what it printed."""
    await scene.until(lambda: scene.get("approvals", APPROVAL), f"Approval {APPROVAL}")
    path = directory / "id_ed25519"
    path.touch(mode=0o600)
    path.write_bytes(key.private_file)
    words = (APPROVAL, "-n", scene.namespace, "--key", str(path), *SAID, *options)
    env = {"KUBECONFIG": str(scene.bed.kubeconfig("cora"))}
    done = await asyncio.to_thread(commands.run, "surefoot", "sign", *words, env=env)
    assert done.code == 0, done.err
    return done.out


async def given_a_rollout_that_cora_signs(scene: Scene) -> None:
    """To 10%, and the next step needs a detached signature of hers."""
    role = {"name": "leads", "users": ["cora"], "signing": "Required"}
    await scene.given_a_rollout(steps=(10, 100), hold={"approvals": {"roles": [role]}})


async def test_signer_signs_with_her_own_account_and_key(stage: Scene, tmp_path: Path) -> None:
    """The name is filled in by nobody, and the policies let it through."""
    await given_a_rollout_that_cora_signs(stage)
    async with stage.an_operator(admission=AdmissionMode.ENFORCED):
        await signs(stage, CORA, tmp_path)
        status = await stage.then_at(100)
    (evidence,) = status["history"][-1]["evidence"]["decisions"]
    assert (evidence["by"], evidence["signature"]["key"]) == ("cora", CORA.fingerprint)


async def test_service_account_brings_a_signature_that_came_through_git(
    stage: Scene, tmp_path: Path
) -> None:
    """It may not sign, and it need not: the key says who did."""
    stage.bed.kubectl("create", "serviceaccount", COURIER, "-n", stage.namespace)
    account = f"--serviceaccount={stage.namespace}:{COURIER}"
    stage.bed.kubectl(
        *("create", "rolebinding", "couriers", "-n", stage.namespace),
        *("--clusterrole=surefoot-approver", account),
    )
    user = f"system:serviceaccount:{stage.namespace}:{COURIER}"
    wait_until(
        lambda: may(stage.client, "patch", "approvals", stage.namespace, user=user),
        SURELY,
        "the courier's role to act",
    )
    await given_a_rollout_that_cora_signs(stage)
    async with stage.an_operator(admission=AdmissionMode.ENFORCED):
        manifest = await signs(stage, CORA, tmp_path, "--print")
        path = f"/apis/surefoot.dev/v1alpha1/namespaces/{stage.namespace}/approvals/{APPROVAL}"
        with client_of_account(stage.bed, stage.namespace, COURIER) as courier:
            answer = courier.patch(
                f"{path}?fieldManager=courier",
                content=manifest,
                headers={"Content-Type": "application/apply-patch+yaml"},
            )
            assert answer.is_success, answer.text
        await stage.then_at(100)


async def test_key_that_nobody_allowed_moves_nothing(stage: Scene, tmp_path: Path) -> None:
    """Neither her account alone nor a cluster's administrator is enough."""
    await given_a_rollout_that_cora_signs(stage)
    async with stage.an_operator(admission=AdmissionMode.ENFORCED):
        await signs(stage, ed25519_key(), tmp_path)
        await stage.then_request("approvals", APPROVAL, "Void")
    assert stage.percents_written() == [10]
