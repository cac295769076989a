"""How one provider is asked on the wire, and what can go wrong there.

There are two ways: `direct`, which the operator uses, and `library`, which goes through
prometheus-api-client. Both give the same answers in the same words; the same tests hold them to it.
"""

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from surefoot.adapters.prometheus import credentials
from surefoot.adapters.prometheus.answers import Answer, Verdict, Window, refusal
from surefoot.adapters.prometheus.threads import NoPlaceError
from surefoot.adapters.prometheus.words import one_line
from surefoot.domain.facts.measurements import Outcome
from surefoot.errors import SurefootError

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes; 10,000 points take a tenth of it."""

MOST_REQUESTS = 8
"""Requests that one provider is asked at a time."""

NO_LONGER_CONFIGURED = Verdict(Outcome.UNREACHABLE, "is no longer configured")


class Connection(Protocol):
    """Asks one provider. What can go wrong comes back as a `Verdict`, and is never raised."""

    async def ask_range(self, promql: str, window: Window) -> Answer | Verdict:
        """Ask for the values of a query at every point of a window."""

    async def ask_instant(self, promql: str, at: datetime) -> Answer | Verdict:
        """Ask for the values of a query at one moment."""

    async def close(self) -> None:
        """Ask nothing more, and let go of what is under way without waiting for an answer."""


class RefusedError(SurefootError):
    """An answer is not one that should be read further. It carries the verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.text)
        self.verdict = verdict


def range_parameters(window: Window, patience: float) -> dict[str, str]:
    """The window to the millisecond. The provider stops evaluating when nobody waits any more."""
    return {
        "start": _seconds(window.start),
        "end": _seconds(window.end),
        "step": repr(window.step.total_seconds()),
        "timeout": repr(patience),
    }


def instant_parameters(at: datetime, patience: float) -> dict[str, str]:
    """The moment to the millisecond, and for how long anybody waits."""
    return {"time": _seconds(at), "timeout": repr(patience)}


def _seconds(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"


def too_large(status: int) -> Verdict:
    """What an answer of more than `LARGEST_ANSWER` is worth."""
    if status != 200:
        return refusal(status, b"")
    return unreachable(f"answered more than {LARGEST_ANSWER // 1024 // 1024} MiB, too large")


def unreachable(text: str) -> Verdict:
    """The provider gave no answer that can be used."""
    return Verdict(Outcome.UNREACHABLE, text)


COMPRESSED = unreachable("answered with a compression that was not asked for")


def _is_timeout(cause: BaseException) -> bool:
    return isinstance(cause, TimeoutError)


def verdict_on(
    error: BaseException,
    timeout: str,
    *,
    broken_off: tuple[type[BaseException], ...],
    is_timeout: Callable[[BaseException], bool] = _is_timeout,
    other_name: tuple[type[BaseException], ...] = (),
) -> Verdict:
    """What an exception on the way to an answer is called. No text from the wire is repeated.

    ``broken_off``, ``is_timeout`` and ``other_name`` tell what a client raises where the other side
    hung up, where the time was over, and where the certificate is for another name.
    """
    causes = tuple(_causes(error))
    if any(isinstance(cause, other_name) for cause in causes):
        return unreachable(f"has a certificate that is not accepted: {_remedy('mismatch')}")
    for cause in causes:
        match cause:
            case RefusedError():
                return cause.verdict
            case NoPlaceError():
                return unreachable(f"was not asked: {cause.waiting} requests are still waiting")
            case credentials.FileError():
                return unreachable(f"was not asked: {cause}")
            case ssl.SSLCertVerificationError(verify_message=str(reason)):
                message = f"has a certificate that is not accepted: {one_line(reason, 200)}"
                return unreachable(f"{message}; {_remedy(reason)}")
    if any(map(is_timeout, causes)):
        return unreachable(f"did not answer within {timeout}")
    return unreachable(_broken_connection(causes, broken_off))


def _remedy(reason: str) -> str:
    if "mismatch" in reason:
        return "set tls.serverName to the name in it"
    return (
        "if it is the right one, set tls.caFile of this provider, in the operator's configuration, "
        "to a file with its authority"
    )


def _broken_connection(
    causes: Sequence[BaseException], broken_off: tuple[type[BaseException], ...]
) -> str:
    # Those of TLS are system errors as well, of the number 1.
    for cause in causes:
        match cause:
            case ssl.SSLError(reason=str(reason)):
                return f"could not agree on TLS: {one_line(reason, 100)}"
            case socket.gaierror():
                return f"has an address that does not resolve: {cause.strerror}"
    for cause in causes:
        match cause:
            case OSError(errno=int(number)) if number > 0:
                return f"cannot be reached: {os.strerror(number).lower()}"
    if any(isinstance(cause, broken_off) for cause in causes):
        return "broke off the connection before its answer was complete"
    return f"could not be asked ({type(causes[0]).__name__})"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies under it; libraries wrap in different ways."""
    seen: list[BaseException] = []
    ahead = [error]
    while ahead and len(seen) < 32:
        current = ahead.pop(0)
        if any(current is other for other in seen):
            continue
        seen.append(current)
        yield current
        inner = (
            getattr(current, "reason", None),
            *current.args,
            current.__cause__,
            current.__context__,
        )
        ahead.extend(cause for cause in inner if isinstance(cause, BaseException))
