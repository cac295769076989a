"""Waiting for something to be seen: until it is, the operator ends, or it takes too long."""

import time
from collections.abc import Callable
from typing import TypeVar

from surefoot.demo.interruption import Interruption
from surefoot.testbed.process import Component

T = TypeVar("T")

LOOK_EVERY = 0.1
"""Seconds."""
LONGEST = 180.0
"""Seconds for whatever takes a few of them where the machine has nothing else to do."""


class DemoError(Exception):
    """The demo cannot go on. The message says what it waited for."""


class Patience:
    """Waits as long as there is hope."""

    def __init__(self, operator: Component, interruption: Interruption) -> None:
        self._operator = operator
        self._interruption = interruption

    def wait_for(
        self,
        what: str,
        look: Callable[[], T | None],
        *,
        within: float,
        pause: Callable[[], object] | None = None,
    ) -> T:
        """Look until there is something to be seen, and give it back.

        ``what`` completes "waited for"; ``pause`` is what to do between two looks. Raises DemoError
        when it does not come in time, or when the operator ends; Interrupted when somebody asks.
        """
        deadline = time.monotonic() + within
        while (found := look()) is None:
            (pause or self._pause)()
            self._interruption.check()
            if not self._operator.is_running:
                raise DemoError(f"the operator ended while the demo waited for {what}")
            if time.monotonic() > deadline:
                raise DemoError(f"waited {within:g} s for {what}, and it did not come")
        return found

    def let_pass(self, seconds: float) -> None:
        """Give the audience time. Raises Interrupted when somebody asks for it."""
        self._interruption.sleep(seconds)

    def _pause(self) -> None:
        self._interruption.sleep(LOOK_EVERY)
