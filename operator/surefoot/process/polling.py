"""What is polled so that people are told of it; before an intent it is read again all the same."""

from collections.abc import Callable

import structlog

from surefoot.adapters.signatures import SshSignatures
from surefoot.application.gather import Gatherer
from surefoot.application.ports import Clock, Cluster, ObjectKey
from surefoot.application.store import Store
from surefoot.errors import ApiError

log = structlog.get_logger(__name__)

HALTS_EVERY = 10.0
ALLOWED_SIGNERS_EVERY = 10.0

Wake = Callable[[ObjectKey], None]


class HaltPoller:
    """Wakes the Rollouts for which a halt began or ended."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        clock: Clock,
        gatherer: Gatherer,
        wake: Wake,
        *,
        operator_namespace: str,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._gatherer = gatherer
        self._wake = wake
        self._operator_namespace = operator_namespace

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            interval = self._gatherer.rules.evaluation_interval.total_seconds()
            await self._clock.sleep(min(interval, HALTS_EVERY))

    async def poll(self) -> None:
        """Look once."""
        try:
            changed = self._store.replace_halts(await self._cluster.halts())
        except ApiError as error:
            log.debug("halts not read", error=str(error))
            return
        for key in self._store.rollout_keys() if changed else ():
            if key.namespace in changed or self._operator_namespace in changed:
                self._wake(key)


class AllowedSignersPoller:
    """Has every Rollout looked at when the allowed signers change, by whatever read it was seen."""

    def __init__(
        self, signatures: SshSignatures, clock: Clock, wake_all: Callable[[], None]
    ) -> None:
        self._signatures = signatures
        self._clock = clock
        self._wake_all = wake_all

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.poll()
            await self._clock.sleep(ALLOWED_SIGNERS_EVERY)

    async def poll(self) -> None:
        """Look once. A decision may have read them before, and told nobody."""
        try:
            await self._signatures.refresh()
        except ApiError as error:
            log.debug("allowed signers not read", error=str(error))
        if self._signatures.take_news():
            self._wake_all()
