"""How namespaces and shards are shared out: the same for everybody, evenly, moving few."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from surefoot.application.sharding import Pulses, quotas, shard_of

NAMES = st.text("abcdef", min_size=1, max_size=3)


def test_shard_of_a_namespace_never_changes() -> None:
    """Replicas of two versions run side by side: what is written here holds for all of them."""
    found = {name: shard_of(name, 4) for name in ("shop", "payments", "search", "kube-system")}
    assert found == {"shop": 1, "payments": 0, "search": 3, "kube-system": 1}
    assert shard_of("shop", 1) == 0


def test_namespaces_are_spread_evenly() -> None:
    spread = Counter(shard_of(f"team-{number}", 4) for number in range(2000))
    assert sorted(spread) == [0, 1, 2, 3]
    assert max(spread.values()) < 1.2 * min(spread.values())


@given(
    held=st.dictionaries(NAMES, st.integers(0, 16), max_size=5),
    replicas=st.sets(NAMES, min_size=1, max_size=5),
    shards=st.integers(1, 16),
)
def test_quotas_are_all_of_the_shards_and_even(
    held: dict[str, int], replicas: set[str], shards: int
) -> None:
    found = quotas(held, replicas, shards)
    assert found.keys() == replicas
    assert sum(found.values()) == shards
    assert max(found.values()) - min(found.values()) <= 1


@given(held=st.lists(st.integers(0, 6), min_size=1, max_size=5), added=st.integers(0, 3))
def test_no_quotas_would_move_fewer_shards(held: list[int], added: int) -> None:
    """Any even distribution has as many ones with more; those who have most are among them."""
    names = [f"replica-{number}" for number in range(len(held) + added)]
    before = dict(zip(names, held, strict=False))
    shards = sum(held)
    found = quotas(before, names, shards)
    moved = sum(max(0, before.get(name, 0) - found[name]) for name in names)
    each, over = divmod(shards, len(names))
    most_first = sorted((before.get(name, 0) for name in names), reverse=True)
    fewest = sum(max(0, has - each - (place < over)) for place, has in enumerate(most_first))
    assert moved == fewest


def test_who_has_an_even_share_keeps_it() -> None:
    assert quotas({"a": 2, "b": 1, "c": 1}, {"a", "b", "c"}, 4) == {"a": 2, "b": 1, "c": 1}
    assert quotas({"c": 2, "b": 1, "a": 1}, {"a", "b", "c"}, 4) == {"a": 1, "b": 1, "c": 2}


def test_replica_lives_while_its_number_changes() -> None:
    pulses = Pulses(lasts=10.0)
    assert pulses.note({"a": 1, "b": 7}, 0.0) == {"a", "b"}
    assert pulses.note({"a": 2, "b": 7}, 9.0) == {"a", "b"}
    assert pulses.note({"a": 2, "b": 7}, 10.0) == {"a"}
    assert pulses.note({"a": 2, "b": 1}, 11.0) == {"a", "b"}
    assert pulses.note({}, 12.0) == frozenset()
