"""Deciding: in whose name, for whom, and what becomes of a decision afterwards."""

from tests.admission.attempt import (
    Attempt,
    accepted,
    added,
    apply,
    as_if,
    forbidden,
    invalid,
    json_patch,
    merge,
    refused,
    removed,
    replace,
    replaced,
)
from tests.admission.builders import OWNER, decide, report
from tests.admission.people import (
    ACCOUNTS,
    ADMIN,
    ANONYMOUS,
    ATLAS,
    COLLECTORS,
    COMMA,
    CORA,
    CORA_RECASED,
    CYRILLIC,
    FORGE,
    HUDSON,
    HUDSON_1,
    HUDSON_2,
    HUDSON_BY_ADMIN,
    HUDSON_OUTSIDE,
    HUDSON_WITH_MASTERS,
    LOOKALIKES,
    NODE,
    OPERATOR,
    RECASED,
    SPACED,
    SYSTEM_HUDSON,
    THON,
)
from tests.contract.manifests import REMOVED

POLICY = "decisions"
NO_PERSON = refused(POLICY, "is not a person: service accounts and system users decide nothing")
ASKS_ONLY = refused(POLICY, "the operator asks for decisions and makes none")
MISTAKEN = refused(POLICY, "it must be printable ASCII without spaces and commas")

GIVING = (
    Attempt(
        "hudson decides with a plain patch",
        HUDSON,
        merge("Approval", "pending", decide("GO")),
        accepted(spec__decision="GO", spec__decidedBy__username="hudson"),
        invalid('a decision and its signer go together: add "decidedBy":{"username":"'),
    ),
    Attempt(
        "hudson decides NO-GO with a plain patch",
        HUDSON,
        merge("Approval", "pending", decide("NO-GO")),
        accepted(spec__decision="NO-GO", spec__decidedBy__username="hudson"),
        invalid('a decision and its signer go together: add "decidedBy":{"username":"'),
    ),
    Attempt(
        "hudson decides with a JSON patch",
        HUDSON,
        json_patch(
            "Approval",
            "pending",
            added("/spec/decision", "GO"),
            added("/spec/reason", "looked at it"),
        ),
        accepted(spec__decidedBy__username="hudson"),
        invalid("$(kubectl auth whoami -o jsonpath="),
    ),
    Attempt(
        "hudson decides with an apply on the server",
        HUDSON,
        apply("Approval", "pending", decide("GO"), force=False),
        accepted(spec__decidedBy__username="hudson"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "hudson decides by replacing the object",
        HUDSON,
        replace("Approval", "pending", {"spec.decision": "GO", "spec.reason": "looked at it"}),
        accepted(spec__decidedBy__username="hudson"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "hudson decides and says who it is",
        HUDSON,
        merge("Approval", "pending", decide("GO", "hudson")),
        accepted(spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "hudson decides as a member of the group only",
        HUDSON,
        merge("Approval", "by-group", decide("GO", "hudson")),
        accepted(spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "hudson, who has a UID, decides",
        HUDSON_1,
        merge("Approval", "by-group", decide("GO", "hudson", uid="u-1")),
        accepted(spec__decidedBy__uid="u-1"),
    ),
    Attempt(
        "hudson, who has a UID, decides with a plain patch",
        HUDSON_1,
        merge("Approval", "by-group", decide("GO")),
        accepted(spec__decidedBy__username="hudson", spec__decidedBy__uid="u-1"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "admin decides by impersonating hudson, which looks like hudson",
        HUDSON_BY_ADMIN,
        merge("Approval", "pending", decide("GO", "hudson")),
        accepted(spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "hudson, an admin too, decides as himself",
        HUDSON_WITH_MASTERS,
        merge("Approval", "pending", decide("GO", "hudson")),
        accepted(spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "hudson acknowledges",
        HUDSON,
        merge("Approval", "acknowledge", decide("GO", "hudson")),
        accepted(spec__decision="GO"),
    ),
    Attempt(
        "hudson signs in a dry run with a plain patch",
        HUDSON,
        merge("Approval", "dry-run", decide("GO", riskAssessment="none seen")),
        accepted(spec__decidedBy__username="hudson"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "hudson signs in a dry run without what the role requires",
        HUDSON,
        merge("Approval", "dry-run", decide("GO", "hudson")),
        invalid('the GO of this role needs a riskAssessment: add "riskAssessment"'),
    ),
    Attempt(
        "hudson fills in what the role requires",
        HUDSON,
        merge("Approval", "with-sections", decide("GO", "hudson", riskAssessment="none seen")),
        accepted(spec__riskAssessment="none seen"),
    ),
    Attempt(
        "hudson says NO-GO without the sections of a GO",
        HUDSON,
        merge("Approval", "with-sections", decide("NO-GO", "hudson")),
        accepted(spec__decision="NO-GO"),
    ),
    Attempt(
        "hudson writes down a draft before he decides",
        HUDSON,
        merge("Approval", "pending", {"spec": {"riskAssessment": "still reading"}}),
        accepted(spec__riskAssessment="still reading"),
    ),
    Attempt(
        "atlas reports",
        ATLAS,
        merge("Checkpoint", "pending", report("GO")),
        accepted(spec__decidedBy__username="atlas"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "atlas hands over",
        ATLAS,
        merge("Checkpoint", "handoff", report("GO", "atlas", requiredAction="watch the cache")),
        accepted(spec__decision="GO"),
    ),
    Attempt(
        "admin reports where everybody may",
        ADMIN,
        merge("Checkpoint", "for-all", report("GO", "admin")),
        accepted(spec__decidedBy__username="admin"),
    ),
)

IN_ANOTHERS_NAME = (
    Attempt(
        "forge signs as hudson",
        FORGE,
        merge("Approval", "pending", decide("GO", "hudson")),
        refused(POLICY, "forge may not decide approval pending: hudson,"),
    ),
    Attempt(
        "admin signs as hudson",
        ADMIN,
        merge("Approval", "pending", decide("GO", "hudson")),
        refused(POLICY, "admin"),
    ),
    Attempt(
        "admin signs as hudson, with force and as the operator's field manager",
        ADMIN,
        apply("Approval", "pending", decide("GO", "hudson"), manager="surefoot"),
        refused(POLICY, "admin"),
    ),
    Attempt(
        "hudson, who may sign, signs as forge, who may too",
        HUDSON,
        merge("Approval", "signed", decide("NO-GO", "forge")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "forge, who may sign, signs as hudson, who may too",
        FORGE,
        merge("Approval", "signed", decide("NO-GO", "hudson")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "cora, who is excluded, signs as hudson",
        CORA,
        merge("Approval", "pending", decide("GO", "hudson")),
        refused(POLICY, "cora may not decide approval pending, having requested"),
    ),
    Attempt(
        "Hudson signs as hudson",
        RECASED,
        merge("Approval", "pending", decide("GO", "hudson")),
        refused(POLICY, "Hudson may not decide approval pending: hudson,"),
    ),
    Attempt(
        "hudson signs as Hudson",
        HUDSON,
        merge("Approval", "pending", decide("GO", "Hudson")),
        refused(POLICY, "you are hudson, and spec.decidedBy says Hudson"),
    ),
    Attempt(
        "forge signs as hudson in a dry run",
        FORGE,
        merge("Approval", "dry-run", decide("GO", "hudson", riskAssessment="none seen")),
        refused(POLICY, "forge may not decide approval dry-run: hudson,"),
    ),
    Attempt(
        "hudson signs as forge in a dry run",
        HUDSON,
        merge("Approval", "dry-run", decide("NO-GO", "forge")),
        refused(POLICY, "you are hudson, and spec.decidedBy says forge"),
    ),
    Attempt(
        "the operator signs in a dry run",
        OPERATOR,
        merge("Approval", "dry-run", decide("NO-GO", OPERATOR.name)),
        ASKS_ONLY,
    ),
    Attempt(
        "forge reports as atlas",
        FORGE,
        merge("Checkpoint", "pending", report("GO", "atlas")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "forge, who may report, reports as atlas, who may too",
        FORGE,
        merge("Checkpoint", "for-all", report("GO", "atlas")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "hudson makes up a UID",
        HUDSON,
        merge("Approval", "pending", decide("GO", "hudson", uid="u-1")),
        refused(POLICY, "you are hudson, and spec.decidedBy says hudson with uid u-1"),
    ),
    Attempt(
        "hudson states the UID of another hudson",
        HUDSON_1,
        merge("Approval", "by-group", decide("GO", "hudson", uid="u-2")),
        refused(POLICY, "spec.decidedBy says hudson with uid u-2"),
    ),
    Attempt(
        "forge impersonates hudson",
        FORGE,
        as_if(merge("Approval", "pending", decide("GO", "hudson")), "hudson"),
        forbidden("cannot impersonate"),
    ),
    Attempt(
        "hudson signs for nobody in particular",
        HUDSON,
        merge("Approval", "pending", decide("GO", "")),
        invalid("spec.decidedBy.username"),
    ),
)

WITHOUT_THE_RIGHT = (
    Attempt(
        "forge signs for a role of others",
        FORGE,
        merge("Approval", "pending", decide("GO", "forge")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "forge signs for a role of others without saying who it is",
        FORGE,
        merge("Approval", "pending", decide("GO")),
        refused(POLICY, "forge"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "forge says NO-GO for a role of others",
        FORGE,
        merge("Approval", "pending", decide("NO-GO", "forge")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "admin signs in their own name for a role of others",
        ADMIN,
        merge("Approval", "pending", decide("GO", "admin")),
        refused(POLICY, "admin"),
    ),
    Attempt(
        "hudson signs for his former group",
        HUDSON_OUTSIDE,
        merge("Approval", "by-group", decide("GO", "hudson")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "hudson signs where nobody may",
        HUDSON,
        merge("Approval", "for-nobody", decide("GO", "hudson")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "forge signs in a dry run for hudson's role",
        FORGE,
        merge("Approval", "dry-run", decide("NO-GO", "forge")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "cora approves in a dry run what she requested",
        CORA,
        merge("Approval", "dry-run", decide("NO-GO", "cora")),
        refused(POLICY, "cora may not decide approval dry-run, having requested"),
    ),
    Attempt(
        "forge acknowledges for hudson's role",
        FORGE,
        merge("Approval", "acknowledge", decide("GO", "forge")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "hudson reports for the reporters",
        HUDSON,
        merge("Checkpoint", "pending", report("GO", "hudson")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "hudson, the receiver, decides the handoff himself",
        HUDSON,
        merge("Checkpoint", "handoff", report("GO", "hudson", requiredAction="watch the cache")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "cora approves what she requested",
        CORA,
        merge("Approval", "pending", decide("GO", "cora")),
        refused(POLICY, "cora"),
    ),
    Attempt(
        "cora says NO-GO on what she requested",
        CORA,
        merge("Approval", "pending", decide("NO-GO", "cora")),
        refused(POLICY, "cora"),
    ),
    Attempt(
        "thon approves the plan that he wrote",
        THON,
        merge("Approval", "pending", decide("GO", "thon")),
        refused(POLICY, "thon"),
    ),
    Attempt(
        "atlas approves what he has reported on",
        ATLAS,
        merge("Approval", "pending", decide("GO", "atlas")),
        refused(POLICY, "atlas"),
    ),
    Attempt(
        "cora approves what she requested as CORA",
        CORA_RECASED,
        merge("Approval", "pending", decide("GO", "CORA")),
        refused(POLICY, "CORA"),
    ),
    Attempt(
        "hudson signs although Hudson is excluded",
        HUDSON,
        merge("Approval", "excluded-re-cased", decide("GO", "hudson")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "thon reports on his own plan",
        THON,
        merge("Checkpoint", "pending", report("GO", "thon")),
        refused(POLICY, "thon"),
    ),
    Attempt(
        "forge plants a text in an approval that others will sign",
        FORGE,
        merge("Approval", "pending", {"spec": {"riskAssessment": "none at all"}}),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "admin plants a reason in an approval that others will sign",
        ADMIN,
        merge("Approval", "pending", {"spec": {"reason": "all good"}}),
        refused(POLICY, "admin"),
    ),
    Attempt(
        "cora plants a condition in the approval of what she requested",
        CORA,
        merge("Approval", "pending", {"spec": {"conditions": [{"name": "none", "text": "no"}]}}),
        refused(POLICY, "cora"),
    ),
    Attempt(
        "hudson plants test results in a report",
        HUDSON,
        merge(
            "Checkpoint", "pending", {"spec": {"tests": [{"name": "a", "passed": 1, "total": 1}]}}
        ),
        refused(POLICY, "hudson"),
    ),
)

NOT_A_PERSON = (
    Attempt(
        "the operator decides",
        OPERATOR,
        merge(
            "Approval",
            "look-alikes",
            decide("GO", "system:serviceaccount:surefoot-system:surefoot"),
        ),
        ASKS_ONLY,
    ),
    Attempt(
        "the operator decides as hudson",
        OPERATOR,
        merge("Approval", "pending", decide("GO", "hudson")),
        ASKS_ONLY,
    ),
    Attempt(
        "the operator decides a checkpoint",
        OPERATOR,
        merge(
            "Checkpoint",
            "for-all",
            report("GO", "system:serviceaccount:surefoot-system:surefoot"),
        ),
        ASKS_ONLY,
    ),
    Attempt(
        "the operator turns a NO-GO into a GO",
        OPERATOR,
        merge("Approval", "no-go", {"spec": {"decision": "GO"}}),
        ASKS_ONLY,
    ),
    Attempt(
        "the operator writes a draft",
        OPERATOR,
        merge("Approval", "pending", {"spec": {"riskAssessment": "none"}}),
        ASKS_ONLY,
    ),
    *(
        Attempt(
            f"{account} decides, although its name is among those who may",
            account,
            merge("Approval", "look-alikes", decide("GO", account.name)),
            NO_PERSON,
        )
        for account in (*ACCOUNTS, *COLLECTORS, SYSTEM_HUDSON, NODE, ANONYMOUS)
    ),
    *(
        Attempt(
            f"{account} reports where everybody may",
            account,
            merge("Checkpoint", "for-all", report("GO", account.name)),
            NO_PERSON,
        )
        for account in (*ACCOUNTS, SYSTEM_HUDSON, NODE)
    ),
    *(
        Attempt(
            f"{lookalike} signs where the plan names that one",
            lookalike,
            merge("Approval", "look-alikes", decide("GO", lookalike.name)),
            MISTAKEN,
        )
        for lookalike in LOOKALIKES
    ),
    Attempt(
        "somebody with a comma in the name signs where the plan names that one",
        COMMA,
        merge("Approval", "look-alikes", decide("GO", "hudson,forge")),
        MISTAKEN,
    ),
    Attempt(
        "somebody with a comma in the name signs as a member of the group",
        COMMA,
        merge("Approval", "by-group", decide("GO", "hudson,forge")),
        MISTAKEN,
    ),
    Attempt(
        "hudson with a Cyrillic o signs for hudson's role",
        CYRILLIC,
        merge("Approval", "pending", decide("GO", CYRILLIC.name)),
        MISTAKEN,
    ),
    Attempt(
        "hudson with a space signs for hudson's role",
        SPACED,
        merge("Approval", "pending", decide("GO", "hudson")),
        MISTAKEN,
    ),
    Attempt(
        "Hudson signs for hudson's role",
        RECASED,
        merge("Approval", "pending", decide("GO", "Hudson")),
        refused(POLICY, "Hudson may not decide approval pending: hudson,"),
    ),
)

LACKING = (
    Attempt(
        "hudson decides without a reason",
        HUDSON,
        merge("Approval", "pending", {"spec": {**decide("GO", "hudson")["spec"], "reason": None}}),
        invalid('a decision must have a reason: add "reason":"…"'),
    ),
    Attempt(
        "hudson decides with a blank reason",
        HUDSON,
        merge("Approval", "pending", decide("GO", "hudson", reason=" \n\t ")),
        invalid("a decision must have a reason"),
    ),
    Attempt(
        "hudson leaves out the section that the role requires",
        HUDSON,
        merge("Approval", "with-sections", decide("GO", "hudson")),
        invalid("the GO of this role needs a riskAssessment"),
    ),
    Attempt(
        "hudson leaves the section blank",
        HUDSON,
        merge("Approval", "with-sections", decide("GO", "hudson", riskAssessment="  ")),
        invalid("the GO of this role needs a riskAssessment"),
    ),
    Attempt(
        "atlas reports without a summary",
        ATLAS,
        merge("Checkpoint", "pending", report("GO", "atlas", summary=" ")),
        invalid('a decision must have a summary: add "summary"'),
    ),
    Attempt(
        "hudson signs, and decides nothing",
        HUDSON,
        merge("Approval", "pending", {"spec": {"decidedBy": {"username": "hudson"}}}),
        invalid("a decision and its signer go together"),
    ),
    Attempt(
        "hudson decides something else than GO or NO-GO",
        HUDSON,
        merge("Approval", "pending", decide("MAYBE", "hudson")),
        invalid("supported values"),
    ),
)

CHANGING = (
    Attempt(
        "hudson withdraws his GO",
        HUDSON,
        merge("Approval", "go", {"spec": {"decision": "NO-GO", "reason": "new findings"}}),
        accepted(spec__decision="NO-GO", spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "hudson changes his NO-GO to a GO before it is used",
        HUDSON,
        merge("Approval", "no-go", {"spec": {"decision": "GO", "reason": "mended"}}),
        accepted(spec__decision="GO", spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "hudson mends the wording of his reason",
        HUDSON,
        merge("Approval", "go", {"spec": {"reason": "looked at all of it"}}),
        accepted(spec__reason="looked at all of it"),
    ),
    Attempt(
        "hudson withdraws his GO after he has left the group",
        HUDSON_OUTSIDE,
        merge("Approval", "go-by-group", {"spec": {"decision": "NO-GO", "reason": "not mine"}}),
        accepted(spec__decision="NO-GO"),
    ),
    Attempt(
        "hudson says GO again after he has left the group",
        HUDSON_OUTSIDE,
        merge("Approval", "go-by-group", {"spec": {"reason": "still good"}}),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "the first hudson withdraws his GO",
        HUDSON_1,
        merge("Approval", "go-of-the-first", {"spec": {"decision": "NO-GO"}}),
        accepted(spec__decision="NO-GO"),
    ),
    Attempt(
        "another hudson withdraws the GO of the first",
        HUDSON_2,
        merge("Approval", "go-of-the-first", {"spec": {"decision": "NO-GO"}}),
        refused(POLICY, "hudson has decided approval go-of-the-first, and only they"),
    ),
    Attempt(
        "another hudson takes over the GO of the first",
        HUDSON_2,
        merge(
            "Approval",
            "go-of-the-first",
            {"spec": {"reason": "mine now", "decidedBy": {"username": "hudson", "uid": "u-2"}}},
        ),
        refused(POLICY, "hudson has decided approval go-of-the-first, and only they"),
    ),
    Attempt(
        "another hudson takes the UID out of the GO of the first",
        HUDSON_2,
        merge(
            "Approval", "go-of-the-first", {"spec": {"reason": "mine", "decidedBy": {"uid": None}}}
        ),
        refused(POLICY, "hudson has decided approval go-of-the-first, and only they"),
    ),
    Attempt(
        "forge, who may sign too, overwrites hudson's GO",
        FORGE,
        merge("Approval", "go", decide("NO-GO", "forge")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "forge, who may sign too, overwrites hudson's NO-GO",
        FORGE,
        merge("Approval", "no-go", decide("GO", "forge")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "forge turns hudson's NO-GO into a GO in hudson's name",
        FORGE,
        merge("Approval", "no-go", {"spec": {"decision": "GO"}}),
        refused(POLICY, "hudson has decided approval no-go, and only they"),
    ),
    Attempt(
        "forge changes hudson's reason",
        FORGE,
        merge("Approval", "go", {"spec": {"reason": "did not look"}}),
        refused(POLICY, "hudson has decided approval go, and only they"),
    ),
    Attempt(
        "forge adds a condition to hudson's GO",
        FORGE,
        merge("Approval", "go", {"spec": {"conditions": [{"name": "never", "text": "never"}]}}),
        refused(POLICY, "hudson has decided approval go, and only they"),
    ),
    Attempt(
        "forge puts only their own name under hudson's GO",
        FORGE,
        merge("Approval", "go", {"spec": {"decidedBy": {"username": "forge"}}}),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "hudson puts forge's name under his own GO",
        HUDSON,
        merge("Approval", "go", {"spec": {"decidedBy": {"username": "forge"}}}),
        refused(POLICY, "nobody signs for another: you are hudson, and spec.decidedBy says forge"),
    ),
    Attempt(
        "admin turns a NO-GO into a GO",
        ADMIN,
        merge("Approval", "no-go", {"spec": {"decision": "GO"}}),
        refused(POLICY, "hudson has decided approval no-go, and only they"),
    ),
    Attempt(
        "admin, who may sign, turns a NO-GO into their own GO",
        ADMIN,
        merge("Approval", "no-go", decide("GO", "admin")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "admin turns a NO-GO into a GO with force",
        ADMIN,
        apply("Approval", "no-go", decide("GO", "hudson")),
        refused(POLICY, "hudson has decided approval no-go, and only they"),
    ),
    Attempt(
        "admin turns a NO-GO into a GO with a replace",
        ADMIN,
        replace("Approval", "no-go", {"spec.decision": "GO"}),
        refused(POLICY, "hudson has decided approval no-go, and only they"),
    ),
    Attempt(
        "forge turns a NO-GO into a GO with a JSON patch",
        FORGE,
        json_patch("Approval", "no-go", replaced("/spec/decision", "GO")),
        refused(POLICY, "hudson has decided approval no-go, and only they"),
    ),
    Attempt(
        "forge turns a NO-GO into a GO and takes the name out",
        FORGE,
        json_patch(
            "Approval", "no-go", replaced("/spec/decision", "GO"), removed("/spec/decidedBy")
        ),
        refused(POLICY, "hudson"),
        invalid("a decision and its signer go together"),
    ),
    Attempt(
        "forge takes hudson's name out",
        FORGE,
        json_patch("Approval", "go", removed("/spec/decidedBy")),
        refused(POLICY, "hudson"),
        invalid("a decision and its signer go together"),
    ),
    Attempt(
        "hudson takes his decision back as if it had never been",
        HUDSON,
        json_patch("Approval", "go", removed("/spec/decision"), removed("/spec/decidedBy")),
        invalid("a decision may not be removed: withdraw a GO by deciding NO-GO"),
    ),
    Attempt(
        "admin clears a NO-GO",
        ADMIN,
        merge("Approval", "no-go", {"spec": {"decision": None, "decidedBy": None}}),
        invalid("a decision may not be removed"),
    ),
    Attempt(
        "the operator clears a NO-GO",
        OPERATOR,
        merge("Approval", "no-go", {"spec": {"decision": None, "decidedBy": None}}),
        invalid("a decision may not be removed"),
    ),
    Attempt(
        "admin clears a NO-GO with a replace",
        ADMIN,
        replace("Approval", "no-go", {"spec.decision": REMOVED, "spec.decidedBy": REMOVED}),
        invalid("a decision may not be removed"),
    ),
    Attempt(
        "atlas, who may report too, overwrites forge's report",
        ATLAS,
        merge("Checkpoint", "go", report("NO-GO", "atlas")),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "atlas changes the text of forge's report",
        ATLAS,
        merge("Checkpoint", "go", {"spec": {"report": "all wrong"}}),
        refused(POLICY, "forge has decided checkpoint go, and only they"),
    ),
    Attempt(
        "forge withdraws the report",
        FORGE,
        merge("Checkpoint", "go", {"spec": {"decision": "NO-GO"}}),
        accepted(spec__decision="NO-GO"),
    ),
    Attempt(
        "forge clears the report",
        FORGE,
        merge("Checkpoint", "go", {"spec": {"decision": None, "decidedBy": None}}),
        invalid("a decision may not be removed"),
    ),
    Attempt(
        "hudson withdraws a GO that has been used",
        HUDSON,
        merge("Approval", "used", {"spec": {"decision": "NO-GO"}}),
        invalid("this signature has been used and may not be changed"),
    ),
    Attempt(
        "admin changes a signature that has been used",
        ADMIN,
        replace("Approval", "used", {"spec.reason": "other"}),
        invalid("this signature has been used and may not be changed"),
    ),
    Attempt(
        "forge changes a report that has been used",
        FORGE,
        merge("Checkpoint", "used", {"spec": {"summary": "other"}}),
        invalid("this checkpoint has been used and may not be changed"),
    ),
    Attempt(
        "hudson decides and hangs the approval on an owner in one go",
        HUDSON,
        merge(
            "Approval",
            "pending",
            {**decide("GO", "hudson"), "metadata": {"ownerReferences": [OWNER]}},
        ),
        refused("metadata", "ownerReferences may be set or removed by the operator only"),
    ),
)

DECISIONS = (
    *GIVING,
    *IN_ANOTHERS_NAME,
    *WITHOUT_THE_RIGHT,
    *NOT_A_PERSON,
    *LACKING,
    *CHANGING,
)
