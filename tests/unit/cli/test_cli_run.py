"""`surefoot run`: what it says and how it exits before anything runs."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from surefoot.cli.main import app


def exits(*arguments: str) -> tuple[int, str]:
    """Exit code and everything printed."""
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("evaluationInterval: 10s", 0, "is good"),
        ("evaluationInterval: soon", 1, "evaluationInterval"),
        (
            "providers: [{name: a, address: 'http://x', bearerTokenFile: /nowhere/token}]",
            1,
            "/nowhere/token",
        ),
        (
            "notifications: {routes: [{name: lead, urlFile: /nowhere/url}]}",
            1,
            'route "lead": urlFile /nowhere/url: no such file or directory; mount the Secret',
        ),
    ],
)
def test_configuration_is_checked(tmp_path: Path, text: str, code: int, said: str) -> None:
    """0 where it is good; 1 with every fault by its path."""
    path = tmp_path / "config.yaml"
    path.write_text(text)
    exit_code, output = exits("run", "--config", str(path), "--check-config")
    assert exit_code == code
    assert said in output


def test_unknown_option_is_a_usage_error() -> None:
    """2, as everywhere."""
    assert exits("run", "--frobnicate")[0] == 2


def test_api_server_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3, naming what was tried."""
    path = tmp_path / "config"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
                "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:9"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr("surefoot.cli.run.configure", lambda *_, **__: None)
    code, output = exits("run")
    assert code == 3
    assert "cannot reach the API server" in output
