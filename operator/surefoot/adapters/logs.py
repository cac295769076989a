"""Structured logs: one event with its fields a line, the libraries' own lines included."""

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


def configure_for_commands() -> None:
    """Set up logging for a command: warnings on the standard error output, beside its answer."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _console(sys.stderr),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def _console(out: TextIO) -> structlog.typing.Processor:
    """Lines for people. Structlog's own tracebacks would show local variables."""
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def configure(form: LogFormat, *, debug: bool = False, stream: TextIO | None = None) -> None:
    """Set up logging for the whole process.

    Tracebacks never show local variables: those of an HTTP client hold the bearer token.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    out = stream or sys.stderr
    renderer: structlog.typing.Processor
    renderer = structlog.processors.JSONRenderer() if form is LogFormat.JSON else _console(out)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if form is LogFormat.JSON else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("surefoot").setLevel(logging.DEBUG if debug else logging.INFO)
    # kopf tells at length what it does, and that is to wait for a signal.
    logging.getLogger("kopf").setLevel(logging.ERROR)
