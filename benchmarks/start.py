"""What does a start cost, and what does rest cost, with so many Rollouts?

    python benchmarks/start.py [--objects 200] [--rounds 3] [--rest 30] [SUREFOOT ...]

Every program given (else this one) is started in turns on one control plane with the same Rollouts,
each of which waits for a signature. While nothing ran, a few were signed: they are overdue.
Measured: seconds until the first and the last overdue step, CPU of the start, memory, CPU at rest.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from plans import NAMESPACE, a_signed_rollout
from summary import note
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.testbed.bed import TestBed

ROOT = Path(__file__).parent.parent
API = f"/apis/surefoot.dev/v1alpha1/namespaces/{NAMESPACE}"
OVERDUE = 5
GOALS = {
    "first overdue s": "1.2",
    "last overdue s": "1.4",
    "CPU of the whole start s": "1.5",
    "memory MiB": "120 with 1,000",
    "CPU at rest %": "0.1",
}
TICKS = os.sysconf("SC_CLK_TCK")
console = Console()


@contextmanager
def running(
    program: str, bed: TestBed, home: Path, kubeconfig: Path | None = None, **settings: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    config = home / "config.yaml"
    usual = {"evaluationInterval": "10s", "admission": "Unenforced", "listen": "127.0.0.1:0"}
    config.write_text(yaml.safe_dump(usual | settings))
    with (home / "operator.log").open("wb") as log:
        process = subprocess.Popen(
            [*program.split(), "run", "--config", str(config)],
            env={**os.environ, "KUBECONFIG": str(kubeconfig or bed.kubeconfig())},
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def serve_crds(bed: TestBed) -> None:
    """Apply them and wait until they are served. kubectl fails on one without any condition yet."""
    bed.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    wait = ("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    for _ in range(10):
        if bed.kubectl(*wait, check=False).returncode == 0:
            return
        time.sleep(0.2)
    bed.kubectl(*wait)


def cpu_of(process: "subprocess.Popen[bytes]") -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_of(process: "subprocess.Popen[bytes]") -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def flags(http: Http) -> dict[str, int]:
    found = await http.get("list", f"/api/v1/namespaces/{NAMESPACE}/configmaps")
    return {
        each["metadata"]["name"].removesuffix("-flags"): int(each["data"]["flag"])
        for each in found["items"]
        if "flag" in each.get("data", {})
    }


async def signable(http: Http, at: dict[str, int]) -> None:
    """Wait until every Rollout waits for a signature of its next step."""
    wanted = {f"{name}-{percent + 1}-ops" for name, percent in at.items()}
    async with asyncio.timeout(600):
        while True:
            found = await http.get("list", f"{API}/approvals")
            if wanted <= {each["metadata"]["name"] for each in found["items"]}:
                return
            await asyncio.sleep(1)


async def sign(http: Http, name: str, percent: int) -> None:
    decided = {"decision": "GO", "reason": "measured", "decidedBy": {"username": "admin"}}
    path = f"{API}/approvals/{name}-{percent}-ops"
    await http.merge("sign", path, {"spec": decided}, manager="bench")


async def measure(
    bed: TestBed, programs: list[str], count: int, rounds: int, rest: float
) -> dict[str, list[dict[str, float]]]:
    http = Http(await Access.load(str(bed.kubeconfig())))
    names = [f"r{number:05}" for number in range(count)]
    found: dict[str, list[dict[str, float]]] = {program: [] for program in programs}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        with running(programs[0], bed, home):
            for name in names:
                await http.write("create", "POST", f"{API}/rollouts", a_signed_rollout(name))
            at = dict.fromkeys(names, 1)
            await signable(http, at)
            await asyncio.sleep(5)
        for number in range(rounds):
            for place, program in enumerate(programs):
                some = names[(number * len(programs) + place) * OVERDUE :][:OVERDUE]
                for name in some:
                    await sign(http, name, at[name] + 1)
                wanted = {name: at[name] + 1 for name in some}
                began, stepped = time.monotonic(), dict[str, float]()
                with running(program, bed, home) as process:
                    while len(stepped) < len(some):
                        now = await flags(http)
                        for name in some:
                            if now[name] >= wanted[name]:
                                stepped.setdefault(name, time.monotonic() - began)
                        await asyncio.sleep(0.05)
                    start_cpu = cpu_of(process)
                    await asyncio.sleep(10)
                    settled = cpu_of(process)
                    await asyncio.sleep(rest)
                    at |= wanted
                    found[program].append(
                        {
                            "first overdue s": min(stepped.values()),
                            "last overdue s": max(stepped.values()),
                            "CPU to then s": start_cpu,
                            "CPU of the whole start s": settled,
                            "memory MiB": memory_of(process),
                            "CPU at rest %": 100 * (cpu_of(process) - settled) / rest,
                        }
                    )
                    console.print(program, json.dumps(found[program][-1]))
    await http.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("programs", nargs="*")
    options.add_argument("--objects", type=int, default=200)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rest", type=float, default=30)
    chosen = options.parse_args()
    programs = chosen.programs or [str(Path(sys.executable).with_name("surefoot"))]
    with TestBed.start(prometheus=False) as bed:
        serve_crds(bed)
        bed.kubectl("create", "namespace", NAMESPACE)
        found = asyncio.run(measure(bed, programs, chosen.objects, chosen.rounds, chosen.rest))
    first = found[programs[0]]
    table = Table("what", *programs)
    for what in first[0]:
        values = [median(each[what] for each in found[program]) for program in programs]
        table.add_row(what, *(f"{value:.2f} ({value / values[0]:.2f})" for value in values))
        note(what, f"{chosen.objects} Rollouts", f"{values[0]:.2f}", GOALS.get(what, ""))
    console.print(table)


if __name__ == "__main__":
    main()
