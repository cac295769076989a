"""The write protocol as the decision sees it: intent, apply, commit, found later, abandoned."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Decision
from surefoot.domain.facts.measurements import Outcome
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.facts.upstreams import RolloutName, Upstream
from surefoot.domain.plan import Abandon, Apply, Commit, Intend, RecordRequest
from surefoot.domain.rollback import roll_back
from tests.support.world import (
    START,
    CrashError,
    World,
    a_checkpoint,
    a_gate,
    a_metric,
    a_role,
    a_rollout,
    a_trigger,
    hours,
    minutes,
    seconds,
    steady,
    steps_of,
)

SIGNED = "memory-sync-50-security"


def ready(upstreams: Mapping[RolloutName, Upstream] | None = None, **spec: Any) -> World:
    """A rollout at 10% of 10, 50, 100 in which everything holds but one signature."""
    world = World(
        a_rollout(
            **{
                "steps": steps_of(10, 50, 100),
                "metrics": [a_metric()],
                "triggers": [a_trigger(action="Hold")],
                "approvals": {"opens": "Step", "roles": [a_role("security", "h", "i")]},
            }
            | spec
        ),
        metrics={"errors": steady(0.0)},
        upstreams=dict(upstreams or {}),
    )
    world.run(minutes(5))
    assert world.percent == 10
    return world


def crashed(when: str, **spec: Any) -> World:
    """The operator died around one of the writes of the advance to 50%."""
    world = ready(**spec)
    world.sign(SIGNED, "h")
    side, _, which = when.partition(" ")
    number = world.transition_writes + {"intent": 1, "apply": 2, "commit": 3}[which]
    setattr(world, f"crash_{side}", number)
    with pytest.raises(CrashError):
        world.settle()
    world.crash_before = world.crash_after = None
    world.skip(seconds(0))
    return world


EVERYWHERE = [
    f"{side} {which}" for which in ("intent", "apply", "commit") for side in ("before", "after")
]
RECORDED = ["after intent", "before apply"]
APPLIED = ["after apply", "before commit"]


@pytest.mark.parametrize("when", EVERYWHERE)
def test_step_is_taken_once_wherever_the_operator_dies(when: str) -> None:
    """The percentage is written once and the history entry is written once."""
    world = crashed(when)
    world.settle()
    assert world.history() == [("Start", 10), ("Advance", 50)]
    assert [percent for _, percent in world.percents] == [10, 50]
    assert world.states()[SIGNED] == "Used"


def tampered_with(world: World) -> None:
    """Somebody changes the ConfigMap while the advance waits for data."""
    world.failing["errors"] = (Outcome.UNREACHABLE, "")
    world.tamper(**{"memory-sync": "99"})


STOPS: list[tuple[str, Callable[[World], None]]] = [
    ("it is paused or halted", lambda w: w.edit(paused=True)),
    ("it is paused or halted", lambda w: w.stop()),
    ("somebody decided NO-GO", lambda w: w.sign(SIGNED, "h", decision="NO-GO", reason="no")),
    ("the plan has changed", lambda w: w.edit(hold={"soak": "1s"})),
    ("the plan is not valid", lambda w: w.edit(gates=[a_gate("nothing")])),
    ("the attempt was raised", lambda w: w.edit(attempt=1)),
    ("a rollback stands, or spec.rollback is lower", lambda w: w.edit(rollback={"to": 25})),
    ("a trigger fires", lambda w: w.metrics.update(errors=steady(0.9))),
    (
        "admission is not enforced",
        lambda w: setattr(w, "admission", Admission.NOT_ENFORCED),
    ),
    (
        "the ConfigMap was changed",
        tampered_with,
    ),
]


@pytest.mark.parametrize("when", RECORDED)
@pytest.mark.parametrize(("why", "stop"), STOPS)
def test_positive_stop_abandons_a_recorded_advance(
    when: str, why: str, stop: Callable[[World], None]
) -> None:
    """The ConfigMap is marked first, with its data unchanged; then pending is cleared."""
    world = crashed(when)
    pending = world.status.pending
    assert pending is not None
    world.skip(seconds(30))
    stop(world)
    plan = world.decide()
    action, *bookkeeping = plan.actions
    assert isinstance(action, Abandon)
    assert all(isinstance(other, RecordRequest) for other in bookkeeping)
    assert (action.pending, action.status.pending, action.marks_config_map) == (pending, None, True)
    assert plan.summary.startswith(f"abandons Advance 10% → 50%: {why}")
    world.settle()
    assert world.config_map is not None
    assert world.config_map.annotations["surefoot.dev/abandoned"] == pending.transition_id
    assert (world.percent, world.status.pending) == (10, None)
    assert ("Advance", 50) not in world.history()


@pytest.mark.parametrize("when", APPLIED)
@pytest.mark.parametrize(("why", "stop"), STOPS)
def test_advance_that_was_applied_is_committed_whatever_says_stop(
    when: str, why: str, stop: Callable[[World], None]
) -> None:
    """It did happen; then it is decided again."""
    world = crashed(when)
    if why == "the ConfigMap was changed":
        world.failing["errors"] = (Outcome.UNREACHABLE, "")
    else:
        stop(world)
    assert [type(action) for action in world.decide().actions] == [Commit]
    world.settle()
    assert world.history()[:2] == [("Start", 10), ("Advance", 50)]


@pytest.mark.parametrize("changes", [{}, {"rollback": {"to": 10}}, {"paused": True}])
@pytest.mark.parametrize("when", APPLIED)
def test_way_down_commits_what_was_applied_whatever_else_is_known(
    when: str, changes: dict[str, Any]
) -> None:
    """The flag stands there; only from there can it be lowered, by a person or by a trigger."""
    world = crashed(when)
    world.edit(**changes)
    plan = roll_back(world.snapshot(), world.now)
    assert plan is not None
    assert [type(action) for action in plan.actions] == [Commit]
    world.settle()
    assert world.percent == (10 if "rollback" in changes else 50)


def test_applied_advance_that_was_tampered_with_is_committed_and_restored() -> None:
    """The id on the ConfigMap says that it was applied."""
    world = crashed("before commit")
    world.failing["errors"] = (Outcome.UNREACHABLE, "")
    world.tamper(**{"memory-sync": "99"})
    world.settle()
    assert world.percent == 50
    assert world.history() == [("Start", 10), ("Advance", 50), ("DriftCorrected", 50)]


@pytest.mark.parametrize("when", RECORDED)
def test_missing_data_only_wait(when: str) -> None:
    """And Unknown too; nothing is abandoned."""
    world = crashed(when)
    pending = world.status.pending
    world.failing["errors"] = (Outcome.UNREACHABLE, "connection refused")
    world.admission = Admission.UNKNOWN
    world.run(minutes(30))
    assert (world.percent, world.status.pending) == (10, pending)
    assert world.status.waiting_on == (
        "advance to 50% is decided and waits: it is not known whether the admission policies "
        "are in force yet (and 1 more)"
    )
    world.failing.clear()
    world.admission = Admission.UNENFORCED
    world.settle()
    assert (world.percent, world.history()) == (50, [("Start", 10), ("Advance", 50)])


@pytest.mark.parametrize("when", RECORDED)
def test_deletion_applies_nothing_that_was_recorded(when: str) -> None:
    """After the Rollout's deletion."""
    world = crashed(when)
    gone = world.rollout.metadata.model_copy(update={"deletion_timestamp": world.now})
    world.rollout = world.rollout.model_copy(update={"metadata": gone})
    world.settle()
    assert (world.percent, world.decide().actions) == (10, ())


def test_recorded_advance_is_asked_again() -> None:
    """Somebody lets it go on."""
    world = crashed("after intent")
    plan = world.decide()
    assert plan.actions == (Apply(world.status.pending),)  # type: ignore[arg-type]
    assert plan.summary == "goes on with Advance 10% → 50%"
    assert (plan.moves_the_flag, plan.is_urgent) == (True, False)


def test_expired_signature_withdraws_the_advance_that_it_was_counted_for() -> None:
    """The role is asked again, and the step is taken on the new signature alone."""
    world = crashed(
        "after intent",
        approvals={"opens": "Step", "maxAge": "1h", "roles": [a_role("security", "h")]},
    )
    world.skip(hours(2))
    world.settle()
    assert (world.percent, world.states()[SIGNED]) == (10, "Expired")
    assert world.status.pending is None
    world.sign(f"{SIGNED}-r2", "h")
    world.settle()
    assert world.percent == 50
    assert [d.name for d in world.status.history[-1].evidence.decisions] == [f"{SIGNED}-r2"]


WEEKEND = {"name": "weekend", "from": "2025-10-23 23:00", "to": "2025-10-27 08:00"}
UPSTREAM = RolloutName("agents", "schema-v2")
ABOVE = Upstream("uid-1", "1", 50, False, False, False, ())


def abandoned(world: World, why: str) -> None:
    """The recorded advance is given up for this reason, and the flag stays."""
    plan = world.decide()
    assert isinstance(plan.actions[0], Abandon)
    assert all(isinstance(action, RecordRequest) for action in plan.actions[1:])
    assert plan.summary.startswith(f"abandons Advance 10% → 50%: {why}")
    world.settle()
    assert (world.percent, world.status.pending) == (10, None)


@pytest.mark.parametrize("when", RECORDED)
def test_freeze_abandons_a_recorded_advance_which_is_decided_anew_afterwards(when: str) -> None:
    """What was found before days of waiting is not what the step is taken on after them."""
    world = crashed(when, schedule={"freeze": [WEEKEND]})
    world.skip(hours(2))
    abandoned(world, "a freeze is in force")
    assert world.states()[SIGNED] == "Go"
    world.skip(hours(79) + minutes(54))
    world.run_until(50, minutes(5))
    taken = world.status.history[-1].evidence.decided_at
    assert taken is not None
    assert taken.isoformat() == "2025-10-27T08:00:00+00:00"


@pytest.mark.parametrize(
    "change", [{"rolled_back": True}, {"percent": 10}, {"deleting": True}, None]
)
@pytest.mark.parametrize("when", RECORDED)
def test_upstream_that_went_back_abandons_a_recorded_advance(
    when: str, change: dict[str, Any] | None
) -> None:
    """What was learned there is a reason to judge again here, once it is far enough again."""
    awaited = [{"rollout": "schema-v2", "atLeast": 50}]
    world = crashed(when, upstreams={UPSTREAM: ABOVE}, dependsOn=awaited)
    first = world.status.pending
    assert first is not None
    world.upstreams = {} if change is None else {UPSTREAM: replace(ABOVE, **change)}
    world.skip(minutes(1))
    abandoned(world, "a Rollout that it depends on is not where it must be")
    world.run(hours(1))
    world.upstreams = {UPSTREAM: ABOVE}
    world.run(minutes(1))
    assert world.percent == 50
    assert world.status.history[-1].transition_id != first.transition_id


def test_freeze_abandons_a_recorded_start_too() -> None:
    """There is no ConfigMap to mark yet; it starts once the freeze is over."""
    world = World(a_rollout(schedule={"freeze": [WEEKEND]}))
    world.settle_until_crash(after=1)
    world.skip(hours(2))
    (action,) = world.decide().actions
    assert isinstance(action, Abandon)
    assert not action.marks_config_map
    world.settle()
    assert (world.percent, world.status.pending) == (None, None)
    world.skip(hours(80))
    world.settle()
    assert world.percent == 100
    assert world.status.history[0].at == world.now


def test_rollback_does_not_wait_for_a_freeze_to_end() -> None:
    """It takes the place of the recorded advance, as without one."""
    world = crashed("after intent", schedule={"freeze": [WEEKEND]}, triggers=[a_trigger()])
    world.metrics["errors"] = steady(0.9)
    world.skip(hours(2))
    world.settle()
    assert (world.percent, world.status.rolled_back) == (0, True)


def test_ceiling_at_the_recorded_percentage_lets_it_go_on() -> None:
    """It keeps the flag at or below it."""
    world = crashed("after intent")
    world.edit(rollback={"to": 50})
    world.settle()
    assert world.percent == 50


def test_rollback_replaces_a_recorded_advance_in_one_write() -> None:
    """Abandoning and the rollback's intent are the same status write."""
    world = crashed("after intent", triggers=[a_trigger()])
    advance = world.status.pending
    world.metrics["errors"] = steady(0.9)
    world.skip(seconds(30))
    plan = world.decide()
    (action,) = plan.actions
    assert isinstance(action, Abandon)
    assert action.pending == advance
    assert action.status.pending is not None
    assert (action.status.pending.type, action.status.pending.to) == ("Rollback", 0)
    assert action.status.phase == "RollingBack"
    assert action.status.waiting_on == "rollback to 0% is being applied"
    world.settle()
    assert world.history() == [("Start", 10), ("Rollback", 0)]


@pytest.mark.parametrize("when", EVERYWHERE)
def test_rollback_is_done_once_wherever_the_operator_dies(when: str) -> None:
    """And without Prometheus once it is recorded."""
    world = ready(triggers=[a_trigger()])
    world.metrics["errors"] = steady(0.9)
    world.now += seconds(30)
    side, _, which = when.partition(" ")
    number = world.transition_writes + {"intent": 1, "apply": 2, "commit": 3}[which]
    setattr(world, f"crash_{side}", number)
    with pytest.raises(CrashError):
        world.settle()
    world.crash_before = world.crash_after = None
    if when != "before intent":
        world.failing["errors"] = (Outcome.UNREACHABLE, "down")
        world.edit(paused=True, gates=[a_gate("nothing")])
        world.stop()
        world.admission = Admission.NOT_ENFORCED
    world.settle()
    paused = [("Paused", 0)] if when != "before intent" else []
    assert (world.percent, world.history()) == (0, [("Start", 10), ("Rollback", 0), *paused])


def test_recorded_rollback_is_urgent_and_never_asked_again() -> None:
    """Not even whether its trigger still fires."""
    world = ready(triggers=[a_trigger()])
    world.metrics["errors"] = steady(0.9)
    world.now += seconds(30)
    plan = world.decide()
    assert [type(action) for action in plan.actions] == [Intend]
    assert (plan.moves_the_flag, plan.is_urgent) == (True, True)
    world.crash_after = world.transition_writes + 1
    with pytest.raises(CrashError):
        world.settle()
    world.metrics["errors"] = steady(0.0)
    plan = world.decide()
    assert ([type(a) for a in plan.actions], plan.is_urgent) == ([Apply], True)
    world.crash_after = None
    world.settle()
    assert world.percent == 0


def test_intent_names_everything_that_the_commit_will_write() -> None:
    """Evidence and signers included."""
    world = ready(hold={"checkpoints": [a_checkpoint("r", "rita")]})
    world.sign("memory-sync-10-r", "rita")
    world.sign(SIGNED, "h")
    judged = world.rollout.metadata
    world.now += seconds(1)
    (action,) = world.decide().actions
    assert isinstance(action, Intend)
    pending = action.status.pending
    assert pending is not None
    assert (pending.type, pending.step, pending.from_, pending.to) == ("Advance", 1, 10, 50)
    assert (pending.plan_hash, pending.attempt) == (world.status.plan_hash, 0)
    assert (pending.recorded_at, pending.by) == (world.now, ("security: h",))
    assert pending.reason == "AllConditionsHold"
    assert pending.message == (
        "r GO; security by h; names are not verified, as admission is not enforced"
    )
    evidence = pending.evidence
    assert (evidence.resource_version, evidence.generation) == (
        judged.resource_version,
        judged.generation,
    )
    assert (evidence.decided_at, evidence.since) == (world.now, START)
    assert [d.name for d in evidence.decisions] == ["memory-sync-10-r", SIGNED]
    assert [(w.metric, w.used_by, w.count, w.coverage, w.last) for w in evidence.windows] == [
        ("errors", "trigger errors", 1, "100%", "0")
    ]
    assert "PlanValid=Valid" in evidence.conditions
    assert len(evidence.conditions) == 19
    assert len(pending.transition_id) == 20
    assert action.status.waiting_on == "advance to 50% is being applied"


def test_same_facts_give_the_same_plan() -> None:
    """Deciding twice is deciding once; another version of the Rollout gives another id."""
    world = ready()
    world.sign(SIGNED, "h")
    first, second = world.decide(), world.decide()
    assert first == second
    (action,) = first.actions
    assert isinstance(action, Intend)
    assert action.status.pending is not None
    world.annotate(note="y")
    (other,) = world.decide().actions
    assert isinstance(other, Intend)
    assert other.status.pending is not None
    assert action.status.pending.transition_id != other.status.pending.transition_id


def test_first_start_that_is_abandoned_marks_no_config_map() -> None:
    """There is none to mark; if its create lands late, it is committed."""
    world = World(a_rollout(hold={"soak": "1h"}), crash_after=1)
    with pytest.raises(CrashError):
        world.settle()
    world.crash_after = None
    pending = world.status.pending
    assert pending is not None
    world.edit(paused=True)
    (action,) = world.decide().actions
    assert isinstance(action, Abandon)
    assert not action.marks_config_map
    world.settle()
    assert (world.config_map, world.status.pending, world.history()) == (None, None, [])


def test_start_from_zero_that_is_abandoned_marks_the_config_map() -> None:
    """It exists, so a leader that wakes up late must find the mark."""
    world = World(a_rollout(hold={"soak": "1h"}))
    world.settle()
    world.edit(rollback={"to": 0})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle_until_crash(after=world.transition_writes + 1)
    pending = world.status.pending
    assert pending is not None
    assert pending.type == "Start"
    world.edit(paused=True)
    world.settle()
    assert world.config_map is not None
    assert world.config_map.annotations["surefoot.dev/abandoned"] == pending.transition_id
    assert (world.percent, world.status.pending) == (0, None)
    world.edit(paused=None)
    world.settle()
    assert world.percent == 10


def test_recorded_start_waits_for_what_start_needs() -> None:
    """Unknown admission only waits, and data are not asked for."""
    world = World(
        a_rollout(hold={"soak": "1h"}, metrics=[a_metric()], gates=[a_gate()]), crash_after=1
    )
    with pytest.raises(CrashError):
        world.settle()
    world.crash_after = None
    world.admission = Admission.UNKNOWN
    world.run(minutes(1))
    assert (world.config_map, world.status.pending is None) == (None, False)
    world.admission = Admission.UNENFORCED
    world.settle()
    assert world.percent == 10


def test_adoption_that_was_cut_short_still_moves_nobody() -> None:
    """The recorded Start knows the percentage."""
    from tests.unit.domain.test_domain_config_map import a_config_map, both

    world = World(
        a_rollout(hold={"soak": "1h"}),
        config_map=a_config_map(both("25"), marks={"adopt": "memory-sync"}),
        crash_after=1,
    )
    with pytest.raises(CrashError):
        world.settle()
    world.crash_after = None
    world.settle()
    assert (world.percent, world.history()) == (25, [("Start", 25)])


def test_nothing_is_judged_right_after_a_restart_until_metrics_were_asked() -> None:
    """To say NoData for a moment would pause the soak and wake people for nothing."""
    world = ready()
    world.skip(minutes(20))
    world.unanswered.add("errors")
    plan = world.decide()
    assert (plan.actions, plan.requeue_after) == ((), seconds(1))
    assert plan.summary == "waits for the first metrics"
    world.unanswered.clear()
    world.settle()
    assert world.condition("TriggersQuiet") == ("True", "Quiet")


def test_rollback_does_not_wait_for_the_first_metrics() -> None:
    """A person's request needs none."""
    world = ready()
    world.unanswered.add("errors")
    world.edit(rollback={"to": 0})
    world.settle()
    assert world.percent == 0


def test_changed_plan_does_not_wait_for_the_first_metrics() -> None:
    """What was never judged is judged, with what is known."""
    world = ready()
    world.edit(metrics=[a_metric(), a_metric("new")], gates=[a_gate("new")])
    world.unanswered.add("new")
    world.settle()
    assert world.condition("GatesHealthy") == ("Unknown", "NotYetMeasured")


def test_metric_of_an_unknown_provider_is_not_waited_for() -> None:
    """Nobody will ever answer for it."""
    world = ready()
    world.providers = frozenset()
    world.unanswered.add("errors")
    world.settle()
    assert world.condition("PlanValid") == ("False", "UnknownProvider")


@pytest.mark.parametrize("when", RECORDED)
def test_rollback_that_replaces_a_move_keeps_what_the_move_had_counted(when: str) -> None:
    """The GO was seen by nothing but that move, and its signer says something else since."""
    world = crashed(when)
    recorded = world.approvals[SIGNED].status.decisions
    assert recorded == (), "the GO is known from the move alone"
    world.sign(SIGNED, "h", decision="NO-GO", reason="I see errors")
    world.edit(rollback={"to": 0})
    world.settle()
    assert world.history()[-1] == ("Rollback", 0)
    words = [(entry.by, entry.decision) for entry in world.approvals[SIGNED].status.decisions]
    assert words == [("h", Decision.GO), ("h", Decision.NO_GO)]
    assert world.states()[SIGNED] == "Void"


FREEZE = {"name": "night", "from": "Thu 23:00", "to": "Fri 06:00"}


def began_and_ended(
    world: World, begin: Callable[[World], None], end: Callable[[World], None]
) -> None:
    """Something that stops every move comes and goes while no operator runs."""
    begin(world)
    world.skip(hours(5))
    end(world)
    world.skip(hours(5))


UNSEEN: dict[str, tuple[Callable[[World], None], Callable[[World], None]]] = {
    "nothing": (lambda _: None, lambda _: None),
    "a halt": (lambda w: w.stop(), lambda w: w.unstop()),
    "a pause": (lambda w: w.edit(paused=True), lambda w: w.edit(paused=None)),
    "a ceiling": (lambda w: w.edit(rollback={"to": 10}), lambda w: w.edit(rollback=None)),
    "another plan": (
        lambda w: w.edit(hold={"soak": "9h"}),
        lambda w: w.edit(hold=None),
    ),
    "a freeze": (
        lambda w: w.edit(schedule={"freeze": [FREEZE]}),
        lambda w: w.edit(schedule=None),
    ),
}


@pytest.mark.parametrize("when", RECORDED)
@pytest.mark.parametrize("unseen", UNSEEN)
def test_advance_of_long_ago_is_decided_anew(unseen: str, when: str) -> None:
    """What it was decided on was so then; what came and went since has left no trace."""
    world = crashed(when)
    first = world.status.pending
    assert first is not None
    began_and_ended(world, *UNSEEN[unseen])
    assert isinstance(world.decide().actions[0], Abandon)
    world.settle()
    last = world.status.history[-1]
    assert (world.percent, last.evidence.decided_at) == (50, world.now)
    assert last.transition_id != first.transition_id
