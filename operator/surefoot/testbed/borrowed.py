"""Somebody else's cluster as a bed: it is used, and left as it was; only Prometheus is ours."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import filelock

from surefoot.errors import TestbedError
from surefoot.testbed.binaries import provide
from surefoot.testbed.kind import Kind
from surefoot.testbed.kubeconfig import Target
from surefoot.testbed.layout import Layout
from surefoot.testbed.ports import free_ports
from surefoot.testbed.process import Component
from surefoot.testbed.progress import Progress, Silent
from surefoot.testbed.prometheus import Prometheus
from surefoot.testbed.users import User


def refuse_production(kubeconfig: Path) -> None:
    """Raise TestbedError if the cluster looks like one that matters to somebody."""
    target = Target.of(kubeconfig)
    signs = target.signs_of_production()
    if signs:
        raise TestbedError(
            f"{kubeconfig} may lead to a cluster in production: {'; '.join(signs)}. "
            f"The test bed changes and deletes objects. Expected a cluster on loopback or a "
            f"private address; if this one is for that, add --yes-use-this-cluster."
        )


@dataclass(frozen=True, slots=True)
class _Record:
    kubeconfig: Path
    is_kind: bool
    prometheus_port: int
    prometheus_program: Path | None

    def write(self, path: Path) -> None:
        path.write_text(
            json.dumps(
                {
                    "kubeconfig": str(self.kubeconfig),
                    "isKind": self.is_kind,
                    "prometheusPort": self.prometheus_port,
                    "prometheusProgram": str(self.prometheus_program or ""),
                }
            )
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        try:
            content = json.loads(path.read_text())
            program = content["prometheusProgram"]
            return cls(
                Path(content["kubeconfig"]),
                content["isKind"],
                content["prometheusPort"],
                Path(program) if program else None,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TestbedError(
                f"{path} is not the record of a test bed ({error!r}). "
                f"Remove {path.parent} if nothing in it is needed, and start again."
            ) from error


class BorrowedBed:
    """An existing cluster, or one of kind, beside a Prometheus of our own."""

    def __init__(self, layout: Layout, record: _Record) -> None:
        """Describe one; use ``start`` or ``attach`` instead."""
        self._layout = layout
        self._record = record
        self.prometheus: Prometheus | None = None
        if record.prometheus_program is not None:
            self.prometheus = Prometheus(layout, record.prometheus_port, record.prometheus_program)

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        kubeconfig: Path | None,
        prometheus: bool,
        progress: Progress | None = None,
        kind: Kind | None = None,
    ) -> Self:
        """Use the cluster of this kubeconfig, or with None one that kind makes.

        Consent is the caller's business, see ``refuse_production``.
        """
        tell = progress or Silent()
        maker = kind or Kind()
        if kubeconfig is None:
            maker.refuse_if_unusable()
        program = provide(["prometheus"], progress=tell)["prometheus"] if prometheus else None
        layout = Layout(directory.absolute())
        layout.prepare()
        with filelock.FileLock(layout.lock):
            earlier = cls.attach(directory)
            if earlier is not None:
                earlier.refuse_other_sort(is_kind=kubeconfig is None)
                if not prometheus:
                    Component.stop_recorded(layout.process_of("prometheus"))
            if kubeconfig is None:
                tell.say("making the kind cluster; a minute or two")
                maker.create(layout.kind_kubeconfig)
            record = _Record(
                kubeconfig=(kubeconfig or layout.kind_kubeconfig).absolute(),
                is_kind=kubeconfig is None,
                prometheus_port=earlier.prometheus_port if earlier else free_ports(1)[0],
                prometheus_program=program,
            )
            record.write(layout.borrowed_record)
            bed = cls(layout, record)
            if bed.prometheus is not None:
                bed.prometheus.start(tell)
        return bed

    @classmethod
    def attach(cls, directory: Path) -> Self | None:
        """Find what ``start`` left in this directory. None where that is nothing."""
        layout = Layout(directory.absolute())
        path = layout.borrowed_record
        return cls(layout, _Record.read(path)) if path.exists() else None

    def refuse_other_sort(self, *, is_kind: bool) -> None:
        """Raise TestbedError rather than forget a cluster that kind made."""
        if is_kind != self._record.is_kind:
            raise TestbedError(
                f"the test bed in {self._layout.directory} uses "
                f"{'a kind cluster' if self._record.is_kind else self._record.kubeconfig}. "
                f"Stop it first: surefoot testbed down --dir {self._layout.directory}"
            )

    @property
    def users(self) -> tuple[User, ...]:
        """Nobody but who the kubeconfig says: people are not made in a borrowed cluster."""
        return ()

    @property
    def components(self) -> tuple[Component, ...]:
        """What runs here for the bed."""
        return () if self.prometheus is None else (self.prometheus,)

    @property
    def prometheus_port(self) -> int:
        """The port that our Prometheus has, or would have."""
        return self._record.prometheus_port

    @property
    def prometheus_url(self) -> str | None:
        """The address of our Prometheus, if there is one."""
        return None if self.prometheus is None else self.prometheus.url

    def kubeconfig(self) -> Path:
        """Give the kubeconfig of the cluster."""
        return self._record.kubeconfig

    def stop(self, *, keep_data: bool = False, kind: Kind | None = None) -> None:
        """Stop our Prometheus and delete the kind cluster; an existing cluster is left alone.

        ``keep_data`` keeps the samples; what kind stored goes with its cluster.
        """
        if self.prometheus is not None:
            self.prometheus.stop()
        if self._record.is_kind:
            (kind or Kind()).delete()
        if not keep_data:
            self._layout.remove()
