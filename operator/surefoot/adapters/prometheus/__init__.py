"""Prometheus as a metrics provider: every way in which an answer can be useless has its name."""
