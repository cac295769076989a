"""Who may acknowledge what, and what a GO asks for, from the command line."""

from typing import Any

import pytest

from tests.unit.plugin.test_plugin_writes import APPROVE, FakeHttp, server, typed
from tests.unit.plugin.things import JSON, raw_approval, raw_checkpoint

__all__ = ["server"]

HANDOFF = "checkout-10-hour-48"
DECIDED = {"decision": "GO", "summary": "built", "decidedBy": {"username": "atlas"}}
ACKNOWLEDGE = ("acknowledge", HANDOFF, "--reason=taken over")


def raw_acknowledgement(role: str = "receiver", state: str = "Pending", **asked: Any) -> JSON:
    """By which hudson is asked to take over."""
    reference = {"name": HANDOFF, "uid": f"uid-{HANDOFF}", "generation": 2}
    asked = {"groups": [], "users": ["hudson"], "acknowledges": reference} | asked
    made = raw_approval(role, state=state, purpose="Acknowledge", **asked)
    made["metadata"]["name"] = f"{HANDOFF}-ack-{role}"
    return made


@pytest.mark.parametrize("name", [HANDOFF, f"{HANDOFF}-ack-receiver"])
def test_receiver_acknowledges_by_the_name_of_either_object(server: FakeHttp, name: str) -> None:
    """The Checkpoint that was decided, or the Approval that asks."""
    server.approvals = [raw_approval(), raw_acknowledgement()]
    code, said = typed("acknowledge", name, "--reason=taken over")
    assert code == 0
    assert f"rollout   checkout in shop: acknowledges {HANDOFF}\n" in said
    assert said.endswith(f"GO by hudson: checkout: acknowledgement of {HANDOFF}, as receiver\n")
    ((path, change),) = server.written
    assert path.endswith(f"/approvals/{HANDOFF}-ack-receiver")
    assert (change["spec"]["decision"], change["spec"]["reason"]) == ("GO", "taken over")


def test_acknowledgement_can_be_refused(server: FakeHttp) -> None:
    """Then the step holds."""
    server.approvals = [raw_acknowledgement()]
    assert typed(*ACKNOWLEDGE, "--no-go")[0] == 0
    ((_, change),) = server.written
    assert change["spec"]["decision"] == "NO-GO"


def test_another_is_told_who_may(server: FakeHttp) -> None:
    """Nothing is written."""
    server.approvals = [
        raw_acknowledgement(users=["cora"]),
        raw_acknowledgement("lead", users=["forge"], groups=["security"], excludedUsers=["hudson"]),
    ]
    code, said = typed(*ACKNOWLEDGE)
    assert (code, server.written) == (1, [])
    assert (
        f"hudson may not acknowledge {HANDOFF}, but as receiver cora; "
        "as lead forge, group security, but not hudson"
    ) in said


def test_what_is_acknowledged_is_not_written_again(server: FakeHttp) -> None:
    """Success, and who did it."""
    made = raw_acknowledgement(state="Go")
    made["spec"] |= {"decision": "GO", "reason": "mine", "decidedBy": {"username": "hudson"}}
    server.approvals = [made]
    code, said = typed(*ACKNOWLEDGE)
    assert (code, server.written) == (0, [])
    assert said.startswith("GO by hudson already")


def test_acknowledgement_by_key_is_told_how(server: FakeHttp) -> None:
    """It is not written without its signature."""
    server.approvals = [raw_acknowledgement(signing="Required")]
    code, said = typed(*ACKNOWLEDGE)
    assert (code, server.written) == (1, [])
    assert f"surefoot sign {HANDOFF}-ack-receiver -n shop --decision GO" in said


def handoff(**decided: Any) -> JSON:
    """From atlas to hudson."""
    return raw_checkpoint(decided, type="Handoff", receiver={"users": ["hudson"]})


@pytest.mark.parametrize(
    ("checkpoints", "approvals", "why"),
    [
        ([], [], f"there is no Checkpoint {HANDOFF} to be acknowledged in namespace shop"),
        ([raw_checkpoint(DECIDED)], [], "is a report: only handoffs and meetings"),
        ([handoff()], [], "is not decided yet, so that there is nothing to acknowledge: atlas"),
        ([handoff(**DECIDED | {"decision": "NO-GO"})], [], "is NO-GO by atlas: there is nothing"),
        ([handoff(**DECIDED, requiredAction="run it")], [], "the operator has not seen it, or"),
        ([], [raw_acknowledgement(state="Void")], "-ack-receiver is over: it has expired"),
    ],
    ids=["none", "a report", "open", "NO-GO", "not asked yet", "over"],
)
def test_why_there_is_nothing_to_acknowledge(
    server: FakeHttp, checkpoints: list[JSON], approvals: list[JSON], why: str
) -> None:
    """In plain words, and 1."""
    server.checkpoints, server.approvals = checkpoints, approvals
    code, said = typed(*ACKNOWLEDGE)
    assert (code, server.written) == (1, [])
    assert why in said


def test_inbox_prints_the_command_that_acknowledges(server: FakeHttp) -> None:
    """And what is acknowledged."""
    server.approvals = [raw_acknowledgement()]
    _, said = typed("inbox")
    assert f'$ kubectl surefoot acknowledge {HANDOFF}-ack-receiver -n shop --reason "…"' in said
    assert f"checkout: acknowledgement of {HANDOFF}, as receiver" in said


def test_go_asks_for_conditions(server: FakeHttp) -> None:
    """Some of them before it counts."""
    words = ("--condition", "watch: watch the queue: for a day", "--blocking-condition=fix:mend it")
    assert typed(*APPROVE, *words)[0] == 0
    ((_, change),) = server.written
    assert change["spec"]["conditions"] == [
        {"name": "watch", "text": "watch the queue: for a day", "blocking": False},
        {"name": "fix", "text": "mend it", "blocking": True},
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--condition=watch",),
        ("--condition=: text",),
        ("--condition=Watch it: text",),
        ("--condition=watch: ",),
        ("--condition=watch: a", "--blocking-condition=watch: b"),
    ],
)
def test_condition_that_is_none_is_a_wrong_use(server: FakeHttp, words: tuple[str, ...]) -> None:
    """Nothing is written."""
    assert typed(*APPROVE, *words)[0] == 2
    assert server.written == []


def test_conditions_of_several_gos_are_told_apart(server: FakeHttp) -> None:
    """Each by its own report, also once the step was taken."""
    server.approvals = []
    server.checkpoints = []
    for number, role in enumerate(("lead", "security")):
        reference = {"name": f"checkout-25-{role}", "uid": f"uid-{role}", "generation": 1}
        asked: JSON = {"name": "conditions", "conditionsOf": reference, "percent": number}
        report = raw_checkpoint(reporter={"users": ["hudson"]}, **asked)
        report["metadata"] |= {"name": f"checkout-25-{role}-conditions", "uid": role}
        server.checkpoints.append(report)
    _, said = typed("inbox")
    for role in ("lead", "security"):
        assert f"checkout: what the GO checkout-25-{role} asks for is met" in said
        assert f"surefoot checkpoint checkout checkout-25-{role}-conditions -n shop --go" in said
    words = ("checkpoint", "checkout", "checkout-25-lead-conditions", "--go", "--summary=done")
    assert typed(*words)[0] == 0
    ((path, _),) = server.written
    assert path.endswith("/checkout-25-lead-conditions")


REPORT = ("checkpoint", "checkout", "hour-48", "--summary=built")


def test_handoff_says_what_its_receiver_has_to_do(server: FakeHttp) -> None:
    """Without it the GO is not even tried."""
    server.checkpoints = [handoff()]
    code, said = typed(*REPORT, "--go")
    assert (code, server.written) == (1, [])
    assert '--required-action "…"' in said
    assert typed(*REPORT, "--go", "--required-action=run it")[0] == 0
    assert typed(*REPORT, "--no-go")[0] == 0
    first, second = (change["spec"] for _, change in server.written)
    assert first["requiredAction"] == "run it"
    assert "requiredAction" not in second


def test_required_action_of_an_earlier_decision_goes(server: FakeHttp) -> None:
    """It was asked of the receiver with another decision."""
    server.checkpoints = [handoff(**DECIDED, requiredAction="run it")]
    assert typed(*REPORT, "--go")[0] == 1
    assert typed(*REPORT, "--no-go")[0] == 0
    ((_, change),) = server.written
    assert change["spec"]["requiredAction"] is None


def test_meeting_records_who_did_not_agree(server: FakeHttp) -> None:
    """In their words, which may have any sign in them."""
    server.checkpoints = [raw_checkpoint(type="DecisionMeeting")]
    assert typed(*REPORT, "--go", "--dissent=hudson=a=b is not proved")[0] == 0
    ((_, change),) = server.written
    assert change["spec"]["dissent"] == [{"by": "hudson", "statement": "a=b is not proved"}]
    assert typed(*REPORT, "--go", "--dissent=hudson")[0] == 2
    assert typed(*REPORT, "--no-go", "--condition=watch: it")[0] == 2
