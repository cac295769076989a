"""The operator runs, and the API server is out of its reach: what is decided then is not news."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Approval, RequestState
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.application.gather import Gatherer, Rules
from surefoot.application.ports import Kind, ObjectHead, ObjectKey
from surefoot.application.reconcile import Result
from surefoot.domain.decide import decide
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery, Sample
from surefoot.domain.metric_queries import metric_queries
from surefoot.domain.rollback import roll_back
from surefoot.errors import Unavailable
from tests.support.fakes import FakeClock
from tests.support.world import a_metric, a_role, a_rollout, a_trigger, steps_of
from tests.unit.application.test_reconcile import NoProviders, Office
from tests.unit.application.test_requests_of_a_step import TARGET, sign

INTERVAL = timedelta(seconds=30)
REQUEST = ObjectKey("agents", "memory-sync-25-security")
AGAIN = "memory-sync-25-security-r2"


class Errors(NoProviders):
    """A metric that was bad over some stretches of time, as told by a provider in reach."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.bad: list[tuple[datetime, datetime]] = []

    def names(self, namespace: str) -> frozenset[str]:
        return frozenset({"default"})

    def measurements(self, key: ObjectKey, rollout: Rollout) -> Mapping[str, Measurement]:  # type: ignore[override]
        asked = metric_queries(rollout, self._clock.now(), INTERVAL)
        return {name: self._answer(query) for name, query in asked.items()}

    def _answer(self, query: RangeQuery) -> Measurement:
        moments = [query.start]
        while moments[-1] + query.step <= query.end:
            moments.append(moments[-1] + query.step)
        samples = tuple(Sample(at, self._value(at)) for at in moments)
        return Measurement(
            query.start, query.end, query.step, samples, Outcome.VALUE, "", query.end
        )

    def _value(self, at: datetime) -> float:
        return 0.9 if any(start <= at < end for start, end in self.bad) else 0.0


class CutOff(Office):
    """An operator at 10%, with a step to sign for and a trigger that holds."""

    def __init__(self) -> None:
        super().__init__(decide, roll_back)
        self.errors = Errors(self.clock)
        self.reconciler._gatherer = Gatherer(
            self.cluster,
            self.store,
            self.clock,
            self.errors,
            self.errors,
            admission=self.gatherer._admission,
            operator_namespace="surefoot-system",
            rules=Rules(INTERVAL, timedelta(minutes=10)),
        )
        plan: dict[str, Any] = {
            "steps": steps_of(10, 25, 100),
            "approvals": {"roles": [a_role("security", "h")], "opens": "Step"},
            "metrics": [a_metric()],
            "triggers": [a_trigger(action="Hold")],
        }
        self.cluster.put_rollout(a_rollout(**plan))
        self.learn()

    async def passes(self, length: timedelta) -> None:
        """Time passes; at every evaluation there is a look at the Rollout."""
        end = self.clock.at + length
        while self.clock.at < end:
            await self.clock.advance(INTERVAL.total_seconds())
            for _ in range(10):
                if (await self.look()).result is not Result.DONE:
                    break

    async def is_cut_off(self) -> None:
        """Every call fails, and so do the watches."""

        async def fails(call: str) -> None:
            raise Unavailable(f"{call}: no route to host")

        self.cluster.before = fails
        for kind in (Kind.APPROVAL, Kind.CHECKPOINT):
            self.store.lost_sight(kind, None)

    async def is_back(self) -> None:
        """Calls are answered, and the watches list what there is."""

        async def answers(call: str) -> None:
            return None

        self.cluster.before = answers
        for kind in (Kind.APPROVAL, Kind.CHECKPOINT):
            heads = await self.cluster.heads(kind)
            for head in heads:
                self.sees(kind, head)
            self.store.listed(kind, None, heads, self.cluster.next_version())

    def sees(self, kind: Kind, head: ObjectHead) -> None:
        """The list has it."""
        self.store.observe_fresh(kind, head.key, self.cluster.requests[kind, head.key])

    async def is_signed(self, name: str = REQUEST.name) -> None:
        """Somebody says GO, and no watch tells of it where there is none."""
        seen, self.store.observe_fresh = self.store.observe_fresh, lambda *_: None  # type: ignore[method-assign]
        await sign(self, name, "h")
        self.store.observe_fresh = seen  # type: ignore[method-assign]

    @property
    def percent(self) -> str:
        """What the flag says."""
        return self.cluster.config_maps[TARGET].data["memory-sync"]

    def state(self, name: str = REQUEST.name) -> RequestState:
        """The state of an Approval."""
        found = self.cluster.requests[Kind.APPROVAL, ObjectKey("agents", name)]
        assert isinstance(found, Approval)
        return found.status.state


@pytest.mark.parametrize("signed", ["before it fires", "while it fires", "after it fired"])
async def test_go_given_while_cut_off_does_not_outlive_a_hold_trigger_that_fired_then(
    signed: str,
) -> None:
    """When it was given nobody knows; a GO that is given in sight of the operator counts."""
    office = CutOff()
    await office.passes(timedelta(minutes=5))
    assert office.percent == "10"
    await office.is_cut_off()
    fires = office.clock.at + timedelta(minutes=2)
    office.errors.bad = [(fires, fires + timedelta(minutes=2))]
    for moment in ("before it fires", "while it fires", "after it fired"):
        await office.passes(timedelta(minutes=1))
        if moment == signed:
            await office.is_signed()
        await office.passes(timedelta(minutes=1))
    await office.is_back()
    await office.passes(timedelta(minutes=1))
    assert (office.percent, office.state()) == ("10", RequestState.VOID)
    await sign(office, AGAIN, "h")
    await office.passes(timedelta(minutes=1))
    assert (office.percent, office.state(AGAIN)) == ("25", RequestState.USED)


async def test_go_given_while_cut_off_counts_where_no_trigger_fired() -> None:
    """It is of the time since the request was made, and nothing has made it void since."""
    office = CutOff()
    await office.passes(timedelta(minutes=5))
    await office.is_cut_off()
    await office.is_signed()
    await office.passes(timedelta(minutes=3))
    await office.is_back()
    await office.passes(timedelta(minutes=1))
    assert (office.percent, office.state()) == ("25", RequestState.USED)


async def test_go_given_in_sight_after_a_trigger_fired_while_cut_off_counts() -> None:
    """The request was undecided when everything was listed again."""
    office = CutOff()
    await office.passes(timedelta(minutes=5))
    await office.is_cut_off()
    office.errors.bad = [(office.clock.at, office.clock.at + timedelta(minutes=2))]
    await office.passes(timedelta(minutes=3))
    await office.is_back()
    await office.passes(timedelta(minutes=1))
    await sign(office, REQUEST.name, "h")
    await office.passes(timedelta(minutes=1))
    assert (office.percent, office.state()) == ("25", RequestState.USED)
