"""Writing kubeconfigs, and judging somebody else's before touching that cluster."""

import base64
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

from surefoot.errors import TestbedError
from surefoot.testbed.certificates import KeyPair

CLUSTER_NAME = "surefoot-testbed"


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    authority: Path,
    user: str,
    client: KeyPair | None = None,
    token: str | None = None,
    namespace: str = "default",
) -> Path:
    """Write a kubeconfig that stands alone (certificates inside) and is readable by its owner."""
    credentials: dict[str, str] = {}
    if client is not None:
        credentials["client-certificate-data"] = _base64_of(client.certificate)
        credentials["client-key-data"] = _base64_of(client.key)
    if token is not None:
        credentials["token"] = token
    context = f"{user}@{CLUSTER_NAME}"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {
                "name": CLUSTER_NAME,
                "cluster": {"server": server, "certificate-authority-data": _base64_of(authority)},
            }
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [
            {
                "name": context,
                "context": {"cluster": CLUSTER_NAME, "user": user, "namespace": namespace},
            }
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Renamed into place: a running client may be reading the one before.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.touch(mode=0o600)
    partial.write_text(yaml.safe_dump(content, sort_keys=False))
    return partial.replace(path)


def tls_for(authority: Path, client: KeyPair | None = None) -> ssl.SSLContext:
    """Trust this authority only, and show this client certificate."""
    context = ssl.create_default_context(cafile=str(authority))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


@dataclass(frozen=True, slots=True)
class Target:
    """The cluster that a kubeconfig's current context points at."""

    context: str
    cluster: str
    server: str

    @classmethod
    def of(cls, kubeconfig: Path) -> Self:
        """Read where a kubeconfig points. Raises TestbedError where that cannot be told."""
        content = _read(kubeconfig)
        current = str(content.get("current-context") or "")
        context = _entry(content, "contexts", current).get("context") or {}
        cluster = str(context.get("cluster") or "")
        details = _entry(content, "clusters", cluster).get("cluster") or {}
        server = str(details.get("server") or "")
        if not server:
            raise TestbedError(
                f"{kubeconfig}: the current context is {current or 'not set'} and leads to no "
                f"server. Choose one: kubectl --kubeconfig {kubeconfig} config use-context NAME"
            )
        return cls(current, cluster, server)

    def signs_of_production(self) -> tuple[str, ...]:
        """Why this may be a cluster that matters; empty when nothing says so."""
        signs = [
            f"the {what} is named {name}"
            for what, name in (("context", self.context), ("cluster", self.cluster))
            if "prod" in name.lower()
        ]
        host = urlsplit(self.server).hostname or ""
        if not _is_nearby(host):
            signs.append(f"its server {self.server} is neither on loopback nor a private address")
        return tuple(signs)


def _is_nearby(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".docker.internal"))
    return address.is_loopback or address.is_private


def _read(kubeconfig: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(kubeconfig.read_text())
    except OSError as error:
        raise TestbedError(f"{kubeconfig} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TestbedError(f"{kubeconfig} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise TestbedError(f"{kubeconfig} is not a kubeconfig: expected an object with contexts.")
    return content


def _entry(content: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for entry in content.get(section) or []:
        if isinstance(entry, dict) and entry.get("name") == name:
            return entry
    return {}


def _base64_of(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
