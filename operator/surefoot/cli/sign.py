"""`surefoot sign`: decide on an Approval with a key of one's own."""

import asyncio
import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from surefoot.cli.exits import NO, UNREACHABLE, USAGE, fail
from surefoot.errors import ApiError, ConfigurationError, NotFound, SurefootError, Unavailable
from surefoot.plugin.commands.deciding import texts
from surefoot.plugin.commands.options import Where

if TYPE_CHECKING:
    from surefoot.api.v1alpha1.approval import Approval
    from surefoot.plugin.session import Session

# The models and the client take long to load, and every command loads this module: they are
# imported where they are used.
# ruff: noqa: PLC0415

JSON = dict[str, Any]

DEFAULT_KEY = Path("~/.ssh/id_ed25519")
MANAGER = "surefoot-sign"
"""The field manager of a decision that is written here."""
WRITTEN = (
    "decision",
    "reason",
    "riskAssessment",
    "metricsSummary",
    "securityStatus",
    "conditions",
    "signature",
    "decidedBy",
)
"""The fields of `spec` that are the person's."""


class Choice(StrEnum):
    """What can be decided."""

    GO = "GO"
    NO_GO = "NO-GO"


class NotSignedError(SurefootError):
    """There is no signature. The message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person wants to sign. ``signer`` is empty where it is the one who runs the command."""

    namespace: str
    name: str
    content: JSON
    signer: str
    key: Path
    lasts: timedelta


def sign_decision(
    approval: Annotated[str, typer.Argument(metavar="APPROVAL", help="The Approval's name.")],
    *,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NS", help="The namespace of the Approval.")
    ],
    decision: Annotated[Choice, typer.Option(help="Your decision.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="The reason, for the record.")],
    risk_assessment: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The risks that you see, and what is done about them."),
    ] = None,
    metrics_summary: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The meaning of the numbers, in your words.")
    ] = None,
    security_status: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Security concerns, or the statement that there are none."
        ),
    ] = None,
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Your SSH key, or a public key whose private half an agent has."
        ),
    ] = DEFAULT_KEY,
    signer: Annotated[
        str,
        typer.Option(
            "--as", metavar="USER", help="Your user name, if the cluster should not be asked."
        ),
    ] = "",
    expires: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the signature may be used.")
    ] = "24h",
    context: Annotated[str | None, typer.Option(help="The context of the kubeconfig.")] = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print YAML for Git, and change nothing.")
    ] = False,
) -> None:
    """Decide on an Approval, and sign the decision with your own SSH key."""
    said = texts(reason, risk_assessment, metrics_summary, security_status)
    answer = Answer(
        namespace=namespace,
        name=approval,
        content={"decision": decision.value, **said},
        signer=signer,
        key=key.expanduser(),
        lasts=_length(expires),
    )
    if not answer.key.exists():
        fail(USAGE, f"there is no key {answer.key}: name yours with --key")
    try:
        done = asyncio.run(_sign(answer, context, print_only=print_only))
    except (ConfigurationError, Unavailable) as error:
        fail(UNREACHABLE, str(error))
    except SurefootError as error:
        fail(NO, str(error))
    typer.echo(done)


def _length(text: str) -> timedelta:
    from surefoot.api.v1alpha1.durations import parse_duration

    try:
        length = parse_duration(text)
    except ValueError as error:
        fail(USAGE, f"--expires: {error}")
    if length < timedelta(seconds=1):
        fail(USAGE, "--expires: must be at least 1s")
    return length


async def _sign(answer: Answer, context: str | None, *, print_only: bool) -> str:
    """Sign, and write or print it. Answers with what to tell."""
    from surefoot.plugin.session import connected

    async with connected(Where(answer.namespace, context=context)) as session:
        raw = await _read(session, answer)
        signer = answer.signer or (await session.whoami()).username
        decided = _signed(raw, answer, signer, session.now() + answer.lasts)
        if print_only:
            return _manifest(decided).rstrip()
        await _write(session, raw, decided)
    return _summary(decided)


async def _read(session: "Session", answer: Answer) -> JSON:
    from surefoot.plugin.session import path_of

    what = f"get Approval {answer.namespace}/{answer.name}"
    try:
        return await session.http.get(what, path_of("approvals", answer.namespace, answer.name))
    except (NotFound, Unavailable):
        raise
    except ApiError as error:  # not allowed to look, so the question is still open
        raise Unavailable(str(error), status=error.status) from error


def _signed(raw: JSON, answer: Answer, signer: str, expires_at: datetime) -> "Approval":
    """The Approval with the decision and its signature."""
    from surefoot.adapters.ssh_signatures import BEGIN

    unsigned = _with_signature(raw, answer, signer, {"value": BEGIN, "expiresAt": expires_at})
    state = unsigned.status.state
    if state in {"Used", "Void", "Expired"}:
        why = f": {unsigned.status.void_reason}" if unsigned.status.void_reason else ""
        raise NotSignedError(f"{answer.name} is {state.value}{why}; nothing can be decided there")
    value = _signature(unsigned, answer.key)
    return _with_signature(raw, answer, signer, {"value": value, "expiresAt": expires_at})


def _with_signature(raw: JSON, answer: Answer, signer: str, signature: JSON) -> "Approval":
    from pydantic import ValidationError

    from surefoot.api.v1alpha1.approval import Approval

    kept = {name: value for name, value in raw["spec"].items() if name not in WRITTEN}
    # To the second, as it is signed and stored.
    signature["expiresAt"] = signature["expiresAt"].replace(microsecond=0)
    spec = {**kept, **answer.content, "decidedBy": {"username": signer}, "signature": signature}
    try:
        return Approval.model_validate({**raw, "spec": spec})
    except ValidationError as error:
        faults = "; ".join(fault["msg"].removeprefix("Value error, ") for fault in error.errors())
        raise NotSignedError(f"{answer.name} cannot be decided so: {faults}") from error


def _signature(approval: "Approval", key: Path) -> str:
    """What ssh-keygen makes of the document; its own words go to the person."""
    from surefoot.adapters.ssh_signatures import KINDS, read_armor
    from surefoot.domain.signoff.signatures import LONGEST_DOCUMENT, NAMESPACE, document

    content = document(approval)
    if content is None or len(content) > LONGEST_DOCUMENT:
        raise NotSignedError(f"what is to be signed has more than {LONGEST_DOCUMENT} bytes")
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, input=content, stdout=subprocess.PIPE, check=True
        )
    except FileNotFoundError as error:
        raise NotSignedError("ssh-keygen is not installed: it is part of OpenSSH") from error
    except subprocess.CalledProcessError as error:
        raise NotSignedError(f"ssh-keygen did not sign with {key}") from error
    value = done.stdout.decode("ascii", "replace").strip()
    try:
        kind = read_armor(value).kind
    except ValueError as error:
        raise NotSignedError(f"ssh-keygen made no signature: {error}") from error
    if kind not in KINDS and not kind.startswith("rsa-sha2-"):
        raise NotSignedError(f"{key} makes signatures of the kind {kind}, which do not count")
    return value


def _half(approval: "Approval") -> JSON:
    """The person's half of the spec; what they left out is absent."""
    spec = approval.spec.to_wire()
    return {name: spec[name] for name in WRITTEN if name in spec and spec[name] != []}


def _manifest(approval: "Approval") -> str:
    manifest = {
        "apiVersion": approval.api_version,
        "kind": approval.kind,
        "metadata": {
            "name": approval.metadata.name,
            "namespace": approval.metadata.namespace,
        },
        "spec": _half(approval),
    }
    return yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True)


async def _write(session: "Session", raw: JSON, approval: "Approval") -> None:
    # What is not written must go: the signature is over all that is there.
    change = {"spec": dict.fromkeys(WRITTEN) | _half(approval)}
    await session.change("approvals", raw, change, manager=MANAGER)


def _summary(approval: "Approval") -> str:
    from surefoot.adapters.ssh_signatures import read_armor
    from surefoot.domain.signoff.requests import is_dry_run

    spec = approval.spec
    if spec.signature is None or spec.decision is None or spec.decided_by is None:
        raise ValueError(f"nothing is signed in Approval {approval.metadata.name}")
    asked = spec.request
    dry = "dry run, counts for nothing: " if is_dry_run(approval) else ""
    return (
        f"{dry}{spec.decision.value} for {asked.rollout.name} from {asked.from_}% to {asked.to}% "
        f"as {spec.decided_by.username}, signed with "
        f"{read_armor(spec.signature.value).fingerprint}, "
        f"to be used until {spec.signature.to_wire()['expiresAt']}"
    )
