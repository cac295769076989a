"""Obstacles: what makes a step's approval impossible, however willing everybody is to sign.

Said as far as the plan shows it. Who is in a group only the API server knows, so a role that a
group may sign for is taken for one that can be signed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from surefoot.api.v1alpha1.approval import Signing
from surefoot.api.v1alpha1.rollout import (
    ApprovalsPolicy,
    CheckpointPlan,
    Role,
    SeparationOfDuties,
)
from surefoot.domain.signoff.requests import is_persons_name
from surefoot.domain.signoff.separation import Reporters, is_a_report_on, kept_from


@dataclass(frozen=True, slots=True)
class SigningConstraints:
    """What keeps people from signing.

    ``planning`` asked for the rollout or wrote its plan, in lower case, and ``reporters`` have
    reported on the step; ``checkpoints`` are those of the step. ``signers`` are the user names
    that a key is allowed for, None where that is not known.
    """

    planning: frozenset[str]
    reporters: Reporters
    checkpoints: tuple[CheckpointPlan, ...]
    signers: frozenset[str] | None


def signing_obstacles(policy: ApprovalsPolicy, constraints: SigningConstraints) -> tuple[str, ...]:
    """Why the step can not be approved under this plan, in words; empty where it may be."""
    able = {role.name: _able(policy, role, constraints) for role in policy.roles if not role.groups}
    crowded = _crowded({name: people for name, people in able.items() if people})
    by_nobody = [role for role in policy.roles if not role.groups and not able[role.name]]
    possible = len(policy.roles) - len(by_nobody) - len(crowded)
    if possible >= (policy.quorum or len(policy.roles)):
        return ()
    found = [_by_nobody(policy, role, constraints) for role in by_nobody]
    found += [_too_few(roles, people) for roles, people in crowded]
    if policy.quorum is not None:
        found.append(
            f"the quorum of {policy.quorum} can not be met: at most {possible} of "
            f"{len(policy.roles)} roles can be signed"
        )
    return tuple(found)


def _able(policy: ApprovalsPolicy, role: Role, constraints: SigningConstraints) -> frozenset[str]:
    """The named users who can sign for a role, in lower case: such names are one person."""
    return frozenset(
        user.lower() for user in role.users if _bar(policy, role, user, constraints) is None
    )


def _bar(
    policy: ApprovalsPolicy, role: Role, user: str, constraints: SigningConstraints
) -> str | None:
    """Why a named user can not sign for a role; None where they can."""
    if not is_persons_name(user):
        return f"{user!a} is not a person's name"
    if policy.separation_of_duties is SeparationOfDuties.REQUIRED:
        if user.lower() in constraints.planning:
            return f"{user} requested this rollout or its attempt, or wrote its plan"
        reported = _report_of(policy, role, user, constraints)
        if reported is not None:
            return reported
    is_signed = role.signing is Signing.REQUIRED
    if is_signed and constraints.signers is not None and user not in constraints.signers:
        return f"{user} has no key among the allowed signers"
    return None


def _report_of(
    policy: ApprovalsPolicy, role: Role, user: str, constraints: SigningConstraints
) -> str | None:
    """The report that is this user's: given already, or nobody else's to give."""
    if user.lower() in kept_from(policy, role, constraints.reporters):
        return f"{user} reported on this step"
    theirs = next(
        (
            plan.name
            for plan in constraints.checkpoints
            if is_a_report_on(plan.type, role)
            and not plan.reporter.groups
            and {name.lower() for name in plan.reporter.users} == {user.lower()}
        ),
        None,
    )
    return None if theirs is None else f"{user} is the only one to report on {theirs}"


def _by_nobody(policy: ApprovalsPolicy, role: Role, constraints: SigningConstraints) -> str:
    why = [_bar(policy, role, user, constraints) for user in role.users]
    said = "; ".join(reason for reason in why if reason is not None)
    return f"nobody can sign for {role.name}: {said}"


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

    found = []
    for role in able:
        tried: set[str] = set()
        if not is_given(role, tried):
            rivals = frozenset(taken[person] for person in tried)
            found.append((rivals | {role}, frozenset(tried)))
    return found
