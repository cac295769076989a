"""The operator's dashboard: where rollouts stand and why, and whether the operator is well."""

from grafana_foundation_sdk.builders import dashboard as grafana

from surefoot.manifestgen.dashboards.panels import (
    Query,
    choice,
    lines,
    number,
    page,
    rows,
    stairs,
    states,
)

OF = '{namespace=~"$namespace",rollout=~"$rollout"}'


def _of(more: str) -> str:
    return f'{{namespace=~"$namespace",rollout=~"$rollout",{more}}}'


def dashboard() -> grafana.Dashboard:
    """The whole page."""
    built = (
        page(
            "Surefoot: rollouts and the operator",
            "surefoot-operator",
            "Where every rollout stands, why it does not move, and whether the operator is well.",
        )
        .with_variable(
            choice(
                "namespace",
                "Namespace",
                "label_values(surefoot_rollout_blocked, namespace)",
                everything=True,
            )
        )
        .with_variable(
            choice(
                "rollout",
                "Rollout",
                'label_values(surefoot_rollout_blocked{namespace=~"$namespace"}, rollout)',
                everything=True,
            )
        )
    )
    for add in (_summary, _rollouts, _transitions, _operator, _providers, _record):
        built = add(built)
    return built


def _summary(built: grafana.Dashboard) -> grafana.Dashboard:
    rolled_back = f"sum(surefoot_rollout_blocked{_of(_quoted('condition', 'NotRolledBack'))})"
    return (
        built.with_panel(
            number(
                "Rollouts that started",
                "How many have a percentage.",
                Query(f"count(surefoot_rollout_percent{OF})"),
            )
        )
        .with_panel(
            number(
                "At 100%",
                "How many have reached the end.",
                Query(f"count(surefoot_rollout_percent{OF} == 100) or vector(0)"),
            )
        )
        .with_panel(
            number(
                "Rolled back",
                "How many stay down until somebody tries again.",
                Query(rolled_back),
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Past due",
                "Reports and signatures that are late.",
                Query(f"sum(surefoot_requests_overdue{OF})"),
                bad_from=1,
            )
        )
        .with_panel(
            number(
                "Admission enforced",
                "1: the API server checks who signs. 0: nothing advances.",
                Query("min(surefoot_admission_enforced)"),
                good_from=1,
            )
        )
        .with_panel(
            number(
                "Operators that act",
                "One should, or with shards each of them.",
                Query("sum(surefoot_leader)"),
                good_from=1,
            )
        )
    )


def _rollouts(built: grafana.Dashboard) -> grafana.Dashboard:
    return (
        built.with_row(grafana.Row("Rollouts"))
        .with_panel(
            stairs(
                "Percentage",
                "What each flag was last committed to.",
                Query(f"surefoot_rollout_percent{OF}", "{{namespace}}/{{rollout}}"),
            ).max(100)
        )
        .with_panel(
            rows(
                "Why they do not move",
                "Every condition that blocks now.",
                Query(f"surefoot_rollout_blocked{OF} == 1"),
                {"namespace": "Namespace", "rollout": "Rollout", "condition": "Blocked by"},
            )
        )
        .with_panel(
            states(
                "What blocked, and when",
                "A condition that is marked kept its rollout from going on.",
                Query(
                    f"surefoot_rollout_blocked{OF} and on (namespace, rollout, condition) "
                    f"(max_over_time(surefoot_rollout_blocked{OF}[$__range]) == 1)",
                    "{{rollout}}: {{condition}}",
                ),
            )
        )
        .with_panel(
            states(
                "Triggers that were not quiet",
                "Firing acts; Pending and NoData keep the soak from running.",
                Query(
                    f"surefoot_trigger_state{_of(_unlike('state', 'Quiet'))} "
                    "and on (namespace, rollout, trigger, state) (max_over_time("
                    f"surefoot_trigger_state{_of(_unlike('state', 'Quiet'))}[$__range]) == 1)",
                    "{{rollout}}: {{trigger}} {{state}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Signatures that are waited for",
                "Approvals that nobody has decided yet.",
                Query(f"surefoot_approvals_pending{OF}", "{{namespace}}/{{rollout}}"),
            )
        )
        .with_panel(
            lines(
                "Reports and signatures past due",
                "By how urgent they have become.",
                Query(f"sum by (severity) (surefoot_requests_overdue{OF})", "{{severity}}"),
            )
        )
    )


def _transitions(built: grafana.Dashboard) -> grafana.Dashboard:
    return (
        built.with_row(grafana.Row("Transitions"))
        .with_panel(
            lines(
                "Transitions",
                "Steps taken and taken back.",
                Query(
                    _increase("transitions_total", by="type"),
                    "{{type}}",
                ),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Time from the intent to the commit, 95%",
                "A rollback must be done within two minutes.",
                Query(
                    "histogram_quantile(0.95, sum by (type, le) "
                    "(rate(surefoot_transition_seconds_bucket[$__rate_interval])))",
                    "{{type}}",
                ),
                Query(
                    "histogram_quantile(0.95, sum by (outcome, le) "
                    "(rate(surefoot_rehearsal_seconds_bucket[$__rate_interval])))",
                    "rehearsal {{outcome}}",
                ),
                unit="s",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Flags changed past Surefoot, and rehearsals",
                "A ConfigMap that was restored, and rollbacks that were rehearsed.",
                Query(_increase("drift_corrections_total"), "restored"),
                Query(
                    _increase("rehearsal_runs_total", by="outcome"),
                    "rehearsal {{outcome}}",
                ),
                width=8,
            )
        )
    )


def _operator(built: grafana.Dashboard) -> grafana.Dashboard:
    return (
        built.with_row(grafana.Row("The operator"))
        .with_panel(
            lines(
                "Passes over Rollouts",
                "By how they ended; conflicts are usual, errors are not.",
                Query(
                    "sum by (result) (rate(surefoot_reconciles_total[$__rate_interval]))",
                    "{{result}}",
                ),
                unit="ops",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Duration of a pass",
                "Half of them, and 95%, take no longer.",
                *(
                    Query(
                        f"histogram_quantile({share}, sum by (le) "
                        "(rate(surefoot_reconcile_seconds_bucket[$__rate_interval])))",
                        f"{share:.0%}",
                    )
                    for share in (0.5, 0.95)
                ),
                unit="s",
                width=8,
            )
        )
        .with_panel(
            lines(
                "Rollouts that wait to be looked at",
                "Rollbacks have a lane of their own.",
                Query("sum by (lane) (surefoot_queue_depth)", "{{lane}}"),
                width=8,
            )
        )
        .with_panel(
            lines(
                "Checks of the admission policies",
                "By what they came to.",
                Query(
                    "sum by (result) (rate(surefoot_admission_checks_total[$__rate_interval]))",
                    "{{result}}",
                ),
                unit="ops",
            )
        )
        .with_panel(
            states(
                "Configuration",
                "Whether the file is in force, and the mode of admission that it has.",
                Query("min(surefoot_config_last_reload_successful)", "file is in force"),
                Query("max by (mode) (surefoot_admission_mode)", "admission: {{mode}}"),
                width=12,
            )
        )
        .with_panel(
            lines(
                "Objects that cannot be read",
                "They count for nothing and stop nothing else; status.unreadable names them.",
                Query("sum by (kind) (surefoot_unreadable_objects)", "{{kind}}"),
                width=12,
            )
        )
        .with_panel(
            lines(
                "Shards",
                "Where fewer are held than there are, nothing moves in some namespaces.",
                Query("max(surefoot_shards)", "there are"),
                Query("sum by (pod) (surefoot_shards_held)", "held by {{pod}}"),
                width=12,
            )
        )
        .with_panel(
            lines(
                "What a sweep found and what had to be started again",
                "Changes that no watch had told of, and parts of the operator that failed.",
                Query(
                    _increase("watch_missed_total", by="kind"),
                    "missed: {{kind}}",
                ),
                Query(_increase("part_failures_total"), "parts failed"),
                width=24,
            )
        )
    )


def _providers(built: grafana.Dashboard) -> grafana.Dashboard:
    return (
        built.with_row(grafana.Row("Metrics providers"))
        .with_panel(
            lines(
                "Answers",
                "Only Value can open a gate.",
                Query(
                    "sum by (provider, outcome) "
                    "(rate(surefoot_provider_requests_total[$__rate_interval]))",
                    "{{provider}} {{outcome}}",
                ),
                unit="ops",
            )
        )
        .with_panel(
            lines(
                "Time to an answer, 95%",
                "By provider, and how old the newest point of an answer is when it comes.",
                Query(
                    "histogram_quantile(0.95, sum by (provider, le) "
                    "(rate(surefoot_provider_request_seconds_bucket[$__rate_interval])))",
                    "{{provider}}",
                ),
                Query(
                    "histogram_quantile(0.95, sum by (provider, le) "
                    "(rate(surefoot_evaluation_lag_seconds_bucket[$__rate_interval])))",
                    "{{provider}}: age",
                ),
                unit="s",
            )
        )
    )


def _record(built: grafana.Dashboard) -> grafana.Dashboard:
    return (
        built.with_row(grafana.Row("The record and notifications"))
        .with_panel(
            lines(
                "Age of the oldest entry that a sink has not taken",
                "It should stay near zero.",
                Query("max by (sink) (surefoot_record_lag_seconds)", "{{sink}}"),
                unit="s",
            )
        )
        .with_panel(
            lines(
                "Entries",
                "Taken, waiting, deliveries that failed, and places where entries were lost.",
                Query(
                    _increase("record_exported_total", by="sink"),
                    "{{sink}} taken",
                ),
                Query("sum by (sink) (surefoot_record_waiting)", "{{sink}} waiting"),
                Query(
                    _increase("record_failures_total", by="sink"),
                    "{{sink}} failed",
                ),
                Query(
                    _increase("record_gaps_total", by="sink"),
                    "{{sink}} gaps",
                ),
            )
        )
        .with_panel(
            lines(
                "Notifications",
                "Sent, attempts that failed, and those given up.",
                Query(
                    _increase("notifications_sent_total", by="route"),
                    "{{route}} sent",
                ),
                Query(
                    _increase("notifications_failed_total", by="route"),
                    "{{route}} failed",
                ),
                Query(
                    _increase("notifications_dropped_total", by="route"),
                    "{{route}} given up",
                ),
            )
        )
        .with_panel(
            lines(
                "Notifications that wait",
                "They are tried again for a day.",
                Query("sum by (route) (surefoot_notifications_waiting)", "{{route}}"),
            )
        )
    )


def _quoted(label: str, value: str) -> str:
    return f'{label}="{value}"'


def _unlike(label: str, value: str) -> str:
    return f'{label}!="{value}"'


def _increase(metric: str, *, by: str = "") -> str:
    aggregated = f"sum by ({by})" if by else "sum"
    return f"{aggregated} (increase(surefoot_{metric}[$__rate_interval]))"
