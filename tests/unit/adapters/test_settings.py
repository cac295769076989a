"""The configuration file: what it may say, and what happens when it changes."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.adapters.settings import AdmissionMode, Settings, load, readings
from surefoot.errors import ConfigurationError
from surefoot.policies import PolicySettings

UNREADABLE = [
    b"\xff\xfe\xff",
    b"admission: \xc3\x28",
    b"\x00",
    b"a: [",
    b"a: 2026-13-45",
    b"? [a]\n: b",
    b"&a [*a]",
    b"- " * 400,
    b"[" * 400,
    b"a: !!python/object:os.system {}",
    b"evaluationInterval: 99999999999999999999h",
    b"evaluationInterval: -1s",
    b"workers: 1e400",
    b"listen: 'x:99999999999999999999999999'",
    b"listen: 'x:\xc2\xb2'",
    b"admission: {a: b}",
    b"<html>",
]


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_nothing_said_means_the_defaults(tmp_path: Path) -> None:
    """No file, and an empty one."""
    assert load(None) == load(written(tmp_path / "c.yaml", "")) == Settings()
    assert Settings().evaluation_interval == timedelta(seconds=30)
    assert Settings().status_refresh == timedelta(minutes=10)
    assert Settings().admission is AdmissionMode.ENFORCED


def test_everything_can_be_said(tmp_path: Path) -> None:
    """By the names of the wire contract."""
    text = """
evaluationInterval: 10s
statusRefresh: 5m
admission: Unenforced
providers: [{name: default, address: "http://prometheus:9090", timeout: 3s}]
workers: 32
dependencies: {namespaces: [data, platform]}
listen: 0.0.0.0:9090
logFormat: console
"""
    found = load(written(tmp_path / "c.yaml", text))
    assert found.evaluation_interval == timedelta(seconds=10)
    assert found.providers[0].timeout == timedelta(seconds=3)
    assert found.admission is AdmissionMode.UNENFORCED
    assert found.dependencies.namespaces == ("data", "platform")


def test_policies_are_made_with_what_the_same_file_says(tmp_path: Path) -> None:
    """One setting for the generator and for the operator that compares."""
    text = """
policies:
  operator: system:serviceaccount:rollouts:walker
  collectors: [janitor]
  custodians: {users: [hudson], groups: [security]}
"""
    assert load(written(tmp_path / "c.yaml", text)).policies.settings == PolicySettings(
        operator="system:serviceaccount:rollouts:walker",
        collectors=("janitor",),
        custodian_users=("hudson",),
        custodian_groups=("security",),
    )


def test_policies_are_by_default_those_that_are_shipped() -> None:
    """Who installs `manifests/default` need not write anything."""
    assert Settings().policies.settings == PolicySettings()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("evaluationInterval: 30", "evaluationInterval: .*30 is not a duration"),
        ("evaluationInterval: 0s", "evaluationInterval: .*at least 1s"),
        ("statusrefresh: 1m", "statusrefresh: Extra inputs"),
        ("admission: Maybe", "admission: "),
        ("policies: {operator: ''}", r"policies\.operator"),
        ("policies: {collectors: janitor}", r"policies\.collectors"),
        ("policies: {custodians: {user: [x]}}", r"policies\.custodians\.user"),
        ("listen: here", 'listen.*"here" is not host:port|"here" is not host:port'),
        ("providers: [{name: a, address: 'ftp://x'}]", r"providers\.0\.address"),
        (
            "providers: [{name: a, address: 'http://x'}, {name: a, address: 'http://y'}]",
            'provider "a" is there twice',
        ),
        ("just words", "must be a mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_faults_are_named_by_their_path(tmp_path: Path, text: str, fault: str) -> None:
    """The administrator sees which line to mend."""
    with pytest.raises(ConfigurationError, match=fault):
        load(written(tmp_path / "c.yaml", text))


def test_missing_file_is_named(tmp_path: Path) -> None:
    """It was asked for."""
    with pytest.raises(ConfigurationError, match=r"gone\.yaml cannot be read"):
        load(tmp_path / "gone.yaml")


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_file_that_cannot_be_read_is_a_fault_of_the_configuration(
    tmp_path: Path, content: bytes
) -> None:
    """It is never another exception: anyone who watches the file would stop watching."""
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"c\.yaml "):
        load(tmp_path / "c.yaml")


async def test_every_content_of_the_file_is_read_once(tmp_path: Path) -> None:
    """The file is exchanged as well as written, as a mounted ConfigMap is, and may be away."""
    path = written(tmp_path / "c.yaml", "workers: 1")
    reading = readings(path)
    async with asyncio.timeout(60):
        assert await anext(reading) == Settings(workers=1)
        written(tmp_path / "new", "workers: 3").replace(path)
        assert await anext(reading) == Settings(workers=3)
        written(path, "workers: none at all")
        assert isinstance(await anext(reading), ConfigurationError)
        path.unlink()
        assert "cannot be read" in str(await anext(reading))
        written(path, "workers: 3")
        assert await anext(reading) == Settings(workers=3)
    await reading.aclose()


async def test_directory_that_goes_and_comes_back_is_watched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch on it is lost then, without a word."""
    monkeypatch.setattr("surefoot.adapters.settings.LOOK_EVERY", 0.05)
    home = tmp_path / "home"
    home.mkdir()
    path = written(home / "c.yaml", "workers: 1")
    reading = readings(path)
    async with asyncio.timeout(60):
        assert await anext(reading) == Settings(workers=1)
        path.unlink()
        home.rmdir()
        assert isinstance(await anext(reading), ConfigurationError)
        home.mkdir()
        written(path, "workers: 2")
        assert await anext(reading) == Settings(workers=2)
    await reading.aclose()
