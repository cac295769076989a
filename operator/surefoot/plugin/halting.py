"""halt, unhalt: one ConfigMap that stops all automation, rollback excepted."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.adapters.kubernetes.http import JSON
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.errors import Conflict
from surefoot.plugin import output
from surefoot.plugin.session import Declined, Session


@dataclass(frozen=True, slots=True)
class End:
    """When a halt ends: at a moment, or after a time from now by the API server's clock."""

    at: datetime | None = None
    after: timedelta = timedelta(0)

    @classmethod
    def read(cls, text: str) -> "End":
        """Read `2026-03-01T10:00:00Z` or `2h`. Raises ``ValueError``, saying what is expected."""
        try:
            return cls(after=parse_duration(text))
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise ValueError(f'"{text}" is not a moment: write 2026-03-01T10:00:00Z or 2h') from (
                error
            )
        if moment.tzinfo is None:
            raise ValueError(f'"{text}" has no time zone: write {text}Z or {text}+01:00')
        return cls(at=moment)

    def moment(self, now: datetime) -> datetime:
        """The moment. `Declined` where it is not to come."""
        found = self.at or now + self.after
        if found <= now:
            raise Declined(f"{found.isoformat()} is over: it is {now:%Y-%m-%dT%H:%M:%SZ} there")
        return found


@dataclass(frozen=True, slots=True)
class Stop:
    """A halt that is wished."""

    reason: str
    until: End | None
    replace: bool


async def halt(session: Session, wish: Stop) -> int:
    """Halt the session's namespace; the operator's own means all."""
    me, there = await session.whoami(), await session.halt()
    now = session.now()
    if there is not None and is_in_force(there, now) and not wish.replace:
        raise Declined(f"{session.namespace} is {said_of(there)}; --replace puts yours there")
    data = {"reason": wish.reason, "by": me.username}
    if wish.until is not None:
        data["until"] = _written(wish.until.moment(now))
    if there is None:
        try:
            await session.create_halt(data)
        except Conflict as error:
            raise Declined(f"somebody else halted {session.namespace} meanwhile") from error
    else:
        await session.change("configmaps", there, {"data": _instead_of(there, data)})
    end = f" until {data['until']}" if "until" in data else ""
    output.say(f"halted {session.namespace}{end}: nothing moves but down; `unhalt` ends it")
    return 0


async def unhalt(session: Session, reason: str) -> int:
    """End the halt now. It stays on record, with who ended it and why."""
    there = await session.halt()
    me = await session.whoami()
    now = session.now()
    if there is None or not is_in_force(there, now):
        output.say(f"{session.namespace} is not halted")
        return 0
    lifted = {"until": _written(now), "liftedBy": me.username, "liftReason": reason}
    await session.change("configmaps", there, {"data": lifted})
    output.say(f"{session.namespace} goes on; it was {said_of(there)}")
    return 0


def is_in_force(config_map: JSON, now: datetime) -> bool:
    """Whether it halts now; an end that can not be read is none, as for the operator."""
    text = (config_map.get("data") or {}).get("until")
    try:
        until = datetime.fromisoformat(text) if text else None
    except ValueError:
        return True
    return until is None or until.tzinfo is None or until > now


def said_of(config_map: JSON) -> str:
    """Who halted, until when and why; nobody has verified the name."""
    data = config_map.get("data") or {}
    until = f" until {data['until']}" if data.get("until") else ""
    by = f" by {data['by']}" if data.get("by") else ""
    return f"halted{by}{until}: {data.get('reason') or 'no reason was given'}"


def _instead_of(there: JSON, data: dict[str, str]) -> dict[str, str | None]:
    return {**dict.fromkeys(there.get("data") or {}), **data}


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S%z").replace("+0000", "Z")
