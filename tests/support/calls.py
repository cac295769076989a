"""Counts the calls of functions of the core: work that can be compared without a clock."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from surefoot import domain

_ROOT = str(Path(domain.__file__).parent)


def calls_in(work: Callable[[], Any]) -> "Counter[str]":
    """By module and name, how often each function of the core is called."""
    counted: Counter[str] = Counter()

    def observe(frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_ROOT):
            counted[f"{code.co_filename[len(_ROOT) + 1 :]}:{code.co_qualname}"] += 1

    before = sys.getprofile()
    sys.setprofile(observe)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def named(counted: "Counter[str]") -> int:
    """The calls of functions that have a name: no comprehensions, generators and lambdas."""
    return sum(number for function, number in counted.items() if not function.endswith(">"))
