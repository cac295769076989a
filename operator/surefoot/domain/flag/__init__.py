"""The flag in its ConfigMap."""
