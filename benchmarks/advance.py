"""How fast the operator acts, as ratios measured in one run on one real control plane.

    python benchmarks/advance.py [--rounds 40]

1. Approval patched → ConfigMap changed, against three bare sequential writes by the same client to
   the same API server, taken in turns: a status, a ConfigMap, a status, each as large as the
   operator's own.
2. Breach visible in Prometheus → ConfigMap back, against one evaluation interval plus a second.

Nothing here fails on a number: it measures, people judge.
"""

import argparse
import asyncio
import contextlib
import http.server
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from plans import NAMESPACE, a_rollout, percents
from start import serve_crds
from summary import note
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http, authorized_session
from surefoot.testbed.bed import TestBed

APART = "bench-reference"
HALVES = percents(50, 100)
INTERVAL = 1.0
console = Console()


def main() -> None:
    """Start everything, measure, print a table, stop everything."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--rounds", type=int, default=40)
    rounds = options.parse_args().rounds
    with TestBed.start(prometheus=True) as bed, tempfile.TemporaryDirectory() as directory:
        serve_crds(bed)
        for namespace in (NAMESPACE, APART):
            bed.kubectl("create", "namespace", namespace)
        with Switch() as switch:
            bed.prometheus.set_targets({"service": [f"127.0.0.1:{switch.port}"]})
            operator = start_operator(bed, Path(directory))
            try:
                asyncio.run(measure(bed, switch, rounds))
            except BaseException:
                console.print((Path(directory) / "operator.log").read_text()[-3000:])
                raise
            finally:
                operator.send_signal(signal.SIGTERM)
                operator.wait(15)


def start_operator(bed: TestBed, directory: Path) -> "subprocess.Popen[bytes]":
    """Run the real operator as its own process."""
    config = directory / "config.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "evaluationInterval": f"{INTERVAL:g}s",
                "admission": "Unenforced",
                "listen": "127.0.0.1:0",
                "providers": [{"name": "default", "address": bed.prometheus.url}],
            }
        )
    )
    log = (directory / "operator.log").open("wb")
    return subprocess.Popen(
        [
            str(Path(sys.executable).with_name("surefoot")),
            "run",
            "--config",
            str(config),
            "-n",
            NAMESPACE,
        ],
        env={**os.environ, "KUBECONFIG": str(bed.kubeconfig())},
        stdout=log,
        stderr=log,
    )


class Switch:
    """A service whose only metric is an error rate that can be set."""

    def __init__(self) -> None:
        self.error_rate = 0.0
        switch = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(f"error_rate {switch.error_rate}\n".encode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    def __enter__(self) -> "Switch":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Cluster:
    """The few requests that the benchmark makes, through the operator's own client."""

    def __init__(self, http: Http, access: Access) -> None:
        self._http = http
        self._access = access

    async def create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._http.write("create", "POST", path, body)

    async def put(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._http.write("put", "PUT", path, body)

    async def get(self, path: str) -> dict[str, Any]:
        return await self._http.get("get", path)

    @contextlib.asynccontextmanager
    async def watching(
        self, namespace: str, name: str, holds: Callable[[dict[str, Any]], bool]
    ) -> AsyncIterator["asyncio.Task[None]"]:
        """Watch a ConfigMap from now on; the task ends when it is so."""
        async with authorized_session(self._access) as session:
            answer = await session.get(
                self._access.endpoint.server + config_maps(namespace),
                params={"watch": "1", "fieldSelector": f"metadata.name={name}"},
            )

            async def until() -> None:
                async for line in answer.content:
                    if holds(json.loads(line)["object"]):
                        return

            yield asyncio.create_task(until())

    async def until(self, path: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask until it is so, at most a minute."""
        async with asyncio.timeout(60):
            while True:
                try:
                    found = await self.get(path)
                    if holds(found):
                        return found
                except Exception as error:
                    if getattr(error, "status", None) != 404:
                        raise
                await asyncio.sleep(0.02)


def rollouts(namespace: str, name: str = "", sub: str = "") -> str:
    path = f"/apis/surefoot.dev/v1alpha1/namespaces/{namespace}/rollouts"
    return "/".join(part for part in (path, name, sub) if part)


def config_maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def approvals(name: str) -> str:
    return f"/apis/surefoot.dev/v1alpha1/namespaces/{NAMESPACE}/approvals/{name}"


async def timed(action: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began


async def measure(bed: TestBed, switch: Switch, rounds: int) -> None:
    """Take both measurements and print them."""
    access = await Access.load(str(bed.kubeconfig()))
    client = Http(access)
    try:
        cluster = Cluster(client, access)
        bare, approved = await approval_to_config_map(cluster, rounds)
        breaches = await breach_to_config_map(cluster, bed, switch, max(3, rounds // 8))
    finally:
        await client.close()
    table = Table("what", "n", "p50 ms", "p95 ms", "ratio at p50")
    reference = statistics.median(bare)
    ratio = statistics.median(approved) / reference
    table.add_row("three bare sequential writes", *described(bare), "1")
    table.add_row("approval patched → ConfigMap changed", *described(approved), f"{ratio:.2f}")
    allowed = INTERVAL + 1
    ratio = statistics.median(breaches) / allowed
    table.add_row("one interval plus a second", "", f"{allowed * 1000:.0f}", "", "1")
    table.add_row("breach visible → ConfigMap back", *described(breaches), f"{ratio:.2f}")
    for work, seconds, goal in (
        ("three bare writes", bare, ""),
        ("a person's go → ConfigMap changed", approved, "30 / 100"),
        ("breach visible → ConfigMap back", breaches, "200 beyond the interval"),
    ):
        _, middle, most = described(seconds)
        note(f"{work}, p50 / p95 ms", f"{len(seconds)} rounds", f"{middle} / {most}", goal)
    console.print(table)


def described(seconds: list[float]) -> tuple[str, str, str]:
    p95 = sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * 0.95))]
    return str(len(seconds)), f"{statistics.median(seconds) * 1000:.1f}", f"{p95 * 1000:.1f}"


async def approval_to_config_map(cluster: Cluster, rounds: int) -> tuple[list[float], list[float]]:
    """Both measurements in turns, so that both see the same machine."""
    bare, approved = [], []
    dummy = await cluster.create(rollouts(APART), a_rollout("reference", HALVES, APART))
    held = await cluster.create(
        config_maps(APART),
        {"metadata": {"name": "reference"}, "data": {"flag": "0", "flag.json": "x" * 120}},
    )
    policy = {"roles": [{"name": "lead", "users": ["cora"]}]}
    for number in range(rounds + 3):
        name = f"r{number}"
        await cluster.create(rollouts(NAMESPACE), a_rollout(name, HALVES, approvals=policy))
        await cluster.until(approvals(f"{name}-100-lead"), is_recorded)
        await cluster.until(rollouts(NAMESPACE, name), awaits_approval)
        await asyncio.sleep(0.05)  # let the operator's own writes come to rest
        approval = await cluster.get(approvals(f"{name}-100-lead"))

        real = await cluster.get(rollouts(NAMESPACE, name))

        async def three_writes(real: dict[str, Any] = real) -> None:
            nonlocal dummy, held
            dummy = await write_status(cluster, dummy, real)
            held = await cluster.put(config_maps(APART, "reference"), held)
            dummy = await write_status(cluster, dummy, real)

        async def approve(
            changed: "asyncio.Task[None]",
            approval: dict[str, Any] = approval,
            name: str = name,
        ) -> None:
            decided = {"decision": "GO", "reason": "measured", "decidedBy": {"username": "cora"}}
            approval["spec"] |= decided
            await cluster.put(approvals(f"{name}-100-lead"), approval)
            await changed

        bare.append(await timed(three_writes))
        async with cluster.watching(NAMESPACE, f"{name}-flags", stands_at("100")) as changed:
            approved.append(await timed(lambda: approve(changed)))
        console.print(f"[dim]round {number + 1} of {rounds + 3}", end="\r")
    return bare[3:], approved[3:]  # the first three warm connections and caches


def stands_at(percent: str) -> Callable[[dict[str, Any]], bool]:
    return lambda config_map: config_map.get("data", {}).get("flag") == percent


def is_recorded(approval: dict[str, Any]) -> bool:
    return "state" in approval.get("status", {})


def awaits_approval(rollout: dict[str, Any]) -> bool:
    return bool(rollout.get("status", {}).get("phase") == "AwaitingApproval")


async def write_status(
    cluster: Cluster, dummy: dict[str, Any], as_large_as: dict[str, Any]
) -> dict[str, Any]:
    number = dummy.get("status", {}).get("attempt", 0)
    dummy["status"] = as_large_as["status"] | {"attempt": number + 1}
    return await cluster.put(rollouts(APART, "reference", "status"), dummy)


async def breach_to_config_map(
    cluster: Cluster, bed: TestBed, switch: Switch, rounds: int
) -> list[float]:
    """From the first moment that a query shows the breach to the ConfigMap at the safe value."""
    delays = []
    for number in range(rounds):
        name = f"b{number}"
        switch.error_rate = 0.0
        await visible(bed, 0.0)
        await cluster.create(
            rollouts(NAMESPACE),
            a_rollout(
                name,
                HALVES,
                hold={"soak": "1h"},
                metrics=[{"name": "errors", "query": "max(error_rate)"}],
                triggers=[{"name": "errors", "above": "0.5", "for": "0s", "settle": "0s"}],
            ),
        )
        await cluster.until(rollouts(NAMESPACE, name), soaks)
        async with cluster.watching(NAMESPACE, f"{name}-flags", stands_at("0")) as changed:
            switch.error_rate = 1.0
            await visible(bed, 1.0)
            delays.append(await timed(lambda: changed))
        console.print(f"[dim]breach {number + 1} of {rounds}   ", end="\r")
    return delays


def soaks(rollout: dict[str, Any]) -> bool:
    triggers = rollout.get("status", {}).get("triggers", [])
    return bool(triggers) and all(trigger["state"] == "Quiet" for trigger in triggers)


async def visible(bed: TestBed, value: float) -> None:
    async with asyncio.timeout(30):
        while True:
            found = await asyncio.to_thread(bed.prometheus.query, "max(error_rate)")
            if found and found[0].value == value:
                return
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    main()
