"""Requests: what checkpoints and approvals ask, of whom, and what is typed to answer them.

The identity of a request is `spec.request`, never its name. Names of people are compared exactly
where that gives a right, and as `folded` where it takes one away.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from surefoot.api.v1alpha1.approval import (
    Approval,
    ApprovalRequest,
    Purpose,
    RequestState,
    Signing,
)
from surefoot.api.v1alpha1.checkpoint import (
    Checkpoint,
    CheckpointRequest,
    CheckpointType,
    People,
)
from surefoot.api.v1alpha1.meta import GROUP, SIGNER_PATTERN, DecisionReference
from surefoot.domain.facts.memory import remembered_with

Request = Approval | Checkpoint
FINAL = frozenset({RequestState.VOID, RequestState.EXPIRED, RequestState.USED})
MOST_EXCLUDED = 256
LONGEST_NAME = 256
_PLAIN_NAME = re.compile(SIGNER_PATTERN)
_NOT_PEOPLE = "system:"


def counts_for_nothing(dry_run: int) -> str:
    """Say that a request is one of a dry run."""
    return f"dry run {dry_run} of the approval: it counts for nothing; answer as you would for real"


def is_dry_run(request: Request) -> bool:
    """Whether it only tries the process of approval."""
    asked = request.spec.request
    return isinstance(asked, ApprovalRequest) and asked.purpose is Purpose.DRY_RUN


def free_names(base: str, first_round: int) -> tuple[str, ...]:
    """Names to try for a request: the plain one first, or the round's, then those after it."""
    rounds = range(max(2, first_round), first_round + 20)
    names = tuple(f"{base}-r{number}" for number in rounds)
    return (base, *names) if first_round == 1 else names


def plural_of(request: Request) -> str:
    """The resource's name as kubectl takes it without doubt."""
    return f"{'approvals' if isinstance(request, Approval) else 'checkpoints'}.{GROUP}"


@remembered_with
def decide_command(request: Request) -> str:
    """The command that decides a request; what a person has to say is left as `…`."""
    where = f"{request.metadata.name} -n {request.metadata.namespace}"
    if isinstance(request, Approval) and request.spec.request.signing is Signing.REQUIRED:
        options = "".join(f' --{_dashed(part)} "…"' for part in _to_be_said(request))
        return f"surefoot sign {where} --decision GO{options}"
    fields = "".join(f',"{part}":"…"' for part in _to_be_said(request))
    return (
        f"kubectl patch {plural_of(request)} {where} --type=merge "
        f'-p \'{{"spec":{{"decision":"GO"{fields}}}}}\''
    )


def _to_be_said(request: Request) -> tuple[str, ...]:
    """The fields of the spec that a GO must fill in."""
    if isinstance(request, Checkpoint):
        is_handoff = request.spec.request.type is CheckpointType.HANDOFF
        return ("summary", "requiredAction") if is_handoff else ("summary",)
    return ("reason", *(section.value for section in request.spec.request.required_sections))


def _dashed(name: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: f"-{capital[0].lower()}", name)


def format_people(users: Iterable[str], groups: Iterable[str]) -> str:
    """The people who may act, in words."""
    named = [*users, *(f"group {group}" for group in groups)]
    return ", ".join(named) or "nobody"


def fold(names: Iterable[str]) -> frozenset[str]:
    """Names to exclude people by: those that look alike are taken for one person's."""
    return frozenset(map(folded, names))


def folded(name: str) -> str:
    """A name without its case and without other forms of the same letters."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class Eligible(Protocol):
    """Anyone who may answer a request."""

    @property
    def users(self) -> tuple[str, ...]:
        """Users by name."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups whose members are meant."""


def named(users: Iterable[str], groups: Iterable[str]) -> People:
    """People as a request names them, also where there are none."""
    return People.model_construct(users=tuple(users), groups=tuple(groups))


def without(people: Eligible, *excluded: frozenset[str]) -> People:
    """Those of the people whom folded names do not exclude. Members of groups are not known."""
    users = people.users
    for names in filter(None, excluded):
        users = tuple([user for user in users if folded(user) not in names])
    return named(users, people.groups)


def excluded_in_request(names: Iterable[str], people: Eligible) -> tuple[str, ...]:
    """The names that a request excludes: as many as it can hold, those of its people first.

    Admission refuses these before anybody counts. The operator counts by all names, so that what
    does not fit here excludes nobody less.
    """
    fitting = [name for name in dict.fromkeys(names) if 0 < len(name) <= LONGEST_NAME]
    asked = fold(people.users)
    # A name that is no person's can be no signer's; the others may belong to a group that is asked.
    # By name at last: the names may come from a set, which every process puts in another order.
    fitting.sort(key=lambda name: (folded(name) not in asked, not is_persons_name(name), name))
    return tuple(sorted(fitting[:MOST_EXCLUDED]))


def eligible_among(request: Request, signers: Iterable[str]) -> frozenset[str]:
    """Those of the signers who may decide this request, as far as the operator can tell."""
    excluded, people = excluded_by(request.spec.request), people_asked(request)
    asked = signers if people.groups else frozenset(people.users).intersection(signers)
    return frozenset(
        signer for signer in asked if folded(signer) not in excluded and is_persons_name(signer)
    )


@lru_cache(maxsize=4096)
def is_persons_name(name: str) -> bool:
    """Whether this names a person, and cannot be mistaken for another's name."""
    return _PLAIN_NAME.fullmatch(name) is not None and not name.startswith(_NOT_PEOPLE)


def not_a_name(by: str) -> str:
    """Say why such a name does not count, so that look-alikes can be told apart."""
    return (
        f"{by!a} is not a person's name: it must be printable ASCII without spaces and commas, and "
        f"not begin with {_NOT_PEOPLE}"
    )


def is_excluded(request: Request, by: str) -> bool:
    """Whether the request says that this person may not decide it."""
    return folded(by) in excluded_by(request.spec.request)


@remembered_with
def excluded_by(asked: ApprovalRequest | CheckpointRequest) -> frozenset[str]:
    """The names that a request excludes, in lower case: each of its decisions is held to them."""
    return fold(asked.excluded_users)


def is_asked(request: Request, by: str) -> bool:
    """Whether the person is one of those who were asked, as far as the operator can tell.

    Membership in a group is known to the API server only.
    """
    people = people_asked(request)
    return by in people.users or bool(people.groups)


@remembered_with
def exactly(request: Request) -> DecisionReference:
    """The decision that a request carries now, and no other that it ever carries."""
    metadata = request.metadata
    return DecisionReference(name=metadata.name, uid=metadata.uid, generation=metadata.generation)


def people_asked(request: Request) -> ApprovalRequest | People:
    """The people who may sign or report."""
    asked = request.spec.request
    return asked if isinstance(asked, ApprovalRequest) else asked.reporter
