"""Where the API server is and how the operator is let in, with credentials that are kept fresh.

The configuration is read as for the commands, by `kubeconfig`. A process that runs for months reads
it again now and then, and after a refusal; what it had then stays where that fails.
"""

import asyncio
from dataclasses import replace

import structlog

from surefoot.adapters.kubernetes.endpoint import Endpoint
from surefoot.adapters.kubernetes.kubeconfig import (
    SERVICE_ACCOUNT,
    KubeconfigAccess,
    KubeconfigOptions,
)

log = structlog.get_logger(__name__)

REFRESH_EVERY = 60.0
"""Seconds between looks for a renewed token. Bound tokens live for ten minutes at the least."""
REFRESH_WITHIN = 5.0
"""Seconds for a look. A program that gives out tokens may hang; the present token then stays."""
NAMESPACE_FILE = SERVICE_ACCOUNT / "namespace"


class Access:
    """The way to one API server: its endpoint, and an authorization that is kept fresh."""

    def __init__(self, options: KubeconfigOptions) -> None:
        """Use ``Access.load``."""
        self._options = options
        self._refresh_lock = asyncio.Lock()
        self._refreshed_at = asyncio.get_running_loop().time()
        self._authorization: str | None = None
        self.endpoint: Endpoint
        """Where and how to connect."""
        self.namespace: str
        """The namespace that the context, or the pod, stands in; `default` where none is said."""
        self.origin: str
        """Where the configuration was found, for people."""

    @classmethod
    async def load(cls, kubeconfig: str | None = None, context: str | None = None) -> "Access":
        """Read ``kubeconfig``, or $KUBECONFIG, or ~/.kube/config, or the pod's service account.

        Raises `ConfigurationError` where there is none of them, or it cannot be read.
        """
        options = KubeconfigOptions(kubeconfig=kubeconfig, context=context)
        access = cls(options)
        await access._look_again()
        access._options = replace(options, program_within=REFRESH_WITHIN)
        return access

    async def authorization(self) -> str | None:
        """The value of the Authorization header, or None where a certificate says who we are."""
        if asyncio.get_running_loop().time() - self._refreshed_at > REFRESH_EVERY:
            await self.refresh()
        return self._authorization

    async def refresh(self) -> None:
        """Look for newer credentials: the pod's file, the kubeconfig, or its exec plugin."""
        async with self._refresh_lock:
            now = asyncio.get_running_loop().time()
            if now - self._refreshed_at < 1:
                return
            self._refreshed_at = now
            try:
                async with asyncio.timeout(REFRESH_WITHIN):
                    await self._look_again()
            except Exception as error:  # noqa: BLE001 - whatever it is, the present ones stay
                log.warning("credentials not refreshed", origin=self.origin, error=repr(error))

    async def _look_again(self) -> None:
        """Read everything again, and take it over once all of it is there."""
        loaded = await asyncio.to_thread(KubeconfigAccess.load, self._options)
        self._authorization, self.endpoint = await loaded.authorization(), loaded.endpoint
        self.origin, self.namespace = loaded.origin, loaded.namespace


def own_namespace(default: str) -> str:
    """The namespace that the operator runs in, as its pod knows it."""
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or default
    except OSError:
        return default
