"""What the API server refused is read from its own log, and nothing else is taken for it."""

import json
from typing import Any

import pytest

from surefoot.errors import AuditError
from surefoot.reports.refusals import AuditLog, audit_log, refusals_of
from tests.support.world import World, a_role, a_rollout, steps_of
from tests.unit.reports.conducted import dossier, the_incident, the_proper_path

JSON = dict[str, Any]
POLICY = (
    'approvals.surefoot.dev "memory-sync-25-security" is forbidden: ValidatingAdmissionPolicy '
    "'surefoot-decisions' with binding 'surefoot-decisions' denied request: forge may not decide"
)


def event(
    resource: str = "approvals",
    name: str | None = "memory-sync-25-security",
    *,
    code: int = 403,
    message: str = POLICY,
    **more: Any,
) -> JSON:
    """A refused patch by forge, as the API server logs it."""
    reference = {"resource": resource, "namespace": "agents", "apiGroup": "surefoot.dev"}
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "auditID": f"{resource}-{name}-{code}-{more.get('verb')}",
        "stage": "ResponseComplete",
        "requestURI": "/apis/surefoot.dev/v1alpha1/namespaces/agents/x",
        "verb": "patch",
        "user": {"username": "forge", "groups": ["system:authenticated"]},
        "userAgent": "kubectl/v1.36.0",
        "objectRef": {**reference, **({"name": name} if name else {})},
        "responseStatus": {"code": code, "message": message, "status": "Failure"},
        "requestReceivedTimestamp": "2025-10-23T23:42:00.000000Z",
    } | more


def read(*events: JSON, lines: tuple[str, ...] = ()) -> AuditLog:
    """What the log has on the proper path's Rollout."""
    texts = [json.dumps(each) for each in events]
    return audit_log(the_proper_path(), [*texts, *lines], "audit.log")


def test_a_refused_write_is_told_with_who_what_and_the_policys_words() -> None:
    """As the API server authenticated them."""
    (found,) = read(event()).refusals
    assert (found.by, found.through, found.verb) == ("forge", None, "patch")
    assert (found.object, found.code) == ("approvals/memory-sync-25-security", 403)
    assert (found.refused_by, found.said) == ("policy surefoot-decisions", "forge may not decide")
    assert (found.client, str(found.at)) == ("kubectl/v1.36.0", "2025-10-23 23:42:00+00:00")


def test_who_impersonates_is_named_beside_whom() -> None:
    """Both are known."""
    (found,) = read(event(impersonatedUser={"username": "hudson"})).refusals
    assert (found.by, found.through) == ("hudson", "forge")


@pytest.mark.parametrize(
    ("message", "code", "refused_by"),
    [
        (POLICY, 403, "policy surefoot-decisions"),
        ('approvals is forbidden: User "forge" cannot patch resource', 403, "RBAC"),
        (
            'Approval "x" is invalid: spec: a decision must have a reason',
            422,
            "the rules of the kind",
        ),
        ('admission webhook "guard" denied the request: no', 403, "a webhook"),
    ],
)
def test_who_refused_is_told_apart(message: str, code: int, refused_by: str) -> None:
    """Policy, RBAC, the kind's own rules, or somebody's webhook."""
    (found,) = read(event(message=message, code=code)).refusals
    assert found.refused_by == refused_by


@pytest.mark.parametrize(
    "other",
    [
        event(code=200, message=""),
        event(code=409, message="the object has been modified"),
        event(verb="get"),
        event(stage="ResponseStarted"),
        event(name="other-25-security"),
        event("rollouts", "memory-sync-2"),
        event(requestURI="/apis/x?dryRun=All"),
        event(objectRef={"resource": "rollouts", "namespace": "shop", "name": "memory-sync"}),
        event(objectRef=None),
    ],
)
def test_what_was_not_refused_or_is_anothers_is_left_out(other: JSON) -> None:
    """Reads, conflicts, dry runs, other Rollouts, other namespaces."""
    assert read(event(), other).refusals == read(event()).refusals


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("rollouts", "memory-sync"),
        ("configmaps", "memory-sync-flags"),
        ("approvals", "memory-sync-25-security"),
        ("checkpoints", "memory-sync-10-hour-48"),
    ],
)
def test_every_object_of_the_rollout_is_watched(resource: str, name: str) -> None:
    """The plan, the flag, the requests."""
    (found,) = read(event(resource, name)).refusals
    assert found.object == f"{resource}/{name}"
    assert read(event(resource, name), event(resource, name)).refusals == (found,)


def test_an_attempt_to_create_a_request_is_known_by_what_it_says() -> None:
    """It has no name that anybody would know."""
    body = {
        "metadata": {"name": "forged"},
        "spec": {"request": {"rollout": {"name": "memory-sync"}}},
    }
    (found,) = read(event(name=None, verb="create", requestObject=body)).refusals
    assert found.object == "approvals/forged"
    other = {"spec": {"request": {"rollout": {"name": "another"}}}}
    assert read(event(name=None, verb="create", requestObject=other)).refusals == ()


def test_a_broken_line_is_counted_and_hides_nothing() -> None:
    """A log that is being written may end in the middle of a line."""
    cut = json.dumps(event(name="memory-sync-25-metrics"))[:-40]
    found = read(event(), lines=(cut, "", '"code":403', '["code", 1]'))
    assert (len(found.refusals), found.unreadable_lines) == (1, 2)
    assert found.covers_from is not None


@pytest.mark.parametrize("lines", [(), ("", " "), ("nonsense",), ('{"kind":"Event"}',), ("[1]",)])
def test_what_is_no_audit_log_is_refused(lines: tuple[str, ...]) -> None:
    """An empty report would look like nothing had been tried."""
    with pytest.raises(AuditError, match=r"audit\.log .*audit\.k8s\.io"):
        read(lines=lines)


def test_without_a_log_it_is_unknown_and_said_how_to_get_one() -> None:
    """Never "none"."""
    found = refusals_of(the_proper_path(), None)
    assert found.log is None
    assert found.log_unknown.startswith("unknown: ")
    assert "--audit-log FILE" in found.log_unknown


def test_admission_that_was_not_enforced_is_told_step_by_step() -> None:
    """And that it is so still."""
    found = refusals_of(the_incident(), None).not_enforced
    assert [(each.when, each.admission) for each in found] == [
        ("Start, start at 10%", "Unenforced"),
        ("Advance, 10% → 25%", "Unenforced"),
        ("since then, until now", "Unenforced"),
    ]
    assert refusals_of(the_proper_path(), None).not_enforced == ()


def test_changes_past_the_operator_and_decisions_that_do_not_count_are_on_the_record() -> None:
    """Who changed it, what it was set back to, who signed and why that does not count."""
    roles = [a_role("security", "hudson"), a_role("metrics", "hudson", "forge")]
    world = World(a_rollout(steps=steps_of(10, 100), approvals={"roles": roles}))
    world.settle()
    world.tamper(**{"memory-sync": "100"})
    world.settle()
    world.sign("memory-sync-100-security", "hudson")
    world.settle()
    world.edit(approvals={"roles": roles[:1]})
    world.settle()
    found = refusals_of(dossier(world), None)
    assert [(each.by, each.restored_to) for each in found.drift] == [("kubectl-edit", 10)]
    assert [each.fields for each in found.plan_changes] == [("approvals",)]
    (void,) = found.uncounted
    assert (void.of, void.by, void.state, void.why) == (
        "security",
        "hudson",
        "Void",
        "the plan has changed",
    )
