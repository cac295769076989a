"""Where the API server is and how to be let in: kubeconfig as kubectl finds it, or in-cluster.

`kubernetes.aio` reads the configuration, exec plugins included; the requests themselves do not go
through its client (see `surefoot.adapters.kubernetes.http`).
"""

import asyncio
import os
from pathlib import Path
from typing import Any, cast

import structlog
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client.configuration import Configuration

from surefoot.adapters.kubernetes.endpoint import Endpoint
from surefoot.errors import ConfigurationError

_library = cast("Any", kubernetes_config)  # it has no types
log = structlog.get_logger(__name__)

REFRESH_EVERY = 60.0
"""Seconds between looks for a renewed token. Bound tokens live for ten minutes at the least."""
REFRESH_WITHIN = 5.0
"""Seconds for a look. A program that gives out tokens may hang; the present token then stays."""
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class Access:
    """The way to one API server: its endpoint, and an authorization that is kept fresh."""

    def __init__(
        self,
        configuration: Configuration,
        loader: Any | None,
        origin: str,
        context: str | None = None,
    ) -> None:
        """Use ``Access.load``."""
        self._configuration = configuration
        self._loader = loader
        self._context = context
        self._refresh_lock = asyncio.Lock()
        self._refreshed_at = asyncio.get_running_loop().time()
        self.origin = origin
        """Where the configuration was found, for people."""

    @classmethod
    async def load(cls, kubeconfig: str | None = None, context: str | None = None) -> "Access":
        """Read ``kubeconfig``, or $KUBECONFIG, or ~/.kube/config, or the pod's service account.

        Raises `ConfigurationError` where there is none of them, or it can not be read.
        """
        configuration = Configuration()
        found = kubeconfig or _default_kubeconfig()
        try:
            if found is None:
                _library.load_incluster_config(configuration)
                return cls(configuration, None, "the pod's service account")
            loader = await _library.load_kube_config(
                config_file=found,
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        except (kubernetes_config.ConfigException, OSError, ValueError, TypeError) as error:
            where = found or "the pod's service account"
            raise ConfigurationError(
                f"can not find the API server: {where}: {error}. "
                "Set KUBECONFIG to a kubeconfig file, or run inside a cluster."
            ) from error
        return cls(configuration, loader, found, context)

    @property
    def namespace(self) -> str:
        """The namespace that the context, or the pod, stands in; `default` where none is said."""
        if self._loader is None:
            return own_namespace("default")
        return str(self._loader.current_context["context"].get("namespace") or "default")

    @property
    def endpoint(self) -> Endpoint:
        """Where and how to connect."""
        made = self._configuration
        return Endpoint(
            server=made.host.rstrip("/"),
            ca_file=made.ssl_ca_cert,
            certificate_file=made.cert_file,
            key_file=made.key_file,
            verify=made.verify_ssl,
            server_name=made.tls_server_name,
            proxy=made.proxy,
        )

    async def authorization(self) -> str | None:
        """The value of the Authorization header, or None where a certificate says who we are."""
        if asyncio.get_running_loop().time() - self._refreshed_at > REFRESH_EVERY:
            await self.refresh()
        token = self._configuration.api_key.get("BearerToken")
        return str(token) if token else None

    async def refresh(self) -> None:
        """Look for a newer token: the pod's file, the kubeconfig, or its exec plugin."""
        async with self._refresh_lock:
            now = asyncio.get_running_loop().time()
            if now - self._refreshed_at < 1:
                return
            self._refreshed_at = now
            try:
                async with asyncio.timeout(REFRESH_WITHIN):
                    await self._look_again()
            except Exception as error:  # noqa: BLE001 - whatever it is, the present token stays
                log.warning("credentials not refreshed", origin=self.origin, error=repr(error))

    async def _look_again(self) -> None:
        if self._loader is None:
            _library.load_incluster_config(self._configuration)
            return
        user = self._loader._user  # noqa: SLF001 - its own refresh_token() looks there as well
        if user is not None and "exec" in user:
            await self._loader.load_from_exec_plugin()
            token = getattr(self._loader, "token", None)
            if token:
                self._configuration.api_key["BearerToken"] = token
            return
        self._loader = await _library.load_kube_config(
            config_file=self.origin,
            # Without it the next request would go to the cluster of the current context.
            context=self._context,
            client_configuration=self._configuration,
            persist_config=False,
        )


def _default_kubeconfig() -> str | None:
    named = os.environ.get("KUBECONFIG")
    if named:
        return named
    usual = Path("~/.kube/config").expanduser()
    return str(usual) if usual.exists() else None


def own_namespace(default: str) -> str:
    """The namespace that the operator runs in, as its pod knows it."""
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or default
    except OSError:
        return default
