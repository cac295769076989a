"""`surefoot sign`: what it asks of the API server, what it writes or prints, and how it exits."""

import asyncio
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from surefoot.adapters.signatures import SshSignatures
from surefoot.api.v1alpha1.approval import Approval
from surefoot.cli.main import app
from surefoot.domain.facts.signatures import SignatureFact
from tests.support.ssh import SSH_KEYGEN, SshKey, ed25519_key

JSON = dict[str, Any]

PATH = "/apis/surefoot.dev/v1alpha1/namespaces/shop/approvals/checkout-25-leads"
DATE = "Sun, 01 Mar 2026 10:00:00 GMT"


def an_approval(**changes: Any) -> JSON:
    """As the API server has it."""
    request = {
        "rollout": {"name": "checkout", "uid": "uid-checkout"},
        "planHash": "sha256:1",
        "attempt": 1,
        "step": 0,
        "from": 10,
        "to": 25,
        "role": "leads",
        "users": ["cora"],
        "signing": "Required",
    }
    return {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Approval",
        "metadata": {
            "name": "checkout-25-leads",
            "namespace": "shop",
            "uid": "uid-approval",
            "resourceVersion": "7",
            "generation": 1,
        },
        "spec": {"request": request},
    } | changes


@dataclass
class ApiServer:
    """Answers with one Approval. ``refusals`` are statuses by verb, with what is said."""

    approval: JSON = field(default_factory=an_approval)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    requests: list[tuple[str, str, str, JSON]] = field(default_factory=list)
    address: str = ""
    status_writes: int = 0
    """How often the operator writes its status just before a change arrives."""

    def answer(self, verb: str, path: str, content_type: str, body: JSON) -> tuple[int, JSON]:
        """Status and body."""
        self.requests.append((verb, path, content_type, body))
        if verb == "PATCH" and self.status_writes:
            self.status_writes -= 1
            metadata = self.approval["metadata"]
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
            return 409, {"kind": "Status", "message": "the object has been modified"}
        if verb in self.refusals:
            status, message = self.refusals[verb]
            return status, {"kind": "Status", "message": message}
        if verb == "POST":
            user = {"username": "cora", "uid": "1234"}
            return 201, {"kind": "SelfSubjectReview", "status": {"userInfo": user}}
        if not path.startswith(PATH):
            return 404, {"kind": "Status", "message": "not found"}
        return 200, self.approval

    @property
    def change(self) -> JSON:
        """The last patch there was."""
        return [body for verb, _, _, body in self.requests if verb == "PATCH"][-1]

    def changed(self) -> Approval:
        """The Approval with the patch merged in, as the operator would read it."""
        spec = {**self.approval["spec"], **self.change["spec"]}
        spec = {name: value for name, value in spec.items() if value is not None}
        return Approval.model_validate({**self.approval, "spec": spec})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    """An API server that the kubeconfig points to."""
    state = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kind = self.headers.get("Content-Type") or ""
            status, body = state.answer(self.command, self.path, kind, json.loads(raw or "{}"))
            content = json.dumps(body).encode()
            self.send_response_only(status)
            self.send_header("Date", DATE)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.address = f"http://127.0.0.1:{http.server_port}"
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, state.address)))
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()


def kubeconfig(directory: Path, address: str) -> Path:
    """A kubeconfig with this server."""
    path = directory / "kubeconfig"
    content = {
        "current-context": "here",
        "contexts": [
            {"name": "here", "context": {"cluster": "here", "user": "cora"}},
            {"name": "nowhere", "context": {"cluster": "nowhere", "user": "cora"}},
        ],
        "clusters": [
            {"name": "here", "cluster": {"server": address}},
            {"name": "nowhere", "cluster": {"server": "http://127.0.0.1:9"}},
        ],
        "users": [{"name": "cora", "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@dataclass(frozen=True)
class KeyFile:
    """A private key where ssh-keygen finds it."""

    key: SshKey
    path: Path


@pytest.fixture
def key(tmp_path: Path) -> KeyFile:
    """Cora's."""
    made = ed25519_key()
    path = tmp_path / "id_ed25519"
    path.touch(mode=0o600)
    path.write_bytes(made.private_file)
    return KeyFile(made, path)


def sign(key: KeyFile, *arguments: str, decision: str = "GO") -> tuple[int, str]:
    """Exit code and everything printed."""
    command = ["sign", "checkout-25-leads", "-n", "shop", "--decision", decision]
    command += ["--reason", "numbers are good", "--key", str(key.path), *arguments]
    done = CliRunner().invoke(app, command)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def fact_of(approval: Approval, key: KeyFile, principal: str = "cora") -> SignatureFact:
    """What the operator's verifier says of it."""

    async def read() -> str:
        return f"{principal} {key.key.public}\n"

    return asyncio.run(SshSignatures(read).verify([approval], afresh=True))["uid-approval"]


# What is written


@SSH_KEYGEN
def test_decision_is_written_with_a_signature_that_holds(server: ApiServer, key: KeyFile) -> None:
    """In the name that the API server knows the person by, for a day, bound to what was read."""
    code, said = sign(key, "--risk-assessment", "low")
    assert code == 0, said
    ((_, path, content_type, _),) = [each for each in server.requests if each[0] == "PATCH"]
    assert path == f"{PATH}?fieldManager=surefoot-sign&fieldValidation=Strict"
    assert content_type == "application/merge-patch+json"
    assert server.change["metadata"] == {"uid": "uid-approval", "resourceVersion": "7"}
    spec = dict(server.change["spec"])
    signature = spec.pop("signature")
    assert spec == {
        "decision": "GO",
        "reason": "numbers are good",
        "riskAssessment": "low",
        "metricsSummary": None,
        "securityStatus": None,
        "conditions": None,
        "decidedBy": {"username": "cora"},
    }
    assert signature["expiresAt"] == "2026-03-02T10:00:00Z"
    assert fact_of(server.changed(), key) == SignatureFact(None, key.key.fingerprint)
    assert "GO for checkout from 10% to 25% as cora" in said
    assert key.key.fingerprint in said


@SSH_KEYGEN
def test_what_stood_there_before_is_not_signed_by_accident(server: ApiServer, key: KeyFile) -> None:
    """An earlier NO-GO's texts and conditions go with it."""
    server.approval["spec"] |= {
        "decision": "NO-GO",
        "reason": "errors",
        "decidedBy": {"username": "cora", "uid": "1234"},
        "securityStatus": "open",
        "conditions": [{"name": "fix", "text": "fix the errors", "blocking": True}],
    }
    assert sign(key)[0] == 0
    changed = server.changed()
    assert changed.spec.security_status is None
    assert changed.spec.conditions == ()
    assert fact_of(changed, key).fault is None


@SSH_KEYGEN
def test_user_name_and_expiry_can_be_given(server: ApiServer, key: KeyFile) -> None:
    """Then the cluster is not asked who this is."""
    code, said = sign(key, "--as", "oidc:cora", "--expires", "90m")
    assert code == 0, said
    assert [verb for verb, *_ in server.requests] == ["GET", "PATCH"]
    changed = server.changed()
    assert changed.spec.decided_by is not None
    assert changed.spec.decided_by.username == "oidc:cora"
    assert server.change["spec"]["signature"]["expiresAt"] == "2026-03-01T11:30:00Z"
    assert fact_of(changed, key, "oidc:cora").fault is None


@SSH_KEYGEN
def test_no_go_can_be_signed(server: ApiServer, key: KeyFile) -> None:
    """It needs no more than a GO."""
    assert sign(key, decision="NO-GO")[0] == 0
    assert server.change["spec"]["decision"] == "NO-GO"
    assert fact_of(server.changed(), key).fault is None


@SSH_KEYGEN
def test_printed_yaml_is_the_persons_half_and_nothing_is_written(
    server: ApiServer, key: KeyFile
) -> None:
    """Good for `kubectl apply --server-side`: without the operator's request."""
    code, said = sign(key, "--print")
    assert code == 0, said
    manifest = yaml.safe_load(said)
    assert {name: manifest[name] for name in ("apiVersion", "kind", "metadata")} == {
        "apiVersion": "surefoot.dev/v1alpha1",
        "kind": "Approval",
        "metadata": {"name": "checkout-25-leads", "namespace": "shop"},
    }
    assert set(manifest["spec"]) == {"decision", "reason", "decidedBy", "signature"}
    assert [verb for verb, *_ in server.requests] == ["GET", "POST"]
    whole = {**server.approval, "spec": {**server.approval["spec"], **manifest["spec"]}}
    assert fact_of(Approval.model_validate(whole), key).fault is None


@SSH_KEYGEN
def test_public_key_without_its_private_half_is_told(
    server: ApiServer, key: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent might have had it; here is none."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key.path.write_text(f"{key.key.public} cora\n")
    code, said = sign(key)
    assert code == 1
    assert f"ssh-keygen did not sign with {key.path}" in said


# How it ends otherwise


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--expires", "soon"), "--expires"),
        (("--expires", "0s"), "at least 1s"),
        (("--key", "/nowhere/id"), "there is no key /nowhere/id: name yours with --key"),
    ],
)
def test_wrong_use_is_told_before_anything_is_asked(
    server: ApiServer, key: KeyFile, arguments: tuple[str, ...], said: str
) -> None:
    """2, and not a single request."""
    code, output = sign(key, *arguments)
    assert code == 2
    assert said in output
    assert server.requests == []


def test_decision_must_be_one_of_two(key: KeyFile) -> None:
    """2, as typer says it."""
    assert sign(key, decision="MAYBE")[0] == 2


@pytest.mark.parametrize("state", ["Used", "Void", "Expired"])
def test_approval_that_is_over_is_not_signed(server: ApiServer, key: KeyFile, state: str) -> None:
    """1: the answer would not count."""
    server.approval["status"] = {"state": state, "voidReason": "a trigger fired"}
    code, said = sign(key)
    assert code == 1
    assert f"checkout-25-leads is {state}: a trigger fired" in said


def test_missing_section_is_told_before_signing(server: ApiServer, key: KeyFile) -> None:
    """1, in the words of the API server's own rule."""
    server.approval["spec"]["request"]["requiredSections"] = ["riskAssessment"]
    code, said = sign(key)
    assert code == 1
    assert "the GO of this role needs a riskAssessment" in said


@SSH_KEYGEN
def test_status_that_the_operator_writes_meanwhile_is_not_in_the_way(
    server: ApiServer, key: KeyFile
) -> None:
    """What is signed is still what was read, so that it is written to the newer version."""
    server.status_writes = 2
    code, said = sign(key)
    assert code == 0, said
    assert server.change["metadata"]["resourceVersion"] == "9"
    assert server.changed().spec.signature is not None


@SSH_KEYGEN
def test_approval_that_changes_again_and_again_is_told(server: ApiServer, key: KeyFile) -> None:
    """1, and nothing was written."""
    server.status_writes = 1000
    code, said = sign(key)
    assert code == 1
    assert "checkout-25-leads was changed meanwhile, and nothing was written" in said


@SSH_KEYGEN
@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "cora may not decide approval checkout-25-leads"),
        (422, "spec.request is the operator's"),
    ],
)
def test_refusal_of_the_api_server_is_told(
    server: ApiServer, key: KeyFile, status: int, message: str
) -> None:
    """1, with its words."""
    server.refusals["PATCH"] = (status, message)
    code, said = sign(key)
    assert code == 1
    assert message in said


def test_approval_that_does_not_exist_is_told(server: ApiServer, key: KeyFile) -> None:
    """1, with its name."""
    server.refusals["GET"] = (404, "no such thing")
    code, said = sign(key)
    assert code == 1
    assert "get Approval shop/checkout-25-leads: 404" in said


def test_approval_that_may_not_be_read_is_no_answer(server: ApiServer, key: KeyFile) -> None:
    """3: nothing is known of it."""
    server.refusals["GET"] = (403, "may not get approvals")
    code, said = sign(key)
    assert code == 3
    assert "may not get approvals" in said


@pytest.mark.parametrize("arguments", [("--context", "nowhere"), ("--context", "misspelt")])
def test_api_server_that_is_not_there_is_told(
    server: ApiServer, key: KeyFile, arguments: tuple[str, ...]
) -> None:
    """3, and a context that is not there as well."""
    code, said = sign(key, *arguments)
    assert code == 3, said
    assert server.requests == []


def test_missing_ssh_keygen_is_told(
    server: ApiServer, key: KeyFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1, and what it belongs to."""
    monkeypatch.setenv("PATH", str(tmp_path))
    code, said = sign(key)
    assert code == 1
    assert "ssh-keygen is not installed: it is part of OpenSSH" in said


@pytest.mark.parametrize("output", ["", "nonsense"])
def test_ssh_keygen_that_makes_no_signature_is_told(
    server: ApiServer,
    key: KeyFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    output: str,
) -> None:
    """1, and nothing is written."""
    fake = tmp_path / "bin" / "ssh-keygen"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{output}'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    code, said = sign(key)
    assert code == 1
    assert "ssh-keygen made no signature" in said
    assert "PATCH" not in [verb for verb, *_ in server.requests]
