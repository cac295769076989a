"""A real control plane on loopback: etcd, kube-apiserver and kube-controller-manager.

TLS with an authority of its own, RBAC, an audit log, and the controllers that work without
nodes. Pods are created and stay Pending: there is no kubelet.

The garbage collector learns of new kinds every 30 seconds, here as in any cluster: a test
that deletes the owner of something right after installing the owner's CRD must wait for it.
"""

from collections.abc import Mapping
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


class ControlPlane:
    """The three programs, described; see Component for starting and stopping each."""

    def __init__(
        self, layout: Layout, ports: ControlPlanePorts, programs: Mapping[str, Path]
    ) -> None:
        """Describe a control plane in this directory and write the files that it reads."""
        self.server = f"https://127.0.0.1:{ports.api_server}"
        self.authority = Authority(layout.certificates)
        self._layout = layout
        self._ports = ports
        self._serving = self.authority.server()
        self._tls = tls_for(self.authority.files.certificate, client=self.authority.client(ADMIN))
        layout.audit_policy.write_text(yaml.safe_dump(AUDIT_POLICY, sort_keys=False))
        self.etcd = self._etcd(programs["etcd"])
        self.api_server = self._api_server(programs["kube-apiserver"])
        self.controller_manager = self._controller_manager(programs["kube-controller-manager"])

    @property
    def components(self) -> tuple[Component, ...]:
        """In the order of starting; they are stopped in the opposite one."""
        return (self.etcd, self.api_server, self.controller_manager)

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

    def _api_server(self, program: Path) -> Component:
        signing = self.authority.service_account_key()
        command = [
            f"--etcd-servers=http://127.0.0.1:{self._ports.etcd}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports.api_server}",
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
            f"--audit-log-path={self._layout.audit_log}",
            "--audit-log-maxsize=1000",
            "--profiling=false",
        ]
        return Component(
            "kube-apiserver",
            [str(program), *command],
            log=self._layout.log_of("kube-apiserver"),
            record=self._layout.process_of("kube-apiserver"),
            not_ready_because=lambda: self._complaint_of_server("/readyz"),
            # It would wait a minute for its watchers to leave by themselves.
            grace=1.0,
        )

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
                # Healthy says little about the controllers; this account is one's first deed.
                or self._complaint_of_server("/api/v1/namespaces/default/serviceaccounts/default")
            ),
        )

    def _complaint_of_server(self, path: str) -> str | None:
        return complaint(f"{self.server}{path}", self._tls)
