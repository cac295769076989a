"""Detached signatures on a real API server: from `surefoot sign` to the history, and long after."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Approval
from surefoot.domain.signoff.signatures import NAMESPACE, document
from surefoot.process import polling
from tests.support import commands
from tests.support.allowed_signers import AllowedSigners
from tests.support.commands import Done
from tests.support.scene import Scene
from tests.support.ssh import SSH_KEYGEN, SshKey, ed25519_key

pytestmark = [pytest.mark.apiserver]

JSON = dict[str, Any]

CORA = ed25519_key()
HUDSON = ed25519_key()


async def given_a_rollout_that_cora_signs(scene: Scene) -> None:
    """To 10%, and the next step needs a detached signature."""
    await scene.given_a_rollout(
        steps=(10, 100),
        hold={
            "approvals": {"roles": [{"name": "leads", "users": ["cora"], "signing": "Required"}]}
        },
    )


def decided(approval: JSON, key: SshKey | None) -> JSON:
    """A GO of cora for this Approval, signed with this key."""
    spec: JSON = {
        "decision": "GO",
        "reason": "numbers are good",
        "decidedBy": {"username": "cora"},
    }
    if key is None:
        return spec
    expires_at = datetime.now(UTC) + timedelta(hours=1)  # noqa: TID251 - the person's clock
    signature = {
        "value": "-----BEGIN SSH SIGNATURE-----",
        "expiresAt": expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    whole = {**approval, "spec": {**approval["spec"], **spec, "signature": signature}}
    signed = document(Approval.model_validate(whole))
    assert signed is not None
    return spec | {"signature": signature | {"value": key.sign(signed)}}


async def when_cora_decides(scene: Scene, name: str, key: SshKey | None) -> None:
    """Patch the Approval, once it is there."""
    approval = await scene.until(lambda: scene.get("approvals", name), f"Approval {name}")
    await scene.patch("approvals", name, {"spec": decided(approval, key)})


async def when_cora_runs(scene: Scene, name: str, key: Path, *arguments: str) -> Done:
    """`surefoot sign`, as a person does."""
    await scene.until(lambda: scene.get("approvals", name), f"Approval {name}")
    words = (name, "-n", scene.namespace, "--as", "cora", "--key", str(key), *arguments)
    env = {"KUBECONFIG": str(scene.bed.kubeconfig())}
    return await asyncio.to_thread(commands.run, "surefoot", "sign", *words, env=env)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """Cora's private key."""
    path = tmp_path / "id_ed25519"
    path.touch(mode=0o600)
    path.write_bytes(CORA.private_file)
    return path


def assert_verifies(directory: Path, evidence: JSON, allowed_signers: str) -> None:
    """By `ssh-keygen` alone, and not once a letter is different."""
    (directory / "allowed").write_text(allowed_signers)
    (directory / "signature").write_text(evidence["signature"]["value"])
    command = ["ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", evidence["by"]]
    command += ["-f", str(directory / "allowed"), "-s", str(directory / "signature")]
    signed = evidence["signature"]["document"]
    for text, code in ((signed, 0), (signed.replace('"to":100', '"to":50'), 255)):
        done = subprocess.run(command, check=False, input=text.encode(), capture_output=True)
        assert done.returncode == code, done.stderr


async def test_go_without_a_signature_is_refused_by_the_api_server(scene: Scene) -> None:
    """In words that say what to do; anyone who rules the cluster gets no further."""
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        with pytest.raises(AssertionError, match="needs a detached signature: run surefoot sign"):
            await when_cora_decides(scene, "checkout-100-leads", None)


async def test_forged_signature_is_void_and_a_right_one_counts_in_the_next_round(
    scene: Scene, allowed_signers: AllowedSigners
) -> None:
    """What hudson signs in cora's name moves nothing."""
    allowed_signers.are(cora=CORA, hudson=HUDSON)
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        await when_cora_decides(scene, "checkout-100-leads", HUDSON)
        await scene.then_request("approvals", "checkout-100-leads", "Void")
        voided = await scene.get("approvals", "checkout-100-leads")
        assert voided is not None
        assert HUDSON.fingerprint in voided["status"]["voidReason"]
        await when_cora_decides(scene, "checkout-100-leads-r2", CORA)
        await scene.then_at(100)
    assert scene.percents_written() == [10, 100]


async def test_signature_of_an_earlier_round_does_not_count_in_the_next(
    scene: Scene, allowed_signers: AllowedSigners
) -> None:
    """Else a GO that a trigger made void could be copied."""
    allowed_signers.are(cora=CORA)
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        first = await scene.until(
            lambda: scene.get("approvals", "checkout-100-leads"), "the first round"
        )
        await when_cora_decides(scene, "checkout-100-leads", HUDSON)
        await scene.until(
            lambda: scene.get("approvals", "checkout-100-leads-r2"), "the second round"
        )
        await scene.patch("approvals", "checkout-100-leads-r2", {"spec": decided(first, CORA)})
        await scene.then_request("approvals", "checkout-100-leads-r2", "Void")
    assert scene.percents_written() == [10]


async def test_decision_waits_for_the_allowed_signers_and_is_not_void(
    scene: Scene, allowed_signers: AllowedSigners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told how to make them; then it counts as it is."""
    monkeypatch.setattr(polling, "ALLOWED_SIGNERS_EVERY", 0.5)
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        await when_cora_decides(scene, "checkout-100-leads", CORA)

        async def told() -> bool:
            said = (await scene.status()).get("conditions", [])
            return any("surefoot-allowed-signers" in each.get("message", "") for each in said)

        await scene.until(told, "the missing allowed signers to be told")
        approval = await scene.get("approvals", "checkout-100-leads")
        assert approval is not None
        assert approval.get("status", {}).get("state", "Pending") == "Pending"
        allowed_signers.are(cora=CORA)
        await scene.then_at(100)


@SSH_KEYGEN
async def test_signed_decision_can_be_verified_from_the_history_alone(
    scene: Scene, allowed_signers: AllowedSigners, key_file: Path, tmp_path: Path
) -> None:
    """`surefoot sign` makes it; `ssh-keygen -Y verify` needs nothing of Surefoot for it."""
    text = allowed_signers.are(cora=CORA)
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        done = await when_cora_runs(
            scene,
            *("checkout-100-leads", key_file),
            *("--decision", "GO", "--reason", "numbers are good"),
        )
        assert done.code == 0, done.err
        status = await scene.then_at(100)
    entry = next(each for each in status["history"] if each["to"] == 100)
    (evidence,) = entry["evidence"]["decisions"]
    assert evidence["by"] == "cora"
    assert evidence["signature"]["key"] == CORA.fingerprint
    assert_verifies(tmp_path, evidence, text)


@SSH_KEYGEN
async def test_decision_comes_through_git(
    scene: Scene, allowed_signers: AllowedSigners, key_file: Path
) -> None:
    """What is printed can be applied by another, and changes nothing of the request."""
    allowed_signers.are(cora=CORA)
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        done = await when_cora_runs(
            scene,
            *("checkout-100-leads", key_file, "--print"),
            *("--decision", "GO", "--reason", "numbers are good"),
        )
        assert done.code == 0, done.err
        await asyncio.to_thread(
            scene.bed.kubectl, "apply", "--server-side", "-f", "-", stdin=done.out
        )
        await scene.then_at(100)


async def test_used_decision_can_not_be_signed_again(
    scene: Scene, allowed_signers: AllowedSigners, key_file: Path
) -> None:
    """1, and why."""
    allowed_signers.are(cora=CORA)
    await given_a_rollout_that_cora_signs(scene)
    async with scene.an_operator():
        await scene.then_at(10)
        await when_cora_decides(scene, "checkout-100-leads", CORA)
        await scene.then_at(100)
        await scene.then_request("approvals", "checkout-100-leads", "Used")
        done = await when_cora_runs(
            scene,
            *("checkout-100-leads", key_file),
            *("--decision", "NO-GO", "--reason", "too late"),
        )
    assert done.code == 1
    assert "checkout-100-leads is Used" in done.err
