"""Feasibility: what makes a step's approval impossible, however willing everyone is to sign.

It is judged as far as the plan shows it. Only the API server knows the members of a group, so a
role that a group may sign for is taken for one that can be signed, unless its members are programs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from surefoot.api.v1alpha1.approval import Signing
from surefoot.api.v1alpha1.checkpoint import CheckpointType
from surefoot.api.v1alpha1.durations import parse_duration
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    CheckpointPlan,
    Role,
    Rollout,
    RolloutSpec,
    SeparationOfDuties,
)
from surefoot.domain.facts.memory import remembered_with
from surefoot.domain.facts.steps import ZERO, hold_of
from surefoot.domain.facts.verdicts import UnmetRequirement
from surefoot.domain.signoff.requests import fold, folded, is_persons_name
from surefoot.domain.signoff.separation import (
    NOBODY,
    PLANNED,
    REPORTED,
    Reporters,
    is_a_report_on,
    kept_from,
    planning,
)

_GROUPS_OF_PROGRAMS = frozenset(
    {"system:nodes", "system:serviceaccounts", "system:unauthenticated"}
)
_SERVICE_ACCOUNTS_OF = "system:serviceaccounts:"
Able = Mapping[str, frozenset[str]]
"""The people who can sign for each role that no group may sign for, in lower case."""


@dataclass(frozen=True, slots=True)
class SigningConstraints:
    """The facts that keep people from signing.

    ``planning`` asked for the rollout or wrote its plan, in lower case, and ``reporters`` have
    reported on the step; ``checkpoints`` are those of the step. ``signers`` are the user names
    that a key is allowed for, None where that is not known.
    """

    planning: frozenset[str]
    reporters: Reporters
    checkpoints: tuple[CheckpointPlan, ...]
    signers: frozenset[str] | None


def signing_faults(rollout: Rollout) -> tuple[UnmetRequirement, ...]:
    """List what makes a plan impossible to sign, for each step that is still ahead.

    Keys are no part of a plan: a role that needs a detached signature is taken for one that can be
    signed.
    """
    if rollout.status.completed_at is not None:
        return ()
    return _signing_faults(rollout.spec, planning(rollout), rollout.status.percent or 0)


@remembered_with
def _signing_faults(
    spec: RolloutSpec, planners: frozenset[str], percent: int
) -> tuple[UnmetRequirement, ...]:
    faults: list[UnmetRequirement] = []
    for index, step in enumerate(spec.steps):
        if step.percent < percent:
            continue
        hold = hold_of(spec, index)
        for plan in hold.checkpoints:
            faults += _checkpoint_faults(plan, step.percent, planners)
        constraints = SigningConstraints(planners, NOBODY, hold.checkpoints, None)
        policy = hold.approvals or ApprovalsPolicy()
        obstacles = signing_obstacles(policy, constraints)
        ahead = spec.steps[index + 1 :]
        goal = f"the step from {step.percent}% to {ahead[0].percent}%" if ahead else "completion"
        if obstacles:
            faults.append(_fault(f"{goal} cannot be approved: {'; '.join(obstacles)}"))
        if policy.roles and parse_duration(policy.max_age) <= ZERO:
            faults.append(
                UnmetRequirement(
                    "ApprovalNeverCounts",
                    f"approvals.maxAge is {policy.max_age}, so that no GO would ever count and "
                    f"{goal} cannot be approved; give how long one does, such as 7d",
                )
            )
    return tuple(faults)


def _checkpoint_faults(
    plan: CheckpointPlan, percent: int, planners: frozenset[str]
) -> tuple[UnmetRequirement, ...]:
    """Say why a checkpoint of the plan cannot pass, no matter who reports."""
    if _may_have_people(plan.reporter.groups):
        return ()
    users = plan.reporter.users
    able = [user for user in users if is_persons_name(user)]
    why = [f"{user!a} is not a person's name" for user in users if not is_persons_name(user)]
    why += _without_people(plan.reporter.groups)
    if plan.type is CheckpointType.DECISION_MEETING:
        why += [f"{user} {PLANNED}" for user in able if folded(user) in planners]
        able = [user for user in able if folded(user) not in planners]
    if plan.receiver is not None and not _may_have_people(plan.receiver.groups):
        receivers = fold(filter(is_persons_name, plan.receiver.users))
        alone = fold(able) if len(fold(able)) == 1 else frozenset()
        if not receivers:
            why += [f"{each} to receive it" for each in _without_people(plan.receiver.groups)]
        elif receivers <= alone:
            why += [f"{user} is the only one to report and to receive it" for user in able[:1]]
        if receivers <= alone:
            able = []
    if able:
        return ()
    return (_fault(f"checkpoint {plan.name} at {percent}% cannot pass: {'; '.join(why)}"),)


def _fault(message: str) -> UnmetRequirement:
    return UnmetRequirement("NobodyCanSign", f"{message}; name somebody else")


def signing_obstacles(policy: ApprovalsPolicy, constraints: SigningConstraints) -> tuple[str, ...]:
    """Say why the step cannot be approved under this plan, in words; empty where it may be."""
    able = {
        role.name: _able(policy, role, constraints)
        for role in policy.roles
        if not _may_have_people(role.groups)
    }
    by_nobody, crowded, possible = _signable(policy, able)
    if possible >= _needed(policy):
        return _obstacles_of_reporting(policy, constraints, able)
    obstacles = [_by_nobody(policy, role, constraints) for role in by_nobody]
    obstacles += [_too_few(roles, people) for roles, people in crowded]
    if policy.quorum is not None:
        obstacles.append(
            f"the quorum of {policy.quorum} cannot be met: at most {possible} of "
            f"{len(policy.roles)} roles can be signed"
        )
    return tuple(obstacles)


class _Signable(NamedTuple):
    """The roles that cannot be signed, by nobody or by too few, and how many can be."""

    by_nobody: list[Role]
    crowded: list[tuple[frozenset[str], frozenset[str]]]
    possible: int


def _signable(policy: ApprovalsPolicy, able: Able) -> _Signable:
    """What can be signed by these people; a role that is not among them can be signed."""
    crowded = _crowded({name: people for name, people in able.items() if people})
    by_nobody = [role for role in policy.roles if not able.get(role.name, True)]
    return _Signable(by_nobody, crowded, len(policy.roles) - len(by_nobody) - len(crowded))


def _needed(policy: ApprovalsPolicy) -> int:
    return policy.quorum or len(policy.roles)


def _obstacles_of_reporting(
    policy: ApprovalsPolicy, constraints: SigningConstraints, able: Able
) -> tuple[str, ...]:
    """Say of which report it is certain, before it is given, that too few are left to sign.

    Who reports on the step does not sign for it, so a report that only signers give takes one away.
    """
    if policy.separation_of_duties is SeparationOfDuties.OFF or any(constraints.reporters.values()):
        return ()
    signers = frozenset[str]().union(*able.values())
    for plan in constraints.checkpoints:
        who = fold(filter(is_persons_name, plan.reporter.users))
        is_open = _may_have_people(plan.reporter.groups) or not who <= signers
        # Signatures for all roles need no more people than there are roles.
        if not who or is_open or len(who) > len(policy.roles):
            continue
        judged = {role.name for role in policy.roles if is_a_report_on(plan.type, role)}
        left = (
            {role: people - {one} if role in judged else people for role, people in able.items()}
            for one in who
        )
        if all(_signable(policy, those).possible < _needed(policy) for those in left):
            names = ", ".join(sorted(who))
            return (f"one of {names} reports on {plan.name} and cannot sign, and too few are left",)
    return ()


def _may_have_people(groups: Iterable[str]) -> bool:
    return any(not _is_of_programs(group) for group in groups)


def _is_of_programs(group: str) -> bool:
    return group in _GROUPS_OF_PROGRAMS or group.startswith(_SERVICE_ACCOUNTS_OF)


def _without_people(groups: Iterable[str]) -> list[str]:
    return [f"{group} has no people" for group in groups if _is_of_programs(group)]


def _able(policy: ApprovalsPolicy, role: Role, constraints: SigningConstraints) -> frozenset[str]:
    """The named users who can sign for a role, in lower case: such names are one person."""
    bars = _bars(policy, role, constraints)
    return frozenset(
        folded(user) for user, bar in zip(role.users, bars, strict=True) if bar is None
    )


def _bars(
    policy: ApprovalsPolicy, role: Role, constraints: SigningConstraints
) -> tuple[str | None, ...]:
    """Say of each named user why they cannot sign for a role; None where they can."""
    reported = (
        {}
        if policy.separation_of_duties is SeparationOfDuties.OFF
        else _reports(policy, role, constraints)
    )
    return tuple(_bar(policy, role, user, constraints, reported) for user in role.users)


def _bar(
    policy: ApprovalsPolicy,
    role: Role,
    user: str,
    constraints: SigningConstraints,
    reported: Mapping[str, str],
) -> str | None:
    if not is_persons_name(user):
        return f"{user!a} is not a person's name"
    if policy.separation_of_duties is SeparationOfDuties.REQUIRED:
        if folded(user) in constraints.planning:
            return f"{user} {PLANNED}"
        if folded(user) in reported:
            return f"{user} {reported[folded(user)]}"
    is_signed = role.signing is Signing.REQUIRED
    if is_signed and constraints.signers is not None and user not in constraints.signers:
        return f"{user} has no key among the allowed signers"
    return None


def _reports(
    policy: ApprovalsPolicy, role: Role, constraints: SigningConstraints
) -> dict[str, str]:
    """Name the report of each person who has given one, or who alone may: by folded names."""
    theirs = {
        name: f"is the only one to report on {plan.name}"
        for plan in reversed(constraints.checkpoints)
        if is_a_report_on(plan.type, role) and not _may_have_people(plan.reporter.groups)
        for name in _only_one(plan.reporter.users)
    }
    return theirs | dict.fromkeys(kept_from(policy, role, constraints.reporters), REPORTED)


def _only_one(users: tuple[str, ...]) -> frozenset[str]:
    """The folded name of the one person whom all of these names mean; nothing where they do not."""
    names = fold(users)
    return names if len(names) == 1 else frozenset()


def _by_nobody(policy: ApprovalsPolicy, role: Role, constraints: SigningConstraints) -> str:
    bars = [bar for bar in _bars(policy, role, constraints) if bar is not None]
    reasons = "; ".join([*bars, *_without_people(role.groups)])
    return f"nobody can sign for {role.name}: {reasons}"


def _too_few(roles: Iterable[str], people: Iterable[str]) -> str:
    return (
        f"{', '.join(sorted(roles))} can be signed by {', '.join(sorted(people))} alone, and "
        "nobody signs for two roles: name somebody else for one of them"
    )


def _crowded(able: Mapping[str, frozenset[str]]) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Roles that have fewer people than they are, with these people: an entry for each one left.

    As many roles as possible are given to a person each, by augmenting paths.
    """
    taken: dict[str, str] = {}

    def is_given(role: str, tried: set[str]) -> bool:
        for person in sorted(able[role] - tried):
            if person in tried:
                continue
            tried.add(person)
            if person not in taken or is_given(taken[person], tried):
                taken[person] = role
                return True
        return False

    crowded = []
    for role in able:
        tried: set[str] = set()
        if not is_given(role, tried):
            rivals = frozenset(taken[person] for person in tried)
            crowded.append((rivals | {role}, frozenset(tried)))
    return crowded
