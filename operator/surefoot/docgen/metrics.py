"""The page of the operator's metrics, from the registry that it serves them from."""

from collections.abc import Iterable, Iterator

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.rollout_series import FAMILIES
from surefoot.adapters.telemetry import PrometheusTelemetry
from surefoot.docgen.markdown import code, listed, page, table

_INTRODUCTION = """\
The operator serves these on `/metrics`, port 8080. [Monitoring](../monitoring.md) says how Prometheus
reads them, and has the alerts and dashboards that use them. The series of a Rollout have that Rollout's
`namespace`, and they end when the Rollout is deleted.
"""


def metrics_page() -> str:
    """The text of the page."""
    return page("Metrics", "operator/surefoot/adapters/telemetry.py", _INTRODUCTION, _lines())


def _lines() -> Iterator[str]:
    yield from table(("metric", "type", "labels", "meaning"), sorted(_rows()))


def _rows() -> Iterator[tuple[str, str, str, str]]:
    telemetry = PrometheusTelemetry()
    telemetry.follow_clock(ServerClock())
    labels = _labels(telemetry)
    for family in text_string_to_metric_families(telemetry.exposition().decode()):
        if family.name.endswith("_created"):
            continue
        suffix = "_total" if family.type == "counter" else ""
        meaning = family.documentation
        known = labels.get(family.name)
        if known is None:
            known = _shown(family.samples)
        yield (
            code(family.name + suffix),
            family.type,
            listed(known),
            meaning if meaning.endswith(".") else f"{meaning}.",
        )


def _labels(telemetry: PrometheusTelemetry) -> dict[str, tuple[str, ...]]:
    """The label names of each metric: the library shows them only where there is a series."""
    metrics = (each for each in vars(telemetry).values() if isinstance(each, MetricWrapperBase))
    own = {each._name: tuple(each._labelnames) for each in metrics}  # noqa: SLF001
    return own | {family.name: family.labels for family in FAMILIES}


def _shown(samples: Iterable[Sample]) -> tuple[str, ...]:
    """The label names of the series that there are."""
    return tuple(dict.fromkeys(name for sample in samples for name in sample.labels))
