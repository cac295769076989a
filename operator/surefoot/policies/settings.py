"""What differs between clusters."""

import re
from dataclasses import dataclass

DEFAULT_OPERATOR = "system:serviceaccount:surefoot-system:surefoot"
DEFAULT_NAMESPACE = "surefoot-system"
COLLECTORS = (
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:kube-controller-manager",
)
"""Who deletes what nobody owns any more, and what lies in a namespace that ends."""


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """One cluster's identities, as its API server authenticates them.

    ``operator`` is the user name that the operator has. ``collectors`` are further identities of
    garbage collection, where a controller manager runs under a name of its own.
    ``custodian_users`` and ``custodian_groups`` may write the allowed signers; nobody may where
    there are none.
    """

    operator: str = DEFAULT_OPERATOR
    collectors: tuple[str, ...] = ()
    custodian_users: tuple[str, ...] = ()
    custodian_groups: tuple[str, ...] = ()

    @property
    def all_collectors(self) -> tuple[str, ...]:
        """Every identity of garbage collection."""
        return tuple(dict.fromkeys((*COLLECTORS, *self.collectors)))

    @property
    def namespace(self) -> str:
        """Where the operator lives: its service account's namespace."""
        match = re.fullmatch(r"system:serviceaccount:([^:]+):[^:]+", self.operator)
        return match[1] if match else DEFAULT_NAMESPACE
