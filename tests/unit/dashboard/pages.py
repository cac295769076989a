"""A dashboard without a cluster, in a real browser: it shows what a test puts into its picture."""

import asyncio
import contextlib
import copy
import socket
from collections.abc import AsyncIterator
from typing import Any, cast

import uvicorn
from playwright.async_api import Browser, async_playwright, expect

from surefoot.adapters.kubernetes.http import Http
from surefoot.dashboard.app import Dashboard
from surefoot.dashboard.live import Live
from surefoot.dashboard.serving import LOOPBACK
from surefoot.errors import NotFound, Refused
from surefoot.plugin.session import Session
from tests.support.browser import program_of
from tests.support.testbed import SURELY
from tests.unit.plugin.things import GO_BY_HUDSON, NOW, raw_approval, raw_checkpoint, raw_rollout

JSON = dict[str, Any]
GO_OF_SECURITY: JSON = {
    "kind": "Approval",
    "name": "checkout-25-security",
    "uid": "uid-checkout-25-security",
    "resourceVersion": "7",
    "role": "security",
    "decision": "GO",
    "by": "hudson",
    "verified": True,
}
METRICS: JSON = {
    "metrics": [{"name": "errors", "query": "errors"}],
    "gates": [{"name": "errors", "metric": "errors", "atMost": "0.1%"}],
    "triggers": [{"name": "errors", "metric": "errors", "above": "1%", "action": "Rollback"}],
}


class ServerOfOne:
    """An API server that holds what a test puts there, and lets hudson write."""

    def __init__(self) -> None:
        self.objects: dict[str, JSON] = {}
        self.refusal: Refused | None = None

    async def who_am_i(self, what: str) -> JSON:
        """Who asks."""
        return {"username": "hudson", "groups": ["security"]}

    async def get(self, what: str, path: str) -> JSON:
        """The object of this name."""
        try:
            return self.objects[path.rpartition("/")[2]]
        except KeyError:
            raise NotFound(f"{what}: 404", status=404) from None

    async def merge(self, what: str, path: str, change: JSON, **_: object) -> JSON:
        """Take it, unless it is to be refused."""
        if self.refusal is not None:
            raise self.refusal
        return change


class StillLive(Live):
    """What pages show is what a test says."""

    async def run(self) -> None:
        """Follow nothing."""
        await asyncio.Event().wait()

    async def show(self, rollouts: list[JSON], requests: list[JSON] | None = None) -> None:
        """Put a new picture before everybody who looks."""
        given = requests or []
        self.picture.rollouts = {
            (raw["metadata"]["namespace"], raw["metadata"]["name"]): raw for raw in rollouts
        }
        self.picture.approvals = [each for each in given if each["kind"] == "Approval"]
        self.picture.checkpoints = [each for each in given if each["kind"] == "Checkpoint"]
        self._take_samples()
        await self._tell()


class Shown:
    """A dashboard that is served, and the browser before it."""

    def __init__(self, port: int) -> None:
        self.server = ServerOfOne()
        session = Session(cast("Http", self.server), lambda: NOW, "shop")
        self.dashboard = Dashboard(session, port)
        self.live = StillLive(session)
        self.dashboard._live = self.live

    @property
    def base(self) -> str:
        """The address of the overview."""
        return self.dashboard.guard.link.partition("/open")[0]

    async def show(self, rollouts: list[JSON], requests: list[JSON] | None = None) -> None:
        """Put these before everybody who looks, and into the API server."""
        everything = [*rollouts, *(requests or [])]
        self.server.objects = {raw["metadata"]["name"]: raw for raw in everything}
        await self.live.show(rollouts, requests)


@contextlib.asynccontextmanager
async def a_shown_dashboard() -> AsyncIterator[Shown]:
    """Serve one."""
    with socket.socket() as listening:
        listening.bind((LOOPBACK, 0))
        listening.listen()
        shown = Shown(listening.getsockname()[1])
        config = uvicorn.Config(shown.dashboard.guard, log_level="critical", lifespan="on")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield shown
        finally:
            server.should_exit = server.force_exit = True
            await serving


@contextlib.asynccontextmanager
async def a_browser() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as playwright:
        program = program_of(playwright.chromium.executable_path)
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        expect.set_options(timeout=SURELY * 1000)
        try:
            yield browser
        finally:
            await browser.close()


def named(raw: JSON, name: str) -> JSON:
    """The same under another name."""
    other = copy.deepcopy(raw)
    other["metadata"] |= {"name": name, "uid": f"uid-{name}"}
    return other


def condition(kind: str, reason: str, message: str) -> JSON:
    """One that does not hold."""
    return {
        "type": kind,
        "status": "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-03-01T09:00:00Z",
    }


def a_move(kind: str, start: int | None, end: int, minute: int) -> JSON:
    """An entry of the history."""
    entry: JSON = {
        "type": kind,
        "to": end,
        "at": f"2026-03-01T09:{minute:02}:00.000000Z",
        "by": ["surefoot"],
        "reason": kind,
        "message": "as planned",
        "attempt": 0,
        "transitionId": f"{kind}{minute}",
        "planHash": "sha256:1",
        "hash": f"sha256:{minute}",
        "evidence": {"decisions": [GO_OF_SECURITY]},
    }
    return entry if start is None else entry | {"from": start}


def states() -> tuple[list[JSON], list[JSON]]:
    """Rollouts in every state that a page shows in a way of its own, and what they ask."""
    metric = {
        "name": "errors",
        "outcome": "Value",
        "value": "0.0004",
        "observedAt": "2026-03-01T09:59:00.000000Z",
    }
    quiet = {"name": "errors", "state": "Quiet", "since": "2026-03-01T09:00:00Z"}
    waiting = raw_rollout(
        {
            "phase": "AwaitingApproval",
            "metrics": [metric],
            "triggers": [quiet],
            "conditions": [condition("Approved", "AwaitingApproval", "security must sign")],
            "blockedBy": [
                {
                    "condition": "Approved",
                    "reason": "AwaitingApproval",
                    "message": "security must sign",
                    "command": "kubectl patch …",
                }
            ],
            "approvals": [{"role": "security", "state": "Pending", "round": 1}],
            "history": [a_move("Start", None, 10, 0)],
        },
        **METRICS,
    )
    paused = raw_rollout(
        {"phase": "Paused", "conditions": [condition("NotPaused", "Paused", "cora paused it")]},
        paused=True,
    )
    back = raw_rollout(
        {
            "phase": "RolledBack",
            "percent": 10,
            "rolledBack": True,
            "metrics": [metric | {"value": "0.02"}],
            "triggers": [quiet | {"state": "Firing", "message": "2% is above 1%"}],
            "conditions": [condition("NotRolledBack", "RolledBack", "errors fired")],
            "history": [a_move("Start", None, 25, 0), a_move("Rollback", 25, 10, 20)],
        },
        **METRICS,
    )
    no_go = raw_rollout(
        {
            "phase": "Holding",
            "conditions": [condition("CheckpointsPassed", "NoGo", "hour-48 is NO-GO")],
            "approvals": [{"role": "security", "state": "NoGo", "round": 1, "by": "hudson"}],
        }
    )
    done = raw_rollout({"phase": "Completed", "percent": 100, "nextPercent": None})
    fresh = raw_rollout({"phase": "Pending", "percent": None, "soak": None})
    rollouts = [
        waiting,
        *(
            named(raw, name)
            for raw, name in (
                (paused, "paused"),
                (back, "back"),
                (no_go, "no-go"),
                (done, "done"),
                (fresh, "fresh"),
            )
        ),
    ]
    of_no_go: JSON = {"rollout": {"name": "no-go", "uid": "uid-no-go"}}
    said = {"decision": "NO-GO", "summary": "errors", "decidedBy": {"username": "atlas"}}
    requests = [
        raw_approval(requiredSections=["riskAssessment"]),
        named(raw_approval(decided=GO_BY_HUDSON, state="Go", **of_no_go), "no-go-25-security"),
        named(raw_checkpoint(said, **of_no_go), "no-go-10-hour-48"),
        raw_checkpoint(reporter={"users": ["hudson"]}),
    ]
    return rollouts, requests
