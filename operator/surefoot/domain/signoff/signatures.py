"""Detached signatures: which bytes a signer signs, and whether a signature still holds.

The cryptography is done outside, by a verifier that answers with a `SignatureFact`; what the answer
means for a decision is said here.
"""

import hashlib
from datetime import datetime
from typing import Any

import rfc8785

from surefoot.api.v1alpha1.approval import Approval, ApprovalSpec, Decision, Signing
from surefoot.api.v1alpha1.meta import API_VERSION
from surefoot.api.v1alpha1.rollout_status import SignatureEvidence
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.signoff.requests import folded

NAMESPACE = "approval@surefoot.dev"
"""The purpose of the signatures, as `ssh-keygen -Y sign -n` is told, so that no other use fits."""
LONGEST_DOCUMENT = 2048
"""Bytes; a status has to hold the document."""
_WHAT_IS_ASKED = {"plan_hash", "attempt", "round", "step", "from_", "to"}
_SIGNED_OF_THE_REQUEST = _WHAT_IS_ASKED | {"role", "purpose", "dry_run", "acknowledges"}
_CONTENT = {"reason", "risk_assessment", "metrics_summary", "security_status", "conditions"}


@remembered_with
def document(approval: Approval) -> bytes | None:
    """The bytes that a signature of this decision is over; None where nothing is signed.

    One line of RFC 8785 JSON, made from the Approval alone, so that all who have it can make
    it again. Each member is there so that the signature is good for nothing else:

    - ``apiVersion``, ``kind``: what this is, and how to read it;
    - ``namespace``, ``rollout``, ``rolloutUid``: the Rollout, and none that has its name later;
    - ``planHash``, ``attempt``, ``step``, ``from``, ``to``: what is to happen, under which plan
      (``step`` is absent below the first one);
    - ``role``, ``purpose``: the question;
    - ``dryRun``: which dry run (absent unless that is the purpose, and then it counts for nothing);
    - ``acknowledges``: the decision that is acknowledged (absent unless that is the purpose);
    - ``round``: how often it was asked, so that a signature that no longer counts, since a trigger
      fired for example, is not copied into the next request;
    - ``decision``, ``contentHash``: the answer, and sha256 over all that was written with it;
    - ``signer``: the user name, which the allowed signers know the key by;
    - ``expiresAt``: until when it may be used, to the second.
    """
    spec = approval.spec
    if spec.signature is None or spec.decision is None or spec.decided_by is None:
        return None
    request = spec.request.model_dump(
        mode="json", by_alias=True, exclude_none=True, include=_SIGNED_OF_THE_REQUEST
    )
    members = {
        "apiVersion": API_VERSION,
        "kind": approval.kind,
        "namespace": approval.metadata.namespace,
        "rollout": spec.request.rollout.name,
        "rolloutUid": spec.request.rollout.uid,
        **request,
        "decision": spec.decision.value,
        "contentHash": _content_hash(spec),
        "signer": spec.decided_by.username,
        "expiresAt": spec.signature.model_dump(mode="json", include={"expires_at"})["expires_at"],
    }
    return rfc8785.dumps(members)


def _content_hash(spec: ApprovalSpec) -> str:
    """sha256 over RFC 8785 JSON of what the person wrote; what they left out is absent."""
    written: dict[str, Any] = spec.model_dump(
        mode="json", by_alias=True, exclude_none=True, include=_CONTENT
    )
    content = {name: part for name, part in written.items() if part != []}
    return f"sha256:{hashlib.sha256(rfc8785.dumps(content)).hexdigest()}"


def signature_fault(approval: Approval, fact: SignatureFact | None, now: datetime) -> str | None:
    """Why the decision's detached signature does not hold; None where it does or none is needed.

    A GO needs one that is known to hold at ``now``. A NO-GO needs none; one that is there must not
    be known to be wrong, but neither time nor missing knowledge takes a NO-GO back. Where
    `is_undecided`, the decision waits and is not void.
    """
    spec = approval.spec
    is_go = spec.decision is Decision.GO
    signed = document(approval)
    if signed is None:
        is_needed = is_go and spec.request.signing is Signing.REQUIRED
        return "it needs a detached signature: run surefoot sign" if is_needed else None
    if len(signed) > LONGEST_DOCUMENT:
        return f"what is signed has {len(signed)} bytes, more than {LONGEST_DOCUMENT}"
    if is_go and was_withdrawn(approval):
        return "its signer decided NO-GO since: what was signed may be from before"
    if is_undecided(approval, fact) and not is_go:
        return None
    if fact is None:
        return "its detached signature is not verified yet"
    if fact.fault is not None:
        return f"its detached signature does not hold: {fact.fault}"
    return _fault_by_time(approval, fact, now) if is_go else None


def is_undecided(approval: Approval, fact: SignatureFact | None) -> bool:
    """Whether there is a signature of which nobody can say yet whether it holds.

    So it is until the allowed signers are read, and while there are none. Then a GO does not count
    but is not void either, and a NO-GO holds.
    """
    return document(approval) is not None and (fact is None or fact.undecided)


@remembered_with
def was_withdrawn(approval: Approval) -> bool:
    """Whether its signer took back a GO on this very request, which anybody could put back.

    Where a signature speaks for the signer, others may bring it: then no GO counts on this request
    any more, and it is asked in a new round. Where it is optional, the writer is the signer.
    """
    spec = approval.spec
    if spec.request.signing is not Signing.REQUIRED or spec.decided_by is None:
        return False
    signer = folded(spec.decided_by.username)
    own = [past for past in approval.status.decisions if folded(past.by) == signer]
    decisions = [past.decision for past in own]
    return Decision.GO in decisions and Decision.NO_GO in decisions[decisions.index(Decision.GO) :]


def _fault_by_time(approval: Approval, fact: SignatureFact, now: datetime) -> str | None:
    signature = approval.spec.signature
    if signature is not None and signature.expires_at <= now:
        return f"its detached signature expired at {_format_moment(signature.expires_at)}"
    if fact.valid_from is not None and now < fact.valid_from:
        return f"its key {fact.key} is valid only from {_format_moment(fact.valid_from)}"
    if fact.valid_until is not None and fact.valid_until <= now:
        return f"its key {fact.key} was valid until {_format_moment(fact.valid_until)}"
    return None


def _format_moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def signature_evidence(approval: Approval, fact: SignatureFact | None) -> SignatureEvidence | None:
    """The signature as `ssh-keygen -Y verify` can check it again; None where none holds."""
    signed, signature = document(approval), approval.spec.signature
    if signed is None or signature is None or fact is None or fact.fault is not None:
        return None
    return SignatureEvidence(key=fact.key, document=signed.decode(), value=signature.value)
