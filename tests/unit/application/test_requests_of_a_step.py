"""The requests that one step asks of the API server: all of them, in order, and no other."""

from surefoot.api.v1alpha1.approval import Approval, Decision
from surefoot.api.v1alpha1.meta import Signer
from surefoot.application.ports import Kind, ObjectKey
from surefoot.application.reconcile import Result
from tests.support.world import a_role, a_rollout, steps_of
from tests.unit.application.test_reconcile import KEY, Office

READS = ["list approvals", "list checkpoints", "read config map", "read halt"]
"""At once, before anything is written. The Rollout is proven to be the newest by the intent."""
TARGET = ObjectKey("agents", "memory-sync-flags")
SIGNED = ObjectKey("agents", "memory-sync-25-security")
OPENED = ObjectKey("agents", "memory-sync-100-security")


def an_office(*percents: int, roles: tuple[str, ...] = ("security",)) -> Office:
    """An operator with a plan, each step of which is signed by these roles."""
    approvals = {"roles": [a_role(role, f"{role}-person") for role in roles]}
    office = Office()
    office.cluster.put_rollout(a_rollout(steps=steps_of(*percents), approvals=approvals))
    office.learn()
    return office


async def rest(office: Office) -> None:
    """Look until there is nothing more to do."""
    for _ in range(10):
        if (await office.look()).result is Result.IDLE:
            return
    raise AssertionError(f"it does not come to rest: {office.cluster.calls[-10:]}")


async def sign(office: Office, name: str, by: str) -> None:
    """Somebody says GO, and a watch tells the operator."""
    key = ObjectKey("agents", name)
    request = office.cluster.requests[Kind.APPROVAL, key]
    assert isinstance(request, Approval)
    decided = {"decision": Decision.GO, "reason": "fine", "decided_by": Signer(username=by)}
    metadata = request.metadata.model_copy(
        update={"resource_version": office.cluster.next_version(), "generation": 2}
    )
    signed = request.model_copy(
        update={"metadata": metadata, "spec": request.spec.model_copy(update=decided)}
    )
    office.cluster.requests[Kind.APPROVAL, key] = signed
    office.store.observe_fresh(Kind.APPROVAL, key, signed)


async def test_step_reads_at_once_and_writes_as_little_as_the_protocol_allows() -> None:
    """Intent, flag, commit; one write for the decision that it used, one for what is asked next."""
    office = an_office(10, 25, 100)
    await rest(office)
    await sign(office, "memory-sync-25-security", "security-person")
    office.cluster.calls = []
    await rest(office)
    assert office.cluster.config_maps[TARGET].data["memory-sync"] == "25"
    assert sorted(office.cluster.calls[: len(READS)]) == READS
    *move, used, opened = office.cluster.calls[len(READS) :]
    assert move == ["write status", "write config map", "write status"]
    assert {used, opened} == {"record memory-sync-25-security", "open memory-sync-100-security"}


async def test_step_that_leaves_nothing_to_do_is_not_looked_at_again_at_once() -> None:
    """What another pass would find is written; it asks nothing and changes nothing."""
    office = an_office(10, 25, 100)
    await rest(office)
    await sign(office, "memory-sync-25-security", "security-person")
    outcome = await office.look()
    assert outcome.result is Result.DONE
    assert outcome.again_after is not None
    assert outcome.again_after > 1
    assert office.telemetry.said[-3:-1] == [("judged", KEY.name), ("approvals", KEY.name, 1)]
    office.cluster.calls = []
    assert (await office.look()).result is Result.IDLE
    assert office.cluster.calls == []


async def test_request_under_another_name_than_the_status_says_is_corrected_at_once() -> None:
    """Somebody takes the name just before it is used: the next pass names the request."""
    office = an_office(10, 25, 100)
    await rest(office)
    await sign(office, "memory-sync-25-security", "security-person")

    async def taken(call: str) -> None:
        if call == "open memory-sync-100-security":
            used = office.cluster.requests[Kind.APPROVAL, SIGNED]
            metadata = used.metadata.model_copy(update={"name": OPENED.name, "uid": "another"})
            other = used.model_copy(update={"metadata": metadata})
            office.cluster.requests[Kind.APPROVAL, OPENED] = other

    office.cluster.before = taken
    assert (await office.look()).again_after == 0
    await rest(office)
    commands = [item.command for item in office.cluster.rollouts[KEY].status.blocked_by]
    assert any(f"{OPENED.name}-r2" in (command or "") for command in commands)


async def test_each_further_role_costs_two_writes_of_its_own() -> None:
    """Its decision is marked as used, and it is asked for the next step: nothing else grows."""
    office = an_office(10, 25, 100, roles=("ops", "security"))
    await rest(office)
    for role in ("ops", "security"):
        await sign(office, f"memory-sync-25-{role}", f"{role}-person")
    office.cluster.calls = []
    await rest(office)
    assert len(office.cluster.calls) == len(READS) + 3 + 2 * 2


async def test_last_step_is_completed_by_writes_of_its_own() -> None:
    """Complete is decided on its own facts, by the pass after the commit; then nothing is asked."""
    office = an_office(10, 100)
    await rest(office)
    await sign(office, "memory-sync-100-security", "security-person")
    office.cluster.calls = []
    await rest(office)
    assert office.cluster.rollouts[KEY].status.completed_at is not None
    assert office.cluster.writes() == [
        "write status",
        "write config map",
        "write status",
        "write status",
        "write status",
        "record memory-sync-100-security",
    ]


async def test_start_asks_for_the_first_signature_with_its_commit() -> None:
    """A Start opens what is next as a step does, and the status names it at once."""
    office = an_office(10, 100)
    await rest(office)
    assert office.cluster.writes() == [
        "write status",
        "create config map",
        "write status",
        "open memory-sync-100-security",
    ]
    commands = [item.command for item in office.cluster.rollouts[KEY].status.blocked_by]
    assert any("memory-sync-100-security" in (command or "") for command in commands)


async def test_books_that_fail_after_a_move_are_kept_by_the_next_pass() -> None:
    """The signer changes their mind while it is marked as used; the flag has moved."""
    office = an_office(10, 25, 100)
    await rest(office)
    await sign(office, "memory-sync-25-security", "security-person")

    async def changed(call: str) -> None:
        if call == "record memory-sync-25-security":
            office.cluster.before = _nothing
            await sign(office, "memory-sync-25-security", "security-person")

    office.cluster.before = changed
    await rest(office)
    assert office.cluster.config_maps[TARGET].data["memory-sync"] == "25"
    used = office.cluster.requests[Kind.APPROVAL, ObjectKey("agents", "memory-sync-25-security")]
    assert used.status.state == "Used"
    assert [reason for _, reason in office.announcer.said].count("Advance") == 1


async def _nothing(_call: str) -> None:
    return None
