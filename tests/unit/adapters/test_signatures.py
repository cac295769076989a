"""SSH signatures against allowed signers: who is admitted, and what is said of everybody else."""

import asyncio
import base64
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from surefoot.adapters.signatures import SshSignatures, read_allowed_signers
from surefoot.adapters.ssh_signatures import read_armor
from surefoot.api.v1alpha1.approval import Approval
from surefoot.domain.facts.signatures import SignatureFact
from surefoot.domain.signoff.signatures import NAMESPACE, document, signature_fault
from surefoot.errors import Refused
from tests.support.ssh import (
    KEYS,
    SSH_KEYGEN,
    Sealed,
    SshKey,
    ecdsa_key,
    ed25519_key,
    hardware_key,
    mpint,
    rsa_key,
    string,
)

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
CORA = ed25519_key()
HUDSON = ed25519_key()
BLANK = "-----BEGIN SSH SIGNATURE-----"
JSON = dict[str, Any]


def an_approval(value: str = BLANK, **changes: Any) -> Approval:
    """A GO of cora with this signature."""
    spec: JSON = {
        "request": {
            "rollout": {"name": "checkout", "uid": "uid-checkout"},
            "planHash": "sha256:1",
            "attempt": 1,
            "step": 0,
            "from": 10,
            "to": 25,
            "role": "leads",
            "users": ["cora"],
            "signing": "Required",
        },
        "decision": "GO",
        "reason": "numbers are good",
        "decidedBy": {"username": "cora"},
        "signature": {"value": value, "expiresAt": (NOW + timedelta(hours=1)).isoformat()},
    }
    return Approval.model_validate(
        {
            "metadata": {
                "name": "checkout-25-leads",
                "namespace": "shop",
                "uid": "uid-approval",
                "generation": 2,
            },
            "spec": spec | changes,
        }
    )


def the_document(**changes: Any) -> bytes:
    """What is signed."""
    signed = document(an_approval(**changes))
    assert signed is not None
    return signed


class Signers:
    """The ConfigMap. ``text`` is what is in it; ``error`` is raised instead."""

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.error: Refused | None = None
        self.reads = 0

    async def read(self) -> str | None:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.text


def line(key: SshKey = CORA, principals: str = "cora", options: str = "") -> str:
    """A line of the allowed signers."""
    return " ".join(part for part in (principals, options, key.public, "a comment") if part)


async def fact_of(approval: Approval, signers: str | None = None) -> SignatureFact:
    """What is said of it, against fresh allowed signers; cora's only, if none are given."""
    text = line() if signers is None else signers
    facts = await SshSignatures(Signers(text).read).verify([approval], afresh=True)
    return facts["uid-approval"]


async def fault_of(value: str, signers: str | None = None) -> str:
    """What is wrong with a signature."""
    fact = await fact_of(an_approval(value), signers)
    assert fact.fault is not None
    return fact.fault


# Which signatures hold


@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", KEYS)
async def test_signature_of_every_kind_holds(kind: str, hash_name: str) -> None:
    """And the key is named by its fingerprint."""
    key = KEYS[kind]()
    approval = an_approval(key.sign(the_document(), hash_name=hash_name))
    assert await fact_of(approval, line(key)) == SignatureFact(None, key.fingerprint)


@pytest.mark.parametrize("kind", KEYS)
async def test_signature_of_another_document_does_not_hold(kind: str) -> None:
    """With the right key, of every kind."""
    key = KEYS[kind]()
    fault = await fault_of(key.sign(the_document(reason="another")), line(key))
    assert fault == "it is not over this decision, or was changed"


@pytest.mark.parametrize(
    "change",
    [
        {"decision": "NO-GO"},
        {"reason": "numbers are great"},
        {"riskAssessment": "none"},
        {"metricsSummary": "fine"},
        {"securityStatus": "fine"},
        {"conditions": [{"name": "watch", "text": "watch it"}]},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_changing_what_was_written_breaks_the_signature(change: JSON) -> None:
    """Each part by itself."""
    value = CORA.sign(the_document())
    fact = await fact_of(an_approval(value, **change))
    assert fact.fault == "it is not over this decision, or was changed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rollout", {"name": "checkout", "uid": "uid-later"}),
        ("planHash", "sha256:2"),
        ("attempt", 2),
        ("round", 2),
        ("step", 1),
        ("from", 25),
        ("to", 50),
        ("role", "security"),
        ("purpose", "Acknowledge"),
    ],
)
async def test_signature_is_good_for_no_other_question(name: str, value: Any) -> None:
    """A signature that is copied into another request does not hold there."""
    approval = an_approval(CORA.sign(the_document()))
    asked = approval.spec.to_wire()["request"] | {name: value}
    other = an_approval(CORA.sign(the_document()), request=asked)
    fact = await fact_of(other)
    assert fact.fault == "it is not over this decision, or was changed"


async def test_signature_for_another_use_of_the_key_does_not_hold() -> None:
    """Git commits and files have namespaces of their own."""
    fault = await fault_of(CORA.sign(the_document(), namespace="git"))
    assert fault == 'it was made for the namespace "git", not for "approval@surefoot.dev"'


async def test_namespace_that_is_claimed_only_does_not_help() -> None:
    """It is part of what is signed."""
    sealed = CORA.envelope(the_document(), namespace="git")
    fault = await fault_of(sealed.but(namespace=NAMESPACE.encode()).armored)
    assert fault == "it is not over this decision, or was changed"


async def test_key_of_somebody_else_does_not_count() -> None:
    """Though it is an allowed signer's."""
    signers = f"{line()}\n{line(HUDSON, 'hudson')}"
    fault = await fault_of(HUDSON.sign(the_document()), signers)
    assert fault == f"the allowed signers do not have the key {HUDSON.fingerprint} for cora"


async def test_key_that_claims_to_be_another_does_not_help() -> None:
    """The signature was made by who made it."""
    sealed = HUDSON.envelope(the_document()).but(blob=CORA.blob)
    assert await fault_of(sealed.armored) == "it is not over this decision, or was changed"


@pytest.mark.parametrize(
    "principals", ["Cora", "cor", "corabelle", "hudson", "cora@example.org", "xcora"]
)
async def test_user_names_are_compared_exactly(principals: str) -> None:
    """Neither case nor a part of a name will do."""
    fault = await fault_of(CORA.sign(the_document()), line(principals=principals))
    assert "do not have the key" in fault


@pytest.mark.parametrize("principals", ["hudson,cora", '"hudson,cora"', '"cora"'])
async def test_one_line_may_have_several_names(principals: str) -> None:
    """Separated by commas, in quotes or not."""
    fact = await fact_of(an_approval(CORA.sign(the_document())), line(principals=principals))
    assert fact.fault is None


async def test_validity_of_the_key_is_told_with_the_fact() -> None:
    """Whether it is valid now is not the verifier's to say: it has no clock."""
    options = 'valid-after="20260101Z",valid-before="20260301100030Z"'
    approval = an_approval(CORA.sign(the_document()))
    fact = await fact_of(approval, line(options=options))
    assert fact == SignatureFact(
        None,
        CORA.fingerprint,
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_until=datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC),
    )
    assert signature_fault(approval, fact, NOW) is None
    assert signature_fault(approval, fact, NOW + timedelta(seconds=30)) is not None


async def test_changing_until_when_it_may_be_used_breaks_it() -> None:
    """Nobody prolongs another's signature."""
    approval = an_approval(
        signature={
            "value": CORA.sign(the_document()),
            "expiresAt": (NOW + timedelta(days=365)).isoformat(),
        }
    )
    assert (await fact_of(approval)).fault == "it is not over this decision, or was changed"


# Signatures that are none


def spoiled(change: Callable[[Sealed], Sealed], key: SshKey = CORA) -> str:
    """Cora's signature with something changed in it."""
    return change(key.envelope(the_document())).armored


def with_raw(sealed: Sealed, key: SshKey, raw: bytes) -> str:
    """The same, with other bytes for the signature proper."""
    return sealed.but(body=string(key.kind.encode()) + string(raw)).armored


GOOD = CORA.sign(the_document())
LINES = GOOD.splitlines()
P256 = ecdsa_key(256)
RSA = rsa_key()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (BLANK, "does not begin with"),
        (f"{LINES[0]}\n{LINES[-1]}", "does not begin with"),
        ("\n".join(LINES[:-1]), "does not begin with"),
        ("\n".join([*LINES, "and more"]), "does not begin with"),
        ("\n".join([LINES[0], *LINES[2:]]), "is not base64"),
        ("\n".join([LINES[0], "äöü", LINES[-1]]), "is not base64"),
        ("\n".join([LINES[0], "!!!!", LINES[-1]]), "is not base64"),
        ("\n".join([LINES[0], "U1NI", LINES[-1]]), "ends too early"),
        ("\n".join([LINES[0], *(["A" * 76] * 100), LINES[-1]]), "not an SSH signature"),
        (spoiled(lambda sealed: sealed.but(magic=b"SSHSIX")), "not an SSH signature"),
        (spoiled(lambda sealed: sealed.but(version=2)), "version 2 of the format"),
        (spoiled(lambda sealed: sealed.but(after=b"xyz")), "3 bytes too many"),
        (spoiled(lambda sealed: sealed.but(body=sealed.body + b"x")), "1 bytes too many"),
        (spoiled(lambda sealed: sealed.but(body=sealed.body[:-1])), "ends too early"),
        (spoiled(lambda sealed: sealed.but(body=b"")), "ends too early"),
        (spoiled(lambda sealed: sealed.but(hash_name=b"sha1")), "its hash is sha1"),
        (spoiled(lambda sealed: sealed.but(hash_name=b"shake_128")), "its hash is shake_128"),
        (spoiled(lambda sealed: sealed.but(hash_name=b"\xff")), "not ASCII"),
        (spoiled(lambda sealed: sealed.but(hash_name=b"sha256")), "not over this decision"),
        (
            spoiled(lambda sealed: sealed.but(body=string(b"rsa-sha2-512") + sealed.body[15:])),
            "a key of the kind ssh-ed25519 makes no rsa-sha2-512",
        ),
        (
            spoiled(lambda sealed: sealed.but(body=string(b"ssh-ed25519") + string(b"short"))),
            "not over this decision",
        ),
    ],
)
async def test_what_is_no_signature_is_refused_in_words(value: str, said: str) -> None:
    """Nothing of this is an error of the operator's."""
    assert said in await fault_of(value)


async def test_every_single_bit_matters() -> None:
    """A signature with any byte changed does not hold."""
    raw = base64.b64decode("".join(LINES[1:-1]))
    length_of_reserved = raw.index(NAMESPACE.encode()) + len(NAMESPACE)
    for place in range(len(raw)):
        if length_of_reserved <= place < length_of_reserved + 4:
            continue  # changes the length of a field that is not used, and thereby all others
        changed = bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]])
        armored = "\n".join([LINES[0], base64.b64encode(changed).decode(), LINES[-1]])
        assert (await fact_of(an_approval(armored))).fault is not None, f"byte {place}"


@pytest.mark.parametrize(
    "raw",
    [
        mpint(0) + mpint(1),
        string(b"\xff" * 32) + mpint(1),
        mpint(1),
        mpint(1) + mpint(1) + b"x",
        mpint(1) + mpint(1),
        mpint(2**300) + mpint(2**300),
    ],
    ids=["zero", "negative", "half", "more", "ones", "too large"],
)
async def test_numbers_that_are_no_ecdsa_signature_are_refused(raw: bytes) -> None:
    """Zeros and negative numbers among them."""
    assert await fault_of(with_raw(P256.envelope(the_document()), P256, raw), line(P256))


async def test_rsa_with_sha1_is_refused() -> None:
    """The kind ssh-rsa is SHA-1."""
    body = string(b"ssh-rsa") + string(b"x" * 256)
    fault = await fault_of(RSA.envelope(the_document()).but(body=body).armored, line(RSA))
    assert "SHA-1" in fault


@pytest.mark.parametrize("ecdsa", [False, True])
async def test_hardware_key_must_be_touched(ecdsa: bool) -> None:
    """What a program on the person's machine can do alone does not count."""
    key = hardware_key(ecdsa=ecdsa, touched=False)
    assert await fault_of(key.sign(the_document()), line(key)) == (
        "its hardware key was not touched"
    )


# Allowed signers


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (line(principals="*"), "patterns are not supported in the user names"),
        (line(principals="cor?"), "patterns are not supported in the user names"),
        (line(principals="!hudson,cora"), "patterns are not supported in the user names"),
        (line(principals=","), "the user names are missing"),
        (line(principals='"cora'), 'a " is not closed'),
        (line(options="cert-authority"), "certificate authorities are not supported"),
        (line(options='namespaces="*"'), "patterns are not supported in namespaces"),
        (line(options='namespaces=""'), "namespaces are missing"),
        (line(options='verify-required="x"'), "the option verify-required is not known"),
        (line(options="namespaces=git"), "options cannot be read"),
        (line(options='valid-after="20260101Z",valid-after="20250101Z"'), "there twice"),
        (line(options='valid-before="20260101"'), "must be in UTC, such as 20261231Z"),
        (line(options='valid-before="soon"'), "must be in UTC"),
        (line(options='valid-before="20261399Z"'), "is no moment"),
        ("cora", "it has no key"),
        ("cora ssh-ed25519", "it has no key"),
        ("cora ssh-ed25519 AAAA!", "the key is not base64"),
        ("cora ssh-ed25519 AAAA", "it is not a key of the kind ssh-ed25519"),
        (f"cora ssh-rsa {CORA.public.split()[1]}", "it is not a key of the kind ssh-rsa"),
        ("cora ssh-dss AAAA", "keys of the kind ssh-dss are not supported"),
        (
            f"cora ssh-ed25519-cert-v01@openssh.com {CORA.public.split()[1]}",
            "keys of the kind ssh-ed25519-cert-v01@openssh.com are not supported",
        ),
        (line(rsa_key(1024)), "an RSA key must have 2048 bits, this one has 1024"),
    ],
    ids=range(22),  # the keys are new in every run, and workers must agree on names
)
async def test_line_that_can_not_be_used_admits_nobody_and_is_named(bad: str, said: str) -> None:
    """With its number, to the signer whose key is not found; the other lines hold."""
    value = CORA.sign(the_document())
    fault = await fault_of(value, f"# our keys\n\n{bad}\n{line(HUDSON, 'hudson')}\n")
    assert "left out: line 3: " in fault
    assert said in fault
    assert (await fact_of(an_approval(value), f"{bad}\n{line()}")).fault is None


async def test_line_for_other_namespaces_admits_nobody() -> None:
    """It is no fault either: the file may serve several purposes."""
    signers = line(options='namespaces="git,file"')
    assert "do not have the key" in await fault_of(CORA.sign(the_document()), signers)
    assert read_allowed_signers(signers).faults == ()
    ours = line(options=f'namespaces="git,{NAMESPACE}"')
    assert (await fact_of(an_approval(CORA.sign(the_document())), ours)).fault is None


def test_options_may_be_written_in_any_case() -> None:
    """As ssh-keygen takes them."""
    text = line(options='NAMESPACES="approval@surefoot.dev",Valid-After="20260101Z"')
    (signer,) = read_allowed_signers(text).signers.values()
    assert signer.valid_from == datetime(2026, 1, 1, tzinfo=UTC)


def test_of_two_lines_for_one_name_and_key_the_first_counts() -> None:
    """A later line cannot prolong what an earlier one bounds, and is named."""
    bounded = line(options='valid-before="20260101Z"')
    found = read_allowed_signers(f"{bounded}\n{line()}")
    (signer,) = found.signers.values()
    assert signer.line == 1
    assert found.faults == (
        f"line 2: the key {CORA.fingerprint} of cora is in line 1 as well; only that one counts",
    )


def test_any_text_can_be_read() -> None:
    """Windows line ends, tabs, and nonsense."""
    found = read_allowed_signers(f'\r\n\t\n# x\r\n{line()}\r\n\x00\n=,=\nä ö ü\n"\n')
    assert [name for name, _ in found.signers] == ["cora"]
    assert len(found.faults) == 4


# What is known, and when it is read


async def test_missing_config_map_says_how_to_make_it() -> None:
    """And leaves the decision open."""
    signatures = SshSignatures(Signers(None).read)
    facts = await signatures.verify([an_approval(CORA.sign(the_document()))], afresh=True)
    fact = facts["uid-approval"]
    assert fact.undecided
    assert "ConfigMap surefoot-allowed-signers, key allowed_signers" in (fact.fault or "")


async def test_without_signatures_nothing_is_read() -> None:
    """Who does not sign does not depend on it."""
    signers = Signers(line())
    unsigned: JSON = {"signature": None, "decision": None, "decidedBy": None, "reason": None}
    assert await SshSignatures(signers.read).verify([an_approval(**unsigned)], afresh=True) == {}
    assert signers.reads == 0


async def test_what_is_not_read_yet_is_open_and_waits_for_nothing() -> None:
    """A rollback is judged this way, too."""
    signers = Signers(line())
    facts = await SshSignatures(signers.read).verify(
        [an_approval(CORA.sign(the_document()))], afresh=False
    )
    assert facts["uid-approval"].undecided
    assert signers.reads == 0


async def test_signers_that_can_not_be_read_leave_it_open() -> None:
    """An advance waits; nothing fails."""
    signers = Signers(line())
    signatures = SshSignatures(signers.read)
    await signatures.refresh()
    signers.error = Refused("get ConfigMap: 403: no", status=403)
    good = an_approval(CORA.sign(the_document()))
    fact = (await signatures.verify([good], afresh=True))["uid-approval"]
    assert fact.undecided
    assert "cannot be read: get ConfigMap: 403: no" in (fact.fault or "")
    known = await signatures.verify([good], afresh=False)
    assert known["uid-approval"].fault is None


async def test_older_read_that_ends_later_takes_nothing_back() -> None:
    """Two reads may be under way at once: what the later one has found stays."""
    answers: list[asyncio.Future[str | None]] = []

    async def read() -> str | None:
        answers.append(asyncio.get_running_loop().create_future())
        return await answers[-1]

    signatures = SshSignatures(read)
    older = asyncio.ensure_future(signatures.refresh())
    await asyncio.sleep(0)
    newer = asyncio.ensure_future(signatures.refresh())
    await asyncio.sleep(0)
    answers[1].set_result(line(CORA, "cora"))
    await newer
    answers[0].set_result(line(HUDSON, "hudson"))
    await older
    assert signatures.signers() == frozenset({"cora"})


async def test_key_that_was_just_allowed_counts_at_once() -> None:
    """Before a signature is refused out of the cache it is looked once more, and once only."""
    signers = Signers(line(HUDSON, "hudson"))
    signatures = SshSignatures(signers.read)
    await signatures.refresh()
    approval = an_approval(CORA.sign(the_document()))
    for _ in range(3):
        refused = await signatures.verify([approval], afresh=False)
        assert refused["uid-approval"].fault is not None
    assert signers.reads == 2
    signers.text = line()
    await signatures.refresh()
    found = await signatures.verify([approval], afresh=False)
    assert found["uid-approval"].fault is None


async def test_doubt_that_can_not_be_settled_leaves_only_that_one_open() -> None:
    """The others stay as they are."""
    signers = Signers(line())
    signatures = SshSignatures(signers.read)
    await signatures.refresh()
    signers.error = Refused("get ConfigMap: 403: no", status=403)
    bad = an_approval(HUDSON.sign(the_document()))
    bad = bad.model_copy(update={"metadata": bad.metadata.model_copy(update={"uid": "uid-bad"})})
    facts = await signatures.verify([an_approval(CORA.sign(the_document())), bad], afresh=False)
    assert facts["uid-approval"].fault is None
    assert facts["uid-bad"].undecided


async def test_key_that_was_just_removed_is_out_of_any_fresh_answer() -> None:
    """Nothing moves by a key that is no longer allowed."""
    signers = Signers(line())
    signatures = SshSignatures(signers.read)
    approval = an_approval(CORA.sign(the_document()))
    assert (await signatures.verify([approval], afresh=True))["uid-approval"].fault is None
    signers.text = ""
    fact = (await signatures.verify([approval], afresh=True))["uid-approval"]
    assert fact.fault is not None
    assert not fact.undecided


async def test_lines_that_are_left_out_are_logged_once() -> None:
    """Not at each look."""
    signers = Signers(f"{line(principals='*')}\n{line()}")
    signatures = SshSignatures(signers.read)
    with capture_logs() as logs:
        await signatures.refresh()
        await signatures.refresh()
    assert [entry["fault"] for entry in logs] == [
        "line 1: patterns are not supported in the user names: spell out each one"
    ]


# The real ssh-keygen


def keygen(*arguments: str, message: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it."""
    return subprocess.run(
        ["ssh-keygen", *arguments], check=False, input=message, capture_output=True
    )


@SSH_KEYGEN
@pytest.mark.parametrize(
    "kind",
    [
        ("ed25519",),
        ("ecdsa", "-b", "256"),
        ("ecdsa", "-b", "384"),
        ("ecdsa", "-b", "521"),
        ("rsa", "-b", "2048"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("hash_name", ["sha256", "sha512"])
async def test_what_ssh_keygen_signs_holds(
    tmp_path: Path, kind: tuple[str, ...], hash_name: str
) -> None:
    """Keys and signatures made by it, fingerprint included."""
    path = tmp_path / "key"
    assert keygen("-q", "-t", *kind, "-N", "", "-f", str(path)).returncode == 0
    done = keygen(
        *("-Y", "sign", "-n", NAMESPACE, "-f", str(path), "-O", f"hashalg={hash_name}"),
        message=the_document(),
    )
    assert done.returncode == 0, done.stderr
    public = path.with_suffix(".pub").read_text()
    fact = await fact_of(an_approval(done.stdout.decode()), f"cora {public}")
    shown = keygen("-l", "-f", str(path)).stdout.decode().split()[1]
    assert fact == SignatureFact(None, shown)


@SSH_KEYGEN
@pytest.mark.parametrize("kind", KEYS)
def test_ssh_keygen_takes_what_the_tests_sign(tmp_path: Path, kind: str) -> None:
    """So the other tests here speak of real signatures, hardware keys included."""
    key = KEYS[kind]()
    (tmp_path / "allowed").write_text(line(key) + "\n")
    (tmp_path / "signature").write_text(key.sign(the_document()))
    done = keygen(
        *("-Y", "verify", "-n", NAMESPACE, "-I", "cora"),
        *("-f", str(tmp_path / "allowed"), "-s", str(tmp_path / "signature")),
        message=the_document(),
    )
    assert done.returncode == 0, done.stderr
    assert read_armor(key.sign(the_document())).fingerprint == key.fingerprint
    assert key.fingerprint.encode() in done.stdout


@SSH_KEYGEN
@pytest.mark.parametrize(
    ("options", "is_valid"),
    [
        ('valid-before="20260301100000Z"', False),
        ('valid-before="20260301100001Z"', True),
        ('valid-after="20260301100000Z"', True),
        ('valid-after="20260301100001Z"', False),
        ('namespaces="approval@surefoot.dev"', True),
        ('namespaces="git"', False),
    ],
)
async def test_what_we_admit_ssh_keygen_admits(
    tmp_path: Path, options: str, is_valid: bool
) -> None:
    """At the very second as well; only in the last one it is the more generous."""
    (tmp_path / "allowed").write_text(line(options=options) + "\n")
    (tmp_path / "signature").write_text(GOOD)
    moment = NOW.strftime("%Y%m%d%H%M%SZ")
    done = keygen(
        *("-Y", "verify", "-n", NAMESPACE, "-I", "cora", "-O", f"verify-time={moment}"),
        *("-f", str(tmp_path / "allowed"), "-s", str(tmp_path / "signature")),
        message=the_document(),
    )
    approval = an_approval(GOOD)
    fault = signature_fault(approval, await fact_of(approval, line(options=options)), NOW)
    assert (fault is None) == is_valid
    if is_valid:
        assert done.returncode == 0, done.stderr


async def test_names_with_a_key_are_known_once_the_allowed_signers_are_read() -> None:
    """Not known before; nobody where there are none; a line that is left out admits nobody."""
    signers = Signers(None)
    signatures = SshSignatures(signers.read)
    assert signatures.signers() is None
    await signatures.refresh()
    assert signatures.signers() == frozenset()
    signers.text = f"{line()}\n{line(HUDSON, 'hud*')}\n"
    await signatures.refresh()
    assert signatures.signers() == frozenset({"cora"})
