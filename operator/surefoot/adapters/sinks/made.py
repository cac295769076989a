"""Sinks as the settings say."""

from surefoot.adapters.sinks.http import HttpSink
from surefoot.adapters.sinks.settings import RecordSection, SinkSettings
from surefoot.adapters.sinks.streams import FileSink, StdoutSink
from surefoot.application.export import Sink


def sinks(section: RecordSection) -> tuple[Sink, ...]:
    """One for each entry, in order."""
    return tuple(_sink(entry) for entry in section.sinks)


def _sink(settings: SinkSettings) -> Sink:
    timeout = settings.timeout.total_seconds()
    if settings.path is not None:
        return FileSink(settings.name, timeout, settings.path)
    if settings.url is not None:
        return HttpSink(settings.name, timeout, settings.url, settings.token_file)
    return StdoutSink(settings.name, timeout)
