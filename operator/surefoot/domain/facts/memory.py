"""What follows from a plan, remembered as long as the plan itself and no longer.

Passes over the same plan ask the same things of it again and again. A cache of plans would keep
thousands of them alive, and would compare them whole. Here nothing but the object itself is the
key, so that what is remembered is bounded by the plans that are in use.
"""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Concatenate, ParamSpec, TypeVar

from surefoot.api.v1alpha1.rollout import RolloutSpec

P = ParamSpec("P")
R = TypeVar("R")


def remembered_with(
    compute: Callable[Concatenate[RolloutSpec, P], R],
) -> Callable[Concatenate[RolloutSpec, P], R]:
    """Remember the results of a function of a plan until the plan is gone.

    Its other arguments must be hashable, few, and given by position.
    """
    known: dict[int, tuple[weakref.ref[RolloutSpec], dict[Hashable, R]]] = {}

    def remembering(spec: RolloutSpec, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key = id(spec)
        entry = known.get(key)
        if entry is None or entry[0]() is not spec:
            gone = weakref.ref(spec, lambda _: known.pop(key, None))
            entry = known[key] = (gone, {})
        results = entry[1]
        if args not in results:
            results[args] = compute(spec, *args, **kwargs)
        return results[args]

    functools.update_wrapper(remembering, compute)
    return remembering
