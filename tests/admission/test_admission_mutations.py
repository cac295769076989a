"""Every expression of every policy is needed: without it, some attempt has another outcome."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.admission.cluster import Cluster, World, new_world
from tests.admission.mutants import Cage, validating
from tests.admission.table import TABLE

pytestmark = pytest.mark.apiserver


def test_every_defect_of_a_policy_is_noticed(cluster: Cluster, unfilled: World) -> None:
    """Everything is tried anew on each mutant; each policy's are tried beside the others'."""
    names = validating(unfilled)
    with ExitStack() as stack, ThreadPoolExecutor(len(names)) as pool:
        cages = []
        for name in names:
            world = stack.enter_context(new_world(cluster, mutation=False, mutant_of=name))
            world.furnish()
            cages.append(Cage(world, name, TABLE))
        found = list(pool.map(Cage.survivors, cages))

    assert [survivor for survivors, _ in found for survivor in survivors] == []
    assert all(count > 0 for _, count in found)
