"""Providers behind TLS: whom they must prove to be, and to whom we prove ourselves."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.provider_settings import ProviderSettings, TlsSettings
from surefoot.adapters.providers import Providers
from surefoot.domain.facts.measurements import Measurement, Outcome, RangeQuery
from surefoot.testbed.certificates import Authority
from surefoot.testbed.users import User
from tests.unit.adapters.prometheus_server import (
    NOON,
    STEP,
    Server,
    drip,
    prometheus_server,
    series,
)
from tests.unit.adapters.test_prometheus_providers import WAYS, providers_by

QUERY = RangeQuery("default", "up", NOON - STEP, NOON, STEP)

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = authority.server()
    context.load_cert_chain(files.certificate, files.key)
    return context


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    with prometheus_server(server_context(authority)) as running:
        running.plays(series(["1"]))
        yield running


@pytest.fixture(params=WAYS)
async def ask(request: pytest.FixtureRequest) -> AsyncIterator[Ask]:
    made: list[Providers] = []

    async def measure(server: Server, tls: TlsSettings | None, **more: Any) -> Measurement:
        settings = ProviderSettings(name="default", address=server.url, tls=tls, **more)
        made.append(providers_by(request.param, settings, now=lambda: NOON))
        return await made[-1].measure(QUERY)

    yield measure
    for providers in made:
        await providers.close()


async def test_unknown_authority_is_not_believed(server: Server, ask: Ask) -> None:
    """Without `caFile` only the well-known authorities count; nothing was sent."""
    measured = await ask(server, None)
    assert measured.outcome is Outcome.UNREACHABLE
    assert measured.message.startswith(
        'provider "default" has a certificate that is not accepted: '
    )
    assert "set tls.caFile of this provider" in measured.message
    assert server.requests == []


async def test_authority_of_the_file_is_believed(
    server: Server, ask: Ask, authority: Authority
) -> None:
    """`caFile` takes the place of the well-known authorities."""
    measured = await ask(server, TlsSettings(ca_file=authority.files.certificate))
    assert measured.value == 1.0


@pytest.mark.parametrize(
    ("name", "outcome"), [("kubernetes", Outcome.VALUE), ("elsewhere", Outcome.UNREACHABLE)]
)
async def test_certificate_must_have_the_name_that_was_given(
    server: Server, ask: Ask, authority: Authority, name: str, outcome: Outcome
) -> None:
    """`serverName` takes the place of the address, which is in the certificate as well."""
    tls = TlsSettings(ca_file=authority.files.certificate, server_name=name)
    measured = await ask(server, tls)
    assert measured.outcome is outcome
    if outcome is Outcome.UNREACHABLE:
        assert "set tls.serverName to the name in it" in measured.message


async def test_any_certificate_is_taken_only_when_told_so(server: Server, ask: Ask) -> None:
    """`insecureSkipVerify` works, and does not warn with every request."""
    assert (await ask(server, TlsSettings(insecure_skip_verify=True))).value == 1.0


async def test_client_certificate_is_shown(authority: Authority, ask: Ask) -> None:
    """A server that asks for one gets it."""
    context = server_context(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.files.certificate)
    ours = authority.client(User("surefoot", ()))
    authorities = {"ca_file": authority.files.certificate}
    with prometheus_server(context) as server:
        server.plays(series(["1"]))
        nameless = await ask(server, TlsSettings(**authorities))
        named = await ask(
            server, TlsSettings(**authorities, cert_file=ours.certificate, key_file=ours.key)
        )
    assert [nameless.outcome, named.outcome] == [Outcome.UNREACHABLE, Outcome.VALUE]


@pytest.mark.parametrize("way", WAYS)
async def test_authority_that_changes_is_read_anew(
    server: Server, authority: Authority, tmp_path: Path, way: str
) -> None:
    """A provider that gets a new authority needs no restart of ours."""
    file = tmp_path / "ca.crt"
    file.write_bytes(Authority(tmp_path / "another").files.certificate.read_bytes())
    settings = ProviderSettings(name="default", address=server.url, tls=TlsSettings(ca_file=file))
    providers = providers_by(way, settings, now=lambda: NOON)
    before = await providers.measure(QUERY)
    file.write_bytes(authority.files.certificate.read_bytes())
    after = await providers.measure(QUERY)
    await providers.close()
    assert [before.outcome, after.outcome] == [Outcome.UNREACHABLE, Outcome.VALUE]


async def test_file_without_certificates_is_named(server: Server, ask: Ask, tmp_path: Path) -> None:
    """What TLS says of it reaches the message, its content does not."""
    file = tmp_path / "ca.crt"
    file.write_text("secret")
    measured = await ask(server, TlsSettings(ca_file=file))
    assert measured.outcome is Outcome.UNREACHABLE
    assert "secret" not in measured.message


async def test_trickle_through_tls_frees_its_thread(
    server: Server, ask: Ask, authority: Authority
) -> None:
    """Shutting the socket wakes a thread that reads through TLS as well."""
    server.plays(drip(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"))
    tls = TlsSettings(ca_file=authority.files.certificate)
    measured = await ask(server, tls, timeout=timedelta(milliseconds=300))
    for thread in threading.enumerate():
        if thread.name == "prometheus-default":
            await asyncio.to_thread(thread.join)
    assert measured.message == 'provider "default" did not answer within 0.3s; query: up'
