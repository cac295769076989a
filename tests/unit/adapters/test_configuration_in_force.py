"""Whatever the order of edits, what is in force is what the last readable file says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from structlog.testing import capture_logs

from surefoot.adapters import settings
from surefoot.adapters.clock import ServerClock
from surefoot.adapters.kubernetes.access import Access
from surefoot.adapters.kubernetes.http import Http
from surefoot.adapters.kubernetes.policies import KubernetesPolicies
from surefoot.application.ports import AdmissionStatus
from surefoot.domain.facts.snapshot import Admission
from surefoot.wiring import Operator, Start

KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "secret"}}],
}

Edit = Callable[[Path], object]


def says(text: str) -> Edit:
    return lambda path: path.write_text(text)


def exchanged(text: str) -> Edit:
    def edit(path: Path) -> None:
        new = path.with_name("new")
        new.write_text(text)
        new.replace(path)

    return edit


EDITS: dict[str, tuple[Edit, str | None]] = {
    "Enforced": (says("admission: Enforced"), "Enforced"),
    "Unenforced": (says("admission: Unenforced"), "Unenforced"),
    "exchanged": (exchanged("admission: Unenforced"), "Unenforced"),
    "empty": (says(""), "Enforced"),
    "with other settings": (says("admission: Enforced\nevaluationInterval: 7s"), "Enforced"),
    "not UTF-8": (lambda path: path.write_bytes(b"\xff\xff"), None),
    "not a date": (says("admission: 2026-13-45"), None),
    "with a fault": (says("admission: Maybe"), None),
    "gone": (lambda path: path.unlink(missing_ok=True), None),
}
"""What may happen to the file, and the mode of admission that it then says, if any."""


async def a_quick_check(_policies: KubernetesPolicies) -> AdmissionStatus:
    return AdmissionStatus(Admission.UNKNOWN, "there is no API server")


class HastyClock(ServerClock):
    """A clock on which nobody waits."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def an_operator(home: Path) -> AsyncIterator[tuple[Operator, Path]]:
    """An operator that follows its configuration file, which says Enforced at first."""
    (home / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    path = home / "surefoot.yaml"
    path.write_text("admission: Enforced")
    http = Http(await Access.load(str(home / "kubeconfig")))
    start = Start(settings.load(path), config_file=path)
    operator = Operator(start, http, HastyClock())
    following = asyncio.create_task(operator._kept_up(operator.reload.run))
    try:
        yield operator, path
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await operator.close()
        await http.close()


def mode_of(operator: Operator) -> str:
    """What the operator goes by, and shows."""
    unenforced = operator.admission.admission_status.admission is Admission.UNENFORCED
    mode = "Unenforced" if unenforced else "Enforced"
    shown = operator.telemetry.exposition().decode()
    other = "Enforced" if unenforced else "Unenforced"
    assert f'surefoot_admission_mode{{mode="{mode}"}} 1.0' in shown
    assert f'surefoot_admission_mode{{mode="{other}"}} 0.0' in shown
    return mode


def is_readable(operator: Operator) -> bool:
    return "surefoot_config_last_reload_successful 1.0" in operator.telemetry.exposition().decode()


async def settled(operator: Operator, expected: str, *, readable: bool) -> None:
    """Wait until the operator has seen the last edit."""
    async with asyncio.timeout(60):
        while (mode_of(operator), is_readable(operator)) != (expected, readable):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


ORDER = ("Enforced", "Unenforced", "not UTF-8", "Enforced", "gone", "Unenforced", "not a date")
"""Every readable content after every other, with and without an unreadable one in between."""


async def test_last_readable_file_is_in_force_through_the_real_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreadable file in between changes nothing, and what comes after it is taken over."""
    monkeypatch.setattr(KubernetesPolicies, "check", a_quick_check)
    async with an_operator(tmp_path) as (operator, path):
        expected = "Enforced"
        for name in (*ORDER, "empty", "exchanged", "Enforced"):
            edit, said = EDITS[name]
            edit(path)
            expected = said or expected
            await settled(operator, expected, readable=said is not None)


@examples(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(sorted(EDITS)), min_size=1, max_size=2), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_last_readable_file_is_in_force_after_any_order_of_edits(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[list[str], bool]]
) -> None:
    """Also where edits are not seen one by one, and where the part that watches fails between."""
    asyncio.run(_any_order(tmp_path_factory.mktemp("order"), story))


async def _any_order(home: Path, story: list[tuple[list[str], bool]]) -> None:
    looks: asyncio.Queue[bool] = asyncio.Queue()

    async def look(_path: Path) -> AsyncIterator[None]:
        yield
        while True:
            fails = await looks.get()
            if fails:
                raise RuntimeError("the watch is lost")
            yield

    with pytest.MonkeyPatch.context() as patch, capture_logs():
        patch.setattr(settings, "_looks", look)
        patch.setattr(KubernetesPolicies, "check", a_quick_check)
        async with an_operator(home) as (operator, path):
            expected = "Enforced"
            for names, fails in story:
                said = None
                for name in names:
                    edit, said = EDITS[name]
                    edit(path)
                seen = said is not None
                expected = said or expected
                looks.put_nowait(fails)
                await settled(operator, expected, readable=seen)


async def test_part_that_fails_is_tried_again_and_the_others_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider cannot be set up; the mode of admission is in force all the same."""
    monkeypatch.setattr(KubernetesPolicies, "check", a_quick_check)
    async with an_operator(tmp_path) as (operator, path):
        works = asyncio.Event()
        exchange: Callable[[Any], None] = operator.providers.exchange
        tried: list[Any] = []

        def fail_at_first(wanted: Any) -> None:
            tried.append(wanted)
            if not works.is_set():
                raise OSError("the certificate cannot be read")
            exchange(wanted)

        monkeypatch.setattr(operator.providers, "exchange", fail_at_first)
        path.write_text("admission: Unenforced\nproviders: [{name: p, address: 'http://x'}]")
        await settled(operator, "Unenforced", readable=False)
        assert operator.providers.names("shop") != {"p"}
        works.set()
        await settled(operator, "Unenforced", readable=True)
        assert operator.providers.names("shop") == {"p"}
