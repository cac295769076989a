"""Prometheus as a metrics provider: every way in which an answer can be useless has its name."""

from surefoot.adapters.prometheus.credentials import check
from surefoot.adapters.prometheus.provider import PrometheusProvider

__all__ = ["PrometheusProvider", "check"]
