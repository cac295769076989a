"""The adapter against a small HTTP server that plays the API server and its moods."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.cluster import KubernetesCluster
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.objects import last_manager, read
from surefoot.api.v1alpha1.rollout_status import Committed, TransitionType
from surefoot.application.ports import Kind, Marks, ObjectHead, ObjectKey, Subject
from surefoot.domain.flag.config_map import Rendering, rendering_of
from surefoot.domain.plan import Announcement
from surefoot.errors import (
    ApiError,
    ConfigurationError,
    Conflict,
    NotFound,
    Refused,
    Unavailable,
    UnreadableObject,
)
from tests.support.fakes import FakeClock
from tests.support.world import START, a_rollout

KEY = ObjectKey("agents", "memory-sync")
FLAGS = ObjectKey("agents", "memory-sync-flags")


class MeasurementSource:
    """What the server says next, and what it was asked."""

    def __init__(self) -> None:
        self.next: list[tuple[int, Any, dict[str, str]]] = []
        self.asked: list[tuple[str, str, Any, dict[str, str]]] = []

    def will_say(self, status: int, body: Any = None, **headers: str) -> None:
        self.next.append((status, {} if body is None else body, headers))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.asked.append(
            (
                request.method,
                request.path_qs,
                json.loads(raw) if raw else None,
                dict(request.headers),
            )
        )
        status, answer, headers = self.next.pop(0) if self.next else (200, {}, {})
        if answer == "hang":
            await asyncio.sleep(60)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return web.Response(status=status, text=text, headers=headers)


@pytest.fixture
def answers() -> MeasurementSource:
    return MeasurementSource()


@pytest.fixture
async def address(answers: MeasurementSource) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answers.handle)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def kubeconfig(path: Path, server: str, user: dict[str, Any] | None = None) -> Path:
    """Write a kubeconfig for this server and user."""
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": user or {"token": "secret"}}],
            }
        )
    )
    return path


@pytest.fixture
async def http(address: str, tmp_path: Path) -> AsyncIterator[Http]:
    made = Http(await Access.load(str(kubeconfig(tmp_path / "config", address))))
    yield made
    await made.close()


@pytest.fixture
def cluster(http: Http) -> KubernetesCluster:
    clock = FakeClock()
    return KubernetesCluster(http, clock, operator_namespace="surefoot-system")


def a_config_map(**metadata: Any) -> dict[str, Any]:
    """A ConfigMap as the API server tells it."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": FLAGS.name, "namespace": "agents", "uid": "cm", "resourceVersion": "7"}
        | metadata,
        "data": {"memory-sync": "10"},
    }


# Requests


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (403, Refused),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (422, Refused),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (504, Unavailable),
    ],
)
async def test_answers_are_told_apart(
    http: Http, answers: MeasurementSource, status: int, error: type[ApiError]
) -> None:
    """The message names the operation and has the server's words, cut."""
    answers.will_say(status, {"message": "the reason " + "x" * 1000})
    with pytest.raises(error) as raised:
        await http.write("write status of Rollout shop/checkout", "PUT", "/x", {})
    assert raised.value.status == status
    text = str(raised.value)
    assert text.startswith(f"write status of Rollout shop/checkout: {status}: the reason x")
    assert len(text) < 400
    assert len(answers.asked) == 1, "a write is never repeated blindly"


async def test_reads_are_repeated_a_little(http: Http, answers: MeasurementSource) -> None:
    """Reading changes nothing."""
    answers.will_say(503)
    answers.will_say(200, {"kind": "Status"})
    assert await http.get("get it", "/x") == {"kind": "Status"}


async def test_reads_wait_as_long_as_the_server_asks(
    http: Http, answers: MeasurementSource
) -> None:
    """Retry-After, within bounds."""
    answers.will_say(429, None, **{"Retry-After": "1"})
    answers.will_say(200, {})
    began = asyncio.get_running_loop().time()
    await http.get("get it", "/x")
    assert asyncio.get_running_loop().time() - began >= 1


async def test_page_of_html_is_no_answer(http: Http, answers: MeasurementSource) -> None:
    """Some proxy stands in between."""
    answers.will_say(200, "<html>")
    with pytest.raises(Unavailable, match="get it: the answer is not JSON"):
        await http.write("get it", "GET", "/x", {})


async def test_silence_ends_in_time(
    http: Http, answers: MeasurementSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request waits for ever."""
    monkeypatch.setattr("surefoot.adapters.kubernetes.http.WRITE_TIMEOUT", 0.05)
    answers.will_say(200, "hang")
    with pytest.raises(Unavailable, match="write it: no answer within"):
        await http.write("write it", "PUT", "/x", {})


async def test_closed_door_is_unavailable(tmp_path: Path) -> None:
    """Nobody listens there."""
    access = await Access.load(str(kubeconfig(tmp_path / "config", "http://127.0.0.1:9")))
    http = Http(access)
    with pytest.raises(Unavailable, match="no answer from the API server"):
        await http.write("write it", "PUT", "/x", {})
    await http.close()


async def test_list_is_read_to_its_end(http: Http, answers: MeasurementSource) -> None:
    """Page by page."""
    answers.will_say(200, {"items": [1], "metadata": {"continue": "more"}})
    answers.will_say(200, {"items": [2], "metadata": {}})
    pages = [page["items"] async for page in http.pages("list", "/x")]
    assert pages == [[1], [2]]
    assert "continue=more" in answers.asked[1][1]


async def test_every_answer_tells_the_time(address: str, tmp_path: Path) -> None:
    """Errors included."""
    dates: list[str] = []
    access = await Access.load(str(kubeconfig(tmp_path / "config", address)))
    http = Http(access, on_date=lambda date, _sent, _received: dates.append(date))
    await http.get("get it", "/x")
    assert len(dates) == 1
    await http.close()


# Access


async def test_token_goes_with_each_request(http: Http, answers: MeasurementSource) -> None:
    """As the kubeconfig has it."""
    await http.get("get it", "/x")
    assert answers.asked[0][3]["Authorization"] == "Bearer secret"


async def test_renewed_token_is_found_after_a_401(
    address: str, answers: MeasurementSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is read again at once, and the request is repeated with what it says."""
    path = kubeconfig(tmp_path / "config", address, {"token": "old"})
    access = await Access.load(str(path))
    http = Http(access)
    kubeconfig(path, address, {"token": "new"})
    monkeypatch.setattr(access, "_refreshed_at", -1000.0)
    answers.will_say(401)
    monkeypatch.setattr("surefoot.adapters.kubernetes.access.REFRESH_EVERY", 1e9)
    await http.get("get it", "/x")
    sent = [headers["Authorization"] for _, _, _, headers in answers.asked]
    assert sent == ["Bearer old", "Bearer new"]
    await http.close()


async def test_renewal_stays_in_the_context_that_was_asked_for(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next write would go to the cluster of the current one."""
    path = kubeconfig(tmp_path / "config", "http://127.0.0.1:9")
    content = yaml.safe_load(path.read_text())
    content["clusters"].append({"name": "other", "cluster": {"server": address}})
    there = {"cluster": "other", "user": "u", "namespace": "shop"}
    content["contexts"].append({"name": "other", "context": there})
    path.write_text(yaml.safe_dump(content))
    access = await Access.load(str(path), context="other")
    assert (access.endpoint.server, access.namespace) == (address, "shop")
    monkeypatch.setattr(access, "_refreshed_at", -1000.0)
    await access.refresh()
    assert access.endpoint.server == address
    assert (await Access.load(str(path))).namespace == "default"


async def test_credentials_that_are_not_accepted_are_unavailable(
    http: Http, answers: MeasurementSource
) -> None:
    """They may be in order again in a minute."""
    for _ in range(2):
        answers.will_say(401, {"message": "Unauthorized"})
    with pytest.raises(Unavailable, match="401"):
        await http.write("write it", "PUT", "/x", {})


async def test_exec_plugin_gives_the_token(
    address: str, answers: MeasurementSource, tmp_path: Path
) -> None:
    """As kubectl runs it."""
    plugin = tmp_path / "plugin"
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-plugin"},
    }
    plugin.write_text(f"#!/bin/sh\necho '{json.dumps(credential)}'\n")
    plugin.chmod(0o700)
    user = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(plugin),
            "interactiveMode": "Never",
        }
    }
    http = Http(await Access.load(str(kubeconfig(tmp_path / "config", address, user))))
    await http.get("get it", "/x")
    assert answers.asked[0][3]["Authorization"] == "Bearer from-plugin"
    await http.close()


async def test_kubeconfig_is_found_as_kubectl_finds_it(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """$KUBECONFIG when it is asked for, not when the program was loaded."""
    path = kubeconfig(tmp_path / "config", address)
    monkeypatch.setenv("KUBECONFIG", str(path))
    access = await Access.load()
    assert (access.endpoint.server, access.origin) == (address, str(path))


async def test_no_configuration_at_all_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a file nor a pod."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigurationError, match="Set KUBECONFIG"):
        await Access.load()


async def test_insecure_cluster_is_taken_as_told(tmp_path: Path) -> None:
    """The kubeconfig says so; nothing else does."""
    path = kubeconfig(tmp_path / "config", "https://127.0.0.1:1")
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    path.write_text(yaml.safe_dump(content))
    context = (await Access.load(str(path))).endpoint.ssl_context()
    assert context.verify_mode is ssl.CERT_NONE


# Objects


def test_unreadable_object_says_where() -> None:
    """Kind, namespace, name and the field."""
    raw = {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": {"steps": "all"}}
    with pytest.raises(UnreadableObject, match=r"Rollout shop/checkout can not be read: spec\."):
        read(Kind.ROLLOUT, raw)


def test_last_manager_is_somebody_else() -> None:
    """Of the newest second; nobody where that was the operator alone."""
    fields = [
        {"manager": "kubectl-edit", "time": "2026-11-23T12:00:00Z"},
        {"manager": "meddler", "time": "2026-11-23T12:00:05Z"},
        {"manager": "surefoot", "time": "2026-11-23T12:00:05Z"},
    ]
    assert last_manager(fields) == "meddler"
    assert last_manager([*fields, {"manager": "surefoot", "time": "2026-11-23T12:00:09Z"}]) == ""
    assert last_manager([]) == ""


async def test_config_map_keeps_what_others_put_into_its_metadata(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Labels, annotations and owners of other people; its version goes along."""
    answers.will_say(
        200,
        a_config_map(
            labels={"team": "shop"},
            annotations={"note": "hands off"},
            ownerReferences=[{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "p"}],
        )
        | {"binaryData": {"x": base64.b64encode(b"x").decode()}},
    )
    held = await cluster.config_map(FLAGS)
    assert held is not None
    rollout = a_rollout(
        target={"configMapName": FLAGS.name, "flags": ["memory-sync"], "onDelete": "Delete"}
    )
    start = Committed(transition_id="t", type=TransitionType.START, recorded_at=START)
    status = rollout.status.model_copy(update={"percent": 25, "step": 1, "committed": start})
    rollout = rollout.model_copy(update={"status": status})
    answers.will_say(200, a_config_map())
    await cluster.render_config_map(held, rendering_of(rollout, start), rollout)
    verb, path, body, _ = answers.asked[-1]
    assert (verb, path.partition("?")[0]) == (
        "PUT",
        "/api/v1/namespaces/agents/configmaps/memory-sync-flags",
    )
    assert body["metadata"]["resourceVersion"] == "7"
    assert body["metadata"]["labels"]["team"] == "shop"
    assert body["metadata"]["annotations"]["note"] == "hands off"
    assert [owner["uid"] for owner in body["metadata"]["ownerReferences"]] == [
        "p",
        "uid-memory-sync",
    ]
    assert body["data"]["memory-sync"] == "25"
    assert "binaryData" not in body


async def test_config_map_that_went_meanwhile_is_a_conflict(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """It was there when it was read: read again."""
    answers.will_say(200, a_config_map())
    held = await cluster.config_map(FLAGS)
    assert held is not None
    answers.will_say(404)
    with pytest.raises(Conflict):
        await cluster.mark_config_map(held, Marks({}, {}))
    answers.will_say(404)
    with pytest.raises(Conflict):
        await cluster.delete_config_map(held)
    assert answers.asked[-1][2]["preconditions"] == {"uid": "cm", "resourceVersion": "7"}


async def test_status_goes_with_uid_and_version_and_without_the_spec(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """The API server keeps spec and metadata of what it has."""
    rollout = a_rollout()
    answers.will_say(200, rollout.to_wire())
    await cluster.write_rollout_status(rollout, rollout.status)
    verb, path, body, _ = answers.asked[0]
    assert verb == "PUT"
    assert path.startswith(
        "/apis/surefoot.dev/v1alpha1/namespaces/agents/rollouts/memory-sync/status"
    )
    assert "fieldManager=surefoot" in path
    assert body["metadata"] == {
        "name": "memory-sync",
        "namespace": "agents",
        "uid": "uid-memory-sync",
        "resourceVersion": "1",
    }
    assert "spec" not in body


async def test_what_is_not_there_is_none(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Absence is an answer, not an error."""
    for _ in range(3):
        answers.will_say(404)
    assert await cluster.rollout(KEY) is None
    assert await cluster.config_map(FLAGS) is None
    assert await cluster.namespace_is_terminating("agents")


async def test_requests_of_a_rollout_are_listed_by_its_name(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """On the server, by a selectable field."""
    answers.will_say(200, {"items": []})
    assert await cluster.approvals(KEY) == ()
    assert "fieldSelector=spec.request.rollout.name%3Dmemory-sync" in answers.asked[0][1]


async def test_halt_says_who_wrote_it(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """As they wrote themselves; who wrote nothing is nobody."""
    for data in ({"by": "cora"}, {}):
        found = {"metadata": {"name": "surefoot-halt", "namespace": "agents"}, "data": data}
        answers.will_say(200, found)
        answers.will_say(404)
        halt = await cluster.halt("agents")
        assert halt is not None
        assert halt.by == data.get("by", "")


@pytest.mark.parametrize(
    ("data", "halted"),
    [
        ({"reason": "incident"}, True),
        ({}, True),
        ({"until": "2100-01-01T00:00:00Z"}, True),
        ({"until": "2001-01-01T00:00:00Z"}, False),
        ({"until": "tomorrow"}, True),
        ({"until": "2001-01-01T00:00:00"}, True),
    ],
)
async def test_halt_holds_until_its_time_is_over(
    cluster: KubernetesCluster, answers: MeasurementSource, data: dict[str, str], halted: bool
) -> None:
    """An end that can not be read is no end."""
    found = {"metadata": {"name": "surefoot-halt", "namespace": "agents"}, "data": data}
    answers.will_say(200, found)
    answers.will_say(404)
    assert (await cluster.halt("agents") is not None) is halted


@pytest.mark.parametrize(
    ("crd", "stays"),
    [
        (
            (
                200,
                {
                    "metadata": {},
                    "status": {"conditions": [{"type": "Established", "status": "True"}]},
                },
            ),
            True,
        ),
        (
            (
                200,
                {
                    "metadata": {"deletionTimestamp": "x"},
                    "status": {"conditions": [{"type": "Established", "status": "True"}]},
                },
            ),
            False,
        ),
        ((404, {}), False),
        ((403, {}), True),
    ],
)
async def test_kinds_that_are_about_to_go_are_not_established(
    cluster: KubernetesCluster, answers: MeasurementSource, crd: tuple[int, Any], stays: bool
) -> None:
    """While a CRD is deleted it is still served; where we may not look, discovery decides."""
    names = ("rollouts", "rollouts/status", "checkpoints", "approvals")
    answers.will_say(200, {"resources": [{"name": name} for name in names]})
    for _ in range(3):
        answers.will_say(*crd)
    assert await cluster.kinds_are_established(*Kind) is stays


async def test_event_is_about_the_object(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """events.k8s.io/v1, short enough for the API server."""
    subject = Subject(Kind.ROLLOUT, KEY, "uid-memory-sync")
    await cluster.post_event(subject, Announcement("Rollback", "x" * 5000, warning=True))
    _, path, body, _ = answers.asked[0]
    assert path.startswith("/apis/events.k8s.io/v1/namespaces/agents/events")
    assert (body["type"], body["reason"], body["regarding"]["uid"]) == (
        "Warning",
        "Rollback",
        "uid-memory-sync",
    )
    assert len(body["note"]) == 1024


async def test_metadata_lists_select_what_is_managed(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """Whole objects are not read for a sweep; an empty list may be null."""
    answers.will_say(200, {"items": None})
    assert await cluster.heads(Kind.CONFIG_MAP) == ()
    answers.will_say(200, {"items": [a_config_map()]})
    assert await cluster.heads(Kind.CONFIG_MAP) == (ObjectHead(FLAGS, "cm", "7"),)
    _, path, _, headers = answers.asked[0]
    assert "labelSelector=surefoot.dev/managed%3Dtrue" in path
    assert "PartialObjectMetadataList" in headers["Accept"]


async def test_creating_names_the_owner_only_where_it_shall_own(
    cluster: KubernetesCluster, answers: MeasurementSource
) -> None:
    """An ownerReference means deletion with the Rollout."""
    for owned in (True, False):
        answers.will_say(201, a_config_map())
        rendering = Rendering(data={}, labels={}, annotations={}, owned=owned)
        await cluster.create_config_map(FLAGS, rendering, a_rollout())
        owners = answers.asked[-1][2]["metadata"]["ownerReferences"]
        assert [owner["blockOwnerDeletion"] for owner in owners] == ([False] if owned else [])
