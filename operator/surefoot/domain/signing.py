"""Detached signatures: which bytes a signer signs, and whether a signature still holds.

The cryptography is done outside, by a verifier that answers with a `SignatureFact`; what the answer
means for a decision is said here.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SignatureFact:
    """What a verifier found out about the detached signature of one decision.

    ``fault`` says why it does not hold, None where it does. ``key`` is the fingerprint of the key
    that made it, empty where that could not be read. ``valid_from`` and ``valid_until`` bound the
    time in which the allowed signers admit this key.
    """

    fault: str | None
    key: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
