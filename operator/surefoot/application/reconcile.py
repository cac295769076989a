"""One look at one Rollout: gather, decide, and where the flag would move, again on fresh facts."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import structlog

from surefoot.api.v1alpha1.approval import RequestState
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.execute import Executed, Executor
from surefoot.application.gather import Facts, Gatherer, Gone, Unreadable
from surefoot.application.lanes import must_roll_back
from surefoot.application.ports import (
    Announcer,
    Clock,
    Kind,
    ObjectKey,
    Subject,
    Telemetry,
)
from surefoot.application.queue import Lane
from surefoot.application.store import Store
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.plan import Announcement, Apply, Intend, Plan
from surefoot.domain.signoff.requests import is_dry_run
from surefoot.errors import Conflict, NotFound, Refused, Unavailable

log = structlog.get_logger(__name__)

Decide = Callable[[Snapshot, datetime], Plan]

BACKOFF_FIRST = 0.1
BACKOFF_LONGEST = 10.0
BACKOFF_LONGEST_OF_A_ROLLBACK = 1.0
CONFLICT_FIRST = 0.02
REFUSED_RETRY = 30.0
MOVES_IN_A_ROW = 10
"""So many moves one after the other are no rollout: something undoes them. Slow down."""


class Result(StrEnum):
    """How a pass ended."""

    DONE = "done"
    IDLE = "idle"
    STOPPED = "stopped"
    GONE = "gone"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    ERROR = "error"


class Pass(NamedTuple):
    """What a pass came to: when to look again (None: when woken), and in which lane."""

    result: Result
    again_after: float | None
    lane: Lane = Lane.NORMAL


class Reconciler:
    """Looks at Rollouts, one at a time per key. Never raises for anything that a Rollout does."""

    def __init__(
        self,
        *,
        gatherer: Gatherer,
        decide: Decide,
        executor: Executor,
        store: Store,
        clock: Clock,
        announcer: Announcer,
        telemetry: Telemetry,
        forget: Callable[[ObjectKey], None],
    ) -> None:
        self._gatherer = gatherer
        self._decide = decide
        self._executor = executor
        self._store = store
        self._clock = clock
        self._announcer = announcer
        self._telemetry = telemetry
        self._forget = forget
        self._failures: dict[ObjectKey, int] = {}
        self._complaints: dict[ObjectKey, str] = {}
        self._moves: dict[ObjectKey, int] = {}

    async def reconcile(self, key: ObjectKey) -> Pass:
        """One pass, with whatever goes wrong turned into when to try again."""
        began = self._clock.elapsed()
        try:
            outcome = await self._look(key)
        except (Conflict, NotFound) as error:
            log.debug("conflict", rollout=str(key), error=str(error))
            outcome = Pass(Result.CONFLICT, self._backoff(key, CONFLICT_FIRST), self._lane(key))
        except Unavailable as error:
            log.warning("API server unavailable", rollout=str(key), error=str(error))
            outcome = Pass(Result.UNAVAILABLE, self._backoff(key, BACKOFF_FIRST), self._lane(key))
        except Refused as error:
            self._complain(key, "Refused", str(error))
            outcome = Pass(Result.REFUSED, REFUSED_RETRY)
        except Exception as error:  # one Rollout must not end the operator
            log.exception("pass failed", rollout=str(key), error=repr(error))
            outcome = Pass(Result.ERROR, self._backoff(key, BACKOFF_FIRST), self._lane(key))
        else:
            self._failures.pop(key, None)
        self._telemetry.reconciled(outcome.result.value, self._clock.elapsed() - began)
        return outcome

    async def _look(self, key: ObjectKey) -> Pass:
        judged = await self._judge(key, fresh=False)
        if not isinstance(judged, Pass) and judged.plan.moves_the_flag:
            judged = await self._judge_afresh(key, judged.plan)
        if isinstance(judged, Pass):
            return judged
        facts, plan = judged
        snapshot = facts.snapshot
        self._observe(key, snapshot, plan)
        executed = await self._executor.execute(snapshot.rollout, plan.actions, facts.read)
        self._report(key, snapshot.rollout, plan, executed)
        if executed.moved:
            moves = self._moves[key] = self._moves.get(key, 0) + 1
            at_once = moves <= MOVES_IN_A_ROW
            return Pass(Result.DONE, 0.0 if at_once else 1.0, self._lane(key))
        self._moves.pop(key, None)
        result = Result.STOPPED if executed.stopped else Result.DONE
        return Pass(
            result if plan.actions else Result.IDLE,
            plan.requeue_after.total_seconds(),
            self._lane(key),
        )

    async def _judge_afresh(self, key: ObjectKey, plan: Plan) -> "_Judged | Pass":
        """Judge again on fresh reads. Only what may move people forward waits for admission."""
        asks = _goes_forward(plan)
        judged = await self._judge(key, fresh=True, admission=asks)
        if asks or isinstance(judged, Pass) or not _goes_forward(judged.plan):
            return judged
        # The caches said something else, such as a rollback that nobody wants any more.
        return await self._judge(key, fresh=True, admission=True)

    async def _judge(
        self, key: ObjectKey, *, fresh: bool, admission: bool = False
    ) -> "_Judged | Pass":
        facts = await self._gatherer.gather(key, fresh=fresh, admission=admission)
        if isinstance(facts, Gone):
            self._failures.pop(key, None)
            self._complaints.pop(key, None)
            self._moves.pop(key, None)
            self._forget(key)
            self._telemetry.forgot(key)
            return Pass(Result.GONE, None)
        if isinstance(facts, Unreadable):
            self._complain(key, "Unreadable", str(facts.error))
            return Pass(Result.UNREADABLE, REFUSED_RETRY)
        return _Judged(facts, self._decide(facts.snapshot, self._clock.now()))

    def _observe(self, key: ObjectKey, snapshot: Snapshot, plan: Plan) -> None:
        self._telemetry.judged(snapshot.rollout, plan.status)
        waiting = sum(
            approval.status.state is RequestState.PENDING
            for approval in snapshot.approvals
            if approval.spec.request.rollout.uid == snapshot.rollout.metadata.uid
            and not is_dry_run(approval)
        )
        self._telemetry.approvals_pending(key, waiting)

    def _report(self, key: ObjectKey, judged: Rollout, plan: Plan, executed: Executed) -> None:
        say = log.info if plan.actions else log.debug
        say(
            "decision",
            rollout=str(key),
            summary=plan.summary,
            did=[type(action).__name__ for action in plan.actions],
            judged=judged.metadata.resource_version,
            **({"stopped": executed.stopped.value} if executed.stopped else {}),
        )
        said = () if executed.stopped else (*plan.announcements, *executed.announcements)
        self._announcer.announce(Subject(Kind.ROLLOUT, key, judged.metadata.uid), said)

    def _complain(self, key: ObjectKey, reason: str, message: str) -> None:
        """Log and announce, once for the same words."""
        if self._complaints.get(key) == message:
            return
        self._complaints[key] = message
        log.error("rollout can not be worked on", rollout=str(key), reason=reason, error=message)
        head = self._store.heads(Kind.ROLLOUT).get(key)
        if head is not None:
            self._announcer.announce(
                Subject(Kind.ROLLOUT, key, head.uid), (Announcement(reason, message, warning=True),)
            )

    def _lane(self, key: ObjectKey) -> Lane:
        rollout = self._store.rollout(key)
        urgent = isinstance(rollout, Rollout) and must_roll_back(rollout)
        return Lane.URGENT if urgent else Lane.NORMAL

    def _backoff(self, key: ObjectKey, first: float) -> float:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        urgent = self._lane(key) is Lane.URGENT
        longest = BACKOFF_LONGEST_OF_A_ROLLBACK if urgent else BACKOFF_LONGEST
        return float(min(longest, first * 2.0 ** min(failures, 16)))


class _Judged(NamedTuple):
    facts: Facts
    plan: Plan


def _goes_forward(plan: Plan) -> bool:
    """Whether the plan decides on a start or an advance, or goes on with one.

    Neither a rollback does, nor giving up an advance, nor restoring what was committed.
    """
    return not plan.is_urgent and any(isinstance(action, Intend | Apply) for action in plan.actions)
