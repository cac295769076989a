"""Waiting between attempts that fail one after the other."""

from surefoot.application.ports import Clock

FIRST = 0.5
LONGEST = 30.0


class Backoff:
    """Half a second after the first failure, then twice as long each time, at most 30 s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.failures = 0
        """How many came one after the other."""

    def is_worth_telling(self) -> bool:
        """Whether the failure that comes now is the first, second, fourth and so on in a row."""
        count = self.failures + 1
        return count & (count - 1) == 0

    async def pause(self) -> None:
        """There was a failure: wait."""
        seconds = min(LONGEST, FIRST * 2.0 ** min(self.failures, 16))
        self.failures += 1
        await self._clock.sleep(seconds)

    def reset(self) -> None:
        """There was a success."""
        self.failures = 0
