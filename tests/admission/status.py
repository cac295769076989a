"""What the operator has found out, and nobody else may write."""

from typing import Any

from tests.admission.attempt import (
    Attempt,
    accepted,
    added,
    apply,
    by_each,
    create,
    json_patch,
    merge,
    refused,
    replace,
)
from tests.admission.builders import LONG_AGO, PLAN, stamps
from tests.admission.people import (
    ADMIN,
    COLLECTORS,
    CORA,
    EVERYBODY_ELSE,
    FORGE,
    HUDSON,
    IMPOSTOR,
    OPERATOR,
    PRETENDERS,
)

POLICY = "status"
WRITTEN: dict[str, tuple[str, dict[str, Any]]] = {
    "Rollout": ("checkout", {"phase": "Completed", "percent": 100}),
    "Approval": ("pending", {"state": "Go", "decidedAt": LONG_AGO}),
    "Checkpoint": ("pending", {"state": "Go", "decidedAt": LONG_AGO}),
}
OPERATORS = refused(POLICY, "is what the operator found and did")

OF_EACH_KIND = tuple(
    attempt
    for kind, (name, status) in WRITTEN.items()
    for attempt in (
        Attempt(
            f"the operator writes the status of a {kind}",
            OPERATOR,
            replace(kind, name, {"status": status}, subresource="/status"),
            accepted(),
        ),
        *by_each(
            (*EVERYBODY_ELSE, *PRETENDERS, IMPOSTOR, *COLLECTORS),
            f"patches the status of a {kind}",
            merge(kind, name, {"status": status}, subresource="/status"),
            OPERATORS,
        ),
        *by_each(
            (ADMIN, HUDSON),
            f"replaces the status of a {kind}",
            replace(kind, name, {"status": status}, subresource="/status"),
            OPERATORS,
        ),
        *by_each(
            (ADMIN, CORA),
            f"applies the status of a {kind} with force, as the operator's field manager",
            apply(kind, name, {"status": status}, manager="surefoot", subresource="/status"),
            OPERATORS,
        ),
        Attempt(
            f"forge patches the status of a {kind} with a JSON patch",
            FORGE,
            json_patch(kind, name, added("/status", status), subresource="/status"),
            OPERATORS,
        ),
    )
)

STATUS = (
    *OF_EACH_KIND,
    Attempt(
        "hudson takes Used back, to change what he has signed",
        HUDSON,
        merge("Approval", "used", {"status": {"state": "Go"}}, subresource="/status"),
        OPERATORS,
    ),
    Attempt(
        "the operator sends a decision along with a status, which decides nothing",
        OPERATOR,
        replace(
            "Approval",
            "pending",
            {"spec.decision": "GO", "spec.reason": "all well", "status": {"state": "Pending"}},
            subresource="/status",
        ),
        accepted(spec__decision=None, spec__reason=None, status__state="Pending"),
    ),
    Attempt(
        "cora creates a Rollout that says it is done, which says nothing",
        CORA,
        create(
            "Rollout",
            "new",
            {
                "metadata": {"annotations": stamps("cora", "cora", "cora", "cora")},
                "spec": PLAN,
                "status": {"phase": "Completed", "percent": 100},
            },
        ),
        accepted(status=None),
    ),
    Attempt(
        "hudson sends another status along with a replace, which changes nothing",
        HUDSON,
        replace("Approval", "used", {"status.state": "Go"}),
        accepted(status__state="Used"),
    ),
    Attempt(
        "admin empties the status of a Rollout",
        ADMIN,
        merge("Rollout", "checkout", {"status": None}, subresource="/status"),
        OPERATORS,
    ),
)
