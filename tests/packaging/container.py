"""The image as a container runtime runs it, without a daemon: unpacked by umoci, run by runc."""

import base64
import json
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.image import archive_of
from deploy.project import Project
from surefoot.testbed.bed import TestBed
from tests.support.testbed import SURELY

ARCHIVE = archive_of(Project.read())
NAMESPACE = "surefoot-system"
SECRETS = "/var/run/secrets/kubernetes.io/serviceaccount"


def manifest() -> tuple[dict[str, Any], dict[str, Any]]:
    """Read the manifest of the image, and its configuration."""
    with tarfile.open(ARCHIVE) as tar:

        def blob(digest: str) -> dict[str, Any]:
            content = tar.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert content is not None
            answer: dict[str, Any] = json.load(content)
            return answer

        index = tar.extractfile("index.json")
        assert index is not None
        image = blob(json.load(index)["manifests"][0]["digest"])
        return image, blob(image["config"]["digest"])


def unpack(folder: Path) -> Path:
    """Unpack the image into a bundle that a runtime runs, and return it."""
    layout, bundle = folder / "oci", folder / "bundle"
    layout.mkdir()
    with tarfile.open(ARCHIVE) as tar:
        tar.extractall(layout, filter="data")
    name = json.loads((layout / "index.json").read_text())["manifests"][0]["annotations"]
    tag = name["org.opencontainers.image.ref.name"]
    subprocess.run(
        ["umoci", "unpack", "--image", f"{layout}:{tag}", str(bundle)],
        check=True,
        capture_output=True,
    )
    return bundle


@dataclass
class ServiceAccountVolume:
    """The folder that a kubelet mounts: a token that is exchanged in one step."""

    folder: Path
    ca: str

    def write(self, token: str) -> None:
        """Put another token in place of the present one, as a kubelet does, by a link."""
        name = f"..{time.monotonic_ns()}"
        data = self.folder / name
        data.mkdir(parents=True)
        for file, text in (("token", token), ("ca.crt", self.ca), ("namespace", NAMESPACE)):
            (data / file).write_text(text)
        link = self.folder / "..new"
        link.symlink_to(name)
        link.rename(self.folder / "..data")
        for file in ("token", "ca.crt", "namespace"):
            if not (self.folder / file).is_symlink():
                (self.folder / file).symlink_to(f"..data/{file}")


def authority(bed: TestBed) -> str:
    """Read the authority of the API server's certificate."""
    shown = bed.kubectl("config", "view", "--raw", "--minify", "-o", "json").stdout
    cluster = json.loads(shown)["clusters"][0]["cluster"]
    if "certificate-authority" in cluster:
        return Path(cluster["certificate-authority"]).read_text()
    return base64.b64decode(cluster["certificate-authority-data"]).decode()


@dataclass
class Container:
    """One container that runs under the restrictions of our Deployment."""

    bundle: Path
    name: str
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def configure(
        self, mounts: dict[str, Path], arguments: list[str], environment: dict[str, str]
    ) -> None:
        """Write the runtime's configuration: what a Pod's security context asks for."""
        path = self.bundle / "config.json"
        config = json.loads(path.read_text())
        process = config["process"]
        process["terminal"] = False
        process["args"] = ["/usr/local/bin/surefoot", *arguments]
        process["env"] += [f"{name}={value}" for name, value in environment.items()]
        process["capabilities"] = {}
        process["noNewPrivileges"] = True
        config["root"]["readonly"] = True
        # The network of the machine, where the control plane listens on loopback.
        linux = config["linux"]
        linux["namespaces"] = [
            namespace
            for namespace in linux["namespaces"]
            if namespace["type"] in ("pid", "mount", "ipc", "uts")
        ]
        for key in ("uidMappings", "gidMappings", "resources"):
            linux.pop(key, None)
        config["mounts"] = [
            mount for mount in config["mounts"] if mount["destination"] in ("/proc", "/dev")
        ] + [
            {
                "destination": destination,
                "type": "bind",
                "source": str(source),
                "options": ["rbind", "ro"],
            }
            for destination, source in mounts.items()
        ]
        path.write_text(json.dumps(config))

    def start(self) -> None:
        """Start it, its output into the log."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["runc", "run", "--bundle", self.bundle, self.name],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def signal(self, number: int) -> None:
        """Send the program in the container a signal, as a kubelet's runtime does."""
        subprocess.run(["runc", "kill", self.name, str(number)], check=True, capture_output=True)

    def remove(self) -> None:
        """End it, whatever state it is in."""
        subprocess.run(["runc", "delete", "--force", self.name], check=False, capture_output=True)
        if self.process is not None:
            self.process.wait(timeout=SURELY)


def is_answering(url: str) -> bool:
    """Whether the URL answers with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.URLError):
        return False


def host_and_port_of(bed: TestBed) -> tuple[str, int]:
    """Where the API server of the bed listens."""
    parts = urlsplit(bed.server)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port
