"""Runs the dashboard on this machine until Ctrl-C."""

import logging
import socket
import webbrowser

import uvicorn

from surefoot.dashboard.app import Dashboard
from surefoot.plugin import output
from surefoot.plugin.session import Declined, Session

LOOPBACK = "127.0.0.1"


async def serve(session: Session, port: int, *, opens: bool) -> int:
    """Listen on the loopback address, print the link, and open it where that is wished."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, port))
            listening.listen()  # before the link is told: a browser may be faster than the server
        except OSError as error:
            raise Declined(f"port {port} of this machine is taken: {error.strerror}") from error
        return await _serve(session, listening, opens=opens)


async def _serve(session: Session, listening: socket.socket, *, opens: bool) -> int:
    me = await session.whoami()
    dashboard = Dashboard(session, listening.getsockname()[1])
    output.say(f"dashboard for {me.username}, {session.where}, until Ctrl-C:")
    output.say(f"  {dashboard.guard.link}")
    output.say("the link is good for one use")
    if opens:
        webbrowser.open(dashboard.guard.link)
    # A tab that is closed is no news, and asyncio would tell of what is still written to it.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        dashboard.guard,
        log_level="critical",  # faults are told by the application, and Ctrl-C is none
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        lifespan="on",
    )
    await uvicorn.Server(config).serve(sockets=[listening])
    return 0
