"""pause, resume, rollback, retry, rehearse, dry-run: the fields of a plan that are people's."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from surefoot.adapters.kubernetes.http import JSON
from surefoot.api.v1alpha1.meta import ATTEMPT_BY_ANNOTATION, CHANGED_BY_ANNOTATION
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.cli.exits import NO
from surefoot.domain.checks.rehearsal import BUDGET, PASSED
from surefoot.errors import SurefootError, Unavailable
from surefoot.plugin import output, preview
from surefoot.plugin.amounts import waiting_on
from surefoot.plugin.halting import nothing_there
from surefoot.plugin.ownership import tool_that_owns
from surefoot.plugin.reading import rollout_from
from surefoot.plugin.session import Declined, Session, confirm, tell_each

BETWEEN_LOOKS = 0.5
LOOKS = int(BUDGET.total_seconds() / BETWEEN_LOOKS) + 20
"""So often, and then somewhat more than a rehearsal may take is over."""


@dataclass(frozen=True, slots=True)
class RollbackOptions:
    """A rollback that is wished. ``to`` is None for the previous step."""

    to: int | None
    reason: str
    force: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class RetryOptions:
    """Another attempt that is wished. ``lift``: the ceiling goes. ``anew``: also without need."""

    lift: bool
    anew: bool
    force: bool
    asks: bool


@dataclass(frozen=True, slots=True)
class RehearsalOptions:
    """A rehearsal that is wished. ``waits``: until it has been run."""

    waits: bool
    force: bool
    asks: bool


class Change(NamedTuple):
    """A change of people's fields, and what it leads to.

    ``fields`` names them where only a part of what is written is theirs.
    """

    spec: Mapping[str, Any]
    effect: str
    stamps: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


async def pause(session: Session, name: str, *, force: bool, asks: bool) -> int:
    """Stop everything but rollback."""
    raw = await session.rollout(name)
    if raw["spec"].get("paused"):
        output.say(f"{name} is paused already")
        return 0
    await _set(
        session,
        raw,
        Change({"paused": True}, "nothing moves but down, until it is resumed"),
        force=force,
        asks=asks,
    )
    output.say(f"{name} is paused: nothing moves but down; `resume` ends it")
    return 0


async def resume(session: Session, name: str, *, force: bool, asks: bool) -> int:
    """End a pause."""
    raw = await session.rollout(name)
    if not raw["spec"].get("paused"):
        output.say(f"{name} is not paused")
        return 0
    change = Change({"paused": None}, "it goes on as soon as nothing else is missing")
    await _set(session, raw, change, force=force, asks=asks)
    output.say(f"{name} goes on")
    return 0


async def rollback(session: Session, name: str | None, wish: RollbackOptions) -> int:
    """Lower one Rollout, or every one that is in."""
    found = await _to_be_lowered(session, name)
    if not found:
        output.say(f"no Rollout {session.where} is above 0%")
        return 0
    faults: list[SurefootError] = []
    lowered: list[tuple[JSON, Change]] = []
    for raw in found:
        try:
            change = _lowering(raw, wish)
            await _try(session, raw, change, force=wish.force)
        except Unavailable:
            raise
        except SurefootError as error:
            faults.append(error)
        else:
            lowered.append((raw, change))
    shown = [line for raw, change in lowered for line in preview.change(raw, *change[:2])]
    names = ", ".join(f"{r['metadata']['namespace']}/{r['metadata']['name']}" for r, _ in lowered)
    if lowered and not confirm(f"Roll back {names}?", asks=wish.asks, shown=shown):
        raise Declined("nothing was written")
    for raw, change in lowered:
        try:
            await session.change("rollouts", raw, await _body(session, change))
        except Unavailable:
            raise
        except SurefootError as error:
            faults.append(error)
        else:
            name = raw["metadata"]["name"]
            to, percent = change.spec["rollback"]["to"], raw["status"]["percent"]
            output.say(
                f"{name} goes from {percent}% to {to}% and stays there; "
                f"`retry {name} --lift-ceiling` tries again"
            )
    return tell_each(faults)


async def _to_be_lowered(session: Session, name: str | None) -> list[JSON]:
    """The Rollout of this name, or all above 0%. `Declined` where there is no Rollout at all."""
    found = await session.rollouts(name)
    if not found:
        raise Declined(await nothing_there(session, "rolled back"))
    return [raw for raw in found if name or (raw.get("status") or {}).get("percent")]


def _lowering(raw: JSON, wish: RollbackOptions) -> "Change":
    """The ceiling that is put in. `Declined` where it would move nothing."""
    to = _ceiling(rollout_from(raw), wish.to)
    return Change(
        {"rollback": {"to": to, "reason": wish.reason}},
        f"it goes down to {to}% at once, and stays there until somebody retries",
    )


def _ceiling(rollout: Rollout, wished: int | None) -> int:
    """The percentage to go down to. `Declined` where that would move nothing or is no step's."""
    name, percent = rollout.metadata.name, rollout.status.percent or 0
    steps = [0, *(step.percent for step in rollout.spec.steps if step.percent > 0)]
    below = [step for step in steps if step < percent]
    if not below or (wished is not None and wished >= percent):
        raise Declined(f"{name} is at {percent}%: a ceiling there or above moves nothing")
    if wished is not None and wished not in below:
        there = ", ".join(map(str, below))
        raise Declined(f"{name} has no step of {wished}%: it can go down to {there}")
    to = below[-1] if wished is None else wished
    ceiling = rollout.spec.rollback
    if ceiling is not None and ceiling.to < to:
        raise Declined(
            f"{name} may not go above {ceiling.to}% already "
            f"({ceiling.reason or 'no reason was given'}): nothing was raised to {to}%"
        )
    return to


async def retry(session: Session, name: str, wish: RetryOptions) -> int:
    """Raise the attempt."""
    raw = await session.rollout(name)
    rollout = rollout_from(raw)
    attempt = (rollout.status.attempt or 0) + 1
    if (rollout.spec.attempt or 0) >= attempt:
        output.say(f"{name}: attempt {rollout.spec.attempt} is asked for already")
        return 0
    change: dict[str, Any] = {"attempt": attempt}
    ceiling = rollout.spec.rollback
    if ceiling is not None and not wish.lift:
        raise Declined(
            f"{name} may not go above {ceiling.to}% ({ceiling.reason or 'no reason was given'}): "
            f"`retry {name} --lift-ceiling` removes that and tries again"
        )
    if ceiling is not None:
        change["rollback"] = None
    if not rollout.status.rolled_back and not wish.anew:
        raise Declined(
            f"{name} was not rolled back: another attempt would begin its soak again and ask for "
            f"every signature again; `retry {name} --anew` does it all the same"
        )
    effect = f"attempt {attempt} begins: soak and signatures are asked for again"
    what = Change(change, effect, stamps=(ATTEMPT_BY_ANNOTATION,))
    await _set(session, raw, what, force=wish.force, asks=wish.asks)
    output.say(f"{name}: attempt {attempt}, from {rollout.status.percent or 0}%")
    return 0


async def rehearse(session: Session, name: str, wish: RehearsalOptions) -> int:
    """Raise the run of the rehearsal."""
    raw = await session.rollout(name)
    rollout = rollout_from(raw)
    plan, last = rollout.spec.rehearsal, rollout.status.rehearsal
    if plan is None:
        raise Declined(
            f"the plan of {name} asks for no rehearsals, and to ask for them changes it: add "
            "`rehearsal: {maxAge: 7d}` to its spec"
        )
    done, asked = 0 if last is None else last.run, plan.run or 0
    run = asked if asked > done else done + 1
    if asked == run:
        output.say(f"{name}: rehearsal run {run} is asked for already")
    else:
        change = Change(
            {"rehearsal": {"run": run}},
            "a copy of the flag is rolled back; the flag itself stays as it is",
            fields=("rehearsal.run",),
        )
        await _set(session, raw, change, force=wish.force, asks=wish.asks)
        output.say(f"{name}: rehearsal run {run} is asked for; the flag itself stays as it is")
    return await _until_rehearsed(session, name, run) if wish.waits else 0


async def _until_rehearsed(session: Session, name: str, run: int) -> int:
    """Wait for what a rehearsal comes to, and tell it: 0 if it passed. `Declined` if it is late."""
    for _ in range(LOOKS):
        raw = await session.rollout(name)
        found = rollout_from(raw).status.rehearsal
        if found is not None and found.run >= run:
            output.say(f"{name}: run {found.run} {found.outcome}, {found.took}: {found.message}")
            return 0 if found.outcome == PASSED else NO
        await asyncio.sleep(BETWEEN_LOOKS)
    status = raw.get("status") or {}
    why = waiting_on(status, session.now()) or status.get("phase") or "the operator did not answer"
    raise Declined(f"{name}: rehearsal run {run} was not run yet: {why}")


async def dry_run(session: Session, name: str, to: int | None, *, force: bool, asks: bool) -> int:
    """Raise the run of the dry run of the approval."""
    raw = await session.rollout(name)
    rollout = rollout_from(raw)
    asked, latest = rollout.spec.approval_dry_run, rollout.status.approval_dry_run
    run = max(asked.run if asked else 0, latest.run if latest else 0) + 1
    _can_be_tried(rollout, to)
    wish = {"run": run, "to": to}
    change = Change({"approvalDryRun": wish}, "everybody is asked, and it counts for nothing")
    await _set(session, raw, change, force=force, asks=asks)
    output.say(
        f"{name}: dry run {run} of the approval of {'the next step' if to is None else f'{to}%'}: "
        "everybody who would have to sign is asked, and it counts for nothing; "
        f"`explain {name}` shows how it goes"
    )
    return 0


def _can_be_tried(rollout: Rollout, to: int | None) -> None:
    """Say what the operator would say of it, before anything is written. Raises `Declined`."""
    name, percent = rollout.metadata.name, rollout.status.percent or 0
    # From the last step, completion is what can be tried.
    first = min(percent + 1, 100)
    ahead = [step.percent for step in rollout.spec.steps if step.percent >= first]
    if to is not None and to not in ahead:
        there = ", ".join(map(str, ahead))
        raise Declined(f"{name} is at {percent}% and has no step of {to}% ahead: there is {there}")


async def _set(session: Session, raw: JSON, change: "Change", *, force: bool, asks: bool) -> None:
    """Have the change judged, show it, ask whether it is meant, and write it.

    `Declined` where a tool would set it back, or the person says no.
    """
    await _try(session, raw, change, force=force)
    shown = list(preview.change(raw, change.spec, change.effect))
    if not confirm("Is that meant?", asks=asks, shown=shown):
        raise Declined("nothing was written")
    await session.change("rollouts", raw, await _body(session, change))


async def _try(session: Session, raw: JSON, change: "Change", *, force: bool) -> None:
    """Say beforehand why it would be refused, or set back by a tool."""
    if not force:
        _are_peoples(raw, change.fields or tuple(change.spec))
    await session.try_change("rollouts", raw, await _body(session, change))


async def _body(session: Session, change: "Change") -> JSON:
    """The change with who makes it: the policies fill it in only where there are such."""
    me = await session.whoami()
    annotations = dict.fromkeys((CHANGED_BY_ANNOTATION, *change.stamps), me.username)
    return {"metadata": {"annotations": annotations}, "spec": dict(change.spec)}


def _are_peoples(raw: JSON, fields: Iterable[str]) -> None:
    for field in fields:
        tool = tool_that_owns(raw, field)
        if tool is not None:
            raise Declined(
                f"spec.{field} of {raw['metadata']['name']} is set by {tool}, which would set it "
                "back: change it where that takes it from, better leave it out there; --force "
                "writes all the same"
            )
