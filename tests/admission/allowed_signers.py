"""The keys that signatures are checked against: anyone who writes them signs for everybody."""

import dataclasses

from tests.admission.attempt import (
    Attempt,
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
from tests.admission.builders import ALLOWED_SIGNERS, MANAGED, OWNER
from tests.admission.people import (
    ADMIN,
    COLLECTORS,
    CORA,
    COURIER,
    CUSTODIAN,
    CUSTODIAN_BY_GROUP,
    GARBAGE_COLLECTOR,
    HUDSON,
    IMPOSTOR,
    NEIGHBOUR,
    OPERATOR,
)

POLICY = "allowed-signers"
NAME = ALLOWED_SIGNERS
KEYS = {"data": {"allowed_signers": 'hudson namespaces="approval@surefoot.dev" ssh-ed25519 AAAA'}}
CUSTODIANS = refused(
    POLICY,
    "the allowed signers say whose signatures count: forge, members of group implementation may "
    "write them",
)
OR_OWN_ACCOUNT = dataclasses.replace(CUSTODIANS, also_by="surefoot-own-account")

CHANGES: tuple[tuple[str, Request], ...] = (
    ("puts in a key", merge("ConfigMap", NAME, KEYS, at_home=True)),
    ("puts in a key with a replace", replace("ConfigMap", NAME, KEYS, at_home=True)),
    ("puts in a key with an apply and force", apply("ConfigMap", NAME, KEYS, at_home=True)),
    (
        "puts in a key with a JSON patch",
        json_patch("ConfigMap", NAME, added("/data/allowed_signers", "x"), at_home=True),
    ),
    (
        "labels the allowed signers",
        merge("ConfigMap", NAME, {"metadata": {"labels": {"team": "one"}}}, at_home=True),
    ),
    (
        "annotates the allowed signers",
        merge(
            "ConfigMap", NAME, {"metadata": {"annotations": {"example.com/x": "1"}}}, at_home=True
        ),
    ),
    (
        "hangs the allowed signers on an owner that is gone",
        merge("ConfigMap", NAME, {"metadata": {"ownerReferences": [OWNER]}}, at_home=True),
    ),
    ("deletes the allowed signers", delete("ConfigMap", NAME, at_home=True)),
    (
        "deletes the allowed signers as a collection of one",
        delete_all("ConfigMap", fieldSelector=f"metadata.name={NAME}", at_home=True),
    ),
    ("creates the allowed signers", create("ConfigMap", NAME, KEYS, at_home=True)),
)

ALLOWED = (
    *(
        Attempt(f"{actor} {what}", actor, request, CUSTODIANS)
        for what, request in CHANGES
        for actor in (ADMIN, CORA)
    ),
    *(
        Attempt(
            f"{actor} puts in a key",
            actor,
            merge("ConfigMap", NAME, KEYS, at_home=True),
            CUSTODIANS,
        )
        for actor in (HUDSON, NEIGHBOUR, COURIER, IMPOSTOR, *COLLECTORS)
    ),
    Attempt(
        "the operator puts in a key",
        OPERATOR,
        merge("ConfigMap", NAME, KEYS, at_home=True),
        OR_OWN_ACCOUNT,
    ),
    Attempt(
        "the operator deletes the allowed signers",
        OPERATOR,
        delete("ConfigMap", NAME, at_home=True),
        OR_OWN_ACCOUNT,
    ),
    Attempt(
        "admin impersonates nobody in particular and puts in a key",
        ADMIN,
        merge("ConfigMap", NAME, KEYS, at_home=True, fieldManager="surefoot"),
        CUSTODIANS,
    ),
    Attempt(
        "a custodian by name puts in a key",
        CUSTODIAN,
        merge("ConfigMap", NAME, KEYS, at_home=True),
        accepted(data=KEYS["data"]),
    ),
    Attempt(
        "a custodian by group puts in a key",
        CUSTODIAN_BY_GROUP,
        merge("ConfigMap", NAME, KEYS, at_home=True),
        accepted(data=KEYS["data"]),
    ),
    Attempt(
        "a custodian deletes the allowed signers",
        CUSTODIAN,
        delete("ConfigMap", NAME, at_home=True),
        accepted(),
    ),
    Attempt(
        "a custodian makes them a flag's",
        CUSTODIAN,
        merge("ConfigMap", NAME, {"metadata": {"labels": MANAGED}}, at_home=True),
        refused("configmaps"),
    ),
    *(
        Attempt(
            f"{collector} deletes the allowed signers of a namespace that ends",
            collector,
            delete("ConfigMap", NAME, at_home=True),
            accepted(),
        )
        for collector in COLLECTORS
    ),
    Attempt(
        "the garbage collector annotates the allowed signers",
        GARBAGE_COLLECTOR,
        merge("ConfigMap", NAME, {"metadata": {"annotations": {"a": "b"}}}, at_home=True),
        CUSTODIANS,
    ),
    Attempt(
        "cora creates a ConfigMap of that name in her own namespace",
        CORA,
        create("ConfigMap", NAME, KEYS),
        accepted(data=KEYS["data"]),
    ),
    Attempt(
        "cora creates another ConfigMap in the operator's namespace",
        CORA,
        create("ConfigMap", "notes", KEYS, at_home=True),
        accepted(data=KEYS["data"]),
    ),
)
