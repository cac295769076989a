"""What is looked at first after a start."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from surefoot.api.v1alpha1.approval import Approval
from surefoot.api.v1alpha1.rollout import Rollout
from surefoot.api.v1alpha1.rollout_status import TransitionType
from surefoot.application.ports import Kind, ObjectKey
from surefoot.application.store import Store
from tests.support.world import START, a_rollout

HOUR = timedelta(hours=1)
KEY = ObjectKey("agents", "memory-sync")


def judged(**status: Any) -> Rollout:
    """A Rollout that an operator has started, and judged, before it stopped."""
    rollout = a_rollout()
    committed = {
        "transitionId": "0" * 20, "type": "Start", "to": 10, "at": START.isoformat(),
    }  # fmt: skip
    known = {"observedGeneration": 1, "percent": 10, "committed": committed, **status}
    return rollout.model_copy(
        update={"status": type(rollout.status).model_construct(**_by_name(rollout, known))}
    )


def _by_name(rollout: Rollout, wire: dict[str, Any]) -> dict[str, Any]:
    names = {field.alias or name: name for name, field in type(rollout.status).model_fields.items()}
    defaults = {name: getattr(rollout.status, name) for name in names.values()}
    return {**defaults, **{names[alias]: value for alias, value in wire.items()}}


def a_signature(decision: str | None) -> Approval:
    request = {
        "rollout": {"name": "memory-sync", "uid": "u"},
        "planHash": "",
        "attempt": 0,
        "from": 10,
        "to": 50,
        "role": "security",
        "users": ["hudson"],
    }
    said = {"reason": "fine", "decidedBy": {"username": "hudson"}, "decision": decision}
    return Approval.model_validate(
        {
            "metadata": {"name": "a", "namespace": "agents", "uid": "a"},
            "spec": {"request": request} | (said if decision else {}),
        }
    )


@pytest.mark.parametrize(
    ("rollout", "decision", "due"),
    [
        (judged(), None, False),
        (judged(), "GO", True),
        (judged(earliestAdvance=START - HOUR), None, True),
        (judged(earliestAdvance=START + HOUR), None, False),
        (judged(earliestAdvance=START - HOUR, completedAt=START), None, False),
        (judged(pending=SimpleNamespace(type=TransitionType.ADVANCE)), None, True),
        (judged(observedGeneration=0), None, True),
        (judged(committed=None), None, True),
    ],
)
def test_what_may_have_become_possible_meanwhile_is_due(
    rollout: Rollout, decision: str | None, due: bool
) -> None:
    """A clock that ran out, a decision, an edit, and whatever was under way or not begun."""
    store = Store()
    store.observe_fresh(Kind.ROLLOUT, KEY, rollout)
    store.observe_fresh(Kind.APPROVAL, ObjectKey("agents", "a"), a_signature(decision))
    assert store.is_due(KEY, START) is due
