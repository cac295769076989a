"""One look at one Rollout: gather, decide, and where the flag would move, again on fresh facts."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, TypeVar

import structlog

from surefoot.api.v1alpha1.approval import Approval, RequestState
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RolloutStatus
from surefoot.application.execute import Executed, Executor
from surefoot.application.gather import Facts, FlagRead, Gatherer, Gone, Unreadable
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
from surefoot.application.rbac import with_remedy
from surefoot.application.settling import Settled, look_ahead, settle
from surefoot.application.store import Store
from surefoot.domain.confirmation import Judged
from surefoot.domain.derive.judged_triggers import TriggersJudgement, hand_on, judge_triggers
from surefoot.domain.facts.snapshot import ConfigMap, FlagFacts, Snapshot
from surefoot.domain.plan import Abandon, Announcement, Apply, Calm, Intend, Plan, WriteStatus
from surefoot.domain.rollback import roll_back, with_silence
from surefoot.domain.signoff.requests import is_dry_run
from surefoot.errors import ApiError, Conflict, NotFound, Refused, Unavailable, is_about_size

log = structlog.get_logger(__name__)

Decide = Callable[[Snapshot, datetime], Plan]
RollBack = Callable[[FlagFacts, datetime], Plan | None]
T = TypeVar("T")

BACKOFF_FIRST = 0.1
BACKOFF_LONGEST = 10.0
BACKOFF_LONGEST_OF_A_ROLLBACK = 1.0
CONFLICT_FIRST = 0.02
REFUSED_RETRY = 30.0
REFUSED_RETRY_OF_A_ROLLBACK = 5.0
STOPPED_RETRY = 1.0
NO_ROOM = (
    "etcd takes no object as large as this one would be, so nothing moves up; make the plan and "
    "its annotations smaller. The answer was:"
)
MOVES_IN_A_ROW = 10
"""So many moves one after the other are no rollout: something undoes them. Slow down."""


class Result(StrEnum):
    """How a pass ended."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    IDLE = "idle"
    STOPPED = "stopped"
    GONE = "gone"
    CONFLICT = "conflict"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    ERROR = "error"


class Pass(NamedTuple):
    """What a pass came to: when to look again (None: when woken), and in which lane.

    ``calm`` is what must stay as it is for answers of providers to need no look.
    """

    result: Result
    again_after: float | None
    lane: Lane = Lane.NORMAL
    calm: Calm | None = None


class Interrupted(Exception):
    """A rollback may be required: what the pass was waiting for is given up."""


class Reconciler:
    """Looks at Rollouts, one at a time per key. Never raises for anything that a Rollout does.

    Each pass first asks whether the flag must come down, by the Rollout, its ConfigMap and the
    triggers' answers alone, and sees to that. Only a pass that has nothing to lower gathers
    everything else; where that takes long, ``interrupt`` ends it in favour of a rollback.
    """

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
        roll_back: RollBack = roll_back,
    ) -> None:
        self._gatherer = gatherer
        self._decide = decide
        self._executor = executor
        self._store = store
        self._clock = clock
        self._announcer = announcer
        self._telemetry = telemetry
        self._forget = forget
        self._roll_back = roll_back
        self._interruptible: dict[ObjectKey, asyncio.Future[Any]] = {}
        self._failures: dict[ObjectKey, int] = {}
        self._complaints: dict[ObjectKey, str] = {}
        self._moves: dict[ObjectKey, int] = {}
        self._behind: set[ObjectKey] = set()
        """Where a write met a conflict: the caches may be behind, and the Rollout is read again."""

    async def reconcile(self, key: ObjectKey) -> Pass:
        """One pass, with whatever goes wrong turned into when to try again."""
        began = self._clock.elapsed()
        try:
            outcome = await self._look(key)
        except Interrupted:
            log.info("pass interrupted in favour of a rollback", rollout=str(key))
            outcome = Pass(Result.INTERRUPTED, 0.0, Lane.URGENT)
        except (Conflict, NotFound) as error:
            log.debug("conflict", rollout=str(key), error=str(error))
            self._behind.add(key)
            outcome = Pass(Result.CONFLICT, self._backoff(key, CONFLICT_FIRST), self._lane(key))
        except Unavailable as error:
            log.warning("API server unavailable", rollout=str(key), error=str(error))
            if is_about_size(error):
                self._complain(key, "Refused", f"{NO_ROOM} {error}")
            outcome = Pass(Result.UNAVAILABLE, self._backoff(key, BACKOFF_FIRST), self._lane(key))
        except Refused as error:
            self._complain(key, "Refused", with_remedy(error))
            lane = self._lane(key)
            is_urgent = lane is Lane.URGENT
            again_after = REFUSED_RETRY_OF_A_ROLLBACK if is_urgent else REFUSED_RETRY
            outcome = Pass(Result.REFUSED, again_after, lane)
        except Exception as error:  # one Rollout must not end the operator
            log.exception("pass failed", rollout=str(key), error=repr(error))
            outcome = Pass(Result.ERROR, self._backoff(key, BACKOFF_FIRST), self._lane(key))
        else:
            self._failures.pop(key, None)
            self._behind.discard(key)
        self._telemetry.reconciled(outcome.result.value, self._clock.elapsed() - began)
        return outcome

    def interrupt(self, key: ObjectKey) -> None:
        """End a pass over this Rollout that waits for something that a rollback does not need."""
        waiting = self._interruptible.get(key)
        if waiting is not None:
            waiting.cancel()

    async def _unless_interrupted(self, key: ObjectKey, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        self._interruptible[key] = task
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise Interrupted from None
        finally:
            self._interruptible.pop(key, None)
            task.cancel()

    async def _look(self, key: ObjectKey) -> Pass:
        triggers = None
        known = self._gatherer.known_flag(key)
        if known is not None:
            now = self._clock.now()
            triggers = judge_triggers(known, now)
            if self._roll_back(known, now) is not None:
                lowered = await self._go_down(key, triggers)
                if lowered is not None:
                    return lowered
        try:
            return await self._look_at_all(key, triggers)
        except (Interrupted, Conflict, NotFound):
            raise
        except Exception:
            if known is not None:
                await self._tell_silence(known)
            raise

    async def _tell_silence(self, known: FlagFacts) -> None:
        """Say which triggers have no data where a pass cannot write the status that says so."""
        status = with_silence(known, self._clock.now())
        if status is not None:
            with contextlib.suppress(ApiError):
                await self._executor.execute(known.rollout, (WriteStatus(status),))

    async def _look_at_all(self, key: ObjectKey, triggers: TriggersJudgement | None) -> Pass:
        judged = await self._unless_interrupted(key, self._judge_whole(key, triggers))
        if isinstance(judged, Pass):
            return judged
        facts, plan = judged.facts, judged.plan
        rollout = facts.snapshot.rollout
        self._observe(key, rollout, facts.snapshot.approvals, plan.status)
        if any(isinstance(action, Abandon) for action in plan.actions):
            await self._keep_what_was_counted(key, rollout, plan)
        executed = Executed(moved=False)
        prepare = partial(self._prepare_commit, facts.snapshot)
        try:
            executed = await self._executor.execute(rollout, plan.actions, facts.read, prepare)
        finally:
            # Also where a move failed. After one that was made what it used is recorded instead.
            if not executed.moved:
                books = self._executor.keep_books(rollout, plan.actions)
                await self._unless_interrupted(key, books)
        outcome = self._finish(key, rollout, plan, executed)
        if executed.committed is not None and executed.settled is not None:
            return await self._complete(key, executed.committed, executed.settled, outcome)
        return outcome

    async def _go_down(self, key: ObjectKey, triggers: TriggersJudgement) -> Pass | None:
        """Lower the flag where fresh reads say so too. None: there is nothing to lower."""
        flag = await self._gatherer.read_flag(key)
        if not isinstance(flag, FlagRead):
            return None  # the whole pass says what is wrong with it
        now = self._clock.now()
        hand_on(triggers, flag.facts, now)
        plan = self._roll_back(flag.facts, now)
        if plan is None:
            return None
        rollout = flag.facts.rollout
        executed = await self._executor.execute(rollout, plan.actions, flag.read)
        return self._finish(key, rollout, plan, executed)

    async def _keep_what_was_counted(self, key: ObjectKey, rollout: Rollout, plan: Plan) -> None:
        """Put decisions on record before the move that counts them is withdrawn.

        A GO that was counted before it was recorded is known from that move alone. Where the record
        cannot be kept the move is withdrawn all the same; a conflict is judged again.
        """
        try:
            await self._unless_interrupted(key, self._executor.keep_books(rollout, plan.actions))
        except (Refused, NotFound, Unavailable) as error:
            log.warning("what was counted is not recorded", rollout=str(key), error=str(error))

    async def _prepare_commit(
        self, gathered: Snapshot, committed: Rollout, config_map: ConfigMap | None
    ) -> Settled | None:
        """What a commit is written with. Whatever goes wrong here, the move is committed."""
        try:
            now = self._clock.now()
            ahead = look_ahead(self._decide, gathered, committed, config_map, now)
            if ahead is None:
                return None
            await asyncio.sleep(0)  # other work goes on between two decisions
            return settle(self._decide, ahead, now)
        except Exception as error:
            log.exception("a commit is written alone", error=repr(error))
            return None

    async def _complete(
        self, key: ObjectKey, committed: Rollout, settled: Settled, outcome: Pass
    ) -> Pass:
        """Mark what the move used, and ask for what is next. The next pass repeats what fails.

        It need not follow at once where nothing did: what it would find was written.
        """
        try:
            books = self._executor.keep_books(committed, settled.books)
            opened = await self._unless_interrupted(key, books)
        except (ApiError, Interrupted) as error:
            log.info("books are kept by the next pass", rollout=str(key), error=str(error))
            return outcome
        if settled.look_again_in is None or sorted(opened) != sorted(settled.asked):
            return outcome
        self._moves.pop(key, None)
        self._observe(key, committed, self._store.approvals(key), committed.status)
        return outcome._replace(again_after=settled.look_again_in.total_seconds())

    def _finish(self, key: ObjectKey, rollout: Rollout, plan: Plan, executed: Executed) -> Pass:
        self._report(key, rollout, plan, executed)
        if executed.moved:
            moves = self._moves[key] = self._moves.get(key, 0) + 1
            at_once = moves <= MOVES_IN_A_ROW
            return Pass(Result.DONE, 0.0 if at_once else 1.0, self._lane(key))
        self._moves.pop(key, None)
        if executed.stopped:
            # What was decided on is so no longer, and no event need tell of it: a ConfigMap that
            # is not managed yet is not watched.
            return Pass(Result.STOPPED, STOPPED_RETRY, self._lane(key))
        return Pass(
            Result.DONE if plan.actions else Result.IDLE,
            plan.requeue_after.total_seconds(),
            self._lane(key),
            plan.calm,
        )

    async def _judge_whole(
        self, key: ObjectKey, triggers: TriggersJudgement | None
    ) -> "_Judged | Pass":
        judged = await self._judge(key, triggers, fresh=False)
        if isinstance(judged, Pass) or not judged.plan.moves_the_flag:
            return judged
        # Only what may move people forward waits for admission. An intent is a write over the very
        # version of the Rollout that was judged: nothing is decided where that is not the newest.
        is_forward = _goes_forward(judged.plan)
        judged = await self._judge(
            key,
            triggers,
            fresh=True,
            admission=is_forward,
            takes_known_rollout=_records_first(judged.plan) and key not in self._behind,
            confirms=judged,
        )
        if is_forward or isinstance(judged, Pass) or not _goes_forward(judged.plan):
            return judged
        # The caches said something else, such as a rollback that is no longer asked for.
        return await self._judge(key, triggers, fresh=True, admission=True)

    async def _judge(
        self,
        key: ObjectKey,
        triggers: TriggersJudgement | None,
        *,
        fresh: bool,
        admission: bool = False,
        takes_known_rollout: bool = False,
        confirms: "_Judged | None" = None,
    ) -> "_Judged | Pass":
        """Decide on the facts as gathered. ``triggers`` is what they said when the pass began.

        Where the facts are those of the decision that they are to confirm, that one stands.
        """
        facts = await self._gatherer.gather(
            key, fresh=fresh, admission=admission, takes_known_rollout=takes_known_rollout
        )
        if isinstance(facts, Gone):
            self._failures.pop(key, None)
            self._complaints.pop(key, None)
            self._moves.pop(key, None)
            self._behind.discard(key)
            self._forget(key)
            self._telemetry.forgot(key)
            return Pass(Result.GONE, None)
        if isinstance(facts, Unreadable):
            self._complain(key, "Unreadable", str(facts.error))
            return Pass(Result.UNREADABLE, REFUSED_RETRY)
        now = self._clock.now()
        if triggers is not None:
            hand_on(triggers, facts.snapshot, now)
        if confirms is not None and confirms.judged.stands(facts.snapshot, now):
            return confirms._replace(facts=facts)
        return _Judged(facts, Judged(facts.snapshot, self._decide(facts.snapshot, now), now))

    def _observe(
        self,
        key: ObjectKey,
        rollout: Rollout,
        approvals: tuple[Approval, ...],
        status: RolloutStatus,
    ) -> None:
        self._telemetry.judged(rollout, status)
        waiting = sum(
            approval.status.state is RequestState.PENDING
            for approval in approvals
            if approval.spec.request.rollout.uid == rollout.metadata.uid
            and not is_dry_run(approval)
        )
        self._telemetry.approvals_pending(key, waiting)

    def _report(self, key: ObjectKey, judged: Rollout, plan: Plan, executed: Executed) -> None:
        write_line = log.info if plan.actions else log.debug
        write_line(
            "decision",
            rollout=str(key),
            summary=plan.summary,
            did=[type(action).__name__ for action in plan.actions],
            judged=judged.metadata.resource_version,
            **({"stopped": executed.stopped.value} if executed.stopped else {}),
        )
        events = () if executed.stopped else (*plan.announcements, *executed.announcements)
        self._announcer.announce(Subject(Kind.ROLLOUT, key, judged.metadata.uid), events)

    def _complain(self, key: ObjectKey, reason: str, message: str) -> None:
        """Log and announce, once for the same words."""
        if self._complaints.get(key) == message:
            return
        self._complaints[key] = message
        log.error("rollout cannot be worked on", rollout=str(key), reason=reason, error=message)
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
    """What was decided, on which facts."""

    facts: Facts
    judged: Judged

    @property
    def plan(self) -> Plan:
        """What was decided."""
        return self.judged.plan


def _records_first(plan: Plan) -> bool:
    """Whether an intent is the first of its writes."""
    return bool(plan.actions) and isinstance(plan.actions[0], Intend)


def _goes_forward(plan: Plan) -> bool:
    """Whether the plan decides on a start or an advance, or goes on with one.

    Neither a rollback does, nor giving up an advance, nor restoring what was committed.
    """
    return not plan.is_urgent and any(isinstance(action, Intend | Apply) for action in plan.actions)
