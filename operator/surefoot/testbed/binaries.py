"""The programs of the test bed, built once per machine into the user's cache.

``provide(["etcd", "kube-apiserver"])`` answers with their paths and builds what is missing,
one build at a time under a lock that all processes of this user share. Each finished build
is renamed into place, so an interrupted run keeps what it finished, and Go's own cache makes
it go on where it stopped.

Where KUBEBUILDER_ASSETS is set, its etcd and kube-apiserver are used; programs it does not
have, such as the controller manager, are built. SUREFOOT_TESTBED_KUBERNETES=1.34 has another
Kubernetes built and used.

``python -m surefoot.testbed.binaries`` builds everything ahead of time.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import filelock
import platformdirs

from surefoot.errors import TestbedError
from surefoot.testbed.components import BUILDS, Build, build_of, builds_with
from surefoot.testbed.progress import Progress, Silent, on_stderr, spoken
from surefoot.testbed.toolchain import Go, find_go

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
ASSETS_MUST_HAVE = ("etcd", "kube-apiserver")
ASSETS_MAY_HAVE = ("kube-controller-manager",)
KUBERNETES_VARIABLE = "SUREFOOT_TESTBED_KUBERNETES"
LAST_LINES = 25


def cache_directory() -> Path:
    """Where built programs are kept: ``~/.cache/surefoot/bin`` on Linux."""
    return platformdirs.user_cache_path("surefoot") / "bin"


def chosen_builds() -> Sequence[Build]:
    """The builds of the test bed, with the Kubernetes that the environment asks for.

    Raises TestbedError where it asks for one that is not supported.
    """
    wanted = os.environ.get(KUBERNETES_VARIABLE)
    return builds_with(wanted) if wanted else BUILDS


def provide(
    programs: Collection[str],
    *,
    progress: Progress | None = None,
    cache: Path | None = None,
    go: Callable[[], Go] = find_go,
    builds: Sequence[Build] | None = None,
) -> dict[str, Path]:
    """Answer with the path of each program, building those that are not there yet.

    ``builds`` are those that make the programs: of other tools, if not of the test bed.
    Raises TestbedError when Go is missing or a build fails; what was finished stays.
    """
    tell = progress or Silent()
    store = cache or cache_directory()
    builds = chosen_builds() if builds is None else builds
    paths = _from_assets(programs)
    wanted = {build_of(name, builds).name for name in programs if name not in paths}
    needed = [build for build in builds if build.name in wanted]
    if not all(_is_built(build, store) for build in needed):
        with _sole_builder(store, tell):
            for build in needed:
                # Another process may have built it while this one waited for the lock.
                if not _is_built(build, store):
                    _build(build, store, tell, go())
    for name in programs:
        paths.setdefault(name, store / build_of(name, builds).key() / name)
    return paths


def find_built(programs: Collection[str], cache: Path | None = None) -> dict[str, Path] | None:
    """The paths of programs that are built already; None where one is not. Nothing is built."""
    store = cache or cache_directory()
    try:
        builds = chosen_builds()
    except TestbedError:
        return None
    paths = {name: store / build_of(name, builds).key() / name for name in programs}
    return paths if all(path.is_file() for path in paths.values()) else None


def _from_assets(programs: Collection[str]) -> dict[str, Path]:
    directory = os.environ.get(ASSETS_VARIABLE)
    if not directory:
        return {}
    for name in ASSETS_MUST_HAVE:
        if name in programs and not (Path(directory) / name).is_file():
            raise TestbedError(
                f"{ASSETS_VARIABLE}={directory} holds no {name}. "
                f"Point it at a folder with {' and '.join(ASSETS_MUST_HAVE)}, "
                f"or unset it to have them built."
            )
    usable = {*ASSETS_MUST_HAVE, *ASSETS_MAY_HAVE}.intersection(programs)
    found = {name: Path(directory).resolve() / name for name in usable}
    return {name: path for name, path in found.items() if path.is_file()}


def _is_built(build: Build, store: Path) -> bool:
    folder = store / build.key()
    return all((folder / program.name).is_file() for program in build.programs)


@contextmanager
def _sole_builder(store: Path, tell: Progress) -> Iterator[None]:
    """Hold the lock of the cache; while another process holds it, say who and for how long."""
    store.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(store / ".lock")
    holder = store / ".holder.json"
    began = time.monotonic()
    told = False
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except filelock.Timeout:
            waited = spoken(time.monotonic() - began)
            message = f"waiting for {_holder_of(holder)}, which is building the same programs"
            if not told:
                tell.say(message)
                told = True
            tell.update(f"{message} ({waited} so far)")
    try:
        holder.write_text(json.dumps({"pid": os.getpid()}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder_of(record: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        return f"process {json.loads(record.read_text())['pid']}"
    return "another process"


def _build(build: Build, store: Path, tell: Progress, go: Go) -> None:
    title = f"{build.name} {build.version}"
    tell.say(
        f"building {title} with Go {go.version}; "
        f"once per machine, usually {spoken(build.usually)} on two cores"
    )
    began = time.monotonic()
    # Beside its place, so that the rename at the end stays on one file system.
    with tempfile.TemporaryDirectory(prefix=f".{build.name}-", dir=store) as scratch:
        work, out = Path(scratch) / "module", Path(scratch) / "out"
        shutil.copytree(build.module, work)
        out.mkdir()
        packages = [program.package for program in build.programs]
        command = [str(go.path), "build", "-v", *build.arguments, "-o", f"{out}/", *packages]
        _run_go(command, build=build, cwd=work, environment=go_environment(go), tell=tell)
        for program in build.programs:
            (out / program.go_name).rename(out / program.name)
        place = store / build.key()
        shutil.rmtree(place, ignore_errors=True)
        out.rename(place)
    tell.say(f"built {title} in {spoken(time.monotonic() - began)}")


def go_environment(go: Go) -> dict[str, str]:
    """The person's environment (where modules come from, where caches lie), our way of building.

    Checksums are those of the go.sum shipped here, so the checksum database is not asked.
    """
    steering = ("GOFLAGS", "GOOS", "GOARCH", "GOROOT", "GOWORK", "GOEXPERIMENT", "GO111MODULE")
    inherited = {name: value for name, value in os.environ.items() if name not in steering}
    return {
        **inherited,
        **go.environment,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOSUMDB": "off",
        "GOWORK": "off",
        # Not empty: an empty value would let flags from Go's own settings file through.
        "GOFLAGS": "-mod=readonly",
    }


class _Output:
    """What ``go build -v`` says: its last lines, and what can be counted in them."""

    def __init__(self) -> None:
        self.fetched = 0
        self.compiled = 0
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def read(self, stream: IO[str]) -> None:
        for line in stream:
            text = line.rstrip()
            if text.startswith("go: downloading "):
                self.fetched += 1
            elif " " not in text:
                self.compiled += 1
            else:
                self.last.append(text)

    def __str__(self) -> str:
        if self.compiled:
            return f"{self.compiled} packages compiled"
        if self.fetched:
            return f"{self.fetched} modules fetched"
        return "checking what Go has compiled before"


def _run_go(
    command: list[str], *, build: Build, cwd: Path, environment: Mapping[str, str], tell: Progress
) -> None:
    output = _Output()
    began = time.monotonic()
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    ) as compiler:
        assert compiler.stdout is not None  # noqa: S101 - PIPE was asked for
        reader = threading.Thread(target=output.read, args=(compiler.stdout,), daemon=True)
        reader.start()
        try:
            while compiler.poll() is None:
                tell.update(
                    f"{build.name} {build.version}: {output}, "
                    f"{spoken(time.monotonic() - began)} of about {spoken(build.usually)}"
                )
                with suppress(subprocess.TimeoutExpired):
                    compiler.wait(timeout=0.3)
        except BaseException:
            # Interrupted: the compilers that Go started must not go on without it.
            with suppress(ProcessLookupError):
                os.killpg(compiler.pid, 15)
            raise
        reader.join()
    if compiler.returncode != 0:
        raise TestbedError(_why_it_failed(build, compiler.returncode, output))


def _why_it_failed(build: Build, code: int, output: _Output) -> str:
    lines = "\n".join(f"    {line}" for line in output.last) or "    (it said nothing)"
    killed = code < 0 or any("signal: killed" in line for line in output.last)
    advice = (
        f"It was killed, most likely for want of memory: the build takes up to {build.memory}; "
        f"close something, or set GOMAXPROCS=1."
        if killed
        else "Without a network, Go needs its modules in its cache or from a GOPROXY it can reach."
    )
    return (
        f"{build.name} {build.version} could not be built: go build ended with {code}. "
        f"Its last lines:\n{lines}\n{advice} Then run the same again: what is compiled is kept."
    )


def main() -> int:
    """Build everything the test bed runs, telling on standard error."""
    try:
        names = [program.name for build in chosen_builds() for program in build.programs]
        with on_stderr() as progress:
            provide(names, progress=progress)
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
