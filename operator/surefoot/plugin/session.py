"""The connection of one command: what it reads and writes, in whose name, and how it ends.

0 is success, 1 that the answer is no, 2 a wrong use, 3 that the API server cannot be reached or
does not allow it.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import typer

from surefoot.adapters.kubernetes.http import JSON, UNKNOWN_FIELD, Http
from surefoot.adapters.kubernetes.kubeconfig import KubeconfigAccess, KubeconfigOptions
from surefoot.adapters.kubernetes.plain_http import PlainHttp
from surefoot.api.v1alpha1.names import API_VERSION, HALT_CONFIGMAP
from surefoot.cli.exits import NO, UNREACHABLE, USAGE
from surefoot.errors import (
    ApiError,
    ConfigurationError,
    Conflict,
    NotFound,
    Refused,
    SurefootError,
    Unavailable,
    UnreadableObject,
)
from surefoot.plugin import output, permissions
from surefoot.plugin.commands.options import CONNECTION, Where
from surefoot.plugin.files import BadFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Nothing here or in what is imported here loads models: see decision 68.

FIELD_MANAGER = "kubectl-surefoot"
"""Who wrote, in managedFields: a person at a command line."""
DENIED = "denied request: "
"""What the API server puts before a policy's own words."""
INVALID = " is invalid: "
"""What it puts before the words of the schema."""
LONGEST_WORDS = 4096
WRITE_ATTEMPTS = 20
FORBIDDEN = 403
UNAUTHORIZED = 401
INTERRUPTED = 130
WHOLE_ROWS = 100
"""Of so many rows of a table the whole objects are read too, for what the columns do not have."""


class Declined(SurefootError):
    """The answer is no. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who runs the command, as the API server authenticates them."""

    username: str
    groups: frozenset[str] = frozenset()


class AnswerClock:
    """The API server's time as of its latest answer, for a command that soon ends."""

    def __init__(self) -> None:
        self._date: datetime | None = None
        self._received = 0.0

    def observe(self, date: str, sent: float, received: float, *, is_independent: bool) -> None:  # noqa: ARG002
        """Take in the `Date` of an answer."""
        try:
            self._date, self._received = parsedate_to_datetime(date), received
        except ValueError:
            return

    def now(self) -> datetime:
        """The time there; before the first answer there is none."""
        if self._date is None:
            raise Unavailable("the API server did not say what time it is")
        return self._date + timedelta(seconds=time.monotonic() - self._received)


class Session:
    """One command's connection to one API server.

    ``namespace`` is where it looks, unless ``everywhere``. ``now`` tells the API server's time,
    once it has answered something. ``http`` is for what no method here is for.
    """

    def __init__(
        self, http: Http, now: Callable[[], datetime], namespace: str, *, everywhere: bool = False
    ) -> None:
        self.http = http
        self.now = now
        self.namespace = namespace
        self.everywhere = everywhere
        self._me: Person | None = None

    @property
    def where(self) -> str:
        """Where it looks, in words."""
        return "in any namespace" if self.everywhere else f"in namespace {self.namespace}"

    # Reading

    async def whoami(self) -> Person:
        """Who the API server says that this is."""
        if self._me is None:
            user = await self.http.who_am_i("ask who you are")
            self._me = Person(str(user["username"]), frozenset(user.get("groups") or ()))
        return self._me

    async def table(self, name: str | None) -> tuple[list[JSON], list[JSON]]:
        """Columns and rows of Rollouts, as the API server prints them."""
        columns: list[JSON] = []
        rows: list[JSON] = []
        params = _named(name)
        try:
            async for page in self.http.pages(
                "list rollouts",
                self._collection("rollouts"),
                params,
                as_table=True,
                whole=WHOLE_ROWS,
            ):
                columns = page.get("columnDefinitions") or columns
                rows += _rows(page)
        except NotFound as error:
            raise _not_installed(error) from error
        if name is not None and not rows:
            raise await self._no_rollout(name)
        return columns, rows

    async def rollouts(self, name: str | None = None, selector: str | None = None) -> list[JSON]:
        """Rollouts, all or those of a name or with labels. `Declined` where a name has none."""
        params = {**_named(name), **({"labelSelector": selector} if selector else {})}
        found = await self._list("rollouts", self._collection("rollouts"), params)
        if name is not None and not found:
            raise await self._no_rollout(name)
        return found

    async def versioned_rollouts(self, name: str | None) -> tuple[str, list[JSON]]:
        """Rollouts with the version of the list, from which they can be watched."""
        version = ""
        items: list[JSON] = []
        path = self._collection("rollouts")
        async for page in self.http.pages("list rollouts", path, _named(name)):
            version = str((page.get("metadata") or {}).get("resourceVersion") or "")
            items += _items("list rollouts", page)
        return version, items

    async def watch(self, what: str, path: str, params: dict[str, str]) -> "AsyncIterator[JSON]":
        """The events of a watch."""
        if not isinstance(self.http, PlainHttp):
            raise Unavailable("this connection cannot watch")
        async for event in self.http.watch(what, path, params):
            yield event

    async def config_map(self, namespace: str, name: str) -> JSON:
        """A ConfigMap. Raises `NotFound`."""
        return await self._read("configmaps", namespace, name)

    async def log(self, namespace: str, pod: str, lines: int) -> str:
        """The end of a pod's log."""
        path = f"{path_of('pods', namespace, pod)}/log"
        if not isinstance(self.http, PlainHttp):
            raise Unavailable("this connection cannot read logs")
        return await self.http.text(f"read the log of {pod}", path, {"tailLines": str(lines)})

    async def rollouts_in(self, namespace: str | None) -> list[JSON] | None:
        """The Rollouts of a namespace, or of all. None where this person may not list them."""
        try:
            return await self._list("rollouts", path_of("rollouts", namespace), {})
        except Refused as error:
            if error.status == FORBIDDEN:
                return None
            raise

    async def rollout(self, name: str) -> JSON:
        """The Rollout of this name. `Declined` where there is none."""
        (found,) = await self.rollouts(name)
        return found

    async def requests(self, plural: str, rollout: JSON | None = None) -> list[JSON]:
        """Approvals or checkpoints; those that name this Rollout where one is given."""
        if rollout is None:
            return await self._list(plural, self._collection(plural), {})
        metadata = rollout["metadata"]
        params = {"fieldSelector": f"spec.request.rollout.name={metadata['name']}"}
        return await self._list(plural, path_of(plural, metadata["namespace"]), params)

    async def requests_if_allowed(
        self, plural: str, rollout: JSON | None = None
    ) -> list[JSON] | None:
        """The same; None for somebody who may not even look at them, as a reporter may not."""
        try:
            return await self.requests(plural, rollout)
        except Refused as error:
            if error.status == FORBIDDEN:
                return None
            raise

    async def halt(self) -> JSON | None:
        """The ConfigMap that halts this namespace, in force or not; None where there is none."""
        try:
            return await self._read("configmaps", self.namespace, HALT_CONFIGMAP)
        except NotFound:
            return None

    async def _list(self, plural: str, path: str, params: dict[str, str]) -> list[JSON]:
        items: list[JSON] = []
        try:
            async for page in self.http.pages(f"list {plural}", path, params):
                items += _items(f"list {plural}", page)
        except NotFound as error:
            raise _not_installed(error) from error
        kind = plural.removesuffix("s").capitalize()
        # Items of a list do not say what they are; a single object does, and so does this.
        return [{"apiVersion": API_VERSION, "kind": kind, **item} for item in items]

    async def _read(self, plural: str, namespace: str, name: str) -> JSON:
        what = f"get {plural}/{name} in {namespace}"
        return await self.http.get(what, path_of(plural, namespace, name))

    def _collection(self, plural: str) -> str:
        return path_of(plural, None if self.everywhere else self.namespace)

    async def _no_rollout(self, name: str) -> Declined:
        """That there is none of this name, with the one that may be meant."""
        _, rows = await self.table(None)
        names = [row["object"]["metadata"]["name"] for row in rows]
        near = output.nearest(name, names)
        meant = f"did you mean {near}?" if near else "`get -A` shows all there are"
        return Declined(f"there is no Rollout {name} {self.where}; {meant}")

    # Writing

    async def try_change(self, plural: str, read: JSON, change: JSON) -> JSON:
        """Ask the API server what it would say to a change, admission included; writes nothing."""
        return await self.change(plural, read, change, dry_run=True)

    async def change(
        self,
        plural: str,
        read: JSON,
        change: JSON,
        *,
        dry_run: bool = False,
        manager: str = FIELD_MANAGER,
    ) -> JSON:
        """Merge a change into the object as it was read.

        The operator writes its status often. Where nothing but that has changed since, the change
        is still what was meant; anything else is a `Conflict`.
        """
        metadata = read["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        what = f"write {plural}/{name} in {namespace}"
        path, content = path_of(plural, namespace, name), _content(read)
        for _ in range(WRITE_ATTEMPTS):
            version = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            body = {**change, "metadata": {**change.get("metadata", {}), **version}}
            try:
                return await self.http.merge(what, path, body, manager=manager, dry_run=dry_run)
            except Conflict:
                fresh = await self._read(plural, namespace, name)
                if fresh["metadata"]["uid"] != metadata["uid"] or _content(fresh) != content:
                    break
                metadata = fresh["metadata"]
        raise Conflict(
            f"{name} was changed meanwhile, and nothing was written: look again", status=409
        )

    async def create_halt(self, data: dict[str, str], *, dry_run: bool = False) -> JSON:
        """Create the ConfigMap that halts this namespace. `Conflict` where there is one."""
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": HALT_CONFIGMAP, "namespace": self.namespace},
            "data": data,
        }
        what = f"create configmaps/{HALT_CONFIGMAP} in {self.namespace}"
        path = path_of("configmaps", self.namespace)
        return await self.http.create(what, path, body, manager=FIELD_MANAGER, dry_run=dry_run)


def run(where: Where, work: Callable[[Session], Awaitable[int]]) -> None:
    """Connect, do the work, and end the command with what it answers, or with what went wrong."""
    try:
        code = asyncio.run(_with_session(where, work))
        sys.stdout.flush()
    except SurefootError as error:
        output.warn(f"Error: {error_text(error)}")
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if code:
        raise typer.Exit(code)


async def _with_session(where: Where, work: Callable[[Session], Awaitable[int]]) -> int:
    async with connected(where) as session:
        return await work(session)


@asynccontextmanager
async def connected(where: Where) -> "AsyncIterator[Session]":
    """A session for the time of the block. Raises `ConfigurationError` where nothing says where."""
    clock, asked = AnswerClock(), CONNECTION.get()
    options = KubeconfigOptions(asked.kubeconfig, where.context, asked.user, asked.groups)
    access = KubeconfigAccess.load(options)
    http = PlainHttp(access, clock.observe, LONGEST_WORDS)
    try:
        namespace = where.namespace or access.namespace
        yield Session(http, clock.now, namespace, everywhere=where.everywhere)
    finally:
        await http.close()


def exit_code(error: SurefootError) -> int:
    """The exit code: whether the question was answered with no, or could not be put at all."""
    if isinstance(error, ConfigurationError | Unavailable):
        return UNREACHABLE
    if isinstance(error, BadFile):
        return USAGE
    if isinstance(error, Refused) and error.status == FORBIDDEN and DENIED not in str(error):
        return UNREACHABLE  # not allowed to ask: RBAC's answer, not a policy's
    return NO


def error_text(error: SurefootError) -> str:
    """What to tell: a policy's own words where one refused."""
    said = str(error)
    if isinstance(error, ApiError) and DENIED in said:
        said = said.partition(DENIED)[2]
    elif isinstance(error, Refused) and UNKNOWN_FIELD in said:
        fields = said.partition(UNKNOWN_FIELD)[2]
        said = (
            f"the CRDs of this cluster are older than this command: {fields}; nothing was written"
        )
    elif isinstance(error, Refused) and INVALID in said:
        said = said.partition(INVALID)[2]
    elif isinstance(error, Refused) and error.status == FORBIDDEN:
        said = permissions.explained(said)
    elif isinstance(error, Unavailable) and error.status == UNAUTHORIZED:
        said = (
            "the API server does not accept your credentials: they may have expired; log in again, "
            f"or choose others with --context ({said})"
        )
    elif isinstance(error, UnreadableObject):
        said = f"{said}; `version` says whether the CRDs are newer than this command"
    return output.safe(said)


def tell_each(faults: list[SurefootError]) -> int:
    """Tell what went wrong with some of many. Answers with the exit code for all of them."""
    for fault in faults:
        output.warn(f"Error: {error_text(fault)}")
    return max(map(exit_code, faults), default=0)


def confirm(question: str, *, asks: bool, shown: Sequence[str] = ()) -> bool:
    """Show what would be written, and whether the person says yes to it.

    Without a terminal no one is there to be asked.
    """
    for line in shown:
        output.warn(line)
    if not asks or not is_at_a_terminal():
        return True
    # The loop's own handler would only note an interrupt, and wait for its turn.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return typer.confirm(output.safe(question), err=True)
    except typer.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            output.warn("\nnothing was written")
            raise KeyboardInterrupt from error
        return False
    finally:
        signal.signal(signal.SIGINT, before)


def is_at_a_terminal() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty()


def _content(raw: JSON) -> dict[str, Any]:
    """All of an object that is not bookkeeping and not the operator's account."""
    return {name: value for name, value in raw.items() if name not in {"metadata", "status"}}


def _rows(page: JSON) -> list[JSON]:
    """The rows of a page of a table; of a list, where the server knows no tables, its objects."""
    if "rows" in page:
        return list(page["rows"] or ())
    return [{"object": item, "cells": []} for item in _items("list rollouts", page)]


def _items(what: str, page: JSON) -> list[JSON]:
    """The objects of a page of a list. `Unavailable` where it is none: that is not an empty one."""
    if "items" not in page:
        raise Unavailable(f"{what}: the answer is not a list but {page.get('kind') or 'unknown'}")
    return list(page["items"] or ())


def _named(name: str | None) -> dict[str, str]:
    return {"fieldSelector": f"metadata.name={name}"} if name else {}


def path_of(plural: str, namespace: str | None, name: str = "") -> str:
    """Where the API server has objects of this kind, or the one of this name."""
    root = "/api/v1" if plural in {"configmaps", "pods"} else f"/apis/{API_VERSION}"
    within = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    below = f"/{quote(name, safe='')}" if name else ""
    return f"{root}{within}/{plural}{below}"


def _not_installed(error: NotFound) -> ConfigurationError:
    return ConfigurationError(f"{error}: Surefoot is not installed in this cluster")
