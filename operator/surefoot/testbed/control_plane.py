"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

TLS with an authority of its own, RBAC, an audit log, and the controllers that work without
nodes. Pods are created and stay Pending: there is no kubelet.

The garbage collector learns of new kinds every 30 seconds, here as in any cluster: a test
that deletes the owner of something right after installing the owner's CRD must wait for it.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from surefoot.testbed.certificates import Authority
from surefoot.testbed.health import complaint
from surefoot.testbed.kubeconfig import tls_for, write_kubeconfig
from surefoot.testbed.layout import Layout
from surefoot.testbed.process import Component
from surefoot.testbed.users import ADMIN, CONTROLLER_MANAGER

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")

CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "validatingadmissionpolicy-status-controller",
)
"""Those that need no nodes. Deployments and their Pods are there for the admission they meet."""

FIRST_DEED = "/api/v1/namespaces/default/serviceaccounts/default"
"""What one of them makes before anything else."""

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/openapi*"]},
        {
            "level": "RequestResponse",
            "resources": [
                {"group": "surefoot.dev"},
                {"group": "", "resources": ["configmaps"]},
            ],
        },
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class ControlPlanePorts:
    """The ports of one control plane, all on 127.0.0.1."""

    etcd: int
    api_server: int
    controller_manager: int
    other_api_servers: tuple[int, ...] = ()
    """Those of further API servers on the same store."""


class ApiServer(Component):
    """One API server: a Component with an address."""

    def __init__(
        self, name: str, port: int, command: Sequence[str], *, layout: Layout, tls: ssl.SSLContext
    ) -> None:
        """Describe an API server on this port; ``tls`` is what asks it whether it is ready."""
        self.server = f"https://127.0.0.1:{port}"
        super().__init__(
            name,
            command,
            log=layout.log_of(name),
            record=layout.process_of(name),
            not_ready_because=lambda: complaint(f"{self.server}/readyz", tls),
            # It would wait a minute for its watchers to leave by themselves.
            grace=1.0,
        )


class ControlPlane:
    """The programs, described; see Component for starting and stopping each."""

    def __init__(
        self,
        layout: Layout,
        ports: ControlPlanePorts,
        programs: Mapping[str, Path],
        *,
        api_server_flags: Sequence[str] = (),
    ) -> None:
        """Describe a control plane in this directory and write the files that it reads.

        ``api_server_flags`` come after our own, so that they count where both say something.
        """
        self.authority = Authority(layout.certificates)
        self._layout = layout
        self._ports = ports
        self._api_server_flags = tuple(api_server_flags)
        self._serving = self.authority.server()
        self._tls = tls_for(self.authority.files.certificate, client=self.authority.client(ADMIN))
        layout.audit_policy.write_text(yaml.safe_dump(AUDIT_POLICY, sort_keys=False))
        self.etcd = self._etcd(programs["etcd"])
        program = programs["kube-apiserver"]
        self.api_server = self._api_server(
            program, "kube-apiserver", ports.api_server, layout.audit_log
        )
        self.other_api_servers = tuple(
            self._api_server(
                program,
                f"kube-apiserver-{number}",
                port,
                layout.audit_log.with_name(f"audit-{number}.log"),
            )
            for number, port in enumerate(ports.other_api_servers, start=2)
        )
        self.controller_manager = self._controller_manager(programs["kube-controller-manager"])

    @property
    def server(self) -> str:
        """The address of the API server that everybody is sent to."""
        return self.api_server.server

    @property
    def components(self) -> tuple[Component, ...]:
        """In the order of starting; they are stopped in the opposite one."""
        return (self.etcd, self.api_server, *self.other_api_servers, self.controller_manager)

    def _etcd(self, program: Path) -> Component:
        address = f"http://127.0.0.1:{self._ports.etcd}"
        command = [
            f"--data-dir={self._layout.etcd_data}",
            f"--listen-client-urls={address}",
            f"--advertise-client-urls={address}",
            "--listen-peer-urls=http://127.0.0.1:0",
            # Made to be thrown away: a power cut may take the data, and every write is faster.
            "--unsafe-no-fsync",
            "--quota-backend-bytes=1073741824",
            "--log-level=warn",
        ]
        return Component(
            "etcd",
            [str(program), *command],
            log=self._layout.log_of("etcd"),
            record=self._layout.process_of("etcd"),
            not_ready_because=lambda: complaint(f"{address}/health"),
        )

    def _api_server(self, program: Path, name: str, port: int, audit_log: Path) -> ApiServer:
        signing = self.authority.service_account_key()
        command = [
            str(program),
            f"--etcd-servers=http://127.0.0.1:{self._ports.etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            # An endpoint on loopback is refused; without a reconciler none is announced.
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            f"--cert-dir={self._layout.certificates}",
            f"--tls-cert-file={self._serving.certificate}",
            f"--tls-private-key-file={self._serving.key}",
            f"--client-ca-file={self.authority.files.certificate}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={signing.certificate}",
            f"--service-account-signing-key-file={signing.key}",
            f"--audit-policy-file={self._layout.audit_policy}",
            f"--audit-log-path={audit_log}",
            "--audit-log-maxsize=1000",
            "--profiling=false",
            *self._api_server_flags,
        ]
        return ApiServer(name, port, command, layout=self._layout, tls=self._tls)

    def _controller_manager(self, program: Path) -> Component:
        signing = self.authority.service_account_key()
        kubeconfig = write_kubeconfig(
            self._layout.certificates / "controller-manager.yaml",
            server=self.server,
            authority=self.authority.files.certificate,
            user=CONTROLLER_MANAGER.name,
            client=self.authority.client(CONTROLLER_MANAGER),
        )
        address = f"https://127.0.0.1:{self._ports.controller_manager}"
        command = [
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports.controller_manager}",
            f"--tls-cert-file={self._serving.certificate}",
            f"--tls-private-key-file={self._serving.key}",
            f"--controllers={','.join(CONTROLLERS)}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={signing.key}",
            f"--root-ca-file={self.authority.files.certificate}",
            # The only one of its kind; an election would cost the first seconds of each start.
            "--leader-elect=false",
            # Tests make and delete namespaces by the dozen.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
            "--concurrent-namespace-syncs=20",
            "--profiling=false",
        ]
        return Component(
            "kube-controller-manager",
            [str(program), *command],
            log=self._layout.log_of("kube-controller-manager"),
            record=self._layout.process_of("kube-controller-manager"),
            not_ready_because=lambda: (
                complaint(f"{address}/healthz", self._tls)
                # Healthy says little about the controllers.
                or complaint(f"{self.server}{FIRST_DEED}", self._tls)
            ),
        )
