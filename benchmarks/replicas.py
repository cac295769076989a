"""What do replicas bring: how long does nobody act when one dies, and are two faster than one?

    python benchmarks/replicas.py [--objects 200] [--rounds 3] [--losses 3] [--only speed]

Rollouts in many namespaces, each of which waits for a signature. "speed": all are signed at once,
with one replica and with two that share four shards, in turns; measured is when the last flag has
moved, and the CPU of all replicas. "losses": of two replicas one is killed, or stopped, and one
Rollout in each namespace is signed; measured is when the last of them has moved, once with one
leader and once with shards.
"""

import argparse
import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from plans import a_signed_rollout
from start import cpu_of, running, serve_crds
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.testbed.bed import TestBed

API = "/apis/surefoot.dev/v1alpha1"
NAMESPACES = [f"bench-{number}" for number in range(20)]
console = Console()
Flag = tuple[str, str]


@contextmanager
def replicas(
    count: int, shards: int, bed: TestBed, home: Path
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """So many replicas with the usual times, once they have shared the shards."""
    program = str(Path(sys.executable).with_name("surefoot"))
    with ExitStack() as stack:
        processes, logs = [], []
        for number in range(count):
            folder = home / f"replica-{number}"
            folder.mkdir(exist_ok=True)
            settings: dict[str, Any] = {"operatorNamespace": "surefoot-system", "shards": shards}
            if count > 1:
                settings["leaderElection"] = {"enabled": True}
            processes.append(stack.enter_context(running(program, bed, folder, **settings)))
            logs.append(folder / "operator.log")
        wait_until_they_act(logs, shards)
        yield processes
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line[:1] == "{"]


def has(log: Path) -> int:
    """How many shards a replica said last that it has; 1 of a leader, or of one that is alone."""
    told = [len(line["has"]) for line in lines(log) if "has" in line]
    said = {line["event"] for line in lines(log)}
    waits = "waiting; another replica leads" in said and "leading" not in said
    return told[-1] if told else int("caches synced" in said and not waits)


def took_over(log: Path) -> float:
    """When a replica said last that it acts for others."""
    told = [line for line in lines(log) if line["event"] in {"leading", "took shards"}]
    return datetime.fromisoformat(told[-1]["timestamp"]).timestamp()


def wait_until_they_act(logs: list[Path], shards: int) -> None:
    began = time.monotonic()
    while not (
        all("caches synced" in log.read_text() for log in logs)
        and sum(map(has, logs)) == shards
        and min(map(has, logs)) == shards // len(logs)
    ):
        if time.monotonic() - began > 120:
            raise TimeoutError("the replicas do not act")
        time.sleep(0.2)
    time.sleep(3)


async def flags(http: Http) -> dict[Flag, int]:
    query = {"labelSelector": "surefoot.dev/managed=true"}
    found = await http.get("list", "/api/v1/configmaps", query)
    return {
        (each["metadata"]["namespace"], each["metadata"]["name"].removesuffix("-flags")): int(
            each["data"]["flag"]
        )
        for each in found["items"]
    }


async def signable(http: Http, at: dict[Flag, int]) -> None:
    """Wait until every Rollout waits for a signature of its next step."""
    wanted = {(where, f"{name}-{percent + 1}-ops") for (where, name), percent in at.items()}
    async with asyncio.timeout(300):
        while True:
            found = (await http.get("list", f"{API}/approvals"))["items"]
            names = ((each["metadata"]["namespace"], each["metadata"]["name"]) for each in found)
            if wanted <= set(names):
                return
            await asyncio.sleep(1)


async def sign(http: Http, flag: Flag, percent: int) -> None:
    decided = {"decision": "GO", "reason": "measured", "decidedBy": {"username": "admin"}}
    path = f"{API}/namespaces/{flag[0]}/approvals/{flag[1]}-{percent}-ops"
    await http.merge("sign", path, {"spec": decided}, manager="bench")


async def seconds_until_moved(http: Http, at: dict[Flag, int], some: list[Flag]) -> float:
    """Sign these for their next step; seconds until the last of them has moved."""
    began = time.monotonic()
    await asyncio.gather(*(sign(http, flag, at[flag] + 1) for flag in some))
    async with asyncio.timeout(120):
        while True:
            now = await flags(http)
            if all(now[flag] > at[flag] for flag in some):
                break
            await asyncio.sleep(0.2)
    for flag in some:
        at[flag] += 1
    return time.monotonic() - began


async def speed(bed: TestBed, http: Http, at: dict[Flag, int], rounds: int) -> None:
    found: dict[str, list[tuple[float, float]]] = {"one replica": [], "two, 4 shards": []}
    for _ in range(rounds):
        for (title, results), count in zip(found.items(), (1, 2), strict=True):
            with (
                tempfile.TemporaryDirectory() as home,
                replicas(count, 1 if count == 1 else 4, bed, Path(home)) as processes,
            ):
                await signable(http, at)
                await asyncio.sleep(8)  # let their own writes come to rest
                before = sum(map(cpu_of, processes))
                took = await seconds_until_moved(http, at, list(at))
                results.append((took, sum(map(cpu_of, processes)) - before))
                console.print(title, [round(each, 2) for each in results[-1]])
    table = Table(
        f"{len(at)} gos at once", "last flag moved, s", "CPU of all replicas until then, s"
    )
    for title, results in found.items():
        table.add_row(title, *(f"{median(column):.1f}" for column in zip(*results, strict=True)))
    console.print(table)


async def losses(bed: TestBed, http: Http, at: dict[Flag, int], chosen: argparse.Namespace) -> None:
    some = list({namespace: (namespace, name) for namespace, name in at}.values())
    table = Table("what is lost", "seconds until the other acts / the last namespace has moved")
    for shards in chosen.shards:
        for kind in (signal.SIGKILL, signal.SIGSTOP):
            gaps = []
            for _ in range(chosen.losses):
                with (
                    tempfile.TemporaryDirectory() as home,
                    replicas(2, shards, bed, Path(home)) as processes,
                ):
                    logs = [Path(home) / f"replica-{number}/operator.log" for number in (0, 1)]
                    await signable(http, {flag: at[flag] for flag in some})
                    lost = max((0, 1), key=lambda number: has(logs[number]))
                    at_that = time.time()  # noqa: TID251 - it is compared with a log of this machine
                    kept = f"{chosen.log}-{shards}-{kind.name}"
                    processes[lost].send_signal(kind)
                    try:
                        moved = await seconds_until_moved(http, at, some)
                    finally:
                        for number in (0, 1):
                            who = "lost" if number == lost else "left"
                            shutil.copy(logs[number], f"{kept}-{who}.log")
                    acts = took_over(logs[1 - lost]) - at_that
                    gaps.append(f"{acts:.1f} / {moved:.1f}")
                    console.print(shards, kind.name, gaps[-1])
            title = "one leader of two" if shards == 1 else "one of two that share 4 shards"
            row = (f"{title}, {kind.name}", ", ".join(gaps))
            console.print(*row)
            table.add_row(*row)
    console.print(table)


async def measure(bed: TestBed, chosen: argparse.Namespace) -> None:
    http = Http(await Access.load(str(bed.kubeconfig())))
    at: dict[Flag, int] = {}
    for number in range(chosen.objects):
        namespace, name = NAMESPACES[number % len(NAMESPACES)], f"r{number:05}"
        body = a_signed_rollout(name, namespace)
        await http.write("create", "POST", f"{API}/namespaces/{namespace}/rollouts", body)
        at[namespace, name] = 1
    with tempfile.TemporaryDirectory() as home, replicas(1, 1, bed, Path(home)):
        await signable(http, at)
    if chosen.only != "losses":
        await speed(bed, http, at, chosen.rounds)
    if chosen.only != "speed":
        await losses(bed, http, at, chosen)
    await http.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--objects", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--losses", type=int, default=3)
    options.add_argument("--shards", type=int, nargs="*", default=[1, 4])
    options.add_argument("--only", choices=["speed", "losses"])
    options.add_argument("--log", type=Path, default=Path(tempfile.gettempdir()) / "loss")
    chosen = options.parse_args()
    with TestBed.start(prometheus=False) as bed:
        serve_crds(bed)
        for namespace in ("surefoot-system", *NAMESPACES):
            bed.kubectl("create", "namespace", namespace)
        asyncio.run(measure(bed, chosen))


if __name__ == "__main__":
    main()
