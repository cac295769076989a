"""The operator's own port by TLS and with a token, as clients meet it."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from surefoot.adapters.probes import Probes
from surefoot.adapters.serving import ServingSection, ServingTls, check
from surefoot.errors import ConfigurationError
from surefoot.testbed.certificates import Authority, KeyPair


@contextlib.asynccontextmanager
async def serving(section: ServingSection) -> AsyncIterator[Probes]:
    """The port, as long as the block lasts."""
    probes = Probes(lambda: b"m 1\n", lambda: None, lambda: None, section)
    await probes.start("127.0.0.1", 0)
    try:
        yield probes
    finally:
        await probes.stop()


async def asked(
    probes: Probes, path: str, *, trusted: Path | None = None, token: str | None = None
) -> httpx.Response:
    """The answer to a new connection that trusts this authority and shows this token."""
    verify = ssl.create_default_context(cafile=trusted) if trusted else False
    scheme = "https" if trusted else "http"
    headers = [] if token is None else [(b"Authorization", token.encode())]
    async with httpx.AsyncClient(verify=verify, trust_env=False) as client:
        return await client.get(f"{scheme}://127.0.0.1:{probes.port}{path}", headers=headers)


@pytest.fixture
def pair(tmp_path: Path) -> KeyPair:
    """Where the certificate and the key are."""
    return KeyPair(tmp_path / "tls.crt", tmp_path / "tls.key")


def put(authority: Path, pair: KeyPair) -> Path:
    """Put a certificate of a new authority in place; answer with what has to be trusted."""
    made = Authority(authority)
    for source, target in (
        (made.server().certificate, pair.certificate),
        (made.server().key, pair.key),
    ):
        partial = target.with_suffix(".partial")
        partial.write_bytes(source.read_bytes())
        partial.replace(target)
    return made.files.certificate


async def test_port_shows_the_certificate_that_is_there_now(tmp_path: Path, pair: KeyPair) -> None:
    """It is exchanged while the operator runs; half of an exchange changes nothing."""
    first = put(tmp_path / "first", pair)
    tls = ServingTls(cert_file=pair.certificate, key_file=pair.key)
    async with serving(ServingSection(tls=tls)) as probes:
        assert (await asked(probes, "/metrics", trusted=first)).text == "m 1\n"
        assert (await asked(probes, "/healthz", trusted=first)).status_code == 200
        with pytest.raises(httpx.HTTPError):
            await asked(probes, "/metrics")
        pair.key.write_text("half")
        assert (await asked(probes, "/readyz", trusted=first)).status_code == 200
        second = put(tmp_path / "second", pair)
        assert (await asked(probes, "/readyz", trusted=second)).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await asked(probes, "/readyz", trusted=first)


async def test_metrics_need_the_token_and_probes_do_not(tmp_path: Path) -> None:
    """The token is the one in the file now; without a file nobody may read the metrics."""
    file = tmp_path / "token"
    file.write_text("one\n")
    async with serving(ServingSection(metrics_token_file=file)) as probes:

        async def code(token: str | None) -> int:
            return (await asked(probes, "/metrics", token=token)).status_code

        shown = (None, "", "Bearer two", "Basic one", "Bearer", "Bearer one", "bearer  one")
        assert [await code(token) for token in shown] == [401] * 5 + [200] * 2
        refused = await asked(probes, "/metrics", token="Bearer ü")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert (await asked(probes, "/readyz")).status_code == 200
        file.write_text("two")
        assert (await code("Bearer one"), await code("Bearer two")) == (401, 200)
        file.unlink()
        assert await code("Bearer two") == 503


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "serving.metricsTokenFile: {file} cannot be read: No such file or directory"),
        ("", "serving.metricsTokenFile: {file} must hold one token of up to 4096 characters"),
        ("a b", "serving.metricsTokenFile: {file} must hold one token of up to 4096 characters"),
    ],
)
def test_token_that_cannot_be_used_is_told_by_its_key(
    tmp_path: Path, content: str | None, said: str
) -> None:
    """At the start, and by `--check-config`; what the file holds is not quoted."""
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    section = ServingSection(metrics_token_file=file)
    assert check(section) == said.format(file=file)
    with pytest.raises(ConfigurationError):
        Probes(lambda: b"", lambda: None, lambda: None, section)


def test_certificate_that_cannot_be_used_is_told_by_its_key(tmp_path: Path, pair: KeyPair) -> None:
    """One that is missing, and a key that belongs to another."""
    section = ServingSection(tls=ServingTls(cert_file=pair.certificate, key_file=pair.key))
    assert (check(section) or "").startswith(f"serving.tls.certFile: {pair.certificate} cannot be")
    put(tmp_path / "first", pair)
    assert check(section) is None
    pair.key.write_bytes(Authority(tmp_path / "second").server().key.read_bytes())
    assert (check(section) or "").startswith("serving.tls: ")
