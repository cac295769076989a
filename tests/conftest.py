"""What every test may use: the control plane, the installed CRDs."""

import structlog

pytest_plugins = [
    "tests.support.balance",
    "tests.support.testbed",
    "tests.support.crds",
    "tests.support.policies",
]


# Without this a logged exception is rendered with every local variable, which takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ],
)
