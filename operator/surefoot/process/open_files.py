"""How many files and connections the process may have open: as many as the system lets it."""

import contextlib
import resource


def allow_as_many_as_possible() -> None:
    """Raise the soft limit to the hard one.

    The soft one is often 1024, for the sake of old programs; each watch has a connection, and an
    operator for 300 namespaces has 1200 watches.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # the operator works all the same
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
