"""The metrics of the wire contract, and the probes."""

import asyncio

import httpx

from surefoot.adapters.clock import ServerClock
from surefoot.adapters.probes import EventLoopMonitor, Probes
from surefoot.adapters.telemetry import PrometheusTelemetry
from surefoot.api.v1alpha1.meta import Condition
from surefoot.api.v1alpha1.rollout_status import (
    Blocker,
    RolloutStatus,
    Severity,
    TriggerState,
    TriggerStatus,
)
from surefoot.application.ports import ObjectKey, TransitionRecord
from surefoot.domain.facts.snapshot import Admission
from tests.support.testbed import SURELY
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")


def a_condition(kind: str, status: str) -> Condition:
    return Condition(type=kind, status=status, reason="R", last_transition_time=START)


STATUS = RolloutStatus(
    percent=25,
    conditions=(
        a_condition("NotPaused", "True"),
        a_condition("Approved", "False"),
        a_condition("Ready", "False"),
    ),
    triggers=(TriggerStatus(name="errors", state=TriggerState.FIRING, since=START),),
)


def lines(telemetry: PrometheusTelemetry) -> set[str]:
    return {
        line for line in telemetry.exposition().decode().splitlines() if not line.startswith("#")
    }


def test_live_values_have_the_names_of_the_contract() -> None:
    """Dashboards and alerts rely on them."""
    telemetry = PrometheusTelemetry()
    telemetry.admission(Admission.UNENFORCED)
    telemetry.judged(a_rollout(), STATUS)
    telemetry.approvals_pending(KEY, 2)
    at = 'namespace="agents",rollout="memory-sync"'
    assert lines(telemetry) >= {
        f"surefoot_rollout_percent{{{at}}} 25.0",
        f'surefoot_rollout_blocked{{condition="NotPaused",{at}}} 0.0',
        f'surefoot_rollout_blocked{{condition="Approved",{at}}} 1.0',
        f'surefoot_trigger_state{{{at},state="Firing",trigger="errors"}} 1.0',
        f'surefoot_trigger_state{{{at},state="Quiet",trigger="errors"}} 0.0',
        f"surefoot_approvals_pending{{{at}}} 2.0",
        "surefoot_admission_enforced 0.0",
    }
    assert not any('condition="Ready"' in line for line in lines(telemetry))


def test_objects_that_cannot_be_read_are_counted() -> None:
    """By kind, and none from the beginning, so that the first is a rise."""
    telemetry = PrometheusTelemetry()
    telemetry.unreadable_objects("Approval", 2)
    assert lines(telemetry) >= {
        'surefoot_unreadable_objects{kind="Approval"} 2.0',
        'surefoot_unreadable_objects{kind="Checkpoint"} 0.0',
        'surefoot_unreadable_objects{kind="Rollout"} 0.0',
    }


def test_requests_past_their_time_are_counted_by_severity() -> None:
    """An alert needs them as a number; one that is decided goes."""
    telemetry = PrometheusTelemetry()
    waits = Blocker(condition="Approved", reason="AwaitingApproval", message="security must sign")
    late = waits.model_copy(update={"escalated_to": Severity.WARNING})
    very_late = waits.model_copy(update={"escalated_to": Severity.CRITICAL})
    status = STATUS.model_copy(update={"blocked_by": (waits, late, late, very_late)})
    telemetry.judged(a_rollout(), status)
    at = 'namespace="agents",rollout="memory-sync"'
    name = f"surefoot_requests_overdue{{{at},severity="
    assert lines(telemetry) >= {f'{name}"Warning"}} 2.0', f'{name}"Critical"}} 1.0'}
    telemetry.judged(a_rollout(), STATUS)
    assert lines(telemetry) >= {f'{name}"Warning"}} 0.0', f'{name}"Critical"}} 0.0'}


def test_operator_leads_unless_it_is_told_that_another_does() -> None:
    """Without an election every operator acts."""
    telemetry = PrometheusTelemetry()
    assert "surefoot_leader 1.0" in lines(telemetry)
    telemetry.leads(is_leader=False)
    assert "surefoot_leader 0.0" in lines(telemetry)


def test_rehearsals_are_counted_by_what_they_came_to() -> None:
    """And how long each took."""
    telemetry = PrometheusTelemetry()
    telemetry.rehearsed("Passed", 0.2)
    telemetry.rehearsed("Failed", 120.0)
    assert lines(telemetry) >= {
        'surefoot_rehearsal_runs_total{outcome="Passed"} 1.0',
        'surefoot_rehearsal_runs_total{outcome="Failed"} 1.0',
        'surefoot_rehearsal_seconds_sum{outcome="Passed"} 0.2',
        'surefoot_rehearsal_seconds_sum{outcome="Failed"} 120.0',
    }


def test_clock_is_shown_as_it_is_when_asked_for() -> None:
    """What answers told the time, whether they disagree, and by how much."""
    telemetry, at = PrometheusTelemetry(), [1000.0]
    clock = ServerClock(lambda: at[0])
    telemetry.follow_clock(clock)
    assert "surefoot_clock_disagreement_seconds 0.0" in lines(telemetry)
    for second in range(10):
        at[0] += 1
        clock.observe(f"Mon, 23 Nov 2026 12:00:{second:02} GMT", at[0], at[0])
    clock.observe("Mon, 23 Nov 2026 13:00:10 GMT", at[0], at[0])
    clock.observe("soon", at[0], at[0])
    assert lines(telemetry) >= {
        'surefoot_clock_answers_total{result="agreed"} 10.0',
        'surefoot_clock_answers_total{result="disagreed"} 1.0',
        'surefoot_clock_answers_total{result="unusable"} 1.0',
        'surefoot_clock_steps_total{direction="forward"} 0.0',
    }
    values = dict(line.rsplit(" ", 1) for line in lines(telemetry))
    assert 3598 < float(values["surefoot_clock_disagreement_seconds"]) < 3601
    assert 1 <= float(values["surefoot_clock_uncertainty_seconds"]) < 1.1


def test_sinks_of_the_record_are_counted() -> None:
    """What they took, what failed, what was lost, and what waits for how long."""
    telemetry = PrometheusTelemetry()
    telemetry.exported("archive", 3)
    telemetry.export_failed("archive")
    telemetry.export_gaps("archive", 1)
    telemetry.export_waiting("archive", 2, 7.5)
    assert lines(telemetry) >= {
        'surefoot_record_exported_total{sink="archive"} 3.0',
        'surefoot_record_failures_total{sink="archive"} 1.0',
        'surefoot_record_gaps_total{sink="archive"} 1.0',
        'surefoot_record_waiting{sink="archive"} 2.0',
        'surefoot_record_lag_seconds{sink="archive"} 7.5',
    }


def test_routes_of_notifications_are_counted() -> None:
    """All of a route's series are there from the beginning, so that the first of each is a rise."""
    telemetry = PrometheusTelemetry()
    telemetry.notifications_waiting("lead", 0)
    at = '{route="lead"}'
    assert lines(telemetry) >= {
        f"surefoot_notifications_sent_total{at} 0.0",
        f"surefoot_notifications_failed_total{at} 0.0",
        f"surefoot_notifications_dropped_total{at} 0.0",
    }
    telemetry.notified("lead")
    telemetry.notification_failed("lead")
    telemetry.notification_dropped("lead")
    telemetry.notifications_waiting("lead", 2)
    assert lines(telemetry) >= {
        f"surefoot_notifications_sent_total{at} 1.0",
        f"surefoot_notifications_failed_total{at} 1.0",
        f"surefoot_notifications_dropped_total{at} 1.0",
        f"surefoot_notifications_waiting{at} 2.0",
    }
    telemetry.forgot_route("lead")
    assert f"surefoot_notifications_waiting{at} 2.0" not in lines(telemetry)


def test_series_of_what_is_gone_vanish() -> None:
    """A trigger that left the plan, and a Rollout that was deleted."""
    telemetry = PrometheusTelemetry()
    telemetry.judged(a_rollout(), STATUS)
    telemetry.judged(a_rollout(), STATUS.model_copy(update={"triggers": ()}))
    assert not any("surefoot_trigger_state" in line for line in lines(telemetry))
    telemetry.forgot(KEY)
    telemetry.forgot(KEY)
    assert not any("memory-sync" in line for line in lines(telemetry))


def test_work_is_counted() -> None:
    """Passes, transitions, drift, providers, queues, and what watches missed."""
    telemetry = PrometheusTelemetry()
    telemetry.reconciled("done", 0.01)
    telemetry.transition(TransitionRecord("Rollback", 0.2))
    telemetry.drift_corrected()
    telemetry.provider_answered("default", "Unreachable", 5.0, lag=6.0)
    telemetry.queue_depth("urgent", 3)
    telemetry.watch_missed("Approval", 2)
    assert lines(telemetry) >= {
        'surefoot_reconciles_total{result="done"} 1.0',
        'surefoot_transitions_total{type="Rollback"} 1.0',
        "surefoot_drift_corrections_total 1.0",
        'surefoot_provider_requests_total{outcome="Unreachable",provider="default"} 1.0',
        'surefoot_evaluation_lag_seconds_sum{provider="default"} 6.0',
        'surefoot_queue_depth{lane="urgent"} 3.0',
        'surefoot_watch_missed_total{kind="Approval"} 2.0',
    }


async def test_probes_say_why_not() -> None:
    """Sick outranks unready; metrics are served all the same."""
    sick: list[str | None] = [None]
    unready: list[str | None] = ["the caches are not synced yet"]
    probes = Probes(lambda: b"m 1\n", lambda: sick[0], lambda: unready[0])
    await probes.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as client:

        async def code(path: str) -> int:
            return (await client.get(path)).status_code

        assert (await code("/healthz"), await code("/readyz")) == (200, 503)
        unready[0] = None
        assert (await code("/healthz"), await code("/readyz")) == (200, 200)
        sick[0] = "no sweep was tried for 200 s"
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "no sweep was tried for 200 s\n")
        assert (await code("/metrics")) == 200
    await probes.stop()


async def test_heart_knows_how_long_it_stood_still() -> None:
    """Its age is the age of the last beat."""
    event_loop_monitor = EventLoopMonitor()
    beating = asyncio.create_task(event_loop_monitor.run())
    await asyncio.sleep(0)
    assert event_loop_monitor.age < SURELY
    beating.cancel()
