"""Every decision that the operator saw is on the record of its request, also one that counted."""

from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.plan import RecordRequest
from surefoot.domain.review import evaluate
from surefoot.domain.signoff.records import records
from tests.support.world import World, a_checkpoint, a_role, a_rollout, hours, minutes, steps_of

SECURITY = "memory-sync-50-security"
REPORT = "memory-sync-10-report"


def recorded(world: World) -> dict[str, RecordRequest]:
    """What the statuses of the requests must say now, whatever else the pass does."""
    review = evaluate(world.snapshot(), world.now)
    written = records(review.state, review.checkpoints.views, review.approvals.views)
    return {each.name: each for each in written}


def with_an_open_intent() -> World:
    """The operator has recorded an advance to 50% that counts two decisions, and died."""
    first = {"checkpoints": [a_checkpoint("report", "atlas")]}
    approvals = {"opens": "Step", "roles": [a_role("security", "hudson", "ivy")]}
    world = World(
        a_rollout(steps=steps_of(10, 50, 100, first=first), approvals=approvals),
        admission=Admission.ENFORCED,
    )
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson")
    world.sign(REPORT, "atlas")
    watched = set(world.watched_requests)
    world.settle_until_crash(after=world.transition_writes + 1)
    world.watched_requests = watched
    assert world.status.pending is not None
    assert world.approvals[SECURITY].status.decisions == ()
    return world


def words(world: World, name: str = SECURITY) -> list[tuple[str, str, int]]:
    """The decisions that are to be recorded for a request."""
    return [
        (entry.decision.value, entry.by, entry.generation)
        for entry in recorded(world)[name].status.decisions
    ]


def test_go_that_an_open_intent_counts_is_recorded_as_given() -> None:
    """It is Used only once the step is committed."""
    world = with_an_open_intent()
    assert words(world) == [("GO", "hudson", 2)]
    assert recorded(world)[SECURITY].status.state == "Go"
    assert recorded(world)[REPORT].status.state == "Go"


def test_go_that_became_no_go_before_its_intent_was_applied_is_recorded_before_it() -> None:
    """The intent says who gave it, when, and on which version."""
    world = with_an_open_intent()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="wait")
    assert words(world) == [("GO", "hudson", 2), ("NO-GO", "hudson", 3)]
    assert recorded(world)[SECURITY].status.state == "NoGo"
    first, second = recorded(world)[SECURITY].status.decisions
    assert (first.verified, first.reason, first.seen_at) == (True, "ok", world.now - minutes(1))
    assert second.seen_at == world.now


def test_go_that_was_counted_is_on_record_once_the_step_was_taken() -> None:
    """Also where its signer changed their mind before anybody had written it down."""
    world = with_an_open_intent()
    world.transition_writes = 0
    world.settle_until_crash(after=2)
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="too late")
    world.settle()
    status = world.approvals[SECURITY].status
    assert (status.state, status.used_generation) == ("Used", 2)
    assert [entry.decision.value for entry in status.decisions] == ["GO", "NO-GO"]


def test_request_that_an_open_intent_counts_is_not_void_before_the_intent_is_resolved() -> None:
    """The plan no longer has its role; whether it was used is not known yet."""
    world = with_an_open_intent()
    world.edit(approvals=None, steps=steps_of(10, 50, 100))
    assert recorded(world)[SECURITY].status.state == "Go"
    assert recorded(world)[REPORT].status.state == "Go"


def test_recording_does_not_wait_for_the_next_pass() -> None:
    """What was decided is recorded by the pass that found it, also where it rolls back."""
    world = with_an_open_intent()
    world.edit(rollback={"to": 0})
    world.now += hours(1)
    assert words(world) == [("GO", "hudson", 2)]
