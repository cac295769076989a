"""What follows from an object, remembered as long as the object itself and no longer.

Passes over the same plan ask the same things of it again and again, and so does one pass of its
state. A cache of plans would keep thousands of them alive, and would compare them whole. Here
nothing but the object itself is the key, so that what is remembered is bounded by the objects that
are in use.
"""

import functools
import weakref
from collections.abc import Callable, Hashable
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

Owner = TypeVar("Owner")
Owner_contra = TypeVar("Owner_contra", contravariant=True)
P = ParamSpec("P")
R = TypeVar("R")


class Remembering(Protocol[Owner_contra, P, R]):
    """A function whose results are remembered with the object that it is a function of."""

    def __call__(self, owner: Owner_contra, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """The result that is remembered, or else computed."""

    def remember(
        self, result: R, owner: Owner_contra, /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Take over a result that is known without computing it: the one that would come out."""


def remembered_with(compute: Callable[Concatenate[Owner, P], R]) -> Remembering[Owner, P, R]:
    """Remember the results of a function of an object, such as a plan, until the object is gone.

    The object must never change, and no result may hold it: it would never be gone.

    Its other arguments must be hashable, few, and given by position.
    """
    known: dict[int, dict[Hashable, R]] = {}
    owners: dict[int, weakref.ref[Owner]] = {}

    # One judgement calls such functions some thousand times: so nothing else is done here.
    def remembered(owner: Owner, /, *args: Hashable) -> R:
        try:
            return known[id(owner)][args]
        except KeyError:
            pass
        result = compute(owner, *args)  # type: ignore[call-arg,arg-type]
        remember(result, owner, *args)
        return result

    def remember(result: R, owner: Owner, /, *args: Hashable) -> None:
        key = id(owner)
        if key not in known:
            # Python calls this back before another object can be in the same place.
            def forget(_: weakref.ref[Owner]) -> None:
                del known[key], owners[key]

            owners[key] = weakref.ref(owner, forget)
            known[key] = {}
        known[key][args] = result

    functools.update_wrapper(remembered, compute)
    remembered.remember = remember  # type: ignore[attr-defined]
    return cast("Remembering[Owner, P, R]", remembered)
