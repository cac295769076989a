"""One control plane for all attempts of a run, however many workers make them.

It is not the one of the other tests: there an operator looks after the policies that it finds.
"""

from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from surefoot.testbed.bed import TestBed
from tests.admission.cluster import Cluster, World, faults, new_world, start
from tests.admission.table import TABLE
from tests.support.testbed import RUN_DIRECTORY, SESSION_PROCESS, SURELY, wait_until


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster in which the policies are in force. It ends with the session, by its guardian."""
    run = request.config.stash[RUN_DIRECTORY]
    directory = Path(f"{run}-admission")
    with filelock.FileLock(run / "admission.lock"):
        if TestBed.exists_in(directory):
            bed = TestBed.attach(directory)
        else:
            bed = start(directory, request.config.stash[SESSION_PROCESS])
        cluster = Cluster(bed)
        cluster.install()
    yield cluster
    cluster.close()


@pytest.fixture(scope="session")
def filled(cluster: Cluster) -> Iterator[World]:
    """A world in which names are filled in, as far as the API server can do that."""
    if not cluster.fills_in_names:
        pytest.skip("this API server serves no MutatingAdmissionPolicy of v1")
    with new_world(cluster, mutation=True) as world:
        yield settled(world)


@pytest.fixture(scope="session")
def unfilled(cluster: Cluster) -> Iterator[World]:
    """A world in which everybody says themselves who they are."""
    with new_world(cluster, mutation=False) as world:
        yield settled(world)


def settled(world: World) -> World:
    """The world with all things in it and every policy in force."""
    world.furnish()
    telling = {world.expected(attempt).layer: attempt for attempt in reversed(TABLE)}
    for attempt in TABLE:
        if attempt.unfilled is not None:
            telling.setdefault(f"names in every {attempt.request.kind}", attempt)
    wait_until(lambda: not faults(world, tuple(telling.values())), SURELY, "all policies")
    return world
