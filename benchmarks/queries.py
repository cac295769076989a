"""What does it cost to ask a metrics provider a question?

    python benchmarks/queries.py [--queries 1000]

CPU of this process for so many range queries, ten at a time, to a server in another process: by the
operator's own connection and by prometheus-api-client, in turns, against bare GETs with aiohttp.
"""

import argparse
import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection as Pipe
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from rich.console import Console
from rich.table import Table

from summary import note
from surefoot.adapters.prometheus.answers import Window
from surefoot.adapters.prometheus.connection import Connection
from surefoot.adapters.prometheus.direct import DirectConnection
from surefoot.adapters.prometheus.library import LibraryConnection
from surefoot.adapters.provider_settings import ProviderSettings

TURNS = 3
POINTS = 12


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        start, step = float(asked["start"][0]), float(asked["step"][0])
        values = ",".join(f'[{start + n * step},"0.01"]' for n in range(POINTS + 1))
        result = f'{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}'
        body = f'{{"status":"success","data":{result}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def serve(pipe: "Pipe[int, int]") -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pipe.send(server.server_port)
    server.serve_forever()


async def cpu_of(ask: Callable[[], Awaitable[object]], count: int) -> float:
    await ask()
    began = time.process_time()
    left = count

    async def one_after_another() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await ask()

    await asyncio.gather(*(one_after_another() for _ in range(8)))
    return time.process_time() - began


async def measure(url: str, count: int) -> dict[str, list[float]]:
    settings = ProviderSettings(name="default", address=url)
    window = Window(datetime.fromtimestamp(1_700_000_000, UTC), timedelta(seconds=10), POINTS)
    ways: dict[str, Connection] = {
        "direct": DirectConnection(settings),
        "library": LibraryConnection(settings),
    }
    spent: dict[str, list[float]] = {"bare GET": [], **{way: [] for way in ways}}
    async with aiohttp.ClientSession() as session:

        async def bare() -> None:
            query = f"{url}/api/v1/query_range?query=up&start=0&step=10"
            async with session.get(query) as answer:
                await answer.read()

        for _ in range(TURNS):
            spent["bare GET"].append(await cpu_of(bare, count))
            for way, connection in ways.items():
                spent[way].append(
                    await cpu_of(lambda each=connection: each.ask_range("up", window), count)  # type: ignore[misc]
                )
    for connection in ways.values():
        await connection.close()
    return spent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--queries", type=int, default=1000)
    count = options.parse_args().queries
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    spent = asyncio.run(measure(f"http://127.0.0.1:{ours.recv()}", count))
    server.kill()
    table = Table("way", f"CPU ms for {count} queries (median of {TURNS})", "ratio")
    reference = median(spent["bare GET"])
    for way, seconds in spent.items():
        table.add_row(way, f"{1000 * median(seconds):.0f}", f"{median(seconds) / reference:.2f}")
        each = f"{1000 * median(seconds) / count:.2f}"
        note(f"CPU ms of a question to a provider: {way}", f"{count} queries", each)
    Console().print(table)


if __name__ == "__main__":
    main()
