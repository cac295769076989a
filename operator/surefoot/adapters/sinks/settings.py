"""The section ``record:`` of the configuration file: which sinks get every history entry."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from surefoot.adapters.provider_settings import Address, DnsLabel, Timeout
from surefoot.adapters.sections import Section


class SinkType(StrEnum):
    """What kind of sink it is."""

    STDOUT = "Stdout"
    FILE = "File"
    HTTP = "Http"


class SinkSettings(Section):
    """One sink."""

    name: DnsLabel
    """What the metrics call it. What it has is remembered by name: a new name begins again."""
    type: SinkType
    """Stdout, File or Http."""
    path: Path | None = None
    """With File: the file to append to, absolute. Its directory must exist."""
    url: Address | None = None
    """With Http: where lines are sent to, by POST as `application/x-ndjson`."""
    token_file: Path | None = None
    """With Http: file with the bearer token, read for each delivery."""
    timeout: Timeout = timedelta(seconds=10)
    """How long one delivery may take, such as `10s`; at most `1m`."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.path is not None) != (self.type is SinkType.FILE):
            raise ValueError(f'sink "{self.name}": path goes with type File, and with no other')
        if (self.url is not None) != (self.type is SinkType.HTTP):
            raise ValueError(f'sink "{self.name}": url goes with type Http, and with no other')
        if self.token_file is not None and self.type is not SinkType.HTTP:
            raise ValueError(f'sink "{self.name}": tokenFile goes with type Http only')
        if self.path is not None and not self.path.is_absolute():
            raise ValueError(f'sink "{self.name}": path must be absolute, and {self.path} is not')
        return self


class RecordSection(Section):
    """Where every history entry goes. Without sinks the record is what the Rollouts hold."""

    sinks: Annotated[tuple[SinkSettings, ...], Field(max_length=8)] = ()
    """Each gets every entry, independently of the others."""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [sink.name for sink in self.sinks]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f'the sink "{name}" is there twice')
        return self
