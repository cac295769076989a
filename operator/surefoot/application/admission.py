"""Knowing that the admission policies are in force: checked on a beat, and before every intent."""

import asyncio
from collections.abc import Callable

import structlog

from surefoot.application.ports import AdmissionStatus, Clock, Policies
from surefoot.domain.facts.snapshot import Admission

log = structlog.get_logger(__name__)

EVERY = 15.0
"""Seconds between two checks while nothing moves: for telling people. An intent has its own."""
SOON = 1.0
"""Seconds until the next check where the last one brought no answer."""
RECENT = 1.0
"""Seconds for which a check counts as made just now: Rollouts that move at once share it."""

UNENFORCED = AdmissionStatus(Admission.UNENFORCED)
NOT_LOOKED_YET = AdmissionStatus(Admission.UNKNOWN)

Told = Callable[[AdmissionStatus], None]


def _nobody(_admission_status: AdmissionStatus) -> None:
    return None


class AdmissionWatch:
    """What is known of the policies. ``policies`` is None where the administrator has none.

    ``checked`` is told what each check found, ``changed`` only what is news.
    """

    def __init__(
        self,
        policies: Policies | None,
        clock: Clock,
        *,
        checked: Told = _nobody,
        changed: Told = _nobody,
    ) -> None:
        self._policies = policies
        self._clock = clock
        self._checked = checked
        self._changed = changed
        self._checking = asyncio.Lock()
        self.admission_status = _at_first(policies)
        """What the latest check found."""
        self.checked_at: float | None = None
        """When that was, on the clock that measures; None before the first check."""

    def exchange(self, policies: Policies | None) -> None:
        """Look at others from now on. Nothing is known of them before they are checked."""
        self._policies = policies
        self.checked_at = None
        self._take(_at_first(policies))

    async def refresh(self, *, whole: bool = False) -> AdmissionStatus:
        """What a check found that ended at most a second ago; one is made if there was none.

        Takes as long as a check at the most, and never raises. A ``whole`` one leaves nothing out
        because of what earlier ones found.
        """
        async with self._checking:
            policies = self._policies
            if policies is not None and not self._is_recent():
                status = await _answer_of(policies, whole=whole)
                if policies is self._policies:
                    self.checked_at = self._clock.elapsed()
                    self._checked(status)
                    self._take(status)
        return self.admission_status

    async def run(self, every: float = EVERY) -> None:
        """Check again and again, until cancelled."""
        while True:
            status = await self.refresh(whole=True)
            is_known = status.admission is not Admission.UNKNOWN
            await self._clock.sleep(every if is_known else min(every, SOON))

    def _is_recent(self) -> bool:
        return self.checked_at is not None and self._clock.elapsed() - self.checked_at < RECENT

    def _take(self, status: AdmissionStatus) -> None:
        if status == self.admission_status:
            return
        self.admission_status = status
        say = log.warning if status.fault else log.info
        say("admission", state=status.admission.value, fault=status.fault)
        self._changed(status)


def _at_first(policies: Policies | None) -> AdmissionStatus:
    return UNENFORCED if policies is None else NOT_LOOKED_YET


async def _answer_of(policies: Policies, *, whole: bool) -> AdmissionStatus:
    try:
        return await policies.check(whole=whole)
    except Exception as error:  # a defect in the check must not stop a rollback
        log.exception("the admission policies could not be checked", error=repr(error))
        return AdmissionStatus(Admission.UNKNOWN, f"the check failed: {error!r}")
