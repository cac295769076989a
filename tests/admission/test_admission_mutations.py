"""Every expression of every policy is needed: without it, some attempt has another outcome."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.admission.cluster import Cluster, World, new_world
from tests.admission.mutants import Cage, mutants, validating
from tests.admission.table import TABLE

pytestmark = pytest.mark.apiserver

FEW = 5
"""Defects of a policy that are tried whenever anything is tested."""


def small_policies(world: World) -> set[str]:
    """The policies in which few defects are possible."""
    return {name for name, policy in validating(world).items() if len(list(mutants(policy))) <= FEW}


def all_are_noticed(cluster: Cluster, names: Collection[str]) -> None:
    """Everything is tried again on each mutant; each policy's are tried beside the others'."""
    assert names
    with ExitStack() as stack, ThreadPoolExecutor(len(names)) as pool:
        cages = []
        for name in names:
            world = stack.enter_context(new_world(cluster, mutation=False, mutant_of=name))
            world.furnish()
            cages.append(Cage(world, name, TABLE))
        found = list(pool.map(Cage.survivors, cages))

    assert [survivor for survivors, _ in found for survivor in survivors] == []
    assert all(count > 0 for _, count in found)


def test_every_defect_of_a_small_policy_is_noticed(cluster: Cluster, unfilled: World) -> None:
    """Those of which all defects can be tried in little time."""
    all_are_noticed(cluster, small_policies(unfilled))


@pytest.mark.long
def test_every_defect_of_a_policy_is_noticed(cluster: Cluster, unfilled: World) -> None:
    """Some hundred mutants."""
    all_are_noticed(cluster, set(validating(unfilled)) - small_policies(unfilled))
