"""The panels that the dashboards are made of, all with the same data source and colours."""

from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    gauge,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.common import (
    GraphDrawStyle,
    LineInterpolation,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    Panel,
    SpecialValueMap,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
# Told apart by the colour-blind as well, and dark enough to be read on white.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#7F7F7F"
LETTERS = "ABCDEFGH"


class _Panel(Protocol):
    """What all builders of panels can do."""

    def build(self) -> Panel: ...
    def title(self, title: str) -> Self: ...
    def description(self, description: str) -> Self: ...
    def datasource(self, datasource: DataSourceRef) -> Self: ...
    def height(self, h: int) -> Self: ...
    def span(self, w: int) -> Self: ...
    def unit(self, unit: str) -> Self: ...
    def with_target(self, target: builder.Builder[variants.Dataquery]) -> Self: ...


P = TypeVar("P", bound=_Panel)


class Query:
    """An expression, and how each of its series is called."""

    def __init__(self, expr: str, legend: str = "") -> None:
        """``legend`` may name labels as Grafana does: `{{rollout}}`."""
        self.expr = expr
        self.legend = legend

    def over_time(self, letter: str) -> prometheus.Dataquery:
        """The query over the dashboard's time."""
        return self._query(letter).range()

    def now(self, letter: str) -> prometheus.Dataquery:
        """The query at the end of the dashboard's time."""
        return self._query(letter).instant()

    def _query(self, letter: str) -> prometheus.Dataquery:
        query = prometheus.Dataquery().expr(self.expr).ref_id(letter).datasource(SOURCE)
        return query.legend_format(self.legend) if self.legend else query


def _framed(panel: P, title: str, answers: str, *, unit: str, width: int, height: int) -> P:
    return (
        panel.title(title)
        .description(answers)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(height)
    )


def lines(
    title: str, answers: str, *queries: Query, unit: str = "short", width: int = 12
) -> timeseries.Panel:
    """Values over time."""
    panel = _framed(timeseries.Panel(), title, answers, unit=unit, width=width, height=8)
    for letter, query in zip(LETTERS, queries, strict=False):
        panel = panel.with_target(query.over_time(letter))
    return panel.axis_soft_min(0).show_points(VisibilityMode.AUTO)


def stairs(
    title: str, answers: str, *queries: Query, unit: str = "percent", width: int = 12
) -> timeseries.Panel:
    """Values that stay until they jump."""
    panel = lines(title, answers, *queries, unit=unit, width=width)
    return panel.line_interpolation(LineInterpolation.STEP_AFTER).fill_opacity(10)


def dots(
    title: str, answers: str, *queries: Query, unit: str = "short", width: int = 12
) -> timeseries.Panel:
    """Single values over time, not joined."""
    panel = lines(title, answers, *queries, unit=unit, width=width)
    return panel.draw_style(GraphDrawStyle.POINTS).point_size(6).show_points(VisibilityMode.ALWAYS)


def number(
    title: str,
    answers: str,
    query: Query,
    *,
    bad_from: float | None = None,
    good_from: float | None = None,
    unit: str = "short",
    width: int = 4,
) -> stat.Panel:
    """One number, coloured where it is bad from or until some value."""
    panel = _framed(stat.Panel(), title, answers, unit=unit, width=width, height=4)
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    return (
        panel.with_target(query.now("A"))
        .reduce_options(last)
        .thresholds(limits(bad_from=bad_from, good_from=good_from))
        .no_value("none")
    )


def dial(
    title: str, answers: str, query: Query, *, good_from: float, width: int = 12
) -> gauge.Panel:
    """A share, as a gauge with the value from which it is good."""
    panel = _framed(gauge.Panel(), title, answers, unit="percentunit", width=width, height=8)
    last = common.ReduceDataOptions().calcs(["lastNotNull"])
    return (
        panel.with_target(query.now("A"))
        .min(0)
        .max(1)
        .reduce_options(last)
        .thresholds(limits(good_from=good_from))
    )


def buckets(title: str, answers: str, query: Query, *, unit: str, width: int = 12) -> heatmap.Panel:
    """A histogram over time: which values were how frequent."""
    panel = _framed(heatmap.Panel(), title, answers, unit=unit, width=width, height=8)
    target = query.over_time("A").format(PromQueryFormat.HEATMAP)
    # Viridis is read without telling red from green, and in print.
    color = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Viridis").steps(64)
    return panel.with_target(target).calculate(False).color(color)


def rows(
    title: str, answers: str, query: Query, columns: dict[str, str], *, width: int = 12
) -> table.Panel:
    """What is so now, a row each; ``columns`` are labels and how they are called."""
    panel = _framed(table.Panel(), title, answers, unit="short", width=width, height=8)
    names = {label: place for place, label in enumerate(columns)}
    organize = DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True, "Value": "Value" not in columns},
            "indexByName": names,
            "renameByName": columns,
        },
    )
    target = query.now("A").format(PromQueryFormat.TABLE)
    return panel.with_target(target).with_transformation(organize)


def states(title: str, answers: str, *queries: Query, width: int = 24) -> statetimeline.Panel:
    """When something was so: 1 is so, 0 is not."""
    panel = _framed(statetimeline.Panel(), title, answers, unit="short", width=width, height=8)
    for letter, query in zip(LETTERS, queries, strict=False):
        panel = panel.with_target(query.over_time(letter))
    yes_and_no = {
        "0": ValueMappingResult(text="no", color=GREY, index=0),
        "1": ValueMappingResult(text="yes", color=ORANGE, index=1),
    }
    mappings: list[ValueMap | SpecialValueMap] = [ValueMap(options=yes_and_no)]
    return panel.mappings([*mappings]).show_value(VisibilityMode.NEVER).row_height(0.8)


def limits(
    *, bad_from: float | None = None, good_from: float | None = None
) -> dashboard.ThresholdsConfig:
    """Colours by value."""
    steps = [Threshold(value=None, color=BLUE if good_from is None else ORANGE)]
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color=ORANGE))
    if good_from is not None:
        steps.append(Threshold(value=good_from, color=BLUE))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def page(title: str, uid: str, description: str) -> dashboard.Dashboard:
    """An empty dashboard that lets its reader choose the Prometheus."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["surefoot"])
        .time("now-24h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
    )


def choice(name: str, label: str, query: str, *, everything: bool) -> dashboard.QueryVariable:
    """A variable whose values are those of a label."""
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    return variable.include_all(True).all_value(".*").multi(True) if everything else variable
