"""What does it cost to hear of everything: the first lists, and then of every change?

    python benchmarks/watching.py [--rollouts 1000] [--source FILE]

A server in another process plays the API server, with four objects for each Rollout (itself, its
ConfigMap, a Checkpoint, an Approval), and then changes each Rollout once. Measured in a fresh
process each, with the operator's store and with every model kept: CPU until all is known and for
the changes, memory at most and afterwards; nothing is judged. FILE is another source of events with
a function `kopf_sources(kubeconfig)`, to be compared in the same run.
"""

import argparse
import asyncio
import gc
import importlib.util
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Collection
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web
from rich.console import Console
from rich.table import Table

from summary import note
from surefoot.adapters.clock import ServerClock
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.list_watch import list_watches
from surefoot.application.store import Store
from surefoot.process.memory import give_back

JSON = dict[str, Any]
PATHS = {
    "/apis/surefoot.dev/v1alpha1/rollouts": "Rollout",
    "/apis/surefoot.dev/v1alpha1/checkpoints": "Checkpoint",
    "/apis/surefoot.dev/v1alpha1/approvals": "Approval",
    "/api/v1/configmaps": "ConfigMap",
}
HISTORY = 20
STORE, MODELS = "list and watch, the store", "list and watch, all models"


def an_object(kind: str, number: int, version: int) -> JSON:
    name = f"r{number:05}"
    metadata = {
        "name": name,
        "namespace": "bench",
        "uid": f"{kind}-{number}",
        "resourceVersion": str(version),
        "generation": 1,
        "creationTimestamp": "2026-03-01T12:00:00Z",
    }
    whole: JSON = {"metadata": metadata}
    if kind == "ConfigMap":
        return whole | {"data": {"flag": "10"}}
    whole |= {"apiVersion": "surefoot.dev/v1alpha1", "kind": kind}
    if kind == "Rollout":
        digests = [sha256(f"{number}/{place}".encode()).hexdigest() for place in range(HISTORY)]
        entry = {
            "type": "Advance",
            "from": 5,
            "to": 10,
            "at": "2026-03-01T12:00:00Z",
            "by": ["surefoot"],
            "reason": "Advance",
            "evidence": {
                "generation": 1,
                "decidedAt": "2026-03-01T12:00:00Z",
                "conditions": [f"Condition{place}=AsItShouldBe" for place in range(12)],
                "admission": "Enforced",
            },
        }
        history = [
            entry | {"transitionId": digest[:20], "hash": digest, "message": f"{digest} " * 2}
            for digest in digests
        ]
        target = {"configMapName": f"{name}-flags", "flags": ["flag"]}
        spec = {"target": target, "steps": [{"percent": p} for p in (10, 20, 50, 100)]}
        status = {"observedGeneration": 1, "percent": 10, "history": history}
        return whole | {"spec": spec, "status": status}
    request = {"rollout": {"name": name, "uid": f"Rollout-{number}"}, "attempt": 0}
    request |= {"planHash": "", "from": 10, "to": 20}
    if kind == "Approval":
        return whole | {"spec": {"request": request | {"role": "ops", "users": ["alice"]}}}
    step = {"rollout": request["rollout"], "attempt": 0, "planHash": "", "percent": 10}
    step |= {"name": "c", "type": "Report", "reporter": {"users": ["bob"]}}
    return whole | {"spec": {"request": step}}


class Server:
    """As much of an API server as a source of events asks for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._changed = asyncio.Event()
        self._pages: dict[tuple[str, int], bytes] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/change":
            self._changed.set()
            return web.json_response({"kind": "Status"})
        kind = PATHS.get(request.path)
        if kind is None:
            return web.json_response(_discovery(request.path))
        if "watch" in request.query:
            return await self._watch(request, kind)
        limit = int(request.query.get("limit", 500))
        start = int(request.query.get("continue", 0))
        end = min(self._count, start + limit)
        items = [an_object(kind, number, 5) for number in range(start, end)]
        metadata = {"resourceVersion": "10", "continue": str(end) if end < self._count else ""}
        return web.json_response(
            {
                "kind": f"{kind}List",
                "apiVersion": "v1",
                "metadata": metadata,
                "items": items,
            }
        )

    async def _watch(self, request: web.Request, kind: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await self._changed.wait()
        for number in range(self._count if kind == "Rollout" else 0):
            event = {"type": "MODIFIED", "object": an_object(kind, number, 20 + number)}
            await response.write(json.dumps(event).encode() + b"\n")
        await asyncio.Event().wait()
        return response


def _discovery(path: str) -> JSON:
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        version = {"groupVersion": "surefoot.dev/v1alpha1", "version": "v1alpha1"}
        group = {"name": "surefoot.dev", "versions": [version], "preferredVersion": version}
        version = {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"}
        crds = {"name": "apiextensions.k8s.io", "versions": [version], "preferredVersion": version}
        return {"kind": "APIGroupList", "groups": [group, crds]}
    kinds = [(where.rsplit("/", 1)[1], kind) for where, kind in PATHS.items() if path in where]
    cluster_wide = {
        "/api/v1": ("namespaces", "Namespace"),
        "/apis/apiextensions.k8s.io/v1": ("customresourcedefinitions", "CustomResourceDefinition"),
    }
    kinds += [cluster_wide[path]] if path in cluster_wide else []
    verbs = ["get", "list", "watch", "patch", "update", "create", "delete"]
    named = [
        {
            "name": plural,
            "singularName": "",
            "kind": kind,
            "namespaced": kind in PATHS.values(),
            "verbs": verbs,
        }
        for plural, kind in kinds
    ]
    return {"kind": "APIResourceList", "groupVersion": "v1", "resources": named}


def serve(pipe: Any, count: int) -> None:
    async def run() -> None:
        app = web.Application()
        app.router.add_get("/{rest:.*}", Server(count).handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


class Sink:
    """Hands on what it is told, to the operator's store or to nobody, and counts it."""

    def __init__(self, wanted: int, store: Store | None) -> None:
        self.known: set[Any] = set()
        self.changes = 0
        self.all, self.changed = asyncio.Event(), asyncio.Event()
        self._wanted = wanted
        self._store = store
        self._models: dict[Any, Any] = {}

    def observe(self, kind: Any, head: Any, read: Callable[[], Any], parcel: Any = None) -> None:
        key = (kind, head.key)
        self.changes += key in self.known
        self.known.add(key)
        if self._store is None:
            self._models[key] = read()
        else:
            self._store.observe(kind, head, read, parcel)
        if len(self.known) == 4 * self._wanted:
            self.all.set()
        if self.changes >= self._wanted:
            self.changed.set()

    def remove(self, *_: Any) -> None:
        raise AssertionError

    def listed(self, kind: Any, namespace: Any, heads: Collection[Any], version: str) -> None:
        pass

    def lost_sight(self, kind: Any, namespace: Any) -> None:
        pass


def memory(what: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def listen(pipe: Any, port: int, count: int, home: str, keeps: str) -> None:
    path = Path(home) / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )

    async def run() -> tuple[float, ...]:
        http = Http(await Access.load(str(path)))
        if keeps in {STORE, MODELS}:
            sources: Any = list_watches(http, ServerClock())
        else:
            spec = importlib.util.spec_from_file_location("another", keeps)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            sources = module.kopf_sources(str(path))
        sink = Sink(count, Store() if keeps == STORE else None)
        before = memory("VmRSS")
        began = time.process_time()
        running = [asyncio.create_task(source.run(sink)) for source in sources]
        await sink.all.wait()
        known = time.process_time()
        gc.collect()
        give_back()
        most, grown = memory("VmHWM") - before, memory("VmRSS") - before
        await asyncio.sleep(3)
        rested = time.process_time()
        await http.get("change", "/change")
        await sink.changed.wait()
        changed = time.process_time()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await http.close()
        return known - began, rested - known, changed - rested, most, grown

    pipe.send(asyncio.run(run()))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rollouts", type=int, default=1000)
    options.add_argument("--source")
    chosen = options.parse_args()
    count = chosen.rollouts
    context = multiprocessing.get_context("spawn")
    heads = ("CPU s, lists", "CPU s, 3 s after", f"CPU s, {count} changes")
    table = Table("source", *heads, "MiB at most", "MiB afterwards")
    for keeps in (STORE, MODELS, chosen.source) if chosen.source else (STORE, MODELS):
        ours, theirs = context.Pipe()
        server = context.Process(target=serve, args=(theirs, count), daemon=True)
        server.start()
        port = ours.recv()
        with tempfile.TemporaryDirectory() as home:
            listener = context.Process(target=listen, args=(theirs, port, count, home, keeps))
            listener.start()
            figures = ours.recv()
            listener.join()
        server.kill()
        table.add_row(keeps, *(f"{figure:.2f}" for figure in figures))
        note(f"CPU s until all are known: {keeps}", f"{count} Rollouts", f"{figures[0]:.2f}")
        note(f"MiB that they take: {keeps}", f"{count} Rollouts", f"{figures[4]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
