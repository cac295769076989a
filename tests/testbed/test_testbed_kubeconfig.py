"""Judging a cluster that is not ours before touching it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from surefoot.errors import TestbedError
from surefoot.testbed.borrowed import refuse_production
from surefoot.testbed.kubeconfig import Target


def _kubeconfig(
    directory: Path,
    *,
    server: str = "https://127.0.0.1:6443",
    context: str = "dev",
    cluster: str = "c",
    **other: Any,
) -> Path:
    path = directory / "config"
    content = {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": "u"}}],
        "clusters": [{"name": cluster, "cluster": {"server": server}}],
        **other,
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    "server",
    [
        "https://127.0.0.1:6443",
        "https://[::1]:6443",
        "https://localhost:6443",
        "https://10.1.2.3:6443",
        "https://192.168.49.2:8443",
        "https://172.18.0.2:6443",
        "https://kubernetes.docker.internal:6443",
    ],
)
def test_nearby_cluster_is_taken(tmp_path: Path, server: str) -> None:
    """Loopback, private addresses, and the names of desktop clusters."""
    refuse_production(_kubeconfig(tmp_path, server=server))


@pytest.mark.parametrize(
    ("settings", "sign"),
    [
        ({"server": "https://34.90.1.2"}, "neither on loopback nor a private address"),
        ({"server": "https://api.example.com:443"}, "neither on loopback nor a private address"),
        ({"server": "https://localhost.example.com"}, "neither on loopback nor a private address"),
        ({"context": "gke_shop_PROD-eu"}, "the context is named gke_shop_PROD-eu"),
        ({"cluster": "production"}, "the cluster is named production"),
    ],
)
def test_production_looking_cluster_is_refused(
    tmp_path: Path, settings: dict[str, str], sign: str
) -> None:
    """By its address or its names; the message says why and how to consent."""
    with pytest.raises(TestbedError) as raised:
        refuse_production(_kubeconfig(tmp_path, **settings))
    assert sign in str(raised.value)
    assert "--yes-use-this-cluster" in str(raised.value)


def test_every_sign_is_named(tmp_path: Path) -> None:
    """Not only the first."""
    path = _kubeconfig(tmp_path, server="https://1.1.1.1", context="prod", cluster="prod-1")
    assert len(Target.of(path).signs_of_production()) == 3


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read: No such file"),
        ("- a list", "is not a kubeconfig"),
        ("{", "is not YAML"),
        ("{}", "the current context is not set"),
        ("current-context: gone", "the current context is gone and leads to no server"),
        ("{current-context: a, contexts: [{name: a}], clusters: [1]}", "leads to no server"),
    ],
)
def test_unusable_file_is_named(tmp_path: Path, text: str | None, complaint: str) -> None:
    """What cannot be judged is not used."""
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TestbedError, match=complaint):
        refuse_production(path)
