"""Detached signatures: who may carry a decision that somebody has signed with their own key."""

from tests.admission.attempt import Attempt, accepted, invalid, merge, refused
from tests.admission.builders import SIGNATURE, SOONER, decide
from tests.admission.people import ADMIN, COURIER, FORGE, HUDSON, OPERATOR

POLICY = "decisions"
NEEDED = invalid("the GO of this role needs a detached signature: run surefoot sign")

SIGNATURES = (
    Attempt(
        "a courier brings what hudson has signed",
        COURIER,
        merge("Approval", "signed", decide("GO", "hudson", signature=SIGNATURE)),
        accepted(spec__decision="GO", spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "a courier brings hudson's signed NO-GO",
        COURIER,
        merge("Approval", "signed", decide("NO-GO", "hudson", signature=SIGNATURE)),
        accepted(spec__decision="NO-GO", spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "a courier brings hudson's signed change of mind: what is decided is changed in person",
        COURIER,
        merge("Approval", "signed-go", decide("NO-GO", "hudson", signature=SIGNATURE)),
        refused(POLICY, "hudson has decided approval signed-go, and only they may change"),
    ),
    Attempt(
        "a courier puts rubbish in the place of hudson's signature",
        COURIER,
        merge(
            "Approval",
            "signed-go",
            {"spec": {"signature": {"value": "-----BEGIN SSH SIGNATURE-----"}}},
        ),
        refused(POLICY, "hudson has decided approval signed-go, and only they may change"),
    ),
    Attempt(
        "hudson brings another signature of his",
        HUDSON,
        merge("Approval", "signed-go", {"spec": {"signature": {**SIGNATURE, "expiresAt": SOONER}}}),
        accepted(spec__signature__expiresAt=SOONER),
    ),
    Attempt(
        "hudson brings it himself",
        HUDSON,
        merge("Approval", "signed", decide("GO", "hudson", signature=SIGNATURE)),
        accepted(spec__decision="GO"),
    ),
    Attempt(
        "hudson brings it himself without saying who it is",
        HUDSON,
        merge("Approval", "signed", decide("GO", signature=SIGNATURE)),
        accepted(spec__decidedBy__username="hudson"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "hudson adds a signature where none is required",
        HUDSON,
        merge("Approval", "pending", decide("GO", "hudson", signature=SIGNATURE)),
        accepted(spec__decision="GO"),
    ),
    Attempt(
        "hudson says NO-GO without a signature",
        HUDSON,
        merge("Approval", "signed", decide("NO-GO", "hudson")),
        accepted(spec__decision="NO-GO"),
    ),
    Attempt(
        "hudson says GO without the signature that is required",
        HUDSON,
        merge("Approval", "signed", decide("GO", "hudson")),
        NEEDED,
    ),
    Attempt(
        "hudson withdraws his signed GO with a plain NO-GO",
        HUDSON,
        merge("Approval", "signed-go", {"spec": {"decision": "NO-GO", "signature": None}}),
        accepted(spec__decision="NO-GO"),
    ),
    Attempt(
        "a courier brings a decision that nobody has signed",
        COURIER,
        merge("Approval", "signed", decide("NO-GO", "hudson")),
        refused(POLICY, "is not a person"),
    ),
    Attempt(
        "a courier brings a GO that nobody has signed",
        COURIER,
        merge("Approval", "signed", decide("GO", "hudson")),
        NEEDED,
    ),
    Attempt(
        "a courier brings a signed decision of somebody who may not sign",
        COURIER,
        merge("Approval", "signed", decide("GO", "atlas", signature=SIGNATURE)),
        refused(POLICY, "atlas"),
    ),
    Attempt(
        "a courier brings a signed decision of one who is excluded",
        COURIER,
        merge("Approval", "signed", decide("GO", "admin", signature=SIGNATURE)),
        refused(POLICY, "admin"),
    ),
    Attempt(
        "a courier brings a signed decision of somebody who may not sign, for a role of a group",
        COURIER,
        merge("Approval", "signed-by-group", decide("GO", "forge", signature=SIGNATURE)),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "hudson, of the group, brings a signed decision of forge, who is not",
        HUDSON,
        merge("Approval", "signed-by-group", decide("GO", "forge", signature=SIGNATURE)),
        refused(POLICY, "forge"),
    ),
    Attempt(
        "hudson signs with his key for a role of his group",
        HUDSON,
        merge("Approval", "signed-by-group", decide("GO", "hudson", signature=SIGNATURE)),
        accepted(spec__decidedBy__username="hudson"),
    ),
    Attempt(
        "a courier brings a signed decision in its own name",
        COURIER,
        merge("Approval", "signed", decide("GO", COURIER.name, signature=SIGNATURE)),
        refused(POLICY, "is not a person"),
    ),
    Attempt(
        "a courier brings a signed decision without a name",
        COURIER,
        merge("Approval", "signed", decide("GO", signature=SIGNATURE)),
        refused(POLICY, "is not a person"),
        invalid('add "decidedBy"'),
    ),
    Attempt(
        "a courier brings a signed decision where the account decides",
        COURIER,
        merge("Approval", "pending", decide("GO", "hudson", signature=SIGNATURE)),
        refused(POLICY, "is not a person"),
    ),
    Attempt(
        "a courier puts forge's signed decision over hudson's",
        COURIER,
        merge("Approval", "signed-go", decide("NO-GO", "forge", signature=SIGNATURE)),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "a courier withdraws hudson's signed GO and drops the signature",
        COURIER,
        merge("Approval", "signed-go", {"spec": {"decision": "NO-GO", "signature": None}}),
        refused(POLICY, "is not a person"),
    ),
    Attempt(
        "a courier drops the signature of a GO",
        COURIER,
        merge("Approval", "signed-go", {"spec": {"signature": None}}),
        NEEDED,
    ),
    Attempt(
        "a courier invents a UID for the signer",
        COURIER,
        merge("Approval", "signed", decide("GO", "hudson", uid="u-1", signature=SIGNATURE)),
        refused(POLICY, "spec.decidedBy says hudson with uid u-1"),
    ),
    Attempt(
        "the operator brings a signed decision",
        OPERATOR,
        merge("Approval", "signed", decide("GO", "hudson", signature=SIGNATURE)),
        refused(POLICY, "the operator asks for decisions and makes none"),
    ),
    Attempt(
        "forge, who may sign here, puts a plain NO-GO over hudson's signed GO",
        FORGE,
        merge("Approval", "signed-go", decide("NO-GO", "forge")),
        refused(POLICY, "hudson"),
    ),
    Attempt(
        "admin withdraws hudson's signed GO without a signature",
        ADMIN,
        merge("Approval", "signed-go", {"spec": {"decision": "NO-GO", "signature": None}}),
        refused(POLICY, "hudson has decided approval signed-go, and only they"),
    ),
    Attempt(
        "admin, who is excluded, signs with their own key",
        ADMIN,
        merge("Approval", "signed", decide("GO", "admin", signature=SIGNATURE)),
        refused(POLICY, "admin"),
    ),
    Attempt(
        "hudson writes a signature and no decision",
        HUDSON,
        merge("Approval", "signed", {"spec": {"signature": SIGNATURE}}),
        invalid("a signature must come with the decision that it signs"),
    ),
    Attempt(
        "hudson sends something that is no signature",
        HUDSON,
        merge(
            "Approval",
            "signed",
            decide("GO", "hudson", signature={**SIGNATURE, "value": "trust me"}),
        ),
        invalid("spec.signature.value"),
    ),
)
