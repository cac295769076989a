"""What is shown of a Rollout: lines that fit, amounts as of now, colours only for eyes."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from surefoot.plugin import amounts, describing, explanation, output, preview, summary
from surefoot.plugin.bundling import of_the_flags_alone, text_without_secrets, without_secrets
from surefoot.plugin.metrics import readings_of
from surefoot.plugin.permissions import explained
from surefoot.plugin.tree import tree
from tests.unit.plugin.things import (
    GO_BY_HUDSON,
    MARKS,
    NOW,
    raw_approval,
    raw_checkpoint,
    raw_rollout,
    text_of,
)

LATER = NOW + timedelta(minutes=30)
STATUS = {
    "observedAt": "2026-03-01T10:00:00.000000Z",
    "waitingOn": "soak 1h15m left; then hour-48 (atlas), security (group security)",
}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looks, at 80 columns."""
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def printed(raw: dict[str, Any], now: datetime = LATER) -> list[str]:
    """The table of `get`, as it is printed."""
    return output.table_lines(summary.COLUMNS, [summary.row(raw, now, MARKS)])


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_row_fits_the_terminal(
    terminal: None, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """One line for each Rollout, however long its name and what it waits for."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    raw = raw_rollout(STATUS | {"waitingOn": "the 東京 team " * 20})
    raw["metadata"]["name"] = "a-name-that-is-as-long-as-names-can-be-for-a-rollout-of-a-flag"
    lines = printed(raw)
    assert len(lines) == 2
    assert all(output.width(line) <= columns for line in lines)


def test_row_has_bar_step_soak_and_who_is_missing() -> None:
    """The soak as of now, not as of when it was written."""
    (_, line) = printed(raw_rollout(STATUS))
    assert line == (
        "checkout  #-------  10%  1/3       Soaking  "
        "soak 1h30m/2h, hour-48 (atlas), security (group security)"
    )


def test_trigger_that_fires_comes_first() -> None:
    """It is the news."""
    trigger = {"name": "errors", "state": "Firing", "since": "2026-03-01T09:00:00Z"}
    cells = summary.row(raw_rollout(STATUS | {"triggers": [trigger]}), LATER, MARKS)
    assert cells[-1].text.startswith("errors Firing, soak 1h30m/2h")


def test_colours_are_for_eyes_only(terminal: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for pipes, not where NO_COLOR is set, not on a dumb terminal."""
    raw = raw_rollout(STATUS)
    assert "\x1b[" in "".join(printed(raw))
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert "\x1b[" not in "".join(printed(raw))
    monkeypatch.setattr(output, "is_terminal", lambda: False)
    assert "\x1b[" not in "".join(printed(raw))


@pytest.mark.parametrize(
    "status", [{}, {"soak": 7, "triggers": [3], "conditions": "x", "phase": 1}]
)
def test_status_of_another_version_is_shown_as_far_as_it_goes(status: dict[str, Any]) -> None:
    """A newer operator may write words and fields that this version does not know."""
    raw = raw_rollout()
    raw["status"] = {"phase": "Meditating", "future": {"a": 1}, "percent": 10} | status
    assert printed(raw)
    assert text_of(explanation.in_lines(raw, NOW, MARKS))
    assert text_of(describing.describe(raw, None, [], NOW, MARKS))


def test_text_of_others_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Escapes, turned direction and further lines in a reason do not get to the terminal."""
    raw = raw_rollout({"waitingOn": "a\x1b[2Jb\u202ec\nd"})
    output.say_table(summary.COLUMNS, [summary.row(raw, NOW, MARKS)])
    output.say_lines(explanation.in_lines(raw, NOW, MARKS))
    said = capsys.readouterr().out
    assert not re.search("[\x1b\u202e]", said)
    assert len(said.splitlines()[1:2]) == 1


def test_one_answer_says_one_thing_about_the_soak() -> None:
    """What it waits for, the earliest time and the account agree, whenever it is looked at."""
    soak = raw_rollout()["status"]["soak"] | {"observedAt": "2026-03-01T09:45:00.000000Z"}
    raw = raw_rollout(STATUS | {"soak": soak, "earliestAdvance": "2026-03-01T11:00:00Z"})
    for now in (NOW, LATER):
        said = "\n".join(text_of(explanation.in_lines(raw, now, MARKS)))
        left = "1h" if now == NOW else "30m"
        assert f"does not move to 25%: soak {left} left; then" in said
        assert f"Soak: {left} left of 2h" in said
        assert f"Earliest: 2026-03-01T11:00:00Z, in {left}, by the clocks alone" in said
        assert "the soak is complete then" in said


def test_overdue_time_counts_on() -> None:
    """Who is late is later with every look, and so is an earliest time that has passed."""
    blocker = {
        "condition": "CheckpointsPassed",
        "reason": "CheckpointLate",
        "message": "checkpoint hour-48 is not approved: atlas has not reported, 1h5m late",
    }
    condition = {"type": "CheckpointsPassed", "status": "False", "reason": "CheckpointLate"}
    raw = raw_rollout(
        STATUS
        | {
            "earliestAdvance": "2026-03-01T09:50:00Z",
            "conditions": [condition],
            "blockedBy": [blocker],
            "soak": None,
        }
    )
    for now, late, earliest in ((NOW, "1h5m", "10m ago"), (LATER, "1h35m", "40m ago")):
        said = "\n".join(text_of(explanation.in_lines(raw, now, MARKS)))
        assert f"atlas has not reported, {late} late" in said
        assert f"09:50:00Z, {earliest}" in said


def test_moment_of_a_status_is_that_of_its_values() -> None:
    """The reader sees how old what is shown is."""
    said = "\n".join(text_of(explanation.in_lines(raw_rollout(STATUS), LATER, MARKS)))
    assert "The operator wrote this status at 2026-03-01T10:00:00Z, 30m ago." in said
    shown = explanation.explanation(raw_rollout(STATUS), LATER)
    assert shown["asOf"] == "2026-03-01T10:00:00Z"


@pytest.mark.parametrize(
    ("message", "as_of_later"),
    [
        ("hour-48 opens in 2h", "hour-48 opens in 1h30m"),
        ("hour-48 is due in 10m", "hour-48 is 20m late"),
        ("the last answer is 40s old", "the last answer is 30m40s old"),
        ("the folate of 3 o'clock is late", "the folate of 3 o'clock is late"),
    ],
)
def test_amounts_of_time_go_on(message: str, as_of_later: str) -> None:
    """Up or down, as they mean."""
    assert amounts.live(message, STATUS, LATER) == as_of_later


METRICS = {
    "metrics": [
        {
            "name": "errors",
            "value": "0.0012",
            "outcome": "Value",
            "observedAt": "2026-03-01T09:59:30Z",
        },
        {"name": "cost", "value": "150", "outcome": "Value", "observedAt": "2026-03-01T09:59:30Z"},
        {
            "name": "up",
            "outcome": "NoData",
            "message": "no series",
            "observedAt": "2026-03-01T09:59:30Z",
        },
    ],
    "baselines": [{"metric": "cost", "median": "100", "percent": 10}],
}
GATES: dict[str, Any] = {
    "gates": [
        {"name": "errors", "atMost": "0.1%"},
        {"name": "cost", "atMost": "200%", "relativeTo": "Baseline"},
        {"name": "all", "passing": 1, "of": [{"name": "up", "atLeast": 1}]},
    ],
    "triggers": [{"name": "many-errors", "metric": "errors", "above": "0.5%"}],
}


def test_metric_is_shown_with_its_room_and_a_plot() -> None:
    """How far it is from each bound, when it was asked, and why there is no value."""
    errors, cost, up = readings_of(raw_rollout(METRICS, **GATES))
    assert [bound.in_words(errors.value) for bound in errors.bounds] == [
        "gate errors: at most 0.1%; over by 0.02 points, 20% of it",
        "trigger many-errors: at most 0.5%; room 0.38 points, 76% of it",
    ]
    assert errors.is_breached
    assert cost.bounds[0].in_words(cost.value) == (
        "gate cost: at most 200 (200% of the Baseline); room 50, 25% of it"
    )
    assert errors.bounds[1].plot(errors.value, MARKS) == "####-----------|----"
    lines = text_of(explanation.in_lines(raw_rollout(METRICS, **GATES), NOW, MARKS))
    assert "  errors = 0.12%, asked 30s ago" in lines
    assert "  cost = 150, asked 30s ago" in lines
    assert "  up = NoData: no series, asked 30s ago" in lines
    assert "    gate all: at least 1" in lines
    assert up.value is None


PERCENT = {"name": "errors", "atMost": "0.1%"}


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ({"gates": [PERCENT]}, "0.12%"),
        ({"gates": [{"name": "errors", "atMost": "0.001"}]}, "0.0012"),
        ({"gates": [{"name": "errors", "atMost": "200%", "relativeTo": "Baseline"}]}, "0.0012"),
        ({"gates": [PERCENT, {"name": "all", "metric": "errors", "atMost": 1}]}, "0.0012"),
        ({}, "0.0012"),
    ],
)
def test_value_has_the_unit_of_its_bounds(bounds: dict[str, Any], said: str) -> None:
    """A percentage beside percentages; where bounds have several units, as the query has it."""
    baselines = [{"metric": "errors", "median": "0.001", "percent": 10}]
    raw = raw_rollout(METRICS | {"baselines": baselines}, **bounds)
    assert readings_of(raw)[0].said == said
    assert any(f"errors = {said}, as of" in line for line in preview.evidence(raw, NOW))


def test_value_of_a_trigger_has_the_unit_of_its_bound() -> None:
    """In the list of triggers as in that of metrics."""
    trigger = {"name": "many-errors", "state": "Quiet", "value": "0.0012"}
    raw = raw_rollout(METRICS | {"triggers": [trigger]}, **GATES)
    lines = text_of(describing.describe(raw, [], [], NOW, MARKS))
    assert "  many-errors Quiet, value 0.12%" in lines


def test_description_has_sections_and_never_many_lines() -> None:
    """However much there is."""
    many = [raw_approval(f"role-{number}") for number in range(200)]
    history = [
        {"type": "Advance", "from": 1, "to": 2, "at": "2026-03-01T09:00:00Z", "reason": "x"}
    ] * 20
    raw = raw_rollout(STATUS | {"history": history})
    lines = text_of(describing.describe(raw, [raw_checkpoint()] * 90, many, NOW, MARKS))
    titles = [line for line in lines if line and not line.startswith(" ")]
    for title in ("Where it stands", "Plan", "Checkpoints", "Approvals", "The object"):
        assert title in titles
    assert len(lines) < 120
    assert "  … and 188 more: -o yaml has them all" in lines
    assert "  You may not list them." in text_of(describing.describe(raw, None, [], NOW, MARKS))


def test_description_on_a_terminal_is_whole(
    terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its tables are coloured and no wider than the terminal; what is folded keeps its gaps."""
    roles = [{"name": f"a-role-with-a-long-name-{n}", "users": ["a"]} for n in range(4)]
    raw = raw_rollout(STATUS, approvals={"roles": roles})
    signed = raw_approval("role-" + "x" * 60, state="Go", decided=GO_BY_HUDSON)
    described = list(describing.describe(raw, [raw_checkpoint()], [signed], NOW, MARKS))
    cells = [cell for line in described if not isinstance(line, str) for cell in line]
    assert output.Cell("NAME", output.BOLD) in cells
    assert output.Cell("Go", "green") in cells
    output.say_lines(described)
    said = capsys.readouterr().out
    assert "\ufffd" not in said
    lines = said.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert any(line.startswith("  >  10%  #---------  signed by") for line in lines)


def test_tree_shows_what_belongs_to_it_with_states() -> None:
    """And says what may not be looked at, and that a flag disagrees."""
    config_map = {"data": {"checkout": "25"}}
    lines = text_of(tree(raw_rollout(), config_map, [raw_checkpoint()], "no", NOW, ascii_only=True))
    assert lines == [
        "Rollout checkout  Soaking  10%  1/3",
        "|- ConfigMap checkout-flags  checkout=25  (the status says 10%)",
        "|- Checkpoints",
        "|  `- checkout-10-hour-48  Pending  asked of atlas, due 1h ago",
        "`- Approvals  no",
    ]


@pytest.mark.parametrize(
    ("verb", "resource"),
    [("impersonate", "users"), ("impersonate-on:user-info:list", "rollouts")],
)
def test_who_may_not_act_as_others_is_told_the_right(verb: str, resource: str) -> None:
    """Whatever the API server calls it: newer ones name what was asked in the other's name."""
    said = explained(f'403: User "hudson" cannot {verb} resource "{resource}" in API group ""')
    assert said.startswith('User "hudson" may not act as somebody else (--as, --as-group)')
    assert "the verb impersonate on users" in said


@pytest.mark.parametrize(
    ("user", "right", "place", "said"),
    [
        (
            "cora",
            ("patch", "rollouts"),
            'in the namespace "shop"',
            "rolebinding cora-surefoot-author -n shop --clusterrole=surefoot-author --user=cora",
        ),
        (
            "o;rm -rf",
            ("list", "rollouts"),
            "at the cluster scope",
            (
                "clusterrolebinding o-rm-rf-surefoot-viewer --clusterrole=surefoot-viewer "
                "--user='o;rm -rf'"
            ),
        ),
        (
            "system:serviceaccount:ci:bot",
            ("patch", "approvals"),
            'in the namespace "shop"',
            "--clusterrole=surefoot-approver --serviceaccount=ci:bot",
        ),
        ("cora", ("list", "deployments"), 'in the namespace "shop"', "ask an administrator"),
        (
            "cora",
            ("get", "configmaps"),
            'in the namespace "shop"',
            "--clusterrole=view --user=cora",
        ),
    ],
)
def test_who_is_not_let_in_is_told_which_binding_lets_them(
    user: str, right: tuple[str, str], place: str, said: str
) -> None:
    """The verb, the resource, the place, and what to type."""
    verb, resource = right
    found = explained(
        f'list: 403: {resource} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
        f'in API group "surefoot.dev" {place}'
    )
    assert "cannot" in found
    assert said in found


def test_bundle_has_no_value_of_a_config_map_that_is_no_flag() -> None:
    """Others may keep in the same ConfigMap what is nobody's business."""
    raw = {
        "metadata": {"name": "flags"},
        "data": {"v2": "10", "v2.json": "{}", "flags.flagd.json": "{}", "dsn": "host=db"},
        "binaryData": {"key": "aGVsbG8="},
    }
    found = of_the_flags_alone(raw, ["v2"])
    assert found["data"] == raw["data"] | {"dsn": "REDACTED"}
    assert found["binaryData"] == {"key": "REDACTED"}


def test_bundle_has_no_secrets() -> None:
    """Whatever is named so or looks so; where a secret lies is none."""
    raw = {
        "env": [{"name": "API_TOKEN", "value": "s3cret"}, {"name": "LEVEL", "value": "info"}],
        "metadata": {
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "s3cret"},
            "name": "x",
        },
        "bearerTokenFile": "/etc/token",
        "password": "s3cret",
        "url": "https://cora:s3cret@example.org/x",
        "message": "Authorization: Bearer s3cretS3cret was refused",
        "secretRef": {"name": "creds"},
    }
    found = without_secrets(raw)
    assert "s3cret" not in str(found).lower()
    assert found["env"][1] == {"name": "LEVEL", "value": "info"}
    assert (found["bearerTokenFile"], found["secretRef"]) == ("/etc/token", {"name": "creds"})
    assert text_without_secrets("get https://x/y?token=s3cret&a=b") == (
        "get https://x/y?token=REDACTED&a=b"
    )


@pytest.mark.parametrize("columns", [80, 40, 20])
@pytest.mark.parametrize("colours", [True, False], ids=["coloured", "plain"])
def test_headline_is_folded_as_all_that_follows_is(
    terminal: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: int,
    colours: bool,
) -> None:
    """It has colours in its parts, and they stay with their words."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("typer.echo", print)  # which would take colours out of what is captured
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    raw = raw_rollout({"phase": "AwaitingApproval"})
    raw["metadata"]["name"] = "a-name-of-a-flag"
    output.say_lines([next(iter(explanation.in_lines(raw, NOW, MARKS)))])
    said = capsys.readouterr().out
    assert ("\x1b[35mAwaitingApproval\x1b[0m" in said) is colours
    plain = re.sub("\x1b\\[[0-9;]*m", "", said)
    assert all(output.width(line) <= columns for line in plain.splitlines()), plain
    assert " ".join(plain.split()) == (
        "a-name-of-a-flag in shop is AwaitingApproval at 10% for 1h, step 1/3"
    )


@pytest.mark.parametrize("columns", ["abc", "", "-5", "0", "9" * 5000])
def test_width_that_is_none_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    """Lines for a pipe are as long as they need to be, or as the narrowest terminal."""
    monkeypatch.setenv("SUREFOOT_COLUMNS", columns)
    output.warn("a line of errors")
    output.say_lines(["a line of the answer"])
    said = capsys.readouterr()
    assert (said.err, said.out) == ("a line of errors\n", "a line of the answer\n")
