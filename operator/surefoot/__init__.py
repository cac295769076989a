"""Surefoot: progressive rollouts of feature flags behind gates that cannot be bypassed."""
