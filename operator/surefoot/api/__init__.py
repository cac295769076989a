"""The wire contract, by version."""
