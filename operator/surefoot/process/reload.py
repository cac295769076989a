"""The configuration in force: what the last readable file says, whatever was read in between."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from surefoot.adapters import settings as configuration
from surefoot.adapters.settings import AdmissionMode, Settings
from surefoot.adapters.telemetry import PrometheusTelemetry
from surefoot.errors import ConfigurationError

log = structlog.get_logger(__name__)

AT_START = (
    *("leader_election", "shards", "workers", "listen", "serving"),
    *("operator_namespace", "log_format"),
)
"""Settings that are read once."""

Exchange = Callable[[Settings], None]


@dataclass(frozen=True, slots=True)
class Exchanges:
    """What takes settings over, by the names of the settings that it is for, in order.

    ``always`` takes over what costs nothing. ``done`` is called once all of them have.
    """

    always: Exchange
    parts: Mapping[tuple[str, ...], Exchange]
    done: Callable[[], Awaitable[None]]


class Reload:
    """Follows the configuration file. ``in_force`` is what the operator works with now."""

    def __init__(
        self,
        settings: Settings,
        file: Path | None,
        exchanges: Exchanges,
        telemetry: PrometheusTelemetry,
    ) -> None:
        self.in_force = settings
        self._file = file
        self._exchanges = exchanges
        self._telemetry = telemetry
        telemetry.configuration_read(is_in_force=True)

    async def run(self) -> None:
        """Take over what the file says, whenever it says something else, until cancelled."""
        if self._file is None:
            return
        async for reading in configuration.readings(self._file):
            self._telemetry.configuration_read(is_in_force=False)
            if isinstance(reading, ConfigurationError):
                log.warning("configuration not reloaded; the old one stays", fault=str(reading))
                continue
            await self.take_over(reading)
            self._telemetry.configuration_read(is_in_force=True)

    async def take_over(self, wanted: Settings) -> None:
        """Put settings into force, as far as they are not in force yet.

        Each part is compared with what is in force, whatever was read in between. If a part fails,
        those before it hold, and it is tried again when `run` is started again.
        """
        before = self.in_force
        if wanted == before:
            return
        self._exchanges.always(wanted)
        for names, exchange in self._exchanges.parts.items():
            news = {name: getattr(wanted, name) for name in names}
            if any(getattr(self.in_force, name) != value for name, value in news.items()):
                exchange(wanted)
                self.in_force = self.in_force.model_copy(update=news)
        self.in_force = wanted
        later = [name for name in AT_START if getattr(wanted, name) != getattr(before, name)]
        if later:
            log.warning("some settings take effect at the next start", settings=later)
        log.info("configuration reloaded", file=str(self._file))
        await self._exchanges.done()


def show_admission_mode(mode: AdmissionMode, telemetry: PrometheusTelemetry) -> None:
    """Say by metric and log which mode is in force."""
    telemetry.admission_mode(mode)
    if mode is AdmissionMode.UNENFORCED:
        log.warning("admission is Unenforced: all who may patch an Approval may sign in any name")
    else:
        log.info("admission is Enforced: steps wait for the admission policies")
