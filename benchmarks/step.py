"""What does one step cost, in requests to the API server and in CPU of the operator?

    python benchmarks/step.py [--rollouts 20] [--steps 10] [--trace] [SUREFOOT ...]

The policies are in force, and each step waits for one signature. Every program given (else this
one) takes the same steps in turns on one control plane. Requests are counted in the audit log of
the API server, by who made them. CPU is what is used beyond what is used at rest.
``--trace`` prints the requests of one step, with when each was received and answered.
"""

import argparse
import asyncio
import collections
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from plans import NAMESPACE, SIGNED, a_rollout, percents
from start import ROOT, cpu_of, flags, running, serve_crds, sign
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.testbed.bed import TestBed

API = f"/apis/surefoot.dev/v1alpha1/namespaces/{NAMESPACE}"
ACCOUNT = ("surefoot-system", "surefoot")
JSON = dict[str, Any]
console = Console(width=160)


async def cpu_at_rest(process: "subprocess.Popen[bytes]", seconds: float) -> float:
    before = cpu_of(process)
    await asyncio.sleep(seconds)
    return (cpu_of(process) - before) / seconds


async def waiting(http: Http, wanted: set[str]) -> None:
    """Wait until these Approvals are asked for, and put on record."""
    async with asyncio.timeout(300):
        while True:
            found = await http.get("list", f"{API}/approvals")
            items = found["items"]
            there = {each["metadata"]["name"] for each in items if each.get("status")}
            if wanted <= there:
                return
            await asyncio.sleep(0.2)


def requests(bed: TestBed, since: int) -> list[JSON]:
    """What the operator asked of the API server, in the order in which it was received."""
    with bed.audit_log.open("rb") as log:
        log.seek(since)
        events = [json.loads(line) for line in log.read().split(b"\n") if b"surefoot" in line]
    user = f"system:serviceaccount:{':'.join(ACCOUNT)}"
    ours = [each for each in events if each["user"]["username"] == user]
    ours = [each for each in ours if each["verb"] != "watch"]
    return sorted(ours, key=lambda each: each["requestReceivedTimestamp"])


def kind_of(event: JSON) -> str:
    about = event.get("objectRef") or {}
    what = "/".join(filter(None, (about.get("resource"), about.get("subresource"))))
    dry = " (dry run)" if "dryRun" in event["requestURI"] else ""
    refused = event["responseStatus"]["code"]
    failed = f" {refused}" if refused >= 300 and not dry else ""
    return f"{event['verb']} {what or event['requestURI']}{dry}{failed}"


def trace(events: list[JSON], name: str) -> None:
    began: datetime | None = None
    table = Table("at ms", "ms", "verb", "what", "object", "answer")
    for event in events:
        about = event.get("objectRef") or {}
        if about.get("namespace") == NAMESPACE and name not in event["requestURI"] + json.dumps(
            event.get("requestObject") or about
        ):
            continue
        at = datetime.fromisoformat(event["requestReceivedTimestamp"])
        end = datetime.fromisoformat(event["stageTimestamp"])
        began = began or at
        table.add_row(
            f"{1000 * (at - began).total_seconds():.0f}",
            f"{1000 * (end - at).total_seconds():.0f}",
            event["verb"],
            kind_of(event).partition(" ")[2],
            about.get("name") or event["requestURI"].partition("?")[2][:60],
            str(event["responseStatus"]["code"]),
        )
    console.print(table)


async def measure(bed: TestBed, programs: list[str], options: argparse.Namespace) -> None:
    http = Http(await Access.load(str(bed.kubeconfig())))
    kubeconfig = bed.kubeconfig_for_service_account(*ACCOUNT)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for number, program in enumerate(programs):
            names = [f"{'abcd'[number]}{each:03}" for each in range(options.rollouts)]
            with running(
                program, bed, Path(directory), kubeconfig, admission="Enforced"
            ) as process:
                for name in names:
                    plan = percents(*range(1, options.steps + 3), 100)
                    await create(http, a_rollout(name, plan, approvals=SIGNED))
                await waiting(http, {f"{name}-2-ops" for name in names})
                await asyncio.sleep(3)
                at_rest = await cpu_at_rest(process, options.rest)
                since, used, taken = bed.audit_log.stat().st_size, cpu_of(process), 0
                began = time.monotonic()
                for percent in range(2, options.steps + 2):
                    for name in names:
                        if options.trace and taken == options.rollouts + 1:
                            await asyncio.sleep(2)
                            before = bed.audit_log.stat().st_size
                        await sign(http, name, percent)
                        taken += 1
                        if options.apart:
                            await asyncio.sleep(options.apart)
                        if options.trace and taken == options.rollouts + 2:
                            await asyncio.sleep(2)
                            trace(requests(bed, before), name)
                    await waiting(http, {f"{name}-{percent + 1}-ops" for name in names})
                await asyncio.sleep(2)
                reached = await flags(http)
                assert {reached[name] for name in names} == {options.steps + 1}
                found[program] = counted(requests(bed, since), taken)
                of_rest = at_rest * (time.monotonic() - began)
                found[program]["CPU ms"] = 1000 * (cpu_of(process) - used - of_rest) / taken
            for name in names:
                body = {"kind": "DeleteOptions", "apiVersion": "v1"}
                await http.write("delete", "DELETE", f"{API}/rollouts/{name}", body)
    await http.close()
    table = Table("of one step", *programs)
    for what in dict.fromkeys(what for each in found.values() for what in each):
        table.add_row(what, *(f"{found[program].get(what, 0):.2f}" for program in programs))
    console.print(table)


def counted(events: list[JSON], taken: int) -> dict[str, float]:
    """By what is asked, how often for one step; and all writes and reads that are about one."""
    kinds = collections.Counter(map(kind_of, events))
    by_kind = {kind: count / taken for kind, count in sorted(kinds.items())}
    mine = [each for each in events if (each.get("objectRef") or {}).get("namespace") == NAMESPACE]
    verbs = collections.Counter(each["verb"] for each in mine)
    reads = verbs["get"] + verbs["list"]
    return by_kind | {
        "all writes in its namespace": (len(mine) - reads) / taken,
        "all reads in its namespace": reads / taken,
    }


async def create(http: Http, body: JSON) -> None:
    """The policies and the operator may be only just there."""
    for _ in range(100):
        try:
            await http.write("create", "POST", f"{API}/rollouts", body)
            return
        except Exception as error:
            if "not yet" not in str(error) and getattr(error, "status", None) != 403:
                raise
        await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--rollouts", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--apart", type=float, default=0.05, help="seconds between two signatures")
    parser.add_argument("--rest", type=float, default=15, help="seconds to measure CPU at rest")
    parser.add_argument("--trace", action="store_true")
    options = parser.parse_args()
    programs = options.programs or [str(Path(sys.executable).with_name("surefoot"))]
    with TestBed.start(prometheus=False) as bed:
        serve_crds(bed)
        bed.kubectl("apply", "--server-side", "-k", str(ROOT / "manifests" / "default"))
        bed.kubectl("create", "namespace", NAMESPACE)
        asyncio.run(measure(bed, programs, options))


if __name__ == "__main__":
    main()
