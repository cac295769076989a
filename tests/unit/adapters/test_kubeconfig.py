"""The kubeconfig, read as kubectl reads it; and what is said where it cannot be."""

import base64
import json
import os
import stat
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.adapters.kubernetes.kubeconfig import KubeconfigAccess, KubeconfigOptions
from surefoot.errors import ConfigurationError
from tests.support.testbed import SURELY

CLUSTER = {"name": "c", "cluster": {"server": "https://127.0.0.1:6443/"}}
USER = {"name": "u", "user": {"token": "t"}}


def config(**parts: Any) -> dict[str, Any]:
    """A kubeconfig with one context, `dev`."""
    return {
        "current-context": "dev",
        "clusters": [CLUSTER],
        "users": [USER],
        "contexts": [
            {"name": "dev", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
        ],
    } | parts


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration is; no other is there."""
    path = tmp_path / "config"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    return path


def written(path: Path, content: Any) -> Path:
    """Write it."""
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def loaded(**options: Any) -> KubeconfigAccess:
    """What the environment leads to."""
    return KubeconfigAccess.load(KubeconfigOptions(**options))


async def test_token_and_namespace_of_the_context(file: Path) -> None:
    """The usual case."""
    written(file, config())
    access = loaded()
    assert access.endpoint.server == "https://127.0.0.1:6443"
    assert await access.authorization() == "Bearer t"
    assert access.namespace == "shop"
    assert access.impersonation == ()


async def test_files_are_relative_to_the_kubeconfig(file: Path) -> None:
    """And a token's file is read for each request: it may be renewed."""
    token = file.parent / "token"
    user = {"name": "u", "user": {"tokenFile": "token", "client-certificate": "u.crt"}}
    written(file, config(users=[user]))
    access = loaded()
    assert access.endpoint.certificate_file == str(file.parent / "u.crt")
    for text in ("first", "second"):
        token.write_text(f"{text}\n")
        assert await access.authorization() == f"Bearer {text}"


async def test_files_of_the_variable_are_merged_and_the_first_counts(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is not there is passed over, as kubectl does."""
    other = file.parent / "other"
    written(file, {"contexts": config()["contexts"], "users": [USER], "current-context": "dev"})
    written(
        other,
        config(users=[{"name": "u", "user": {"token": "second"}}], **{"current-context": "x"}),
    )
    monkeypatch.setenv("KUBECONFIG", f"{file.parent / 'missing'}:{file}:{other}")
    access = loaded()
    assert await access.authorization() == "Bearer t"
    assert access.endpoint.server == "https://127.0.0.1:6443"


def test_texts_in_the_kubeconfig_are_decoded(file: Path) -> None:
    """Certificates may stand in it."""
    text = base64.b64encode(b"PEM").decode()
    cluster = {"name": "c", "cluster": {"server": "https://x", "certificate-authority-data": text}}
    written(file, config(clusters=[cluster]))
    assert loaded().endpoint.ca_data == "PEM"


async def test_program_gives_out_credentials_once_and_again_after_a_refusal(file: Path) -> None:
    """It gets to know what it is asked for."""
    program = file.parent / "give"
    counter = file.parent / "count"
    answer = '{"status": {"token": "\'$(wc -l < COUNT)\'"}}'.replace("COUNT", str(counter))
    program.write_text(f"#!/bin/sh\necho \"$KUBERNETES_EXEC_INFO\" >> {counter}\necho '{answer}'\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    asked = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./give"}
    written(file, config(users=[{"name": "u", "user": {"exec": asked}}]))
    access = loaded()
    assert [await access.authorization() for _ in range(2)] == ["Bearer 1", "Bearer 1"]
    await access.refresh()
    assert await access.authorization() == "Bearer 2"
    assert json.loads(counter.read_text().splitlines()[0])["kind"] == "ExecCredential"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"command": "no-such-program", "installHint": "get it"},
            "needs the program no-such-program: get it",
        ),
        ({"command": "false"}, "false gave no credentials and ended with 1: log in again"),
        ({"command": "true"}, "true gave no credentials"),
        ({"command": "true", "apiVersion": "client.authentication.k8s.io/v1alpha1"}, "speaks"),
    ],
)
async def test_program_that_gives_nothing_is_named(file: Path, asked: Any, said: str) -> None:
    """With what helps."""
    asked = {"apiVersion": "client.authentication.k8s.io/v1"} | asked
    written(file, config(users=[{"name": "u", "user": {"exec": asked}}]))
    with pytest.raises(ConfigurationError, match=said):
        await loaded().authorization()


SECRET = "hush"


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"token": f"{SECRET}\nX-Other: y"}, "a token"),
        ({"token": f"{SECRET}\0"}, "a token"),
        ({"token": f"{SECRET} {SECRET}"}, "a token"),
        ({"token": [SECRET]}, "a token"),
        ({"tokenFile": "token"}, "a token"),
        ({"exec": {"command": "sleep", "args": ["9", f"# {SECRET}"]}}, "sleep gave no credentials"),
        ({"exec": {"command": "sh", "args": ["-c", f"sleep 9 # {SECRET}"]}}, "did not answer"),
        ({"exec": {"command": "sh", "args": ["-c", f"exit 3 # {SECRET}"]}}, "ended with 3"),
        ({"exec": {"command": "sh", "args": ["-c", f"echo {SECRET}"]}}, "sh gave no credentials"),
        (
            {"exec": {"command": "sh", "args": ["-c", f'echo \'{{"status": "{SECRET}"}}\'']}},
            "its answer has no status",
        ),
        (
            {
                "exec": {
                    "command": "sh",
                    "args": ["-c", f"""echo '{{"status": {{"token": "{SECRET} x"}}}}'"""],
                }
            },
            "a token",
        ),
    ],
)
async def test_nothing_that_is_said_of_credentials_quotes_them(
    file: Path, user: dict[str, Any], said: str
) -> None:
    """Neither the words nor the traceback, which a log line may have."""
    (file.parent / "token").write_text(f"{SECRET}\nmore\n")
    if "exec" in user:
        user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", **user["exec"]}}
    written(file, config(users=[{"name": "u", "user": user}]))
    # On a busy machine even a program that ends at once takes its time.
    within = 0.2 if said == "did not answer" else SURELY
    with pytest.raises(ConfigurationError, match=said) as raised:
        await loaded(program_within=within).authorization()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_kubeconfig_that_is_no_yaml_is_not_quoted(file: Path) -> None:
    """The line at fault may be the one with the token."""
    written(file, f"users:\n- name: u\n  user: {{token: {SECRET}: [\n")
    with pytest.raises(ConfigurationError) as raised:
        loaded()
    assert SECRET not in "".join(traceback.format_exception(raised.value))


def test_name_of_somebody_else_is_said_to_the_server(file: Path) -> None:
    """By the options, else by the kubeconfig; the options' groups are all that is said then."""
    user = {"name": "u", "user": {"token": "t", "as": "cora", "as-groups": ["leads"]}}
    written(file, config(users=[user]))
    assert loaded().impersonation == (("Impersonate-User", "cora"), ("Impersonate-Group", "leads"))
    assert loaded(user="hudson").impersonation == (("Impersonate-User", "hudson"),)
    written(file, config())
    with pytest.raises(ConfigurationError, match="--as-group goes with --as"):
        _ = loaded(groups=("leads",)).impersonation


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (None, {}, "there is no .*config, which KUBECONFIG names"),
        (config(), {"context": "dve"}, "there is no context 'dve' in .*; did you mean dev?"),
        (config(), {"context": "production"}, "its contexts are dev"),
        (config(clusters=[]), {}, "there is no cluster 'c' in .*; it has no clusters"),
        (config(users=[]), {}, "there is no user 'u'"),
        (
            config(**{"current-context": ""}),
            {},
            "has no current context: choose one with --context",
        ),
        ("a: [b", {}, "config:2:1: this is not YAML"),
        ("[]", {}, "is not a kubeconfig"),
        ("contexts: [7]", {}, "contexts has an entry that is none"),
        (config(clusters=[{"name": "c", "cluster": {"server": "here"}}]), {}, "is not a URL"),
        (
            config(
                clusters=[
                    {
                        "name": "c",
                        "cluster": {"server": "https://x", "certificate-authority-data": "%"},
                    }
                ]
            ),
            {},
            "certificate-authority-data is not base64",
        ),
    ],
)
def test_kubeconfig_that_cannot_be_used_says_why(
    file: Path, content: Any, options: dict[str, str], said: str
) -> None:
    """And what there is instead."""
    if content is not None:
        written(file, content)
    with pytest.raises(ConfigurationError, match=said):
        _ = loaded(**options).endpoint


def test_pod_uses_its_service_account(
    file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there is no kubeconfig."""
    monkeypatch.delenv("KUBECONFIG")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr("surefoot.adapters.kubernetes.kubeconfig.SERVICE_ACCOUNT", tmp_path)
    with pytest.raises(ConfigurationError, match="cannot find the API server"):
        loaded()
    for name in ("token", "namespace"):
        (tmp_path / name).write_text(name)
    access = loaded()
    assert (access.endpoint.server, access.namespace) == ("https://[fd00::1]:443", "namespace")


@pytest.mark.parametrize("named", ["/dev/zero", None], ids=["endless", "large"])
def test_kubeconfig_that_is_far_too_large_is_not_read_whole(file: Path, named: str | None) -> None:
    """The file, its size, the limit, and what to do."""
    if named is None:
        file.touch()
        os.truncate(file, 100 * 1024 * 1024)
    with pytest.raises(ConfigurationError) as refused:
        loaded(kubeconfig=named)
    size = "16 MiB" if named else "100 MiB"
    assert str(refused.value) == (
        f"cannot find the API server: {named or file} has {size} or more, and at most 16 MiB are "
        "read: name a kubeconfig with --kubeconfig or KUBECONFIG"
    )
