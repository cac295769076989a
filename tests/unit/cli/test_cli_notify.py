"""`surefoot notify-test`: a message to a route, and what became of it."""

from pathlib import Path

import yaml
from typer.testing import CliRunner

from surefoot.cli.main import app
from tests.support.targets import TOKEN, a_webhook


def a_configuration(path: Path, **urls: str) -> str:
    """A file with a route for each URL."""
    routes = []
    for name, url in urls.items():
        (path / name).write_text(url)
        routes.append({"name": name, "urlFile": str(path / name), "timeout": "1m"})
    config = path / "config.yaml"
    config.write_text(yaml.safe_dump({"notifications": {"routes": routes}}))
    return str(config)


def exits(*arguments: str) -> tuple[int, str]:
    """Exit code and everything printed."""
    done = CliRunner().invoke(app, ["notify-test", *arguments])
    return done.exit_code, done.output


def test_every_route_gets_a_message(tmp_path: Path) -> None:
    """Exit 1 if one does not take it, which is told without its URL."""
    with a_webhook() as well, a_webhook(503) as broken:
        config = a_configuration(tmp_path, lead=well.url(), all=broken.url())
        code, output = exits("--config", config)
        assert code == 1
        assert sorted(output.splitlines()) == [
            "all: not sent: it was answered with HTTP 503",
            "lead: sent",
        ]
        assert exits("--config", config, "lead") == (0, "lead: sent\n")
        assert well.titles == ["Info: Test: this route works"] * 2
    assert TOKEN not in output


def test_a_route_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """Naming those that are."""
    config = a_configuration(tmp_path, lead="json://x")
    code, output = exits("--config", config, "boss")
    assert code == 2
    assert "has no route boss; its routes: lead" in output
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    assert exits("--config", str(empty))[0] == 2


def test_an_unusable_configuration_is_told(tmp_path: Path) -> None:
    """With the path of the fault."""
    path = tmp_path / "c.yaml"
    path.write_text("notifications: {routes: [{name: lead}]}")
    code, output = exits("--config", str(path))
    assert code == 1
    assert "notifications.routes.0.urlFile" in output


def test_an_unusable_file_is_told_by_a_check(tmp_path: Path) -> None:
    """`run --check-config` names the route and what to do."""
    config = a_configuration(tmp_path, lead=f"slak://{TOKEN}")
    done = CliRunner().invoke(app, ["run", "--config", config, "--check-config"])
    assert done.exit_code == 1
    assert 'route "lead": urlFile' in done.output
    assert "slak:// is not a kind of target" in done.output
    assert TOKEN not in done.output
