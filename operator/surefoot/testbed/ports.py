"""Free ports on loopback."""

import random
import socket
from contextlib import ExitStack

LOWEST = 20_000
HIGHEST = 32_000
"""Below the range from which systems give ports to outgoing connections. A client that retries
against a stopped server on such a port can end up connected to itself, and keep the server
from coming back."""


def free_ports(count: int) -> tuple[int, ...]:
    """Choose that many different ports on which nobody listens at this moment."""
    chosen: list[int] = []
    # Seeded by the system: several test beds may start in the same instant.
    candidates = random.SystemRandom().sample(range(LOWEST, HIGHEST), k=count + 1_000)
    with ExitStack() as held:
        for port in candidates:
            if len(chosen) == count:
                break
            listener = held.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen.append(port)
    return tuple(chosen)
