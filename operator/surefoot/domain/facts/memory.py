"""What follows from an object, remembered as long as the object itself and no longer.

Passes over the same plan ask the same things of it again and again, and so does one pass of its
state. A cache of plans would keep thousands of them alive, and would compare them whole. Here
nothing but the object itself is the key, so that what is remembered is bounded by the objects that
are in use.
"""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Concatenate, ParamSpec, TypeVar

Owner = TypeVar("Owner")
P = ParamSpec("P")
R = TypeVar("R")


def remembered_with(
    compute: Callable[Concatenate[Owner, P], R],
) -> Callable[Concatenate[Owner, P], R]:
    """Remember the results of a function of an object, such as a plan, until the object is gone.

    The object must never change.

    Its other arguments must be hashable, few, and given by position.
    """
    known: dict[int, tuple[weakref.ref[Owner], dict[Hashable, R]]] = {}

    def remembering(owner: Owner, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = id(owner)
        entry = known.get(key)
        if entry is None or entry[0]() is not owner:
            gone = weakref.ref(owner, lambda _: known.pop(key, None))
            entry = known[key] = (gone, {})
        results = entry[1]
        if args not in results:
            results[args] = compute(owner, *args, **kwargs)
        return results[args]

    functools.update_wrapper(remembering, compute)
    return remembering
