"""kopf's handlers: they wake the reconciler and feed its caches, and decide nothing."""
