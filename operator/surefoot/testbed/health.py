"""Asking a program on loopback whether it is ready."""

import contextlib
import ssl

import httpx

LONGEST_ANSWER = 300


def complaint(url: str, tls: ssl.SSLContext | None = None) -> str | None:
    """Ask the address: None when it answers 200, otherwise what keeps it, in one line."""
    try:
        # Proxies of the environment are not for loopback.
        with httpx.Client(verify=tls or False, trust_env=False, timeout=5.0) as client:
            answer = client.get(url)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    if answer.is_success:
        return None
    return f"HTTP {answer.status_code}, {reason_of(answer)[:LONGEST_ANSWER]}"


def reason_of(answer: httpx.Response) -> str:
    """The checks that fail, or the message of a Status, or the text as it is."""
    failing = [line for line in answer.text.splitlines() if line.startswith("[-]")]
    if failing:
        return "; ".join(failing)
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(answer.json()["message"])
    return " ".join(answer.text.split()) or "nothing"
