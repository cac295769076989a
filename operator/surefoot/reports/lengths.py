"""Lengths of time as people say them: `6 min`, `1 h 42 min`, `3 days 2 h`."""

from datetime import timedelta

ON_TIME = timedelta(minutes=1)
"""What differs by less is on time."""
_ZERO = timedelta(0)


def spoken(length: timedelta) -> str:
    """A length in the two largest units that it has, rounded up to the smaller of them."""
    seconds = -(-max(_ZERO, length) // timedelta(seconds=1))
    minutes, hours = -(-seconds // 60), -(-seconds // 3600)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{minutes} min"
    if seconds < 3 * 86400:
        return _two(minutes // 60, "h", minutes % 60, "min")
    return _two(hours // 24, "days", hours % 24, "h")


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large} {large_unit} {small} {small_unit}" if small else f"{large} {large_unit}"


def difference(length: timedelta) -> str:
    """How far something was from its time: `26 min late`, `31 h 15 min early`, `on time`."""
    if abs(length) < ON_TIME:
        return "on time"
    return f"{spoken(abs(length))} {'late' if length > _ZERO else 'early'}"
