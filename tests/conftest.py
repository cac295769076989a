"""What every test may use: the control plane, the installed CRDs, the profiles of hypothesis.

`ci` is the same every time, and no machine is too slow for it; `long` looks further.
"""

import gc
import os
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

if os.environ.keys() & {"SLOW_WRITES", "SLOW_READS"}:
    from tests.support.slow import sitecustomize

    _WHERE = str(Path(sitecustomize.__file__).parent)
    _BEFORE = filter(None, (os.environ.get("PYTHONPATH"),))
    os.environ["PYTHONPATH"] = os.pathsep.join([_WHERE, *_BEFORE])

pytest_plugins = [
    "tests.support.balance",
    "tests.support.testbed",
    "tests.support.crds",
    "tests.support.policies",
]


def pytest_collection_finish() -> None:
    """Let the garbage collector look no more at what stays to the end: modules and tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    """Log exceptions without local variables: to render every one of them can take minutes."""
    structlog.reset_defaults()  # a test before this one may have asked for warnings alone
    plain = structlog.dev.plain_traceback
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])


_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=50, suppress_health_check=_SLOW
)
settings.register_profile(
    "long", deadline=None, max_examples=3000, suppress_health_check=_SLOW, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
