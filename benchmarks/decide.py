"""What one pass costs in the core: the time of its parts, and the calls of our own functions.

    python benchmarks/decide.py [--rounds 15]

1. One approval: the pass that opens it, the one that counts it, and the one that records it.
2. The largest Rollout that the schema lets in, with as many requests as it can have.

Nothing here fails on a number: it measures, people judge.
"""

import argparse
import gc
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from surefoot.domain.decide import decide  # noqa: E402
from surefoot.domain.facts.snapshot import Admission, Snapshot  # noqa: E402
from surefoot.domain.metric_queries import metric_queries  # noqa: E402
from surefoot.domain.plan import Plan  # noqa: E402
from surefoot.domain.preparation import preparations  # noqa: E402
from surefoot.domain.review import evaluate  # noqa: E402
from surefoot.domain.rollback import roll_back  # noqa: E402
from surefoot.domain.signoff.requests import Request  # noqa: E402
from surefoot.domain.signoff.signatures import document  # noqa: E402
from tests.support.calls import calls_in, named  # noqa: E402
from tests.support.largest import the_largest  # noqa: E402
from tests.support.world import World, a_role, a_rollout, hours, steps_of  # noqa: E402

M = TypeVar("M", bound=BaseModel)


def main() -> None:
    """Measure both, and print a table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--profile", action="store_true")
    chosen = options.parse_args()
    print(f"{'one approval':34}{'named':>8}{'all calls':>9}{'ms':>9}{'median':>9}")
    for name, snapshot, now in one_approval():
        report(
            name,
            partial(_decide, now=now),
            partial(read_again, snapshot),
            chosen.rounds,
            profile=chosen.profile,
        )
    world = the_largest()
    whole, now, interval = world.snapshot(), world.now, world.interval
    fresh = partial(read_again, whole)
    size = f"the largest: {len(whole.approvals) + len(whole.checkpoints)} requests"
    print(f"\n{size:34}{'named':>8}{'all calls':>9}{'ms':>9}{'median':>9}")

    def everything(snapshot: Snapshot) -> None:
        metric_queries(snapshot.rollout, now, interval)
        roll_back(snapshot, now)
        decide(snapshot, now).status.to_wire()

    parts: dict[str, tuple[Callable[[Any], Any], Callable[[], Any]]] = {
        "questions": (lambda s: metric_queries(s.rollout, now, interval), fresh),
        "way down": (lambda s: roll_back(s, now), fresh),
        "documents of signatures": (
            lambda approvals: [document(approval) for approval in approvals],
            lambda: tuple(map(_copied, whole.approvals)),
        ),
        "derive and judge": (lambda s: evaluate(s, now), fresh),
        "decide": (lambda s: decide(s, now), fresh),
        "decide, nothing read again": (lambda s: decide(replace(s), now), lambda: whole),
        "status as JSON": (lambda status: status.to_wire(), lambda: decide(whole, now).status),
        "all of it": (everything, fresh),
    }
    for name, (work, facts) in parts.items():
        report(name, work, facts, chosen.rounds, profile=chosen.profile and name == "decide")


def _decide(snapshot: Snapshot, now: datetime) -> Plan:
    return decide(snapshot, now)


def one_approval() -> list[tuple[str, Snapshot, Any]]:
    """The passes of an approval of one role, on a plan that asks for nothing else."""
    world = World(a_rollout(steps=steps_of(50, 100), approvals={"roles": [a_role("lead", "cora")]}))
    passes = []

    def look(name: str) -> None:
        passes.append((name, world.snapshot(), world.now))
        plan = world.decide()
        world.perform(plan, world.rollout)

    world.settle()
    world.now += hours(1)
    world.settle()
    look("waits")
    world.sign("memory-sync-100-lead", "cora")
    look("the GO is counted")
    look("what it used is recorded")
    return passes


def report(
    name: str,
    work: Callable[[Any], Any],
    facts: Callable[[], Any],
    rounds: int,
    *,
    profile: bool = False,
) -> None:
    """The calls of one run, and the least and the median CPU time of several, on facts of its own.

    The facts are new objects each time, as after fresh reads: nothing of them is remembered.
    """
    counted = calls_in(partial(work, facts()))
    times = []
    for _ in range(rounds):
        given = facts()
        gc.collect()
        began = time.process_time()
        work(given)
        times.append((time.process_time() - began) * 1000)
    middle = statistics.median(times)
    print(f"  {name:32}{named(counted):8}{counted.total():9}{min(times):9.2f}{middle:9.2f}")
    if profile:
        show(counted)


def read_again(snapshot: Snapshot) -> Snapshot:
    """The same facts as objects that were just gathered: that is done in short stretches."""
    rollout = _copied(snapshot.rollout)
    approvals = tuple(map(_copied, snapshot.approvals))
    checkpoints = tuple(map(_copied, snapshot.checkpoints))
    requests: tuple[Request, ...] = (*approvals, *checkpoints)
    verified, interval = snapshot.admission is Admission.ENFORCED, snapshot.evaluation_interval
    for piece in preparations(rollout, requests, interval=interval, verified=verified):
        piece()
    for approval in approvals:
        document(approval)
    return replace(snapshot, rollout=rollout, approvals=approvals, checkpoints=checkpoints)


def _copied(model: M) -> M:
    return type(model).model_validate_json(model.model_dump_json(by_alias=True))


def show(counted: "Counter[str]") -> None:
    """The functions that are called most."""
    for name, number in counted.most_common(70):
        print(f"      {number:7} {name}")


if __name__ == "__main__":
    main()
