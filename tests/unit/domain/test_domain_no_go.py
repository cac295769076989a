"""A NO-GO holds against everything but its own signer."""

from collections.abc import Callable
from typing import Any

import pytest

from surefoot.domain.facts.snapshot import Admission
from tests.support.world import (
    World,
    a_checkpoint,
    a_role,
    a_rollout,
    hours,
    minutes,
    steps_of,
)

SECURITY = "memory-sync-50-security"


def refused(**spec: Any) -> World:
    """A rollout at 10% whose advance to 50% hudson has refused."""
    policy = {"roles": [a_role("security", "hudson", "ivy")]}
    world = World(
        a_rollout(**{"steps": steps_of(10, 50, 100), "approvals": policy} | spec),
        admission=Admission.ENFORCED,
    )
    world.settle()
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    return world


def sign_all(world: World) -> None:
    """Everybody else gives their GO to whatever is asked, and time passes."""
    for _ in range(3):
        world.now += minutes(1)
        for name, state in world.states().items():
            if state == "Pending":
                world.sign(name, "ivy")
        world.settle()


BYPASSES: dict[str, Callable[[World], None]] = {
    "nothing but time": lambda w: w.pass_by(hours(24 * 30)),
    "another round": lambda w: w.annotate(authors="hudson"),
    "another plan": lambda w: w.edit(limits={"maxExpansionFactor": 90}),
    "another attempt": lambda w: w.edit(attempt=1),
    "a lower target": lambda w: w.edit(steps=steps_of(10, 49, 100)),
    "a higher target": lambda w: w.edit(steps=steps_of(10, 51, 100)),
    "no target between": lambda w: w.edit(steps=steps_of(10, 100)),
    "the role renamed": lambda w: w.edit(approvals={"roles": [a_role("safety", "ivy")]}),
    "the role removed": lambda w: w.edit(approvals=None),
    "other people in the role": lambda w: w.edit(approvals={"roles": [a_role("security", "ivy")]}),
    "a quorum without it": lambda w: w.edit(
        approvals={
            "rule": "Quorum",
            "quorum": 1,
            "roles": [a_role("security", "hudson"), a_role("owner", "ivy")],
        }
    ),
    "roles of the step's own": lambda w: w.edit(
        steps=steps_of(10, 50, 100, first={"approvals": {"roles": [a_role("owner", "ivy")]}})
    ),
    "the decider written in capitals": lambda w: w.sign(SECURITY, "IVY", reason="as good as"),
}


@pytest.mark.parametrize("launder", BYPASSES.values(), ids=BYPASSES.keys())
def test_no_go_is_not_laundered(launder: Callable[[World], None]) -> None:
    """Only hudson lifts it, where he gave it."""
    world = refused()
    launder(world)
    world.settle()
    sign_all(world)
    assert (world.percent, ("Approved", "NoGo") in world.blockers()) == (10, True)
    assert world.condition("Stalled")[0] == "True"
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", reason="mended")
    world.settle()
    assert ("Approved", "NoGo") not in world.blockers()


def test_no_go_is_not_laundered_by_a_rollback_and_a_new_first_step() -> None:
    """From 0 one may start again, but not to what was refused."""
    world = refused()
    world.edit(rollback={"to": 0})
    world.settle()
    world.edit(rollback=None, attempt=1, steps=steps_of(9, 49, 100))
    world.settle()
    sign_all(world)
    assert (world.percent, world.role("security").state) == (9, "NoGo")


def test_no_go_may_be_started_up_to_again() -> None:
    """It was about what lies above."""
    world = refused()
    world.edit(rollback={"to": 0})
    world.settle()
    world.edit(rollback=None, attempt=1, steps=steps_of(5, 10, 50, 100))
    world.settle()
    sign_all(world)
    assert (world.percent, world.role("security").state) == (10, "NoGo")


def test_signer_lifts_it_by_a_go_to_a_smaller_step() -> None:
    """What they refused was the larger one."""
    world = refused()
    world.edit(steps=steps_of(10, 20, 50, 100))
    world.settle()
    world.now += minutes(1)
    world.sign("memory-sync-20-security", "hudson", reason="so far, yes")
    world.settle()
    assert world.percent == 20


@pytest.mark.parametrize("other", ["Hudson", "HUDSON"])
def test_go_of_a_name_in_other_letters_does_not_lift_a_no_go(other: str) -> None:
    """The API server takes it for another person's name: case is folded to exclude only."""
    world = refused(approvals={"roles": [a_role("security", "hudson", other)]})
    world.now += minutes(1)
    world.sign(SECURITY, other, reason="mended")
    world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", reason="mended")
    world.settle()
    assert world.role("security").state != "NoGo"


@pytest.mark.parametrize("other", ["Hudson", "ivy"])
def test_no_go_is_not_pushed_off_the_record(other: str) -> None:
    """However often others decide, in whatever letters they write the signer's name."""
    world = refused(approvals={"roles": [a_role("security", "hudson", other)]})
    for number in range(40):
        world.now += minutes(1)
        decision = "GO" if number % 2 else "NO-GO"
        world.sign(SECURITY, other, decision=decision, reason=f"number {number}")
        world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")
    assert world.role("security").by == "hudson"


def test_no_go_is_not_pushed_off_the_record_by_those_of_many_others() -> None:
    """Forty more refuse and take it back; what hudson said stands."""
    others = [f"signer-{number}" for number in range(40)]
    group = {"name": "security", "groups": ["security"]}
    world = refused(approvals={"roles": [group]})
    for decision in ("NO-GO", "GO"):
        for other in others:
            world.now += minutes(1)
            world.sign(SECURITY, other, decision=decision, reason="as the others")
            world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")


def test_no_go_is_not_pushed_off_the_record_by_forged_words() -> None:
    """A GO that lifts nothing does not take the place of a NO-GO either."""
    world = refused()
    world.admission = Admission.NOT_ENFORCED
    for number in range(40):
        world.now += minutes(1)
        world.sign(SECURITY, "hudson", reason=f"says mallory, {number}")
        world.settle()
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")


def test_no_go_on_a_request_that_is_void_stands() -> None:
    """A signer may withdraw for good, whatever became of their GO."""
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100), approvals={"roles": [a_role("security", "hudson", "ivy")]}
        )
    )
    world.settle()
    world.sign(SECURITY, "hudson")
    world.edit(attempt=1)
    world.settle()
    assert world.states()[SECURITY] == "Void"
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="on second thoughts")
    world.settle()
    sign_all(world)
    assert (world.percent, world.states()[SECURITY]) == (10, "Void")
    assert world.role("security").message.startswith("security is NO-GO by hudson: on second")


def test_no_go_that_came_after_the_step_was_taken_holds_it_the_next_time() -> None:
    """What was used stays used; it is too late for this step and none other is meant."""
    world = World(
        a_rollout(steps=steps_of(10, 50, 100), approvals={"roles": [a_role("security", "hudson")]})
    )
    world.settle()
    world.sign(SECURITY, "hudson")
    world.settle_until_crash(after=world.transition_writes + 3)
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="stop")
    world.settle()
    assert (world.percent, world.states()[SECURITY]) == (50, "Used")
    assert world.role("security").state == "Pending"
    world.edit(rollback={"to": 10})
    world.settle()
    world.edit(rollback=None, attempt=1)
    world.settle()
    assert world.role("security").state == "NoGo"


def test_forged_go_does_not_lift_a_no_go_once_admission_is_enforced_again() -> None:
    """What was written while nobody looked is nobody's word."""
    world = refused()
    world.admission = Admission.NOT_ENFORCED
    world.now += minutes(1)
    world.sign(SECURITY, "hudson", reason="says mallory")
    world.settle()
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, world.role("security").state) == (10, "NoGo")
    world.now += minutes(1)
    world.sign(SECURITY, "ivy")
    world.settle()
    sign_all(world)
    assert (world.percent, world.role("security").state) == (10, "NoGo")


@pytest.mark.parametrize("admission", [Admission.UNENFORCED, Admission.NOT_ENFORCED])
def test_no_go_that_nobody_verified_holds(admission: Admission) -> None:
    """To stop something nobody has to prove who they are."""
    world = World(
        a_rollout(
            steps=steps_of(10, 50, 100), approvals={"roles": [a_role("security", "hudson", "ivy")]}
        )
    )
    world.settle()
    world.admission = admission
    world.sign(SECURITY, "hudson", decision="NO-GO", reason="leaks")
    world.settle()
    world.admission = Admission.ENFORCED
    world.edit(attempt=1)
    world.settle()
    sign_all(world)
    assert (world.percent, world.role("security").verified) == (10, False)


REPORT = "memory-sync-10-report"
RELABELLED: dict[str, Callable[[World], None]] = {
    "another plan": lambda w: w.edit(limits={"maxExpansionFactor": 90}),
    "another attempt": lambda w: w.edit(attempt=1),
    "the checkpoint removed": lambda w: w.edit(hold=None),
    "the checkpoint renamed": lambda w: w.edit(
        hold={"checkpoints": [a_checkpoint("other", "ivy")]}
    ),
    "other reporters": lambda w: w.edit(hold={"checkpoints": [a_checkpoint("report", "ivy")]}),
}


@pytest.mark.parametrize("launder", RELABELLED.values(), ids=RELABELLED.keys())
def test_no_go_of_a_report_is_not_laundered(launder: Callable[[World], None]) -> None:
    """Only who reported it lifts it."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100), hold={"checkpoints": [a_checkpoint("report", "atlas", "ivy")]}
        )
    )
    world.settle()
    world.sign(REPORT, "atlas", decision="NO-GO", reason="leaks")
    world.settle()
    launder(world)
    world.settle()
    sign_all(world)
    assert (world.percent, ("CheckpointsPassed", "NoGo") in world.blockers()) == (10, True)


def test_forged_report_does_not_count_once_admission_is_enforced_again() -> None:
    """It is void, and asked again."""
    world = World(
        a_rollout(
            steps=steps_of(10, 100, first={"checkpoints": [a_checkpoint("report", "atlas")]})
        ),
        admission=Admission.ENFORCED,
    )
    world.settle()
    world.admission = Admission.NOT_ENFORCED
    world.sign(REPORT, "atlas")
    world.settle()
    world.admission = Admission.ENFORCED
    world.settle()
    assert (world.percent, world.states()) == (10, {REPORT: "Void", f"{REPORT}-r2": "Pending"})
    assert world.checkpoints[REPORT].status.void_reason == (
        "it was given while admission was not enforced, so that nobody knows who gave it"
    )
