"""What follows from an object, remembered as long as the object itself and no longer.

Passes over the same plan ask the same things of it again and again, and so does one pass of its
state. A cache of plans would keep thousands of them alive, and would compare them whole. Here
nothing but the object itself is the key, so that what is remembered is bounded by the objects that
are in use.
"""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Concatenate, Generic, ParamSpec, TypeVar

Owner = TypeVar("Owner")
P = ParamSpec("P")
R = TypeVar("R")


class Remembering(Generic[Owner, P, R]):
    """A function whose results are remembered with the object that it is a function of."""

    def __init__(self, compute: Callable[Concatenate[Owner, P], R]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[weakref.ref[Owner], dict[Hashable, R]]] = {}
        functools.update_wrapper(self, compute)

    def __call__(self, owner: Owner, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result that is remembered, or else computed."""
        entry = self._known.get(id(owner))
        results = entry[1] if entry is not None and entry[0]() is owner else self._results(owner)
        try:
            return results[args]
        except KeyError:
            result = results[args] = self._compute(owner, *args, **kwargs)
            return result

    def remember(
        self,
        result: R,
        owner: Owner,
        /,
        *args: P.args,
        **kwargs: P.kwargs,  # noqa: ARG002 - a ParamSpec has both; keywords are not remembered
    ) -> None:
        """Take over a result that is known without computing it: the one that would come out."""
        self._results(owner)[args] = result

    def _results(self, owner: Owner) -> dict[Hashable, R]:
        """What is remembered of an object, which may be nothing yet."""
        key = id(owner)
        entry = self._known.get(key)
        if entry is None or entry[0]() is not owner:
            gone = weakref.ref(owner, lambda _: self._known.pop(key, None))
            entry = self._known[key] = (gone, {})
        return entry[1]


def remembered_with(compute: Callable[Concatenate[Owner, P], R]) -> Remembering[Owner, P, R]:
    """Remember the results of a function of an object, such as a plan, until the object is gone.

    The object must never change, and no result may hold it: it would never be gone.

    Its other arguments must be hashable, few, and given by position.
    """
    return Remembering(compute)
