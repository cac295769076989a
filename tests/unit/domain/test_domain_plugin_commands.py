"""The plugin's own commands beside those that kubectl alone understands."""

import pytest

from surefoot.domain.plugin_commands import plugin_command
from tests.support.world import World, a_role, a_rollout, steps_of

PATCH = "kubectl patch {} -n shop --type=merge -p '{{\"spec\":{{{}}}}}'"
ROLES = {"checkout-25-security": "security"}


@pytest.mark.parametrize(
    ("what", "fields", "own"),
    [
        (
            "approvals.surefoot.dev checkout-25-security",
            '"decision":"GO","reason":"…","riskAssessment":"…"',
            (
                'kubectl surefoot approve checkout -n shop --role security --reason "…" '
                '--risk-assessment "…"'
            ),
        ),
        (
            "approvals.surefoot.dev hour-48-ack-receiver",
            '"decision":"GO","reason":"…"',
            'kubectl surefoot acknowledge hour-48-ack-receiver -n shop --reason "…"',
        ),
        (
            "checkpoints.surefoot.dev checkout-10-hour-48",
            '"decision":"GO","summary":"…"',
            'kubectl surefoot checkpoint checkout checkout-10-hour-48 -n shop --go --summary "…"',
        ),
        (
            "rollouts.surefoot.dev checkout",
            '"paused":null',
            "kubectl surefoot resume checkout -n shop",
        ),
        (
            "rollouts.surefoot.dev checkout",
            '"attempt":1',
            "kubectl surefoot retry checkout -n shop",
        ),
        (
            "rollouts.surefoot.dev checkout",
            '"rehearsal":{"run":2}',
            "kubectl surefoot rehearse checkout -n shop",
        ),
    ],
)
def test_command_of_the_operator_has_a_shorter_one(what: str, fields: str, own: str) -> None:
    """For anyone who has the plugin."""
    assert plugin_command(PATCH.format(what, fields), "checkout", ROLES) == own


@pytest.mark.parametrize(
    "command",
    [
        "kubectl delete configmap surefoot-halt -n shop",
        "surefoot sign checkout-25-security -n shop --decision GO",
        PATCH.format("approvals.surefoot.dev checkout-25-unknown", '"decision":"GO"'),
    ],
)
def test_other_commands_have_none(command: str) -> None:
    """What is not known is not guessed."""
    assert plugin_command(command, "checkout", ROLES) is None


def test_status_names_both_commands_of_what_a_person_can_mend() -> None:
    """The one that needs nothing but kubectl stays where it was."""
    world = World(a_rollout(steps=steps_of(50, 100), approvals={"roles": [a_role("lead", "cora")]}))
    world.settle()
    (blocker,) = (b for b in world.rollout.status.blocked_by if b.condition == "Approved")
    assert blocker.command is not None
    assert blocker.command.startswith("kubectl patch approvals.surefoot.dev memory-sync-100-lead ")
    assert blocker.plugin_command == (
        f"kubectl surefoot approve memory-sync -n {world.rollout.metadata.namespace} "
        '--role lead --reason "…"'
    )
