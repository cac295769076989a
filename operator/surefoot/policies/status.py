"""The operator writes status, and nobody else."""

from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-status`."""
    return Policy(
        "surefoot-status",
        matches=(
            Resources(("rollouts/status", "checkpoints/status", "approvals/status"), ("UPDATE",)),
        ),
        checks=(
            Check(
                cel.is_one_of([settings.operator]),
                "status is what the operator found and did; nobody else writes it",
                "'the status of ' + request.kind.kind.lowerAscii() + ' ' + object.metadata.name + "
                "' is what the operator found and did; ' + "
                f"{cel.ME} + ' may not write it'",
            ),
        ),
    )
