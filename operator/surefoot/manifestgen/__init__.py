"""Manifests for the tools around the operator: Argo CD, Prometheus and Grafana.

The operator itself never imports this package.
"""
