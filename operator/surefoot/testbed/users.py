"""The people of the bed: names and groups that its API server authenticates.

The default cast plays the example of the documentation. Groups decide nothing by themselves:
what they may do is said by RBAC, as in any cluster.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a client certificate: the name is its common name, groups its organisations."""

    name: str
    groups: tuple[str, ...] = ()


ADMIN = User("admin", ("system:masters",))

EXAMPLE_USERS = (
    ADMIN,
    User("cora", ("leads", "authors")),
    User("hudson", ("security",)),
    User("forge", ("metrics",)),
    User("atlas", ("reporters",)),
    User("thon", ("implementation", "authors")),
)

CONTROLLER_MANAGER = User("system:kube-controller-manager")
"""RBAC's bootstrap roles know this name; it is not one of the people."""
