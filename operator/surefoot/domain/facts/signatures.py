"""What a verifier found about a detached signature."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SignatureFact:
    """The findings of a verifier about the detached signature of one decision.

    ``fault`` says why it does not hold, None where it does. ``key`` is the fingerprint of the key
    that made it, empty where that could not be read. ``valid_from`` and ``valid_until`` bound the
    time in which the allowed signers admit this key; the end is no part of it. ``undecided`` says
    that there was nothing to check against, so that the fault is not the signature's.
    """

    fault: str | None
    key: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    undecided: bool = False
