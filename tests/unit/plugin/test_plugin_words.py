"""What is printed, and what options mean."""

import asyncio
import signal
from datetime import timedelta
from typing import Any

import pytest
import typer

from surefoot.errors import ConfigurationError, Conflict, NotFound, Refused, Unavailable
from surefoot.plugin import explanation, output
from surefoot.plugin import session as sessions
from surefoot.plugin.amounts import ago, soak_of
from surefoot.plugin.halting import End, is_in_force, said_of
from surefoot.plugin.ownership import tool_that_owns
from surefoot.plugin.session import Declined, error_text, exit_code
from tests.unit.plugin.things import MARKS, NOW, raw_rollout, text_of

MISSING = {
    "conditions": [
        {
            "type": kind,
            "status": status,
            "reason": "Because",
            "message": f"{kind} said so",
            "lastTransitionTime": "2026-03-01T09:00:00Z",
        }
        for kind, status in (
            ("PlanValid", "True"),
            ("SoakComplete", "False"),
            ("Approved", "False"),
            ("Ready", "False"),
        )
    ],
    "blockedBy": [
        {"condition": "Approved", "reason": "A", "message": "sign!", "command": "type this"}
    ],
    "approvals": [{"role": "security", "state": "Void", "by": "hudson", "message": "again"}],
    "triggers": [
        {"name": name, "state": state, "since": "2026-03-01T09:00:00.000000Z", "message": "why"}
        for name, state in (("errors", "NoData"), ("redis", "Quiet"))
    ],
}


def explained(raw: dict[str, Any]) -> list[str]:
    """The explanation as it is read."""
    return text_of(explanation.in_lines(raw, NOW, MARKS))


def test_explanation_names_the_command_of_the_plugin_where_there_is_one() -> None:
    """It is shorter, and anyone who reads this has it."""
    blocker = {**MISSING["blockedBy"][0], "pluginCommand": "kubectl surefoot it"}
    lines = explained(raw_rollout({**MISSING, "blockedBy": [blocker]}))
    assert "      $ kubectl surefoot it" in lines
    assert "      $ type this" not in lines


def test_explanation_says_what_keeps_a_move_from_being_applied() -> None:
    """A move that is recorded and refused is not under way."""
    pending = {"type": "Rollback", "to": 0, "reason": "TriggerFired"}
    said = "rollback to 0% is refused: cannot update; apply the installation again"
    lines = explained(raw_rollout({"pending": pending, "waitingOn": said}))
    assert f"  It moves: Rollback to 0% is recorded, and this keeps it: {said}." in lines
    applied = {"pending": pending, "waitingOn": "rollback to 0% is being applied"}
    assert "  It moves: Rollback to 0% is under way." in explained(raw_rollout(applied))


def test_explanation_says_what_is_missing_and_what_to_type() -> None:
    """By condition, with the roles, the soak as of now and what triggers say."""
    lines = explained(raw_rollout(MISSING))
    assert lines == [
        "checkout in shop is Soaking at 10% for 1h, step 1/3",
        "  ##------------------  [10%] → 25% → 100%",
        "  It does not move to 25%: soak 1h left; then security (group security).",
        (
            "  Earliest: 2026-03-01T11:00:00Z, in 1h, by the clocks alone: the soak is complete "
            "then."
        ),
        "  Soak: 1h left of 2h, running.",
        "What is missing:",
        "  SoakComplete is False (Because)",
        "    1h left of 2h, running",
        "  Approved is False (Because)",
        "    sign!",
        "      $ type this",
        "Signatures for the step ahead:",
        "  security Void by hudson (not verified): again",
        "Triggers that are not quiet:",
        "  errors is NoData for 1h: why",
    ]


@pytest.mark.parametrize(("seconds", "words"), [(30, "30s ago"), (0, "just now"), (-1, "just now")])
def test_what_happened_is_never_ahead(seconds: int, words: str) -> None:
    """A person's clock may be a little behind the cluster's."""
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_explanation_as_json_has_the_same() -> None:
    """What is missing, with the commands; Ready is for tools."""
    said = explanation.explanation(raw_rollout(MISSING), NOW)
    assert [each["condition"] for each in said["missing"]] == ["SoakComplete", "Approved"]
    assert said["missing"][1]["blockedBy"][0]["command"] == "type this"
    assert said["soak"]["left"] == "1h"


def test_rollout_that_nobody_has_judged_is_explained() -> None:
    """It was created a moment ago."""
    raw = raw_rollout()
    del raw["status"]
    lines = explained(raw)
    assert lines[0] == "checkout in shop is Pending before its start"
    assert "has not judged" in lines[1]


def test_soak_that_does_not_run_stands() -> None:
    """And one that ran on since it was written is never more than complete."""
    soak = {
        "required": "1h",
        "healthy": "30m0s",
        "running": False,
        "observedAt": "2026-03-01T06:00:00.000000Z",
    }
    still = soak_of({"soak": soak}, NOW)
    assert still is not None
    assert (still.in_words(), still.fraction) == ("30m left of 1h, not running now", "30m/1h")
    ran = soak_of({"soak": soak | {"running": True}}, NOW)
    assert ran is not None
    assert (ran.left, ran.is_complete) == (timedelta(0), True)


def test_text_of_others_plays_no_tricks_on_the_terminal() -> None:
    """No escape sequences, no turned direction; lines stay lines."""
    assert output.safe("a\x1b[2Jb\u202ec\r\nd") == "a\ufffd[2Jb\ufffdc\ufffd\nd"


def test_table_without_a_terminal_is_not_folded(capsys: pytest.CaptureFixture[str]) -> None:
    """Anyone who reads a pipe wants a line for a row; marks like [bold] are text."""
    output.say_table(("Name", "Waiting-On"), [("checkout", "[bold]x " * 60), ("cart", None)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "NAME      WAITING-ON"
    assert lines[1] == "checkout  " + ("[bold]x " * 60).rstrip()
    assert lines[2:] == ["cart"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Declined("no"), 1),
        (Refused("x: 422: spec.reason: invalid", status=422), 1),
        (Refused("x: 403: policy denied request: not you", status=403), 1),
        (Refused('x: 403: User "cora" cannot patch', status=403), 3),
        (NotFound("x", status=404), 1),
        (Conflict("x", status=409), 1),
        (Unavailable("x", status=401), 3),
        (ConfigurationError("x"), 3),
    ],
    ids=str,
)
def test_no_is_told_from_not_reached(error: Exception, code: int) -> None:
    """1 where the question was answered, 3 where it could not be put."""
    assert exit_code(error) == code  # type: ignore[arg-type]


def test_field_that_the_cluster_does_not_know_is_told_as_an_older_crd() -> None:
    """And that nothing was written."""
    refusal = 'write x: 422: strict decoding error: unknown field "spec.paused"'
    assert error_text(Refused(refusal, status=422)) == (
        'the CRDs of this cluster are older than this command: unknown field "spec.paused"; '
        "nothing was written"
    )


def test_interrupt_at_the_question_ends_it_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although a loop runs, which only notes an interrupt, and waits for its own turn."""

    def interrupted(prompt: str) -> str:
        signal.raise_signal(signal.SIGINT)
        return "y"

    async def ask() -> bool:
        return sessions.confirm("Sign GO?", asks=True)

    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    monkeypatch.setattr(f"{typer.confirm.__module__}.visible_prompt_func", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(ask())
    assert signal.getsignal(signal.SIGINT) is before
    assert "nothing was written" in capsys.readouterr().err


def test_end_of_the_input_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-D, or a terminal that is gone."""

    def ended(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    monkeypatch.setattr(f"{typer.confirm.__module__}.visible_prompt_func", ended)
    assert sessions.confirm("Sign GO?", asks=True) is False


def test_policys_own_words_are_told_alone() -> None:
    """Without the request and the policy's name in front of them."""
    long = "write: 403: approvals \"x\" is forbidden: Policy 'p' denied request: hudson may not"
    assert error_text(Refused(long, status=403)) == "hudson may not"
    long = 'write: 422: Rollout "x" is invalid: spec.target: Forbidden: it may not be changed'
    assert error_text(Refused(long, status=422)) == "spec.target: Forbidden: it may not be changed"


@pytest.mark.parametrize(
    ("manager", "field", "tool"),
    [
        ("argocd-controller", "f:paused", "argocd-controller"),
        ("kustomize-controller", "f:paused", "kustomize-controller"),
        ("kubectl-edit", "f:paused", None),
        ("kubectl-surefoot", "f:paused", None),
        ("argocd-controller", "f:steps", None),
    ],
)
def test_field_is_a_tools_only_where_the_tool_sets_it(
    manager: str, field: str, tool: str | None
) -> None:
    """What people typed is theirs, and other fields do not matter."""
    raw = raw_rollout()
    raw["metadata"]["managedFields"] = [
        {"manager": "surefoot", "fieldsV1": {"f:status": {}}},
        {"manager": manager, "fieldsV1": {"f:spec": {field: {}}}},
    ]
    assert tool_that_owns(raw, "paused") == tool


def test_end_of_a_halt_is_a_moment_or_a_time_from_now() -> None:
    """By the API server's clock."""
    assert End.read("2h").moment(NOW) == NOW + timedelta(hours=2)
    assert End.read("2026-03-01T12:00:00+01:00").moment(NOW) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [("soon", "write 2026-03-01T10:00:00Z or 2h"), ("2026-03-01T12:00:00", "has no time zone")],
)
def test_end_of_a_halt_that_can_not_be_meant_is_refused(text: str, said: str) -> None:
    """Saying how to write it."""
    with pytest.raises(ValueError, match=said):
        End.read(text)


def test_end_of_a_halt_lies_ahead() -> None:
    """Else it would be none, and nobody would notice."""
    with pytest.raises(Declined, match="is over"):
        End.read("0s").moment(NOW)


@pytest.mark.parametrize(
    ("until", "halts"),
    [
        (None, True),
        ("2026-03-01T10:00:01Z", True),
        ("2026-03-01T10:00:00Z", False),
        ("tomorrow", True),
        ("2026-02-01T10:00:00", True),
    ],
)
def test_halt_is_in_force_as_for_the_operator(until: str | None, halts: bool) -> None:
    """An end that cannot be read is none."""
    data = {"reason": "incident 7", "by": "cora"} | ({"until": until} if until else {})
    assert is_in_force({"data": data}, NOW) is halts
    assert "halted by cora" in said_of({"data": data})


COHORTS: dict[str, Any] = {
    "cohorts": [
        {
            "name": "financial",
            "included": False,
            "from": 50,
            "reason": "BelowFrom",
            "message": "comes in from 50%",
            "risk": {"level": "High", "reason": "real money"},
            "shareUnknown": "financial-share: not measured yet",
        },
        {
            "name": "data",
            "included": True,
            "from": 10,
            "reason": "CameIn",
            "message": "takes part since 10%",
            "share": "0.31",
        },
        {
            "name": "legal",
            "included": True,
            "reason": "CameIn",
            "message": "takes part since 10%",
            "share": "0.155",
        },
    ],
    "balance": {
        "largest": {"name": "data", "share": "0.31"},
        "smallest": {"name": "legal", "share": "0.155"},
        "ratio": "2",
        "unknown": ["financial"],
    },
}


def test_explanation_has_a_line_for_each_cohort() -> None:
    """Who is in, who is not, why, at what risk, and how the work is spread."""
    lines = explained(raw_rollout(COHORTS))
    assert lines[lines.index("Cohorts:") :] == [
        "Cohorts:",
        (
            "  financial is out: comes in from 50%; high risk: real money; "
            "share unknown (financial-share: not measured yet)"
        ),
        "  data is in: takes part since 10%; share 0.31",
        "  legal is in: takes part since 10%; share 0.155",
        (
            "  balance: largest data with 0.31; smallest legal with 0.155, 2 times as much; "
            "unknown of financial"
        ),
    ]
    said = explanation.explanation(raw_rollout(COHORTS), NOW)
    assert (said["cohorts"][0]["risk"], said["balance"]["ratio"]) == (
        {"level": "High", "reason": "real money"},
        "2",
    )


def test_explanation_of_cohorts_without_shares_has_no_balance() -> None:
    """Nobody asked how the work is spread; or nothing is known of it yet."""
    only = {"cohorts": COHORTS["cohorts"][:1]}
    lines = explained(raw_rollout(only))
    assert not any("balance" in line for line in lines)
    unknown = only | {"balance": {"unknown": ["financial"]}}
    assert explained(raw_rollout(unknown))[-1] == ("  balance: unknown of financial")


def test_dry_run_is_explained_as_one() -> None:
    """Its own words, obstacles and roles, and why it ended."""
    run = {
        "run": 2,
        "message": "dry run 2 of the approval of the step to 100%: it counts for nothing",
        "obstacles": ["nobody can sign for lead: hudson wrote its plan"],
        "roles": [{"role": "security", "state": "Go", "by": "hudson", "verified": True}],
        "endedAt": "2026-03-01T09:00:00.000000Z",
        "endedBecause": "the plan has changed",
    }
    lines = explained(raw_rollout({"approvalDryRun": run}))
    assert lines[lines.index("The last dry run of the approval, which has ended:") :] == [
        "The last dry run of the approval, which has ended:",
        "  dry run 2 of the approval of the step to 100%: it counts for nothing",
        "  obstacle: nobody can sign for lead: hudson wrote its plan",
        "  security Go by hudson",
        "  ended 2026-03-01T09:00:00Z: the plan has changed",
    ]
    assert (
        explanation.explanation(raw_rollout({"approvalDryRun": run}), NOW)["approvalDryRun"]["run"]
        == 2
    )
