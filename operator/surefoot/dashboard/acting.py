"""Deciding in the page: first what would be signed is shown, and only then it is written.

What was shown is kept here under a key that is good for one use, with the version of the object
that it was shown of; so what is written is exactly that, or nothing. The API server has judged it
before it is shown: anyone who may not decide is told so at once, in the server's words.
"""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from surefoot.adapters.kubernetes.objects import approval_from, checkpoint_from, rollout_from
from surefoot.adapters.ssh_signatures import BEGIN
from surefoot.api.v1alpha1.approval import Approval, Decision
from surefoot.dashboard.passkeys import Challenge, challenge_for
from surefoot.plugin import preview, questions
from surefoot.plugin.amounts import written
from surefoot.plugin.deciding import Answer, Prepared, half_of
from surefoot.plugin.reading import known
from surefoot.plugin.session import Declined, Person, Session, path_of

JSON = dict[str, Any]
PLURALS = {"Approval": "approvals", "Checkpoint": "checkpoints"}
MOST_PENDING = 32
USABLE = timedelta(hours=24)
"""How long a signature that was made in the page may be used."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What was shown and may be written. ``challenge`` is there where a passkey must sign it."""

    prepared: Prepared
    spec: JSON
    lines: tuple[str, ...]
    done: str
    challenge: Challenge | None = None


class Desk:
    """Where decisions are prepared and written, in the name of anyone who started the dashboard."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pending: OrderedDict[str, Pending] = OrderedDict()

    async def find(self, kind: str, namespace: str, name: str) -> tuple[JSON, JSON]:
        """A request and its Rollout, fresh. Raises `SurefootError`."""
        http, plural = self._session.http, PLURALS[kind]
        what = f"get {kind} {namespace}/{name}"
        raw = await http.get(what, path_of(plural, namespace, name))
        rollout = str(raw["spec"]["request"]["rollout"]["name"])
        what = f"get Rollout {namespace}/{rollout}"
        return raw, await http.get(what, path_of("rollouts", namespace, rollout))

    async def prepare(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        go: bool,
        said: Mapping[str, Any],
        signs: bool,
    ) -> tuple[str, Pending]:
        """Have a decision judged, and show what would be signed. Raises `SurefootError`.

        ``signs`` says that a passkey is to sign it.
        """
        me = await self._session.whoami()
        raw, rollout = await self.find(kind, namespace, name)
        request = (
            known(raw, approval_from)[0] if kind == "Approval" else known(raw, checkpoint_from)[0]
        )
        _must_be_asked(rollout, request, me)
        decision = Decision.GO if go else Decision.NO_GO
        given = {field: text for field, text in said.items() if text not in ("", None, [])}
        if not str(given.get("reason" if kind == "Approval" else "summary", "")).strip():
            raise Declined("say why: the record keeps it")
        if isinstance(request, Approval) and go:
            lacking = questions.what_lacks(request, given)
            if lacking is not None:
                raise Declined(lacking)
        answer = Answer(decision, name, given, asks=False)
        prepared = Prepared(PLURALS[kind], raw, request, rollout)
        spec = half_of(raw, answer, me)
        challenge = None
        if isinstance(request, Approval) and go and questions.needs_a_signature(request):
            if not signs:
                raise Declined("the GO of this role is signed with a key: sign with your passkey")
            challenge = self._challenge(raw, spec)
            spec["signature"] = {"value": BEGIN, "expiresAt": challenge.expires_at}
        await self._session.try_change(prepared.plural, raw, {"spec": spec})
        done = f"{decision.value} by {me.username}: {questions.about(request)}"
        lines = tuple(preview.decision(prepared, answer, me.username, self._session.now()))
        return self._keep(Pending(prepared, spec, lines, done, challenge))

    def _challenge(self, raw: JSON, spec: JSON) -> Challenge:
        until = (self._session.now() + USABLE).replace(microsecond=0)
        expires_at = written(until)
        signature = {"value": BEGIN, "expiresAt": expires_at}
        whole = {
            name: value
            for name, value in {**raw["spec"], **spec, "signature": signature}.items()
            if value is not None
        }
        return challenge_for(approval_from({**raw, "spec": whole}), expires_at)

    def _keep(self, pending: Pending) -> tuple[str, Pending]:
        key = secrets.token_urlsafe(16)
        self._pending[key] = pending
        while len(self._pending) > MOST_PENDING:
            self._pending.popitem(last=False)
        return key, pending

    async def write(self, key: str, signature: str = "") -> str:
        """Write what was shown under this key, once. Answers with what to tell."""
        pending = self._pending.pop(key, None)
        if pending is None:
            raise Declined("this was written already, or is too old: look at it once more")
        spec = dict(pending.spec)
        if pending.challenge is not None:
            if not signature:
                raise Declined("nothing was signed: the passkey gave no answer")
            spec["signature"] = {
                "value": signature,
                "expiresAt": pending.challenge.expires_at,
            }
        prepared = pending.prepared
        await self._session.change(prepared.plural, prepared.raw, {"spec": spec})
        return pending.done

    def pending(self, key: str) -> Pending | None:
        """What was shown under this key and is not written yet."""
        return self._pending.get(key)


def _must_be_asked(rollout: JSON, request: Any, me: Person) -> None:
    """Say at once what would come to nothing. Raises `Declined`."""
    name = request.metadata.name
    if not questions.is_current(known(rollout, rollout_from)[0], request):
        raise Declined(f"{name} is over: the rollout asks for something else now")
    if not questions.is_asked_of(request, me.username, me.groups):
        raise Declined(
            f"{me.username} may not decide {name}: {questions.may_be_answered_by(request)} may"
        )
