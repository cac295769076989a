"""The mark by which a ConfigMap belongs to a Rollout: people cannot make one."""

from typing import Any

from tests.admission.attempt import (
    Attempt,
    Outcome,
    Request,
    accepted,
    added,
    apply,
    by_each,
    create,
    delete,
    json_patch,
    merge,
    refused,
    removed,
    replace,
)
from tests.admission.builders import LOST, OFFERED, UID_OF_CHECKOUT, flags
from tests.admission.people import (
    ADMIN,
    COLLECTORS,
    CORA,
    COURIER,
    EVERYBODY_ELSE,
    GARBAGE_COLLECTOR,
    IMPOSTOR,
    OPERATOR,
    PRETENDERS,
)
from tests.contract.manifests import REMOVED

MARK = "surefoot.dev/rollout-uid"
POINTER = "/metadata/annotations/surefoot.dev~1rollout-uid"
THE_OPERATORS = refused("rollout-uid", "may be set, changed or removed by the operator only")


def marked(uid: str | None, **more: Any) -> dict[str, Any]:
    """A patch of the mark."""
    return {"metadata": {"annotations": {MARK: uid, **more}}}


OLD = {
    "surefoot.dev/adopt": "checkout",
    "surefoot.dev/rollout": "checkout",
    "surefoot.dev/transition-id": "0123456789abcdef0123",
    "surefoot.dev/on-delete": "Keep",
    "surefoot.dev/format": "Percent",
    "surefoot.dev/abandoned": "0123456789abcdef0124",
}
"""A released ConfigMap still carries these, and so does a manifest that was exported from it."""

MARKING: tuple[tuple[str, Request], ...] = (
    (
        "creates a ConfigMap for a late start",
        create(
            "ConfigMap",
            "checkout-flags-2",
            {
                "metadata": {
                    "annotations": {MARK: UID_OF_CHECKOUT, "surefoot.dev/transition-id": "x"}
                },
                "data": {"checkout": "100"},
            },
        ),
    ),
    ("creates a ConfigMap with any mark", flags("new", {}, annotations={MARK: "x"})),
    ("creates a ConfigMap with an empty mark", flags("new", {}, annotations={MARK: ""})),
    (
        "creates a marked ConfigMap that is offered",
        flags("new", {}, annotations={**OLD, MARK: UID_OF_CHECKOUT}),
    ),
    (
        "creates a marked ConfigMap with a generated name",
        create(
            "ConfigMap",
            "",
            {"metadata": {"generateName": "flags-", "annotations": {MARK: "x"}}, "data": {}},
        ),
    ),
    (
        "creates a marked ConfigMap by an apply",
        apply("ConfigMap", "new", {**marked(UID_OF_CHECKOUT), "data": {}}, manager="surefoot"),
    ),
    ("marks a ConfigMap", merge("ConfigMap", "free", marked(UID_OF_CHECKOUT))),
    (
        "marks a ConfigMap by an apply with force",
        apply("ConfigMap", "free", marked(UID_OF_CHECKOUT)),
    ),
    (
        "marks a ConfigMap with a replace",
        replace("ConfigMap", "free", {"metadata.annotations": {MARK: UID_OF_CHECKOUT}}),
    ),
    (
        "marks an offered ConfigMap with a JSON patch",
        json_patch("ConfigMap", OFFERED, added(POINTER, UID_OF_CHECKOUT)),
    ),
    (
        "marks a flag that has lost its label with another Rollout",
        merge("ConfigMap", LOST, marked("x")),
    ),
    ("takes the mark off a flag that has lost its label", merge("ConfigMap", LOST, marked(None))),
    (
        "takes the mark off with a JSON patch",
        json_patch("ConfigMap", LOST, removed(POINTER)),
    ),
    (
        "takes the mark off with all annotations",
        replace("ConfigMap", LOST, {"metadata.annotations": REMOVED}),
    ),
)

ALLOWED: tuple[tuple[str, Request, Outcome], ...] = (
    (
        "applies a released ConfigMap from Git with its old annotations where there is none",
        apply("ConfigMap", "new", {"metadata": {"annotations": OLD}, "data": {"checkout": "0"}}),
        accepted(data__checkout="0"),
    ),
    (
        "creates a released ConfigMap from Git with its old annotations",
        flags("new", {}, annotations=OLD),
        accepted(metadata__annotations=OLD),
    ),
    (
        "applies a released ConfigMap from Git with its old annotations over what is offered",
        apply("ConfigMap", OFFERED, {"metadata": {"annotations": OLD}, "data": {"checkout": "0"}}),
        accepted(data__checkout="0"),
    ),
    (
        "replaces an offered ConfigMap by one with older annotations",
        replace("ConfigMap", OFFERED, {"metadata.annotations": OLD}),
        accepted(metadata__annotations=OLD),
    ),
    (
        "offers a ConfigMap",
        merge("ConfigMap", "free", {"metadata": {"annotations": {"surefoot.dev/adopt": "x"}}}),
        accepted(),
    ),
    (
        "writes a flag that has lost its label and leaves the mark",
        merge("ConfigMap", LOST, {"data": {"checkout": "100"}}),
        accepted(data__checkout="100"),
    ),
    ("deletes a flag that has lost its label", delete("ConfigMap", LOST), accepted()),
    (
        "annotates a ConfigMap",
        merge("ConfigMap", "free", {"metadata": {"annotations": {"example.com/x": "1"}}}),
        accepted(),
    ),
    (
        "removes all annotations of a ConfigMap",
        replace("ConfigMap", OFFERED, {"metadata.annotations": REMOVED}),
        accepted(),
    ),
)

ROLLOUT_UID = (
    *(
        Attempt(f"{actor} {what}", actor, request, THE_OPERATORS)
        for what, request in MARKING
        for actor in (ADMIN, CORA)
    ),
    *by_each(
        (*(actor for actor in EVERYBODY_ELSE if actor not in (ADMIN, CORA)), IMPOSTOR),
        "marks a ConfigMap",
        merge("ConfigMap", "free", marked(UID_OF_CHECKOUT)),
        THE_OPERATORS,
    ),
    *by_each(
        (*PRETENDERS, *COLLECTORS),
        "takes the mark off a flag that has lost its label",
        merge("ConfigMap", LOST, marked(None)),
        THE_OPERATORS,
    ),
    *(
        Attempt(f"{actor} {what}", actor, request, outcome)
        for what, request, outcome in ALLOWED
        for actor in (CORA, COURIER)
    ),
    Attempt(
        "the garbage collector takes owners off a flag that has lost its label",
        GARBAGE_COLLECTOR,
        merge("ConfigMap", LOST, {"metadata": {"ownerReferences": None}}),
        accepted(),
    ),
    Attempt(
        "the operator marks what it creates",
        OPERATOR,
        flags("new", {"surefoot.dev/managed": "true"}, annotations={MARK: UID_OF_CHECKOUT}),
        accepted(),
    ),
)
