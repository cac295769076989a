"""What does it cost to watch Rollouts to which nothing happens, and how soon does a breach show?

    python benchmarks/calm.py [--rollouts 200] [--interval 2] [--rest 30] [SUREFOOT ...]

Each Rollout soaks for hours, and has a trigger on a query of its own, which a server in another
process answers. Every program given (else this one) is run in turns on one control plane. Measured:
CPU while nothing happens, and from the first answer that shows a breach to the ConfigMap at its
safe value, with all of them calm but for the few that break.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from aiohttp import web
from rich.console import Console
from rich.table import Table

from plans import NAMESPACE, a_rollout
from start import cpu_of, flags, running, serve_crds
from summary import note
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http, authorized_session
from surefoot.testbed.bed import TestBed

API = f"/apis/surefoot.dev/v1alpha1/namespaces/{NAMESPACE}/rollouts"
FLAGS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
JSON = dict[str, Any]
console = Console()


def a_breakable_rollout(name: str) -> JSON:
    return a_rollout(
        name,
        [
            {"percent": 10, "hold": {"soak": "1s"}},
            {"percent": 50, "hold": {"soak": "4h"}},
            {"percent": 100},
        ],
        metrics=[{"name": "bad", "query": f'bad{{run="{name}"}}'}],
        triggers=[{"name": "bad", "metric": "bad", "above": "0.5"}],
    )


class Provider:
    """Answers 0, and 1 at every point that was not asked for before a run was broken."""

    def __init__(self) -> None:
        self._broken: dict[str, float] = {}
        self._shown: dict[str, float] = {}
        self._asked = 0
        self._newest = 0.0

    async def query(self, request: web.Request) -> web.Response:
        self._asked += 1
        given = {**request.query, **(await request.post())}
        named = re.search(r'run="([^"]+)"', str(given["query"]))
        run = named.group(1) if named else ""
        after = self._broken.get(run, float("inf"))
        start, end = float(str(given["start"])), float(str(given["end"]))
        step = float(str(given["step"]).removesuffix("s"))
        points = [start + number * step for number in range(int((end - start) / step + 1e-9) + 1)]
        self._newest = max(self._newest, points[-1])
        if points[-1] > after:
            self._shown.setdefault(run, time.monotonic())
        values = [[point, "1" if point > after else "0"] for point in points]
        data = {"resultType": "matrix", "result": [{"metric": {}, "values": values}]}
        return web.json_response({"status": "success", "data": data})

    async def break_some(self, request: web.Request) -> web.Response:
        self._shown.clear()
        self._broken = dict.fromkeys((await request.json())["runs"], self._newest)
        return web.json_response({})

    async def told(self, _: web.Request) -> web.Response:
        return web.json_response({"shown": self._shown, "asked": self._asked})


def provide(pipe: Any) -> None:
    async def run() -> None:
        app, provider = web.Application(), Provider()
        app.router.add_route("*", "/api/v1/query_range", provider.query)
        app.router.add_post("/break", provider.break_some)
        app.router.add_get("/told", provider.told)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(run())


async def all_at(http: Http, names: list[str], percent: int) -> None:
    async with asyncio.timeout(300):
        while True:
            now = await flags(http)
            if all(now.get(name) == percent for name in names):
                return
            await asyncio.sleep(1)


async def lowered(access: Access, names: list[str], at: dict[str, float]) -> None:
    """Note when each flag was seen below its percentage, until all were."""
    async with authorized_session(access) as session:
        url = access.endpoint.server + FLAGS
        async with session.get(url, params={"watch": "1"}, timeout=None) as answer:
            async for line in answer.content:
                flag = json.loads(line)["object"]
                name = flag["metadata"]["name"].removesuffix("-flags")
                if name in names and int(flag["data"]["flag"]) < 50:
                    at.setdefault(name, time.monotonic())
                if len(at) == len(names):
                    return


async def measure(
    bed: TestBed, programs: list[str], provider: str, options: argparse.Namespace
) -> dict[str, list[JSON]]:
    access = await Access.load(str(bed.kubeconfig()))
    http = Http(access)
    found: dict[str, list[JSON]] = {program: [] for program in programs}
    interval = f"{options.interval:g}s"
    async with authorized_session(access) as session:
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            for number in range(options.rounds):
                for program in programs:
                    prefix = f"{'abcdefgh'[number]}{programs.index(program)}"
                    names = [f"{prefix}{each:04}" for each in range(options.rollouts)]
                    providers = [{"name": "default", "address": provider, "timeout": "5s"}]
                    settings: JSON = {"evaluationInterval": interval, "providers": providers}
                    with running(program, bed, home, **settings) as process:
                        for name in names:
                            await http.write("create", "POST", API, a_breakable_rollout(name))
                        await all_at(http, names, 50)
                        await asyncio.sleep(12)  # what was just written comes to rest
                        before, asked = cpu_of(process), await told(session, provider)
                        await asyncio.sleep(options.rest)
                        used = cpu_of(process) - before
                        answers = (await told(session, provider))["asked"] - asked["asked"]
                        breaking = names[: options.breaches]
                        at: dict[str, float] = {}
                        watch = asyncio.create_task(lowered(access, breaking, at))
                        await asyncio.sleep(1)
                        await session.post(f"{provider}/break", json={"runs": breaking})
                        await asyncio.wait_for(watch, 60)
                        shown = (await told(session, provider))["shown"]
                        delays = sorted(at[name] - shown[name] for name in breaking)
                    found[program].append(
                        {
                            "CPU while calm %": 100 * used / options.rest,
                            "answers a second": answers / options.rest,
                            "CPU ms an answer": 1000 * used / answers,
                            "breach → back, p50 ms": 1000 * median(delays),
                            "breach → back, worst ms": 1000 * delays[-1],
                        }
                    )
                    console.print(program, json.dumps(found[program][-1]))
                    for name in names:
                        await http.write(
                            "delete",
                            "DELETE",
                            f"{API}/{name}",
                            {"kind": "DeleteOptions", "apiVersion": "v1"},
                        )
    await http.close()
    return found


async def told(session: Any, provider: str) -> JSON:
    async with session.get(f"{provider}/told") as answer:
        found: JSON = await answer.json()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("programs", nargs="*")
    parser.add_argument("--rollouts", type=int, default=200)
    parser.add_argument("--interval", type=float, default=2)
    parser.add_argument("--rest", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--breaches", type=int, default=20)
    options = parser.parse_args()
    programs = options.programs or [str(Path(sys.executable).with_name("surefoot"))]
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=provide, args=(theirs,), daemon=True)
    server.start()
    provider = f"http://127.0.0.1:{ours.recv()}"
    with TestBed.start(prometheus=False) as bed:
        serve_crds(bed)
        bed.kubectl("create", "namespace", NAMESPACE)
        found = asyncio.run(measure(bed, programs, provider, options))
    server.kill()
    table = Table("what", *programs)
    goals = {"CPU while calm %": "4 with 200 at 2 s"}
    for what in found[programs[0]][0]:
        values = [median(each[what] for each in found[program]) for program in programs]
        table.add_row(what, *(f"{value:.2f}" for value in values))
        of = f"{options.rollouts} Rollouts at {options.interval:g} s"
        note(what, of, f"{values[0]:.2f}", goals.get(what, ""))
    console.print(table)


if __name__ == "__main__":
    main()
