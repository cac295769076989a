"""A halt says what it halts, asks where no namespace was named, and fails where it halts none."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest
from typer.testing import CliRunner

from surefoot.adapters.kubernetes.http import Http
from surefoot.cli.main import app
from surefoot.errors import NotFound, Refused
from surefoot.plugin import session as sessions
from surefoot.plugin.commands.options import Where
from tests.unit.plugin.things import JSON, NOW

HALT = ("halt", "--reason=incident 7")
SHOWN = "halt by cora\n  reason    incident 7\n"
NAMESPACE = re.compile(r"/namespaces/([^/]+)/")


@dataclass
class FakeHttp:
    """An API server with Rollouts, as pairs of namespace and name, and the halts that are written.

    ``forbidden``: where this person may not list Rollouts; None stands for all namespaces at once.
    """

    rollouts: list[tuple[str, str]] = field(default_factory=list)
    forbidden: frozenset[str | None] = frozenset()
    no_such_namespace: str = ""
    written: dict[str, JSON] = field(default_factory=dict)
    managers: list[str] = field(default_factory=list)
    refusal: Refused | None = None

    async def pages(
        self, what: str, path: str, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[JSON]:
        """One page of the Rollouts in this place."""
        place = NAMESPACE.search(path)
        namespace = place[1] if place else None
        if namespace in self.forbidden:
            raise Refused('list rollouts: 403: User "cora" cannot list', status=403)
        yield {
            "items": [
                {"metadata": {"namespace": there, "name": name}}
                for there, name in self.rollouts
                if namespace in (None, there)
            ]
        }

    async def get(self, what: str, path: str) -> JSON:
        """The halt of this place."""
        place = NAMESPACE.search(path)
        if place is None or place[1] not in self.written:
            raise NotFound("404", status=404)
        return self.written[place[1]]

    async def who_am_i(self, what: str) -> JSON:
        """Who asks."""
        return {"username": "cora", "groups": []}

    async def create(
        self, what: str, path: str, body: JSON, *, manager: str, dry_run: bool = False
    ) -> JSON:
        """Judge the halt, and keep it unless it is a dry run."""
        namespace = body["metadata"]["namespace"]
        if self.refusal is not None:
            raise self.refusal
        if namespace == self.no_such_namespace:
            raise NotFound(f'404: namespaces "{namespace}" not found', status=404)
        if not dry_run:
            self.written[namespace] = body
            self.managers.append(manager)
        return body

    async def merge(
        self, what: str, path: str, change: JSON, *, manager: str, dry_run: bool = False
    ) -> JSON:
        """Judge a change of the halt, and make it unless it is a dry run."""
        if self.refusal is not None:
            raise self.refusal
        place = NAMESPACE.search(path)
        assert place is not None
        there = self.written[place[1]]
        changed = {**there, "data": {**there["data"], **change["data"]}}
        if not dry_run:
            self.written[place[1]] = changed
            self.managers.append(manager)
        return changed


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeHttp:
    """Every command talks to it; the context's namespace is `default`."""
    fake = FakeHttp([("shop", "checkout"), ("shop", "cart"), ("pay", "ledger")])

    @contextlib.asynccontextmanager
    async def connected(where: Where) -> AsyncIterator[sessions.Session]:
        namespace = where.namespace or "default"
        yield sessions.Session(
            cast("Http", fake), lambda: NOW, namespace, everywhere=where.everywhere
        )

    monkeypatch.setattr(sessions, "connected", connected)
    monkeypatch.setattr("structlog.configure", lambda **_: None)
    return fake


def typed(*words: str, answer: str = "") -> tuple[int, str]:
    """Exit code and everything printed by `surefoot ctl`."""
    done = CliRunner().invoke(app, ["ctl", *words], input=answer)
    return done.exit_code, done.output


def test_halt_of_a_namespace_names_the_rollouts_that_it_halts(server: FakeHttp) -> None:
    """Anyone who halts the wrong namespace in an incident sees it in the answer."""
    code, said = typed(*HALT, "-n", "shop")
    assert code == 0
    assert said == (
        f"{SHOWN}halted namespace shop (2 Rollouts: cart, checkout): nothing moves but down; "
        "`unhalt` ends it\n"
    )
    assert server.written["shop"]["data"] == {"reason": "incident 7", "by": "cora"}


def test_halt_shows_what_it_would_write_before_it_asks(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And writes nothing on a no."""
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    code, said = typed(*HALT, "-n", "shop", "--until", "2h")
    assert (code, server.written) == (1, {})
    assert "  reason    incident 7\n  until     2026-03-01T12:00:00Z\n" in said


MAY_NOT = Refused(
    'create configmaps/surefoot-halt in shop: 403: User "cora" cannot create resource "configmaps" '
    'in API group "" in the namespace "shop"',
    status=403,
)


def a_halt(**data: str) -> JSON:
    """One that somebody wrote earlier."""
    metadata = {"name": "surefoot-halt", "namespace": "shop", "uid": "1", "resourceVersion": "7"}
    return {"metadata": metadata, "data": {"reason": "incident 6", "by": "dan", **data}}


@pytest.mark.parametrize("words", [("halt",), ("halt", "--replace"), ("unhalt",)])
def test_refusal_of_a_halt_is_told_before_anyone_is_asked(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Nobody says yes to what the API server would not let them do."""
    questions: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question, **_: questions.append(question))
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    server.refusal = MAY_NOT
    if words != ("halt",):
        server.written["shop"] = a_halt()
    code, said = typed(*words, "--reason=incident 7", "-n", "shop")
    assert (code, questions) == (3, [])
    assert "--clusterrole=surefoot-administrator --user=cora" in said


def test_halt_is_written_by_the_plugin_and_not_in_the_operators_name(server: FakeHttp) -> None:
    """managedFields tell a person at a command line from the operator."""
    typed(*HALT, "-n", "shop")
    server.written["shop"] = a_halt()
    typed("unhalt", "--reason=over", "-n", "shop")
    assert server.managers == ["kubectl-surefoot", "kubectl-surefoot"]


def test_end_of_a_halt_is_asked_for_on_a_terminal(
    server: FakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Automation goes on by it, and so it is shown first; a no leaves the halt as it is."""
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    server.written["shop"] = a_halt()
    code, said = typed("unhalt", "--reason=over", "-n", "shop", answer="n\n")
    assert (code, server.written["shop"]) == (1, a_halt())
    assert (
        "end of the halt of shop, by cora\n"
        "  reason    over\n"
        "  it was    halted by dan: incident 6\n"
        "Let automation in shop go on?"
    ) in said
    assert typed("unhalt", "--reason=over", "-n", "shop", answer="y\n")[0] == 0
    assert server.written["shop"]["data"]["liftReason"] == "over"
    server.written["shop"] = a_halt()
    assert typed("unhalt", "--reason=over", "-n", "shop", "--yes")[0] == 0


def test_halt_of_a_namespace_without_rollouts_fails_and_says_where_there_are_some(
    server: FakeHttp,
) -> None:
    """A halt that stops nothing would be taken for one that works."""
    for words in (("-n", "default"), ()):
        code, said = typed(*HALT, *words)
        assert code == 1
        assert (
            "namespace default has no Rollouts: nothing was halted; there are Rollouts in pay (1), "
            "shop (2): name one with -n, or all with --all-namespaces"
        ) in said
    assert server.written == {}


def test_halt_of_a_namespace_without_rollouts_fails_where_nothing_else_may_be_listed(
    server: FakeHttp,
) -> None:
    """The namespaces of others are not everybody's to know."""
    server.forbidden = frozenset({None})
    code, said = typed(*HALT, "-n", "default")
    assert code == 1
    assert "namespace default has no Rollouts" in said
    assert "you may not list those that have Rollouts" in said
    assert server.written == {}


def test_halt_where_there_is_no_rollout_at_all_fails(server: FakeHttp) -> None:
    """In one namespace as in all."""
    server.rollouts = []
    code, said = typed(*HALT, "-n", "shop")
    assert (code, "none in any other namespace" in said) == (1, True)
    code, said = typed(*HALT, "--all-namespaces")
    assert (code, "there are no Rollouts in any namespace" in said) == (1, True)
    assert server.written == {}


def test_halt_of_all_namespaces_says_how_many_rollouts_it_halts(server: FakeHttp) -> None:
    """It is written in the operator's namespace."""
    code, said = typed(*HALT, "--all-namespaces")
    assert code == 0
    assert said == (
        f"{SHOWN}halted all namespaces (3 Rollouts in 2 namespaces): nothing moves but down; "
        "`unhalt` ends it\n"
    )
    assert list(server.written) == ["surefoot-system"]


def test_halt_of_the_operators_namespace_is_one_of_all_namespaces(server: FakeHttp) -> None:
    """However it is named: there need not be a Rollout in that namespace itself."""
    for words in (
        ("-n", "surefoot-system"),
        ("-n", "flags", "--operator-namespace=flags"),
        ("-A", "--operator-namespace=moves"),
    ):
        code, said = typed(*HALT, *words)
        assert (code, "halted all namespaces (3 Rollouts" in said) == (0, True), said
    assert list(server.written) == ["surefoot-system", "flags", "moves"]


def test_halt_works_for_whoever_may_not_list_rollouts(server: FakeHttp) -> None:
    """In an incident nobody should need a permission to read in order to stop."""
    server.forbidden = frozenset({None, "shop"})
    for words in (("-n", "shop"), ("-A",)):
        code, said = typed(*HALT, *words)
        assert (code, "whose Rollouts you may not list" in said) == (0, True)
    assert list(server.written) == ["shop", "surefoot-system"]


def test_halt_where_the_operator_is_not_says_how_to_name_its_namespace(server: FakeHttp) -> None:
    """Nothing was halted then."""
    server.no_such_namespace = "surefoot-system"
    code, said = typed(*HALT, "-A")
    assert (code, "say so with --operator-namespace" in said) == (1, True)


@pytest.fixture
def default_has_one(server: FakeHttp, monkeypatch: pytest.MonkeyPatch) -> FakeHttp:
    """Somebody sits at a terminal, and the context's namespace has a Rollout."""
    server.rollouts.append(("default", "search"))
    monkeypatch.setattr(sessions, "is_at_a_terminal", lambda: True)
    return server


def test_halt_without_a_namespace_asks_whether_the_contexts_is_meant(
    default_has_one: FakeHttp,
) -> None:
    """With what it would halt; no answer but yes writes anything."""
    code, said = typed(*HALT, answer="n\n")
    assert "Halt namespace default (1 Rollout: search)?" in said
    assert (code, "nothing was written" in said) == (1, True)
    assert default_has_one.written == {}
    assert typed(*HALT, answer="y\n")[0] == 0
    assert list(default_has_one.written) == ["default"]


@pytest.mark.parametrize("words", [("-n", "shop"), ("--all-namespaces",), ()])
def test_halt_that_says_yes_does_not_ask(default_has_one: FakeHttp, words: tuple[str, ...]) -> None:
    """Wherever it is."""
    code, said = typed(*HALT, *words, "--yes")
    assert (code, "?" in said) == (0, False)


def test_halt_without_a_namespace_and_without_a_terminal_says_which_rollouts(
    server: FakeHttp,
) -> None:
    """Nobody is there to be asked."""
    server.rollouts.append(("default", "search"))
    code, said = typed(*HALT)
    assert (code, "halted namespace default (1 Rollout: search)" in said) == (0, True)


def test_long_list_of_rollouts_is_cut(server: FakeHttp) -> None:
    """One line stays one line."""
    server.rollouts = [("shop", f"flag-{number:02}") for number in range(25)]
    _, said = typed(*HALT, "-n", "shop")
    assert "25 Rollouts: flag-00, " in said
    assert "flag-19 and 5 more)" in said
    assert "flag-20" not in said
