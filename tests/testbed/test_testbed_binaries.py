"""Building the programs once: the key, the lock, failures, and going on after an interruption."""

import dataclasses
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from surefoot.errors import TestbedError
from surefoot.testbed import binaries
from surefoot.testbed.binaries import go_environment, provide
from surefoot.testbed.components import (
    BUILDS,
    ETCD,
    KUBERNETES,
    OLDER_KUBERNETES,
    PROMETHEUS,
    Build,
)
from surefoot.testbed.toolchain import Go, Version

GO = Go(Path("/nowhere/go"), Version(1, 26, 0))


class _Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def update(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def _no_assets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.ASSETS_VARIABLE, raising=False)
    monkeypatch.delenv(binaries.KUBERNETES_VARIABLE, raising=False)


def _go(tmp_path: Path, body: str) -> Callable[[], Go]:
    """A Go that writes down how it was called and then does as told."""
    script = tmp_path / "go"
    script.write_text(
        f"#!{sys.executable}\n"
        + textwrap.dedent(
            f"""
            import os, pathlib, sys
            arguments = sys.argv[1:]
            with open({str(tmp_path / "calls")!r}, "a") as calls:
                print(" ".join(arguments), file=calls)
            out = pathlib.Path(arguments[arguments.index("-o") + 1])
            def make(*names):
                for name in names:
                    (out / name).write_text("program")
            """
        )
        + textwrap.dedent(body)
    )
    script.chmod(0o755)
    return lambda: Go(script, Version(1, 26, 0))


def _calls(tmp_path: Path) -> list[str]:
    calls = tmp_path / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


def test_keys_tell_builds_and_platforms_apart() -> None:
    """What is built for one machine is never run on another."""
    keys = {build.key(system="linux", machine=m) for build in BUILDS for m in ("x86_64", "arm64")}
    assert len(keys) == 2 * len(BUILDS)
    assert PROMETHEUS.key() == PROMETHEUS.key()


@pytest.mark.parametrize(
    "changed",
    [
        dataclasses.replace(PROMETHEUS, version="9.9.9"),
        dataclasses.replace(PROMETHEUS, tags=()),
        dataclasses.replace(PROMETHEUS, stamps=()),
        dataclasses.replace(PROMETHEUS, programs=PROMETHEUS.programs[:1]),
        dataclasses.replace(PROMETHEUS, name="etcd"),
    ],
    ids=["version", "tags", "stamps", "programs", "modules"],
)
def test_key_changes_with_whatever_changes_the_programs(changed: object) -> None:
    """Version, flags, packages, and the modules with their checksums."""
    assert isinstance(changed, type(PROMETHEUS))
    assert changed.key() != PROMETHEUS.key()


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.name)
def test_modules_pin_the_version_that_is_named(build: object) -> None:
    """The version in the table and the one in go.mod cannot drift apart."""
    assert isinstance(build, type(PROMETHEUS))
    required = {
        ETCD: f"go.etcd.io/etcd/server/v3 v{ETCD.version}",
        KUBERNETES: f"k8s.io/kubernetes v{KUBERNETES.version}",
        # Prometheus 3.13.5 is v0.313.5 among Go modules.
        PROMETHEUS: "github.com/prometheus/prometheus v0.313.5",
    }[build]
    assert required in (build.module / "go.mod").read_text()
    assert f"{required} h1:" in (build.module / "go.sum").read_text()


@pytest.mark.parametrize("build", OLDER_KUBERNETES, ids=lambda build: build.version)
def test_older_kubernetes_is_pinned_with_all_of_its_modules(build: Build) -> None:
    """Every one of `k8s.io` in the same version: they are developed as one."""
    text = (build.module / "go.mod").read_text()
    assert f"k8s.io/kubernetes v{build.version}" in text
    replaced = re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ v(\S+)$", text, re.MULTILINE)
    assert set(replaced) == {f"0.{build.version.partition('.')[2]}"}
    assert f"k8s.io/kubernetes v{build.version} h1:" in (build.module / "go.sum").read_text()


def test_environment_chooses_the_kubernetes_that_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its minor version or in full; nothing else is another."""
    keys = set()
    for wanted in ("1.34", "1.34.4", KUBERNETES.version):
        monkeypatch.setenv(binaries.KUBERNETES_VARIABLE, wanted)
        etcd, prometheus, kubernetes = binaries.chosen_builds()
        assert (etcd, prometheus) == (ETCD, PROMETHEUS)
        keys.add(kubernetes.key())
    assert len(keys) == 2
    go = _go(tmp_path, "make('kube-apiserver', 'kube-controller-manager')")
    monkeypatch.setenv(binaries.KUBERNETES_VARIABLE, "1.34")
    path = provide(["kube-apiserver"], cache=tmp_path / "bin", go=go)["kube-apiserver"]
    assert path.parent.name.startswith("kubernetes-1.34.4-")
    monkeypatch.setenv(binaries.KUBERNETES_VARIABLE, "1.20")
    with pytest.raises(TestbedError, match=r"has no Kubernetes 1\.20; it has 1\.37\.2, 1\.36\.3"):
        provide(["kube-apiserver"])


def test_what_is_built_is_not_built_again(tmp_path: Path) -> None:
    """The second time Go is not even looked for."""
    provide(["etcd"], cache=tmp_path / "bin", go=_go(tmp_path, "make('server')"))

    def no_go() -> Go:
        raise AssertionError("looked for Go")

    paths = provide(["etcd"], cache=tmp_path / "bin", go=no_go)
    assert paths == {"etcd": tmp_path / "bin" / ETCD.key() / "etcd"}
    assert paths["etcd"].read_text() == "program"


def test_failed_build_shows_the_last_lines_and_a_way_on(tmp_path: Path) -> None:
    """Package names, which say nothing, are left out."""
    go = _go(
        tmp_path,
        """
        print("go: downloading example.com/a v1.0.0", file=sys.stderr)
        print("example.com/a", file=sys.stderr)
        print("# example.com/a", file=sys.stderr)
        print("a.go:3:4: undefined: b", file=sys.stderr)
        sys.exit(1)
        """,
    )
    with pytest.raises(TestbedError) as raised:
        provide(["etcd"], cache=tmp_path / "bin", go=go)
    message = str(raised.value)
    assert "etcd 3.7.3 could not be built: go build ended with 1" in message
    assert "    # example.com/a\n    a.go:3:4: undefined: b\n" in message
    assert "downloading" not in message
    assert message.endswith("Then run the same again: what is compiled is kept.")


def test_killed_build_speaks_of_memory(tmp_path: Path) -> None:
    """Small machines kill the compiler; its own words do not say why."""
    go = _go(tmp_path, "print('x: signal: killed'); sys.exit(1)")
    with pytest.raises(TestbedError, match="want of memory: the build takes up to 3 GB"):
        provide(["kube-apiserver"], cache=tmp_path / "bin", go=go)


def test_builds_finished_before_a_failure_are_kept(tmp_path: Path) -> None:
    """The next run goes on with the one that failed."""
    go = _go(
        tmp_path,
        """
        if "prometheus" in arguments[-1]:
            sys.exit(1)
        make("server")
        """,
    )
    cache = tmp_path / "bin"
    with pytest.raises(TestbedError):
        provide(["etcd", "prometheus"], cache=cache, go=go)
    assert [path.name for path in cache.glob("[!.]*")] == [ETCD.key()]
    mended = _go(tmp_path, "make('prometheus', 'promtool')")
    provide(["etcd", "prometheus"], cache=cache, go=mended)
    assert ["etcd" in call for call in _calls(tmp_path)] == [True, False, False]


def test_interrupted_build_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the compilers too, and a half-made folder never has the final name."""
    go = _go(tmp_path, "make('server'); import time; time.sleep(60)")

    class Interrupting(_Heard):
        def update(self, line: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        provide(["etcd"], cache=tmp_path / "bin", go=go, progress=Interrupting())
    assert list((tmp_path / "bin").glob("*etcd*")) == []
    assert filelock.FileLock(tmp_path / "bin" / ".lock").acquire(timeout=0)


def test_waiting_for_another_builder_is_told(tmp_path: Path) -> None:
    """Who builds is named, and what they built is used."""
    cache = tmp_path / "bin"
    cache.mkdir()
    heard = _Heard()
    other = filelock.FileLock(cache / ".lock", thread_local=False)
    other.acquire()
    (cache / ".holder.json").write_text('{"pid": 4711}')

    class Releasing(_Heard):
        def update(self, line: str) -> None:
            """The other process finishes while we wait."""
            heard.lines.append(line)
            place = cache / ETCD.key()
            place.mkdir(exist_ok=True)
            (place / "etcd").write_text("built by the other")
            other.release()

        def say(self, line: str) -> None:
            heard.lines.append(line)

    def no_go() -> Go:
        raise AssertionError("looked for Go")

    paths = provide(["etcd"], cache=cache, go=no_go, progress=Releasing())
    assert heard.lines[0] == "waiting for process 4711, which is building the same programs"
    assert "so far" in heard.lines[1]
    assert paths["etcd"].read_text() == "built by the other"


def test_go_is_called_our_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People's flags and platforms do not change what is built; where modules come from does."""
    for name, value in {
        "GOFLAGS": "-race",
        "GOOS": "plan9",
        "GOWORK": "/somewhere/go.work",
        "GOPROXY": "file:///modules",
    }.items():
        monkeypatch.setenv(name, value)
    environment = go_environment(GO)
    assert environment["GOFLAGS"] == "-mod=readonly"
    assert environment["GOTOOLCHAIN"] == "local"
    assert environment["CGO_ENABLED"] == "0"
    assert environment["GOWORK"] == "off"
    assert environment["GOPROXY"] == "file:///modules"
    assert "GOOS" not in environment


def test_given_assets_are_used_and_the_rest_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folders of other tools hold no controller manager."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver"):
        (assets / name).write_text("given")
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(assets))
    paths = provide(
        ["etcd", "kube-apiserver", "kube-controller-manager"],
        cache=tmp_path / "bin",
        go=_go(tmp_path, "make('kube-apiserver', 'kube-controller-manager')"),
    )
    assert paths["etcd"] == assets / "etcd"
    assert paths["kube-apiserver"] == assets / "kube-apiserver"
    assert paths["kube-controller-manager"].is_relative_to(tmp_path / "bin")


def test_assets_without_etcd_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who set the variable means it; a typing error must not cost ten minutes."""
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(tmp_path))
    with pytest.raises(TestbedError, match="holds no etcd"):
        provide(["etcd", "kube-apiserver"], cache=tmp_path / "bin", go=lambda: GO)


def test_everything_is_built_by_one_command() -> None:
    """`make test` calls it first; here it finds all programs and says nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "surefoot.testbed.binaries"],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(Path(binaries.__file__).parents[2])}
