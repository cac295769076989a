"""Who plays which part: the person that a request asks, and what they type and say."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.checkpoint import Checkpoint
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.demo.patience import DemoError
from surefoot.demo.production import CHECKOUT
from surefoot.testbed.bed import TestBed
from surefoot.testbed.users import User

AUTHOR = CHECKOUT.author
"""Writes the plan, releases, and raises ``attempt``."""

LEAD = "cora"
"""May patch every Approval, as far as RBAC goes."""

PEOPLE_DECIDE = ("CheckpointsPassed", "Approved")
"""The conditions that a person's patch makes True."""

BLANK = "…"
"""What the operator leaves for the person to fill in."""

WORDS = {
    "security": "no new findings",
    "lead": "the numbers are good",
    "load-test": "passed at twice the peak",
}
"""What they say; those who have no words of their own say the last ones."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that waits for a person: the command is the operator's, from ``blockedBy``."""

    condition: str
    message: str
    command: str

    @property
    def resource(self) -> str:
        """What is to be patched: ``approvals.surefoot.dev``."""
        return shlex.split(self.command)[2]

    @property
    def name(self) -> str:
        """The name of the object to be patched."""
        return shlex.split(self.command)[3]


def asks(rollout: Rollout, conditions: Sequence[str]) -> Iterator[Ask]:
    """What waits for a person because of one of these conditions, and comes with a command."""
    for blocker in rollout.status.blocked_by:
        if blocker.condition in conditions and blocker.command is not None:
            yield Ask(blocker.condition, blocker.message, blocker.command)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who was asked, and for which role."""

    name: str
    role: str

    def typed(self, ask: Ask, *, naming: str = "") -> str:
        """The operator's command, with what it leaves blank filled in.

        Who decided is not said here: the API server writes it down, and it knows. Who tries to
        forge a signature is ``naming`` somebody.
        """
        words = shlex.split(ask.command)
        patch = json.loads(words[-1])
        for key, value in patch["spec"].items():
            if value == BLANK:
                patch["spec"][key] = WORDS.get(self.role, "it is good")
        if naming:
            patch["spec"]["decidedBy"] = {"username": naming}
        return shlex.join([*words[:-1], _compact(patch)])


def _compact(patch: object) -> str:
    return json.dumps(patch, ensure_ascii=False, separators=(",", ":"))


def asked_person(bed: TestBed, ask: Ask) -> Person:
    """Whom the request names: a user, or the first of the users who is in a group it names."""
    text = bed.kubectl("get", ask.resource, ask.name, "-n", "shop", "-o", "json").stdout
    if ask.resource.startswith("approvals"):
        request = Approval.model_validate_json(text).spec.request
        return Person(_one_of(bed.users, request.users, request.groups, ask.name), request.role)
    report = Checkpoint.model_validate_json(text).spec.request
    people = report.reporter
    return Person(_one_of(bed.users, people.users, people.groups, ask.name), report.name)


def _one_of(known: Sequence[User], users: Sequence[str], groups: Sequence[str], what: str) -> str:
    for user in known:
        if user.name in users or set(user.groups) & set(groups):
            return user.name
    raise DemoError(f"{what} asks {', '.join([*users, *groups])}, of whom nobody is here")
