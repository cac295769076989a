"""Argo CD itself: its controller, its repository server and its Lua, built from its own modules.

They run beside the test bed as processes. An Application syncs a Git repository in a folder.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from surefoot.testbed.bed import TestBed
from surefoot.testbed.ports import free_ports
from tests.support.testbed import SURELY, wait_until

JSON = dict[str, Any]

HERE = Path(__file__).parent / "argocd"
GO = Path(sys.executable).with_name("go")
"""The Go of the lock: Argo CD asks for a newer one than the test bed does."""
ARGO_CD = "github.com/argoproj/argo-cd/v3"
NAMESPACE = "argocd"
APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
REFRESH = "argocd.argoproj.io/refresh"


def build(folder: Path) -> Path:
    """The program, from the versions that go.sum pins. It takes ten minutes the first time."""
    program = folder / "argocd"
    command = [str(GO), "build", "-trimpath", "-ldflags=-s -w", "-o", str(program), "."]
    subprocess.run(command, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    return program


def module() -> Path:
    """The folder of Argo CD's module, of the version that is built."""
    command = [str(GO), "list", "-m", "-f", "{{.Dir}}", ARGO_CD]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def ask(program: Path, **question: Any) -> JSON:
    """The answer of Argo CD's Lua to one question."""
    done = subprocess.run(
        [program, "lua"], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def install(bed: TestBed, account: Path, patch: Path) -> None:
    """Everything that the controller reads; ``patch`` is what we add to argocd-cm."""
    labels = {"app.kubernetes.io/part-of": "argocd"}
    bed.kubectl("apply", "--server-side", "-k", str(module() / "manifests" / "crds"))
    with bed.client() as client:
        for kind in ("applications", "appprojects"):
            path = f"/apis/argoproj.io/v1alpha1/{kind}"
            wait_until(partial(_is_served, client, path), SURELY, f"{kind} to be served")
    _apply(bed, "v1", "ConfigMap", "argocd-cm", labels)
    _apply(bed, "v1", "Secret", "argocd-secret", labels, stringData={"server.secretkey": "x"})
    bed.kubectl("apply", "--server-side", "--field-manager=surefoot", "-f", str(patch))
    _apply(
        *(bed, "v1", "Secret", "cluster"),
        {"argocd.argoproj.io/secret-type": "cluster"},
        stringData=_cluster(account),
    )
    _apply(
        *(bed, "argoproj.io/v1alpha1", "AppProject", "default", {}),
        spec={"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
    )


def _is_served(client: httpx.Client, path: str) -> bool:
    return client.get(path).is_success


def _cluster(kubeconfig: Path) -> dict[str, str]:
    """The credentials of Argo CD's account, as Argo CD keeps those of a cluster."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = cluster.get("certificate-authority-data") or base64.b64encode(
        Path(cluster["certificate-authority"]).read_bytes()
    ).decode("ascii")
    credentials = {"bearerToken": user["token"], "tlsClientConfig": {"caData": authority}}
    return {
        "name": "testbed",
        "server": cluster["server"],
        "config": json.dumps(credentials),
    }


def _apply(
    bed: TestBed, version: str, kind: str, name: str, labels: dict[str, str], **rest: Any
) -> None:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    made = {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}
    bed.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(made))


@dataclass(frozen=True)
class Running:
    """Argo CD at work: its program, and the environment that names its cache."""

    program: Path
    environment: dict[str, str]

    def tree(self, application: str) -> list[JSON]:
        """The nodes of an Application's tree, as Argo CD's API server reads them."""
        done = subprocess.run(
            [self.program, "tree", application],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return list(json.loads(done.stdout).get("nodes") or ())


@contextmanager
def running(program: Path, bed: TestBed, folder: Path) -> Iterator[Running]:
    """Run cache, repository server and controller. Their logs stay in the folder."""
    cache, repositories, first, second = free_ports(4)
    home = folder / "home"
    home.mkdir()
    # Argo CD's image has this script; a module's files cannot be executed where they lie.
    programs = folder / "programs"
    programs.mkdir()
    script = programs / "git-verify-wrapper.sh"
    script.write_text((module() / "hack" / script.name).read_text("utf-8"), encoding="utf-8")
    script.chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(home),
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_RECONCILIATION_TIMEOUT": "0",
        "ARGOCD_ASK_PASS_SOCK": str(home / "ask-pass.sock"),
        "REDIS_SERVER": f"127.0.0.1:{cache}",
        "KUBECONFIG": str(bed.kubeconfig()),
    }
    shared = ("--loglevel", "info", "--logformat", "text")
    parts = {
        "cache": ("cache", f"127.0.0.1:{cache}"),
        "repo-server": (
            *(
                "repo-server",
                "--disable-tls",
                "--client-ca-path=",
                "--address",
                "127.0.0.1",
                "--port",
            ),
            *(str(repositories), "--metrics-address", "127.0.0.1", "--metrics-port", str(first)),
            *shared,
        ),
        "controller": (
            *("controller", "--namespace", NAMESPACE, "--repo-server-plaintext"),
            *("--repo-server", f"127.0.0.1:{repositories}", "--metrics-port", str(second)),
            *("--persist-resource-health", "--self-heal-backoff-timeout-seconds", "0"),
            *shared,
        ),
    }
    with ExitStack() as stack:
        for name, arguments in parts.items():
            log = stack.enter_context((folder / f"{name}.log").open("w"))
            process = stack.enter_context(
                subprocess.Popen(
                    [program, *arguments], env=environment, stdout=log, stderr=log, cwd=home
                )
            )
            stack.callback(process.kill)
        yield Running(program, environment)


@dataclass
class Repository:
    """A Git repository in a folder, with one manifest."""

    folder: Path

    def commit(self, manifest: JSON) -> None:
        """Put the manifest into a new commit."""
        self.folder.mkdir(exist_ok=True)
        if not (self.folder / ".git").exists():
            self._git("init", "--quiet", "--initial-branch=main")
        text = json.dumps(manifest, indent=2)
        (self.folder / "rollout.yaml").write_text(text, encoding="utf-8")
        self._git("add", "rollout.yaml")
        author = ("-c", "user.name=git", "-c", "user.email=git@example.com")
        self._git(*author, "commit", "--quiet", "--message=plan")

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True)


@dataclass
class LiveApplication:
    """An Application that Argo CD's controller keeps in sync."""

    bed: TestBed
    name: str
    repository: Repository
    server: str

    def create(self, namespace: str, *, server_side: bool, self_heal: bool, **more: Any) -> None:
        """Apply the Application; it syncs by itself."""
        options = ["ServerSideApply=true"] if server_side else []
        options += more.pop("options", [])
        _apply(
            *(self.bed, "argoproj.io/v1alpha1", "Application", self.name, {}),
            spec={
                "project": "default",
                "source": {
                    "repoURL": f"file://{self.repository.folder}",
                    "targetRevision": "main",
                    "path": ".",
                },
                "destination": {"server": self.server, "namespace": namespace},
                "syncPolicy": {"automated": {"selfHeal": self_heal}, "syncOptions": options},
                **more,
            },
        )

    def status(self) -> JSON:
        """What Argo CD says of it."""
        with self.bed.client() as client:
            answer = client.get(f"{APPLICATIONS}/{self.name}").raise_for_status().json()
        return dict(answer.get("status") or {})

    def sync_status(self) -> str:
        """Synced, OutOfSync or Unknown."""
        return str(self.status().get("sync", {}).get("status", ""))

    def health(self) -> str:
        """The worst health of its resources."""
        return str(self.status().get("health", {}).get("status", ""))

    def syncs(self) -> int:
        """How many times it was synced."""
        return len(self.status().get("history") or ())

    def refresh(self) -> JSON:
        """Have it compared once more, and return what came of it."""
        patch = {"metadata": {"annotations": {REFRESH: "hard"}}}
        merge = {"Content-Type": "application/merge-patch+json"}
        path = f"{APPLICATIONS}/{self.name}"
        with self.bed.client() as client:
            client.patch(path, json=patch, headers=merge).raise_for_status()

            def is_compared() -> bool:
                metadata = client.get(path).raise_for_status().json()["metadata"]
                return REFRESH not in (metadata.get("annotations") or {})

            wait_until(is_compared, SURELY, "Argo CD to compare")
        return self.status()

    def wait_until_synced(self, times: int) -> None:
        """Wait until it was synced so often, and is Synced."""
        wait_until(
            lambda: self.syncs() == times and self.sync_status() == "Synced",
            SURELY,
            f"{self.name} to be synced {times} times",
        )
