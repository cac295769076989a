"""Rollouts: who planned them, stamped by admission so that nobody can say otherwise.

The Rollout `checkout` was created by cora and edited by thon, with an attempt that cora asked for.
"""

from collections.abc import Mapping
from typing import Any

from tests.admission.attempt import (
    Attempt,
    Outcome,
    accepted,
    apply,
    by_each,
    create,
    delete,
    delete_all,
    invalid,
    json_patch,
    merge,
    refused,
    removed,
    replace,
    replaced,
    showing,
)
from tests.admission.builders import (
    ATTEMPT_BY,
    AUTHORS,
    CHANGED_BY,
    EDITED_STEPS,
    MARK,
    ON_BEHALF_OF,
    PLAN,
    WITHOUT_ATTEMPT,
    stamps,
)
from tests.admission.people import (
    ADMIN,
    ATLAS,
    COMMA,
    CORA,
    COURIER,
    HUDSON,
    NAMESPACE_CONTROLLER,
    NO_BREAK,
    PAIR,
    THON,
)

POLICY = "stamps"
NAME = "checkout"
AS_IT_IS = stamps("thon", "cora,thon", "thon", "cora")

PLANNED = {"steps": EDITED_STEPS}
PAUSED = {"paused": True}


def stamped(requested: str, authors: str, changed: str, attempt: str) -> Outcome:
    """It is done, and these are the stamps."""
    return showing({"metadata.annotations": stamps(requested, authors, changed, attempt)})


UNCHANGED = showing({"metadata.annotations": AS_IT_IS})


def edit(spec: Mapping[str, Any], annotations: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A patch of the spec, and of the stamps where given."""
    return {
        "spec": dict(spec),
        **({"metadata": {"annotations": dict(annotations)}} if annotations is not None else {}),
    }


def told(says: str) -> Outcome:
    """Refused where nothing is filled in, in words that say what to write."""
    return refused(POLICY, says)


def new(annotations: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A new Rollout."""
    metadata = {"metadata": {"annotations": dict(annotations)}} if annotations else {}
    return {**metadata, "spec": PLAN}


CREATING = (
    Attempt(
        "hudson creates a Rollout",
        HUDSON,
        create("Rollout", "new", new()),
        stamped("hudson", "hudson", "hudson", "hudson"),
        told("under metadata.annotations there must be surefoot.dev/"),
    ),
    Attempt(
        "hudson creates a Rollout with an apply on the server",
        HUDSON,
        apply("Rollout", "new", new(), force=False),
        stamped("hudson", "hudson", "hudson", "hudson"),
        told("under metadata.annotations there must be surefoot.dev/"),
    ),
    Attempt(
        "hudson creates a Rollout and stamps it himself",
        HUDSON,
        create("Rollout", "new", new(stamps("hudson", "hudson", "hudson", "hudson"))),
        stamped("hudson", "hudson", "hudson", "hudson"),
    ),
    *(
        Attempt(
            f"hudson creates a Rollout and forges {annotation}",
            HUDSON,
            create(
                "Rollout",
                "new",
                new({**stamps("hudson", "hudson", "hudson", "hudson"), annotation: "cora"}),
            ),
            stamped("hudson", "hudson", "hudson", "hudson"),
            told("you are hudson; under metadata.annotations there must be "),
        )
        for annotation in AS_IT_IS
    ),
    Attempt(
        "hudson creates a Rollout with more authors than himself",
        HUDSON,
        create("Rollout", "new", new(stamps("hudson", "cora,hudson", "hudson", "hudson"))),
        stamped("hudson", "hudson", "hudson", "hudson"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson creates a Rollout from an exported manifest of cora's",
        HUDSON,
        create("Rollout", "new", new(AS_IT_IS)),
        stamped("hudson", "hudson", "hudson", "hudson"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson creates a Rollout without an attempt",
        HUDSON,
        create(
            "Rollout",
            "new",
            {"spec": WITHOUT_ATTEMPT},
        ),
        stamped("hudson", "hudson", "hudson", "hudson"),
        told("under metadata.annotations there must be surefoot.dev/"),
    ),
    Attempt(
        "a courier creates a Rollout",
        COURIER,
        create("Rollout", "new", new()),
        stamped(COURIER.name, COURIER.name, COURIER.name, COURIER.name),
        told("under metadata.annotations there must be surefoot.dev/"),
    ),
    Attempt(
        "somebody whose name would be two authors creates a Rollout",
        COMMA,
        create("Rollout", "new", new(stamps(*[COMMA.name] * 4))),
        refused(POLICY, "a user whose name has a comma cannot write a plan"),
    ),
    Attempt(
        "somebody whose name would be two authors edits the plan",
        PAIR,
        merge(
            "Rollout",
            NAME,
            edit(PLANNED, stamps(PAIR.name, f"cora,thon,{PAIR.name}", PAIR.name, "cora")),
        ),
        refused(POLICY, "a user whose name has a comma cannot write a plan"),
    ),
    Attempt(
        "somebody whose name would be two authors pauses",
        PAIR,
        merge("Rollout", NAME, edit(PAUSED, {CHANGED_BY: PAIR.name})),
        showing({"metadata.annotations": {**AS_IT_IS, CHANGED_BY: PAIR.name}, "spec.paused": True}),
    ),
)

PLANNING = (
    Attempt(
        "cora edits the plan",
        CORA,
        merge("Rollout", NAME, edit(PLANNED)),
        stamped("cora", "cora,thon", "cora", "cora"),
        told(
            "who changes a Rollout is recorded, and nobody is recorded for another: you are cora; "
            "under metadata.annotations there must be surefoot.dev/"
        ),
    ),
    Attempt(
        "hudson edits the plan",
        HUDSON,
        merge("Rollout", NAME, edit(PLANNED)),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson edits the plan and stamps it himself",
        HUDSON,
        merge(
            "Rollout", NAME, edit(PLANNED, stamps("hudson", "cora,thon,hudson", "hudson", "cora"))
        ),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
    ),
    Attempt(
        "thon edits his own plan again",
        THON,
        merge("Rollout", NAME, edit(PLANNED)),
        UNCHANGED,
    ),
    Attempt(
        "hudson edits the plan with a JSON patch",
        HUDSON,
        json_patch("Rollout", NAME, replaced("/spec/steps/0/percent", 20)),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson edits the plan with an apply and force",
        HUDSON,
        apply("Rollout", NAME, edit(PLANNED)),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson edits the plan as the operator's field manager",
        HUDSON,
        merge("Rollout", NAME, edit(PLANNED), fieldManager="surefoot"),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson edits the plan with a replace that drops the stamps",
        HUDSON,
        replace("Rollout", NAME, {"spec.steps": EDITED_STEPS, "metadata.annotations": {}}),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson edits the plan with a replace of an exported manifest",
        HUDSON,
        replace(
            "Rollout",
            NAME,
            {
                "spec.steps": EDITED_STEPS,
                "metadata.annotations": stamps("cora", "cora", "cora", "cora"),
            },
        ),
        stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "admin edits the plan",
        ADMIN,
        merge("Rollout", NAME, edit(PLANNED)),
        stamped("admin", "cora,thon,admin", "admin", "cora"),
        told("admin"),
    ),
    Attempt(
        "a courier edits the plan",
        COURIER,
        merge("Rollout", NAME, edit(PLANNED)),
        stamped(COURIER.name, f"cora,thon,{COURIER.name}", COURIER.name, "cora"),
        told(COURIER.name),
    ),
    *(
        Attempt(
            f"hudson changes {field} and says that it was him",
            HUDSON,
            merge("Rollout", NAME, edit({field.partition(".")[0]: value}, {CHANGED_BY: "hudson"})),
            stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
            told('surefoot.dev/requested-by: "hudson"'),
        )
        for field, value in {
            "approvals": {"roles": [{"name": "security", "users": ["hudson"]}]},
            "hold": {"soak": "1s"},
            "metrics": [{"name": "errors", "query": "up"}],
            "gates": [{"name": "errors", "atMost": 1}],
            "triggers": [{"name": "errors", "above": 1}],
            "limits": {"maxExpansionFactor": 100},
            "rehearsal": {"mode": "Automatic"},
            "rehearsal.maxAge": {"maxAge": "1d"},
            "coverage": {"metric": "observed"},
            "delivery": {"metric": "seen", "within": "5m"},
            "cohorts": [{"name": "a", "match": {"attribute": "w", "in": ["a"]}, "from": 50}],
            "schedule": {"timeZone": "Europe/Berlin"},
            "dependsOn": [{"rollout": "other", "atLeast": 100}],
            "risks": [{"name": "a", "severity": "Low", "probability": "Low"}],
            "scorecard": {"go": 10, "goWithMonitoring": 5},
        }.items()
    ),
    *(
        Attempt(
            f"hudson takes {field} out of the plan",
            HUDSON,
            merge("Rollout", NAME, edit({field: None}, {CHANGED_BY: "hudson"})),
            stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
            told('surefoot.dev/requested-by: "hudson"'),
        )
        for field in ("limits", "rehearsal")
    ),
    Attempt(
        "hudson edits the plan and a field of people's in one go",
        HUDSON,
        merge("Rollout", NAME, edit({**PLANNED, **PAUSED, "attempt": 2})),
        stamped("hudson", "cora,thon,hudson", "hudson", "hudson"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
)

FORGED = {
    "leaves himself out": stamps("thon", "cora,thon", "hudson", "cora"),
    "leaves cora out": stamps("hudson", "thon,hudson", "hudson", "cora"),
    "puts forge in": stamps("hudson", "cora,thon,forge,hudson", "hudson", "cora"),
    "changes their order": stamps("hudson", "hudson,cora,thon", "hudson", "cora"),
    "names himself twice": stamps("hudson", "cora,thon,hudson,hudson", "hudson", "cora"),
    "says that cora requested it": stamps("cora", "cora,thon,hudson", "hudson", "cora"),
    "says that cora changed it": stamps("hudson", "cora,thon,hudson", "cora", "cora"),
    "says that he asked for the attempt": stamps("hudson", "cora,thon,hudson", "hudson", "hudson"),
    "empties the authors": stamps("hudson", "", "hudson", "cora"),
}

FORGING = (
    *(
        Attempt(
            f"hudson edits the plan and {what}",
            HUDSON,
            merge("Rollout", NAME, edit(PLANNED, forged)),
            stamped("hudson", "cora,thon,hudson", "hudson", "cora"),
            told("you are hudson; under metadata.annotations there must be "),
        )
        for what, forged in FORGED.items()
    ),
    *(
        Attempt(
            f"{actor} changes nothing but {annotation}",
            actor,
            merge("Rollout", NAME, {"metadata": {"annotations": {annotation: "forge"}}}),
            UNCHANGED,
            told("nobody is recorded for another"),
        )
        for annotation in AS_IT_IS
        for actor in (THON, ADMIN)
    ),
    *(
        Attempt(
            f"thon takes {annotation} off",
            THON,
            merge("Rollout", NAME, {"metadata": {"annotations": {annotation: None}}}),
            UNCHANGED,
            told("nobody is recorded for another"),
        )
        for annotation in AS_IT_IS
    ),
    Attempt(
        "thon takes all annotations off with a replace",
        THON,
        replace("Rollout", NAME, {"metadata.annotations": {}}),
        UNCHANGED,
        told("nobody is recorded for another"),
    ),
    Attempt(
        "thon takes all annotations off with a JSON patch",
        THON,
        json_patch("Rollout", NAME, removed("/metadata/annotations")),
        UNCHANGED,
        told("nobody is recorded for another"),
    ),
    Attempt(
        "atlas adds an author without a change of the plan",
        ATLAS,
        merge("Rollout", NAME, {"metadata": {"annotations": {AUTHORS: "cora,thon,atlas"}}}),
        UNCHANGED,
        told("nobody is recorded for another"),
    ),
)

STOPPING = (
    *(
        Attempt(
            f"hudson {what}, and may still approve",
            HUDSON,
            merge("Rollout", NAME, edit(spec)),
            stamped("thon", "cora,thon", "hudson", "cora"),
            told("you are hudson; under metadata.annotations there must be "),
        )
        for what, spec in (
            ("pauses", PAUSED),
            ("rolls back", {"rollback": {"to": 0, "reason": "complaints"}}),
            ("says what becomes of the ConfigMap", {"target": {"onDelete": "Zero"}}),
            ("rehearses", {"rehearsal": {"run": 1}}),
            ("takes the attempt out", {"attempt": None}),
            ("asks for a dry run of the approval", {"approvalDryRun": {"run": 1, "to": 25}}),
        )
    ),
    Attempt(
        "hudson pauses and says that it was him",
        HUDSON,
        merge("Rollout", NAME, edit(PAUSED, {CHANGED_BY: "hudson"})),
        stamped("thon", "cora,thon", "hudson", "cora"),
    ),
    Attempt(
        "hudson pauses and says that it was cora",
        HUDSON,
        merge("Rollout", NAME, edit(PAUSED, {CHANGED_BY: "cora"})),
        stamped("thon", "cora,thon", "hudson", "cora"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson pauses and makes himself the one who requested it",
        HUDSON,
        merge("Rollout", NAME, edit(PAUSED, stamps("hudson", "cora,thon", "hudson", "cora"))),
        stamped("thon", "cora,thon", "hudson", "cora"),
        told("nobody is recorded for another"),
    ),
    Attempt(
        "hudson asks for another attempt",
        HUDSON,
        merge("Rollout", NAME, edit({"attempt": 2})),
        stamped("thon", "cora,thon", "hudson", "hudson"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson asks for another attempt and says that it was him",
        HUDSON,
        merge("Rollout", NAME, edit({"attempt": 2}, {CHANGED_BY: "hudson", ATTEMPT_BY: "hudson"})),
        stamped("thon", "cora,thon", "hudson", "hudson"),
    ),
    Attempt(
        "hudson asks for another attempt and says that it was cora",
        HUDSON,
        merge("Rollout", NAME, edit({"attempt": 2}, {CHANGED_BY: "hudson", ATTEMPT_BY: "cora"})),
        stamped("thon", "cora,thon", "hudson", "hudson"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "hudson asks for an earlier attempt",
        HUDSON,
        merge("Rollout", NAME, edit({"attempt": 0}, {CHANGED_BY: "hudson", ATTEMPT_BY: "hudson"})),
        invalid("attempt may only rise"),
    ),
)


def third_time(changed: str, attempt: str) -> Outcome:
    """It is done, and these are the stamps of the Rollout that cora created on atlas's behalf."""
    annotations = stamps("cora", "cora", changed, attempt)
    return showing({"metadata.annotations": {**annotations, ON_BEHALF_OF: "atlas", MARK: "made"}})


ATTEMPTS = (
    Attempt(
        "hudson asks for the first attempt after those that the operator has seen",
        HUDSON,
        merge("Rollout", "third-time", edit({"attempt": 4})),
        third_time("hudson", "hudson"),
        told("you are hudson; under metadata.annotations there must be "),
    ),
    Attempt(
        "thon writes the attempt that is going on, which cora has asked for",
        THON,
        merge("Rollout", "third-time", edit({"attempt": 3})),
        third_time("thon", "cora"),
        told("you are thon; under metadata.annotations there must be "),
    ),
    Attempt(
        "thon writes an attempt of none",
        THON,
        merge("Rollout", "third-time", edit({"attempt": 0})),
        third_time("thon", "cora"),
        told("you are thon; under metadata.annotations there must be "),
    ),
)

EVERYDAY = (
    Attempt(
        "hudson labels a Rollout",
        HUDSON,
        merge("Rollout", NAME, {"metadata": {"labels": {"team": "one"}}}),
        UNCHANGED,
    ),
    Attempt(
        "hudson sends a Rollout back as it is",
        HUDSON,
        replace("Rollout", NAME, {}),
        UNCHANGED,
    ),
    Attempt(
        "hudson writes a duration that was the default",
        HUDSON,
        merge("Rollout", NAME, edit({"rehearsal": {"maxAge": "7d"}})),
        UNCHANGED,
    ),
    Attempt(
        "cora changes the target",
        CORA,
        merge("Rollout", NAME, edit({"target": {"configMapName": "other"}})),
        invalid("the target may not be changed"),
    ),
    *by_each((CORA, ADMIN, COURIER), "deletes a Rollout", delete("Rollout", NAME), accepted()),
    Attempt(
        "cora deletes a Rollout in the foreground",
        CORA,
        delete("Rollout", NAME, propagationPolicy="Foreground"),
        accepted(),
    ),
    Attempt(
        "the namespace controller deletes all Rollouts",
        NAMESPACE_CONTROLLER,
        delete_all("Rollout"),
        accepted(),
    ),
    Attempt(
        "somebody with a no-break space in the name creates a Rollout",
        NO_BREAK,
        create("Rollout", "new", new()),
        stamped(*[NO_BREAK.name] * 4),
        told("under metadata.annotations there must be surefoot.dev/"),
    ),
)

ROLLOUTS = (*CREATING, *PLANNING, *FORGING, *STOPPING, *ATTEMPTS, *EVERYDAY)
