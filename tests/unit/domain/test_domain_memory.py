"""What follows from a plan is remembered with it, and forgotten with it."""

import gc

from surefoot.api.v1alpha1.rollout import RolloutSpec
from surefoot.domain.facts.memory import remembered_with
from tests.support.world import a_rollout


def test_result_is_computed_once_for_a_plan_and_its_arguments() -> None:
    """Another plan that says the same is another plan."""
    computed: list[int] = []

    @remembered_with
    def steps_from(spec: RolloutSpec, first: int) -> int:
        computed.append(first)
        return len(spec.steps) - first

    one, other = a_rollout().spec, a_rollout().spec
    assert [steps_from(one, 1), steps_from(one, 1), steps_from(one, 2)] == [3, 3, 2]
    assert steps_from(other, 1) == 3
    assert computed == [1, 2, 1]


def test_nothing_is_kept_of_a_plan_that_is_gone() -> None:
    """However many plans come by, no more is kept than of those in use."""
    results: list[object] = []

    class Result:
        def __del__(self) -> None:
            results.append(None)

    @remembered_with
    def follows(spec: RolloutSpec) -> Result:
        return Result()

    for _ in range(100):
        follows(a_rollout().spec)
    gc.collect()
    assert len(results) == 100
