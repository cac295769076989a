"""What does it cost to have so many Rollouts, while nothing happens to them?

    python benchmarks/rest.py [--objects 100,1000] [--rest 30] [--bed DIRECTORY] [SUREFOOT ...]

A control plane gets one Rollout that waits for a signature, as an operator left it, and then copies
of it: Rollout, ConfigMap and Approval with their statuses, spread over the namespaces. Every
program given (else this one) is started on it in turns. Measured: CPU until the caches are synced
and until everything was looked at, memory at rest and at its peak, CPU and requests at rest. With
a bed of `surefoot testbed up --dir DIRECTORY`, the next run finds what this one has made.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plans import NAMESPACE, a_signed_rollout
from start import cpu_of, memory_of, running, serve_crds, signable
from summary import note
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.errors import Conflict, Unavailable
from surefoot.testbed.bed import TestBed

JSON = dict[str, Any]
Figures = dict[tuple[int, str], dict[str, float]]
SUREFOOT = "/apis/surefoot.dev/v1alpha1"
MODEL = "r00000"
AT_ONCE = 8
NAMESPACES = 10
TRIES = 8
GOALS = {"memory at rest MiB": "120 with 1,000", "CPU at rest %": "0.1"}
QUIET = 0.3
"""Seconds of CPU in five seconds."""
OURS = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation", "selfLink")
console = Console()


class Copies:
    """Writes copies of one Rollout and what belongs to it, as the operator left them."""

    def __init__(self, http: Http, namespaces: list[str]) -> None:
        self._http = http
        self._namespaces = namespaces
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.count = 1

    async def read_the_model(self) -> None:
        api = f"{SUREFOOT}/namespaces/{NAMESPACE}"
        self._rollout = await self._http.get("read", f"{api}/rollouts/{MODEL}")
        everything = (await self._http.get("list", f"{api}/approvals"))["items"]
        self._approvals = [
            each for each in everything if each["spec"]["request"]["rollout"]["name"] == MODEL
        ]
        found = self._http.pages("list", f"{SUREFOOT}/rollouts", metadata_only=True)
        self.count = sum([len(page["items"]) async for page in found])
        path = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{MODEL}-flags"
        self._flag = await self._http.get("read", path)

    def sizes(self) -> list[int]:
        parts = [self._rollout, self._flag, *self._approvals]
        return [len(json.dumps(part, separators=(",", ":"))) for part in parts]

    async def up_to(self, count: int) -> None:
        await asyncio.gather(*(self._copy(number) for number in range(self.count, count)))
        self.count = max(count, self.count)

    async def _copy(self, number: int) -> None:
        async with self._slots:
            name, namespace = f"r{number:05}", self._namespaces[number % len(self._namespaces)]
            api, core = f"{SUREFOOT}/namespaces/{namespace}", f"/api/v1/namespaces/{namespace}"
            places = [(f"{api}/rollouts", self._rollout), (f"{core}/configmaps", self._flag)]
            places += [(f"{api}/approvals", approval) for approval in self._approvals]
            texts = {MODEL: name, f'"namespace": "{NAMESPACE}"': f'"namespace": "{namespace}"'}
            made = []
            for path, model in places:
                body = _renamed(model, texts)
                body["metadata"] = {
                    part: value for part, value in body["metadata"].items() if part not in OURS
                }
                made.append(await self._try("POST", path, body))
                texts[model["metadata"]["uid"]] = made[-1]["metadata"]["uid"]
            for (path, model), copied in zip(places, made, strict=True):
                if "status" in model:
                    body = {**copied, "status": _renamed(model, texts)["status"]}
                    await self._try("PUT", f"{path}/{copied['metadata']['name']}/status", body)

    async def _try(self, verb: str, path: str, body: JSON) -> JSON:
        """Write, again where a busy API server does not answer in time."""
        for number in range(TRIES):
            try:
                return await self._http.write(f"{verb} {path}", verb, path, body)
            except Unavailable:
                await asyncio.sleep(1)
            except Conflict:
                if not number:
                    raise
                place = f"{path}/{body['metadata']['name']}" if verb == "POST" else path
                return await self._http.get("read", place.removesuffix("/status"))
        raise SystemExit("the API server is too busy")


def _renamed(model: JSON, texts: dict[str, str]) -> JSON:
    text = json.dumps(model)
    for before, after in texts.items():
        text = text.replace(before, after)
    found: JSON = json.loads(text)
    return found


def requests_of(bed: TestBed, since: int) -> tuple[int, int]:
    """How many requests the operator has sent since, and where the audit log ends now."""
    with bed.audit_log.open("rb") as log:
        log.seek(since)
        found = log.read()
    return found.count(b'"userAgent":"surefoot"'), since + len(found)


def said(home: Path, event: str) -> bool:
    return event in (home / "operator.log").read_text(errors="replace")


def peak_of(process: Any) -> float:
    lines: list[str] = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


async def settled(process: Any) -> float:
    """Wait until it is quiet for ten seconds; the CPU that it has used until then."""
    quiet, before = 0, cpu_of(process)
    for _ in range(40):
        await asyncio.sleep(5)
        now = cpu_of(process)
        quiet = quiet + 1 if now - before < QUIET else 0
        if quiet == 2:
            break
        before = now
    return now


async def measure_one(bed: TestBed, program: str, home: Path, rest: float) -> dict[str, float]:
    with running(program, bed, home) as process:
        for _ in range(1200):
            if said(home, "caches synced"):
                break
            await asyncio.sleep(0.1)
        synced = cpu_of(process)
        start = await settled(process)
        _, place = requests_of(bed, 0)
        began = cpu_of(process)
        await asyncio.sleep(rest)
        used, (sent, _) = cpu_of(process) - began, requests_of(bed, place)
        return {
            "CPU until synced s": synced,
            "CPU until all was looked at s": start,
            "memory at rest MiB": memory_of(process),
            "memory at most MiB": peak_of(process),
            "CPU at rest %": 100 * used / rest,
            "requests at rest /s": sent / rest,
        }


async def measure(bed: TestBed, chosen: argparse.Namespace) -> Figures:
    http = Http(await Access.load(str(bed.kubeconfig())))
    found: Figures = {}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        places = [NAMESPACE, *(f"bench-{number}" for number in range(1, NAMESPACES))]
        for place in places:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}}
            with contextlib.suppress(Conflict):
                await http.write("create", "POST", "/api/v1/namespaces", body)
        with running(chosen.programs[0], bed, home):
            path = f"{SUREFOOT}/namespaces/{NAMESPACE}/rollouts"
            with contextlib.suppress(Conflict):
                await http.write("create", "POST", path, a_signed_rollout(MODEL))
            await signable(http, {MODEL: 1})
            await asyncio.sleep(5)
        copies = Copies(http, places)
        await copies.read_the_model()
        console.print("bytes of each:", *copies.sizes())
        for count in map(int, chosen.objects.split(",")):
            began = time.monotonic()
            await copies.up_to(count)
            console.print(f"{count} are there after {time.monotonic() - began:.0f} s")
            for program in chosen.programs:
                found[count, program] = await measure_one(bed, program, home, chosen.rest)
                console.print(count, program, json.dumps(found[count, program]))
                if chosen.log is not None:
                    shutil.copy(home / "operator.log", chosen.log)
    await http.close()
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("programs", nargs="*")
    options.add_argument("--objects", default="100,1000")
    options.add_argument("--rest", type=float, default=30)
    options.add_argument("--bed", help="the directory of a test bed that stays")
    options.add_argument("--log", help="a file for the last log of an operator")
    chosen = options.parse_args()
    chosen.programs = chosen.programs or [str(Path(sys.executable).with_name("surefoot"))]
    with contextlib.ExitStack() as stack:
        if chosen.bed is None:
            bed = stack.enter_context(TestBed.start(prometheus=False))
        else:
            bed = TestBed.attach(Path(chosen.bed))
        serve_crds(bed)
        found = asyncio.run(measure(bed, chosen))
    table = Table("Rollouts", "program", *next(iter(found.values())))
    for (count, program), figures in found.items():
        table.add_row(str(count), program, *(f"{figure:.2f}" for figure in figures.values()))
        if program == chosen.programs[0]:
            for what, figure in figures.items():
                note(what, f"{count} Rollouts with a history", f"{figure:.2f}", GOALS.get(what, ""))
    console.print(table)


if __name__ == "__main__":
    main()
