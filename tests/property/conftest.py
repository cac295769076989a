"""Hypothesis profiles: `ci` is the same every time; `long` looks further."""

import os

from hypothesis import HealthCheck, settings

_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=100, suppress_health_check=_SLOW
)
settings.register_profile(
    "long", deadline=None, max_examples=3000, suppress_health_check=_SLOW, print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
