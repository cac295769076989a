"""halt, unhalt: one ConfigMap that stops all automation, rollback excepted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from surefoot.adapters.kubernetes.http import JSON
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.errors import Conflict, NotFound
from surefoot.plugin import output
from surefoot.plugin.amounts import written
from surefoot.plugin.session import Declined, Session, confirm

SHOWN = 20
"""How many names one line has."""


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
            raise Declined(f"{written(found)} is over: it is {written(now)} there")
        return found


@dataclass(frozen=True, slots=True)
class Stop:
    """A halt that is wished.

    ``home`` is the operator's namespace: a halt there is for all namespaces. ``asks``: the person
    is asked whether it is meant.
    """

    reason: str
    until: End | None
    replace: bool
    home: str
    asks: bool


async def halt(session: Session, wish: Stop) -> int:
    """Halt the session's namespace; the operator's own means all."""
    me, there = await session.whoami(), await session.halt()
    now = session.now()
    if there is not None and is_in_force(there, now) and not wish.replace:
        raise Declined(f"{session.namespace} is {said_of(there)}; --replace puts yours there")
    data = {"reason": wish.reason, "by": me.username}
    if wish.until is not None:
        data["until"] = written(wish.until.moment(now))
    place, halted = await _what_is_halted(session, is_for_all=session.namespace == wish.home)
    await _write(session, there, data, dry_run=True)
    if not confirm(f"Halt {place} ({halted})?", asks=wish.asks, shown=list(_shown(there, data))):
        raise Declined("nothing was written")
    await _write(session, there, data)
    end = f" until {data['until']}" if "until" in data else ""
    output.say(f"halted {place}{end} ({halted}): nothing moves but down; `unhalt` ends it")
    return 0


def _shown(there: JSON | None, data: dict[str, str]) -> Iterable[str]:
    """What would be written, a line each."""
    yield f"halt by {data['by']}"
    yield f"  reason    {data['reason']}"
    if "until" in data:
        yield f"  until     {data['until']}"
    if there is not None:
        yield f"  instead   of {said_of(there)}"


async def _write(
    session: Session, there: JSON | None, data: dict[str, str], *, dry_run: bool = False
) -> None:
    """Write a halt, or only have it judged. `Declined` where it cannot be put there."""
    if there is not None:
        change = {"data": _instead_of(there, data)}
        await session.change("configmaps", there, change, dry_run=dry_run)
        return
    try:
        await session.create_halt(data, dry_run=dry_run)
    except Conflict as error:
        raise Declined(f"somebody else halted {session.namespace} meanwhile") from error
    except NotFound as error:
        raise Declined(
            f"there is no namespace {session.namespace}, and nothing was halted; where the "
            "operator runs elsewhere, say so with --operator-namespace"
        ) from error


async def _what_is_halted(session: Session, *, is_for_all: bool) -> tuple[str, str]:
    """The place and its Rollouts, in words. `Declined` where the halt would stop no Rollout.

    Someone who may write a halt and may not list Rollouts can still halt: in an incident nobody
    should have to find a person with more permissions first.
    """
    namespace = None if is_for_all else session.namespace
    place = "all namespaces" if is_for_all else f"namespace {session.namespace}"
    found = await session.rollouts_in(namespace)
    if found is None:
        return place, "whose Rollouts you may not list"
    if found and is_for_all:
        namespaces = {raw["metadata"]["namespace"] for raw in found}
        return (
            place,
            f"{_counted(len(found), 'Rollout')} in {_counted(len(namespaces), 'namespace')}",
        )
    if found:
        names = _listed(raw["metadata"]["name"] for raw in found)
        return place, f"{_counted(len(found), 'Rollout')}: {names}"
    if is_for_all:
        raise Declined("there are no Rollouts in any namespace: nothing was halted")
    raise Declined(await nothing_there(session, "halted"))


async def nothing_there(session: Session, done: str) -> str:
    """What to say where there is no Rollout to which something could be done: where there are."""
    if session.everywhere:
        return f"there are no Rollouts in any namespace: nothing was {done}"
    return (
        f"namespace {session.namespace} has no Rollouts: nothing was {done}; "
        f"{_where_there_are_some(await session.rollouts_in(None))}"
    )


def _where_there_are_some(everywhere: list[JSON] | None) -> str:
    if everywhere is None:
        return "name another namespace with -n (you may not list those that have Rollouts)"
    counts = Counter(raw["metadata"]["namespace"] for raw in everywhere)
    if not counts:
        return "there are none in any other namespace either"
    places = _listed(f"{namespace} ({count})" for namespace, count in counts.items())
    return f"there are Rollouts in {places}: name one with -n, or all with --all-namespaces"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(names: Iterable[str]) -> str:
    """The first of them by name, and how many more there are."""
    found = sorted(names)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more


async def unhalt(session: Session, reason: str, *, asks: bool) -> int:
    """End the halt now. It stays on record, with who ended it and why."""
    there = await session.halt()
    me = await session.whoami()
    now = session.now()
    if there is None or not is_in_force(there, now):
        output.say(f"{session.namespace} is not halted")
        return 0
    lifted = {"until": written(now), "liftedBy": me.username, "liftReason": reason}
    await session.try_change("configmaps", there, {"data": lifted})
    shown = (
        f"end of the halt of {session.namespace}, by {me.username}",
        f"  reason    {reason}",
        f"  it was    {said_of(there)}",
    )
    if not confirm(f"Let automation in {session.namespace} go on?", asks=asks, shown=shown):
        raise Declined("nothing was written")
    await session.change("configmaps", there, {"data": lifted})
    output.say(f"{session.namespace} goes on; it was {said_of(there)}")
    return 0


def is_in_force(config_map: JSON, now: datetime) -> bool:
    """Whether it halts now; an end that cannot be read is none, as for the operator."""
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
