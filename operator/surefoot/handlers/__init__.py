"""kopf's handlers: they start the operator and stop it, and decide nothing."""
