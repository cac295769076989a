"""Free ports on loopback."""

import json
import random
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import filelock
import platformdirs

LOWEST = 20_000
HIGHEST = 32_000
"""Below the range from which systems give ports to outgoing connections. A client that retries
against a stopped server on such a port can end up connected to itself, and keep the server
from coming back."""
KEPT_FOR = 120.0
"""Seconds in which a port that was chosen is not chosen again: its program may not listen yet."""


def free_ports(count: int) -> tuple[int, ...]:
    """Choose that many different ports on which nobody listens, nor is about to."""
    folder = platformdirs.user_cache_path("surefoot", ensure_exists=True)
    with filelock.FileLock(folder / "ports.lock"):
        kept = _kept(folder / "ports.json")
        chosen = _free_ports(count, kept)
        now = time.time()  # noqa: TID251 - of this machine, for all processes on it
        (folder / "ports.json").write_text(json.dumps(kept | dict.fromkeys(map(str, chosen), now)))
    return chosen


def _kept(file: Path) -> dict[str, float]:
    """When each port was chosen by a process of this user, as far as it is not long ago."""
    try:
        known: dict[str, float] = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    now = time.time()  # noqa: TID251 - of this machine, for all processes on it
    return {port: at for port, at in known.items() if 0 <= now - at < KEPT_FOR}


def _free_ports(count: int, kept: dict[str, float]) -> tuple[int, ...]:
    chosen: list[int] = []
    # Seeded by the system: several test beds may start in the same instant.
    candidates = random.SystemRandom().sample(range(LOWEST, HIGHEST), k=count + 1_000)
    with ExitStack() as held:
        for port in candidates:
            if len(chosen) == count:
                break
            if str(port) in kept:
                continue
            listener = held.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            chosen.append(port)
    return tuple(chosen)
