"""What a hostile review found, on a real API server: nothing keeps a rollback from the flag.

Nothing that somebody writes, deletes or breaks. What needs an API server of its own is shown in
`test_operator_own_bed.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from surefoot.adapters.provider_settings import ProviderSettings
from tests.support.broken_api import (
    BrokenApi,
    Fault,
    answers_404,
    answers_429,
    answers_500,
    answers_html,
    hangs,
    waits_for,
)
from tests.support.scene import JSON, Scene, in_each
from tests.support.service import Service, a_service, query_of

pytestmark = pytest.mark.apiserver

SOAKING: JSON = {"soak": "1h"}
INTERVAL = 5.0
"""Seconds of an evaluation interval where nothing waits for one."""
AN_HOUR = 3600.0
"""Seconds between sweeps where a test shows that nothing waits for one."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Metrics that can be made bad, and a Prometheus that has them."""
    with a_service(tmp_path_factory.mktemp("service")) as service:
        yield service


def asks(scene: Scene, service: Service) -> None:
    """The operators of a scene ask the service's Prometheus."""
    scene.providers = (ProviderSettings(name="default", address=service.prometheus_url),)


def a_trigger(of: str, **more: object) -> JSON:
    """A trigger on one of the service's metrics, and the metric."""
    trigger = {"name": "errors", "above": 1, "settle": "0s"} | more
    return {"metrics": [{"name": "errors", "query": query_of(of)}], "triggers": [trigger]}


def signed_by(*roles: str) -> JSON:
    """A sign-off of every step by these roles."""
    return {"roles": [{"name": role, "users": [role]} for role in roles], "opens": "Step"}


async def then_asked(scene: Scene, role: str) -> None:
    """Wait until this role is asked for the step to 100%."""
    name = f"{scene.name}-100-{role}"
    await scene.until(lambda: scene.get("approvals", name), name)


# What people may write

Spoil = Callable[[Scene], Awaitable[object]]


def a_halt(until: str) -> Spoil:
    """Halt the namespace until then."""

    def halt(scene: Scene) -> Awaitable[JSON]:
        data = {"reason": "a test", "by": "hudson", "until": until}
        return scene.create("configmaps", {"metadata": {"name": "surefoot-halt"}, "data": data})

    return halt


def a_decision(reason: str) -> Spoil:
    """Decide one of the two requests that are open."""

    def decide(scene: Scene) -> Awaitable[JSON]:
        said = {"decision": "GO", "reason": reason, "decidedBy": {"username": "hudson"}}
        return scene.patch("approvals", f"{scene.name}-100-hudson", {"spec": said})

    return decide


def a_signature(expires_at: str) -> Spoil:
    """Decide a request with a signature that may be used until then."""

    def sign(scene: Scene) -> Awaitable[JSON]:
        value = "-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n"
        said = {"decision": "GO", "reason": "a test", "decidedBy": {"username": "hudson"}}
        said |= {"signature": {"value": value, "expiresAt": expires_at}}
        return scene.patch("approvals", f"{scene.name}-100-hudson", {"spec": said})

    return sign


def an_annotation(name: str, text: str) -> Spoil:
    """Annotate the Rollout, and change its plan: the requests that name people open again."""

    def annotate(scene: Scene) -> Awaitable[JSON]:
        change: JSON = {"metadata": {"annotations": {f"surefoot.dev/{name}": text}}}
        change["spec"] = {"steps": [{"percent": 10}, {"percent": 90}, {"percent": 100}]}
        return scene.patch("rollouts", scene.name, change)

    return annotate


WINDOW = {
    "schedule": {
        "timeZone": "Pacific/Kiritimati",
        "freeze": [
            {"name": "first", "from": "2000-01-01 00:00", "to": "2000-01-02 00:00"},
            {"name": "last", "from": "2099-12-30 00:00", "to": "2099-12-31 23:59"},
            {"name": "weekly", "from": "Mon 00:00", "to": "Mon 00:01"},
        ],
    }
}
"""The first and the last that can be written; only the shortest may be open while this runs."""
END_OF_TIME = "9999-12-31T23:59:59Z"
SIGNED: JSON = {
    "hold": {
        "approvals": {
            "roles": [
                {"name": "hudson", "users": ["hudson"], "signing": "Optional"},
                {"name": "cora", "users": ["cora"]},
            ],
            "opens": "Step",
        }
    }
}
WRITTEN: dict[str, tuple[Spoil, JSON]] = {
    "separator as reason": (a_decision("\u001f"), {}),
    "other separators as reason": (a_decision("\u001c\u001d\u001e"), {}),
    "space without a width as reason": (a_decision("\u200b"), {}),
    "directions and marks as reason": (a_decision("\u202e\u2066\u200f\u0300\u034f"), {}),
    "beyond the first plane as reason": (a_decision("\U000e0067\U0010ffff\U0001f3f4"), {}),
    "no characters as reason": (a_decision("\ufdd0\ufffe\uffff\ufeff"), {}),
    "controls as reason": (a_decision("\u0085\u0000\u007f\u009f"), {}),
    "signature for as long as can be": (a_signature("2999-12-31T23:59:59.999999999-23:59"), SIGNED),
    "signature of before all": (a_signature("1970-01-01t00:00:00.000000001+23:59"), SIGNED),
    "signature until a leap day": (a_signature("2400-02-29T23:59:59Z"), SIGNED | WINDOW),
    "halt to the end of time": (a_halt(END_OF_TIME), {}),
    "halt to the end of time, and a schedule": (a_halt(END_OF_TIME), WINDOW),
    "halt to the end of time in the west, and a schedule": (
        a_halt("9999-12-31T23:59:59-14:00"),
        WINDOW,
    ),
    "halt to no year, and a schedule": (a_halt("0000-00-00T00:00:00Z"), WINDOW),
    "halt to beyond the offsets, and a schedule": (a_halt("2999-12-31T23:59:59+99:59"), WINDOW),
    "halt from before time": (a_halt("0001-01-01T00:00:00+14:00"), WINDOW),
    "on behalf of a long name": (an_annotation("on-behalf-of", "x" * 300), {}),
    "author with a long name": (an_annotation("authors", "x" * 5000), {}),
    "many authors": (
        an_annotation("authors", ",".join(f"author-{number}" for number in range(300))),
        {},
    ),
}


async def test_flag_comes_down_whatever_is_written(
    scene: Scene, elsewhere: Callable[[], Scene]
) -> None:
    """An operator that is started over it judges the Rollout, lowers the flag, and says so."""
    scenes = {case: elsewhere() for case in WRITTEN}
    plain: JSON = {"hold": {"approvals": signed_by("hudson", "cora")}}
    for case, (_, spec) in WRITTEN.items():
        await scenes[case].given_a_rollout(steps=(10, 100), **(plain | spec))
    async with scene.an_operator(beside=tuple(scenes.values())):
        for each in scenes.values():
            await each.then_at(10)
            for role in ("hudson", "cora"):
                await then_asked(each, role)
    for case, (spoil, _) in WRITTEN.items():
        await spoil(scenes[case])
    stage = tuple(scenes.values())
    async with scene.an_operator(beside=stage, interval=INTERVAL, sweep_every=AN_HOUR):
        await in_each(scenes, Scene.then_judged)
        for each in scenes.values():
            await each.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await in_each(scenes, Scene.then_lowered)
        await in_each(scenes, lambda each: each.then_at(0))
    for case, each in scenes.items():
        assert each.percents_written() == [10, 0], case


# What is broken

NOT_NEEDED = {
    "approvals": "/approvals",
    "checkpoints": "/checkpoints",
    "halts": "surefoot-halt",
    "policies": "/admissionregistration.k8s.io/",
    "namespaces": "/api/v1/namespaces/{namespace}?",
    "crds": "/customresourcedefinitions",
    "discovery": "/apis/surefoot.dev/v1alpha1?",
    "an-upstream": "/rollouts/upstream",
    "allowed-signers": "surefoot-allowed-signers",
}
"""What is read of the API server, and what a rollback does not need."""
FAULTS = (answers_500, answers_404, answers_html, hangs)


async def given_an_upstream(scene: Scene) -> None:
    """A Rollout that others wait for."""
    await replace(scene, name="upstream").given_a_rollout(steps=(100,))


AFTER_THE_UPSTREAM: JSON = {"dependsOn": [{"rollout": "upstream", "atLeast": 100}]}


async def test_flag_comes_down_whatever_part_of_the_api_is_broken(
    scene: Scene, elsewhere: Callable[[], Scene], service: Service, tmp_path: Path
) -> None:
    """One part after the other breaks; a person asks for a rollback, and another's trigger fires.

    Each way of being broken is tried in a namespace of its own, by an operator of its own.
    """
    asks(scene, service)
    kept_up: list[str] = []
    async with asyncio.TaskGroup() as group:
        for fault in FAULTS:
            breaks = when_each_part_breaks(fault, elsewhere(), tmp_path, service, kept_up)
            group.create_task(breaks)
    assert kept_up == []


async def when_each_part_breaks(
    fault: Fault, scene: Scene, home: Path, service: Service, kept_up: list[str]
) -> None:
    """Two Rollouts for each part come down while it is broken."""
    hold = SOAKING | {"approvals": signed_by("hudson")}
    plan: JSON = {"steps": (10, 100), "hold": hold} | AFTER_THE_UPSTREAM
    await given_an_upstream(scene)
    pairs = {
        part: (replace(scene, name=f"asked-{part}"), replace(scene, name=f"fires-{part}"))
        for part in NOT_NEEDED
    }
    metrics = {part: f"{part} {fault.__name__}" for part in NOT_NEEDED}
    async with (
        BrokenApi.before(scene, home) as api,
        scene.an_operator(interval=1.0, sweep_every=1.0),
    ):
        for part, (asked, breached) in pairs.items():
            await asked.given_a_rollout(**plan)
            await asyncio.to_thread(service.has_error_rate, 0.0, metrics[part])
            await breached.given_a_rollout(**plan, **a_trigger(metrics[part]))
        for pair in pairs.values():
            for each in pair:
                await each.then_at(10)
        for part, (asked, breached) in pairs.items():
            api.breaks(NOT_NEEDED[part].format(namespace=scene.namespace), fault)
            await asked.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
            await asyncio.to_thread(service.has_error_rate, 5.0, metrics[part])
            for each in (asked, breached):
                try:
                    await each.then_lowered()
                except pytest.fail.Exception as error:
                    kept_up.append(f"{fault.__name__}: {error}")
            api.is_mended()


STARTS: tuple[tuple[str, Fault], ...] = (
    ("crds", answers_500),
    ("crds", answers_404),
    ("crds", hangs),
    ("discovery", answers_html),
    ("discovery", hangs),
    ("approvals", hangs),
)


async def test_flag_comes_down_by_an_operator_that_starts_while_it_is_broken(
    scene: Scene, elsewhere: Callable[[], Scene], tmp_path: Path
) -> None:
    """It has never seen this part whole; the watches it needs are begun all the same."""
    scenes = {f"{fault.__name__} of {part}": elsewhere() for part, fault in STARTS}
    hold = SOAKING | {"approvals": signed_by("hudson")}
    for each in scenes.values():
        await given_an_upstream(each)
        await each.given_a_rollout(steps=(10, 100), hold=hold, **AFTER_THE_UPSTREAM)
    async with scene.an_operator(beside=tuple(scenes.values())):
        for each in scenes.values():
            await each.then_at(10)
    async with AsyncExitStack() as running:
        for (part, fault), each in zip(STARTS, scenes.values(), strict=True):
            api = await running.enter_async_context(BrokenApi.before(each, tmp_path))
            api.breaks(NOT_NEEDED[part], fault)
            starts = each.an_operator(interval=INTERVAL, sweep_every=AN_HOUR)
            await running.enter_async_context(starts)
            if part != "crds":  # they are asked for only where a Rollout seems to be gone
                await each.until(api.was_asked, "the fault to be met")
            await each.when_the_plan_is_patched(rollback={"to": 0, "reason": "a test"})
        await in_each(scenes, Scene.then_lowered)


async def test_nothing_moves_while_every_answer_is_429_and_the_flag_comes_down_right_after(
    scene: Scene, elsewhere: Callable[[], Scene], tmp_path: Path, service: Service
) -> None:
    """A trigger fires and a soak ends meanwhile: neither is acted on from the caches."""
    fires, soaks, metric = scene, elsewhere(), "every answer is 429"
    asks(fires, service)
    await asyncio.to_thread(service.has_error_rate, 0.0, metric)
    async with (
        BrokenApi.before(fires, tmp_path) as api,
        fires.an_operator(interval=1.0, sweep_every=1.0, beside=(soaks,)),
    ):
        await fires.given_a_rollout(steps=(10, 100), hold=SOAKING, **a_trigger(metric))
        await soaks.given_a_rollout(steps=(10, 100), hold={"soak": "2s"})
        await fires.then_at(10)
        await soaks.until(partial(has_started, soaks), "the other one to start")
        api.breaks("/", answers_429, writes=True)
        await scene.until(api.is_idle, "what was under way to end")
        written = [each.percents_written() for each in (fires, soaks)]
        await asyncio.to_thread(service.has_error_rate, 5.0, metric)

        async def was_refused() -> bool:
            return api.asked > 60

        await scene.until(was_refused, "the operator to try again and again")
        assert [each.percents_written() for each in (fires, soaks)] == written
        api.is_mended()
        await fires.then_lowered()
        await soaks.then_completed()


async def has_started(scene: Scene) -> bool:
    """Whether it is at its first percentage, or beyond it already."""
    status = await scene.status()
    return "percent" in status and "pending" not in status


# Windows of any length


def windows(*lengths: str, action: str = "Rollback") -> JSON:
    """A trigger for each length, all of them on one metric that is bad at all times."""
    triggers = [
        {"name": length, "metric": "errors", "for": length, "above": 100, "action": action}
        for length in lengths
    ]
    return {"metrics": [{"name": "errors", "query": "vector(5)"}], "triggers": triggers}


async def when_the_bounds_are_lowered(scene: Scene) -> None:
    """Every trigger's metric is beyond its bound from now on."""
    rollout = await scene.get("rollouts", scene.name) or {}
    triggers = [each | {"above": 1} for each in rollout["spec"]["triggers"]]
    await scene.when_the_plan_is_patched(triggers=triggers)


async def when_it_stands_there_since(scene: Scene, moment: datetime) -> None:
    """Date the last commit back, as if the operator had done it then."""
    at = moment.isoformat().replace("+00:00", "Z")
    status = {"status": {"since": at, "holdSince": at}}
    await scene.patch("rollouts", f"{scene.name}/status", status)


async def test_short_window_fires_beside_a_long_one_and_the_long_one_once_it_is_full(
    scene: Scene,
) -> None:
    """Prometheus refuses more than 11,000 points at once: neither window costs the other its."""
    scene.providers = (ProviderSettings(name="default", address=scene.bed.prometheus_url or ""),)
    plans = {
        "beside-4h": windows("4s", "4h"),
        "beside-5d": windows("5d", "4s"),
        "only-4h": windows("4h"),
        "only-5d": windows("5d"),
        "all": windows("0s", "4s", "4h", "5d", action="Hold"),
    }
    scenes = {name: replace(scene, name=name) for name in plans}
    for name, plan in plans.items():
        await scenes[name].given_a_rollout(steps=(10, 100), hold=SOAKING, **plan)
    async with scene.an_operator(interval=1.0):
        for each in scenes.values():
            await each.then_at(10)
            await when_the_bounds_are_lowered(each)
        for name in ("beside-4h", "beside-5d"):
            await scenes[name].then_at(0)
            # Where it fires at once, that the plan was changed is recorded after it.
            history = (await scenes[name].status())["history"]
            fired = [entry["by"] for entry in history if entry["type"] == "Rollback"]
            assert fired == [["trigger 4s"]]
        await then_states(scenes["all"], {"0s": "Firing", "4s": "Firing", "4h": "Pending"})
        assert scenes["only-4h"].percents_written() == [10]
        assert scenes["only-5d"].percents_written() == [10]
    for name in ("only-4h", "only-5d", "all"):
        long_ago = datetime.fromisoformat((await scenes[name].status())["since"])
        await when_it_stands_there_since(scenes[name], long_ago - timedelta(days=6))
    async with scene.an_operator(interval=30.0):
        for name in ("only-4h", "only-5d"):
            await scenes[name].then_at(0)
        await then_states(scenes["all"], dict.fromkeys(("0s", "4s", "4h", "5d"), "Firing"))


async def then_states(scene: Scene, expected: dict[str, str]) -> None:
    """Wait until the triggers are in these states."""

    async def are_there() -> bool:
        triggers = (await scene.status()).get("triggers", ())
        found = {each["name"]: each["state"] for each in triggers}
        return expected.items() <= found.items()

    await scene.until(are_there, f"the triggers {expected}")


# A deletion that no list and no sweep tells of


async def test_flag_of_a_rollout_that_is_deleted_between_list_and_watch_goes_down(
    scene: Scene, tmp_path: Path
) -> None:
    """The watch begins where the list ended, and tells of the deletion later."""
    target = {"configMapName": scene.target, "flags": [scene.name], "onDelete": "Zero"}
    await scene.given_a_rollout(steps=(10, 100), hold=SOAKING, target=target)
    async with scene.an_operator():
        await scene.then_at(10)
    begins = asyncio.Event()
    async with BrokenApi.before(scene, tmp_path) as api:
        api.breaks("/rollouts?watch=1", waits_for(begins))
        async with scene.an_operator(sweep_every=AN_HOUR) as acting:
            await scene.until(api.was_asked, "the watch to be asked for")

            async def has_swept() -> bool:
                return acting.operator.health.unready() is None

            await scene.until(has_swept, "the first sweep")
            await scene.delete("rollouts", scene.name)
            begins.set()
            await scene.then_lowered()
    await scene.then_wrote(10, 0)
