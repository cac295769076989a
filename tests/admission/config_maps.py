"""The flags: what the operator has written, nobody else moves."""

from typing import Any

from tests.admission.attempt import (
    STRATEGIC,
    Attempt,
    Request,
    accepted,
    added,
    apply,
    by_each,
    create,
    delete,
    delete_all,
    json_patch,
    merge,
    refused,
    removed,
    replace,
    replaced,
)
from tests.admission.builders import MANAGED, OFFERED, OWNER, flags
from tests.admission.people import (
    ADMIN,
    ATLAS,
    COLLECTORS,
    CONTROLLER_MANAGER,
    CORA,
    COURIER,
    EVERYBODY_ELSE,
    FORGE,
    GARBAGE_COLLECTOR,
    HUDSON,
    IMPOSTOR,
    NAMESPACE_CONTROLLER,
    NEIGHBOUR,
    OPERATOR,
    OPERATOR_BY_ADMIN,
    PRETENDERS,
    THON,
)
from tests.contract.manifests import REMOVED

POLICY = "configmaps"
NAME = "checkout-flags"
LABEL = "surefoot.dev/managed"
OPERATORS = refused(POLICY, "is written by the operator only")
THE_LABEL = refused(POLICY, "the label surefoot.dev/managed is the operator's")
A_PROBE = refused(POLICY, "this is a probe: the policy lives")
LABEL_POINTER = "/metadata/labels/surefoot.dev~1managed"

EVERYTHING = {"data": {"checkout": "100"}}


def labelled(value: str | None) -> dict[str, Any]:
    """A patch of the label by which the operator knows its own."""
    return {"metadata": {"labels": {LABEL: value}}}


CHANGES: tuple[tuple[str, Request], ...] = (
    ("moves everybody in", merge("ConfigMap", NAME, EVERYTHING)),
    ("adds a flag", merge("ConfigMap", NAME, {"data": {"other": "100"}})),
    ("removes a flag", merge("ConfigMap", NAME, {"data": {"checkout": None}})),
    (
        "moves everybody in with a strategic patch",
        Request("PATCH", "ConfigMap", NAME, EVERYTHING, STRATEGIC),
    ),
    (
        "moves everybody in with a JSON patch",
        json_patch("ConfigMap", NAME, replaced("/data/checkout", "100")),
    ),
    ("moves everybody in with a replace", replace("ConfigMap", NAME, {"data.checkout": "100"})),
    ("moves everybody in with an apply and force", apply("ConfigMap", NAME, EVERYTHING)),
    (
        "moves everybody in as the operator's field manager",
        apply("ConfigMap", NAME, EVERYTHING, manager="surefoot"),
    ),
    ("adds binary data", merge("ConfigMap", NAME, {"binaryData": {"other": "MTAw"}})),
    ("makes it immutable", merge("ConfigMap", NAME, {"immutable": True})),
    ("takes the label off", merge("ConfigMap", NAME, labelled(None))),
    (
        "takes the label off with a JSON patch",
        json_patch("ConfigMap", NAME, removed(LABEL_POINTER)),
    ),
    (
        "takes the label off and moves everybody in, in one go",
        merge("ConfigMap", NAME, {**labelled(None), **EVERYTHING}),
    ),
    (
        "takes all labels off with a replace",
        replace("ConfigMap", NAME, {"metadata.labels": REMOVED}),
    ),
    ("relabels it", merge("ConfigMap", NAME, labelled("false"))),
    ("makes it a copy for a rehearsal", merge("ConfigMap", NAME, labelled("rehearsal"))),
    ("adds another label", merge("ConfigMap", NAME, {"metadata": {"labels": {"team": "one"}}})),
    (
        "annotates it with another transition",
        merge(
            "ConfigMap", NAME, {"metadata": {"annotations": {"surefoot.dev/transition-id": "x"}}}
        ),
    ),
    (
        "annotates it with something of their own",
        merge("ConfigMap", NAME, {"metadata": {"annotations": {"example.com/x": "1"}}}),
    ),
    (
        "puts a finalizer on it",
        merge("ConfigMap", NAME, {"metadata": {"finalizers": ["example.com/stay"]}}),
    ),
    (
        "hangs it on an owner that is gone",
        merge("ConfigMap", NAME, {"metadata": {"ownerReferences": [OWNER]}}),
    ),
    (
        "hangs it on an owner that is gone, with a JSON patch",
        json_patch("ConfigMap", NAME, added("/metadata/ownerReferences", [OWNER])),
    ),
    ("deletes it", delete("ConfigMap", NAME)),
    ("deletes it in the foreground", delete("ConfigMap", NAME, propagationPolicy="Foreground")),
    ("deletes it at once", delete("ConfigMap", NAME, gracePeriodSeconds=0)),
    ("deletes all", delete_all("ConfigMap")),
    ("deletes all that are managed", delete_all("ConfigMap", labelSelector=f"{LABEL}=true")),
    (
        "deletes it as a collection of one",
        delete_all("ConfigMap", fieldSelector=f"metadata.name={NAME}"),
    ),
)

LABELLING: tuple[tuple[str, Request], ...] = (
    ("creates one with the label", flags("new", MANAGED)),
    ("creates one with another value of the label", flags("new", {LABEL: "false"})),
    ("creates one with an empty label", flags("new", {LABEL: ""})),
    (
        "creates one with the label and a generated name",
        create(
            "ConfigMap",
            "",
            {"metadata": {"generateName": "flags-", "labels": MANAGED}, "data": {}},
        ),
    ),
    (
        "creates one with the label by an apply",
        apply("ConfigMap", "new", {"metadata": {"labels": MANAGED}, "data": {}}),
    ),
    ("labels one that was free", merge("ConfigMap", "free", labelled("true"))),
    ("creates a copy for a rehearsal", flags("new", {LABEL: "rehearsal"})),
    ("makes one that was free a copy", merge("ConfigMap", "free", labelled("rehearsal"))),
)

PROBES: tuple[tuple[str, Request], ...] = (
    ("creates a probe", flags("new", {LABEL: "probe"})),
    ("labels one that was free as a probe", merge("ConfigMap", "free", labelled("probe"))),
    ("labels it as a probe", merge("ConfigMap", NAME, labelled("probe"))),
)

MOVING = tuple(
    Attempt(f"{actor} {what}", actor, request, refusal)
    for changes, refusal in ((CHANGES, OPERATORS), (LABELLING, THE_LABEL), (PROBES, A_PROBE))
    for what, request in changes
    for actor in (ADMIN, CORA)
)

BY_OTHERS = (
    *by_each(
        tuple(actor for actor in (*EVERYBODY_ELSE, IMPOSTOR) if actor not in (ADMIN, CORA)),
        "moves everybody in",
        merge("ConfigMap", NAME, EVERYTHING),
        OPERATORS,
    ),
    *by_each(
        (FORGE, NEIGHBOUR, IMPOSTOR, COURIER),
        "deletes a flag's ConfigMap",
        delete("ConfigMap", NAME),
        OPERATORS,
    ),
    *by_each(
        COLLECTORS,
        "moves everybody in",
        merge("ConfigMap", NAME, EVERYTHING),
        OPERATORS,
    ),
    *by_each(
        (GARBAGE_COLLECTOR, NAMESPACE_CONTROLLER),
        "takes the label off",
        merge("ConfigMap", NAME, labelled(None)),
        OPERATORS,
    ),
    *by_each(
        PRETENDERS,
        "moves everybody in",
        merge("ConfigMap", NAME, EVERYTHING),
        refused(POLICY, "carries the flags of rollout checkout and is written by the operator"),
    ),
    Attempt(
        "the garbage collector creates one",
        GARBAGE_COLLECTOR,
        flags("new", MANAGED),
        THE_LABEL,
    ),
    *(
        Attempt(f"the garbage collector {what}", GARBAGE_COLLECTOR, request, OPERATORS)
        for what, request in (
            ("adds binary data", merge("ConfigMap", NAME, {"binaryData": {"other": "MTAw"}})),
            ("makes one immutable", merge("ConfigMap", NAME, {"immutable": True})),
            (
                "changes a FeatureFlag",
                merge("FeatureFlag", NAME, {"spec": {"flagSpec": {"flags": {"checkout": {}}}}}),
            ),
        )
    ),
    Attempt(
        "the garbage collector annotates one with another transition",
        GARBAGE_COLLECTOR,
        merge(
            "ConfigMap", NAME, {"metadata": {"annotations": {"surefoot.dev/transition-id": "x"}}}
        ),
        OPERATORS,
    ),
    Attempt(
        "the operator creates a probe",
        OPERATOR,
        flags("new", {LABEL: "probe"}),
        A_PROBE,
    ),
    Attempt(
        "the operator makes one a probe",
        OPERATOR,
        merge("ConfigMap", NAME, labelled("probe")),
        A_PROBE,
    ),
)

LEGITIMATE = (
    Attempt(
        "the operator moves the flag",
        OPERATOR,
        replace("ConfigMap", NAME, {"data.checkout": "25"}),
        accepted(data__checkout="25"),
    ),
    Attempt("the operator creates one", OPERATOR, flags("new", MANAGED), accepted()),
    Attempt("the operator deletes one", OPERATOR, delete("ConfigMap", NAME), accepted()),
    Attempt(
        "the operator creates a copy for a rehearsal",
        OPERATOR,
        flags("new", {LABEL: "rehearsal"}),
        accepted(),
    ),
    Attempt(
        "admin --as the operator moves the flag, which looks like the operator",
        OPERATOR_BY_ADMIN,
        merge("ConfigMap", NAME, EVERYTHING),
        accepted(data__checkout="100"),
    ),
    Attempt(
        "the operator adopts one that was offered",
        OPERATOR,
        merge(
            "ConfigMap",
            OFFERED,
            {"metadata": {"labels": MANAGED, "annotations": {"surefoot.dev/rollout": "checkout"}}},
        ),
        accepted(metadata__labels=MANAGED),
    ),
    Attempt(
        "the operator releases one",
        OPERATOR,
        replace(
            "ConfigMap",
            NAME,
            {
                "metadata.labels": REMOVED,
                "metadata.annotations": {"surefoot.dev/adopt": "checkout"},
            },
        ),
        accepted(),
    ),
    Attempt(
        "the operator owns one",
        OPERATOR,
        merge("ConfigMap", NAME, {"metadata": {"ownerReferences": [OWNER]}}),
        accepted(),
    ),
    *(
        Attempt(f"{collector} deletes one", collector, delete("ConfigMap", NAME), accepted())
        for collector in COLLECTORS
    ),
    Attempt(
        "the controller manager deletes one in the foreground",
        CONTROLLER_MANAGER,
        delete("ConfigMap", NAME, propagationPolicy="Foreground"),
        accepted(),
    ),
    Attempt(
        "the namespace controller deletes all",
        NAMESPACE_CONTROLLER,
        delete_all("ConfigMap"),
        accepted(),
    ),
    Attempt(
        "the garbage collector takes the owner off: it is orphaned",
        GARBAGE_COLLECTOR,
        merge("ConfigMap", NAME, {"metadata": {"ownerReferences": None}}),
        accepted(),
    ),
    Attempt(
        "cora changes one that is not managed",
        CORA,
        merge("ConfigMap", "free", EVERYTHING),
        accepted(data__checkout="100"),
    ),
    Attempt(
        "cora offers one for adoption",
        CORA,
        merge(
            "ConfigMap", "free", {"metadata": {"annotations": {"surefoot.dev/adopt": "checkout"}}}
        ),
        accepted(),
    ),
    Attempt(
        "atlas deletes one that is not managed", ATLAS, delete("ConfigMap", "free"), accepted()
    ),
    Attempt(
        "thon halts the namespace",
        THON,
        create("ConfigMap", "surefoot-halt", {"data": {"reason": "an incident"}}),
        accepted(),
    ),
    Attempt(
        "hudson squats on a name without the label",
        HUDSON,
        flags("new", {"app.kubernetes.io/managed-by": "surefoot"}),
        accepted(),
    ),
)

FEATURE_FLAG: tuple[tuple[str, Request], ...] = (
    (
        "changes a managed FeatureFlag",
        merge("FeatureFlag", NAME, {"spec": {"flagSpec": {"flags": {"checkout": {}}}}}),
    ),
    ("takes the label off a FeatureFlag", merge("FeatureFlag", NAME, labelled(None))),
    ("deletes a managed FeatureFlag", delete("FeatureFlag", NAME)),
    ("deletes all FeatureFlags", delete_all("FeatureFlag")),
    (
        "creates a FeatureFlag with the label",
        create("FeatureFlag", "new", {"metadata": {"labels": MANAGED}, "spec": {}}),
    ),
)

FEATURE_FLAGS = (
    *(
        Attempt(f"{actor} {what}", actor, request, THE_LABEL if "creates" in what else OPERATORS)
        for what, request in FEATURE_FLAG
        for actor in (ADMIN, CORA)
    ),
    Attempt(
        "the operator changes a managed FeatureFlag",
        OPERATOR,
        merge("FeatureFlag", NAME, {"spec": {"flagSpec": {"flags": {"checkout": {}}}}}),
        accepted(),
    ),
    Attempt(
        "the garbage collector deletes a managed FeatureFlag",
        GARBAGE_COLLECTOR,
        delete("FeatureFlag", NAME),
        accepted(),
    ),
    Attempt(
        "cora changes a FeatureFlag that is not managed",
        CORA,
        merge("FeatureFlag", "free", {"spec": {"flagSpec": {"flags": {"checkout": {}}}}}),
        accepted(),
    ),
)

CONFIG_MAPS = (*MOVING, *BY_OTHERS, *LEGITIMATE, *FEATURE_FLAGS)
