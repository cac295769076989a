"""What lies where in the directory of a test bed."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from surefoot.errors import TestbedError


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one test bed's directory; nothing of it lies elsewhere."""

    directory: Path

    def prepare(self) -> None:
        """Make the directory. Raises TestbedError if it holds other things than a bed."""
        records = (self.record, self.borrowed_record)
        if self.directory.exists() and not any(record.exists() for record in records):
            others = sorted({p.name for p in self.directory.iterdir()} - {self.lock.name})
            if others:
                raise TestbedError(
                    f"{self.directory} holds no test bed but other files: "
                    f"{', '.join(others[:3])}{', …' if len(others) > 3 else ''}. "
                    f"Name an empty directory, or one that does not exist."
                )
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def record(self) -> Path:
        """What `attach` needs to know; it is there from the first start until the data goes."""
        return self.directory / "bed.json"

    @property
    def borrowed_record(self) -> Path:
        """The same for a bed on a cluster that is not ours."""
        return self.directory / "borrowed.json"

    @property
    def lock(self) -> Path:
        """Held while the bed is started or stopped."""
        return self.directory / "bed.lock"

    @property
    def certificates(self) -> Path:
        """The authority, its keys and what it signed."""
        return self.directory / "certificates"

    @property
    def programs(self) -> Path:
        """Links to the programs for a person's PATH."""
        return self.directory / "bin"

    @property
    def kubeconfigs(self) -> Path:
        """One kubeconfig per user and service account."""
        return self.directory / "kubeconfigs"

    @property
    def etcd_data(self) -> Path:
        """What the API server stores."""
        return self.directory / "etcd"

    @property
    def prometheus_data(self) -> Path:
        """The samples."""
        return self.directory / "prometheus"

    @property
    def prometheus_config(self) -> Path:
        """The configuration that `set_targets` rewrites."""
        return self.directory / "prometheus.yaml"

    @property
    def audit_policy(self) -> Path:
        """What is audited."""
        return self.directory / "audit-policy.yaml"

    @property
    def audit_log(self) -> Path:
        """One JSON object per line."""
        return self.directory / "logs" / "audit.log"

    @property
    def kind_kubeconfig(self) -> Path:
        """What kind writes for its cluster."""
        return self.directory / "kind.yaml"

    def log_of(self, component: str) -> Path:
        """Where a component's output goes."""
        return self.directory / "logs" / f"{component}.log"

    def process_of(self, component: str) -> Path:
        """The record of a component's process."""
        return self.directory / "processes" / f"{component}.json"

    def remove(self) -> None:
        """Remove what is ours. A directory that somebody chose may hold more than that."""
        for folder in (
            self.etcd_data,
            self.prometheus_data,
            self.certificates,
            self.kubeconfigs,
            self.programs,
            self.audit_log.parent,
            self.process_of("any").parent,
        ):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (
            self.prometheus_config,
            self.audit_policy,
            self.kind_kubeconfig,
            self.record,
            self.borrowed_record,
            self.lock,
        ):
            file.unlink(missing_ok=True)
        with suppress(OSError):  # not empty: the rest is not ours
            self.directory.rmdir()
