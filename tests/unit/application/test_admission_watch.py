"""What is known of the admission policies: checked on a beat and before advances, once for all."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from surefoot.application.admission import EVERY, RECENT, SOON, AdmissionWatch
from surefoot.application.ports import AdmissionStatus
from surefoot.domain.facts.snapshot import Admission
from tests.support.fakes import FakeClock, turns

ENFORCED = AdmissionStatus(Admission.ENFORCED)
GONE = AdmissionStatus(
    Admission.NOT_ENFORCED, "ValidatingAdmissionPolicy surefoot-decisions is missing"
)
BUSY = AdmissionStatus(Admission.UNKNOWN, "no answer")


async def _at_once() -> None:
    return None


class FakePolicies:
    """Answers as told, and counts how often it was asked."""

    def __init__(self, admission_status: AdmissionStatus = ENFORCED) -> None:
        self.admission_status = admission_status
        self.asked = 0
        self.whole: list[bool] = []
        self.before: Callable[[], Awaitable[None]] = _at_once

    async def check(self, *, whole: bool = True) -> AdmissionStatus:
        self.asked += 1
        self.whole.append(whole)
        found = self.admission_status
        await self.before()
        return found


class Desk:
    """A watch with its clock, its policies, and what it told."""

    def __init__(self, policies: FakePolicies | None) -> None:
        self.clock = FakeClock()
        self.checks: list[AdmissionStatus] = []
        self.news: list[AdmissionStatus] = []
        self.watch = AdmissionWatch(
            policies, self.clock, checked=self.checks.append, changed=self.news.append
        )


async def test_nothing_is_known_before_the_first_check() -> None:
    """So nothing advances before it."""
    desk = Desk(FakePolicies())
    assert desk.watch.admission_status == AdmissionStatus(Admission.UNKNOWN)
    assert desk.watch.checked_at is None
    await desk.clock.advance(7)
    assert await desk.watch.refresh() == ENFORCED
    assert desk.watch.admission_status == ENFORCED
    assert desk.watch.checked_at == 7


async def test_stated_unenforced_is_not_looked_at() -> None:
    """There is nothing to find; the status says so instead."""
    desk = Desk(None)
    assert await desk.watch.refresh() == AdmissionStatus(Admission.UNENFORCED)
    assert desk.checks == desk.news == []


async def test_rollouts_that_move_at_once_share_one_check() -> None:
    """Also those that come while it is under way."""
    policies = FakePolicies()
    desk = Desk(policies)
    policies.before = lambda: desk.clock.sleep(0.5)
    asking = [asyncio.create_task(desk.watch.refresh()) for _ in range(20)]
    await desk.clock.advance(0.5)
    assert await asyncio.gather(*asking) == [ENFORCED] * 20
    assert policies.asked == 1


@pytest.mark.parametrize(("later", "asked"), [(RECENT - 0.1, 1), (RECENT, 2)])
async def test_check_is_good_for_a_second(later: float, asked: int) -> None:
    """Then it is made again."""
    policies = FakePolicies()
    desk = Desk(policies)
    await desk.watch.refresh()
    await desk.clock.advance(later)
    await desk.watch.refresh()
    assert policies.asked == asked


async def test_second_counts_from_the_end_of_a_check() -> None:
    """However long it took: whoever waited for it has an answer of just now."""
    policies = FakePolicies()
    desk = Desk(policies)
    policies.before = lambda: desk.clock.sleep(2)
    first, second = (asyncio.create_task(desk.watch.refresh()) for _ in range(2))
    await desk.clock.advance(2)
    assert await first == await second == ENFORCED
    assert policies.asked == 1


async def test_check_given_up_by_one_is_made_by_the_next() -> None:
    """A worker that is stopped takes nobody else's answer with it."""
    policies = FakePolicies()
    desk = Desk(policies)
    policies.before = lambda: desk.clock.sleep(60)
    first = asyncio.create_task(desk.watch.refresh())
    second = asyncio.create_task(desk.watch.refresh())
    await turns()
    policies.before = _at_once
    first.cancel()
    assert await second == ENFORCED
    assert policies.asked == 2


async def test_defect_in_the_check_is_an_answer() -> None:
    """Not known, with what went wrong; nobody who asks has to expect it."""
    policies = FakePolicies()
    desk = Desk(policies)

    async def fails() -> None:
        raise KeyError("status")

    policies.before = fails
    found = await desk.watch.refresh()
    assert found == AdmissionStatus(Admission.UNKNOWN, "the check failed: KeyError('status')")


async def test_every_check_is_counted_and_only_news_are_told() -> None:
    """Rollouts are woken by news; another fault is news as well."""
    policies = FakePolicies()
    desk = Desk(policies)
    other = AdmissionStatus(Admission.NOT_ENFORCED, "another")
    for admission_status in (ENFORCED, ENFORCED, GONE, GONE, other, ENFORCED):
        policies.admission_status = admission_status
        await desk.watch.refresh()
        await desk.clock.advance(RECENT)
    assert desk.checks == [ENFORCED, ENFORCED, GONE, GONE, other, ENFORCED]
    assert desk.news == [ENFORCED, GONE, other, ENFORCED]


@pytest.mark.parametrize(
    ("admission_status", "pause"), [(ENFORCED, EVERY), (GONE, EVERY), (BUSY, SOON)]
)
async def test_beat_is_slow_where_the_answer_is_known(
    admission_status: AdmissionStatus, pause: float
) -> None:
    """And asks again soon where there was none."""
    policies = FakePolicies(admission_status)
    desk = Desk(policies)
    running = asyncio.create_task(desk.watch.run())
    await desk.clock.advance(pause - 0.01)
    assert policies.asked == 1
    await desk.clock.advance(0.02)
    assert policies.asked == 2
    running.cancel()


async def test_beat_leaves_nothing_out() -> None:
    """An advance may go without what the beat has proven."""
    policies = FakePolicies()
    desk = Desk(policies)
    beat = asyncio.create_task(desk.watch.run())
    await turns()
    await desk.clock.advance(RECENT)
    await desk.watch.refresh()
    beat.cancel()
    assert policies.whole == [True, False]


async def test_recovery_is_found_by_the_beat_alone() -> None:
    """Nobody restarts the operator after the policies were restored."""
    policies = FakePolicies(GONE)
    desk = Desk(policies)
    running = asyncio.create_task(desk.watch.run())
    await turns()
    policies.admission_status = ENFORCED
    await desk.clock.advance(EVERY)
    assert desk.news == [GONE, ENFORCED]
    running.cancel()


async def test_other_settings_are_checked_at_once() -> None:
    """What a check of just now found with the old ones says nothing."""
    desk = Desk(FakePolicies())
    await desk.watch.refresh()
    desk.watch.exchange(FakePolicies(GONE))
    assert desk.watch.admission_status == AdmissionStatus(Admission.UNKNOWN)
    assert await desk.watch.refresh() == GONE
    desk.watch.exchange(None)
    assert desk.news[-1] == await desk.watch.refresh() == AdmissionStatus(Admission.UNENFORCED)


async def test_answer_about_the_old_settings_that_comes_too_late_is_dropped() -> None:
    """It was under way when they were exchanged."""
    old = FakePolicies()
    desk = Desk(old)
    old.before = lambda: desk.clock.sleep(1)
    late = asyncio.create_task(desk.watch.refresh())
    await turns()
    desk.watch.exchange(FakePolicies(GONE))
    await desk.clock.advance(1)
    assert await late == AdmissionStatus(Admission.UNKNOWN)
    assert await desk.watch.refresh() == GONE
