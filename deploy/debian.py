"""The base of the image: a root file system of exactly the Debian packages that are pinned.

`deploy/container/packages.lock` names each package with its version and the SHA-256 of its file.
Nothing else is in the base: neither a shell nor a package manager. No maintainer script runs, and
what is made here depends on these files alone.

`python -m deploy.debian` pins the newest versions again (`make image-lock`).
"""

import argparse
import hashlib
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.project import BUILD, DeployError, run

LOCK = Path(__file__).parent / "container" / "packages.lock"
RELEASE = "trixie"
PYTHON = "3.13"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PACKAGES = (
    "base-files",  # the folders, and the links /bin and /lib
    "netbase",
    "media-types",
    "libc6",
    "libgcc-s1",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libexpat1",
    "libffi8",
    "libssl3t64",
    "libzstd1",  # libcrypto is linked against it
    "libuuid1",
    f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    f"python{PYTHON}-minimal",
    "ca-certificates",
)
"""Python, what it is linked against, and the authorities of TLS."""

UNUSED = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/doc-base",
    "usr/share/locale",
    "usr/share/menu",
    "usr/share/pixmaps",
    "usr/share/base-files",
    "usr/share/apps",
    "usr/share/applications",
    "usr/share/info",
    "usr/share/binfmts",
    "usr/lib/*/gconv",  # character sets that only iconv knows
    "usr/sbin/update-ca-certificates",
    "etc/ca-certificates",
    "etc/update-motd.d",
    "etc/binfmt.d",
    "usr/lib/binfmt.d",
    f"usr/lib/python{PYTHON}/ensurepip",
    f"usr/lib/python{PYTHON}/idlelib",
    f"usr/lib/python{PYTHON}/lib2to3",
    f"usr/lib/python{PYTHON}/pydoc_data",
    f"usr/lib/python{PYTHON}/turtledemo",
    f"usr/lib/python{PYTHON}/test",
)
"""What no program of the image reads."""

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """One package as it is pinned for one architecture."""

    name: str
    architecture: str
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.architecture} {self.version} {self.sha256}"


def architecture() -> str:
    """Name this machine's architecture as Debian does."""
    return ARCHITECTURES[os.uname().machine]


def read_pins(lock: Path = LOCK) -> tuple[Pin, ...]:
    """Read the pins of this machine's architecture."""
    lines = (line for line in lock.read_text("utf-8").splitlines() if not line.startswith("#"))
    pins = (Pin(*line.split()) for line in lines)
    return tuple(pin for pin in pins if pin.architecture == architecture())


class Archive:
    """Debian's archive by a private apt, so that the release of this machine does not matter.

    The mirrors are those that this machine's apt uses, or what ``MIRROR`` and ``SECURITY_MIRROR``
    in the environment name. A mirror keeps a version for as long as it is the newest; Debian's
    snapshot service keeps all.
    """

    def __init__(self, folder: Path) -> None:
        """Fetch the lists of packages into the folder."""
        self._folder = folder.absolute()
        for part in ("lists/partial", "archives/partial", "files", "etc/apt.conf.d"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        mirror, security = _mirrors()
        signed = f"[signed-by={KEYRING} check-valid-until=no]"
        (self._folder / "sources.list").write_text(
            f"deb {signed} {mirror} {RELEASE} main\n"
            f"deb {signed} {mirror} {RELEASE}-updates main\n"
            f"deb {signed} {security} {RELEASE}-security main\n",
            encoding="utf-8",
        )
        self._apt("apt-get", "update", "-qq")

    def newest(self, name: str) -> str:
        """Return the newest version of the package."""
        shown = self._apt("apt-cache", "show", "--no-all-versions", name)
        return next(
            line.partition(" ")[2] for line in shown.splitlines() if line.startswith("Version: ")
        )

    def fetch(self, name: str, version: str) -> Path:
        """Fetch the file of the package; apt verifies it against the signed list."""
        target = self._folder / "files"
        before = {path.name for path in target.iterdir()}
        try:
            self._apt("apt-get", "download", "-qq", f"{name}={version}", cwd=target)
        except DeployError as error:
            raise DeployError(
                f"the Debian archive has no {name} {version}, which {LOCK.name} pins. Pin the "
                "versions that it has with `make image-lock`, or name a mirror that keeps old "
                "ones, such as Debian's snapshot service, in MIRROR and SECURITY_MIRROR"
            ) from error
        stem = f"{name}_{version.replace(':', '%3a')}_"
        found = [path for path in target.iterdir() if path.name.startswith(stem)]
        if len(found) != 1:
            raise DeployError(f"apt fetched {before ^ {p.name for p in target.iterdir()}}")
        return found[0]

    def _apt(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        options = {
            "Dir::Etc": f"{self._folder}/etc",
            "Dir::Etc::sourcelist": f"{self._folder}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": str(self._folder),
            "Dir::State::status": "/dev/null",
            "Dir::Cache": str(self._folder),
            "APT::Architecture": architecture(),
            "APT::Architectures": architecture(),
            "APT::Sandbox::User": "root",
        }
        command = [program, *(f"-o{key}={value}" for key, value in options.items()), *arguments]
        return run(*command, cwd=cwd)


def _mirrors() -> tuple[str, str]:
    """Find the mirror, and that of the security updates."""
    used = run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE) $(ORIGIN)"),
        "Created-By: Packages",
    )
    words = [line.split() for line in used.splitlines() if line.endswith(" Debian")]
    mirrors = [uri for uri, suite, _ in words if not suite.endswith("-security")]
    security = [uri for uri, suite, _ in words if suite.endswith("-security")]
    mirror = os.environ.get("MIRROR") or next(iter(mirrors), None)
    security_mirror = os.environ.get("SECURITY_MIRROR") or next(iter(security), None)
    if mirror is None or security_mirror is None:
        raise DeployError(
            "the apt of this machine knows no mirror of Debian and its security updates. Name "
            "them: MIRROR=… SECURITY_MIRROR=…, or build in a container of Debian"
        )
    return mirror, security_mirror


def make_base(target: Path, work: Path = BUILD / "debian") -> tuple[Pin, ...]:
    """Write the base as a tar archive, and return the pins that it consists of."""
    pins = read_pins()
    packages = _fetch_missing(pins, work)
    root = work / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for pin in pins:
        package = packages[pin]
        run("dpkg-deb", "--extract", package, root)
        # Scanners find here what is installed, as in Google's distroless images.
        control = run("dpkg-deb", "--field", package)
        status = root / "var" / "lib" / "dpkg" / "status.d" / pin.name
        status.parent.mkdir(parents=True, exist_ok=True)
        status.write_text(control, encoding="utf-8")
    _finish(root)
    _write_tar(root, target)
    return pins


def _fetch_missing(pins: Sequence[Pin], work: Path) -> dict[Pin, Path]:
    """Return the file of each pin, fetching those that an earlier run has not fetched."""
    folder = work / "files"
    fetched = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in folder.glob("*.deb")}
    if not all(pin.sha256 in fetched for pin in pins):
        archive = Archive(work)
        for pin in pins:
            if pin.sha256 not in fetched:
                package = archive.fetch(pin.name, pin.version)
                fetched[hashlib.sha256(package.read_bytes()).hexdigest()] = package
    for pin in pins:
        if pin.sha256 not in fetched:
            raise DeployError(f"{pin.name} {pin.version} is not the file that {LOCK.name} pins")
    return {pin: fetched[pin.sha256] for pin in pins}


def _finish(root: Path) -> None:
    bundle = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    authorities = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_text("".join(path.read_text("ascii") for path in authorities), encoding="ascii")
    shutil.rmtree(root / "usr/share/ca-certificates")
    for path in [path for pattern in UNUSED for path in root.glob(pattern)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (root / "usr/bin/python3").symlink_to(f"python{PYTHON}")
    for name, text in FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    (root / "home" / "nonroot").mkdir(mode=0o755)


def _write_tar(root: Path, target: Path) -> None:
    """Write the tree in the order of names, with neither times nor owners of this machine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in _paths(root):
            entry = tar.gettarinfo(str(path), arcname=str(path.relative_to(root)))
            entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
            if entry.name == "home/nonroot":
                entry.uid = entry.gid = 65532
            if entry.isfile():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)


def _paths(root: Path) -> Iterator[Path]:
    yield from sorted(root.rglob("*"))


def lock(work: Path = BUILD / "debian") -> None:
    """Pin the newest version of every package for this machine's architecture; keep the others."""
    archive = Archive(work)
    pins = []
    for name in PACKAGES:
        version = archive.newest(name)
        digest = hashlib.sha256(archive.fetch(name, version).read_bytes()).hexdigest()
        pins.append(Pin(name, architecture(), version, digest))
    others = [
        line
        for line in (LOCK.read_text("utf-8").splitlines() if LOCK.exists() else [])
        if not line.startswith("#") and line.split()[1] != architecture()
    ]
    header = f"# Debian {RELEASE}: package, architecture, version, SHA-256. See make image-lock.\n"
    LOCK.write_text(
        header + "".join(f"{pin}\n" for pin in pins) + "".join(f"{x}\n" for x in others)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Pin the packages."""
    argparse.ArgumentParser(prog="python -m deploy.debian", description=__doc__).parse_args(
        arguments
    )
    try:
        lock()
    except DeployError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
