"""The ports made real: Kubernetes, Prometheus, the clock."""
