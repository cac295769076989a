"""The `providers:` entries of the configuration file, and the files that they name."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from surefoot.adapters.prometheus.credentials import LARGEST_FILE, check
from surefoot.adapters.provider_settings import ProviderSettings, TlsSettings
from surefoot.crdgen.schema import WithDescriptions
from surefoot.testbed.certificates import Authority
from surefoot.testbed.users import User

HTTP = {"name": "default", "address": "http://prometheus:9090"}
HTTPS = {"name": "default", "address": "https://prometheus"}


def test_entry_with_everything_is_read() -> None:
    """Names are those of the configuration file."""
    entry = {
        **HTTPS,
        "address": "https://prometheus.example:9090/prefix/",
        "timeout": "2.5s",
        "namespaces": ["agents"],
        "headersFile": "/etc/headers.yaml",
        "bearerTokenFile": "/etc/token",
        "tls": {
            "caFile": "/etc/ca.crt",
            "certFile": "/etc/tls.crt",
            "keyFile": "/etc/tls.key",
            "serverName": "prometheus.internal",
            "insecureSkipVerify": False,
        },
    }
    assert ProviderSettings.model_validate(entry) == ProviderSettings(
        name="default",
        address="https://prometheus.example:9090/prefix",
        timeout=timedelta(seconds=2.5),
        namespaces=("agents",),
        headers_file=Path("/etc/headers.yaml"),
        bearer_token_file=Path("/etc/token"),
        tls=TlsSettings(
            ca_file=Path("/etc/ca.crt"),
            cert_file=Path("/etc/tls.crt"),
            key_file=Path("/etc/tls.key"),
            server_name="prometheus.internal",
        ),
    )


def test_short_entry_has_defaults() -> None:
    """A name and an address are enough; five seconds, all namespaces, no credentials."""
    assert ProviderSettings.model_validate(HTTP).model_dump(mode="json", by_alias=True) == {
        **HTTP,
        "type": "Prometheus",
        "timeout": "5s",
        "namespaces": [],
        "headersFile": None,
        "bearerTokenFile": None,
        "basicAuthFile": None,
        "tls": None,
    }


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({**HTTP, "name": "Not_A_Label"}, "String should match pattern"),
        ({**HTTP, "address": "ftp://x"}, "String should match pattern"),
        ({**HTTP, "address": "http://"}, "must be http://host[:port][/path] or https://host"),
        ({**HTTP, "address": "http://x:0"}, "must be http://host[:port][/path] or https://host"),
        ({**HTTP, "address": "http://x:99999"}, "is not an address: Port out of range 0-65535"),
        ({**HTTP, "address": "http://[::1"}, "is not an address: Invalid IPv6 URL"),
        ({**HTTP, "address": "http://me:pw@x"}, "may not contain credentials"),
        ({**HTTP, "address": "http://x?a=b"}, "may not contain a query or a fragment"),
        ({**HTTP, "address": "http://x#a"}, "may not contain a query or a fragment"),
        ({**HTTP, "address": "http://x y"}, "may not contain white space"),
        ({**HTTP, "address": "http://x\\@y"}, "may not contain white space"),
        ({**HTTP, "timeout": "soon"}, '"soon" is not a duration: write 48h'),
        ({**HTTP, "timeout": 5}, "5 is not a duration: write 5s"),
        ({**HTTP, "timeout": "0s"}, "must be more than 0s and at most 1m0s"),
        ({**HTTP, "timeout": "61s"}, "must be more than 0s and at most 1m0s"),
        ({**HTTP, "namespaces": ["A B"]}, "String should match pattern"),
        ({**HTTP, "token": "secret"}, "Extra inputs are not permitted"),
        ({**HTTP, "tls": {}}, "tls needs an https address"),
        (
            {**HTTP, "bearerTokenFile": "/a", "basicAuthFile": "/b"},
            "bearerTokenFile and basicAuthFile may not be given together",
        ),
        (
            {**HTTPS, "tls": {"certFile": "/a"}},
            "certFile and keyFile must be given together",
        ),
        (
            {**HTTPS, "tls": {"caFile": "/a", "insecureSkipVerify": True}},
            "caFile may not be given with insecureSkipVerify",
        ),
    ],
)
def test_wrong_entry_is_refused_with_the_reason(entry: dict[str, Any], said: str) -> None:
    """Each message says what is wrong, and none repeats what might be a secret."""
    with pytest.raises(ValidationError) as refused:
        ProviderSettings.model_validate(entry)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "pw" not in str(refused.value)


def test_every_setting_is_described() -> None:
    """The descriptions are the administrator's manual."""
    schema = ProviderSettings.model_json_schema(schema_generator=WithDescriptions)
    fields = [*schema["properties"].items(), *schema["$defs"]["TlsSettings"]["properties"].items()]
    assert [name for name, field in fields if not field.get("description")] == []


def test_files_in_order_have_no_faults(tmp_path: Path) -> None:
    """All kinds of files at once."""
    authority = Authority(tmp_path / "authority")
    ours = authority.client(User("surefoot", ()))
    (tmp_path / "headers").write_text("X-Scope-OrgID: team-a\n")
    (tmp_path / "token").write_text("abc\n")
    settings = ProviderSettings(
        name="default",
        address="https://prometheus",
        headers_file=tmp_path / "headers",
        bearer_token_file=tmp_path / "token",
        tls=TlsSettings(
            ca_file=authority.files.certificate, cert_file=ours.certificate, key_file=ours.key
        ),
    )
    assert check(settings) == ()


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    """All faults at once, each once, so that one look is enough."""
    missing = {name: tmp_path / name for name in ("ca", "crt", "key", "headers", "basic")}
    settings = ProviderSettings(
        name="default",
        address="https://prometheus",
        headers_file=missing["headers"],
        basic_auth_file=missing["basic"],
        tls=TlsSettings(ca_file=missing["ca"], cert_file=missing["crt"], key_file=missing["key"]),
    )
    assert check(settings) == tuple(
        f'provider "default": {setting} {missing[name]}: no such file or directory'
        for setting, name in (
            ("headersFile", "headers"),
            ("basicAuthFile", "basic"),
            ("tls.caFile", "ca"),
            ("tls.certFile", "crt"),
            ("tls.keyFile", "key"),
        )
    )


@pytest.mark.parametrize(
    ("setting", "content", "fault"),
    [
        ("bearerTokenFile", " \n", "is empty"),
        ("bearerTokenFile", "secret\nsecret", "must hold one line without control characters"),
        ("bearerTokenFile", "se cret", "a token may only have ASCII characters without spaces"),
        ("bearerTokenFile", b"\xff", "is not UTF-8 text"),
        ("bearerTokenFile", "s" * (LARGEST_FILE + 1), "has more than 64 KiB"),
        ("basicAuthFile", "secret", "must hold username:password"),
        ("headersFile", "- secret", "must hold a mapping, such as X-Scope-OrgID: team-a"),
        ("headersFile", "A: 'secret\n", "is not YAML (line 2)"),
        ("headersFile", "a b: secret", "has something that cannot be a header's name"),
        ("headersFile", "1: secret", "has something that cannot be a header's name"),
        ("headersFile", "Host: secret", "Host may not be set"),
        (
            "headersFile",
            "X-Scope-OrgID: 12345",
            "the value of X-Scope-OrgID must be text: put it in quotes",
        ),
        (
            "headersFile",
            'X-A: "secret\\r\\nX-B: c"',
            "the value of X-A must be one line of ASCII, not empty",
        ),
        ("headersFile", "X-A: ''", "the value of X-A must be one line of ASCII, not empty"),
    ],
)
def test_content_that_can_not_be_used_is_named_and_not_repeated(
    tmp_path: Path, setting: str, content: str | bytes, fault: str
) -> None:
    """The fault says which file and what is wrong with it; secrets stay where they are."""
    file = tmp_path / "file"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    settings = ProviderSettings.model_validate({**HTTP, setting: str(file)})
    assert check(settings) == (f'provider "default": {setting} {file}: {fault}',)


def test_empty_headers_file_is_no_fault(tmp_path: Path) -> None:
    """Nothing to send is a legitimate wish."""
    (tmp_path / "headers").write_text("# none yet\n")
    assert check(ProviderSettings(**HTTP, headers_file=tmp_path / "headers")) == ()


def test_two_files_may_not_both_authorize(tmp_path: Path) -> None:
    """Which of the two was meant cannot be guessed."""
    headers, token = tmp_path / "headers", tmp_path / "token"
    headers.write_text("authorization: secret")
    token.write_text("secret")
    settings = ProviderSettings(**HTTP, headers_file=headers, bearer_token_file=token)
    assert check(settings) == (
        f'provider "default": headersFile {headers}: has Authorization, and so has another file',
    )


def test_files_that_are_no_certificates_are_faults(tmp_path: Path) -> None:
    """TLS files are loaded as they will be."""
    file = tmp_path / "file"
    file.write_text("secret")
    settings = ProviderSettings(
        name="default",
        address="https://prometheus",
        tls=TlsSettings(ca_file=file, cert_file=file, key_file=file),
    )
    assert check(settings) == (
        f'provider "default": tls.caFile {file}: holds no PEM certificates',
        (
            f'provider "default": tls.certFile {file}: is not a PEM certificate with its '
            f"unencrypted key in tls.keyFile {file}"
        ),
    )
