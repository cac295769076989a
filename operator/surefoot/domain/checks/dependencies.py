"""Order between Rollouts: each of those that `dependsOn` names must have come far enough.

One that was rolled back holds what depends on it, wherever it stands now: what was learned there is
a reason to wait here. One that does not exist is waited for; one that waits for us in turn is a
fault in the plan.
"""

from collections.abc import Iterator, Mapping

from surefoot.api.v1alpha1.rollout import Dependency, Rollout
from surefoot.api.v1alpha1.rollout_status import Phase, UpstreamEvidence
from surefoot.domain.checks.check import EVERY_MOVE, Check, Group
from surefoot.domain.facts.upstreams import RolloutName, Upstream, may_depend, name_of, names_of
from surefoot.domain.facts.verdicts import (
    ConditionType,
    UnmetRequirement,
    Verdict,
    blocks,
    not_required,
    passes,
)


def dependency_faults(
    rollout: Rollout, upstreams: Mapping[RolloutName, Upstream], shared: frozenset[str]
) -> Iterator[UnmetRequirement]:
    """What is wrong with `dependsOn`: namespaces that are not open, and cycles."""
    namespace = rollout.metadata.namespace
    for name in names_of(rollout):
        if not may_depend(namespace, name, shared):
            known = ", ".join(sorted(shared)) or "none"
            yield UnmetRequirement(
                "NamespaceNotAllowed",
                f"dependsOn names Rollout {name}, but Rollouts of {name.namespace} may not be "
                f"depended on from {namespace}; namespaces open to others: {known}; the "
                "administrator opens one under dependencies.namespaces in the operator's "
                "configuration",
            )
    cycle = _cycle(RolloutName(namespace, rollout.metadata.name), names_of(rollout), upstreams)
    if cycle:
        yield UnmetRequirement(
            "DependencyCycle",
            f"Rollouts wait for each other: {' after '.join(map(str, cycle))}; remove one of these "
            "from dependsOn",
        )


def _cycle(
    own: RolloutName, first: tuple[RolloutName, ...], upstreams: Mapping[RolloutName, Upstream]
) -> tuple[RolloutName, ...]:
    """The shortest way from a Rollout back to itself; empty if there is none."""
    ways: list[tuple[RolloutName, ...]] = [(own, name) for name in first]
    seen: set[RolloutName] = set()
    for way in ways:  # grows while it is walked
        if way[-1] == own:
            return way
        if way[-1] in upstreams and way[-1] not in seen:
            seen.add(way[-1])
            ways += [(*way, name) for name in upstreams[way[-1]].depends_on]
    return ()


def judge_dependencies(
    rollout: Rollout, upstreams: Mapping[RolloutName, Upstream], shared: frozenset[str]
) -> Verdict:
    """Whether every Rollout that the plan waits for has come far enough, and stays there."""
    if not rollout.spec.depends_on or rollout.status.completed_at is not None:
        return not_required(ConditionType.DEPENDENCIES_MET)
    namespace = rollout.metadata.namespace
    missing, met = [], []
    for dependency in rollout.spec.depends_on:
        name = name_of(dependency, namespace)
        upstream = upstreams.get(name) if may_depend(namespace, name, shared) else None
        lacking = _lacking(dependency, name, upstream)
        if lacking is not None:
            missing.append(lacking)
        elif upstream is not None:
            met.append(f"Rollout {name} is at {upstream.percent}%")
    if missing:
        return blocks(ConditionType.DEPENDENCIES_MET, *missing)
    return passes(ConditionType.DEPENDENCIES_MET, "DependenciesMet", "; ".join(met))


def _lacking(
    dependency: Dependency, name: RolloutName, upstream: Upstream | None
) -> UnmetRequirement | None:
    if upstream is None or upstream.deleting:
        state = "does not exist" if upstream is None else "is being deleted"
        return UnmetRequirement(
            "UpstreamMissing",
            f"waits for Rollout {name}, which {state}; create it, or remove it from dependsOn",
        )
    wanted = "to be Completed" if dependency.at_least is None else f"at {dependency.at_least}%"
    if upstream.rolled_back:
        return UnmetRequirement(
            "UpstreamRolledBack",
            f"waits for Rollout {name} {wanted}: it was rolled back; it goes on when its attempt "
            "is raised",
            f"kubectl describe rollouts.surefoot.dev {name.name} -n {name.namespace}",
        )
    reached = upstream.percent is not None and (
        upstream.completed
        if dependency.at_least is None
        else upstream.percent >= dependency.at_least
    )
    if reached:
        return None
    stands = "has not started" if upstream.percent is None else f"is at {upstream.percent}%"
    return UnmetRequirement(
        "UpstreamNotThere",
        f"waits for Rollout {name} {wanted}: it {stands}",
        f"kubectl describe rollouts.surefoot.dev {name.name} -n {name.namespace}",
    )


def upstream_evidence(
    rollout: Rollout, upstreams: Mapping[RolloutName, Upstream]
) -> tuple[UpstreamEvidence, ...] | None:
    """The Rollouts that were waited for, as they were; None where there are none."""
    evidence = tuple(
        UpstreamEvidence(
            namespace=name.namespace,
            name=name.name,
            uid=upstream.uid,
            resource_version=upstream.resource_version,
            percent=upstream.percent,
        )
        for name in names_of(rollout)
        if (upstream := upstreams.get(name)) is not None and upstream.percent is not None
    )
    return evidence or None


DEPENDENCIES_MET = Check(
    type=ConditionType.DEPENDENCIES_MET,
    group=Group.AFTER_HOLD,
    applies_to=EVERY_MOVE,
    phase=Phase.HOLDING,
    judge=lambda state, _earlier: judge_dependencies(
        state.rollout, state.snapshot.upstreams, state.snapshot.shared_namespaces
    ),
    withdraws="a Rollout that it depends on is not where it must be",
    faults=lambda snapshot: dependency_faults(
        snapshot.rollout, snapshot.upstreams, snapshot.shared_namespaces
    ),
)
