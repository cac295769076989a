"""The operator can do to ConfigMaps all that it must, and a thief of its token no more."""

from typing import Any

from tests.admission.attempt import (
    STRATEGIC,
    Attempt,
    Outcome,
    Request,
    accepted,
    added,
    apply,
    create,
    delete,
    delete_all,
    json_patch,
    merge,
    refused,
    replace,
)
from tests.admission.builders import (
    BARE,
    CONFIG,
    CURSOR,
    LOST,
    MANAGED,
    OFFERED,
    OWNER,
    UID_OF_CHECKOUT,
    flags,
)
from tests.admission.config_maps import LABEL, NAME, labelled
from tests.admission.people import OPERATOR, OPERATOR_BY_ADMIN, OPERATOR_ELSEWHERE
from tests.contract.manifests import REMOVED

POLICY = "own-account"
ADOPT = "surefoot.dev/adopt"
ABANDONED = "surefoot.dev/abandoned"
ROLLOUT = "surefoot.dev/rollout"
ROLLOUT_UID = "surefoot.dev/rollout-uid"
EVERYBODY_IN = {"checkout": "100"}

CREATES = refused(POLICY, "it creates only ConfigMaps that carry the label surefoot.dev/managed")
HALTS = refused(POLICY, "a halt is declared and lifted by people")
WRITES = refused(POLICY, "which does not carry the label surefoot.dev/managed")
DELETES = refused(POLICY, "the operator may not delete ConfigMap")
TAKES_OVER = refused(
    POLICY, "carries no mark of the operator, so the operator does not write over it"
)
RELEASES = refused(POLICY, "only to offer it to a Rollout of the same name")
HOLDS = refused(POLICY, "the operator may write only percentages and JSON documents")


def annotated(**annotations: str | None) -> dict[str, Any]:
    """A patch of annotations of surefoot.dev."""
    full = {f"surefoot.dev/{name.replace('_', '-')}": v for name, v in annotations.items()}
    return {"metadata": {"annotations": full}}


def taken(name: str, edits: dict[str, Any] | None = None, **annotations: str) -> Request:
    """The managed label is put on a ConfigMap, and these annotations."""
    metadata = {**annotated(**annotations)["metadata"], "labels": MANAGED}
    return merge("ConfigMap", name, {"metadata": metadata, **(edits or {})})


def released(name: str = NAME, **annotations: str | None) -> Request:
    """The managed label is taken off, and these annotations are put on or taken off."""
    metadata = {**annotated(**annotations)["metadata"], "labels": {LABEL: None}}
    return merge("ConfigMap", name, {"metadata": metadata})


OF_OTHERS: tuple[tuple[str, Request, Outcome], ...] = (
    ("writes a ConfigMap of others", merge("ConfigMap", "free", {"data": EVERYBODY_IN}), WRITES),
    (
        "writes a ConfigMap of others with a replace",
        replace("ConfigMap", "free", {"data.checkout": "100"}),
        WRITES,
    ),
    (
        "writes a ConfigMap of others with an apply and force",
        apply("ConfigMap", "free", {"data": EVERYBODY_IN}, manager="surefoot"),
        WRITES,
    ),
    (
        "writes a ConfigMap of others with a strategic patch",
        Request("PATCH", "ConfigMap", "free", {"data": EVERYBODY_IN}, STRATEGIC),
        WRITES,
    ),
    (
        "labels a ConfigMap of others",
        merge("ConfigMap", "free", {"metadata": {"labels": {"team": "one"}}}),
        WRITES,
    ),
    (
        "hangs a ConfigMap of others on an owner that is gone",
        merge("ConfigMap", "free", {"metadata": {"ownerReferences": [OWNER]}}),
        WRITES,
    ),
    (
        "offers a ConfigMap of others to itself",
        merge("ConfigMap", "free", annotated(adopt="checkout")),
        WRITES,
    ),
    (
        "marks a ConfigMap of others with a Rollout",
        merge("ConfigMap", "free", annotated(rollout_uid=UID_OF_CHECKOUT)),
        WRITES,
    ),
    (
        "marks a ConfigMap of others as abandoned",
        merge("ConfigMap", "free", annotated(abandoned="x")),
        WRITES,
    ),
    ("takes a ConfigMap of others", taken("free", rollout="checkout"), TAKES_OVER),
    (
        "takes a ConfigMap of others and says what to do about it",
        taken("free", rollout="checkout"),
        refused(POLICY, " free surefoot.dev/adopt=checkout"),
    ),
    (
        "takes a ConfigMap of others and marks it with a Rollout in one write",
        taken("free", rollout="checkout", rollout_uid=UID_OF_CHECKOUT),
        TAKES_OVER,
    ),
    (
        "takes a ConfigMap of others and offers it in one write",
        taken("free", rollout="checkout", adopt="checkout"),
        TAKES_OVER,
    ),
    ("takes a ConfigMap of others without annotations", taken("free"), TAKES_OVER),
    (
        "makes a ConfigMap of others a copy for a rehearsal",
        merge("ConfigMap", "free", labelled("rehearsal")),
        TAKES_OVER,
    ),
    ("deletes a ConfigMap of others", delete("ConfigMap", "free"), DELETES),
    (
        "deletes a ConfigMap of the control plane",
        delete("ConfigMap", "kube-root-ca.crt"),
        DELETES,
    ),
    ("deletes all ConfigMaps", delete_all("ConfigMap"), DELETES),
    ("creates a ConfigMap without the label", flags("new", {}), CREATES),
    (
        "creates a ConfigMap that looks like its own",
        flags("new", {"app.kubernetes.io/managed-by": "surefoot"}),
        CREATES,
    ),
    (
        "creates a ConfigMap that is offered to itself",
        flags("new", {}, annotations={ADOPT: "checkout"}),
        CREATES,
    ),
    (
        "creates a ConfigMap without the label by an apply",
        apply("ConfigMap", "new", {"data": EVERYBODY_IN}),
        CREATES,
    ),
    (
        "creates a ConfigMap without the label and with a generated name",
        create("ConfigMap", "", {"metadata": {"generateName": "surefoot-record-"}, "data": {}}),
        CREATES,
    ),
    (
        "halts a namespace",
        create("ConfigMap", "surefoot-halt", {"data": {"reason": "none"}}),
        HALTS,
    ),
    ("halts a namespace by what looks like a flag", flags("surefoot-halt", MANAGED), HALTS),
)

AT_HOME: tuple[tuple[str, Request, Outcome], ...] = (
    (
        "rewrites its own configuration",
        merge(
            "ConfigMap", CONFIG, {"data": {"config.yaml": "admission: Unenforced"}}, at_home=True
        ),
        WRITES,
    ),
    ("deletes its own configuration", delete("ConfigMap", CONFIG, at_home=True), DELETES),
    (
        "takes its own configuration for a flag",
        merge("ConfigMap", CONFIG, {"metadata": {"labels": MANAGED}}, at_home=True),
        TAKES_OVER,
    ),
    (
        "creates another ConfigMap in its own namespace",
        create("ConfigMap", "notes", {"data": {}}, at_home=True),
        CREATES,
    ),
    ("deletes what a sink has received", delete("ConfigMap", CURSOR, at_home=True), DELETES),
    (
        "creates a cursor in another namespace",
        create("ConfigMap", "surefoot-record-new", {"data": {}}),
        CREATES,
    ),
    (
        "writes a cursor",
        merge("ConfigMap", CURSOR, {"data": {"uid": "t h"}}, at_home=True),
        accepted(data={"uid": "t h"}),
    ),
    (
        "writes a cursor with a replace",
        replace("ConfigMap", CURSOR, {"data": {"uid": "t h"}}, at_home=True),
        accepted(data={"uid": "t h"}),
    ),
    (
        "creates a cursor",
        create(
            "ConfigMap",
            "surefoot-record-new",
            {
                "metadata": {"labels": {"app.kubernetes.io/managed-by": "surefoot"}},
                "data": {"uid": "t h"},
            },
            at_home=True,
        ),
        accepted(),
    ),
)

CONTENT: tuple[tuple[str, Request, Outcome], ...] = (
    (
        "creates a ConfigMap that grants something to anyone who reads it",
        create(
            "ConfigMap",
            "aws-auth",
            {"metadata": {"labels": MANAGED}, "data": {"mapRoles": "- groups: [system:masters]"}},
        ),
        HOLDS,
    ),
    (
        "writes a flag that is no percentage",
        replace("ConfigMap", NAME, {"data.checkout": "100%"}),
        HOLDS,
    ),
    ("writes a long number", merge("ConfigMap", NAME, {"data": {"checkout": "1000"}}), HOLDS),
    ("writes an empty flag", merge("ConfigMap", NAME, {"data": {"checkout": ""}}), HOLDS),
    (
        "puts a file beside a flag",
        merge("ConfigMap", NAME, {"data": {"nginx.conf": "server {}"}}),
        HOLDS,
    ),
    (
        "puts binary data beside a flag",
        merge("ConfigMap", NAME, {"binaryData": {"other": "MTAw"}}),
        HOLDS,
    ),
    (
        "creates a ConfigMap with binary data",
        create(
            "ConfigMap", "new", {"metadata": {"labels": MANAGED}, "binaryData": {"other": "MTAw"}}
        ),
        HOLDS,
    ),
    (
        "takes an offered ConfigMap and puts a file in",
        taken(OFFERED, {"data": {"nginx.conf": "server {}"}}, rollout="checkout"),
        HOLDS,
    ),
    (
        "releases a ConfigMap and puts a file in",
        merge(
            "ConfigMap",
            NAME,
            {
                "metadata": {**annotated(adopt="checkout")["metadata"], "labels": {LABEL: None}},
                "data": {"nginx.conf": "server {}"},
            },
        ),
        HOLDS,
    ),
    (
        "writes flags and their documents",
        merge(
            "ConfigMap",
            NAME,
            {
                "data": {
                    "checkout": "25",
                    "checkout.json": '{"percent":25}',
                    "flags.flagd.json": "{}",
                }
            },
        ),
        accepted(data__checkout="25"),
    ),
    (
        "removes what is not its own from a flag's ConfigMap",
        replace(
            "ConfigMap",
            OFFERED,
            {
                "data": {"checkout": "10"},
                "metadata.labels": MANAGED,
                "metadata.annotations": {ADOPT: "checkout", ROLLOUT: "checkout"},
            },
        ),
        accepted(data={"checkout": "10"}),
    ),
)

ADOPTING: tuple[tuple[str, Request, Outcome], ...] = (
    (
        "adopts what is offered to the Rollout, with what others have put in",
        taken(OFFERED, rollout="checkout", rollout_uid=UID_OF_CHECKOUT),
        accepted(metadata__labels=MANAGED),
    ),
    ("adopts what is offered to another Rollout", taken(OFFERED, rollout="cart"), TAKES_OVER),
    ("adopts what is offered and does not say for which Rollout", taken(OFFERED), TAKES_OVER),
    (
        "marks an offered ConfigMap as abandoned",
        merge("ConfigMap", OFFERED, annotated(abandoned="x")),
        accepted(),
    ),
    *(
        (f"marks an offered ConfigMap as abandoned and {what}", request, WRITES)
        for what, request in (
            (
                "moves everybody in",
                merge("ConfigMap", OFFERED, {**annotated(abandoned="x"), "data": EVERYBODY_IN}),
            ),
            (
                "adds binary data",
                merge(
                    "ConfigMap", OFFERED, {**annotated(abandoned="x"), "binaryData": {"a": "MTAw"}}
                ),
            ),
            (
                "makes it immutable",
                merge("ConfigMap", OFFERED, {**annotated(abandoned="x"), "immutable": True}),
            ),
            (
                "labels it",
                merge(
                    "ConfigMap",
                    OFFERED,
                    {"metadata": {"annotations": {ABANDONED: "x"}, "labels": {"team": "one"}}},
                ),
            ),
            (
                "hangs it on an owner that is gone",
                merge(
                    "ConfigMap",
                    OFFERED,
                    {"metadata": {"annotations": {ABANDONED: "x"}, "ownerReferences": [OWNER]}},
                ),
            ),
            (
                "keeps it from being deleted",
                merge(
                    "ConfigMap",
                    OFFERED,
                    {"metadata": {"annotations": {ABANDONED: "x"}, "finalizers": ["a.example/b"]}},
                ),
            ),
            (
                "takes the offer off",
                merge("ConfigMap", OFFERED, annotated(abandoned="x", adopt=None)),
            ),
            (
                "offers it to another Rollout",
                merge("ConfigMap", OFFERED, annotated(abandoned="x", adopt="cart")),
            ),
            (
                "marks it with a Rollout",
                merge("ConfigMap", OFFERED, annotated(abandoned="x", rollout_uid=UID_OF_CHECKOUT)),
            ),
        )
    ),
    (
        "moves an offered ConfigMap without adopting it",
        merge("ConfigMap", OFFERED, {"data": EVERYBODY_IN}),
        WRITES,
    ),
    (
        "deletes an offered ConfigMap, which is immutable and created again as a flag",
        delete("ConfigMap", OFFERED),
        accepted(),
    ),
)

RESTORING: tuple[tuple[str, Request, Outcome], ...] = (
    (
        "restores the label of a flag that has lost it",
        taken(LOST, {"data": {"checkout": "25"}}, rollout="checkout"),
        accepted(data__checkout="25"),
    ),
    (
        "restores the label for another Rollout",
        taken(LOST, rollout="cart", rollout_uid="another"),
        TAKES_OVER,
    ),
    (
        "writes a flag that has lost its label without restoring it",
        merge("ConfigMap", LOST, {"data": {"checkout": "25"}}),
        WRITES,
    ),
    (
        "marks a flag that has lost its label as abandoned",
        merge("ConfigMap", LOST, annotated(abandoned="x")),
        accepted(),
    ),
    (
        "takes its mark off a flag that has lost its label",
        merge("ConfigMap", LOST, annotated(rollout_uid=None)),
        WRITES,
    ),
    ("deletes a flag that has lost its label", delete("ConfigMap", LOST), accepted()),
)

RELEASING: tuple[tuple[str, Request, Outcome], ...] = (
    (
        "releases a flag and offers it to a Rollout of the same name",
        released(adopt="checkout", rollout_uid=None),
        accepted(),
    ),
    (
        "releases a flag and turns it off",
        merge(
            "ConfigMap",
            NAME,
            {
                "metadata": {
                    "annotations": {ADOPT: "checkout", ROLLOUT_UID: None},
                    "labels": {LABEL: None},
                },
                "data": {"checkout": "0", "checkout.json": '{"percent":0}'},
            },
        ),
        accepted(data__checkout="0"),
    ),
    ("takes the label off a flag", released(), RELEASES),
    ("takes the label off a flag of no Rollout", released(BARE), RELEASES),
    ("releases a flag and offers it to another Rollout", released(adopt="cart"), RELEASES),
    (
        "releases a flag and marks it with its Rollout",
        released(adopt="checkout", rollout_uid=UID_OF_CHECKOUT),
        RELEASES,
    ),
    (
        "takes all labels off a flag with a replace",
        replace("ConfigMap", NAME, {"metadata.labels": REMOVED}),
        RELEASES,
    ),
    (
        "takes all labels and annotations off a flag",
        replace("ConfigMap", NAME, {"metadata.labels": REMOVED, "metadata.annotations": REMOVED}),
        RELEASES,
    ),
    (
        "makes a copy for a rehearsal of a flag that carries the label",
        merge("ConfigMap", NAME, labelled("rehearsal")),
        accepted(),
    ),
    (
        "deletes all ConfigMaps that carry the label",
        delete_all("ConfigMap", labelSelector=f"{LABEL}=true"),
        accepted(),
    ),
    (
        "hangs a flag on an owner with a JSON patch",
        json_patch("ConfigMap", NAME, added("/metadata/ownerReferences", [OWNER])),
        accepted(),
    ),
)

OWN_ACCOUNT = (
    *(
        Attempt(f"the operator {what}", OPERATOR, request, outcome)
        for what, request, outcome in (
            *OF_OTHERS,
            *AT_HOME,
            *CONTENT,
            *ADOPTING,
            *RESTORING,
            *RELEASING,
        )
    ),
    Attempt(
        "admin --as the operator writes a ConfigMap of others",
        OPERATOR_BY_ADMIN,
        merge("ConfigMap", "free", {"data": EVERYBODY_IN}),
        WRITES,
    ),
    Attempt(
        "an account named as the operator, elsewhere, writes a ConfigMap of others",
        OPERATOR_ELSEWHERE,
        merge("ConfigMap", "free", {"data": EVERYBODY_IN}),
        accepted(data__checkout="100"),
    ),
)
