"""All policies of this version."""

from collections.abc import Iterable

from surefoot.policies import (
    allowed_signers,
    config_maps,
    decisions,
    metadata,
    mutations,
    own_account,
    rollout_uid,
    stamps,
    status,
)
from surefoot.policies.rendering import Manifest, Mutation, Policy
from surefoot.policies.settings import PolicySettings

REFUSING = (
    decisions,
    metadata,
    stamps,
    status,
    config_maps,
    allowed_signers,
    own_account,
    rollout_uid,
)


def shipped(settings: PolicySettings, *, mutation: bool = True) -> tuple[Manifest, ...]:
    """Every policy and binding of this version, for one cluster.

    Without ``mutation`` only those that refuse: all guarantees are in them. That is the variant for
    Kubernetes 1.31 to 1.35, and for clusters in which nothing is to be filled in.
    """
    made: Iterable[Policy | Mutation] = (
        *(module.policy(settings) for module in REFUSING),
        *(mutations.policies() if mutation else ()),
    )
    return tuple(manifest for policy in made for manifest in policy.manifests())
