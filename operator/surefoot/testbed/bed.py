"""The test bed: a real control plane and a real Prometheus on loopback, from Python.

    with TestBed.start() as bed:
        bed.kubectl("get", "namespaces")
        bed.kubeconfig("hudson")                              # a Path
        bed.kubeconfig_for_service_account("default", "default")
        bed.prometheus.set_targets({"checkout": ["127.0.0.1:8000"]})
        bed.api_server.stop()                                 # an outage
        bed.api_server.start()                                # same port, same objects

A bed lives in one directory and ends with its owner: when the block is left, when the process
exits, and, by a guardian, also when the owner is killed. ``start(owner=None)`` makes one that
nobody owns, as ``surefoot testbed up`` does; ``attach`` finds a running one again, also from
another process.
"""

import atexit
import functools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import httpx

from surefoot.errors import TestbedError
from surefoot.testbed import control_plane
from surefoot.testbed.binaries import provide
from surefoot.testbed.control_plane import ApiServer, ControlPlane, ControlPlanePorts
from surefoot.testbed.guardian import guardian_of
from surefoot.testbed.kubeconfig import tls_for, write_kubeconfig
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.process import Component, StartError
from surefoot.testbed.progress import Progress, Silent
from surefoot.testbed.prometheus import DEFAULT_SCRAPE_INTERVAL, Prometheus
from surefoot.testbed.toolchain import find_kubectl
from surefoot.testbed.users import ADMIN, EXAMPLE_USERS, User

ATTEMPTS = 3
"""How often other ports are tried when another program takes one just before we do."""

THIS_PROCESS = 0
"""As an owner: the process that calls, as pid 0 means in many system calls."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a bed."""

    control_plane: ControlPlanePorts
    prometheus: int

    @classmethod
    def free(cls) -> Self:
        """Choose ports on which nobody listens now."""
        etcd, api_server, controller_manager, prometheus = free_ports(4)
        return cls(ControlPlanePorts(etcd, api_server, controller_manager), prometheus)

    def with_another_api_server(self) -> Self:
        """Add a port for one more API server."""
        others = (*self.control_plane.other_api_servers, *free_ports(1))
        return replace(self, control_plane=replace(self.control_plane, other_api_servers=others))


@dataclass(frozen=True, slots=True)
class Record:
    """What is written into ``bed.json``, enough to attach to the bed from anywhere."""

    ports: Ports
    programs: dict[str, Path]
    users: tuple[User, ...]
    scrape_interval: timedelta
    api_server_flags: tuple[str, ...]
    temporary: bool
    """The directory was made by us and goes with the bed."""

    @property
    def with_prometheus(self) -> bool:
        """Whether the bed was asked for a Prometheus."""
        return "prometheus" in self.programs

    def write(self, path: Path) -> None:
        """Write the record so that no reader ever sees half of it."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self._content(), indent=2) + "\n")
        partial.replace(path)

    def _content(self) -> dict[str, object]:
        ports = self.ports.control_plane
        return {
            "ports": {
                "etcd": ports.etcd,
                "apiServer": ports.api_server,
                "controllerManager": ports.controller_manager,
                "otherApiServers": list(ports.other_api_servers),
                "prometheus": self.ports.prometheus,
            },
            "programs": {name: str(path) for name, path in self.programs.items()},
            "users": [{"name": user.name, "groups": list(user.groups)} for user in self.users],
            "scrapeIntervalSeconds": self.scrape_interval.total_seconds(),
            "apiServerFlags": list(self.api_server_flags),
            "temporary": self.temporary,
        }

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record. Raises TestbedError where there is none, or not one of ours."""
        try:
            content: dict[str, Any] = json.loads(path.read_text())
            ports = content["ports"]
            return cls(
                ports=Ports(
                    ControlPlanePorts(
                        ports["etcd"],
                        ports["apiServer"],
                        ports["controllerManager"],
                        tuple(ports["otherApiServers"]),
                    ),
                    ports["prometheus"],
                ),
                programs={name: Path(place) for name, place in content["programs"].items()},
                users=tuple(User(u["name"], tuple(u["groups"])) for u in content["users"]),
                scrape_interval=timedelta(seconds=content["scrapeIntervalSeconds"]),
                api_server_flags=tuple(content["apiServerFlags"]),
                temporary=content["temporary"],
            )
        except FileNotFoundError:
            raise TestbedError(
                f"there is no test bed in {path.parent}. "
                f"Start one: surefoot testbed up --dir {path.parent}"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise TestbedError(
                f"{path} is not the record of a test bed ({error!r}). "
                f"Remove {path.parent} if nothing in it is needed, and start again."
            ) from error


class TestBed:
    """A control plane and, if asked for, a Prometheus. Made by ``start`` or ``attach``."""

    __test__ = False  # pytest must not take it for a test case

    def __init__(self, layout: Layout, record: Record) -> None:
        """Describe a bed; use ``start`` or ``attach`` instead."""
        self._layout = layout
        self._record = record
        self._owning_process: int | None = None
        self._control_plane = _control_plane(layout, record)
        self._prometheus = (
            Prometheus(
                layout,
                record.ports.prometheus,
                record.programs["prometheus"],
                scrape_interval=record.scrape_interval,
            )
            if record.with_prometheus
            else None
        )

    @classmethod
    def start(
        cls,
        directory: Path | None = None,
        *,
        prometheus: bool = True,
        scrape_interval: timedelta = DEFAULT_SCRAPE_INTERVAL,
        users: Sequence[User] = EXAMPLE_USERS,
        api_server_flags: Sequence[str] = (),
        owner: int | None = THIS_PROCESS,
        remove_with_owner: bool = False,
        progress: Progress | None = None,
    ) -> Self:
        """Start a bed and wait until it is ready, about three seconds once its programs are built.

        ``directory``: where everything of it lies; by default a temporary one that goes with
        it. What an earlier bed kept there (see ``stop``) is used, what runs there already is
        left running. ``api_server_flags``: arguments of kube-apiserver beside our own.
        ``owner``: the pid with which the bed ends, by default this process;
        None means that it runs until somebody stops it. ``remove_with_owner``: the directory
        goes too when the owner ends without having stopped the bed.

        Raises TestbedError, with the program's own last lines, when something does not start.
        """
        tell = progress or Silent()
        wanted = (*control_plane.PROGRAMS, *(["prometheus"] if prometheus else []))
        programs = provide(wanted, progress=tell)
        temporary = directory is None
        layout = Layout(
            Path(tempfile.mkdtemp(prefix="surefoot-testbed-"))
            if directory is None
            else directory.absolute()
        )
        layout.prepare()
        with filelock.FileLock(layout.lock):
            record = Record(
                ports=Ports.free(),
                programs=programs,
                users=_with_admin(users),
                scrape_interval=scrape_interval,
                api_server_flags=tuple(api_server_flags),
                temporary=temporary or remove_with_owner,
            )
            if layout.record.exists():
                record = _continued(Record.read(layout.record), record)
                if not prometheus:
                    Component.stop_recorded(layout.process_of("prometheus"))
            try:
                bed = cls._started(layout, record, tell)
                if owner is not None:
                    bed._belong_to(owner or os.getpid())  # noqa: SLF001 - one of our own
            except BaseException:
                if temporary:
                    shutil.rmtree(layout.directory, ignore_errors=True)
                raise
        return bed

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """Find the bed in this directory again. It is not stopped when this object goes.

        Raises TestbedError where there is none; its components may or may not be running.
        """
        layout = Layout(directory.absolute())
        return cls(layout, Record.read(layout.record))

    @classmethod
    def exists_in(cls, directory: Path) -> bool:
        """Whether there is a bed in this directory, running or kept."""
        return Layout(directory.absolute()).record.exists()

    @classmethod
    def _started(cls, layout: Layout, record: Record, tell: Progress) -> Self:
        """Start with these ports, or with others if one of them is taken meanwhile."""
        for attempt in range(1, ATTEMPTS + 1):
            record.write(layout.record)
            bed = cls(layout, record)
            try:
                bed._start_components(tell)
            except StartError as error:
                bed._kill_all()
                if not error.port_was_taken or attempt == ATTEMPTS:
                    raise
                record = replace(record, ports=Ports.free())
            except BaseException:
                bed._kill_all()
                raise
            else:
                bed._write_kubeconfigs()
                return bed
        raise AssertionError("the last attempt returns or raises")

    def _start_components(self, tell: Progress) -> None:
        if self._prometheus is not None:
            self._prometheus.launch()  # it needs nobody, and gets ready beside the others
        for component in self._control_plane.components:
            component.start(tell)
        if self._prometheus is not None:
            self._prometheus.wait_until_ready(tell)

    @property
    def directory(self) -> Path:
        """Where everything of the bed lies."""
        return self._layout.directory

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._control_plane.server

    @property
    def audit_log(self) -> Path:
        """The audit log, a JSON object per line; ConfigMaps and surefoot.dev with their bodies."""
        return self._layout.audit_log

    @property
    def users(self) -> tuple[User, ...]:
        """Who has a kubeconfig."""
        return self._record.users

    @property
    def etcd(self) -> Component:
        """The store."""
        return self._control_plane.etcd

    @property
    def api_server(self) -> ApiServer:
        """The API server; stopped and started again it keeps its address and its objects."""
        return self._control_plane.api_server

    @property
    def controller_manager(self) -> Component:
        """Garbage collection, namespaces, service accounts, and Deployments up to their Pods."""
        return self._control_plane.controller_manager

    @property
    def prometheus(self) -> Prometheus:
        """The Prometheus. Raises TestbedError when the bed was started without."""
        if self._prometheus is None:
            raise TestbedError(
                f"the test bed in {self.directory} was started without Prometheus. "
                f"Start it with prometheus=True, or without --no-prometheus."
            )
        return self._prometheus

    @property
    def prometheus_url(self) -> str | None:
        """The address of the Prometheus, if there is one."""
        return None if self._prometheus is None else self._prometheus.url

    @property
    def components(self) -> tuple[Component, ...]:
        """Everything that runs for the bed, in the order of starting."""
        prometheus = (self._prometheus,) if self._prometheus is not None else ()
        return (*self._control_plane.components, *prometheus)

    @property
    def is_ready(self) -> bool:
        """Whether every component runs and says that it is ready."""
        return all(component.is_ready for component in self.components)

    def kubeconfig(self, user: str = ADMIN.name) -> Path:
        """Give the kubeconfig of one of the users. Raises TestbedError for a stranger."""
        known = {candidate.name: candidate for candidate in self.users}
        if user not in known:
            raise TestbedError(
                f"the test bed has no user {user!r}; it has {', '.join(known)}. "
                f"Add one: bed.add_user(User({user!r}, groups))"
            )
        return self._kubeconfig_path(user)

    def add_user(self, user: User) -> Path:
        """Add somebody, or give somebody other groups; answer with their kubeconfig."""
        others = tuple(known for known in self.users if known.name != user.name)
        self._record = replace(self._record, users=(*others, user))
        self._record.write(self._layout.record)
        return self._write_kubeconfig(user)

    def kubeconfig_for_service_account(
        self, namespace: str, name: str, *, valid_for: timedelta = timedelta(hours=24)
    ) -> Path:
        """Ask the API server for a token of this account, and write a kubeconfig with it.

        Raises TestbedError when the account does not exist or the server does not answer.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": int(valid_for.total_seconds())},
        }
        try:
            with self.client() as client:
                answer = client.post(path, json=request)
        except httpx.HTTPError as error:
            raise TestbedError(
                f"the API server at {self.server} does not answer: {error}"
            ) from error
        if not answer.is_success:
            raise TestbedError(
                f"no token for the service account {name} in namespace {namespace}: "
                f"{answer.json().get('message', answer.text)}. "
                f"Create it: kubectl -n {namespace} create serviceaccount {name}"
            )
        return write_kubeconfig(
            self._layout.kubeconfigs / f"serviceaccount-{namespace}-{name}.yaml",
            server=self.server,
            authority=self._control_plane.authority.files.certificate,
            user=f"system:serviceaccount:{namespace}:{name}",
            token=answer.json()["status"]["token"],
            namespace=namespace,
        )

    def another_api_server(self) -> ApiServer:
        """Start one more API server on the same store; it is stopped with the bed.

        It knows the same people: ``bed.client(user, server=other.server)``, and
        ``bed.kubectl(f"--server={other.server}", …)``. Everybody else is still sent to the first.
        """
        self._record = replace(self._record, ports=self._record.ports.with_another_api_server())
        self._record.write(self._layout.record)
        self._control_plane = _control_plane(self._layout, self._record)
        added = self._control_plane.other_api_servers[-1]
        added.start()
        return added

    def client(self, user: str = ADMIN.name, *, server: str | None = None) -> httpx.Client:
        """Give an HTTP client that is this user to the API server; close it, or use ``with``.

        ``server`` is the address of another API server of this bed.
        """
        who = next((known for known in self.users if known.name == user), User(user))
        authority = self._control_plane.authority
        return httpx.Client(
            base_url=server or self.server,
            verify=tls_for(authority.files.certificate, authority.client(who)),
            trust_env=False,
            timeout=30.0,
        )

    def kubectl(
        self, *arguments: str, user: str = ADMIN.name, stdin: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as this user. When it fails, raises TestbedError if ``check``."""
        done = subprocess.run(
            [str(_kubectl()), *arguments],
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig(user))},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise TestbedError(
                f"kubectl {' '.join(arguments)}, as {user}, ended with {done.returncode}: "
                f"{done.stderr.strip() or done.stdout.strip()}"
            )
        return done

    def leave_running(self) -> None:
        """Give the bed up: from now on it runs until ``surefoot testbed down``."""
        self._disown()
        guardian_of(self._layout).kill()

    def stop(self, *, keep_data: bool = False) -> None:
        """Stop everything; without ``keep_data`` nothing remains of it on the disk either.

        With ``keep_data`` a later ``start`` in the same directory finds all objects again.
        """
        self._disown()
        if not self.directory.exists():
            return
        with filelock.FileLock(self._layout.lock):
            guardian_of(self._layout).kill()
            if keep_data:
                for component in reversed(self.components):
                    component.stop()
                return
            self._kill_all()
            self._remove()

    def end_without_owner(self) -> None:
        """Do what the guardian does: a chosen directory is kept for those who ask what happened."""
        with filelock.FileLock(self._layout.lock):
            self._kill_all()
            if self._record.temporary:
                self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the bed if it is this process's own."""
        self._stop_if_mine()

    def _kill_all(self) -> None:
        for component in self.components:
            component.kill()

    def _remove(self) -> None:
        self._layout.remove()
        if self._record.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _belong_to(self, owner: int) -> None:
        if owner == os.getpid():
            self._owning_process = owner
            atexit.register(self._stop_if_mine)
        guardian = guardian_of(self._layout, owner)
        guardian.kill()  # that of an earlier owner
        guardian.launch()

    def _disown(self) -> None:
        self._owning_process = None
        atexit.unregister(self._stop_if_mine)

    def _stop_if_mine(self) -> None:
        # A forked child has this object too, and must not stop its parent's bed.
        if self._owning_process == os.getpid():
            self.stop()

    def _kubeconfig_path(self, user: str) -> Path:
        return self._layout.kubeconfigs / f"{user.replace(':', '-').replace('/', '-')}.yaml"

    def _write_kubeconfigs(self) -> None:
        for user in self.users:
            self._write_kubeconfig(user)

    def _write_kubeconfig(self, user: User) -> Path:
        authority = self._control_plane.authority
        return write_kubeconfig(
            self._kubeconfig_path(user.name),
            server=self.server,
            authority=authority.files.certificate,
            user=user.name,
            client=authority.client(user),
        )


def _continued(earlier: Record, wanted: Record) -> Record:
    """Keep what clients of the earlier bed rely on: its addresses and its people."""
    names = {user.name for user in wanted.users}
    others = tuple(user for user in earlier.users if user.name not in names)
    return replace(wanted, ports=earlier.ports, users=(*wanted.users, *others))


def _control_plane(layout: Layout, record: Record) -> ControlPlane:
    return ControlPlane(
        layout,
        record.ports.control_plane,
        record.programs,
        api_server_flags=record.api_server_flags,
    )


def _with_admin(users: Iterable[User]) -> tuple[User, ...]:
    """The bed itself asks as the administrator, so there is always one."""
    chosen = tuple(users)
    return chosen if any(user.name == ADMIN.name for user in chosen) else (ADMIN, *chosen)


@functools.cache
def _kubectl() -> Path:
    return find_kubectl()
