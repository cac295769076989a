"""How namespaces are shared out among replicas: what anyone can work out for themselves.

Neither function is ever changed for a number of shards that is in use: two versions of the operator
that run side by side have to agree on it.
"""

import hashlib
from collections.abc import Collection, Mapping


def shard_of(namespace: str, shards: int) -> int:
    """Which shard a namespace belongs to: the first 8 bytes of its SHA-256, modulo ``shards``."""
    digest = hashlib.sha256(namespace.encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards


def quotas(held: Mapping[str, int], replicas: Collection[str], shards: int) -> dict[str, int]:
    """How many shards each of these replicas should have, by how many it has: all, and evenly.

    Where they cannot all have the same number, those have one more that have more already, so that
    as few as possible move.
    """
    ordered = sorted(replicas, key=lambda replica: (-held.get(replica, 0), replica))
    each, over = divmod(shards, max(1, len(ordered)))
    return {replica: each + (place < over) for place, replica in enumerate(ordered)}


class Pulses:
    """Which replicas live: those whose number has changed within ``lasts`` seconds.

    It decides who gets how much, and never who may write.
    """

    def __init__(self, lasts: float) -> None:
        self._lasts = lasts
        self._seen: dict[str, tuple[int, float]] = {}

    def note(self, numbers: Mapping[str, int], now: float) -> frozenset[str]:
        """These are the numbers now; who of them lives."""
        self._seen = {
            replica: earlier
            if (earlier := self._seen.get(replica)) is not None and earlier[0] == number
            else (number, now)
            for replica, number in numbers.items()
        }
        return frozenset(
            replica for replica, (_, since) in self._seen.items() if now - since < self._lasts
        )
