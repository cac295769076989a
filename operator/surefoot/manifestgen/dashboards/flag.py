"""The dashboard of a flag's own metrics: the six panels that the review of an incident asked for.

It reads series with names of their own, which recording rules make from a service's metrics:
manifests/examples/monitoring/incident-alerts.yaml has them, and alerts on the same.
"""

from grafana_foundation_sdk.builders import dashboard as grafana

from surefoot.manifestgen.dashboards.panels import (
    ORANGE,
    SOURCE,
    Query,
    buckets,
    choice,
    dial,
    dots,
    lines,
    page,
    stairs,
)

PERCENT = 'surefoot_rollout_percent{namespace="$namespace",rollout="$rollout"}'


def dashboard() -> grafana.Dashboard:
    """The whole page."""
    built = page(
        "Surefoot: a flag's own metrics",
        "surefoot-flag",
        "How the service does whose flag is rolled out, with the steps marked in every panel.",
    )
    for variable in (
        choice("app", "Service", "label_values(app:errors:ratio_rate5m, app)", everything=False),
        choice(
            "namespace",
            "Namespace",
            "label_values(surefoot_rollout_percent, namespace)",
            everything=False,
        ),
        choice(
            "rollout",
            "Rollout",
            'label_values(surefoot_rollout_percent{namespace="$namespace"}, rollout)',
            everything=False,
        ),
    ):
        built = built.with_variable(variable)
    steps = (
        grafana.AnnotationQuery()
        .name("Steps")
        .datasource(SOURCE)
        .enable(True)
        .icon_color(ORANGE)
        .expr(f"changes({PERCENT}[2m]) > 0")
    )
    return (
        built.annotation(steps)
        .with_panel(
            stairs(
                "Percentage of the flag",
                "The steps that the other panels are read against.",
                Query(PERCENT, "{{rollout}}"),
                width=24,
            ).max(100)
        )
        .with_panel(
            lines(
                "Test pass rate",
                "At least 98% is wanted; below 95% the flag goes back.",
                Query('app:tests_passed:ratio{app="$app"}', "pass rate"),
                unit="percentunit",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Error rate by service",
                "Less than 0.1% is wanted; above 0.5% the flag goes back.",
                Query('app_service:errors:ratio_rate5m{app="$app"}', "{{service}}"),
                Query('app:errors:ratio_rate5m{app="$app"}', "all"),
                unit="percentunit",
                width=8,
            )
        )
        .with_panel(
            dial(
                "Cache hit rate",
                "More than 50% is wanted, once the cache is warm.",
                Query('app:cache_hits:ratio_rate15m{app="$app"}'),
                good_from=0.5,
                width=8,
            )
        )
        .with_panel(
            buckets(
                "Latency",
                "How frequent each latency was.",
                Query('sum by (le) (app_le:latency_seconds_bucket:rate5m{app="$app"})', "{{le}}"),
                unit="s",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Latency, 95%",
                "Less than 200 ms is wanted; above 300 ms the flag goes back.",
                Query('app:latency_seconds:p95_5m{app="$app"}', "95%"),
                unit="s",
                width=8,
            )
        )
        .with_panel(
            dots(
                "Retrieval accuracy",
                "At least 70% is wanted; below 50% the flag goes back.",
                Query('app:accuracy:avg{app="$app"}', "accuracy"),
                unit="percentunit",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Cost",
                "Database queries for a request, and the same a day before.",
                Query('app:database_queries_per_request:ratio_rate15m{app="$app"}', "now"),
                Query(
                    'app:database_queries_per_request:ratio_rate15m{app="$app"} offset 1d',
                    "a day before",
                ),
                width=24,
            )
        )
    )
