"""A stage for the whole operator on a real API server: given, when, then.

    async def test_plan_without_metrics_is_completed(scene: Scene) -> None:
        await scene.given_a_rollout(steps=(10, 25, 100))
        async with scene.an_operator():
            await scene.then_completed()
        assert scene.percents_written() == [10, 25, 100]

The operator runs in the test's own process, as the service account of `manifests/base`, and
watches the test's namespace only. What it wrote is judged from the API server's audit log, which
does not depend on what the operator says of itself.

Load it as a plugin beside the test bed and the CRDs: ``pytest_plugins = ["tests.support.scene"]``.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from surefoot.adapters.notification_settings import NotificationSection
from surefoot.adapters.provider_settings import ProviderSettings
from surefoot.adapters.settings import AdmissionMode, PolicySection, Settings
from surefoot.adapters.sinks.settings import RecordSection
from surefoot.api.v1alpha1.meta import API_VERSION, MANAGED_LABEL
from surefoot.application.ports import Cluster
from surefoot.domain.flag.shadow import SHADOW
from surefoot.testbed.bed import TestBed
from surefoot.wiring import Operator, Start, TestOverrides, assembled
from tests.support.requests import operator_may_work
from tests.support.testbed import (
    SURELY,
    audit_events,
    new_namespace,
    wait_until,
    wait_until_async,
)

JSON = dict[str, Any]

MANIFESTS = Path(__file__).parents[2] / "manifests" / "base"
NO_SINKS = RecordSection()
NO_ROUTES = NotificationSection()

SOON = 400
"""Looks at what must wait for no sweep and no second try: 20 seconds, and more on a busy machine,
where each look takes longer."""


class Crash(BaseException):
    """The process ends here: nothing below may catch it."""


@pytest.fixture(scope="session")
def service_account(testbed: TestBed, crds: None) -> Path:
    """The kubeconfig of the operator's own service account, with the permissions shipped."""
    testbed.kubectl("apply", "--server-side", "-k", str(MANIFESTS))
    with testbed.client() as admin:
        wait_until(lambda: operator_may_work(admin), SURELY, "the operator's roles to act")
    return testbed.kubeconfig_for_service_account("surefoot-system", "surefoot")


@pytest.fixture
def scene(testbed: TestBed, service_account: Path, namespace: str) -> Iterator["Scene"]:
    """A namespace with nothing in it."""
    with testbed.client() as client:
        yield Scene(testbed, client, service_account, namespace)


@pytest.fixture
def elsewhere(scene: "Scene") -> Iterator[Callable[[], "Scene"]]:
    """Makes more scenes beside the first, each in a namespace of its own."""
    made: list[Scene] = []

    def another() -> Scene:
        made.append(replace(scene, namespace=new_namespace(scene.client)))
        return made[-1]

    yield another
    for each in made:
        scene.client.delete(f"/api/v1/namespaces/{each.namespace}").raise_for_status()


@dataclass
class Acting:
    """An operator that runs. ``end`` is what its task ended with, once it ended."""

    operator: Operator
    task: asyncio.Task[None]

    def kill(self) -> None:
        """End it at once, whatever it is doing; a graceful stop would wait for it."""
        for task in asyncio.all_tasks():
            if task.get_name().startswith(("worker", "urgent worker")):
                task.cancel()

    async def ends(self) -> BaseException | None:
        """Wait for it to end by itself."""
        async with asyncio.timeout(SURELY):
            await asyncio.wait({self.task})
        return self.task.exception()


@dataclass
class Scene:
    """A namespace, what people do in it, and what can be seen in it."""

    bed: TestBed
    client: httpx.Client
    kubeconfig: Path
    namespace: str
    name: str = "checkout"
    providers: tuple[ProviderSettings, ...] = ()
    policies: PolicySection = field(default_factory=PolicySection)
    audit_from: int = field(default=0)

    def __post_init__(self) -> None:
        """Read the audit log from here on: everything before is other tests'."""
        self.audit_from = self.bed.audit_log.stat().st_size

    # Given and when: what people do

    async def given_a_rollout(self, *, steps: tuple[int, ...] = (10, 25, 100), **spec: Any) -> JSON:
        """Apply a plan with these percentages."""
        return await self.create(
            "rollouts",
            {
                "apiVersion": API_VERSION,
                "kind": "Rollout",
                "metadata": {"name": self.name},
                "spec": {
                    "target": {"configMapName": f"{self.name}-flags", "flags": [self.name]},
                    "steps": [{"percent": percent} for percent in steps],
                    "limits": {"maxExpansionFactor": 100},
                }
                | spec,
            },
        )

    async def when_the_plan_is_patched(self, **changes: Any) -> None:
        """Patch the spec, as `kubectl patch --type=merge` does."""
        await self.patch("rollouts", self.name, {"spec": changes})

    async def when_somebody_decides(
        self, role: str, decision: str, percent: int, *, by: str = "hudson"
    ) -> None:
        """Patch the Approval once it is there, in somebody's name."""
        name = f"{self.name}-{percent}-{role}"
        await self.until(lambda: self.get("approvals", name), f"Approval {name}")
        decided = {"decision": decision, "reason": "a test", "decidedBy": {"username": by}}
        await self.patch("approvals", name, {"spec": decided})

    async def when_somebody_reports(
        self, checkpoint: str, decision: str, percent: int, *, by: str = "atlas", summary: str = "x"
    ) -> None:
        """Patch the Checkpoint once it is there, in somebody's name."""
        name = f"{self.name}-{percent}-{checkpoint}"
        await self.until(lambda: self.get("checkpoints", name), f"Checkpoint {name}")
        said = {"decision": decision, "summary": summary, "decidedBy": {"username": by}}
        await self.patch("checkpoints", name, {"spec": said})

    async def when_somebody_changes_the_flag(self, text: str, manager: str = "meddler") -> None:
        """Patch the ConfigMap under another field manager."""
        await self.patch("configmaps", self.target, {"data": {self.name: text}}, manager=manager)

    # Operators

    @contextlib.asynccontextmanager
    async def an_operator(
        self,
        *,
        through: Callable[[Cluster], Cluster] = lambda cluster: cluster,
        interval: float = 1.0,
        sweep_every: float = 2.0,
        admission: AdmissionMode = AdmissionMode.UNENFORCED,
        admission_every: float = 1.0,
        record: RecordSection = NO_SINKS,
        notifications: NotificationSection = NO_ROUTES,
        beside: "Sequence[Scene]" = (),
        workers: int = 4,
        wait: bool = True,
    ) -> AsyncIterator[Acting]:
        """Run an operator for the time of the block; then stop it gracefully.

        It works on the scenes ``beside`` this one as well.
        """
        namespaces = tuple(dict.fromkeys(each.namespace for each in (self, *beside)))
        settings = Settings(
            evaluation_interval=timedelta(seconds=interval),
            admission=admission,
            policies=self.policies,
            providers=self.providers,
            record=record,
            notifications=notifications,
            listen="127.0.0.1:0",
            operator_namespace="surefoot-system",
            workers=workers,
        )
        start = Start(
            settings=settings,
            kubeconfig=str(self.kubeconfig),
            namespaces=namespaces,
            overrides=TestOverrides(
                cluster=through,
                sweep_every=sweep_every,
                admission_every=admission_every,
            ),
        )
        async with assembled(start) as operator:
            task = asyncio.create_task(operator.run())
            acting = Acting(operator, task)
            try:
                if wait:
                    await wait_until_async(_synced(acting), SURELY, "the caches to be synced")
                yield acting
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def an_operator_that_crashes(self, tap: "Tap") -> AsyncIterator[None]:
        """Run an operator until it crashes; the block is what happens while it runs."""
        # A write that is held keeps one of its workers.
        async with self.an_operator(through=tap.around, workers=16) as acting:
            yield
            end = await acting.ends()
            assert isinstance(end, Crash), f"it ended with {end!r}"

    # Then: what can be seen

    @property
    def target(self) -> str:
        """The ConfigMap's name."""
        return f"{self.name}-flags"

    async def until(
        self, look: Callable[[], Awaitable[Any]], what: str, *, within: float = SURELY
    ) -> Any:
        """Wait for something to be so."""
        return await wait_until_async(look, within, what)

    async def status(self) -> JSON:
        """The Rollout's status, empty where it has none."""
        rollout = await self.get("rollouts", self.name)
        return cast("JSON", (rollout or {}).get("status") or {})

    async def then_at(self, percent: int) -> JSON:
        """Wait until the ConfigMap carries this percentage and the status says all that follows.

        A rollback commits with the smallest status, and the next pass writes the rest: the phase,
        the conditions and the generation that was judged.
        """

        async def there() -> JSON | None:
            rollout = await self.get("rollouts", self.name) or {}
            status: JSON = rollout.get("status", {})
            found = await self.get("configmaps", self.target)
            if status.get("percent") != percent or "pending" in status or found is None:
                return None
            if "observedAt" not in status:
                return None
            if status.get("observedGeneration") != rollout["metadata"]["generation"]:
                return None
            return status if found["data"][self.name] == str(percent) else None

        return cast("JSON", await self.until(there, f"{percent}% to be committed and told"))

    async def then_lowered(self) -> None:
        """Wait until the ConfigMap says 0, for as long as nothing but a rollback needs."""
        looks = itertools.count(1)

        async def there() -> bool:
            if next(looks) > SOON:
                pytest.fail(f"looked {SOON} times for {self.name} to be lowered")
            found = await self.get("configmaps", self.target)
            return found is not None and found["data"][self.name] == "0"

        await self.until(there, f"{self.name} to be lowered")

    async def then_judged(self) -> JSON:
        """Wait until the operator has judged the present plan; answer with the status."""

        async def there() -> JSON | None:
            rollout = await self.get("rollouts", self.name) or {}
            status: JSON = rollout.get("status", {})
            is_judged = status.get("observedGeneration") == rollout["metadata"]["generation"]
            return status if is_judged else None

        return cast("JSON", await self.until(there, f"the plan of {self.name} to be judged"))

    async def then_blocked_by(self, condition: str, reason: str) -> JSON:
        """Wait until this is in the way of the present plan; answer with the status."""

        async def there() -> JSON:
            status = await self.then_judged()
            found = {(each["condition"], each["reason"]) for each in status.get("blockedBy", ())}
            assert (condition, reason) in found, status
            return status

        return cast("JSON", await self.until(there, f"{condition}={reason} to block {self.name}"))

    async def then_phase(self, phase: str) -> JSON:
        """Wait for a phase."""

        async def there() -> JSON | None:
            status = await self.status()
            return status if status.get("phase") == phase else None

        return cast("JSON", await self.until(there, f"phase {phase}"))

    async def then_completed(self) -> JSON:
        """Wait until the rollout is complete."""
        return await self.then_phase("Completed")

    async def then_condition(self, kind: str, status: str, reason: str = "") -> JSON:
        """Wait for a condition to have this status, and this reason, where one is given."""

        async def there() -> JSON | None:
            for condition in (await self.status()).get("conditions", []):
                if condition["type"] == kind and condition["status"] == status:
                    assert reason in ("", condition["reason"])
                    return cast("JSON", condition)
            return None

        return cast("JSON", await self.until(there, f"{kind}={status} {reason}".rstrip()))

    async def then_request(self, resource: str, name: str, state: str) -> None:
        """Wait until a Checkpoint or Approval is in this state."""

        async def there() -> bool:
            found = await self.get(resource, name) or {}
            return bool(found.get("status", {}).get("state") == state)

        await self.until(there, f"{name} to be {state}")

    async def then_named(self, resource: str, name: str) -> None:
        """Wait until there is this Checkpoint or Approval, and the Rollout's status names it.

        The status is written after the object: what it says of it is not there any sooner.
        """

        async def named() -> bool:
            exists = await self.get(resource, name) is not None
            return exists and name in json.dumps(await self.status())

        await self.until(named, f"{name} to be asked")

    async def history(self) -> list[tuple[str, int | None, int]]:
        """Type, from and to of every entry."""
        entries = (await self.status()).get("history", [])
        return [(entry["type"], entry.get("from"), entry["to"]) for entry in entries]

    def writes(self, resource: str) -> list[JSON]:
        """Every request of the operator's account that changed something, by the audit log."""
        found = []
        for event in audit_events(self.bed, about=self.namespace, from_byte=self.audit_from):
            reference = event.get("objectRef", {})
            if (
                event["verb"] in {"create", "update", "patch", "delete"}
                and reference.get("resource") == resource
                and reference.get("namespace") == self.namespace
                and event.get("user", {}).get("username", "").endswith(":surefoot-system:surefoot")
            ):
                found.append(event)
        return found

    def percents_written(self) -> list[int]:
        """The percentages that the operator wrote into the ConfigMap, repetitions included."""
        return [
            int(event["requestObject"]["data"][self.name])
            for event in self.writes("configmaps")
            if event["verb"] in {"create", "update"}
            and event["responseStatus"]["code"] < 300
            and event["requestObject"]["metadata"]["name"] == self.target
        ]

    async def then_wrote(self, *percents: int) -> None:
        """Wait until the operator has written these percentages, by the audit log, and no others.

        A write is stored before it is logged: who has read an object may be ahead of the log. What
        the operator did after the answer to a write, as the commit, says that it is logged.
        """

        async def are_logged() -> bool:
            return len(self.percents_written()) >= len(percents)

        await self.until(are_logged, f"{percents} in the audit log")
        assert self.percents_written() == list(percents)

    # The API, as an administrator

    async def get(self, resource: str, name: str) -> JSON | None:
        """Read an object; None if there is none."""
        answer = await self._send("GET", f"{self._path(resource)}/{name}")
        return None if answer.status_code == 404 else _json(answer)

    async def create(self, resource: str, manifest: JSON) -> JSON:
        """Create an object."""
        return _json(await self._send("POST", self._path(resource), manifest))

    async def patch(
        self, resource: str, name: str, change: JSON, *, manager: str = "kubectl-patch"
    ) -> JSON:
        """Merge a change into an object."""
        return _json(
            await self._send(
                "PATCH",
                f"{self._path(resource)}/{name}?fieldManager={manager}",
                change,
                {"Content-Type": "application/merge-patch+json"},
            )
        )

    async def delete(self, resource: str, name: str) -> None:
        """Delete an object."""
        _json(await self._send("DELETE", f"{self._path(resource)}/{name}"))

    def _path(self, resource: str) -> str:
        group = "/api/v1" if resource == "configmaps" else f"/apis/{API_VERSION}"
        if resource == "events":
            group = "/apis/events.k8s.io/v1"
        return f"{group}/namespaces/{self.namespace}/{resource}"

    async def _send(
        self, verb: str, path: str, body: JSON | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        return await asyncio.to_thread(
            self.client.request,
            verb,
            path,
            content=None if body is None else json.dumps(body),
            headers=headers or {"Content-Type": "application/json"},
        )


async def in_each(scenes: "Mapping[str, Scene]", look: "Callable[[Scene], Awaitable[Any]]") -> None:
    """Do the same in several scenes, and tell for which of them it failed."""
    failed = {}
    for case, scene in scenes.items():
        try:
            await look(scene)
        except (AssertionError, pytest.fail.Exception) as error:
            failed[case] = str(error)
    assert not failed, failed


def _json(answer: httpx.Response) -> JSON:
    assert answer.is_success, answer.text
    return cast("JSON", answer.json())


def _synced(acting: Acting) -> Callable[[], Awaitable[bool]]:
    async def synced() -> bool:
        if acting.task.done():
            acting.task.result()
        return acting.operator.synced.is_set()

    return synced


# Tapping the operator's writes


@dataclass(frozen=True)
class Write:
    """A write that the operator is about to do, in the words of the protocol."""

    step: str
    """intent, apply, commit, abandon (the mark), rehearse (of a copy), or other."""
    to: int | None
    """The percentage it is about."""


Before = Callable[[Write], Awaitable[None]]


async def _nothing(_write: Write) -> None:
    return None


@dataclass
class Tap:
    """Sits between the operator and its cluster: awaits ``before`` and ``after`` each write."""

    before: Before = _nothing
    after: Before = _nothing

    def around(self, cluster: Cluster) -> Cluster:
        """The cluster, tapped."""
        return cast("Cluster", _Tapped(cluster, self))


def crash(moment: str, step: str, to: int) -> Tap:
    """Crash ``before`` or ``after`` the write of this step of the transition to this percentage."""

    async def ends(write: Write) -> None:
        if write == Write(step, to):
            raise Crash(f"{moment} the {step} of {to}%")

    return Tap(before=ends) if moment == "before" else Tap(after=ends)


def crash_at_each(moments: "Iterable[tuple[str, Write]]") -> Tap:
    """Crash once all of these are reached, each ``before`` or ``after`` its write.

    Anyone who reaches one of them waits there for the others.
    """
    expected = frozenset(moments)
    ahead = set(expected)
    all_reached = asyncio.Event()

    async def reach(moment: str, write: Write) -> None:
        if (moment, write) not in expected:
            return
        ahead.discard((moment, write))
        if not ahead:
            all_reached.set()
        await all_reached.wait()
        raise Crash(f"{moment} the {write.step} of {write.to}%")

    return Tap(before=partial(reach, "before"), after=partial(reach, "after"))


class _Tapped:
    WRITES = (
        "write_rollout_status",
        "create_config_map",
        "render_config_map",
        "mark_config_map",
        "delete_config_map",
    )

    def __init__(self, inner: Cluster, tap: Tap) -> None:
        self._inner = inner
        self._tap = tap

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in self.WRITES:
            return method

        async def tapped(*arguments: Any) -> Any:
            write = _in_words(name, arguments)
            await self._tap.before(write)
            answer = await method(*arguments)
            await self._tap.after(write)
            return answer

        return tapped


def _in_words(name: str, arguments: tuple[Any, ...]) -> Write:
    if name == "write_rollout_status":
        judged, status = arguments
        if status.pending is not None and judged.status.pending is None:
            return Write("intent", status.pending.to)
        if judged.status.pending is not None and status.pending is None:
            done = status.percent == judged.status.pending.to
            return Write("commit" if done else "clear", judged.status.pending.to)
        return Write("other", status.percent)
    if name in {"create_config_map", "render_config_map"}:
        rendering = arguments[1]
        flag = next(key for key in rendering.data if f"{key}.json" in rendering.data)
        is_played = rendering.labels[MANAGED_LABEL] == SHADOW
        return Write("rehearse" if is_played else "apply", int(rendering.data[flag]))
    return Write("abandon" if name == "mark_config_map" else "other", None)
