"""Rollback rehearsals: the way of a real rollback, gone on a copy of the flag.

The same gathering, the same decision and the same execution as for a rollback, before a `Stage`:
there the Rollout's status is kept in memory, and its ConfigMap is the shadow (`domain.shadow`),
which is really written, past everything that may refuse it. No metrics provider is plugged in.

They run beside the queue of work, a few at a time, so that no rollback ever waits for one. What one
came to is handed to the next pass over the Rollout, which writes it into the status with everything
else that follows from it. One that was cut off is on no status, and so it is run again.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from surefoot.api.v1alpha1.durations import format_elapsed, in_words
from surefoot.api.v1alpha1.meta import ROLLOUT_UID_ANNOTATION
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import RehearsalStatus
from surefoot.application.execute import Committer, Executor
from surefoot.application.gather import FlagRead, Gatherer, Rules
from surefoot.application.ports import (
    AdmissionStatus,
    Clock,
    Cluster,
    ConfigMapVersion,
    ObjectKey,
    Telemetry,
    TransitionRecord,
)
from surefoot.application.reconcile import RollBack
from surefoot.application.stage import Stage
from surefoot.application.store import Store
from surefoot.domain.checks.rehearsal import BUDGET, FAILED, PASSED
from surefoot.domain.facts.measurements import Measurement, QueryFacts, RangeQuery
from surefoot.domain.facts.snapshot import Admission
from surefoot.domain.flag.config_map import carries, rendering_of, was_written_for
from surefoot.domain.flag.shadow import shadow_of
from surefoot.domain.plan import Rehearse, Restore
from surefoot.errors import ApiError, Conflict, NotFound, SurefootError, Unavailable

log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Rehearsals side by side: few, so that most connections to the API server are left for work."""
TIDY_WITHIN = 5.0
ASIDE = (0.1, 1.0)
"""Seconds, at random, for which one of two operators that play the same rehearsal stands aside."""
BACKOFF = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds until what somebody was in the way of is tried again; the last for good."""


class RolloutGone(SurefootError):
    """The Rollout is gone, about to go, or another replica's: there is nothing to rehearse."""


class RehearsalFailed(SurefootError):
    """The rollback did not do what it has to. The message says what was found."""


class PlayedElsewhere(SurefootError):
    """Another operator plays the same rehearsal at the same time, on the same shadow."""


class _Wish(NamedTuple):
    rollout: Rollout
    rehearsal: Rehearse


@dataclass(frozen=True, slots=True)
class Parts:
    """What a rehearsal is made with, as the operator itself is. ``acts_in`` says where it acts."""

    cluster: Cluster
    clock: Clock
    roll_back: RollBack
    committed: Committer
    acts_in: Callable[[str], bool] = lambda _namespace: True


class Rehearser:
    """Runs rehearsals in the background, and keeps what they came to."""

    def __init__(
        self,
        parts: Parts,
        telemetry: Telemetry,
        wake: Callable[[ObjectKey], None],
        budget: timedelta = BUDGET,
    ) -> None:
        self._parts = parts
        self._telemetry = telemetry
        self._wake = wake
        self._budget = budget
        self._wishes: asyncio.Queue[_Wish] = asyncio.Queue()
        self._in_hand: set[str] = set()
        self._outcomes: dict[ObjectKey, tuple[str, RehearsalStatus]] = {}

    def begin(self, rollout: Rollout, rehearsal: Rehearse) -> None:
        """Run it soon, unless one of this Rollout waits or is under way, or this one was run."""
        uid, came_to = rollout.metadata.uid, self.outcome(rollout)
        if uid in self._in_hand or (came_to is not None and came_to.run >= rehearsal.run):
            return
        self._in_hand.add(uid)
        self._wishes.put_nowait(_Wish(rollout, rehearsal))

    def outcome(self, rollout: Rollout) -> RehearsalStatus | None:
        """What the last rehearsal of this Rollout came to, if this operator ran one."""
        uid, outcome = self._outcomes.get(_key(rollout), ("", None))
        return outcome if uid == rollout.metadata.uid else None

    def forget(self, key: ObjectKey) -> None:
        """The Rollout is gone."""
        self._outcomes.pop(key, None)

    async def run(self) -> None:
        """Run what was begun, until cancelled."""
        workers = [asyncio.create_task(self._serve()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()

    async def sweep(self) -> None:
        """Remove what rehearsals left behind that were cut off."""
        try:
            shadows = await self._parts.cluster.shadows()
        except ApiError as error:
            log.debug("shadows not listed", error=str(error))
            return
        for held in shadows:
            if held.config_map.annotations.get(ROLLOUT_UID_ANNOTATION) not in self._in_hand:
                await self._remove(held)

    async def _remove(self, held: ConfigMapVersion) -> None:
        try:
            await self._parts.cluster.delete_config_map(held)
        except ApiError as error:
            log.debug("shadow left for now", config_map=held.config_map.name, error=str(error))
        else:
            log.info("removed what a rehearsal had left", config_map=held.config_map.name)

    async def _serve(self) -> None:
        while True:
            wish = await self._wishes.get()
            try:
                await self._see_to(wish)
            except RolloutGone as error:
                log.info("rehearsal given up", reason=str(error))
            finally:
                self._in_hand.discard(wish.rollout.metadata.uid)
            self._wake(_key(wish.rollout))

    async def _see_to(self, wish: _Wish) -> None:
        key, clock = _key(wish.rollout), self._parts.clock
        began = clock.elapsed()
        rehearsal = _Rehearsal(self._parts, wish)
        try:
            async with asyncio.timeout(self._budget.total_seconds()):
                took = await rehearsal.play_alone()
            outcome, message = PASSED, rehearsal.told()
        except TimeoutError:
            outcome, message = FAILED, f"over its {in_words(self._budget)}{rehearsal.in_the_way()}"
        except RolloutGone:
            raise
        except SurefootError as error:
            outcome, message = FAILED, str(error)
        except Exception as error:  # a defect must neither end the operator nor pass
            log.exception("rehearsal broke", rollout=str(key), error=repr(error))
            outcome, message = FAILED, f"it broke: {error!r}"
        if not self._parts.acts_in(key.namespace):
            raise RolloutGone(f"another replica acts for Rollout {key}")
        if outcome == FAILED:
            took = clock.elapsed() - began
        came_to = RehearsalStatus(
            run=wish.rehearsal.run,
            at=clock.now(),
            took=format_elapsed(timedelta(milliseconds=round(took * 1000))),
            outcome=outcome,
            message=message,
            from_=wish.rehearsal.from_,
            to=wish.rehearsal.to,
            plan_hash=wish.rehearsal.plan_hash,
            attempt=wish.rehearsal.attempt,
        )
        log.info("rehearsed", rollout=str(key), run=came_to.run, outcome=outcome, message=message)
        self._outcomes[key] = (wish.rollout.metadata.uid, came_to)
        self._telemetry.rehearsed(outcome, took)


class _Rehearsal:
    """One rollback of the shadow."""

    def __init__(self, parts: Parts, wish: _Wish) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._rollout = wish.rollout
        self._wish = wish.rehearsal
        self._trouble = ""
        self._set_the_stage()

    def _set_the_stage(self) -> None:
        """Begin with nothing but the Rollout."""
        parts = self._parts
        shadow = shadow_of(self._rollout, self._wish, parts.clock.now())
        self._start = shadow.status.committed.transition_id if shadow.status.committed else ""
        self._stage = Stage(parts.cluster, shadow, self._rollout.spec.target.config_map_name)
        store, nothing = Store(), _Unplugged()
        self._executor = Executor(self._stage, store, parts.clock, nothing, parts.committed)
        self._gatherer = Gatherer(
            self._stage,
            store,
            parts.clock,
            nothing,
            nothing,
            admission=nothing,
            operator_namespace="",
            rules=Rules(evaluation_interval=BUDGET, status_refresh=BUDGET),
        )

    async def play_alone(self) -> float:
        """As ``play``, from the beginning again where another operator plays the same one."""
        while True:
            try:
                return await self.play()
            except PlayedElsewhere as error:
                self._trouble = str(error)
            await self._clock.sleep(random.uniform(*ASIDE))
            self._set_the_stage()

    async def play(self) -> float:
        """Put the shadow up, roll it back, and remove it. How many seconds the rollback took."""
        try:
            await self._persevere(self._put_up)
            began = self._clock.elapsed()
            await self._persevere(self._roll_back)
            took = self._clock.elapsed() - began
            await self._persevere(self._check)
            await self._persevere(self._stage.strike)
        except PlayedElsewhere:
            raise  # what is there is the other's
        except (Exception, asyncio.CancelledError):
            await self._tidy()
            raise
        return took

    def told(self) -> str:
        """What a rehearsal that passed has shown."""
        return (
            f"ConfigMap {self._stage.place.name}, a copy of the flag, went from {self._wish.from_} "
            f"to {self._wish.to}% without any metrics provider"
        )

    def in_the_way(self) -> str:
        """What kept it from going on, as far as known."""
        return f"; last in the way: {self._trouble}" if self._trouble else ""

    async def _put_up(self) -> None:
        await self._executor.execute(self._stage.shadow, (Restore(None),))

    async def _roll_back(self) -> None:
        while self._stage.shadow.status.percent != self._wish.to:
            flag = await self._gatherer.read_flag(self._stage.key)
            if not isinstance(flag, FlagRead):
                raise RolloutGone(f"Rollout {self._stage.key} is gone")
            plan = self._parts.roll_back(flag.facts, self._clock.now())
            if plan is None:
                raise RehearsalFailed("it was not decided to roll back")
            executed = await self._executor.execute(flag.facts.rollout, plan.actions, flag.read)
            if executed.stopped is not None:
                raise RolloutGone(f"Rollout {self._stage.key}: {executed.stopped.value}")

    async def _check(self) -> None:
        """Whether the shadow, read again, is what a rollback has to leave."""
        committed = self._stage.shadow.status.committed
        held = await self._stage.config_map(self._stage.place)
        expected = None if committed is None else rendering_of(self._stage.shadow, committed)
        if held is None or was_written_for(held.config_map, self._start):
            raise PlayedElsewhere(f"ConfigMap {self._stage.place} was put up or removed by another")
        if expected is None or not carries(held.config_map, expected):
            raise RehearsalFailed(
                f"ConfigMap {self._stage.place} does not hold what the rollback wrote: somebody "
                "changed it meanwhile"
            )

    async def _persevere(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it; where somebody else was first, or nobody answered, again, as a rollback would."""
        pauses = iter(BACKOFF)
        while True:
            try:
                await work()
                return
            except (Conflict, NotFound, Unavailable) as error:
                self._trouble = str(error)
            namespace = self._rollout.metadata.namespace
            if not self._parts.acts_in(namespace):
                raise RolloutGone(f"another replica acts in namespace {namespace}")
            await self._clock.sleep(next(pauses, BACKOFF[-1]))

    async def _tidy(self) -> None:
        """Remove the shadow as far as that is possible; the sweep sees to the rest."""
        with contextlib.suppress(ApiError, TimeoutError):
            async with asyncio.timeout(TIDY_WITHIN):
                await self._stage.strike()


class _Unplugged:
    """What a rollback is decided without: no provider, no answers, no check of the policies.

    Nor is what happens on a stage counted as if it had happened to the flag.
    """

    admission_status = AdmissionStatus(Admission.UNKNOWN)

    async def refresh(self) -> AdmissionStatus:
        """Nobody is asked."""
        return self.admission_status

    def names(self, _namespace: str) -> frozenset[str]:
        """No provider."""
        return frozenset()

    async def inspect(self, _provider: str, _query: str) -> QueryFacts:
        """Nothing is known of any query."""
        return QueryFacts()

    async def measure(self, query: RangeQuery) -> Measurement:
        """Nobody is asked: a rehearsal is over without it."""
        raise RehearsalFailed(f"the rollback asked a metrics provider: {query}")

    def measurements(self, _key: ObjectKey, _rollout: Rollout) -> Mapping[str, Measurement]:
        """Nobody has answered."""
        return {}

    def unanswered_since(self, _key: ObjectKey) -> Mapping[str, datetime]:
        """Nobody is asked."""
        return {}

    def known_queries(self, _key: ObjectKey, _rollout: Rollout) -> Mapping[str, QueryFacts]:
        """Nothing is known of any query."""
        return {}

    async def query_facts(self, _key: ObjectKey, _rollout: Rollout) -> Mapping[str, QueryFacts]:
        """Nothing is known of any query."""
        return {}

    def transition(self, record: TransitionRecord) -> None:
        """Not counted."""

    def drift_corrected(self) -> None:
        """Not counted."""


def _key(rollout: Rollout) -> ObjectKey:
    return ObjectKey(rollout.metadata.namespace, rollout.metadata.name)
