"""The keys that detached signatures are checked against: written by their custodians only."""

from surefoot.api.v1alpha1.meta import ALLOWED_SIGNERS_CONFIGMAP
from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-allowed-signers`."""
    custodians = [
        *settings.custodian_users,
        *(f"members of group {group}" for group in settings.custodian_groups),
    ]
    who = (
        f"{', '.join(custodians)} may"
        if custodians
        else ("policies.custodians of the operator's configuration names nobody who may")
    )
    return Policy(
        "surefoot-allowed-signers",
        matches=(
            Resources(
                ("configmaps",),
                ("CREATE", "UPDATE", "DELETE"),
                group="",
                version="v1",
            ),
        ),
        # Not `resourceNames`: a request that deletes a collection has no name.
        only=(
            (
                "allowed-signers",
                (
                    "(request.operation == 'DELETE' ? oldObject : object)"
                    f".metadata.?name.orValue('') == '{ALLOWED_SIGNERS_CONFIGMAP}'"
                ),
            ),
        ),
        namespace_selector={"matchLabels": {"kubernetes.io/metadata.name": settings.namespace}},
        checks=(
            Check(
                f"{cel.is_one_of(settings.custodian_users)} || "
                f"{cel.MY_GROUPS}.exists(g, g in {cel.texts(settings.custodian_groups)}) || "
                "(request.operation == 'DELETE' && "
                f"{cel.is_one_of(settings.all_collectors)})",
                f"the allowed signers say whose signatures count: {who} write them",
            ),
        ),
    )
