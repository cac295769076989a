"""What a valid shape says that is wrong, or can hardly be meant.

Faults and warnings that the operator tells on the status come from the same functions of the core;
what stands here needs what only the author knows, or would be too much for a status.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from surefoot.api.v1alpha1.durations import in_words
from surefoot.api.v1alpha1.meta import REQUESTED_BY_ANNOTATION
from surefoot.api.v1alpha1.rollout import (
    ApprovalRule,
    ApprovalsPolicy,
    CheckpointPlan,
    Hold,
    Rollout,
    RolloutSpec,
    SeparationOfDuties,
    Trigger,
)
from surefoot.domain.checks.expansion_limit import judge_expansion
from surefoot.domain.checks.gates import gates_of
from surefoot.domain.checks.table import plan_faults
from surefoot.domain.facts.measurements import QueryFacts
from surefoot.domain.facts.questions import conditions_of, length_of, metric_name
from surefoot.domain.facts.snapshot import Snapshot
from surefoot.domain.facts.steps import HoldPolicy, hold_of
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.plan_warnings import plan_warnings
from surefoot.domain.signoff.feasibility import SigningConstraints, signing_obstacles
from surefoot.domain.signoff.separation import NOBODY, planning
from surefoot.lint import rules
from surefoot.lint.finding import Fault, Rule
from surefoot.lint.text import Path

_ZERO = timedelta(0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the author knows of the place where the plan will run.

    ``author`` is who applies it, empty where that is not known.
    """

    author: str = ""
    scrape_interval: timedelta = timedelta(seconds=30)
    retention: timedelta = timedelta(days=15)


@dataclass(frozen=True, slots=True)
class ReadQuery:
    """A query of the plan as it was parsed: what is known of it, and its shortest range."""

    facts: QueryFacts
    shortest_range: timedelta | None = None


Queries = Mapping[str, ReadQuery]
"""By the names of metrics."""


def faults_of(rollout: Rollout, queries: Queries, around: Surroundings) -> Iterator[Fault]:
    """Everything that is wrong with the plan or can hardly be meant, the worst first."""
    rollout = _by_its_author(rollout, around.author)
    facts = {name: query.facts for name, query in queries.items()}
    snapshot = Snapshot(
        rollout=rollout,
        queries=facts,
        providers=frozenset(metric.provider for metric in rollout.spec.metrics),
    )
    for fault in _told_once(plan_faults(snapshot)):
        yield _of_the_plan(rollout.spec, fault)
    for unmet in judge_expansion(rollout.spec).unmet:
        yield Fault(rules.EXPANSION, unmet.message, ("spec", "steps"))
    for warning in plan_warnings(rollout.spec, facts, {}):
        rule = _WARNINGS[warning.reason]
        message = warning.message.replace("; it has no value now", "")
        yield Fault(rule, message, path_of(rollout.spec, warning.path), _ADVICE[warning.reason])
    yield from _short_ranges(rollout.spec, queries, around.scrape_interval)
    yield from _signers(rollout)
    yield from _long_windows(rollout.spec, queries, around.retention)
    yield from _late_triggers(rollout.spec)
    yield from _steps_without_hold(rollout.spec)
    yield from _unused_metrics(rollout.spec)


def _by_its_author(rollout: Rollout, author: str) -> Rollout:
    """The Rollout as it would be stored: admission stamps who asked for it."""
    if not author:
        return rollout
    stamped = {**rollout.metadata.annotations, REQUESTED_BY_ANNOTATION: author}
    metadata = rollout.metadata.model_copy(update={"annotations": stamped})
    return rollout.model_copy(update={"metadata": metadata})


# What the core says.

_WARNINGS: Mapping[str, Rule] = {
    "BoundCannotBeMeant": rules.BOUND,
    "GateLooserThanTrigger": rules.LOOSE_GATE,
    "SeriesMayNotExist": rules.NO_VALUE,
}
_ADVICE = {
    "BoundCannotBeMeant": "write a bound between 0 and 1, or a percentage",
    "GateLooserThanTrigger": "make the gate at least as strict as the trigger",
    "SeriesMayNotExist": "write `(sum(rate(x[5m])) or vector(0))`",
}
_FAULTS: Mapping[str, Rule] = {
    "InvalidQuery": rules.INVALID_QUERY,
    "NobodyCanSign": rules.NOBODY_CAN_SIGN,
}
_SUBJECT = re.compile(r"(trigger|gate|metric|checkpoint|cohort|freeze)s? ([a-z0-9][-a-z0-9]*)")
_AT_STEP = re.compile(r"step from (\d+)%|at (\d+)%|steps\[(\d+)\]")
_SECTIONS = {
    "trigger": "triggers",
    "gate": "gates",
    "metric": "metrics",
    "cohort": "cohorts",
}
_TOPICS = (
    ("coverage", ("spec", "coverage")),
    ("cohort", ("spec", "cohorts")),
    ("rehearsal", ("spec", "rehearsal")),
    ("depends", ("spec", "dependsOn")),
    ("scorecard", ("spec", "scorecard")),
    ("freeze", ("spec", "schedule")),
    ("schedule", ("spec", "schedule")),
    ("time zone", ("spec", "schedule")),
    ("timeZone", ("spec", "schedule")),
    ("target.format", ("spec", "target", "format")),
    ("delivery", ("spec", "delivery")),
    ("approv", ("spec", "approvals")),
    ("hold", ("spec", "hold")),
)


def _told_once(faults: Iterable[UnmetRequirement]) -> Iterator[UnmetRequirement]:
    """The faults; one that every step has for the same reason, with the first of them only."""
    seen: set[str] = set()
    for fault in faults:
        why = fault.message.partition(": ")[2] if fault.reason == "NobodyCanSign" else ""
        if not why or why not in seen:
            seen.add(why)
            yield fault


def _of_the_plan(spec: RolloutSpec, fault: UnmetRequirement) -> Fault:
    rule = _FAULTS.get(fault.reason, rules.INVALID_PLAN)
    return Fault(rule, fault.message, _path_of_fault(spec, fault.message), fault.command or "")


def _path_of_fault(spec: RolloutSpec, message: str) -> Path:
    """The part of the plan that a fault is about, as far as its words tell."""
    step = _AT_STEP.search(message)
    index = _index_of_percent(spec, next(filter(None, step.groups()))) if step else None
    subject = _SUBJECT.match(message)
    if subject is not None:
        kind, name = subject.groups()
        if kind == "checkpoint":
            return _path_of_checkpoint(spec, name)
        if kind == "freeze" and spec.schedule is not None:
            return _entry(("spec", "schedule", "freeze"), spec.schedule.freeze, name)
        if kind in _SECTIONS:
            section = _SECTIONS[kind]
            return _entry(("spec", section), getattr(spec, section), name)
    if index is not None:
        return ("spec", "steps", index)
    return next((path for word, path in _TOPICS if word in message), ("spec",))


def _index_of_percent(spec: RolloutSpec, percent: str) -> int | None:
    found = (i for i, step in enumerate(spec.steps) if step.percent == int(percent))
    return next(found, None)


def _path_of_checkpoint(spec: RolloutSpec, name: str) -> Path:
    holds: list[tuple[Path, Hold | None]] = [(("spec", "hold"), spec.hold)]
    holds += [(("spec", "steps", i, "hold"), s.hold) for i, s in enumerate(spec.steps)]
    for where, hold in holds:
        for index, plan in enumerate((hold.checkpoints or ()) if hold is not None else ()):
            if plan.name == name:
                return (*where, "checkpoints", index)
    return ("spec", "steps")


def _entry(path: Path, entries: tuple[object, ...], name: str) -> Path:
    found = (i for i, each in enumerate(entries) if getattr(each, "name", None) == name)
    index = next(found, None)
    return path if index is None else (*path, index)


def path_of(spec: RolloutSpec, text: str) -> Path:
    """The path that a warning of the core means: `spec.gates[errors].of[burst].atMost`."""
    path: Path = ()
    entries: object = {"spec": spec}
    for part in re.findall(r"[^.\[\]]+|\[[^\]]*\]", text):
        if part.startswith("["):
            listed = entries if isinstance(entries, tuple) else ()
            name = part[1:-1]
            index = next((i for i, e in enumerate(listed) if getattr(e, "name", "") == name), None)
            if index is None:
                return path
            path, entries = (*path, index), listed[index]
        else:
            path = (*path, part)
            known = entries if isinstance(entries, dict) else {}
            entries = known.get(part, getattr(entries, part, None))
    return path


# What is not known to a status.


def _short_ranges(spec: RolloutSpec, queries: Queries, scrape: timedelta) -> Iterator[Fault]:
    for index, metric in enumerate(spec.metrics):
        read = queries.get(metric.name)
        shortest = read.shortest_range if read is not None else None
        if shortest is not None and _ZERO < shortest < 2 * scrape:
            yield Fault(
                rules.SHORT_RANGE,
                f"metric {metric.name} looks back {in_words(shortest)}, and two scrapes are "
                f"{in_words(2 * scrape)} apart",
                ("spec", "metrics", index, "query"),
                f"look back {in_words(4 * scrape)} or more, or say --scrape-interval",
            )


def _signers(rollout: Rollout) -> Iterator[Fault]:
    planners = planning(rollout)
    seen: set[tuple[Path, str]] = set()
    for path, policy, checkpoints in _policies(rollout.spec):
        if signing_obstacles(policy, _constraints(planners, checkpoints)):
            continue  # the core says so already
        for fault in (*_one_absence(path, policy, planners, checkpoints), *_alone(path, policy)):
            if (path, fault.message) not in seen:
                seen.add((path, fault.message))
                yield fault


def _policies(
    spec: RolloutSpec,
) -> Iterator[tuple[Path, ApprovalsPolicy, tuple[CheckpointPlan, ...]]]:
    """Every approval of the plan, where it is written, with the checkpoints of its step."""
    for index, step in enumerate(spec.steps):
        hold = hold_of(spec, index)
        if hold.approvals is None:
            continue
        if step.hold is not None and step.hold.approvals is not None:
            path: Path = ("spec", "steps", index, "hold", "approvals")
        elif spec.hold is not None and spec.hold.approvals is not None:
            path = ("spec", "hold", "approvals")
        else:
            path = ("spec", "approvals")
        yield path, hold.approvals, hold.checkpoints


def _constraints(
    planners: frozenset[str], checkpoints: tuple[CheckpointPlan, ...]
) -> SigningConstraints:
    return SigningConstraints(planners, NOBODY, checkpoints, None)


def _one_absence(
    path: Path,
    policy: ApprovalsPolicy,
    planners: frozenset[str],
    checkpoints: tuple[CheckpointPlan, ...],
) -> Iterator[Fault]:
    """The people without whom a quorum cannot be met."""
    if policy.rule is not ApprovalRule.QUORUM:
        return
    people = sorted({user for role in policy.roles for user in role.users})
    needed = [
        person
        for person in people
        if signing_obstacles(_without(policy, person), _constraints(planners, checkpoints))
    ]
    if needed:
        yield Fault(
            rules.ONE_ABSENCE,
            f"the quorum of {policy.quorum} of {len(policy.roles)} roles cannot be met without "
            f"{' or without '.join(needed)}",
            (*path, "quorum"),
            "name more people, or a smaller quorum",
        )


def _without(policy: ApprovalsPolicy, person: str) -> ApprovalsPolicy:
    """The policy with somebody absent: the name stands for nobody who could sign."""
    away = "system:absent"
    roles = tuple(
        role.model_copy(update={"users": tuple(away if u == person else u for u in role.users)})
        for role in policy.roles
    )
    return policy.model_copy(update={"roles": roles})


def _alone(path: Path, policy: ApprovalsPolicy) -> Iterator[Fault]:
    """Roles of one person. Under separation of duties that person may not be the author."""
    for index, role in enumerate(policy.roles):
        if role.groups or len(role.users) != 1 or policy.rule is ApprovalRule.QUORUM:
            continue
        author = ""
        if policy.separation_of_duties is SeparationOfDuties.REQUIRED:
            author = f", and nobody may if {role.users[0]} applies this plan"
        yield Fault(
            rules.SOLE_SIGNER,
            f"{role.users[0]} alone may sign for {role.name}{author}",
            (*path, "roles", index),
            "name a second person or a group; say --author to have this checked",
        )


def _long_windows(spec: RolloutSpec, queries: Queries, kept: timedelta) -> Iterator[Fault]:
    for path, name, metric, for_ in _windows(spec):
        read = queries.get(metric)
        looks_back = read.facts.longest_range if read is not None else _ZERO
        if length_of(for_) + looks_back > kept:
            behind = f" and a query that looks back {in_words(looks_back)}" if looks_back else ""
            yield Fault(
                rules.LONG_WINDOW,
                f"{name} needs {for_}{behind}, and samples are kept for {in_words(kept)}",
                (*path, "for"),
                "shorten it, or say --retention",
            )


def _windows(spec: RolloutSpec) -> Iterator[tuple[Path, str, str, str]]:
    for index, trigger in enumerate(spec.triggers):
        path: Path = ("spec", "triggers", index)
        yield path, f"trigger {trigger.name}", metric_name(trigger), trigger.for_
    for index, gate in enumerate(spec.gates):
        for part, condition in enumerate(conditions_of(gate)):
            path = ("spec", "gates", index, *(("of", part) if gate.of is not None else ()))
            yield path, f"gate {gate.name}", metric_name(condition), condition.for_


def _late_triggers(spec: RolloutSpec) -> Iterator[Fault]:
    """Triggers that cannot have fired when a step is left, though all of it breached."""
    holds = [(step.percent, _least(spec, hold_of(spec, i))) for i, step in enumerate(spec.steps)]
    for index, trigger in enumerate(spec.triggers):
        late = [
            (percent, hold)
            for percent, hold in holds[:-1]
            if percent > 0 and _is_late(trigger, hold)
        ]
        if late:
            percents = ", ".join(f"{percent}%" for percent, _ in late)
            shortest = min(hold for _, hold in late if hold is not None)
            yield Fault(
                rules.LATE_TRIGGER,
                f"trigger {trigger.name} fires after {trigger.for_} of breach, and {percents} may "
                f"be left after {in_words(shortest) if shortest else 'no time at all'}",
                ("spec", "triggers", index, "for"),
                "shorten it, or soak for longer",
            )


def _is_late(trigger: Trigger, hold: timedelta | None) -> bool:
    return hold is not None and length_of(trigger.for_) > hold


def _least(spec: RolloutSpec, hold: HoldPolicy) -> timedelta | None:
    """How long a step lasts at least; None where that depends on people."""
    if hold.approvals is not None or hold.checkpoints:
        return None
    gates = [
        sorted(length_of(part.for_) for part in conditions_of(gate))[(gate.passing or 1) - 1]
        for gate in gates_of(spec, hold)
    ]
    return hold.warm_up + max([hold.soak, hold.baseline, *gates])


def _steps_without_hold(spec: RolloutSpec) -> Iterator[Fault]:
    for index, step in enumerate(spec.steps[:-1]):
        hold = hold_of(spec, index)
        asks = hold.approvals is not None or hold.checkpoints or gates_of(spec, hold)
        waits = hold.soak or hold.warm_up or hold.baseline
        others = spec.coverage or spec.schedule or spec.rehearsal or spec.scorecard
        if not (asks or waits or others) and step.percent > 0:
            yield Fault(
                rules.NO_HOLD,
                f"{step.percent}% is left as soon as it is entered: nothing is asked of it",
                ("spec", "steps", index),
                "give it a soak, a gate or an approval, or leave the step out",
            )


def _unused_metrics(spec: RolloutSpec) -> Iterator[Fault]:
    used = {metric_name(trigger) for trigger in spec.triggers}
    used |= {metric_name(part) for gate in spec.gates for part in conditions_of(gate)}
    used |= {cohort.metric for cohort in spec.cohorts if cohort.metric is not None}
    used |= {spec.coverage.metric} if spec.coverage is not None else set()
    used |= {spec.delivery.metric} if spec.delivery is not None else set()
    if any(hold_of(spec, index).baseline > _ZERO for index in range(len(spec.steps))):
        return  # a baseline is recorded of every metric
    for index, metric in enumerate(spec.metrics):
        if metric.name not in used:
            yield Fault(
                rules.UNUSED_METRIC,
                f"nothing looks at metric {metric.name}",
                ("spec", "metrics", index),
                "name it in a gate or a trigger, or remove it",
            )
