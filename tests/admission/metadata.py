"""Annotations, labels, finalizers and owners of the three kinds."""

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
    showing,
)
from tests.admission.builders import CHANGED_BY, MARK, MARKS, ON_BEHALF_OF, OWNER, PLAN, stamps
from tests.admission.people import (
    ADMIN,
    ATLAS,
    CORA,
    COURIER,
    FORGE,
    GARBAGE_COLLECTOR,
    HUDSON,
    IMPOSTOR,
    NO_BREAK,
    OPERATOR,
    THON,
)

POLICY = "metadata"
KINDS = (("Approval", "go"), ("Checkpoint", "go"), ("Rollout", "checkout"))


def annotated(name: str, value: str | None) -> dict[str, Any]:
    """A patch of one annotation."""
    return {"metadata": {"annotations": {name: value}}}


OPERATORS_OWN = ("surefoot.dev/anything", "surefoot.dev/transition-id")
FRAMEWORKS = ("kopf.dev/last-handled-configuration", "kopf.zalando.org/progress")

THE_OPERATORS = tuple(
    attempt
    for kind, name in KINDS
    for attempt in (
        *(
            Attempt(
                f"{actor} annotates a {kind} with {annotation}",
                actor,
                merge(kind, name, annotated(annotation, "x")),
                refused(POLICY, annotation),
            )
            for actor, annotation in (
                (ADMIN, OPERATORS_OWN[0]),
                (HUDSON, OPERATORS_OWN[1]),
                (CORA, FRAMEWORKS[0]),
                (ADMIN, FRAMEWORKS[1]),
                (COURIER, OPERATORS_OWN[0]),
            )
        ),
        *by_each(
            (ADMIN, ATLAS, FORGE, COURIER, IMPOSTOR),
            f"puts a finalizer on a {kind}",
            merge(kind, name, {"metadata": {"finalizers": ["example.com/stay"]}}),
            refused(POLICY, "finalizer"),
        ),
        *by_each(
            (ADMIN, ATLAS, FORGE, COURIER, IMPOSTOR),
            f"hangs a {kind} on an owner that is gone",
            merge(kind, name, {"metadata": {"ownerReferences": [OWNER]}}),
            refused(POLICY, "ownerReferences"),
        ),
        Attempt(
            f"admin hangs a {kind} on an owner that is gone, by an apply with force",
            ADMIN,
            apply(kind, name, {"metadata": {"ownerReferences": [OWNER]}}, manager="surefoot"),
            refused(POLICY, "ownerReferences"),
        ),
        Attempt(
            f"forge hangs a {kind} on an owner that is gone, by a JSON patch",
            FORGE,
            json_patch(kind, name, added("/metadata/ownerReferences", [OWNER])),
            refused(POLICY, "ownerReferences"),
        ),
        Attempt(
            f"forge hangs a {kind} on an owner that is gone, by a replace",
            FORGE,
            replace(kind, name, {"metadata.ownerReferences": [OWNER]}),
            refused(POLICY, "ownerReferences"),
        ),
        Attempt(
            f"forge puts a foreground finalizer on a {kind}",
            FORGE,
            merge(kind, name, {"metadata": {"finalizers": ["foregroundDeletion"]}}),
            refused(POLICY, "finalizer"),
        ),
        Attempt(
            f"the operator annotates a {kind}",
            OPERATOR,
            merge(kind, name, annotated("surefoot.dev/anything", "x")),
            accepted(),
        ),
        Attempt(
            f"the operator owns a {kind}",
            OPERATOR,
            merge(kind, name, {"metadata": {"ownerReferences": [OWNER]}}),
            accepted(),
        ),
        Attempt(
            f"atlas labels a {kind}",
            ATLAS,
            merge(kind, name, {"metadata": {"labels": {"team": "one"}}}),
            accepted(metadata__labels__team="one"),
        ),
        Attempt(
            f"atlas annotates a {kind} with something of their own",
            ATLAS,
            merge(kind, name, annotated("example.com/ticket", "4711")),
            accepted(),
        ),
        Attempt(
            f"atlas annotates a {kind} with something that only looks like the operator's",
            ATLAS,
            merge(kind, name, annotated("surefoot.dev.example.com/x", "1")),
            accepted(),
        ),
    )
)

OWNED = tuple(
    attempt
    for kind in ("Approval", "Checkpoint")
    for attempt in (
        Attempt(
            f"the garbage collector takes the owner off a {kind}: it is orphaned",
            GARBAGE_COLLECTOR,
            merge(kind, "go", {"metadata": {"ownerReferences": None}}),
            accepted(),
        ),
        Attempt(
            f"the garbage collector annotates a {kind}",
            GARBAGE_COLLECTOR,
            merge(kind, "go", annotated(MARK, "x")),
            refused(POLICY, MARK),
        ),
        *by_each(
            (ADMIN, FORGE, IMPOSTOR),
            f"takes the owner off a {kind}",
            merge(kind, "go", {"metadata": {"ownerReferences": None}}),
            refused(POLICY, "ownerReferences"),
        ),
        Attempt(
            f"admin changes a mark of the operator's on a {kind}",
            ADMIN,
            merge(kind, "go", annotated(MARK, "forged")),
            refused(POLICY, MARK),
        ),
        Attempt(
            f"forge removes a mark of the operator's from a {kind}",
            FORGE,
            merge(kind, "go", annotated(MARK, None)),
            refused(POLICY, MARK),
        ),
        *(
            Attempt(
                f"forge removes the {what} {key} from a {kind}",
                FORGE,
                merge(kind, "go", {"metadata": {f"{what}s": {key: None}}}),
                accepted() if key == "example.com/free" else refused(POLICY, key),
            )
            for what in ("annotation", "label")
            for key in MARKS
        ),
        *(
            Attempt(
                f"forge puts the label {key} on a {kind}",
                FORGE,
                merge(kind, "pending", {"metadata": {"labels": {key: "x"}}}),
                accepted() if key == "example.com/free" else refused(POLICY, key),
            )
            for key in MARKS
        ),
        Attempt(
            f"forge removes all annotations from a {kind}",
            FORGE,
            merge(kind, "go", {"metadata": {"annotations": None}}),
            refused(POLICY, "may be set, changed or removed by the operator only"),
        ),
        Attempt(
            f"forge says again what a mark of the operator's on a {kind} says",
            FORGE,
            merge(kind, "go", annotated(MARK, "made")),
            accepted(),
        ),
        Attempt(
            f"forge gives a {kind} to another Rollout",
            FORGE,
            merge(kind, "go", {"metadata": {"labels": {"surefoot.dev/rollout": "other"}}}),
            refused(POLICY, "surefoot.dev/rollout"),
        ),
        Attempt(
            f"admin takes the Rollout's label off a {kind}",
            ADMIN,
            merge(kind, "go", {"metadata": {"labels": {"surefoot.dev/rollout": None}}}),
            refused(POLICY, "surefoot.dev/rollout"),
        ),
    )
)

_RESERVED_METADATA: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "an annotation of the operator's",
        {"annotations": {"surefoot.dev/anything": "x"}},
        "surefoot.dev/anything",
    ),
    (
        "an annotation of the framework's",
        {"annotations": {"kopf.dev/progress": "x"}},
        "kopf.dev/progress",
    ),
    ("a finalizer", {"finalizers": ["example.com/stay"]}, "finalizer"),
    ("an owner that is gone", {"ownerReferences": [OWNER]}, "ownerReferences"),
)

CREATED_WITH = tuple(
    Attempt(
        f"thon creates a Rollout with {what}",
        THON,
        create(
            "Rollout",
            "new",
            {
                "metadata": {
                    **metadata,
                    "annotations": {
                        **stamps("thon", "thon", "thon", "thon"),
                        **metadata.get("annotations", {}),
                    },
                },
                "spec": PLAN,
            },
        ),
        refused(POLICY, says),
    )
    for what, metadata, says in _RESERVED_METADATA
)

FINALIZED = (
    Attempt(
        "the garbage collector takes its finalizer off a Rollout",
        GARBAGE_COLLECTOR,
        merge("Rollout", "third-time", {"metadata": {"finalizers": None}}),
        accepted(),
    ),
    Attempt(
        "the operator takes a finalizer off a Rollout",
        OPERATOR,
        merge("Rollout", "third-time", {"metadata": {"finalizers": None}}),
        accepted(),
    ),
    *by_each(
        (ADMIN, CORA, IMPOSTOR),
        "takes a finalizer off a Rollout",
        merge("Rollout", "third-time", {"metadata": {"finalizers": None}}),
        refused(POLICY, "finalizers may be set or removed by the operator only"),
    ),
)

FREE = (
    Attempt(
        "thon removes a mark of the operator's from a Rollout",
        THON,
        merge("Rollout", "third-time", annotated(MARK, None)),
        refused(POLICY, MARK),
    ),
    Attempt(
        "thon no longer says on whose behalf",
        THON,
        merge("Rollout", "third-time", annotated(ON_BEHALF_OF, None)),
        accepted(),
    ),
    Attempt(
        "somebody with a no-break space in the name labels an Approval",
        NO_BREAK,
        merge("Approval", "go", {"metadata": {"labels": {"team": "one"}}}),
        accepted(),
    ),
    Attempt(
        "thon says on whose behalf he acts",
        THON,
        merge("Rollout", "checkout", annotated(ON_BEHALF_OF, "hudson@example.com")),
        accepted(),
    ),
    Attempt(
        "a courier creates a Rollout on somebody's behalf",
        COURIER,
        create(
            "Rollout",
            "new",
            {
                "metadata": {
                    "annotations": {
                        **stamps(COURIER.name, COURIER.name, COURIER.name, COURIER.name),
                        ON_BEHALF_OF: "cora",
                    }
                },
                "spec": PLAN,
            },
        ),
        showing(
            {
                "metadata.annotations": {
                    **stamps(COURIER.name, COURIER.name, COURIER.name, COURIER.name),
                    ON_BEHALF_OF: "cora",
                }
            }
        ),
    ),
    *by_each(
        (HUDSON, ADMIN),
        "stamps an Approval as if it were a Rollout",
        merge("Approval", "go", annotated(CHANGED_BY, "hudson")),
        refused(POLICY, CHANGED_BY),
    ),
)

METADATA = (*THE_OPERATORS, *OWNED, *FINALIZED, *CREATED_WITH, *FREE)
