"""Who may decide on an Approval or Checkpoint, and in whose name."""

from surefoot.api.v1alpha1.meta import SIGNER_PATTERN
from surefoot.policies import cel
from surefoot.policies.rendering import Check, Policy, Resources
from surefoot.policies.settings import PolicySettings

_SUBJECT = "request.kind.kind.lowerAscii() + ' ' + variables.name"
_MAY = "(variables.users + variables.groups.map(g, 'members of group ' + g)).join(', ') + ' may'"


def policy(settings: PolicySettings) -> Policy:
    """The policy `surefoot-decisions`."""
    return Policy(
        "surefoot-decisions",
        matches=(Resources(("approvals", "checkpoints"), ("CREATE", "UPDATE", "DELETE")),),
        variables=(
            ("isOperator", cel.is_one_of([settings.operator])),
            ("isCollector", cel.is_one_of(settings.all_collectors)),
            ("me", cel.ME),
            (
                "name",
                (
                    "request.operation == 'DELETE' ? oldObject.metadata.name : "
                    "object.metadata.?name.orValue('')"
                ),
            ),
            (
                "asked",
                "request.operation == 'DELETE' ? oldObject.spec.request : object.spec.request",
            ),
            # An Approval names who may sign, a Checkpoint who may report.
            (
                "users",
                "variables.asked.?reporter.?users.orValue(variables.asked.?users.orValue([]))",
            ),
            (
                "groups",
                "variables.asked.?reporter.?groups.orValue(variables.asked.?groups.orValue([]))",
            ),
            ("decides", "request.operation == 'UPDATE' && object.spec != oldObject.spec"),
            # A detached signature says itself who signed; anyone who brings it is a courier.
            (
                "isCourier",
                (
                    "variables.asked.?signing.orValue('Optional') == 'Required' && "
                    "object.spec.?signature.hasValue() && "
                    "object.spec.?decidedBy.?username.orValue('') != variables.me"
                ),
            ),
            ("signer", "variables.isCourier ? object.spec.decidedBy.username : variables.me"),
            (
                "before",
                (
                    "request.operation == 'UPDATE' ? "
                    "oldObject.spec.?decidedBy.?username.orValue('') : ''"
                ),
            ),
            (
                "uidBefore",
                "request.operation == 'UPDATE' ? oldObject.spec.?decidedBy.?uid.orValue('') : ''",
            ),
            (
                "withdraws",
                "variables.before == variables.me && object.spec.?decision.orValue('') == 'NO-GO'",
            ),
        ),
        checks=(
            Check(
                cel.on("CREATE", "variables.isOperator"),
                "only the operator opens this: anyone who could would choose who may sign it",
                f"'only the operator opens ' + {_SUBJECT} + "
                "': anyone who could would choose who may sign it'",
            ),
            Check(
                cel.on("CREATE", "!object.spec.?decision.hasValue()"),
                "nothing is opened that is decided already",
            ),
            Check(
                cel.on("DELETE", "variables.isCollector"),
                "this is part of the record and is not deleted; it goes with its Rollout",
                f"{_SUBJECT} + ' is part of the record and is not deleted; it goes with its "
                "Rollout'",
            ),
            Check(
                "!variables.decides || !variables.isOperator",
                "the operator asks for decisions and makes none",
            ),
            Check(
                "!variables.decides || !variables.signer.startsWith('system:')",
                "service accounts and system users decide nothing: a decision is a person's",
                "variables.signer + ' is not a person: service accounts and system users decide "
                "nothing'",
            ),
            Check(
                f"!variables.decides || variables.signer.matches(r'^{SIGNER_PATTERN}$')",
                "a signer's name must be printable ASCII without spaces and commas, so that it "
                "cannot be mistaken for another",
                "'the name \"' + variables.signer + '\" cannot sign: it must be printable ASCII "
                "without spaces and commas, so that it cannot be mistaken for another'",
            ),
            Check(
                "!variables.decides || variables.withdraws || "
                # Only the signer's own request says which groups they are in.
                "variables.signer in variables.users || (!variables.isCourier && "
                f"{cel.MY_GROUPS}.exists(g, g in variables.groups))",
                "this is not yours to decide: see spec.request for who may",
                f"variables.signer + ' may not decide ' + {_SUBJECT} + ': ' + {_MAY}",
            ),
            Check(
                "!variables.decides || !variables.asked.?excludedUsers.orValue([])"
                ".exists(e, e.lowerAscii() == variables.signer.lowerAscii())",
                "you requested this rollout, wrote its plan or reported on this step: somebody "
                "else must decide",
                f"variables.signer + ' may not decide ' + {_SUBJECT} + ', having requested this "
                "rollout, written its plan or reported on this step: somebody else must; ' + "
                f"{_MAY}",
            ),
            Check(
                "!variables.decides || variables.before == '' || "
                "(variables.before == variables.me && "
                f"variables.uidBefore in ['', {cel.MY_UID}])",
                "somebody else has decided this, and only they may change or withdraw it",
                f"variables.before + ' has decided ' + {_SUBJECT} + ', and only they may change or "
                "withdraw it'",
            ),
            Check(
                "!variables.decides || !object.spec.?decision.hasValue() || "
                "(object.spec.?decidedBy.?username.orValue('') == variables.signer && "
                "object.spec.?decidedBy.?uid.orValue('') in "
                f"(variables.isCourier ? [''] : ['', {cel.MY_UID}]))",
                "nobody signs for another: spec.decidedBy must be you",
                "'nobody signs for another: you are ' + variables.me + ', and spec.decidedBy says '"
                " + object.spec.?decidedBy.?username.orValue('nobody') + "
                "(object.spec.?decidedBy.?uid.hasValue() ? "
                "' with uid ' + object.spec.decidedBy.uid : '')",
            ),
        ),
        audits=(
            (
                "decision",
                (
                    "variables.decides ? object.spec.?decision.orValue('draft') + ' by ' + "
                    "variables.me + ', uid ' + "
                    f"{cel.MY_UID} + ', credential ' + "
                    "request.userInfo.?extra[?'authentication.kubernetes.io/credential-id']"
                    ".orValue(['']).join(',') : ''"
                ),
            ),
        ),
    )
