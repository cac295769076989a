"""`python -m deploy.image`: the operator's image, as an OCI archive in dist/.

buildah builds it, without a daemon and without a registry. The same files make the same digest:
`--twice` builds it a second time from nothing and compares.
"""

import argparse
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from deploy import debian, wheels
from deploy.project import BUILD, DIST, ROOT, DeployError, Project, run

CONTAINER = Path(__file__).parent / "container"


def prepare_context(context: Path) -> None:
    """Put together everything that the Dockerfile names, from pinned files only."""
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir(parents=True)
    debian.make_base(context / "base.tar")
    wheel = next(
        path
        for path in wheels.build_distributions(context / "wheels")
        if path.name.startswith("surefoot-") and path.suffix == ".whl"
    )
    site = context / "site"
    machine = os.uname().machine
    install = (
        *(str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--no-deps"),
        *("--target", str(site), "--link-mode", "copy", "--only-binary", ":all:"),
        *("--python-version", debian.PYTHON, "--python-platform", f"{machine}-manylinux_2_40"),
    )
    lock = CONTAINER / "requirements.lock"
    run(*install, "--require-hashes", "-r", lock)
    run(*install, wheel)
    shutil.rmtree(context / "wheels")
    shutil.copy(CONTAINER / "arrange.py", context)
    shutil.copy(CONTAINER / "Dockerfile", context)


def build(context: Path, archive: Path, project: Project) -> str:
    """Build the context into an OCI archive and return the digest of the image."""
    name = f"localhost/surefoot:{project.version}"
    archive.unlink(missing_ok=True)
    storage = BUILD / "containers"
    shutil.rmtree(storage, ignore_errors=True)
    buildah = (
        _buildah(),
        *("--root", str(storage / "root"), "--runroot", str(storage / "run")),
        *("--storage-driver", "vfs"),
    )
    try:
        said = run(
            *(*buildah, "bud", "--quiet", "--isolation", "chroot"),
            *("--pull=never", "--no-cache", "--timestamp", "0", "--format", "oci"),
            *("--label", "org.opencontainers.image.title=surefoot"),
            *("--label", f"org.opencontainers.image.version={project.version}"),
            *("--label", f"org.opencontainers.image.description={project.description}"),
            *("--label", "org.opencontainers.image.licenses=Apache-2.0"),
            *("--tag", name, str(context)),
        )
        sys.stderr.write(said)
        run(*buildah, "push", "--quiet", name, f"oci-archive:{archive}:surefoot:{project.version}")
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    return digest_of(archive)


def archive_of(project: Project) -> Path:
    """Where the image's archive is put."""
    return DIST / f"surefoot-image-{project.version}-{debian.architecture()}.tar"


def make(project: Project) -> tuple[Path, str]:
    """Build the image from nothing; return its archive and its digest."""
    DIST.mkdir(exist_ok=True)
    archive = archive_of(project)
    prepare_context(BUILD / "image")
    return archive, build(BUILD / "image", archive, project)


def digest_of(archive: Path) -> str:
    """Read the digest of the image's manifest from an OCI archive."""
    with tarfile.open(archive) as tar:
        content = tar.extractfile("index.json")
        assert content is not None  # noqa: S101 - every OCI archive has one
        return str(json.load(content)["manifests"][0]["digest"])


def _buildah() -> str:
    found = shutil.which("buildah")
    if found is None:
        raise DeployError("the image is built by buildah. Install it: apt-get install buildah")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the image, and print where it is and which digest it has."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image", description=__doc__)
    parser.add_argument("--twice", action="store_true", help="build it again, and compare")
    parser.add_argument(
        "--digest", action="store_true", help="build nothing: print the digest of what is in dist/"
    )
    options = parser.parse_args(arguments)
    project = Project.read()
    if options.digest:
        print(digest_of(archive_of(project)))
        return 0
    try:
        made = [make(project) for _ in range(2 if options.twice else 1)]
    except DeployError as error:
        print(error, file=sys.stderr)
        return 3
    archive, digest = made[-1]
    print(f"{archive.relative_to(ROOT)}\n{digest}")
    if any(other != digest for _, other in made):
        print(f"the first build had another digest: {made[0][1]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
