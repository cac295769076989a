"""Delays every call of an operator to its cluster, in whatever process it runs.

    SLOW_WRITES=3 make test ARGS=tests/operator
    SLOW_READS=2 SLOW_SEED=7 make test ARGS=tests/demo

A test that waits for one write, and reads what a later one brings, fails then every time. The
variables are seconds; with a seed, each call takes anything between nothing and that.

Python loads a module of this name when it starts, where it is on the path. `tests/conftest.py` puts
it there, so that operators that tests start as programs are as slow as those in the test's process.
"""

import asyncio
import functools
import importlib.util
import inspect
import os
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

WRITES, READS = (float(os.environ.get(name, "0")) for name in ("SLOW_WRITES", "SLOW_READS"))
SEED = os.environ.get("SLOW_SEED")
CHANCE = random.Random(SEED)
MODULE, CLASS = "surefoot.adapters.kubernetes.cluster", "KubernetesCluster"
WRITE = ("write_", "create_", "render_", "mark_", "delete_", "open_", "recreate_", "post_")


class _WhenItIsLoaded(MetaPathFinder):
    """Delays the calls once the module is there: to load it now would make every program wait."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Then(spec.loader)
        return spec


class _Then(Loader):
    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        _delay(module)


def _delay(module: ModuleType) -> None:
    cluster = getattr(module, CLASS)
    for name, method in list(vars(cluster).items()):
        if not name.startswith("_") and inspect.iscoroutinefunction(method):
            setattr(cluster, name, _later(method, WRITES if name.startswith(WRITE) else READS))


def _later(method: Callable[..., Awaitable[Any]], seconds: float) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def later(*arguments: Any, **named: Any) -> Any:
        await asyncio.sleep(seconds if SEED is None else CHANCE.uniform(0, seconds))
        return await method(*arguments, **named)

    return later


if WRITES or READS:
    if MODULE in sys.modules:
        _delay(sys.modules[MODULE])
    else:
        sys.meta_path.insert(0, _WhenItIsLoaded())
