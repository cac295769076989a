"""What commands write, and what they do when somebody else writes at the same time."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from surefoot.adapters.kubernetes.http import Http
from surefoot.cli.main import app
from surefoot.errors import Conflict, NotFound, Refused, SurefootError
from surefoot.plugin import session as sessions
from surefoot.plugin.commands.options import Where
from tests.unit.plugin.things import JSON, NOW, raw_approval, raw_checkpoint, raw_rollout

GO = {"decision": "GO", "reason": "fine", "decidedBy": {"username": "hudson"}}


@dataclass
class FakeHttp:
    """Answers as an API server that holds these. ``conflicts``: writes that come too late.

    ``answers``: what the Rollout is after each look at it.
    """

    rollout: JSON = field(default_factory=raw_rollout)
    others: list[JSON] = field(default_factory=list)
    approvals: list[JSON] = field(default_factory=lambda: [raw_approval()])
    checkpoints: list[JSON] = field(default_factory=lambda: [raw_checkpoint()])
    conflicts: list[JSON] = field(default_factory=list)
    written: list[tuple[str, JSON]] = field(default_factory=list)
    installed: bool = True
    answers: list[JSON] = field(default_factory=list)
    refusal: SurefootError | None = None

    async def pages(
        self, what: str, path: str, params: Mapping[str, str] | None = None, **_: object
    ) -> AsyncIterator[JSON]:
        """One page of what there is."""
        if not self.installed:
            raise NotFound("list: 404: the server could not find the requested resource")
        plural = path.rpartition("/")[2]
        rollouts = [self.rollout, *self.others]
        self.rollout = self.answers.pop(0) if self.answers else self.rollout
        there = rollouts if plural == "rollouts" else getattr(self, plural)
        name = (params or {}).get("fieldSelector", "").partition("metadata.name=")[2]
        yield {"items": [each for each in there if name in ("", each["metadata"]["name"])]}

    async def get(self, what: str, path: str) -> JSON:
        """What stands there after somebody else wrote."""
        return self.conflicts.pop(0)

    async def who_am_i(self, what: str) -> JSON:
        """Who asks."""
        return {"username": "hudson", "groups": ["security"]}

    async def merge(
        self, what: str, path: str, change: JSON, *, manager: str, dry_run: bool = False
    ) -> JSON:
        """Take it, unless it comes too late, or it is refused."""
        if self.refusal is not None:
            raise self.refusal
        if dry_run:
            return change
        self.written.append((path, change))
        if self.conflicts:
            raise Conflict("409", status=409)
        return change


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeHttp:
    """Every command talks to it."""
    fake = FakeHttp()

    @contextlib.asynccontextmanager
    async def connected(where: Where) -> AsyncIterator[sessions.Session]:
        namespace = where.namespace or "shop"
        yield sessions.Session(
            cast("Http", fake), lambda: NOW, namespace, everywhere=where.everywhere
        )

    monkeypatch.setattr(sessions, "connected", connected)
    monkeypatch.setattr("structlog.configure", lambda **_: None)
    return fake


def typed(*words: str) -> tuple[int, str]:
    """Exit code and everything printed by `surefoot ctl`."""
    done = CliRunner().invoke(app, ["ctl", *words])
    return done.exit_code, done.output


APPROVE = ("approve", "checkout", "--role=security", "--reason=no findings")


@pytest.mark.parametrize("words", [(), ("checkout",), ("-A",), ("-o", "wide"), ("-o", "name")])
def test_list_where_a_table_was_asked_for_is_shown(
    server: FakeHttp, words: tuple[str, ...]
) -> None:
    """A proxy or another server may not know tables, which does not mean that none is there."""
    code, said = typed("get", *words)
    assert code == 0
    assert "checkout" in said
    assert "no Rollout" not in said


@pytest.mark.parametrize("words", [("get",), ("get", "-o", "json"), ("explain", "checkout")])
def test_answer_that_is_no_list_is_not_taken_for_an_empty_one(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """What cannot be read says nothing about what is there."""

    async def pages(*_: object, **__: object) -> AsyncIterator[JSON]:
        yield {"kind": "Status", "status": "Success"}

    monkeypatch.setattr(server, "pages", pages)
    code, said = typed(*words)
    assert code == 3
    assert "list rollouts: the answer is not a list" in said


def test_who_may_not_act_as_others_is_told_that_alone(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was said about what waits: the request itself was not let in."""
    refusal = 'x: 403: User "cora" cannot impersonate-on:user-info:list resource "approvals"'

    async def refused(*_: object, **__: object) -> AsyncIterator[JSON]:
        raise Refused(refusal, status=403)
        yield {}

    async def who_am_i(what: str) -> JSON:
        raise Refused(refusal, status=403)

    monkeypatch.setattr(server, "pages", refused)
    monkeypatch.setattr(server, "who_am_i", who_am_i)
    code, said = typed("inbox", "--as", "hudson")
    assert code == 3
    assert said.startswith('Error: User "cora" may not act as somebody else')


def test_who_may_not_look_at_requests_is_told_which_binding_lets_them(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox goes on with what it may show."""
    pages = server.pages

    async def refused(what: str, path: str, *rest: Any, **more: Any) -> AsyncIterator[JSON]:
        if path.endswith("approvals"):
            raise Refused(
                'list approvals: 403: User "atlas" cannot list resource "approvals" in API group '
                '"surefoot.dev" in the namespace "shop"',
                status=403,
            )
        async for page in pages(what, path, *rest, **more):
            yield page

    monkeypatch.setattr(server, "pages", refused)
    code, said = typed("inbox")
    assert code == 0
    assert 'Note: User "atlas" cannot list resource "approvals" in namespace shop' in said
    assert "--clusterrole=surefoot-viewer" in said


def test_decision_names_its_signer_and_the_version_that_was_read(server: FakeHttp) -> None:
    """So it works where no policy fills names in, and never over what was not read."""
    assert typed(*APPROVE)[0] == 0
    ((path, change),) = server.written
    assert path.endswith("/namespaces/shop/approvals/checkout-25-security")
    assert change["metadata"] == {"uid": "uid-checkout-25-security", "resourceVersion": "7"}
    assert change["spec"] == {
        "decision": "GO",
        "reason": "no findings",
        "decidedBy": {"username": "hudson"},
        "conditions": None,
        "signature": None,
    }


def test_what_an_earlier_decision_said_goes_and_a_draft_stays(server: FakeHttp) -> None:
    """A GO is not read with the risks of the NO-GO before it."""
    earlier = GO | {"decision": "NO-GO", "riskAssessment": "too risky"}
    server.approvals = [raw_approval(decided=earlier, state="NoGo")]
    assert typed(*APPROVE)[0] == 0
    server.approvals = [raw_approval(decided={"riskAssessment": "low"})]
    assert typed(*APPROVE)[0] == 0
    of_earlier, of_draft = (change["spec"] for _, change in server.written)
    assert of_earlier["riskAssessment"] is None
    assert "riskAssessment" not in of_draft


def test_of_several_rollouts_those_that_ask_are_signed(server: FakeHttp) -> None:
    """And 1, since one of them asks nobody."""
    other = raw_rollout()
    other["metadata"] |= {"name": "cart", "uid": "uid-cart"}
    server.others = [other]
    code, said = typed("approve", "-l", "team=shop", *APPROVE[2:])
    assert (code, len(server.written)) == (1, 1)
    assert "GO by hudson: checkout 10% → 25%, as security" in said
    assert "nobody is asked to sign for cart as security now" in said


@pytest.mark.parametrize(("answer", "written"), [(True, 1), (False, 0)])
def test_person_at_a_terminal_is_asked_whether_it_is_meant(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch, answer: bool, written: int
) -> None:
    """With what is signed, and in whose name; --yes is the answer."""
    questions: list[str] = []

    def confirm(question: str, **_: Any) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    server.rollout["status"]["metrics"] = [
        {"name": "errors", "value": "0.1", "outcome": "Value", "observedAt": "2026-03-01T09:59:00Z"}
    ]
    code, said = typed(*APPROVE)
    assert code == (0 if answer else 1)
    assert len(server.written) == written
    assert questions == ["Sign GO as hudson?"]
    assert said.startswith(
        "GO by hudson as security\n"
        "  rollout   checkout in shop: 10% → 25%\n"
        "  plan      sha256:1, attempt 0\n"
        "  soak      1h left of 2h, running\n"
        "  metric    errors = 0.1, as of 2026-03-01T09:59:00Z\n"
        "  reason    no findings\n"
        "  object    Approval checkout-25-security, not decided yet\n"
    )
    typed(*APPROVE, "--yes")
    assert len(questions) == 1


@pytest.fixture
def no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is asked, and says no to everything."""
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)


def test_everything_that_a_report_says_is_shown_before_it_is_signed(
    server: FakeHttp, no: None, tmp_path: Path
) -> None:
    """Tests, dissent and the report itself are signed with it."""
    report = tmp_path / "report.md"
    report.write_text("All is well.\nMore of it.\n")
    details = ("--report", str(report), "--test", "unit=5/6", "--dissent", "hudson=not proved")
    code, said = typed("checkpoint", "checkout", "hour-48", "--go", "--summary=ok", *details)
    assert (code, server.written) == (1, [])
    assert "  report    All is well. More of it.\n" in said
    assert "  test      unit 5/6\n" in said
    assert "  dissent   hudson: not proved\n" in said


def test_part_of_a_field_that_changes_is_shown_alone(server: FakeHttp, no: None) -> None:
    """What is not written stays, and does not look as if it went."""
    server.rollout = raw_rollout(rehearsal={"maxAge": "7d", "mode": "Manual"})
    _, said = typed("rehearse", "checkout")
    assert "  spec.rehearsal.run: absent → 1\n" in said
    assert "maxAge" not in said
    server.rollout = raw_rollout({"percent": 25}, rollback={"to": 25, "reason": "old"})
    _, said = typed("rollback", "checkout", "--to=10", "--reason=new")
    assert "  spec.rollback.to: 25 → 10\n  spec.rollback.reason: old → new\n" in said


def test_rollback_names_the_steps_that_lie_below_alone(server: FakeHttp) -> None:
    """It goes down, and nowhere else."""
    server.rollout = raw_rollout({"percent": 25})
    _, said = typed("rollback", "checkout", "--to=20", "--reason=x")
    assert "has no step of 20%: it can go down to 0, 10\n" in said


def test_what_admission_would_refuse_is_said_before_anybody_is_asked(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person does not read and confirm what cannot be written."""
    monkeypatch.setattr("typer.confirm", pytest.fail)
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    server.refusal = Refused("403: policy denied request: hudson may not", status=403)
    for words in (APPROVE, ("pause", "checkout"), ("rollback", "checkout", "--reason=errors")):
        assert typed(*words) == (1, "Error: hudson may not\n")
    assert server.written == []


def test_write_over_a_new_status_is_made_again(server: FakeHttp) -> None:
    """The operator writes its status often: nothing of what the person saw has changed."""
    fresh = raw_approval(state="Pending")
    fresh["metadata"]["resourceVersion"] = "8"
    server.conflicts = [fresh]
    assert typed(*APPROVE)[0] == 0
    assert [change["metadata"]["resourceVersion"] for _, change in server.written] == ["7", "8"]


def test_write_over_another_decision_is_not_made(server: FakeHttp) -> None:
    """1, and nothing is written."""
    server.conflicts = [raw_approval(decided=GO)]
    code, said = typed(*APPROVE)
    assert code == 1
    assert "was changed meanwhile, and nothing was written" in said


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        (APPROVE, {"signing": "Required"}, "surefoot sign checkout-25-security"),
        (APPROVE, {"requiredSections": ["securityStatus"]}, "--security-status"),
        (APPROVE, {"planHash": "sha256:0"}, "nobody is asked to sign for checkout"),
        (("withdraw", *APPROVE[1:]), {}, "has no GO as security"),
    ],
    ids=["a key is needed", "a section is missing", "nobody is asked", "nothing to withdraw"],
)
def test_what_could_not_count_is_not_written(
    server: FakeHttp, words: tuple[str, ...], asked: dict[str, Any], said: str
) -> None:
    """1, and what to do."""
    server.approvals = [raw_approval(**asked)]
    code, output = typed(*words)
    assert (code, server.written) == (1, [])
    assert said in output


@pytest.mark.parametrize("test", ["unit", "unit=7/6", "unit=a/b", "=1/2"])
def test_result_that_is_none_is_a_wrong_use(server: FakeHttp, test: str) -> None:
    """2, with an example."""
    words = ("checkpoint", "checkout", "hour-48", "--go", "--summary=x", "--test", test)
    assert typed(*words)[0] == 2


@pytest.mark.parametrize("field", ["paused", "rollback", "attempt", "approvalDryRun"])
def test_field_of_a_tool_is_left_alone_unless_forced(server: FakeHttp, field: str) -> None:
    """1, naming the tool."""
    status = {"rolledBack": True} if field == "attempt" else {}
    server.rollout = raw_rollout(status)
    server.rollout["metadata"]["managedFields"] = [
        {"manager": "argocd-controller", "fieldsV1": {"f:spec": {f"f:{field}": {}}}}
    ]
    words = {
        "paused": ("pause", "checkout"),
        "rollback": ("rollback", "checkout", "--reason=errors"),
        "attempt": ("retry", "checkout"),
        "approvalDryRun": ("dry-run", "checkout"),
    }[field]
    code, said = typed(*words)
    assert (code, server.written) == (1, [])
    assert "argocd-controller" in said
    assert typed(*words, "--force")[0] == 0
    assert field in server.written[0][1]["spec"]


def test_attempt_is_one_more_and_names_who_asked(server: FakeHttp) -> None:
    """Also where no policy fills that in."""
    server.rollout = raw_rollout({"rolledBack": True, "attempt": 4})
    assert typed("retry", "checkout")[0] == 0
    ((_, change),) = server.written
    assert change["spec"] == {"attempt": 5}
    assert change["metadata"]["annotations"] == {
        "surefoot.dev/changed-by": "hudson",
        "surefoot.dev/attempt-by": "hudson",
    }


def a_rehearsed(run: int, outcome: str = "Passed") -> JSON:
    """A status with what a rehearsal came to."""
    at, said = "2026-03-01T09:00:00.000000Z", "checkout-flags went down"
    return {
        "rehearsal": {"run": run, "at": at, "took": "0.2s", "outcome": outcome, "message": said}
    }


@pytest.mark.parametrize(
    ("status", "asked", "run"),
    [({}, {}, 1), (a_rehearsed(4), {}, 5), (a_rehearsed(4), {"run": 2}, 5)],
)
def test_rehearsal_is_one_more_than_the_last(
    server: FakeHttp, status: JSON, asked: JSON, run: int
) -> None:
    """Anyone who ran that: a person, or the operator by itself."""
    server.rollout = raw_rollout(status, rehearsal={"maxAge": "7d", **asked})
    assert typed("rehearse", "checkout")[0] == 0
    ((_, change),) = server.written
    assert change["spec"] == {"rehearsal": {"run": run}}
    assert change["metadata"]["annotations"] == {"surefoot.dev/changed-by": "hudson"}


def test_rehearsal_that_is_asked_for_is_not_asked_for_again(server: FakeHttp) -> None:
    """It has not been run yet."""
    server.rollout = raw_rollout(a_rehearsed(1), rehearsal={"run": 2})
    code, said = typed("rehearse", "checkout")
    assert (code, server.written) == (0, [])
    assert "rehearsal run 2 is asked for already" in said


@pytest.mark.parametrize(("outcome", "code"), [("Passed", 0), ("Failed", 1)])
def test_waiting_for_a_rehearsal_ends_as_that_does(
    server: FakeHttp, outcome: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what was found; the operator's answer comes while it looks."""
    monkeypatch.setattr("surefoot.plugin.steering.BETWEEN_LOOKS", 0)
    server.rollout = raw_rollout(rehearsal={"run": 1})
    server.answers = [raw_rollout(), raw_rollout(a_rehearsed(1, outcome))]
    ended, said = typed("rehearse", "checkout", "--wait")
    assert ended == code
    assert f"run 1 {outcome}, 0.2s: checkout-flags went down" in said


def test_waiting_for_a_rehearsal_that_is_not_run_ends(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1, with what the rollout waits for."""
    monkeypatch.setattr("surefoot.plugin.steering.BETWEEN_LOOKS", 0)
    server.rollout = raw_rollout({"waitingOn": "halted in shop: incident 7"}, rehearsal={"run": 1})
    code, said = typed("rehearse", "checkout", "--wait")
    assert code == 1
    assert "rehearsal run 1 was not run yet: halted in shop: incident 7" in said


def test_plan_that_asks_for_no_rehearsals_is_not_changed(server: FakeHttp) -> None:
    """To ask for them would void every signature."""
    code, said = typed("rehearse", "checkout")
    assert (code, server.written) == (1, [])
    assert "asks for no rehearsals" in said


def test_plan_of_a_tool_may_be_rehearsed(server: FakeHttp) -> None:
    """It sets how old a rehearsal may be, and not which one it is; if it does, it is named."""
    server.rollout = raw_rollout(rehearsal={"maxAge": "7d"})
    owned: JSON = {"f:rehearsal": {"f:maxAge": {}}}
    manager = {"manager": "argocd-controller", "fieldsV1": {"f:spec": owned}}
    server.rollout["metadata"]["managedFields"] = [manager]
    assert typed("rehearse", "checkout")[0] == 0
    owned["f:rehearsal"]["f:run"] = {}
    code, said = typed("rehearse", "checkout")
    assert (code, len(server.written)) == (1, 1)
    assert "spec.rehearsal.run of checkout is set by argocd-controller" in said
    assert typed("rehearse", "checkout", "--force")[0] == 0


def test_dry_run_is_one_more_than_any_before(server: FakeHttp) -> None:
    """Than those in the plan and those that the operator has seen; it stamps no attempt."""
    server.rollout = raw_rollout({"approvalDryRun": {"run": 4}}, approvalDryRun={"run": 2})
    assert typed("dry-run", "checkout", "--to=100")[0] == 0
    assert typed("dry-run", "checkout")[0] == 0
    (_, change), (_, later) = server.written
    assert change["spec"] == {"approvalDryRun": {"run": 5, "to": 100}}
    assert change["metadata"]["annotations"] == {"surefoot.dev/changed-by": "hudson"}
    assert later["spec"] == {"approvalDryRun": {"run": 5, "to": None}}


@pytest.mark.parametrize(("percent", "to"), [(10, 10), (10, 30), (100, 25)])
def test_dry_run_of_no_step_ahead_is_not_asked_for(server: FakeHttp, percent: int, to: int) -> None:
    """With what there is."""
    server.rollout = raw_rollout({"percent": percent})
    code, said = typed("dry-run", "checkout", f"--to={to}")
    assert (code, server.written) == (1, [])
    assert f"checkout is at {percent}% and has no step of {to}% ahead" in said


def test_answer_to_a_dry_run_goes_to_its_request_alone(server: FakeHttp) -> None:
    """And without --dry-run never to it."""
    dry = raw_approval(purpose="DryRun", dryRun=1, from_=25, to=100)
    dry["metadata"] |= {"name": "checkout-100-security-dry1"}
    server.rollout = raw_rollout({"approvalDryRun": {"run": 1}})
    server.approvals = [dry, raw_approval()]
    for words in (APPROVE, (*APPROVE, "--dry-run")):
        assert typed(*words)[0] == 0
    assert [path.rpartition("/")[2] for path, _ in server.written] == [
        "checkout-25-security",
        "checkout-100-security-dry1",
    ]
    server.approvals = [dry]
    code, said = typed(*APPROVE)
    assert (code, "nobody is asked to sign for checkout as security now" in said) == (1, True)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({}, "`dry-run checkout` begins one"),
        (
            {"approvalDryRun": {"run": 1, "endedBecause": "the plan has changed"}},
            "dry run 1 has ended: the plan has changed",
        ),
        ({"approvalDryRun": {"run": 1, "message": "it waits"}}, "it waits"),
    ],
)
def test_answer_to_no_dry_run_is_refused_with_why(server: FakeHttp, status: JSON, why: str) -> None:
    """And the request that counts is not touched."""
    server.rollout = raw_rollout(status)
    code, said = typed(*APPROVE, "--dry-run")
    assert (code, server.written) == (1, [])
    assert f"no dry run asks for security of checkout now: {why}" in said


def test_rollback_goes_to_the_previous_step_where_nothing_is_said(server: FakeHttp) -> None:
    """Below the first one that is 0."""
    assert typed("rollback", "checkout", "--reason=errors")[0] == 0
    server.rollout = raw_rollout({"percent": 100})
    assert typed("rollback", "checkout", "--reason=errors")[0] == 0
    assert [change["spec"]["rollback"]["to"] for _, change in server.written] == [0, 25]


def test_rollback_of_all_where_there_is_none_fails_and_says_where_there_are_some(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an incident a namespace is soon mistyped, and nothing would have been lowered."""
    pages = server.pages

    async def of_namespace(what: str, path: str, *rest: Any, **more: Any) -> AsyncIterator[JSON]:
        if "/namespaces/shpo/" in path:
            yield {"items": []}
            return
        async for page in pages(what, path, *rest, **more):
            yield page

    monkeypatch.setattr(server, "pages", of_namespace)
    code, said = typed("rollback", "--all", "--reason=errors", "-n", "shpo")
    assert (code, server.written) == (1, [])
    assert (
        "namespace shpo has no Rollouts: nothing was rolled back; there are Rollouts in shop (1): "
        "name one with -n, or all with --all-namespaces"
    ) in said
    server.rollout["status"]["percent"] = 0
    code, said = typed("rollback", "--all", "--reason=errors", "-n", "shop")
    assert (code, "no Rollout in namespace shop is above 0%" in said) == (0, True)


def test_rollback_does_not_raise_a_ceiling(server: FakeHttp) -> None:
    """Somebody said 0 a moment ago, and the operator is about to go there."""
    server.rollout = raw_rollout({"percent": 100}, rollback={"to": 0, "reason": "incident 7"})
    code, said = typed("rollback", "checkout", "--to=25", "--reason=errors")
    assert (code, server.written) == (1, [])
    assert "may not go above 0% already (incident 7)" in said


@pytest.mark.parametrize(
    ("transition", "said"),
    [
        ("b", "checkout has no transition b: its history has"),
        ("a", "checkout has several transitions that begin with a: its history has"),
    ],
)
def test_transition_that_is_not_found_is_told_from_one_that_may_be_several(
    server: FakeHttp, transition: str, said: str
) -> None:
    """With those there are."""
    entry = {
        "type": "Advance",
        "from": 5,
        "to": 10,
        "at": "2026-03-01T09:00:00.000000Z",
        "planHash": "sha256:1",
        "attempt": 0,
        "reason": "x",
    }
    history = [entry | {"transitionId": name} for name in ("a1", "a2")]
    server.rollout = raw_rollout({"history": history})
    code, found = typed("explain", "checkout", "--transition", transition)
    assert code == 1
    assert said in found
    assert "  a1  Advance to 10% at 2026-03-01T09:00:00Z" in found


def test_cluster_without_surefoot_is_told(server: FakeHttp) -> None:
    """3: there is nobody to answer."""
    server.installed = False
    code, said = typed("inbox")
    assert code == 3
    assert "not installed" in said


OTHERS_WORDS = (
    "soak 1h15m left; then \x1b[2Jsecurity\u202e\nand the team that nobody can name in short"
)


@pytest.mark.parametrize(
    "words",
    [
        ("approve", "checkout", "--role=security", "--reason=x"),
        ("checkpoint", "checkout", "hour-48", "--go", "--summary=x"),
        ("rehearse", "checkout", "--wait"),
    ],
    ids=lambda words: words[0],
)
def test_refusal_says_what_is_waited_for_as_explain_does(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """The soak as of now, no tricks on the terminal, and nothing beyond 80 columns."""
    monkeypatch.setenv("SUREFOOT_COLUMNS", "80")
    monkeypatch.setattr("surefoot.plugin.steering.BETWEEN_LOOKS", 0)
    server.rollout = raw_rollout(
        {"waitingOn": OTHERS_WORDS, "approvals": []},
        rehearsal={"run": 1},
        hold={"checkpoints": [{"name": "hour-48", "reporter": {"users": ["atlas"]}}]},
    )
    server.approvals, server.checkpoints = [], []
    code, said = typed(*words)
    assert code == 1, said
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(said.split())
    assert "soak 1h left; then \ufffd[2Jsecurity\ufffd and the team" in text
    assert lines[-1].startswith("  "), "the end of the sentence goes on below, indented"
