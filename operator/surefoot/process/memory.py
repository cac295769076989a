"""Gives memory back to the system that nobody uses any more, and does not look for what is kept."""

import ctypes
import gc
from collections.abc import Callable


def _found() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library than glibc
        return None
    return trim


_malloc_trim = _found()


def give_back() -> None:
    """Give back what lists have left: glibc keeps all that lies below what is still in use.

    It takes some milliseconds. Where the C library is another, nothing happens.
    """
    if _malloc_trim is not None:
        _malloc_trim(0)


def keep_what_is_loaded() -> None:
    """Take what there is now for good, such as modules: nobody looks any more whether it is used.

    Else every full collection goes through all of it, some 90,000 objects, while a rollback waits.
    """
    gc.freeze()
