"""Log lines: what they show, and what they must never show."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from surefoot.adapters.logs import LogFormat, configure, configure_for_commands

SECRET = "bearer-7d1c0ffee"


@pytest.fixture(params=list(LogFormat))
def out(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Logging as it is set up for one format, written to this; set back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure(request.param, stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class Request:
    """What an HTTP client holds while it sends."""

    def __init__(self, token: str) -> None:
        self.headers = {"Authorization": f"Bearer {token}"}

    def __repr__(self) -> str:
        return f"<Request {self.headers}>"


def send(token: str) -> None:
    """Fail with a secret in the local variables of three frames."""
    request = Request(token)
    headers = dict(request.headers)
    raise ConnectionResetError(f"the connection broke after {len(headers)} header")


def fail(log: logging.Logger | structlog.stdlib.BoundLogger) -> None:
    token = SECRET
    try:
        try:
            send(token)
        except OSError as error:
            raise RuntimeError("the request failed") from error
    except RuntimeError:
        log.exception("a part of the operator failed")


@pytest.mark.parametrize("library", [False, True])
def test_traceback_shows_no_local_variables(out: io.StringIO, library: bool) -> None:
    """The bearer token of a request would stand in the log, of our lines and of the libraries'."""
    fail(logging.getLogger("aiohttp") if library else structlog.get_logger("surefoot"))
    text = out.getvalue()
    assert SECRET not in text
    assert "a part of the operator failed" in text
    assert "ConnectionResetError: the connection broke after 1 header" in text
    assert "RuntimeError: the request failed" in text
    assert "in send" in text, "where it happened is shown"


def test_stack_and_exception_groups_show_none_either(out: io.StringIO) -> None:
    """As task groups raise them."""
    try:
        try:
            send(SECRET)
        except OSError as error:
            raise ExceptionGroup("several", [error]) from None
    except ExceptionGroup:
        structlog.get_logger("surefoot").warning("stopped", exc_info=True, stack_info=True)
    assert SECRET not in out.getvalue()
    assert "the connection broke" in out.getvalue()


def test_commands_show_none_either(capsys: pytest.CaptureFixture[str]) -> None:
    """Their warnings stay out of their answers, and what is no warning is not shown."""
    configure_for_commands()
    log = structlog.get_logger("surefoot")
    log.info("connected")
    fail(log)
    structlog.reset_defaults()
    said = capsys.readouterr()
    assert said.out == ""
    assert SECRET not in said.err
    assert "connected" not in said.err
    assert "ConnectionResetError: the connection broke after 1 header" in said.err


@pytest.mark.parametrize("out", [LogFormat.JSON], indirect=True)
def test_traceback_is_part_of_one_json_line(out: io.StringIO) -> None:
    """Whatever collects the lines parses each."""
    fail(structlog.get_logger("surefoot"))
    (line,) = out.getvalue().splitlines()
    assert json.loads(line)["event"] == "a part of the operator failed"
