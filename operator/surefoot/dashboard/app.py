"""The pages: what is at which path. See `surefoot.dashboard.guard` for who gets that far."""

import asyncio
import contextlib
import json
import os
import traceback
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from surefoot.dashboard import passkeys, views
from surefoot.dashboard.acting import Desk
from surefoot.dashboard.guard import Guard
from surefoot.dashboard.live import Live, Picture
from surefoot.domain.signoff.signatures import NAMESPACE
from surefoot.errors import SurefootError
from surefoot.plugin import output
from surefoot.plugin.session import Session, error_text
from surefoot.plugin.watching import Key
from surefoot.reports.visible import visible

STATIC = Path(__file__).with_name("static")
LONGEST_FORM = 128 * 1024
PING = 15
SECTIONS = {
    "reason": "Why, for the record",
    "summary": "What you found, for the record",
    "riskAssessment": "Risks seen, and what is done about them",
    "metricsSummary": "What the numbers say",
    "securityStatus": "Security concerns, or that there are none",
    "requiredAction": "What the receiver has to do",
}
"""What a person may say, by field, with what the form asks."""


class Dashboard:
    """The application. ``session`` is the person's own, and so are the rights."""

    def __init__(self, session: Session, port: int) -> None:
        self._session = session
        self._live = Live(session)
        self._desk = Desk(session)
        self._pages = Environment(
            loader=ChoiceLoader(
                [PackageLoader("surefoot.dashboard"), PackageLoader("surefoot.reports")]
            ),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_shown,
        )
        self.guard = Guard(port)
        base = self.guard.base
        self._pages.globals["base"] = base
        self._pages.globals["sections"] = SECTIONS
        self.guard.serve(
            Starlette(
                routes=[Mount(base, routes=self._routes())],
                lifespan=self._life,
                exception_handlers={Exception: self._tell_a_fault},
            )
        )

    def _routes(self) -> list[Route | Mount]:
        return [
            Route("/", self._overview),
            Route("/rollouts/{namespace}/{name}", self._detail),
            Route("/events", self._events),
            Route("/answer/{kind}/{namespace}/{name}", self._form),
            Route("/answer/{kind}/{namespace}/{name}", self._preview, methods=["POST"]),
            Route("/write/{key}", self._write, methods=["POST"]),
            Route("/passkey", self._passkey),
            Route("/passkey", self._new_passkey, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ]

    @contextlib.asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(self._live.run())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    # Pages

    async def _overview(self, _request: Request) -> Response:
        me = await self._session.whoami()
        return self._page("overview.html", me=me.username, where=self._session.where)

    async def _detail(self, request: Request) -> Response:
        me = await self._session.whoami()
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        return self._page("detail.html", me=me.username, namespace=namespace, name=name)

    async def _passkey(self, _request: Request) -> Response:
        me = await self._session.whoami()
        return self._page("passkey.html", me=me.username)

    def _page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(self._pages.get_template(template).render(**values), status)

    async def _tell_a_fault(self, _request: Request, error: Exception) -> Response:
        """A fault of the program itself: a line in the terminal, and on the page."""
        said = output.fault_text(error)
        output.warn(said)
        if os.environ.get("SUREFOOT_TRACE"):
            traceback.print_exception(error)
        return self._page("refusal.html", status=500, said=said)

    # What changes by itself

    async def _events(self, request: Request) -> Response:
        namespace, name = (request.query_params.get(part, "") for part in ("namespace", "name"))
        key = (namespace, name) if name else None
        return EventSourceResponse(self._news(key), ping=PING)

    async def _news(self, key: Key | None) -> AsyncIterator[ServerSentEvent]:
        """Each part of a page whenever it says something else than before."""
        sent: dict[str, str] = {}
        async for picture in self._live.pictures():
            parts = await self._parts(picture, key)
            for event, text in parts.items():
                if sent.get(event) != text:
                    sent[event] = text
                    yield ServerSentEvent(text, event=event)

    async def _parts(self, picture: Picture, key: Key | None) -> Mapping[str, str]:
        state = self._pages.get_template("state.html").render(picture=picture)
        if picture.at is None:
            return {"state": state}
        me, now = await self._session.whoami(), picture.at
        rollouts, approvals, checkpoints = (
            picture.rollouts,
            picture.approvals,
            picture.checkpoints,
        )
        waits = views.inbox(me, rollouts.values(), approvals, checkpoints, now)
        if key is None:
            rows = views.rows(rollouts.values(), now)
            waiting = f"{len(waits)} decision{'s wait' if len(waits) != 1 else ' waits'} for you"
            return {
                "state": state,
                "stands": self._pages.get_template("stands.html").render(words=waiting),
                "inbox": self._pages.get_template("inbox.html").render(items=waits),
                "rollouts": self._pages.get_template("rollouts.html").render(rows=rows),
            }
        raw = rollouts.get(key)
        if raw is None:
            gone = f"There is no Rollout {key[1]} in namespace {key[0]}."
            return {"state": self._pages.get_template("gone.html").render(said=gone)}
        mine = [each for each in waits if (each["namespace"], each["rollout"]) == key]
        page = views.detail(raw, _of(key, approvals), _of(key, checkpoints), now)
        stands = self._pages.get_template("stands.html").render(words=views.stands(page.row))
        samples = {
            name: tuple(kept) for (at, name), kept in self._live.samples.items() if at == key
        }
        parts = {
            part: self._pages.get_template(f"part_{part}.html").render(page=page, items=mine)
            for part in ("head", "missing", "people", "metrics", "course", "history")
        }
        return {
            "state": state,
            "stands": stands,
            **parts,
            "plots": json.dumps(views.plots(raw, samples)),
        }

    # Deciding

    async def _form(self, request: Request) -> Response:
        try:
            raw, _rollout = await self._desk.find(*_named(request))
        except SurefootError as error:
            return self._refusal(error)
        spec = raw["spec"]["request"]
        asked = (each for each in spec.get("requiredSections", ()) if each in SECTIONS)
        fields = ["reason", *asked]  # of a part that is newer the API server says what it wants
        if raw["kind"] == "Checkpoint":
            fields = ["summary", *(["requiredAction"] if spec.get("type") == "Handoff" else [])]
        return self._page(
            "form.html",
            path=_path(request),
            fields=fields,
            title=str(raw["metadata"]["name"]),
            needs_key=spec.get("signing") == "Required",
        )

    async def _preview(self, request: Request) -> Response:
        try:
            form = await _read_form(request)
            said = {name: form[name].strip() for name in SECTIONS if form.get(name, "").strip()}
            key, pending = await self._desk.prepare(
                *_named(request),
                go=form.get("decision") == "GO",
                said=said,
                signs=form.get("passkey") == "1",
            )
        except SurefootError as error:
            return self._refusal(error)
        challenge = "" if pending.challenge is None else pending.challenge.encoded
        return self._page("preview.html", key=key, lines=pending.lines, challenge=challenge)

    async def _write(self, request: Request) -> Response:
        key = request.path_params["key"]
        try:
            form = await _read_form(request)
            pending, signature = self._desk.pending(key), ""
            if pending is not None and pending.challenge is not None and form.get("assertion"):
                signature = passkeys.armored(
                    pending.challenge,
                    form.get("key", ""),
                    json.loads(form["assertion"]),
                    request.headers["origin"],
                )
            done = await self._desk.write(key, signature)
        except SurefootError as error:
            return self._refusal(error)
        except json.JSONDecodeError:
            return self._refusal(SurefootError("the passkey's answer cannot be read"))
        return self._page("done.html", said=done)

    async def _new_passkey(self, request: Request) -> Response:
        """The line for the allowed signers, of a passkey that the page has just made."""
        try:
            form = await _read_form(request)
            line = passkeys.public_line(passkeys.from_page(form.get("publicKey", "")))
        except SurefootError as error:
            return JSONResponse({"fault": error_text(error)}, 422)
        me = await self._session.whoami()
        space = f'namespaces="{NAMESPACE}"'
        return JSONResponse({"key": line, "line": f"{me.username} {space} {line}"})

    def _refusal(self, error: SurefootError) -> Response:
        """What went wrong, where the answer would be; htmx shows answers of 200 only."""
        return self._page("refusal.html", said=error_text(error))


def _shown(value: object) -> object:
    """What a template prints, without marks that are not seen; its own markup stays as it is."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _of(key: Key, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        each
        for each in requests
        if (each["metadata"]["namespace"], each["spec"]["request"]["rollout"]["name"]) == key
    ]


def _named(request: Request) -> tuple[str, str, str]:
    parts = request.path_params
    if parts["kind"] not in {"Approval", "Checkpoint"}:
        raise SurefootError(f"there is no kind {parts['kind']} to decide on")
    return parts["kind"], parts["namespace"], parts["name"]


def _path(request: Request) -> str:
    return "/".join(("answer", *_named(request)))


async def _read_form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise SurefootError(f"that is more than {LONGEST_FORM // 1024} KiB")
    try:
        found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=32)
    except (UnicodeDecodeError, ValueError) as error:
        raise SurefootError("what the page sent cannot be read") from error
    return {name: values[-1] for name, values in found.items()}
