"""Who makes the attempts, and how the API server knows them."""

from dataclasses import dataclass

from surefoot.testbed.users import EXAMPLE_USERS

GROUPS = {user.name: user.groups for user in EXAMPLE_USERS}


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody as the API server authenticates them.

    ``by``: certificate, token (of the service account of that name), impersonation, or nothing.
    ``called``: the name in the table, where the real one does not read well.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    by: str = "certificate"
    called: str = ""

    def __str__(self) -> str:
        return self.called or self.name


def _member(name: str) -> Actor:
    return Actor(name, GROUPS[name])


def _account(namespace: str, name: str, called: str) -> Actor:
    return Actor(f"system:serviceaccount:{namespace}:{name}", by="token", called=called)


def _seen_as(name: str, called: str, *, groups: tuple[str, ...] = (), uid: str = "") -> Actor:
    return Actor(name, groups, uid, "impersonation", called)


ADMIN = _member("admin")
"""In system:masters: no RBAC, but policies."""
CORA = _member("cora")
HUDSON = _member("hudson")
FORGE = _member("forge")
ATLAS = _member("atlas")
THON = _member("thon")

HOME = "surefoot-system"
OPERATOR = _account(HOME, "surefoot", "the operator")
NEIGHBOUR = _account(HOME, "default", "another account of the operator's namespace")
TOOLS = "tools"
COURIER = _account(TOOLS, "courier", "a courier")
"""As a GitOps tool's: it carries what people have signed."""
GARBAGE_COLLECTOR = _account("kube-system", "generic-garbage-collector", "the garbage collector")
NAMESPACE_CONTROLLER = _account("kube-system", "namespace-controller", "the namespace controller")
IMPOSTOR = _account(TOOLS, "generic-garbage-collector", "an impostor of the garbage collector")
CONTROLLER_MANAGER = _seen_as("system:kube-controller-manager", "the controller manager")
NODE = _seen_as("system:node:worker-1", "a node", groups=("system:nodes",))
ANONYMOUS = Actor("system:anonymous", ("system:unauthenticated",), by="nothing", called="nobody")

HUDSON_OUTSIDE = _seen_as("hudson", "hudson, who has left the group,")
HUDSON_1 = _seen_as("hudson", "hudson, the first of that name,", groups=("security",), uid="u-1")
HUDSON_2 = _seen_as("hudson", "another hudson", groups=("security",), uid="u-2")
HUDSON_BY_ADMIN = _seen_as("hudson", "admin --as hudson", groups=("security",))
HUDSON_WITH_MASTERS = _seen_as("hudson", "hudson, an admin too,", groups=("system:masters",))

CYRILLIC = _seen_as("hudsоn", "hudson with a Cyrillic o")  # noqa: RUF001 - that is the attempt
NO_BREAK = _seen_as("hudson\u00a0", "hudson with a no-break space")
ZERO_WIDTH = _seen_as("hud\u200bson", "hudson with a zero-width space")
SPACED = Actor("hudson ", called="hudson with a space")
RECASED = _seen_as("Hudson", "Hudson")
SYSTEM_HUDSON = _seen_as("system:hudson", "system:hudson")
COMMA = _seen_as("hudson,forge", "hudson,forge", groups=("security",))
CORA_RECASED = _seen_as("CORA", "CORA", groups=("leads", "authors"))
PAIR = _seen_as("thon,hudson", "thon,hudson", groups=("authors",))

OPERATOR_RECASED = _seen_as(
    "system:serviceaccount:surefoot-system:Surefoot", "somebody called nearly as the operator"
)
OPERATOR_BY_ADMIN = _seen_as(
    OPERATOR.name, "admin --as the operator", groups=("system:serviceaccounts",)
)
OPERATOR_ELSEWHERE = _seen_as(
    "system:serviceaccount:tools:surefoot", "an account named as the operator, elsewhere,"
)
PRETENDERS = (OPERATOR_RECASED, OPERATOR_ELSEWHERE)
LOOKALIKES = (CYRILLIC, NO_BREAK, ZERO_WIDTH, SPACED)
CAST = (ADMIN, CORA, HUDSON, FORGE, ATLAS, THON)
ACCOUNTS = (COURIER, NEIGHBOUR, IMPOSTOR)
COLLECTORS = (GARBAGE_COLLECTOR, NAMESPACE_CONTROLLER, CONTROLLER_MANAGER)
EVERYBODY_ELSE = (*CAST, COURIER, NEIGHBOUR, NODE, ANONYMOUS)
"""Everybody but the operator and the collectors."""
CUSTODIAN = FORGE
CUSTODIAN_BY_GROUP = THON
CUSTODIAN_GROUP = "implementation"
