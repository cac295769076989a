"""The `Signatures` port: SSH signatures against the allowed signers of `ssh-keygen`.

A line of the allowed signers admits a key for the user names that it spells out, and for nothing
that it does not: patterns and certificate authorities are left out, and so is a line that cannot
be read. Each such line is named; it neither admits anybody nor touches the other lines.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.meta import ALLOWED_SIGNERS_CONFIGMAP, ALLOWED_SIGNERS_KEY
from surefoot.application.turns import by_turns
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.signoff.signatures import NAMESPACE, document
from surefoot.errors import ApiError

if TYPE_CHECKING:
    from surefoot.adapters.ssh_signatures import Envelope, PublicKey

# The library that checks signatures takes 8 MiB and a tenth of a start: it is loaded by the first
# signature, or by the first allowed signer.
# ruff: noqa: PLC0415

log = structlog.get_logger(__name__)

HOW_TO_ALLOW = (
    f"there are no allowed signers: put them into the ConfigMap {ALLOWED_SIGNERS_CONFIGMAP}, key "
    f"{ALLOWED_SIGNERS_KEY}, of the operator's namespace, as docs/signing.md says"
)
NOT_READ = "the allowed signers are not read yet"
NAMED_FAULTS = 2
"""How many lines that are left out are named to a signer whose key is not found."""

_PATTERN = re.compile(r"[*?!]")
_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>[^"]*)")?(?P<end>,|[ \t]+|$)')
_MOMENT = re.compile(r"(?P<digits>\d{8}|\d{12}|\d{14})(?P<zone>Z?)")
_FORMATS = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_OPTIONS = frozenset({"namespaces", "valid-after", "valid-before"})


@dataclass(frozen=True, slots=True)
class AllowedSigner:
    """One line: this key may sign for these user names, from ``valid_from`` to ``valid_until``."""

    line: int
    principals: frozenset[str]
    key: "PublicKey"
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AllowedSigners:
    """All lines that admit somebody, and what is wrong with the others."""

    signers: Mapping[tuple[str, bytes], AllowedSigner]
    """By user name and encoded key. The first of two lines for both of them counts."""
    faults: tuple[str, ...]


class SshSignatures:
    """The port. ``read`` reads the allowed signers, as `KubernetesCluster.allowed_signers` does."""

    def __init__(self, read: Callable[[], Awaitable[str | None]]) -> None:
        self._read = read
        self._text: str | None = None
        self._is_known = False
        self._begun = 0
        self._taken = 0
        """The number of the read whose answer is held: an older one may end later."""
        self._has_news = False
        self._looked_for: dict[str, int] = {}

    async def refresh(self) -> None:
        """Read the allowed signers. Raises an `ApiError`."""
        self._begun += 1
        number = self._begun
        text = await self._read()
        if number < self._taken:
            return
        self._taken = number
        is_changed = not self._is_known or text != self._text
        self._text, self._is_known = text, True
        if not is_changed:
            return
        self._has_news = True
        self._looked_for.clear()
        for fault in read_allowed_signers(text or "").faults:
            log.warning("a line of the allowed signers is left out", fault=fault)

    def take_news(self) -> bool:
        """Whether the allowed signers have changed since this was last asked; any read tells."""
        has_news, self._has_news = self._has_news, False
        return has_news

    async def verify(
        self, approvals: Iterable[Approval], *, afresh: bool
    ) -> dict[str, SignatureFact]:
        """What is to be said of each detached signature, by the Approval's UID."""
        signed = [approval for approval in approvals if approval.spec.signature is not None]
        if not signed:
            return {}
        fault = await self._refreshed() if afresh else None if self._is_known else NOT_READ
        if fault is not None:
            return _undecided(signed, fault)
        facts = await self._facts(signed)
        doubtful = [
            approval
            for approval in signed
            if facts[approval.metadata.uid].fault and self._is_new(approval)
        ]
        if afresh or not doubtful:
            return facts
        # Before a signature is refused it is looked once whether its key was allowed meanwhile.
        fault = await self._refreshed()
        if fault is not None:
            return facts | _undecided(doubtful, fault)
        self._looked_for |= {
            approval.metadata.uid: approval.metadata.generation for approval in doubtful
        }
        return await self._facts(signed)

    def signers(self) -> frozenset[str] | None:
        """The user names that a line admits; nobody where there are no allowed signers."""
        if not self._is_known:
            return None
        return frozenset(name for name, _ in read_allowed_signers(self._text or "").signers)

    def _is_new(self, approval: Approval) -> bool:
        return self._looked_for.get(approval.metadata.uid) != approval.metadata.generation

    async def _facts(self, signed: Iterable[Approval]) -> dict[str, SignatureFact]:
        text = self._text
        facts = await by_turns(
            signed, lambda approval: (approval.metadata.uid, _fact(approval, text))
        )
        return dict(facts)

    async def _refreshed(self) -> str | None:
        try:
            await self.refresh()
        except ApiError as error:
            return f"the allowed signers cannot be read: {error}"
        return None


def _undecided(approvals: Iterable[Approval], fault: str) -> dict[str, SignatureFact]:
    return {approval.metadata.uid: SignatureFact(fault, undecided=True) for approval in approvals}


def _fact(approval: Approval, allowed_signers: str | None) -> SignatureFact:
    content, signature = document(approval), approval.spec.signature
    if content is None or signature is None or approval.spec.decided_by is None:
        raise ValueError(f"nothing is signed in Approval {approval.metadata.name}")
    return _verified(content, signature.value, approval.spec.decided_by.username, allowed_signers)


@lru_cache(maxsize=4096)
def _verified(signed: bytes, value: str, signer: str, allowed_signers: str | None) -> SignatureFact:
    from surefoot.adapters.ssh_signatures import check, read_armor

    try:
        envelope = read_armor(value)
    except ValueError as error:
        return SignatureFact(str(error))
    if allowed_signers is None:
        return SignatureFact(HOW_TO_ALLOW, envelope.fingerprint, undecided=True)
    allowed = read_allowed_signers(allowed_signers)
    line = allowed.signers.get((signer, envelope.blob))
    if line is None:
        return SignatureFact(_not_allowed(envelope, signer, allowed), envelope.fingerprint)
    try:
        check(envelope, line.key, signed, NAMESPACE)
    except ValueError as error:
        return SignatureFact(str(error), envelope.fingerprint)
    return SignatureFact(None, envelope.fingerprint, line.valid_from, line.valid_until)


def _not_allowed(envelope: "Envelope", signer: str, allowed: AllowedSigners) -> str:
    message = f"the allowed signers do not have the key {envelope.fingerprint} for {signer}"
    left_out = "; ".join(allowed.faults[:NAMED_FAULTS])
    return f"{message}; left out: {left_out}" if left_out else message


# Allowed signers


@lru_cache(maxsize=8)
def read_allowed_signers(text: str) -> AllowedSigners:
    """Read the file format of `ssh-keygen`, see ALLOWED SIGNERS in its manual."""
    signers: dict[tuple[str, bytes], AllowedSigner] = {}
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        try:
            signer = _read_line(number, content)
        except ValueError as error:
            faults.append(f"line {number}: {error}")
            continue
        if signer is None:
            continue
        for name in sorted(signer.principals):
            first = signers.setdefault((name, signer.key.blob), signer)
            if first is not signer:
                key = signer.key.fingerprint
                faults.append(
                    f"line {number}: the key {key} of {name} is in line {first.line} as well; "
                    "only that one counts"
                )
    return AllowedSigners(signers, tuple(faults))


def _read_line(number: int, line: str) -> AllowedSigner | None:
    """The signer that a line admits; None where it is for other namespaces than ours."""
    from surefoot.adapters.ssh_signatures import read_public_key

    principals, rest = _principals(line)
    options, rest = _options(rest)
    kind, _, after = rest.partition(" ")
    encoded = after.split(maxsplit=1)[0] if after.strip() else ""
    if not encoded:
        raise ValueError("it has no key after the user names and options")
    key = read_public_key(kind, encoded)
    spaces = options.get("namespaces")
    if spaces is not None and NAMESPACE not in _without_patterns(spaces, "namespaces"):
        return None
    return AllowedSigner(
        number,
        principals,
        key,
        _moment(options, "valid-after"),
        _moment(options, "valid-before"),
    )


def _principals(line: str) -> tuple[frozenset[str], str]:
    if line.startswith('"'):
        names, quote, rest = line[1:].partition('"')
        if not quote:
            raise ValueError('a " is not closed')
    else:
        parts = line.split(maxsplit=1)
        names, rest = parts[0], parts[1] if len(parts) > 1 else ""
    return _without_patterns(names, "the user names"), rest.lstrip()


def _without_patterns(names: str, what: str) -> frozenset[str]:
    if _PATTERN.search(names):
        raise ValueError(f"patterns are not supported in {what}: spell out each one")
    parts = frozenset(name for name in names.split(",") if name)
    if not parts:
        raise ValueError(f"{what} are missing")
    return parts


def _options(text: str) -> tuple[dict[str, str], str]:
    """The options before the key, by name in lower case, and what follows them."""
    options: dict[str, str] = {}
    first = text.split(maxsplit=1)[0] if text else ""
    if not ("=" in first or "," in first or first.lower() == "cert-authority"):
        return options, text
    while True:
        match = _OPTION.match(text)
        if match is None:
            raise ValueError(f"its options cannot be read from {text[:32]!r} on")
        name, value = match["name"].lower(), match["value"]
        if name == "cert-authority":
            raise ValueError("certificate authorities are not supported: name the keys themselves")
        if name not in _OPTIONS or value is None or name in options:
            raise ValueError(f"the option {match['name'][:32]} is not known, empty or there twice")
        options[name] = value
        text = text[match.end() :]
        if match["end"] != ",":
            return options, text


def _moment(options: Mapping[str, str], name: str) -> datetime | None:
    text = options.get(name)
    if text is None:
        return None
    match = _MOMENT.fullmatch(text)
    if match is None or not match["zone"]:
        raise ValueError(f'{name}="{text[:32]}" must be in UTC, such as 20261231Z')
    try:
        return datetime.strptime(match["digits"], _FORMATS[len(match["digits"])]).replace(
            tzinfo=UTC
        )
    except ValueError as error:
        raise ValueError(f'{name}="{text[:32]}" is no moment') from error
