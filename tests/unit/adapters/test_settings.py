"""The configuration file: what it may say, and what happens when it changes."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from surefoot.adapters.settings import AdmissionMode, Settings, changes, load
from surefoot.errors import ConfigurationError
from surefoot.policies import PolicySettings


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
    with pytest.raises(ConfigurationError, match=r"gone\.yaml can not be read"):
        load(tmp_path / "gone.yaml")


async def test_broken_edit_keeps_the_old_settings_and_a_good_one_replaces_them(
    tmp_path: Path,
) -> None:
    """Also where the file is exchanged rather than written, as a mounted ConfigMap is."""
    path = written(tmp_path / "c.yaml", "workers: 1")
    present, seen = load(path), list[int]()

    async def follow() -> None:
        async for found in changes(path, present):
            seen.append(found.workers)

    following = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        while seen != [3]:
            written(path, "workers: none at all")
            await asyncio.sleep(0.1)
            written(tmp_path / "new", "workers: 3").replace(path)
            await asyncio.sleep(0.1)
    following.cancel()
    assert seen == [3]
